// Package admin is the gateway's HTTP interface for those who run it: what comes in on which line,
// what became of it, who is connected, how fast records leave, and what the books are.
//
//	monitor := admin.NewMonitor(admin.Sources{Loop: loop, Feeds: feeds, Ring: ring, Subscribers: server.Stats})
//	server, err := admin.New(admin.Config{Addr: "127.0.0.1:8080", Monitor: monitor})
//	err = server.Start()
//	...
//	err = server.Stop(ctx)
//
// A Monitor asks the ingest loop by way of its commands: what the loop owns is copied there and
// turned into text elsewhere. It asks a bounded number of times a second, however many ask it, so
// that looking at the gateway does not change what is seen. Its reports are plain values; they are
// what the server sends as JSON.
//
// A Witness goes between a pipeline and its stream, and remembers the latest gaps and epochs. A
// Latency is told by the loop when datagrams were received and published.
//
// The server answers GET and HEAD. The one thing that can be done by it, with POST, is to have a say in which
// provider of a feed is believed: Monitor.Act. It speaks HTTP without TLS: on other than loopback addresses it
// must have a token, and should have a proxy or a private network. Without a token whoever can connect from this
// machine may use it, but no page in a browser: a POST must have JSON as its content type, and a loopback
// address as its host.
package admin
