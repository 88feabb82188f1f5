// Package orders takes orders, matches them, and keeps what it has promised: it is the way from a client's
// request to the matching engine and back.
//
//	sessions --> lanes --> admission loop --> matching loops --> publisher --> sessions
//	             1 2 3      | accounts                            |   |          market data
//	                        v                                     |   v
//	                      input log ------ durable? -------------/  streams (who reconnects reads there)
//	                        |
//	                        v
//	                      replica --> snapshots, queries
//
// A protocol (OUCH, HTTP) attaches to a Session, submits Requests and reads Reports:
//
//	gate, err := orders.Open(cfg)
//	s, ok := gate.SessionByName("DESK1")
//	link, err := s.Attach(wake)              // one at a time; wake says that there is something to read
//	ticket, verdict := link.Submit(&request) // never waits; a request that is not Taken has left no trace
//	n, err := link.Read(next, reports)       // reports from number next on, as often as one likes
//	link.Detach()                            // orders with CancelOnDisconnect go
//
// # Reports
//
// What happens to the orders of a session is told in reports, numbered from 1 without holes. A report can be
// read when what it says is durable. It has the same number and the same content ever after, also after a
// crash: a client says which number it wants next, and gets exactly what it missed.
//
// Every request that was Taken is answered by at least one report with its ticket, to the session that
// submitted it; the last one of them is marked. Requests that are not Taken are not recorded: their id is
// not used up, and they may be sent again.
//
// # Identity
//
// A client names its requests with a ClientID, unique in its session. A New or Replace whose id was used
// before does nothing: it is answered with a report of kind Repeated that names the number of the first
// answer, which can be read again. So a client that does not know whether a request arrived sends it once
// more. The gate remembers ids as long as Config.IDsMax says.
//
// The venue names an order with its OrderID, which stays the same when it is replaced.
package orders
