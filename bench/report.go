package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is the outcome of a benchmark: figures, the checks they passed, and the environment.
type Report struct {
	Name     string  `json:"name"`
	Input    *Truth  `json:"input,omitempty"` // nil for a file that WriteITCH did not make
	File     string  `json:"file"`
	Messages int     `json:"messages"` // per run
	Bytes    int64   `json:"bytes"`    // per run
	Runs     []Run   `json:"runs"`
	Median   float64 `json:"median_ns_per_message"`
	Min      float64 `json:"min_ns_per_message"`
	Max      float64 `json:"max_ns_per_message"`

	Verdicts    map[string]int `json:"verdicts"` // per run, from decoder and book
	BBOChanges  int            `json:"bbo_changes,omitempty"`
	PeakLive    int            `json:"peak_live_orders,omitempty"` // seen at the ends of blocks
	EndLive     int            `json:"end_live_orders,omitempty"`
	Hash        string         `json:"hash"`    // of the result, the same in all runs
	Checked     bool           `json:"checked"` // the result agrees with Input
	StartNanos  int64          `json:"start_ns"`
	ResidentMax int64          `json:"resident_max_bytes"` // of the whole process so far; 0 where unknown
	Environment Environment    `json:"environment"`
}

// A Run is one pass over the file.
type Run struct {
	ProcessNanos int64  `json:"process_ns"` // framing, decoding and book; not reading
	ReadNanos    int64  `json:"read_ns"`
	Mallocs      uint64 `json:"mallocs"` // heap allocations of the whole process meanwhile
}

// Environment says where a figure was measured.
type Environment struct {
	Date       time.Time `json:"date"`
	Go         string    `json:"go"`
	Platform   string    `json:"platform"`
	CPU        string    `json:"cpu"`
	CPUs       int       `json:"cpus"`
	GOMAXPROCS int       `json:"gomaxprocs"`
}

func environment() Environment {
	return Environment{
		Date:       time.Now().UTC().Truncate(time.Second),
		Go:         runtime.Version(),
		Platform:   runtime.GOOS + "/" + runtime.GOARCH,
		CPU:        procField("/proc/cpuinfo", "model name"),
		CPUs:       runtime.NumCPU(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
}

// residentMax returns the most memory the process ever had resident, in bytes; 0 where unknown.
func residentMax() int64 {
	kib, _, _ := strings.Cut(procField("/proc/self/status", "VmHWM"), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// procField returns the first value with a name in a file of "name: value" lines, or nothing.
func procField(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// summarize computes median, minimum and maximum of the runs.
func (r *Report) summarize() {
	ns := make([]float64, len(r.Runs))
	for i := range r.Runs {
		ns[i] = float64(r.Runs[i].ProcessNanos) / float64(max(r.Messages, 1))
	}
	slices.Sort(ns)
	if n := len(ns); n > 0 {
		r.Min, r.Max = ns[0], ns[n-1]
		r.Median = (ns[(n-1)/2] + ns[n/2]) / 2
	}
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as a table for people.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("benchmark", "%s", r.Name)
	row("file", "%s", r.File)
	if in := r.Input; in != nil {
		row("input", "generated ITCH 5.0 day, seed %d, profile %s, %d symbols", in.Seed, in.Profile, in.Symbols)
	}
	row("size", "%d messages, %d bytes", r.Messages, r.Bytes)
	row("time per message", "%.1f ns median, %.1f to %.1f over %d runs", r.Median, r.Min, r.Max, len(r.Runs))
	if r.Median > 0 {
		row("rate", "%.1f million messages per second", 1e3/r.Median)
	}
	for i, run := range r.Runs {
		row(fmt.Sprintf("run %d", i+1), "%.3f s processing, %.3f s reading, %d allocations",
			float64(run.ProcessNanos)/1e9, float64(run.ReadNanos)/1e9, run.Mallocs)
	}
	if r.EndLive > 0 {
		row("orders", "%d at the peak, %d at the end", r.PeakLive, r.EndLive)
		row("best bid or offer", "changed %d times", r.BBOChanges)
	}
	names := make([]string, 0, len(r.Verdicts))
	for name := range r.Verdicts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		row("verdict "+name, "%d", r.Verdicts[name])
	}
	checked := "not checked: nothing is known about the file"
	if r.Checked {
		checked = "agrees with what the generator knows"
	}
	row("result", "hash %s, %s", r.Hash, checked)
	row("start", "%.1f ms", float64(r.StartNanos)/1e6)
	if r.ResidentMax > 0 {
		row("resident memory", "%.0f MiB at most, whole process", float64(r.ResidentMax)/(1<<20))
	}
	e := &r.Environment
	row("measured", "%s, %s, %s", e.Date.Format(time.RFC3339), e.Go, e.Platform)
	row("processor", "%s, %d CPUs, GOMAXPROCS %d", e.CPU, e.CPUs, e.GOMAXPROCS)
	return t.Flush()
}
