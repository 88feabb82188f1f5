package kraken

import (
	"testing"

	"tidegate/codec/crypto/depth/depthtest"
)

const (
	deltaV1 = `[1234,{"a":[["5541.30000","2.50700000","1534614248.456738"],["5542.50000","0.40100000","1534614248.456700","r"]],"c":"974942666"},"book-10","XBT/USD"]`
	deltaV2 = `{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":42000.1,"qty":0.00000000}],"asks":[{"price":42001.0,"qty":1.50000000}],"checksum":2439117997,"timestamp":"2023-11-14T22:13:20.123456Z"}]}`
)

var golden = []depthtest.Golden{
	{"version 1: delta", deltaV1, `
delta XBT/USD at 1534614248456738000 sum 974942666
  ask 5541.30 x 250700000
  ask 5542.50 x 40100000`},
	{"version 1: delta in two objects", `[1234,{"a":[["5541.3","2.5","1534614248.456738"]]},{"b":[["5541.2","0","1534614248.5"]],"c":"1"},"book-10","XBT\/USD"]`, `
delta XBT/USD at 1534614248500000000 sum 1
  ask 5541.30 x 250000000
  bid 5541.20 x 0`},
	{"version 1: snapshot", `[0,{"as":[["5541.3","2.5","1534614248.123678"]],"bs":[["5541.2","1.5","1534614248.7"]]},"book-100","XBT/USD"]`, `
snapshot XBT/USD at 1534614248700000000
  ask 5541.30 x 250000000
  bid 5541.20 x 150000000`},
	{"version 1: trades", `[0,[["5541.2","0.15850568","1534614057.321597","s","l",""],["6060","0.02455","1534614057.324998","b","m",""]],"trade","XBT/USD"]`, `
trades XBT/USD at 1534614057324998000
  XBT/USD sells 5541.20 x 15850568 at 1534614057321597000
  XBT/USD buys 6060.00 x 2455000 at 1534614057324998000`},
	{"version 1: ticker", `[0,{"a":["5525.4",1,"1.0"],"b":["5525.1",1,"1.0"],"c":["5525.1","0.00398963"]},"ticker","XBT/USD"]`, `ignored`},
	{"version 1: spread", `[0,["5698.4","5700.0","1542057299.545897","1.01234567","0.98765432"],"spread","XBT/USD"]`, `ignored`},
	{"version 1: heartbeat", `{"event":"heartbeat"}`, `heartbeat`},
	{"version 1: status", `{"connectionID":8628615390848610000,"event":"systemStatus","status":"online","version":"1.0.0"}`, `status "online"`},
	{"version 1: subscribed", `{"channelID":10001,"channelName":"ticker","event":"subscriptionStatus","pair":"XBT/USD","status":"subscribed","subscription":{"name":"ticker"}}`, `ack`},
	{"version 1: refused", `{"errorMessage":"Subscription depth not supported","event":"subscriptionStatus","pair":"XBT/USD","status":"error"}`, `refused "Subscription depth not supported"`},
	{"version 1: another event", `{"event":"news"}`, `ignored`},
	{"version 2: delta", deltaV2, `
delta BTC/USD at 1700000000123456000 sum 2439117997
  bid 42000.10 x 0
  ask 42001.00 x 150000000`},
	{"version 2: delta, keys in another order", `{"data":[{"asks":[{"qty":1e-8,"price":3}],"checksum":7,"bids":[],"symbol":"BTC/USD"}],"type":"update","channel":"book"}`, `
delta BTC/USD sum 7
  ask 3.00 x 1`},
	{"version 2: snapshot", `{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":0.5666,"qty":4831.75496356}],"asks":[{"price":0.5668,"qty":4410.79769741}],"checksum":2439117997}]}`, `
snapshot BTC/USD sum 2439117997
  bid 0.5666 x 483175496356
  ask 0.5668 x 441079769741`},
	{"version 2: trades of several", `{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-11-14T22:13:20.1Z"},{"symbol":"X/Y","side":"sell","price":1,"qty":1,"trade_id":1,"timestamp":"2023-11-14T22:13:20.1Z"},{"symbol":"XBT/USD","side":"sell","price":1,"qty":2,"trade_id":3,"timestamp":"2023-11-14T22:13:20.2Z"}]}`, `
trades XBT/USD at 1700000000200000000
  BTC/USD buys 0.5117 x 4000000000 at 1700000000100000000 number 4665906
  XBT/USD sells 1.00 x 200000000 at 1700000000200000000 number 3`},
	{"version 2: trades of before", `{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy","price":1,"qty":1,"trade_id":1,"timestamp":"2023-11-14T22:13:20.1Z"}]}`, `ignored`},
	{"version 2: ticker", `{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035}]}`, `
quote BTC/USD
  bid 0.10025 x 74000000000
  ask 0.10036 x 136144813783`},
	{"version 2: heartbeat", `{"channel":"heartbeat"}`, `heartbeat`},
	{"version 2: status", `{"channel":"status","data":[{"api_version":"v2","connection_id":12345678901234567890,"system":"online","version":"2.0.0"}],"type":"update"}`, `status "online"`},
	{"version 2: subscribed", `{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true,"time_in":"2023-10-06T17:35:55.219022Z"}`, `ack`},
	{"version 2: refused", `{"error":"Currency pair not supported","method":"subscribe","success":false,"symbol":"X"}`, `refused "Currency pair not supported"`},
	{"version 2: pong", `{"method":"pong","req_id":101}`, `heartbeat`},
	{"version 2: instruments", `{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[]}}`, `ignored`},
	{"version 2: two books", `{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[]},{"symbol":"XBT/USD","bids":[],"asks":[]}]}`, `bad-field`},
	{"a checksum of more than 32 bits", `[1,{"a":[],"c":"4294967296"},"book-10","XBT/USD"]`, `bad-field`},
	{"a level without a time", `[1,{"a":[["1","2"]],"c":"1"},"book-10","XBT/USD"]`, `bad-field`},
	{"of no instrument in the directory", `[1,{"a":[["1","2","3.5"]],"c":"1"},"book-10","X/Y"]`, `ignored`},
	{"nothing", ``, `short`},
}

func TestDoesNotAllocate(t *testing.T) {
	depthtest.Allocations(t, decoder(), deltaV1)
	depthtest.Allocations(t, decoder(), deltaV2)
}
