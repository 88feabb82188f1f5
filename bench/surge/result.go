package surge

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is a measurement.
type Result struct {
	Machine       string      `json:"machine"`
	Rate          int         `json:"rate"`   // normal orders a second at 1x
	Urgent        int         `json:"urgent"` // cancels a second, and as many orders of high notional
	Accounts      int         `json:"accounts"`
	Seconds       float64     `json:"seconds"`
	MatchingLoops int         `json:"matching_loops"`
	Runs          []RunResult `json:"runs"`
}

// A RunResult is one run.
type RunResult struct {
	Durability  string       `json:"durability"`
	Multiple    int          `json:"multiple"`
	Lanes       []LaneResult `json:"lanes"`
	MemoryBytes int64        `json:"memory_bytes"` // the most that the gateway had
	Lost        uint64       `json:"lost"`         // messages that were heard and are not there after a kill
}

// A LaneResult is what became of the requests of a lane.
type LaneResult struct {
	Lane     string  `json:"lane"`
	Sent     int64   `json:"sent"`
	Accepted Latency `json:"accepted"`
	Refused  Latency `json:"refused"`
	Silent   int64   `json:"silent"` // without an answer
}

// A Latency is how long answers took, from when the request was due.
type Latency struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return Latency{Count: h.TotalCount(), P50: at(50), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max())}
}

// add adds what clients of a lane have seen.
func (r *RunResult) add(lane string, clients []*client, sent []int64) {
	l := LaneResult{Lane: lane}
	accepted, refused := newHistogram(), newHistogram()
	for i, c := range clients {
		c.mu.Lock()
		accepted.Merge(c.accepted)
		refused.Merge(c.refused)
		c.mu.Unlock()
		l.Sent += sent[i]
		l.Silent += sent[i] - c.answered.Load()
	}
	l.Accepted, l.Refused = latencyOf(accepted), latencyOf(refused)
	r.Lanes = append(r.Lanes, l)
}

// Ratio returns the p99 of a lane at a multiple over that at the first one, of the same durability; 0 if
// one of them is missing.
func (r *Result) Ratio(durability, lane string, multiple int) float64 {
	p99 := func(m int) time.Duration {
		for i := range r.Runs {
			if run := &r.Runs[i]; run.Durability == durability && run.Multiple == m {
				for _, l := range run.Lanes {
					if l.Lane == lane {
						return l.Accepted.P99
					}
				}
			}
		}
		return 0
	}
	first := p99(r.Runs[0].Multiple)
	if first == 0 {
		return 0
	}
	return float64(p99(multiple)) / float64(first)
}

// machine says where it was measured.
func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// WriteJSON writes the result for programs.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s\norder to acknowledgement by OUCH over loopback, open loop, from when it was due; %d cancels and %d orders of high notional a\n"+
		"second beside %d normal orders a second at 1x, of %d accounts; %.0f s each; clients and gateway share the machine\n\n",
		r.Machine, r.Urgent, r.Urgent, r.Rate, r.Accounts, r.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "durability\tload\tlane\tsent\taccepted\tp50\tp99\tp99.9\tmax\tp99 over 1x\trefused\tp99\tsilent\tmemory\tlost\t")
	for _, run := range r.Runs {
		for _, l := range run.Lanes {
			fmt.Fprintf(t, "%s\t%dx\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.2f\t%d\t%s\t%d\t%d MiB\t%d\t\n",
				run.Durability, run.Multiple, l.Lane, l.Sent, l.Accepted.Count, short(l.Accepted.P50), short(l.Accepted.P99), short(l.Accepted.P999),
				short(l.Accepted.Max), r.Ratio(run.Durability, l.Lane, run.Multiple), l.Refused.Count, short(l.Refused.P99), l.Silent, run.MemoryBytes>>20, run.Lost)
		}
	}
	return t.Flush()
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0fµs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}
