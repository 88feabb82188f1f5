// Package venue is a simulated exchange whose books are known exactly: the oracle that the
// gateway's books are compared with, and the market of the demonstration.
//
// Four parts, each usable alone:
//
//   - Exchange is a trading day: participants send orders, a plain price-time-priority engine matches
//     them, and every step yields the Nasdaq TotalView-ITCH 5.0 messages that a venue would publish.
//     Levels, Orders, Trades and LiveOrders say what is true after each step.
//   - Sender packs the messages into MoldUDP64 packets, with heartbeats and the end of session; or says the
//     same in PITCH, in sequenced units.
//   - Lines carries packets over several lines that lose, repeat, reorder, delay, clog and break.
//   - Feed joins the three and yields datagrams in order of arrival. WriteCaptures writes them to
//     one capture per line and returns the Truth, which is JSON.
//
// A market of three minutes, about 300,000 messages, on two imperfect lines:
//
//	cfg := venue.DefaultFeedConfig(seed)
//	feed, err := venue.NewFeed(cfg)
//	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
//		// d.Line received d.Payload at d.Time
//	}
//	truth := feed.Truth()
//
// LiveFeed is the same feed while time passes: the caller says what time it is, impairs lines, pauses
// the market and asks for messages again. Package livevenue runs one on real sockets.
//
// Everything is a function of the configuration: the seed is part of it, time is simulated, there is
// no goroutine, and only integer arithmetic shapes the market. Memory is bounded by the books and by
// the longest delay of a line, whatever the number of messages.
//
// # What is like a real day, and what is not
//
// Messages come in bursts with quiet spells between them; instruments differ in activity; prices
// wander; about 43 of 100 messages add an order, 41 delete one, 7 replace one, 2 or 3 execute one and
// 1 or 2 reduce one. The day begins with the directory, has crosses at the open, at the close and
// after halts, and ends with the system events. Before the open and while an instrument is halted
// nothing trades.
//
// A cross is simpler than a real one: it happens at the best displayed price of one side. There are
// no stops, pegs or routed orders, and no trade is ever broken.
package venue
