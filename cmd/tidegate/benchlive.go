//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	benchlive "tidegate/bench/live"
	"tidegate/gateway/config"
	"tidegate/internal/netloop"
)

// benchLiveCmds measure the running gateway.
type benchLiveCmds struct {
	Latency benchLatencyCmd `cmd:"" help:"Latency from the wire to subscribers, and ingest, beside a bare relay."`
	Fanout  benchFanoutCmd  `cmd:"" help:"Deliveries per second to many subscribers beside nats-server, memory, and what a stalled subscriber does to the others."`
	Journal benchJournalCmd `cmd:"" help:"How fast the journal makes entries durable, beside a bare loop that writes and syncs, and what becomes of bursts."`
	Orders  benchOrdersCmd  `cmd:"" help:"Order to acknowledgement at a market, by lane, under a surge, with and without journaling."`
	Compare benchCompareCmd `cmd:"" help:"Compare two results of the same measurement."`
	Child   benchChildCmd   `cmd:"" hidden:"" help:"A process of a measurement: it takes its role from standard input."`
}

// liveOptions are common to the two measurements.
type liveOptions struct {
	Rounds       int           `placeholder:"N" help:"How often each server is measured, in turn."`
	Duration     time.Duration `placeholder:"TIME" help:"Length of each measurement."`
	Threading    string        `default:"auto" enum:"auto,inline,shared,split" help:"How the gateway divides the work among threads: ${enum}. See loop.threading in the configuration."`
	Idle         string        `default:"park" enum:"park,backoff,spin" help:"What gateway and relay do while no datagram comes: ${enum}. Backoff looks again for 50 µs before it parks; spin needs --procs 3 or more."`
	EgressLoops  int           `default:"1" placeholder:"N" help:"Event loops of the gateway's subscribers."`
	EgressLocked bool          `help:"Give each of them a thread of its own."`
	Procs        int           `placeholder:"N" help:"GOMAXPROCS of the servers."`
	ReaderSpin   bool          `help:"Let subscribers spin instead of waiting."`
	SenderSpin   bool          `help:"Let the sender spin between messages instead of sleeping."`
	JSON         bool          `name:"json" help:"Print the result as JSON."`
	Save         string        `placeholder:"DIR" help:"Also keep the result there: JSON, an .hgrm for each series, an SVG plot."`
	Quiet        bool          `short:"q" help:"Do not say what is being measured."`
}

// common puts the options into what a measurement has by default.
func (o *liveOptions) common(con *console, c *benchlive.Common, duration *time.Duration) error {
	if o.Rounds != 0 {
		c.Rounds = o.Rounds
	}
	if o.Duration != 0 {
		*duration = o.Duration
	}
	var idle netloop.Idle
	if err := idle.UnmarshalText([]byte(o.Idle)); err != nil {
		return err
	}
	c.Threads = benchlive.Threads{
		Threading: config.Threading(o.Threading), Idle: idle, Loops: o.EgressLoops, LockOSThread: o.EgressLocked, GOMAXPROCS: o.Procs,
		ReaderSpin: o.ReaderSpin, SenderSpin: o.SenderSpin,
	}
	if !o.Quiet {
		c.Progress = func(what string) { fmt.Fprintln(con.Err, what) }
	}
	return nil
}

// show prints the result and keeps it.
func (o *liveOptions) show(con *console, r *benchlive.Result) error {
	if o.Save != "" {
		if err := r.Save(o.Save); err != nil {
			return err
		}
	}
	if o.JSON {
		return r.WriteJSON(con.Out)
	}
	return r.WriteText(con.Out)
}

type benchLatencyCmd struct {
	Rate        []float64     `default:"50000" placeholder:"N" help:"Messages per second; several, separated by commas, are measured one after the other."`
	WarmUp      time.Duration `default:"1s" placeholder:"TIME" help:"Length of what is sent before and does not count."`
	Batch       int           `default:"3" placeholder:"N" help:"Messages in a datagram."`
	Subscribers int           `default:"1" placeholder:"N" help:"Subscribers that get every message."`
	Ingest      int           `default:"1000000" placeholder:"N" help:"Messages that the ingest loops are flooded with, one in a datagram; 0 leaves that out."`
	Journal     bool          `help:"Also measure the gateway with a journal, in rounds of their own."`
	liveOptions
}

// Run measures latency.
func (c *benchLatencyCmd) Run(ctx context.Context, con *console) error {
	o := benchlive.DefaultLatency()
	if err := c.common(con, &o.Common, &o.Duration); err != nil {
		return usageError{err}
	}
	o.Rates, o.WarmUp, o.Batch, o.Subscribers, o.IngestMessages = c.Rate, c.WarmUp, c.Batch, c.Subscribers, c.Ingest
	o.Journal = c.Journal
	if err := o.Validate(); err != nil {
		return usageError{err}
	}
	r, err := benchlive.RunLatency(ctx, o)
	if err != nil {
		return err
	}
	return c.show(con, r)
}

type benchFanoutCmd struct {
	Subscribers      []int   `default:"1,10,100,1000" placeholder:"N" help:"Numbers of subscribers, separated by commas."`
	StallSubscribers int     `default:"100" placeholder:"N" help:"Subscribers of the runs with and without a stalled one; 0 leaves them out."`
	StallRate        float64 `default:"8000" placeholder:"N" help:"Messages per second of these runs."`
	liveOptions
}

// Run measures fan-out.
func (c *benchFanoutCmd) Run(ctx context.Context, con *console) error {
	o := benchlive.DefaultFanout()
	if err := c.common(con, &o.Common, &o.Duration); err != nil {
		return usageError{err}
	}
	o.Subscribers, o.StallSubscribers, o.StallRate = c.Subscribers, c.StallSubscribers, c.StallRate
	if err := o.Validate(); err != nil {
		return usageError{err}
	}
	r, err := benchlive.RunFanout(ctx, o)
	if err != nil {
		return err
	}
	return c.show(con, r)
}

type benchCompareCmd struct {
	A string `arg:"" placeholder:"A.json" help:"What to compare with."`
	B string `arg:"" placeholder:"B.json" help:"What is compared."`
}

// Run prints a table.
func (c *benchCompareCmd) Run(con *console) error {
	a, err := benchlive.Load(c.A)
	if err != nil {
		return err
	}
	b, err := benchlive.Load(c.B)
	if err != nil {
		return err
	}
	return benchlive.Compare(con.Out, a, b)
}

type benchChildCmd struct{}

// Run is a process of a measurement.
func (benchChildCmd) Run() error { return benchlive.Child(os.Stdin, os.Stdout) }
