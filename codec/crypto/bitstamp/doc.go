// Package bitstamp decodes the public market data of Bitstamp.
//
// Source: Bitstamp's "WebSocket API v2" (channels diff_order_book and live_trades) and "HTTP API" (order
// book).
//
//	s, err := depth.NewSplicer(bitstamp.Book(), now)
//	d := bitstamp.NewDecoder(directory)
//	v := d.Decode(text, &m)                     // from the WebSocket
//	v := d.DecodeSnapshot(body, in, &m)         // from GET /api/v2/order_book/SYMBOL/
//	list, err := bitstamp.ParseInstruments(body) // from GET /api/v2/trading-pairs-info/ or /api/v2/markets/
//
// # Messages
//
// {"event":"..","channel":"..","data":{..}}; channels end in the symbol, in small letters:
//
//	data, diff_order_book_X   microtimestamp (text, microseconds), bids and asks: [["price","amount"],..]
//	trade, live_trades_X      id, price_str, amount_str, type of the aggressor (0 buys, 1 sells), microtimestamp
//	bts:subscription_succeeded, bts:unsubscription_succeeded, bts:heartbeat, bts:error (data: code, message),
//	bts:request_reconnect: within seconds the connection will be closed
//
// # Sequence
//
// Messages have no numbers but their microtimestamp. Those that are not after the microtimestamp of the
// snapshot are dropped, all others are applied in the order in which they come. What is missing cannot be
// seen. So that nothing is missing between the snapshot and the first of them, a snapshot that is older than
// the first that is held is refused.
package bitstamp
