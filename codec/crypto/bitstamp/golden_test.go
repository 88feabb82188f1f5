package bitstamp

import (
	"testing"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/depth/depthtest"
)

const delta = `{"data":{"timestamp":"1700000000","microtimestamp":"1700000000123456","bids":[["42000.01","0.00120000"]],"asks":[["42001.00","0.00000000"]]},"channel":"diff_order_book_btcusd","event":"data"}`

var golden = []depthtest.Golden{
	{"delta", delta, `
delta btcusd numbered 1700000000123456-1700000000123456 prev 0 at 1700000000123456000
  bid 42000.01 x 120000
  ask 42001.00 x 0`},
	{"delta, keys in another order", `{"event":"data","channel":"diff_order_book_btc\u0075sd","new":null,"data":{"asks":[],"bids":[["1","2"]],"microtimestamp":1700000000123456}}`, `
delta btcusd numbered 1700000000123456-1700000000123456 prev 0 at 1700000000123456000
  bid 1.00 x 200000000`},
	{"trade", `{"data":{"id":216000477,"timestamp":"1641343699","amount":0.0792,"amount_str":"0.07920000","price":3805.44,"price_str":"3805.44","type":1,"microtimestamp":"1641343699596000","buy_order_id":1443875737346049,"sell_order_id":1443875731320832},"channel":"live_trades_etheur","event":"trade"}`, `
trades etheur at 1641343699596000000
  etheur sells 3805.44 x 7920000 at 1641343699596000000 number 216000477`},
	{"subscribed", `{"event":"bts:subscription_succeeded","channel":"diff_order_book_btcusd","data":{}}`, `ack btcusd "diff_order_book_btcusd"`},
	{"refused", `{"event":"bts:error","channel":"","data":{"code":null,"message":"Bad subscription string."}}`, `refused "Bad subscription string."`},
	{"heartbeat", `{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}`, `heartbeat`},
	{"going down", `{"event":"bts:request_reconnect","channel":"","data":""}`, `reconnect`},
	{"another channel", `{"data":{"timestamp":"1","microtimestamp":"1000000","bids":[],"asks":[]},"channel":"order_book_btcusd","event":"data"}`, `ignored`},
	{"of no instrument in the directory", `{"data":{"timestamp":"1","microtimestamp":"1000000","bids":[],"asks":[]},"channel":"diff_order_book_xy","event":"data"}`, `ignored`},
	{"time of no sense", `{"data":{"timestamp":"1","microtimestamp":"-1","bids":[],"asks":[]},"channel":"diff_order_book_btcusd","event":"data"}`, `bad-time`},
	{"nothing", ``, `short`},
}

func TestSnapshot(t *testing.T) {
	d := decoder()
	var m depth.Message
	for _, c := range []struct{ text, want string }{
		{`{"timestamp": "1643643584", "microtimestamp": "1643643584684047", "bids": [["4", "5"]], "asks": [["4.5", "0.1"]]}`, "snapshot btcusd numbered 1643643584684047-1643643584684047 prev 0 at 1643643584684047000\n  bid 4.00 x 500000000\n  ask 4.50 x 10000000"},
		{`{"status":"error","reason":"Too many requests","code":"400.002"}`, `refused "Too many requests"`},
		{`{"status":"error","reason":{"__all__":["x"]}}`, "ignored"},
		{`{"microtimestamp": "1", "bids": [["4", "5"]]`, "short"},
	} {
		if got := depthtest.Describe(d.DecodeSnapshot([]byte(c.text), d.directory.Find([]byte("btcusd")), &m), &m); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) { depthtest.Allocations(t, decoder(), delta) }

func FuzzSnapshot(f *testing.F) {
	f.Add([]byte(`{"timestamp": "1643643584", "microtimestamp": "1643643584684047", "bids": [["4", "5"]], "asks": []}`))
	d := decoder()
	var m depth.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		depthtest.Check(t, b, d.DecodeSnapshot(b, d.directory.All()[0], &m), &m)
	})
}
