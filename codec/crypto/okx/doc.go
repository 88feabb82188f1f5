// Package okx decodes the public market data of OKX, of its API version 5: spot and derivatives.
//
// Source: "Order Book Trading, Market Data" and "WebSocket" of the OKX API: channels books, books50-l2-tbt,
// books-l2-tbt, trades and tickers.
//
//	s, err := depth.NewSplicer(okx.Book(), now)
//	d := okx.NewDecoder(directory)
//	v := d.Decode(text, &m)
//	list, err := okx.ParseInstruments(body) // from GET /api/v5/public/instruments?instType=SPOT
//
// # Messages
//
// {"arg":{"channel":"..","instId":".."},"action":"..","data":[..]}. Elements of data:
//
//	books    asks and bids: [["price","size","0","orders"],..], ts in ms, checksum, seqId, prevSeqId; action
//	         is snapshot or update, and there is one element
//	trades   instId, tradeId, px, sz, side (the aggressor's), ts in ms
//	tickers  bidPx, bidSz, askPx, askSz, ts; empty text where there is none
//
// Others have "event": subscribe, unsubscribe, error (code, msg), notice (the connection is to be closed).
// The client sends the text ping when nothing has come for some seconds (at most 30), and gets the text pong, which is
// no JSON.
//
// # Sequence
//
// prevSeqId of an update is the seqId of the message before; -1 in a snapshot. When nothing changes for a
// minute, an update without levels comes whose two numbers are equal. After maintenance seqId may be smaller
// than prevSeqId; the chain is unbroken all the same. Messages of before 2022 have no numbers.
//
// The checksum is CRC-32, as a signed number, over the 25 best levels of both sides in turn, bid first, each
// as "price:size" as it was sent, all joined by colons. OKX has given it up: where it is absent or 0, there is
// none. Removals of levels that are not in the book are normal.
package okx
