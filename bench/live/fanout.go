//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/codec/dbn"
)

// FanoutOptions are those of RunFanout.
type FanoutOptions struct {
	Common
	Subscribers []int         `json:"subscribers"` // one number after the other
	Duration    time.Duration `json:"duration_ns"` // of each flood, and of each run with a stalled subscriber
	// StallSubscribers are those of the runs with and without a stalled one; 0: that is not measured.
	StallSubscribers int     `json:"stall_subscribers"`
	StallRate        float64 `json:"stall_rate"` // messages per second of these runs
}

// DefaultFanout are the options that published figures are about.
func DefaultFanout() FanoutOptions {
	return FanoutOptions{
		Common: Common{Rounds: 3, Threads: parked}, Subscribers: []int{1, 10, 100, 1000},
		Duration: 2 * time.Second, StallSubscribers: 100, StallRate: 8000,
	}
}

const (
	fanoutBatch = 32 // messages in a datagram
	// A publisher is ahead of the slowest subscriber by at most fanoutWindow messages: a third of what
	// the ring holds, and far below where nats-server gives a subscriber up. With many subscribers it
	// is fewer, down to fanoutWindowMin, so that not more than fanoutDeliveries are under way: else the
	// end of a flood would take longer than the flood.
	fanoutWindow     = 16 * 1024
	fanoutWindowMin  = 2 * 1024
	fanoutDeliveries = 4 << 20
	// stallBatch makes packets of a flow that is not due to single messages.
	stallBatch = 16
	// stallBuffer is the send buffer of the gateway's sockets in the runs with a stalled subscriber, so
	// that it stalls within the first of the run.
	stallBuffer = 64 << 10
)

// Validate says what is wrong with o.
func (o *FanoutOptions) Validate() error {
	for _, n := range o.Subscribers {
		if n < 1 || n > 4000 {
			return fmt.Errorf("fanout: %d subscribers: want 1 to 4000", n)
		}
	}
	switch {
	case len(o.Subscribers) == 0 && o.StallSubscribers == 0:
		return errors.New("fanout: nothing to measure")
	case o.Duration <= 0 || o.Duration > time.Minute:
		return fmt.Errorf("fanout: duration %v: want more than 0, at most 1m", o.Duration)
	case o.StallSubscribers != 0 && (o.StallSubscribers < 2 || o.StallSubscribers > 4000):
		return fmt.Errorf("fanout: stall among %d subscribers: want 2 to 4000, or 0", o.StallSubscribers)
	case o.StallSubscribers != 0 && !(o.StallRate >= 1 && o.StallRate <= 1e6):
		return fmt.Errorf("fanout: stall rate %g: want 1 to 1e6", o.StallRate)
	}
	if err := o.validate(); err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	return nil
}

// A fan is what one server did for a number of subscribers.
type fan struct {
	messages   int
	deliveries float64 // per second
	cpu        float64 // nanoseconds of the server per delivery
	memory     float64 // bytes per idle subscriber
}

// RunFanout measures how many records per second reach 1, 10, 100 and more subscribers, through the
// gateway and through nats-server, what an idle subscriber costs in memory, and what a subscriber that
// stops reading does to the others.
func RunFanout(ctx context.Context, o FanoutOptions) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r, err := newResult("fanout", &o)
	if err != nil {
		return nil, err
	}
	for _, n := range o.Subscribers {
		if err := o.subscribers(ctx, r, n); err != nil {
			return nil, fmt.Errorf("fanout: %d subscribers: %w", n, err)
		}
	}
	if o.StallSubscribers > 0 {
		if err := o.stall(ctx, r); err != nil {
			return nil, fmt.Errorf("fanout: stalled subscriber: %w", err)
		}
	}
	return r, nil
}

