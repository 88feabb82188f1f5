package binance

import (
	"testing"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/depth/depthtest"
	"tidegate/market"
)

const delta = `{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1700000000123,"s":"BTCUSDT","U":157,"u":160,"b":[["42000.01000000","0.00120000"],["41999.50000000","0.00000000"]],"a":[["42001.00000000","12.00000000"]]}}`

var golden = []depthtest.Golden{
	{"delta of spot, combined stream", delta, `
delta BTCUSDT numbered 157-160 prev 0 at 1700000000123000000
  bid 42000.01 x 120000
  bid 41999.50 x 0
  ask 42001.00 x 1200000000`},
	{"delta of futures, raw stream", `{"e":"depthUpdate","E":1700000000123,"T":1700000000120,"s":"ETHUSDT","U":200,"u":260,"pu":199,"b":[],"a":[["2000.10","1.5"]]}`, `
delta ETHUSDT numbered 200-260 prev 199 at 1700000000120000000
  ask 2000.10 x 150000000`},
	{"delta, keys in another order", `{"data":{"a":[],"b":[["1","2",[]]],"u":6,"U":5,"x":{"y":[1]},"s":"BTC\u0055SDT","E":1,"e":"depthUpdate"},"stream":"s"}`, `
delta BTCUSDT numbered 5-6 prev 0 at 1000000
  bid 1.00 x 200000000`},
	{"quote of spot, which has no name", `{"u":400,"s":"BTCUSDT","b":"42000.01","B":"3","a":"42000.02","A":"4"}`, `
quote BTCUSDT numbered 400-400 prev 0
  bid 42000.01 x 300000000
  ask 42000.02 x 400000000`},
	{"quote of futures", `{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":400,"s":"BTCUSDT","b":"1","B":"3","a":"2","A":"4","T":5,"E":6}}`, `
quote BTCUSDT numbered 400-400 prev 0 at 5000000
  bid 1.00 x 300000000
  ask 2.00 x 400000000`},
	{"trade: the buyer rested, so somebody sold", `{"e":"trade","E":10,"s":"BTCUSDT","t":77,"p":"42000","q":"0.5","T":9,"m":true,"M":true}`, `
trades BTCUSDT at 9000000
  BTCUSDT sells 42000.00 x 50000000 at 9000000 number 77`},
	{"aggregate trade", `{"e":"aggTrade","E":10,"s":"ETHUSDT","a":78,"p":"2000","q":"1","f":1,"l":2,"T":9,"m":false}`, `
trades ETHUSDT at 9000000
  ETHUSDT buys 2000.00 x 100000000 at 9000000 number 78`},
	{"what futures report as a trade and is none", `{"e":"trade","E":10,"s":"BTCUSDT","t":79,"p":"0","q":"0","X":"NA","T":9,"m":true}`, `ignored`},
	{"another stream", `{"e":"kline","E":10,"s":"BTCUSDT","k":{"b":"1"}}`, `ignored`},
	{"of no instrument in the directory", `{"e":"depthUpdate","E":1,"s":"XRPUSDT","U":1,"u":1,"b":[],"a":[]}`, `ignored`},
	{"subscribed", `{"result":null,"id":3}`, `ack`},
	{"refused", `{"error":{"code":2,"msg":"Invalid request"},"id":3}`, `refused "Invalid request"`},
	{"refused, in short", `{"code":0,"msg":"Unknown property","id":3}`, `refused "Unknown property"`},
	{"going down", `{"e":"serverShutdown","E":10}`, `reconnect at 10000000`},
	{"price below zero", `{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[["-1","2"]],"a":[]}`, `bad-field`},
	{"price too fine", `{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[["0.0000000001","2"]],"a":[]}`, `bad-price`},
	{"price of no sense is left out", `{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[],"a":[["10000000000","2"],["3","4"]]}`, `
delta BTCUSDT numbered 1-1 prev 0 at 1000000
  ask 3.00 x 400000000`},
	{"size too large", `{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[["1","999999999999"]],"a":[]}`, `bad-field`},
	{"time of no sense", `{"e":"depthUpdate","E":-1,"s":"BTCUSDT","U":1,"u":1,"b":[],"a":[]}`, `bad-time`},
	{"something after it", delta + `x`, `bad-field`},
	{"level without a size", `{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[["1"]],"a":[]}`, `bad-field`},
	{"nothing", ``, `short`},
	{"no JSON", `{"e":}`, `bad-field`},
}

