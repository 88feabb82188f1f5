//go:build linux

package live

import (
	"context"
	"fmt"
	"time"
)

// LatencyOptions are those of RunLatency.
type LatencyOptions struct {
	Common
	Rates       []float64     `json:"rates"`       // messages per second, one after the other
	Duration    time.Duration `json:"duration_ns"` // of each, without the warm-up
	WarmUp      time.Duration `json:"warm_up_ns"`
	Batch       int           `json:"messages_per_datagram"`
	Subscribers int           `json:"subscribers"`
	// IngestMessages is how many messages the ingest loop is flooded with, one in a datagram; 0: that
	// is not measured.
	IngestMessages int `json:"ingest_messages"`
	// Journal has the gateway measured with a journal too, in rounds of their own.
	Journal bool `json:"journal"`
}

// DefaultLatency are the options that published figures are about.
func DefaultLatency() LatencyOptions {
	return LatencyOptions{
		Common: Common{Rounds: 5, Threads: parked},
		Rates:  []float64{50_000}, Duration: 3 * time.Second, WarmUp: time.Second, Batch: 3, Subscribers: 1,
		IngestMessages: 1_000_000,
	}
}

const messagesMax = 1 << 30

// Validate says what is wrong with o.
func (o *LatencyOptions) Validate() error {
	if len(o.Rates) == 0 {
		return fmt.Errorf("latency: no rate")
	}
	for _, rate := range o.Rates {
		if !(rate >= 1 && rate <= 1e7) || rate*(o.Duration+o.WarmUp).Seconds() > messagesMax {
			return fmt.Errorf("latency: rate %g per second: want 1 to 1e7, and at most %d messages", rate, messagesMax)
		}
	}
	switch {
	case o.Duration <= 0 || o.WarmUp < 0:
		return fmt.Errorf("latency: %v after %v of warm-up: want more than none", o.Duration, o.WarmUp)
	case o.Batch < 1 || o.Batch > batchMax:
		return fmt.Errorf("latency: %d messages per datagram: want 1 to %d", o.Batch, batchMax)
	case o.Subscribers < 1 || o.Subscribers > 1000:
		return fmt.Errorf("latency: %d subscribers: want 1 to 1000", o.Subscribers)
	case o.IngestMessages != 0 && (o.IngestMessages < 2*liveDepth || o.IngestMessages > messagesMax):
		return fmt.Errorf("latency: ingest of %d messages: want %d to %d, or 0", o.IngestMessages, 2*liveDepth, messagesMax)
	}
	if err := o.validate(); err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	return nil
}

// batchMax is how many of the longest messages fit in a datagram.
const batchMax = (packetBytes - 20) / (2 + 36)

// A passage is what one server did with one load.
type passage struct {
	endToEnd, lastLeg, late              histogram
	toBook, toRing, toSocket             histogram // of the gateway only
	messages                             int
	cpuPerMessage, allocationsPerMessage float64
	journal                              journaled
}

// RunLatency measures how long a message takes from its planned send time to a subscriber, through the
// gateway and through the relay, and how fast each of them reads.
func RunLatency(ctx context.Context, o LatencyOptions) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r, err := newResult("latency", &o)
	if err != nil {
		return nil, err
	}
	for _, rate := range o.Rates {
		if err := o.atRate(ctx, r, rate); err != nil {
			return nil, fmt.Errorf("latency: at %g messages per second: %w", rate, err)
		}
	}
	if o.IngestMessages > 0 {
		if err := o.ingest(ctx, r); err != nil {
			return nil, fmt.Errorf("latency: ingest: %w", err)
		}
	}
	return r, nil
}

