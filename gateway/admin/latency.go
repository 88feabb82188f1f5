package admin

import (
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/market"
)

// Range and precision of latencies: 1 ns to 10 s, two digits. A histogram takes 28 KiB.
const (
	latencyMin    = 1
	latencyMax    = int64(10 * market.Second)
	latencyDigits = 2
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
}

// Latency measures how long datagrams take from the kernel's receive stamp until what they led to is
// published and readers are woken: once per poll, of the poll's first datagram, which waited longest.
// Stamp and Published belong to the ingest loop; they do not allocate.
type Latency struct {
	pending market.Nanos // stamp of the first datagram since the last Published
	running *hdrhistogram.Histogram

	mu     sync.Mutex // of the rest
	spare  *hdrhistogram.Histogram
	total  *hdrhistogram.Histogram
	recent *hdrhistogram.Histogram // since the last report
}

// NewLatency returns a Latency that has measured nothing.
func NewLatency() *Latency {
	return &Latency{
		pending: market.UndefTime, running: newHistogram(),
		spare: newHistogram(), total: newHistogram(), recent: newHistogram(),
	}
}

// Stamp says that a datagram was received at a time of the machine's clock.
func (l *Latency) Stamp(at market.Nanos) {
	if !l.pending.Defined() {
		l.pending = at
	}
}

// Waiting reports whether a datagram was received since the last Published.
func (l *Latency) Waiting() bool { return l.pending.Defined() }

// Published says that everything received so far is published now.
func (l *Latency) Published(now market.Nanos) {
	if !l.pending.Defined() {
		return
	}
	took := int64(now - l.pending)
	l.pending = market.UndefTime
	if took < 0 {
		return // the clock was set back
	}
	_ = l.running.RecordValue(min(took, latencyMax)) // in range
}

// collect takes over what was measured. call has a function run on the loop.
func (l *Latency) collect(call func(func()) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var full *hdrhistogram.Histogram
	spare := l.spare
	if err := call(func() { full, l.running = l.running, spare }); err != nil {
		// The loop may still take the spare one.
		l.spare = newHistogram()
		return err
	}
	l.total.Merge(full)
	l.recent.Merge(full)
	full.Reset()
	l.spare = full
	return nil
}

// report returns the percentiles, and begins a new recent time.
func (l *Latency) report() (r LatencyReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.WireToPublish.Total = percentiles(l.total)
	r.WireToPublish.Recent = percentiles(l.recent)
	l.recent.Reset()
	return r
}

func percentiles(h *hdrhistogram.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	return Percentiles{
		Count: h.TotalCount(), Min: h.Min(), P50: h.ValueAtPercentile(50), P90: h.ValueAtPercentile(90),
		P99: h.ValueAtPercentile(99), P999: h.ValueAtPercentile(99.9), Max: h.Max(),
	}
}

// buckets returns how many durations were at most as long as each of the bounds, in nanoseconds,
// and the number and about the sum of all.
func (l *Latency) buckets(bounds []int64) (counts []uint64, count uint64, sumNanos float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts = make([]uint64, len(bounds))
	for _, bar := range l.total.Distribution() {
		if bar.Count == 0 {
			continue
		}
		for i, bound := range bounds {
			if bar.From <= bound {
				counts[i] += uint64(bar.Count)
			}
		}
		count += uint64(bar.Count)
		sumNanos += float64(bar.Count) * float64(bar.From+bar.To) / 2
	}
	return counts, count, sumNanos
}