func TestSnapshot(t *testing.T) {
	d := decoder()
	var m depth.Message
	for _, c := range []struct{ text, want string }{
		{`{"lastUpdateId":1027,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}`, "snapshot BTCUSDT numbered 0-1027 prev 0\n  bid 4.00 x 43100000000\n  ask 4.000002 x 1200000000"},
		{`{"asks":[],"T":7,"E":8,"bids":[],"lastUpdateId":5}`, "snapshot BTCUSDT numbered 0-5 prev 0 at 7000000"},
		{`{"code":-1003,"msg":"Too many requests."}`, `refused "Too many requests."`},
		{`{}`, "ignored"},
		{`{"lastUpdateId":1027,"bids":[["4","5"]]`, "short"},
	} {
		if got := depthtest.Describe(d.DecodeSnapshot([]byte(c.text), d.directory.Find([]byte("BTCUSDT")), &m), &m); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) { depthtest.Allocations(t, decoder(), delta) }

func FuzzSnapshot(f *testing.F) {
	f.Add([]byte(`{"lastUpdateId":1027,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}`))
	d := decoder()
	var m depth.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		depthtest.Check(t, b, d.DecodeSnapshot(b, d.directory.All()[0], &m), &m)
	})
}

func TestInstruments(t *testing.T) {
	list, err := ParseInstruments([]byte(`{"symbols":[
		{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
			{"filterType":"PRICE_FILTER","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","stepSize":"0.00001000","maxQty":"9000.00000000"}]},
		{"symbol":"SHIBUSDT","status":"BREAK","baseAsset":"SHIB","quoteAsset":"USDT","filters":[
			{"filterType":"LOT_SIZE","stepSize":"1.00","maxQty":"46116860414.00"}]},
		{"symbol":"BTCUSDT_250328","status":"TRADING","contractType":"CURRENT_QUARTER","baseAsset":"BTC","quoteAsset":"USDT","filters":[]},
		{"symbol":"ETHUSDT","status":"TRADING","contractType":"PERPETUAL","baseAsset":"ETH","quoteAsset":"USDT","filters":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []depth.Instrument{
		{Symbol: "BTCUSDT", Canonical: "BTC-USDT", Base: "BTC", Quote: "USDT", Unit: "BTC", Class: 'X', Tick: 10_000_000, SizeScale: 5, Trading: true},
		{Symbol: "SHIBUSDT", Canonical: "SHIB-USDT", Base: "SHIB", Quote: "USDT", Unit: "SHIB", Class: 'X', SizeScale: -2},
		{Symbol: "BTCUSDT_250328", Canonical: "BTC-USDT-250328", Base: "BTC", Quote: "USDT", Unit: "BTC", Class: 'F', Trading: true},
		{Symbol: "ETHUSDT", Canonical: "ETH-USDT-PERP", Base: "ETH", Quote: "USDT", Unit: "ETH", Class: 'F', Trading: true},
	}
	for i := range want {
		if len(list) != len(want) || list[i] != want[i] {
			t.Errorf("%+v, want %+v", list, want[i])
		}
	}
	if _, err := ParseInstruments([]byte(`{"symbols":[{]}`)); err == nil {
		t.Error("no error for what is no JSON")
	}
	if def := list[0].Definition(7); def.Symbol != "BTC-USDT" || def.Publisher != market.PublisherID(7) || def.Class != 'X' || def.TickSize != 10_000_000 {
		t.Errorf("%+v", def)
	}
}
