//go:build linux

package live

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Compare writes a table of what a and b have in common: b divided by a, and whether the rounds of the
// two lie apart or overlap. It compares what the two measured, so it says nothing about a difference
// between their machines.
func Compare(w io.Writer, a, b *Result) error {
	if a.Bench != b.Bench {
		return fmt.Errorf("compare: one is of %s, the other of %s", a.Bench, b.Bench)
	}
	fmt.Fprintf(w, "A: %s, %s, %s, load %s\nB: %s, %s, %s, load %s\n",
		a.Environment.Date, a.Environment.Go, a.Environment.CPU, a.LoadAverage,
		b.Environment.Date, b.Environment.Go, b.Environment.CPU, b.LoadAverage)
	if string(a.Options) != string(b.Options) {
		fmt.Fprintf(w, "options differ:\nA: %s\nB: %s\n", a.Options, b.Options)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\n\tA\tB\tB / A\tverdict\t\n")
	row := func(name, unit string, x, y, xs, ys []float64) {
		_, from, _ := spread(x)
		_, to, _ := spread(y)
		fmt.Fprintf(t, "%s\t%s%s\t%s%s\t%.2f\t%s\t\n", name, number(from), unit, number(to), unit, to/from, verdict(xs, ys))
	}
	for i := range a.Series {
		s := &a.Series[i]
		for k := range b.Series {
			if u := &b.Series[k]; s.Name == u.Name {
				compareSeries(s, u, row)
			}
		}
	}
	for _, f := range a.Figures {
		for _, g := range b.Figures {
			if f.Name == g.Name && f.Unit == g.Unit {
				row(f.Name, " "+f.Unit, f.Rounds, g.Rounds, f.Rounds, g.Rounds)
			}
		}
	}
	for _, f := range a.Ratios {
		for _, g := range b.Ratios {
			if f.Name == g.Name {
				row(f.Name, "", f.Rounds, g.Rounds, f.Rounds, g.Rounds)
			}
		}
	}
	return t.Flush()
}

// compareSeries has a row for each percentile. That of all rounds together is shown; the rounds' own
// are what the verdict is about.
func compareSeries(s, u *Series, row func(name, unit string, x, y, xs, ys []float64)) {
	rounds := func(s *Series, of func(Quantiles) int64) (values []float64) {
		for _, q := range s.Rounds {
			values = append(values, float64(of(q))/1e3)
		}
		return values
	}
	p50 := func(q Quantiles) int64 { return q.P50 }
	p99 := func(q Quantiles) int64 { return q.P99 }
	one := func(nanos int64) []float64 { return []float64{float64(nanos) / 1e3} }
	row(s.Name+" p50", " µs", one(s.P50), one(u.P50), rounds(s, p50), rounds(u, p50))
	row(s.Name+" p99", " µs", one(s.P99), one(u.P99), rounds(s, p99), rounds(u, p99))
	row(s.Name+" p99.9", " µs", one(s.P999), one(u.P999), nil, nil)
	row(s.Name+" max", " µs", one(s.Max), one(u.Max), nil, nil)
}

// verdict says whether the rounds of two results lie apart. One round each proves nothing.
func verdict(a, b []float64) string {
	if len(a) < 2 || len(b) < 2 {
		return ""
	}
	lowA, _, highA := spread(a)
	lowB, _, highB := spread(b)
	switch {
	case lowB > highA:
		return "higher in every round"
	case highB < lowA:
		return "lower in every round"
	default:
		return "rounds overlap"
	}
}
