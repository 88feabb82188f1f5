// Package surge measures how long orders take from their planned time to the answer on the client's socket,
// while others send many times more than can be served: by OUCH over loopback, at a gateway that is a process
// of its own.
//
//	r, err := surge.Run(ctx, surge.Default(binary))
//	err = r.WriteText(os.Stdout)
//
// Three kinds of requests are measured, one for each lane of the priority order queue: cancels, orders of high
// notional, and normal orders. The first two come at the same rate all the time; normal orders come at a stated
// rate, at ten times that, and at a hundred times. Loads are open: what is late is sent late, and counts from when it
// was due. Requests that are refused are counted, and how long a refusal took.
//
// After each run the gateway is killed with SIGKILL and started anew, and every message that was heard is compared
// with what is read then: with a journal nothing that was acknowledged may be lost.
package surge
