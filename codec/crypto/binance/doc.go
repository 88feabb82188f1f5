// Package binance decodes Binance's public market data: spot and USD-margined futures.
//
// Sources: "WebSocket Streams" and "How to manage a local order book correctly" of Binance's spot API and
// of its USD-M futures API.
//
//	spot, err := depth.NewSplicer(binance.SpotBook(), now)
//	d := binance.NewDecoder(directory)
//	v := d.Decode(text, &m)                    // from the WebSocket
//	v := d.DecodeSnapshot(body, in, &m)        // from GET /api/v3/depth, /fapi/v1/depth
//	list, err := binance.ParseInstruments(body) // from GET /api/v3/exchangeInfo, /fapi/v1/exchangeInfo
//
// # Messages
//
// Keys that matter, of the payload itself or of "data" in {"stream":..,"data":{..}}:
//
//	depthUpdate  s symbol, E time in ms, T time of the change in ms (futures), U first and u last change,
//	             pu last change of the message before (futures), b bids and a asks: [["price","size"],..]
//	bookTicker   s, u change, b bid price, B bid size, a ask price, A ask size; no "e" on spot
//	trade        s, t number, p price, q size, T time in ms, m: the buyer rested, so a seller came
//	aggTrade     the same, but its number is a; one aggressor's trades at one price
//	snapshot     lastUpdateId, bids, asks; futures: E, T
//	answers      {"result":null,"id":1}, {"code":..,"msg":..}, {"error":{"code":..,"msg":..},"id":1}
//
// Binance asks nothing of the client but to answer WebSocket pings, and ends a connection after 24 hours.
//
// # Sequence
//
// Spot: changes that are not after the snapshot's lastUpdateId are dropped; each that is kept must begin no
// later than behind the last. Futures: a change that ends before lastUpdateId is dropped, the first that is
// kept must contain it, and each after that names the last change of the one before as pu; U then jumps.
package binance