// subscribers measures one number of them.
func (o *FanoutOptions) subscribers(ctx context.Context, r *Result, n int) error {
	fans := map[string][]*fan{}
	err := inTurn(o.Rounds, []string{"nats", "gateway"}, func(round int, server string) error {
		o.progress("round %d of %d: %s with %d subscribers", round+1, o.Rounds, server, n)
		return within(ctx, &o.Common, func(g *rig) error {
			f, err := o.flood(g, server, n)
			fans[server] = append(fans[server], f)
			return err
		})
	})
	if err != nil {
		return err
	}
	each := func(server string, of func(*fan) float64) (values []float64) {
		for _, f := range fans[server] {
			values = append(values, of(f))
		}
		return values
	}
	deliveries := func(f *fan) float64 { return f.deliveries }
	cpu := func(f *fan) float64 { return f.cpu }
	memory := func(f *fan) float64 { return f.memory / 1024 }
	of := fmt.Sprintf(", %d subscribers", n)
	for _, server := range []string{"gateway", "nats"} {
		r.Figures = append(
			r.Figures,
			Figure{server + of, "deliveries/s", each(server, deliveries)},
			Figure{server + " CPU" + of, "ns/delivery", each(server, cpu)},
		)
		if n >= memorySubscribers {
			r.Figures = append(r.Figures, Figure{server + " memory per idle subscriber" + of, "KiB", each(server, memory)})
		}
	}
	r.Ratios = append(r.Ratios, Ratio{
		Name: "deliveries/s, gateway / nats-server" + of, Rounds: perRound(each("gateway", deliveries), each("nats", deliveries)),
		Mark: map[int]float64{100: 2, 1000: 4}[n], AtLeast: true,
	})
	if n >= memorySubscribers {
		r.Ratios = append(r.Ratios, Ratio{
			Name: "memory per idle subscriber / 16 KiB" + of, Rounds: perRound(each("gateway", memory), repeat(16, o.Rounds)), Mark: 1,
		})
	}
	total := 0
	for _, f := range append(fans["gateway"], fans["nats"]...) {
		total += f.messages * n
	}
	r.Checked = append(r.Checked, fmt.Sprintf("%d subscribers: %d deliveries, each subscriber got all messages, in order, with their contents", n, total))
	return nil
}

// memorySubscribers is how many it takes to tell their memory from that of the process.
const memorySubscribers = 100

func repeat(v float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = v
	}
	return values
}

// flood publishes for the duration as fast as the slowest subscriber allows.
func (o *FanoutOptions) flood(g *rig, server string, n int) (*fan, error) {
	l := load{Batch: fanoutBatch}
	var config any = natsConfig{Load: l, Page: g.path("page")}
	if server == "gateway" {
		config = gatewayConfig{Threads: o.Threads}
	}
	serve, at, err := g.server(server, config)
	if err != nil {
		return nil, err
	}
	empty, err := call[usage](serve, "use", nil)
	if err != nil {
		return nil, err
	}
	read, err := g.start("subscriber", 0, subscriberConfig{
		Server: server, Addr: at.Addr, Load: l, Connections: n, Spin: o.Threads.ReaderSpin, Page: g.path("page"),
	})
	if err != nil {
		return nil, err
	}
	if _, err := call[any](read, "connect", nil); err != nil {
		return nil, err
	}
	idle, err := call[usage](serve, "use", nil)
	if err != nil {
		return nil, err
	}
	publish := serve // nats-server has its publisher with it
	if server == "gateway" {
		if publish, err = g.start("sender", 0, senderConfig{Addr: at.Line, Load: l, Page: g.path("page"), Fault: o.fault}); err != nil {
			return nil, err
		}
		if _, err := call[any](publish, "announce", sending{}); err != nil {
			return nil, err
		}
	}
	out, err := call[sent](publish, "flood", sending{Duration: o.Duration, Window: min(fanoutWindow, max(fanoutWindowMin, fanoutDeliveries/n))})
	if err != nil {
		_, why := call[received](read, "finish", nil) // a subscriber that gave up is why a publisher is stuck
		return nil, errors.Join(err, why)
	}
	got, did, err := o.collect(serve, read, out.Messages)
	if err != nil {
		return nil, err
	}
	total := float64(out.Messages) * float64(n)
	return &fan{
		messages:   out.Messages,
		deliveries: total / (float64(got.Last-got.First) / 1e9),
		cpu:        float64(did.Use.CPU-idle.CPU) / total,
		memory:     float64(idle.Resident-empty.Resident) / float64(n),
	}, nil
}

