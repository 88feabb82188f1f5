package bybit

import (
	"testing"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/depth/depthtest"
)

const (
	delta   = `{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1700000000125,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30245.40","0"]],"a":[["30248.70","0.5"]],"u":177400507,"seq":66544703342},"cts":1700000000123}`
	deltaV2 = `{"topic":"orderBookL2_25.BTCUSD","type":"delta","data":{"delete":[{"price":"3001.00","symbol":"BTCUSD","id":30010000,"side":"Sell"}],"update":[{"price":"2999.00","symbol":"BTCUSD","id":29990000,"side":"Buy","size":8}],"insert":[{"price":"2998.00","symbol":"BTCUSD","id":"29980000","side":"Buy","size":8.5}],"transactTimeE6":0},"cross_seq":11519,"timestamp_e6":1555647221331673}`
)

var golden = []depthtest.Golden{
	{"delta", delta, `
delta BTCUSDT numbered 177400507-177400507 prev 0 at 1700000000123000000
  bid 30247.20 x 3002800000
  bid 30245.40 x 0
  ask 30248.70 x 50000000`},
	{"snapshot after a restart", `{"topic":"orderbook.50.BTCUSDT","ts":7,"type":"snapshot","data":{"u":1,"s":"BTCUSDT","seq":9,"b":[["1","2"]],"a":[]}}`, `
snapshot BTCUSDT numbered 1-1 prev 0 at 7000000
  bid 1.00 x 200000000`},
	{"trades", `{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":2,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false},{"T":3,"s":"BTCUSDT","S":"Sell","v":"1","p":"16578","i":"2290000000061666327"}]}`, `
trades BTCUSDT at 1000000
  BTCUSDT buys 16578.50 x 100000 at 2000000
  BTCUSDT sells 16578.00 x 100000000 at 3000000 number 2290000000061666327`},
	{"version 2: delta", deltaV2, `
delta BTCUSD numbered 0-11519 prev 0 at 1555647221331673000
  ask 3001.00 x 0
  bid 2999.00 x 800000000
  bid 2998.00 x 850000000`},
	{"version 2: snapshot as a list", `{"topic":"orderBookL2_25.BTCUSD","type":"snapshot","data":[{"price":"2999.00","symbol":"BTCUSD","id":29990000,"side":"Buy","size":9}],"cross_seq":11518,"timestamp_e6":1555647164875373}`, `
snapshot BTCUSD numbered 0-11518 prev 0 at 1555647164875373000
  bid 2999.00 x 900000000`},
	{"version 2: snapshot as an object", `{"topic":"orderBookL2_25.BTCUSDT","type":"snapshot","data":{"order_book":[{"price":"2999.00","symbol":"BTCUSDT","id":"29990000","side":"Sell","size":9}]},"cross_seq":"11518","timestamp_e6":"1555647164875373"}`, `
snapshot BTCUSDT numbered 0-11518 prev 0 at 1555647164875373000
  ask 2999.00 x 900000000`},
	{"version 2: trade", `{"topic":"trade.BTCUSD","data":[{"trade_time_ms":1618677786614,"timestamp":"2021-04-17T16:43:06.000Z","symbol":"BTCUSD","side":"Sell","size":4,"price":60621.5,"trade_id":"5ffb8b77-900c-507d-97a2-0922557ffe54","cross_seq":5938955347}]}`, `
trades BTCUSD
  BTCUSD sells 60621.50 x 400000000 at 1618677786614000000`},
	{"subscribed", `{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"1","op":"subscribe"}`, `ack "subscribe"`},
	{"refused", `{"success":false,"ret_msg":"error:handler not found,topic:x","conn_id":"5","op":"subscribe"}`, `refused "error:handler not found,topic:x"`},
	{"pong", `{"success":true,"ret_msg":"pong","conn_id":"0970e817","req_id":"1","op":"ping"}`, `heartbeat "pong"`},
	{"pong of another kind", `{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"c"}`, `heartbeat`},
	{"another topic", `{"topic":"kline.5.BTCUSDT","type":"snapshot","data":[{"start":1,"side":"Buy"}]}`, `ignored`},
	{"of no instrument in the directory", `{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","b":[],"a":[],"u":1,"seq":1},"cts":1}`, `ignored`},
	{"a level without a side", `{"topic":"orderBookL2_25.BTCUSD","type":"delta","data":{"delete":[{"price":"1"}]}}`, `bad-field`},
	{"a side that is none", `{"topic":"publicTrade.BTCUSDT","data":[{"S":"buy"}]}`, `bad-field`},
	{"nothing", ``, `short`},
}

func TestDoesNotAllocate(t *testing.T) {
	depthtest.Allocations(t, decoder(), delta)
	depthtest.Allocations(t, decoder(), deltaV2)
}

func TestInstruments(t *testing.T) {
	list, err := ParseInstruments([]byte(`{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[
		{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","status":"Trading",
		"lotSizeFilter":{"basePrecision":"0.000001","minOrderQty":"0.000048","maxOrderQty":"71.73956243"},"priceFilter":{"tickSize":"0.01"}}]}}`))
	want := depth.Instrument{
		Symbol: "BTCUSDT", Canonical: "BTC-USDT", Base: "BTC", Quote: "USDT", Unit: "BTC", Class: 'X', Tick: 10_000_000, SizeScale: 6, Trading: true,
	}
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("%+v, %v, want %+v", list, err, want)
	}
	list, err = ParseInstruments([]byte(`{"retCode":0,"result":{"category":"inverse","list":[
		{"symbol":"BTCUSD","contractType":"InversePerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USD","deliveryTime":"0",
		"priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"1","maxOrderQty":"25000000"}},
		{"symbol":"BTCUSDH25","contractType":"InverseFutures","status":"PreLaunch","baseCoin":"BTC","quoteCoin":"USD","deliveryTime":"1743148800000",
		"priceFilter":{"tickSize":"0.5"},"lotSizeFilter":{"qtyStep":"1","maxOrderQty":"1000000"}}]}}`))
	if err != nil || len(list) != 2 || list[0].Canonical != "BTC-USD-PERP" || list[0].Unit != "USD" || list[0].SizeScale != 0 ||
		list[1].Canonical != "BTC-USD-250328" || list[1].Trading {
		t.Errorf("%+v, %v", list, err)
	}
	for _, body := range []string{`{`, `{"retCode":10001,"retMsg":"params error"}`, `{"retCode":0,"result":7}`} {
		if list, err := ParseInstruments([]byte(body)); err == nil {
			t.Errorf("%s: %+v", body, list)
		}
	}
}