// atRate measures one rate.
func (o *LatencyOptions) atRate(ctx context.Context, r *Result, rate float64) error {
	byServer := map[string][]*passage{}
	servers := []string{"relay", "gateway"}
	if o.Journal {
		servers = append(servers, withJournal)
	}
	err := inTurn(o.Rounds, servers, func(round int, server string) error {
		o.progress("round %d of %d: %s at %.0f messages/s", round+1, o.Rounds, server, rate)
		return within(ctx, &o.Common, func(g *rig) error {
			p, err := o.pass(g, server, rate)
			byServer[server] = append(byServer[server], p)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := o.report(r, rate, byServer["gateway"], byServer["relay"]); err != nil || !o.Journal {
		return err
	}
	return o.reportJournal(r, rate, byServer["gateway"], byServer[withJournal])
}

// pass sends one load through one server.
func (o *LatencyOptions) pass(g *rig, server string, rate float64) (*passage, error) {
	l := load{Rate: rate, Batch: o.Batch}
	warm := int(rate * o.WarmUp.Seconds())
	messages := warm + int(rate*o.Duration.Seconds())
	var config any = relayConfig{Idle: o.Threads.Idle}
	if server != "relay" {
		c := gatewayConfig{Threads: o.Threads, Stages: messages, StageFile: g.path("stages")}
		if server == withJournal {
			c.Journal = g.path("journal")
		}
		server, config = "gateway", c
	}
	serve, at, err := g.server(server, config)
	if err != nil {
		return nil, err
	}
	read, err := g.start("subscriber", 0, subscriberConfig{
		Server: server, Addr: at.Addr, Load: l, Connections: o.Subscribers, Spin: o.Threads.ReaderSpin, TsOut: server == "gateway",
	})
	if err != nil {
		return nil, err
	}
	if _, err := call[any](read, "connect", nil); err != nil {
		return nil, err
	}
	send, err := g.start("sender", 0, senderConfig{Addr: at.Line, Load: l, Spin: o.Threads.SenderSpin, Fault: o.fault})
	if err != nil {
		return nil, err
	}
	if _, err := call[any](send, "announce", sending{}); err != nil {
		return nil, err
	}
	before, err := call[usage](serve, "use", nil)
	if err != nil {
		return nil, err
	}
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	m := measuring{Start: c.now() + int64(lead), From: warm, Messages: messages, WallOffset: at.WallOffset}
	if server == "gateway" {
		m.TimesFile = g.path("sent")
	}
	if _, err := call[any](read, "measure", m); err != nil {
		return nil, err
	}
	out, err := call[sent](send, "pace", sending{Start: m.Start, Messages: messages})
	if err != nil {
		return nil, err
	}
	_, waitErr := call[any](read, "wait", messages)
	did, err := call[served](serve, "finish", nil)
	if err != nil {
		return nil, err
	}
	if waitErr != nil {
		return nil, fmt.Errorf("%w (%s)", waitErr, did.remarks())
	}
	got, err := call[received](read, "finish", nil)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, did.remarks())
	}
	if did.Faults != "" {
		return nil, fmt.Errorf("%s: %s", server, did.Faults)
	}
	p := &passage{messages: messages, journal: did.Journal}
	p.cpuPerMessage = float64(did.Use.CPU-before.CPU) / float64(messages)
	p.allocationsPerMessage = float64(did.Use.Mallocs-before.Mallocs) / float64(messages)
	if err := p.decode(out.Late, &got); err != nil {
		return nil, err
	}
	if server == "gateway" {
		return p, p.stages(&l, &m, did.StageFile)
	}
	return p, nil
}

// lead is how long before its start a load is announced to all.
const lead = 150 * time.Millisecond

// remarks are what a server noticed that explains missing messages.
func (s *served) remarks() string {
	return fmt.Sprintf("server: %d datagrams, %d dropped by the kernel, %d stalls, %d slow, %d lapped %s",
		s.Datagrams, s.KernelDrops, s.Stalls, s.Slow, s.Lapped, s.Faults)
}

func (p *passage) decode(late encoded, got *received) (err error) {
	if p.late, err = late.decode(); err != nil {
		return err
	}
	if p.lastLeg, err = got.LastLeg.decode(); err != nil {
		return err
	}
	p.endToEnd, err = got.EndToEnd.decode()
	return err
}

// stages joins what the gateway and the first subscriber noted of each message.
func (p *passage) stages(l *load, m *measuring, stageFile string) error {
	marks, err := readTimes(stageFile)
	if err != nil {
		return err
	}
	out, err := readTimes(m.TimesFile)
	if err != nil {
		return err
	}
	if len(marks) != 2*m.Messages || len(out) != m.Messages {
		return fmt.Errorf("stages of %d and %d messages, want %d", len(marks)/2, len(out), m.Messages)
	}
	book, ring := marks[:m.Messages], marks[m.Messages:]
	p.toBook, p.toRing, p.toSocket = newHistogram(), newHistogram(), newHistogram()
	for i := m.From; i < m.Messages; i++ {
		if book[i] == 0 || ring[i] == 0 || out[i] == 0 {
			return fmt.Errorf("message %d: not seen at every stage: %d, %d, %d", i, book[i], ring[i], out[i])
		}
		p.toBook.record(book[i] - m.Start - l.planned(i))
		p.toRing.record(ring[i] - book[i])
		p.toSocket.record(out[i] - ring[i])
	}
	return nil
}

// report adds what the rounds of a rate say.
func (o *LatencyOptions) report(r *Result, rate float64, gateway, relay []*passage) error {
	at := ""
	if len(o.Rates) > 1 {
		at = fmt.Sprintf(", %.0f/s", rate)
	}
	for _, s := range []struct {
		name   string
		rounds []*passage
		of     func(*passage) histogram
	}{
		{"wire-to-subscriber", gateway, func(p *passage) histogram { return p.endToEnd }},
		{"relay wire-to-subscriber", relay, func(p *passage) histogram { return p.endToEnd }},
		{"wire-to-book", gateway, func(p *passage) histogram { return p.toBook }},
		{"book-to-ring", gateway, func(p *passage) histogram { return p.toRing }},
		{"ring-to-socket", gateway, func(p *passage) histogram { return p.toSocket }},
		{"socket-to-subscriber", gateway, func(p *passage) histogram { return p.lastLeg }},
		{"sender late", gateway, func(p *passage) histogram { return p.late }},
		{"relay sender late", relay, func(p *passage) histogram { return p.late }},
	} {
		rounds := make([]histogram, len(s.rounds))
		for i, p := range s.rounds {
			rounds[i] = s.of(p)
		}
		series, err := newSeries(s.name+at, rounds)
		if err != nil {
			return err
		}
		r.Series = append(r.Series, series)
	}
	each := func(rounds []*passage, of func(*passage) float64) (values []float64) {
		for _, p := range rounds {
			values = append(values, of(p))
		}
		return values
	}
	quantile := func(q float64) func(*passage) float64 {
		return func(p *passage) float64 { return float64(p.endToEnd.ValueAtPercentile(q)) }
	}
	mark := func(v float64) float64 { // the marks are about this rate
		if rate != 50_000 {
			return 0
		}
		return v
	}
	cpu := func(p *passage) float64 { return p.cpuPerMessage }
	allocations := func(p *passage) float64 { return p.allocationsPerMessage }
	r.Figures = append(
		r.Figures,
		Figure{"gateway CPU per message" + at, "ns", each(gateway, cpu)},
		Figure{"relay CPU per message" + at, "ns", each(relay, cpu)},
		Figure{"gateway allocations per message" + at, "", each(gateway, allocations)},
	)
	r.Ratios = append(
		r.Ratios,
		Ratio{Name: "wire-to-subscriber p50, gateway / relay" + at, Rounds: perRound(each(gateway, quantile(50)), each(relay, quantile(50))), Mark: mark(1.5)},
		Ratio{Name: "wire-to-subscriber p99, gateway / relay" + at, Rounds: perRound(each(gateway, quantile(99)), each(relay, quantile(99))), Mark: mark(2)},
	)
	r.Checked = append(r.Checked, fmt.Sprintf("%.0f messages/s: each of %d subscribers of either server got all %d messages of every round, in order, with their contents",
		rate, o.Subscribers, gateway[0].messages))
	return nil
}

// reportJournal adds what the rounds with a journal say, beside those without.
func (o *LatencyOptions) reportJournal(r *Result, rate float64, without, with []*passage) error {
	at := ""
	if len(o.Rates) > 1 {
		at = fmt.Sprintf(", %.0f/s", rate)
	}
	rounds := make([]histogram, len(with))
	quantiles := map[float64][2][]float64{}
	var cpu, commits []float64
	for i, p := range with {
		rounds[i] = p.endToEnd
		cpu = append(cpu, p.cpuPerMessage)
		commits = append(commits, float64(p.journal.Commits)/(o.Duration+o.WarmUp).Seconds())
		if p.journal.Orders != uint64(p.messages) {
			return fmt.Errorf("round %d: the journal has %d of %d messages", i+1, p.journal.Orders, p.messages)
		}
		for _, q := range []float64{50, 99} {
			pair := quantiles[q]
			pair[0] = append(pair[0], float64(p.endToEnd.ValueAtPercentile(q)))
			pair[1] = append(pair[1], float64(without[i].endToEnd.ValueAtPercentile(q)))
			quantiles[q] = pair
		}
	}
	series, err := newSeries("wire-to-subscriber with journal"+at, rounds)
	if err != nil {
		return err
	}
	r.Series = append(r.Series, series)
	r.Figures = append(r.Figures,
		Figure{"gateway CPU per message, with journal" + at, "ns", cpu},
		Figure{"syncs of the journal" + at, "1/s", commits},
	)
	mark := 0.0
	if rate == 50_000 { // the mark is about this rate
		mark = 1.1
	}
	// Of the medians: each round has one of either.
	r.Ratios = append(r.Ratios,
		Ratio{Name: "wire-to-subscriber p50, with / without journal" + at, Rounds: perRound(quantiles[50][0], quantiles[50][1]), Mark: mark},
		Ratio{Name: "wire-to-subscriber p99, with / without journal" + at, Rounds: perRound(quantiles[99][0], quantiles[99][1])},
	)
	r.Checked = append(r.Checked, fmt.Sprintf("%.0f messages/s: with a journal likewise, and all %d messages of every round were read back from it", rate, with[0].messages))
	return nil
}
