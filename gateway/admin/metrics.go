//go:build linux

package admin

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tidegate/market"
)

// newRegistry returns a registry of the monitor's metrics and those of the Go runtime and process.
func newRegistry(m *Monitor) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{m}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector makes metrics of what the monitor reports, when they are asked for.
type collector struct{ monitor *Monitor }

// Describe says nothing: which metrics there are depends on the feeds.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect gathers. What cannot be asked shows as tidegate_up 0, and has no other metrics.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	e := emitter{ch: ch}
	up := 1.0
	ctx := context.Background()
	if s, err := c.monitor.state(ctx); err != nil {
		up = 0
	} else {
		c.feeds(e, s)
		c.loop(e, s)
		c.journal(e)
		c.postgres(e)
		c.archive(e)
	}
	if st, err := c.monitor.subscribers(ctx); err != nil {
		up = 0
	} else {
		e.gauge("subscriber_connections", "Connections of subscribers that are open.", float64(st.Connections))
		for state, n := range st.States {
			e.gauge("subscriber_states", "Connections of subscribers by state.", float64(n), "state", state)
		}
		for _, count := range egressCounts {
			e.counter("subscriber_"+count.name, count.sentence, count.of(&st.Counts))
		}
		for _, count := range egressRefusals {
			e.counter("subscriber_refusals", "Times that somebody was refused, by reason.", count.of(&st.Refusals), "reason", count.name)
		}
		for reason, n := range st.Closes {
			e.counter("subscriber_closes", "Connections that were closed, by reason.", n, "reason", reason)
		}
		for reason, n := range st.Handshakes {
			e.counter("subscriber_handshakes", "TLS handshakes that failed, by reason.", n, "reason", reason)
		}
		behind, held := uint64(0), 0
		for i := range st.Sessions {
			behind, held = max(behind, st.Sessions[i].Behind), held+st.Sessions[i].Held
		}
		e.gauge("subscriber_behind_max", "Ring entries that the session furthest behind has not got.", float64(behind))
		e.gauge("subscriber_held_bytes", "Bytes that connections of subscribers do not take.", float64(held))
	}
	c.latency(ctx, e)
	c.market(ctx, e)
	e.gauge("up", "1 if the ingest loop and the subscribers' loops answer.", up)
}

func (c collector) feeds(e emitter, s *state) {
	sessions := c.monitor.src.Sessions()
	if from := c.monitor.src.Consolidated; from.Stream != nil {
		e.gauge("consolidated_instruments", "Instruments of the consolidated dataset.", float64(len(from.Stream.Directory().All())))
		e.counter("consolidated_records", "Records of the consolidated dataset that were published.", s.consolidated)
		e.gauge("consolidated_subscribers", "Sessions of the consolidated dataset.", float64(sessions[from.Dataset]))
	}
	c.providers(e, s)
	for i := range s.channels {
		from := &s.channels[i]
		r := c.monitor.feed(i, s)
		name := r.Name
		from.ledger.Walk(func(counter string, value uint64, sentence string) {
			labels := []string{"feed", name}
			if line, rest, ok := cutLine(counter); ok {
				counter, labels = "line_"+rest, append(labels, "line", line)
			} else {
				counter = "feed_" + counter
			}
			e.walked(counter, value, sentence, labels)
		})
		if from.asks {
			c.retransmit(e, name, &from.requests)
			c.proxies(e, name, r.Retransmit.Proxies)
		}
		if from.rebuildable {
			c.rebuilds(e, name, &from.rebuilds)
		}
		if from.snapshots != nil {
			c.snapshots(e, name, from.snapshots)
		}
		for _, count := range []struct {
			name, sentence string
			value          uint64
		}{
			{"messages", "Messages given to the decoder.", r.Messages},
			{"events", "Events published.", r.Events},
			{"trades", "Events published that are trades.", r.Trades},
			{"volume", "Quantity traded, in lots.", r.Volume},
			{"clears", "Books emptied because the publisher restarted.", r.Clears},
			{"suspect_events", "Events published with the flag for books that may be wrong: behind an announced gap, or in an epoch joined midway.", r.Suspect},
		} {
			e.counter("feed_"+count.name, count.sentence, count.value, "feed", name)
		}
		for v := range market.VerdictCount {
			e.counter("feed_verdicts", "Messages by what became of them.", from.counts.Verdicts[v], "feed", name, "verdict", v.String())
		}
		e.gauge("feed_instruments", "Instruments that the feed has named.", float64(r.Instruments), "feed", name)
		e.gauge("feed_subscribers", "Sessions of the feed's dataset.", float64(sessions[r.Dataset]), "feed", name)
		e.gauge("feed_receiving", "1 if a datagram came in the last 3 seconds.", truth(r.Receiving), "feed", name)
		e.gauge("feed_balanced", "1 if everything received is accounted for.", truth(r.Balanced), "feed", name)
		for j := range r.Lines {
			c.line(e, name, &r.Lines[j])
		}
	}
}

// cutLine splits "line_a.published.packets" into A and "published.packets".
func cutLine(counter string) (line, rest string, ok bool) {
	after, ok := strings.CutPrefix(counter, "line_")
	if !ok {
		return "", counter, false
	}
	line, rest, ok = strings.Cut(after, ".")
	return strings.ToUpper(line), rest, ok
}

