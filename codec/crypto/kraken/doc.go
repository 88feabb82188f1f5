// Package kraken decodes the public market data of Kraken's spot markets, of its WebSocket API version 2
// and of version 1.
//
// Sources: "WebSockets API v2" (channels book, trade, ticker, status, heartbeat) with its book checksum
// guide, and "WebSockets API 1.9" (book, trade).
//
//	s, err := depth.NewSplicer(kraken.Book(1000), now) // the depth that was subscribed
//	d := kraken.NewDecoder(directory)
//	v := d.Decode(text, &m)
//	list, err := kraken.ParseInstruments(body) // from GET /0/public/AssetPairs; symbols of version 2
//
// # Messages of version 2
//
//	book    {"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD",
//	         "bids":[{"price":1.20,"qty":3.0},..],"asks":[..],"checksum":1,"timestamp":".."}]}; type update
//	trade   {"channel":"trade","type":"update","data":[{"symbol","side","price","qty","trade_id","timestamp"},..]};
//	        type snapshot: trades of before, which are no new ones and so none here
//	ticker  data has bid, bid_qty, ask, ask_qty
//	status, heartbeat; {"method":"subscribe","success":true,..}, {"method":"pong",..}, {"error":"..","success":false}
//
// # Messages of version 1
//
//	book    [channel, {"as":[["price","volume","time"],..],"bs":[..]}, "book-1000", "XBT/USD"], then
//	        [channel, {"a":[..],"b":[..],"c":"checksum"}, "book-1000", "XBT/USD"]; a and b may be in objects
//	        of their own, one after the other, and "c" is then in the second
//	trade   [channel, [["price","volume","time","s","l",""],..], "trade", "XBT/USD"]; b or s: the aggressor
//	events  {"event":"heartbeat"}, systemStatus, subscriptionStatus, pong, error
//
// # Sequence
//
// Messages have no numbers. A book begins with the snapshot, and after each update it is cut to the depth
// that was subscribed, because Kraken does not say that a level has fallen out behind. Whether it is right
// is told by the checksum: CRC-32 over the ten best asks, then the ten best bids, of each its price and its
// volume as they were sent, without the point and without leading zeros.
package kraken
