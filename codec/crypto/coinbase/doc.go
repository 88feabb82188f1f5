// Package coinbase decodes the public market data of Coinbase Exchange.
//
// Source: "WebSocket Channels" of the Coinbase Exchange API (wss://ws-feed.exchange.coinbase.com): channels
// level2_batch, matches, ticker and heartbeat. (Channel level2 has the same messages, and asks for a key.)
//
//	s, err := depth.NewSplicer(coinbase.Book(), now)
//	d := coinbase.NewDecoder(directory)
//	v := d.Decode(text, &m)
//	list, err := coinbase.ParseInstruments(body) // from GET /products
//
// # Messages
//
// Every message has "type"; those about an instrument have "product_id"; "time" is RFC 3339 in UTC:
//
//	snapshot       bids and asks: [["price","size"],..]
//	l2update       changes: [["buy","price","size"],..]; size 0 removes the level
//	match          trade_id, price, size, side: the resting order's, so the aggressor's is the other
//	last_match     the same, for the last trade before the subscription: not new, so not a trade here
//	ticker         best_bid, best_bid_size, best_ask, best_ask_size (sizes since 2022)
//	heartbeat      once a second for each instrument
//	subscriptions  answer to a request: all that is subscribed
//	error          message, reason
//
// # Sequence
//
// A book begins with a snapshot, which comes by itself after the subscription, and goes on with l2update
// in the order in which they come. They have no numbers: what is lost inside the connection cannot be seen
// in the book's messages, and a snapshot is had by subscribing again.
package coinbase
