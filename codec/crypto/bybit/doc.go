// Package bybit decodes the public market data of Bybit, of its API version 5 (spot, linear, inverse), and
// of version 2, which is no longer served but of which there are recordings.
//
// Sources: "WebSocket Stream, Public" of the Bybit API version 5: topics orderbook and publicTrade; and of
// version 2: orderBookL2_25 and trade.
//
//	s, err := depth.NewSplicer(bybit.Book(), now)
//	d := bybit.NewDecoder(directory)
//	v := d.Decode(text, &m)
//	list, err := bybit.ParseInstruments(body) // from GET /v5/market/instruments-info?category=spot
//
// # Messages
//
// All have "topic", which ends in the symbol, "type" (snapshot or delta) and "data". Version 5:
//
//	orderbook.50.X  data: s, u, seq, b and a: [["price","size"],..]; cts: when it changed, in ms; ts: when sent
//	publicTrade.X   data: [{T time in ms, s symbol, S aggressor's side, v size, p price, i number or UUID},..]
//
// Version 2 (numbers are sometimes texts):
//
//	orderBookL2_25.X  snapshot: data is [level,..] or {"order_book":[level,..]}; delta: data is
//	                  {"delete":[level,..],"update":[..],"insert":[..]}; cross_seq, timestamp_e6;
//	                  a level is {price, symbol, side, size}, without size where it is deleted
//	trade.X           data: [{symbol, price, size, side, trade_time_ms, trade_id},..]
//
// Answers have "success" and "ret_msg". The client sends {"op":"ping"} every 20 seconds.
//
// # Sequence
//
// A book begins with a snapshot. u of each delta of version 5 is one more than that of the message before.
// A snapshot may come at any time, with u 1 after a restart, and replaces the book. cross_seq of version 2
// grows and jumps: it does not show what is missing.
package bybit
