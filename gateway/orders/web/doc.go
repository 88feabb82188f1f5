// Package web takes orders by JSON over HTTP, for a gate of package orders: place, replace and cancel, open
// orders, executions, balances, history, and a stream of events.
//
//	server, err := web.New(cfg, gate)
//	err = server.Start()
//	...
//	err = server.Stop(ctx)
//
// GET /openapi.json describes all of it, and is checked against the handlers by a test.
//
// # Keys
//
// Each request carries the id of an API key, a time and a signature: see Sign. A signature is good for a few
// seconds, once. A key has a session of the gate of its own, for some accounts.
//
// # Doing it once
//
// A POST or PUT with an Idempotency-Key is done once, however often it is sent: the gate remembers the key,
// durably, and the same request is given the same answer. Another request with the key is refused. So a
// client that got no answer, or outcome_unknown, sends the same request again, signed anew.
//
// # Errors
//
// All have one form: {"error": {"code", "text", "field", "reason"}}; see Code.
//
// # Limits
//
// Connections in all, per address and second; requests of a key in a second; the size of requests; events
// streams of a key. Queries run in lane 4 of the gate, and are told to come again when it is full. A stream's
// client that does not read is cut, and goes on later with Last-Event-ID.
package web
