package coinbase

import (
	"testing"

	"tidegate/codec/crypto/depth/depthtest"
)

const delta = `{"type":"l2update","product_id":"BTC-USD","changes":[["buy","42000.01","0.00120000"],["sell","42001.00","0.00000000"]],"time":"2023-11-14T22:13:20.123456Z"}`

var golden = []depthtest.Golden{
	{"delta", delta, `
delta BTC-USD at 1700000000123456000
  bid 42000.01 x 120000
  ask 42001.00 x 0`},
	{"delta, keys in another order", `{"time":"2023-11-14T22:13:20Z","new":[1],"changes":[["sell","1","2","x"]],"product_id":"BTC\u002dUSD","type":"l2update"}`, `
delta BTC-USD at 1700000000000000000
  ask 1.00 x 200000000`},
	{"delta without changes", `{"type":"l2update","product_id":"BTC-USD","changes":[]}`, `delta BTC-USD`},
	{"snapshot", `{"type":"snapshot","product_id":"ETH-EUR","asks":[["10.5","1"]],"bids":[["10.4","2"]]}`, `
snapshot ETH-EUR
  ask 10.50 x 100000000
  bid 10.40 x 200000000`},
	{"trade: the side is the resting order's", `{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"a","taker_order_id":"b","time":"2023-11-14T22:13:20.000001Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}`, `
trades BTC-USD at 1700000000000001000
  BTC-USD buys 400.23 x 523512000 at 1700000000000001000 number 10`},
	{"trade of before the subscription", `{"type":"last_match","trade_id":10,"time":"2023-11-14T22:13:20.000001Z","product_id":"BTC-USD","size":"5","price":"400","side":"sell"}`, `ignored`},
	{"quote", `{"type":"ticker","product_id":"BTC-USD","price":"1","best_bid":"4.1","best_bid_size":"3","best_ask":"4.2","best_ask_size":"5","side":"buy","time":"2023-11-14T22:13:20Z","trade_id":1,"last_size":"9"}`, `
quote BTC-USD at 1700000000000000000
  bid 4.10 x 300000000
  ask 4.20 x 500000000`},
	{"heartbeat", `{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2023-11-14T22:13:20Z"}`, `heartbeat BTC-USD at 1700000000000000000`},
	{"subscribed", `{"type":"subscriptions","channels":[{"name":"level2_batch","product_ids":["BTC-USD"]}]}`, `ack`},
	{"refused", `{"type":"error","message":"Failed to subscribe","reason":"x is not a valid product"}`, `refused "Failed to subscribe"`},
	{"another type", `{"type":"status","products":[]}`, `ignored`},
	{"of no instrument in the directory", `{"type":"l2update","product_id":"X-Y","changes":[]}`, `ignored`},
	{"a side that is none", `{"type":"l2update","product_id":"BTC-USD","changes":[["hold","1","2"]]}`, `bad-field`},
	{"a change without a size", `{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1"]]}`, `bad-field`},
	{"an empty change", `{"type":"l2update","product_id":"BTC-USD","changes":[[]]}`, `bad-field`},
	{"time of another zone", `{"type":"l2update","product_id":"BTC-USD","changes":[],"time":"2023-11-14T22:13:20+01:00"}`, `bad-time`},
	{"nothing", ``, `short`},
}

func TestDoesNotAllocate(t *testing.T) { depthtest.Allocations(t, decoder(), delta) }