// collect waits until all have everything, and asks what happened.
func (o *FanoutOptions) collect(serve, read *child, messages int) (got received, did served, err error) {
	_, waitErr := call[any](read, "wait", messages)
	if did, err = call[served](serve, "finish", nil); err != nil {
		return got, did, err
	}
	if waitErr == nil {
		got, waitErr = call[received](read, "finish", nil)
	}
	switch {
	case waitErr != nil:
		return got, did, fmt.Errorf("%w (%s)", waitErr, did.remarks())
	case did.Faults != "":
		return got, did, errors.New(did.Faults)
	case got.Messages != messages:
		return got, did, fmt.Errorf("subscribers have %d messages, %d were sent", got.Messages, messages)
	}
	return got, did, nil
}

// stall measures what a subscriber that stops reading does to the latency of the others.
func (o *FanoutOptions) stall(ctx context.Context, r *Result) error {
	runs := map[string][]histogram{}
	const with, without = "with one stalled", "without"
	err := inTurn(o.Rounds, []string{without, with}, func(round int, kind string) error {
		o.progress("round %d of %d: %d subscribers, %s", round+1, o.Rounds, o.StallSubscribers, kind)
		return within(ctx, &o.Common, func(g *rig) error {
			stalled := 0
			if kind == with {
				stalled = 1
			}
			h, err := o.paced(g, stalled)
			runs[kind] = append(runs[kind], h)
			return err
		})
	})
	if err != nil {
		return err
	}
	var p99 [2][]float64
	for i, kind := range []string{with, without} {
		s, err := newSeries(fmt.Sprintf("%d subscribers, %s", o.StallSubscribers, kind), runs[kind])
		if err != nil {
			return err
		}
		r.Series = append(r.Series, s)
		for _, q := range s.Rounds {
			p99[i] = append(p99[i], float64(q.P99))
		}
	}
	r.Ratios = append(r.Ratios, Ratio{
		Name: fmt.Sprintf("p99 of the others, one of %d stalled / none", o.StallSubscribers), Rounds: perRound(p99[0], p99[1]), Mark: 1.2,
	})
	r.Checked = append(r.Checked, fmt.Sprintf("stalled: the gateway found the one that does not read, the %d others got all messages", o.StallSubscribers-1))
	return nil
}

// paced sends a load at the stall rate, and returns the latencies of those who read. Without a stalled
// subscriber there is one less, so that as many read in both kinds of run.
func (o *FanoutOptions) paced(g *rig, stalled int) (h histogram, err error) {
	l := load{Rate: o.StallRate, Batch: stallBatch}
	messages := int(o.StallRate * o.Duration.Seconds())
	serve, at, err := g.server("gateway", gatewayConfig{Threads: o.Threads, SendBufferBytes: stallBuffer})
	if err != nil {
		return h, err
	}
	read, err := g.start("subscriber", 0, subscriberConfig{
		Server: "gateway", Addr: at.Addr, Load: l, Connections: o.StallSubscribers - 1 + stalled, Stalled: stalled, Spin: o.Threads.ReaderSpin,
	})
	if err != nil {
		return h, err
	}
	if _, err := call[any](read, "connect", nil); err != nil {
		return h, err
	}
	send, err := g.start("sender", 0, senderConfig{Addr: at.Line, Load: l, Spin: o.Threads.SenderSpin, Fault: o.fault})
	if err != nil {
		return h, err
	}
	if _, err := call[any](send, "announce", sending{}); err != nil {
		return h, err
	}
	c, err := newClock()
	if err != nil {
		return h, err
	}
	m := measuring{Start: c.now() + int64(lead), From: messages / 4, Messages: messages, WallOffset: at.WallOffset}
	if _, err := call[any](read, "measure", m); err != nil {
		return h, err
	}
	out, err := call[sent](send, "pace", sending{Start: m.Start, Messages: messages})
	if err != nil {
		return h, err
	}
	got, did, err := o.collect(serve, read, out.Messages)
	if err != nil {
		return h, err
	}
	if stalled > 0 && did.Held == 0 {
		return h, fmt.Errorf("nobody stalled in %d messages of %d bytes: want a longer duration or a higher rate", messages, dbn.RTypeMBO.Size(dbn.Version))
	}
	return got.EndToEnd.decode()
}
