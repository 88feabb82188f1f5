//go:build linux

package live

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tidegate/bench"
)

// A Result is the outcome of a measurement that passed its checks.
type Result struct {
	Bench       string            `json:"bench"` // "latency" or "fanout"
	Options     json.RawMessage   `json:"options"`
	Environment bench.Environment `json:"environment"`
	LoadAverage string            `json:"load_average"` // of the machine, at the start: others may have been at work
	Checked     []string          `json:"checked"`      // what arrived, and was what was sent
	Series      []Series          `json:"series"`
	Figures     []Figure          `json:"figures"`
	Ratios      []Ratio           `json:"ratios"`
}

// A Series is a distribution of latencies, in nanoseconds.
type Series struct {
	Name   string      `json:"name"`
	Count  int64       `json:"count"`
	Min    int64       `json:"min_ns"`
	P50    int64       `json:"p50_ns"`
	P90    int64       `json:"p90_ns"`
	P99    int64       `json:"p99_ns"`
	P999   int64       `json:"p99_9_ns"`
	P9999  int64       `json:"p99_99_ns"`
	Max    int64       `json:"max_ns"`
	Rounds []Quantiles `json:"rounds"`
	// HDR is the whole distribution, all rounds together: HdrHistogram V2, compressed, base64.
	HDR encoded `json:"hdr"`
}

// Quantiles are those of one round, in nanoseconds.
type Quantiles struct {
	P50 int64 `json:"p50_ns"`
	P99 int64 `json:"p99_ns"`
}

// A Figure is a quantity that each round measured once.
type Figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Rounds []float64 `json:"rounds"`
}

// A Ratio compares two figures of the same round.
type Ratio struct {
	Name   string    `json:"name"`
	Rounds []float64 `json:"rounds"`
	// Mark is what the ratio should be: at most that, or at least that. 0 for none.
	Mark    float64 `json:"mark,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"`
}

// spread returns minimum, median and maximum.
func spread(values []float64) (low, middle, high float64) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	v := slices.Sorted(slices.Values(values))
	return v[0], (v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[len(v)-1]
}

// met says whether the median keeps the mark.
func (r *Ratio) met() bool {
	_, median, _ := spread(r.Rounds)
	if r.AtLeast {
		return median >= r.Mark
	}
	return median <= r.Mark
}

// verdict is what the tables say of a ratio.
func (r *Ratio) verdict() string {
	sign := "<="
	if r.AtLeast {
		sign = ">="
	}
	switch {
	case r.Mark == 0:
		return ""
	case r.met():
		return fmt.Sprintf("%s %g: yes", sign, r.Mark)
	default:
		return fmt.Sprintf("%s %g: no", sign, r.Mark)
	}
}

// newSeries sums up the histograms of the rounds.
func newSeries(name string, rounds []histogram) (Series, error) {
	all := newHistogram()
	s := Series{Name: name}
	for _, h := range rounds {
		all.Merge(h.Histogram)
		s.Rounds = append(s.Rounds, Quantiles{P50: h.ValueAtPercentile(50), P99: h.ValueAtPercentile(99)})
	}
	s.Count, s.Min, s.Max = all.TotalCount(), all.Min(), all.Max()
	for p, at := range map[float64]*int64{50: &s.P50, 90: &s.P90, 99: &s.P99, 99.9: &s.P999, 99.99: &s.P9999} {
		*at = all.ValueAtPercentile(p)
	}
	var err error
	s.HDR, err = all.encode()
	return s, err
}

// newResult begins a result.
func newResult(name string, options any) (*Result, error) {
	raw, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("encode options: %w", err)
	}
	loadavg, _ := os.ReadFile("/proc/loadavg")
	return &Result{Bench: name, Options: raw, Environment: bench.Here(), LoadAverage: strings.TrimSpace(string(loadavg))}, nil
}

// WriteText writes the result as tables for people.
func (r *Result) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	e := &r.Environment
	fmt.Fprintf(w, "%s: %s, %s, %s, %d CPUs, GOMAXPROCS %d, load %s, %s\n", r.Bench, e.Go, e.Platform, e.CPU, e.CPUs, e.GOMAXPROCS,
		r.LoadAverage, e.Date.Format(time.RFC3339))
	fmt.Fprintf(w, "options: %s\n", r.Options)
	for _, c := range r.Checked {
		fmt.Fprintf(w, "checked: %s\n", c)
	}
	if len(r.Series) > 0 {
		fmt.Fprintf(t, "\nlatency, µs\tcount\tmin\tp50\tp90\tp99\tp99.9\tp99.99\tmax\tp50 by round\tp99 by round\t\n")
	}
	for i := range r.Series {
		s := &r.Series[i]
		fmt.Fprintf(t, "%s\t%d", s.Name, s.Count)
		for _, ns := range []int64{s.Min, s.P50, s.P90, s.P99, s.P999, s.P9999, s.Max} {
			fmt.Fprintf(t, "\t%.1f", float64(ns)/1e3)
		}
		var p50, p99 []string
		for _, q := range s.Rounds {
			p50 = append(p50, fmt.Sprintf("%.0f", float64(q.P50)/1e3))
			p99 = append(p99, fmt.Sprintf("%.0f", float64(q.P99)/1e3))
		}
		fmt.Fprintf(t, "\t%s\t%s\t\n", strings.Join(p50, " "), strings.Join(p99, " "))
	}
	if len(r.Figures) > 0 {
		fmt.Fprintf(t, "\nfigure\tmin\tmedian\tmax\tunit\t\n")
	}
	for i := range r.Figures {
		f := &r.Figures[i]
		low, median, high := spread(f.Rounds)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", f.Name, number(low), number(median), number(high), f.Unit)
	}
	if len(r.Ratios) > 0 {
		fmt.Fprintf(t, "\nratio in one round\tmin\tmedian\tmax\tmark for the median\t\n")
	}
	for i := range r.Ratios {
		q := &r.Ratios[i]
		low, median, high := spread(q.Rounds)
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%s\t\n", q.Name, low, median, high, q.verdict())
	}
	return t.Flush()
}

// number writes large numbers without a fraction.
func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// WriteJSON writes the result as indented JSON.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Load reads what WriteJSON wrote.
func Load(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read result: %s: %w", path, err)
	}
	if r.Bench == "" {
		return nil, fmt.Errorf("read result: %s: is no result of a benchmark", path)
	}
	return &r, nil
}

// Save writes the result into a directory, which it makes: NAME.json, an .hgrm for each series (values
// in microseconds, as HdrHistogram's plotter reads them) and NAME.svg.
func (r *Result) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	err := writeFile(filepath.Join(dir, r.Bench+".json"), r.WriteJSON)
	for i := range r.Series {
		s := &r.Series[i]
		if err != nil {
			break
		}
		name := r.Bench + "-" + strings.NewReplacer(" ", "-", ",", "", "/", "-per-").Replace(s.Name) + ".hgrm"
		err = writeFile(filepath.Join(dir, name), s.writeHGRM)
	}
	if err == nil && len(r.Series) > 0 {
		err = writeFile(filepath.Join(dir, r.Bench+".svg"), r.WriteSVG)
	}
	if err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	return nil
}

func (s *Series) writeHGRM(w io.Writer) error {
	h, err := s.HDR.decode()
	if err != nil {
		return err
	}
	_, err = h.PercentilesPrint(w, 5, 1000)
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}
