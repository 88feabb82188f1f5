// Package marketdata sends the ITCH 5.0 messages of an orders.Gate to whoever wants them: by MoldUDP64, with a server
// for what was lost, and by SoupBinTCP from any number on.
//
//	p, err := marketdata.New(cfg)
//	gate, err := orders.Open(orders.Config{..., MarketData: p.Message, MarketDataSync: p.Sync})
//	err = p.Serve(gate.Messages())
//
// A gateway, this one or another, takes it as it takes any venue: as a feed with lines and a server for
// retransmission, or with a line by SoupBinTCP.
//
// Messages are kept in a file, so everything of the session can be had again. The session has one name as long
// as the directory lives, and numbers go on over restarts: what was sent is what the input log says, and is
// not sent before that is durable.
//
// # The file
//
//	48 (n - 1)  1   length of message n
//	            47  its bytes, then zeros
package marketdata
