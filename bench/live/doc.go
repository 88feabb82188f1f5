// Package live measures the running gateway: latency from the wire to the subscriber, fan-out, ingest
// and memory, each beside a floor or a rival in the same run. It is for Linux; on other systems the
// package is empty.
//
//	result, err := live.RunLatency(ctx, live.DefaultLatency())
//	result.WriteText(os.Stdout)
//	result.Save("out")  // JSON, one .hgrm per series, an SVG plot
//
// # What runs
//
// Sender, server and subscribers are processes of their own: children of the measuring process, which
// is started again by Options.Command and then calls Child. They share the machine's monotonic clock.
//
//	sender --UDP--> gateway --TCP--> subscribers     lines, pipeline, stream, ring, egress
//	sender --UDP--> relay   --TCP--> subscribers     the floor: batched reads, one write for each
//	publisher -TCP-> nats-server --TCP--> subscribers
//
// Servers are measured one after the other, in rounds, the order changing from round to round. Every
// ratio is one of two figures of one round, so that what the machine does besides hits both.
//
// # Open loop
//
// Message number i is planned for a time that only i and the rate determine, and its latency counts
// from there: a message that waits because the sender, or anything else, was held up has waited. The
// stages between are cut where the message passes:
//
//	planned ... kernel ... book updated ... ring published ... pass of egress (ts_out) ... read by subscriber
//	|------ wire-to-book ------|- book-to-ring -|---- ring-to-socket ----|- socket-to-subscriber -|
//	|----------------------------------- wire-to-subscriber -------------------------------------|
//
// # Checks
//
// Every subscriber knows every message: their number, their order, and instrument, order, price, size,
// side and time of each. A run in which one of them differs fails and gives no figure.
package live
