package okx

import (
	"testing"

	"tidegate/codec/crypto/depth/depthtest"
)

const delta = `{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["8476.98","415","0","13"],["8477","0","0","0"]],"bids":[["8476.97","256","0","12"]],"ts":"1700000000123","checksum":-855196043,"prevSeqId":123456,"seqId":123459}]}`

var golden = []depthtest.Golden{
	{"delta", delta, `
delta BTC-USDT numbered 0-123459 prev 123456 at 1700000000123000000 sum 3439771253
  ask 8476.98 x 41500000000
  ask 8477.00 x 0
  bid 8476.97 x 25600000000`},
	{"delta without numbers and checksum, keys in another order", `{"data":[{"ts":1700000000123,"bids":[["1","2","0","1"]],"asks":[],"checksum":0}],"action":"update","arg":{"instId":"BTC\u002DUSDT","channel":"books"}}`, `
delta BTC-USDT at 1700000000123000000
  bid 1.00 x 200000000`},
	{"snapshot", `{"arg":{"channel":"books50-l2-tbt","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["2","1","0","1"]],"bids":[],"ts":"1","checksum":5,"prevSeqId":-1,"seqId":9}]}`, `
snapshot BTC-USDT numbered 0-9 prev -1 at 1000000 sum 5
  ask 2.00 x 100000000`},
	{"trades", `{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"2"},{"instId":"BTC-USDT","tradeId":"130639475","px":"42219.8","sz":"1","side":"sell","ts":"3"}]}`, `
trades BTC-USDT at 3000000
  BTC-USDT buys 42219.90 x 12060306 at 2000000 number 130639474
  BTC-USDT sells 42219.80 x 100000000 at 3000000 number 130639475`},
	{"quote with one side", `{"arg":{"channel":"tickers","instId":"BTC-USD-SWAP"},"data":[{"instId":"BTC-USD-SWAP","last":"9","askPx":"","askSz":"","bidPx":"8888.88","bidSz":"5","ts":"1597026383085"}]}`, `
quote BTC-USD-SWAP at 1597026383085000000
  bid 8888.88 x 500000000
  ask 0.00 x 0`},
	{"subscribed", `{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}`, `ack BTC-USDT "books"`},
	{"refused", `{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}`, `refused "Invalid request"`},
	{"going down", `{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a"}`, `reconnect "The connection will soon be closed"`},
	{"another event", `{"event":"channel-conn-count","channel":"orders","connCount":"2"}`, `ignored`},
	{"another channel", `{"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"idxPx":"1"}]}`, `ignored`},
	{"two books", `{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[],"bids":[]},{"asks":[],"bids":[]}]}`, `bad-field`},
	{"a checksum of more than 32 bits", `{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[],"bids":[],"checksum":2147483648}]}`, `bad-field`},
	{"of no instrument in the directory", `{"arg":{"channel":"books","instId":"X-Y"},"action":"update","data":[{"asks":[],"bids":[]}]}`, `ignored`},
	{"nothing", ``, `short`},
}

func TestPong(t *testing.T) {
	depthtest.Run(t, decoder(), []depthtest.Golden{{"pong", "pong", "heartbeat"}})
}

func TestDoesNotAllocate(t *testing.T) { depthtest.Allocations(t, decoder(), delta) }