func (c collector) line(e emitter, feed string, l *LineReport) {
	labels := []string{"feed", feed, "line", l.Name}
	e.counter("line_bytes", "Bytes of datagrams that arrived.", l.Bytes, labels...)
	e.counter("line_kernel_drops", "Datagrams that the kernel dropped because the receive buffer was full.", l.KernelDrops, labels...)
	e.counter("line_truncated", "Datagrams that were too long and lost their end.", l.Truncated, labels...)
	e.counter("line_errors", "Failed reads of the socket.", l.Errors, labels...)
	e.gauge("line_silent", "1 if nothing came for 3 seconds while another line of the feed had something.", truth(l.Silent), labels...)
	e.gauge("line_receive_buffer_bytes", "Receive buffer that the kernel granted.", float64(l.ReceiveBuffer), labels...)
	e.gauge("line_high_water", "The next sequence of the channel, as this line knows it.", float64(l.HighWater), labels...)
	e.gauge("line_behind_messages", "Messages that other lines made known and this one has not.", float64(l.Behind), labels...)
	e.gauge("line_behind_seconds", "Time since the first of those messages became known, 0 if there are none.", l.BehindFor.Seconds(), labels...)
	if l.Requests != nil {
		c.requests(e, labels, l.Requests)
	}
	if l.TCP != nil {
		c.tcp(e, labels, l.TCP)
	}
	if l.Judged != nil {
		e.gauge("line_state", "2 if the line is OK, 1 if it is SUSPECT, 0 if it is DOWN.", rankValue(l.Judged.Rank), labels...)
		e.counter("line_opened", "Times that the line's breaker opened.", l.Judged.Opened, labels...)
	}
	if l.LastAge != nil {
		e.gauge("line_last_age_seconds", "Time since the line's last packet of the session.", l.LastAge.Seconds(), labels...)
	}
	if !l.Last.IsZero() {
		e.gauge("line_last_timestamp_seconds", "Receive time of the last datagram.", float64(l.Last.UnixNano())/1e9, labels...)
	}
}

func (c collector) loop(e emitter, s *state) {
	e.counter("loop_polls", "Rounds of the ingest loop over all sockets.", s.loop.Polls)
	e.counter("loop_batches", "Reads that brought something.", s.loop.Batches)
	e.gauge("loop_batch_max", "Most datagrams that one read brought.", float64(s.loop.BatchMax))
	e.counter("loop_spins", "Empty rounds after which the ingest loop looked again at once.", s.loop.Spins)
	e.counter("loop_parks", "Empty rounds after which the ingest loop waited.", s.loop.Parks)
	e.counter("loop_crowded", "Rounds that ended because the second thread of a split ingest loop was too far behind.", s.loop.Crowded)
	e.counter("loop_clock_set", "Times that the machine's clock was set.", s.loop.ClockSet)
	e.gauge("loop_clock_skew_seconds", "What the machine's clock is ahead of the gateway's, which draws near slowly.", float64(s.loop.ClockSkew)/1e9)
	e.counter("loop_commands", "Commands that the ingest loop ran.", s.loop.Commands)
	ring := c.monitor.src.Ring.Stats()
	e.counter("ring_entries", "Entries published in the ring.", ring.Entries)
	e.gauge("ring_readers", "Readers of the ring.", float64(ring.Readers))
	e.counter("ring_evicted", "Times that a reader held a chunk that was due, and a spare took its place.", ring.Evicted)
	e.gauge("ring_memory_bytes", "Memory of the ring and its spares.", float64(ring.MemoryBytes))
	r := c.monitor.capture()
	if r == nil {
		return
	}
	e.counter("capture_recorded", "Datagrams in the recording.", r.Recorded)
	e.counter("capture_dropped", "Datagrams not recorded, because the queue was full or recording had stopped.", r.Dropped)
	e.counter("capture_unrecordable", "Datagrams not recorded, because the file format cannot hold them.", r.Unrecordable)
	e.counter("capture_bytes", "Bytes of the recording.", uint64(r.Bytes))
	e.gauge("capture_waiting_bytes", "Bytes that wait to be written.", float64(r.Waiting))
	e.gauge("capture_failed", "1 if recording stopped before its time.", truth(r.Failed))
}

// latencyBounds are those of the histogram, in nanoseconds.
var latencyBounds = []int64{
	1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3, 200e3, 500e3, 1e6, 2e6, 5e6, 10e6, 20e6, 50e6, 100e6, 1e9,
}

func (c collector) latency(ctx context.Context, e emitter) {
	if c.monitor.collectLatency(ctx) != nil {
		return
	}
	counts, count, sum := c.monitor.src.Latency.buckets(latencyBounds)
	buckets := make(map[float64]uint64)
	for i, bound := range latencyBounds {
		buckets[time.Duration(bound).Seconds()] = counts[i]
	}
	desc := prometheus.NewDesc("tidegate_wire_to_publish_seconds",
		"Time from the kernel's receive stamp of a poll's first datagram until everything of the poll is published.", nil, nil)
	e.ch <- prometheus.MustNewConstHistogram(desc, count, sum/1e9, buckets)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// emitter writes metrics with labels, which come as name, value, name, value.
type emitter struct{ ch chan<- prometheus.Metric }

func (e emitter) counter(name, help string, value uint64, labels ...string) {
	e.emit(name+"_total", help, prometheus.CounterValue, float64(value), labels)
}

func (e emitter) gauge(name, help string, value float64, labels ...string) {
	e.emit(name, help, prometheus.GaugeValue, value, labels)
}

// walked writes a counter of a ledger. One that says what is at this moment is a gauge.
func (e emitter) walked(name string, value uint64, sentence string, labels []string) {
	name = strings.ReplaceAll(name, ".", "_")
	if strings.Contains(sentence, "at this moment") {
		e.gauge(name, sentence, float64(value), labels...)
		return
	}
	e.counter(name, sentence, value, labels...)
}

func (e emitter) emit(name, help string, kind prometheus.ValueType, value float64, labels []string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	e.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("tidegate_"+name, help, names, nil), kind, value, values...)
}
