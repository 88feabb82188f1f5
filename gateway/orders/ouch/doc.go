// Package ouch takes orders by Nasdaq OUCH 5.0 over SoupBinTCP, for a gate of package orders.
//
//	server, err := ouch.New(cfg, gate, instruments)
//	err = server.Start()
//	...
//	err = server.Stop(ctx)
//
// # Sessions
//
// A user has a session of the gate, and its messages are the session's reports: each report is exactly one
// numbered message, with the report's number. So a client that lost its connection logs in with the number
// that it wants next and gets exactly what it missed, whatever became of the gateway meanwhile. The newest
// login of a user has the session; the connection before it is closed.
//
// What the gate keeps nothing of is answered without a number, in SoupBinTCP's unsequenced packets: that a
// request was not taken (Rejected, CancelReject: lanes are full, rates, the kill switch), answers to account
// queries and to switches of order entry, and SystemEvents. Such answers are lost with their connection.
//
// # Messages
//
//	of the client                 the gate's request
//	EnterOrder                    New; one that the protocol does not allow, too, so that its Rejected has a number
//	ReplaceOrder                  Replace; what else an order is stays, and has to be said as it was
//	CancelOrder                   Cancel; with a quantity Reduce
//	ModifyOrder                   Reduce
//	MassCancel                    MassCancel; for a firm, and a symbol and side where they are said
//	DisableOrderEntry, Enable...  the kill switch of the firm's account
//	AccountQuery                  none
//
//	the gate's report             message of the venue
//	Accepted                      OrderAccepted
//	Booked                        OrderPriorityUpdate: with the number that the order has in market data
//	Executed                      OrderExecuted
//	Canceled                      OrderCanceled; AIQCanceled by self-trade prevention
//	Replaced                      OrderReplaced; OrderModified where the request made less of the order
//	Restated                      OrderRestated when another part of the order shows, or nothing does;
//	                              OrderPriorityUpdate when it enters the book
//	MassCanceled                  MassCancelResponse
//	Rejected, Refused             Rejected; CancelReject for CancelOrder and ModifyOrder
//
// The venue cancels at once and breaks no trades: it never sends CancelPending and BrokenTrade. UserRefNums go
// on as long as the session's messages do; they do not begin again with the day.
//
// # Limits
//
// Connections are limited in all, per address and second, logins that fail per address. Passwords are
// judged beside the event loops, a bounded number at a time. A client that does not log in, is silent, sends what
// is no SoupBinTCP, or does not read is closed, and costs no more memory than one that does: a packet that
// is not whole, one write, what the kernel keeps, and for each order that lives what the client said of it.
package ouch
