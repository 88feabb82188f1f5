//go:build linux

package live

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func handmade(p50, p99 []int64, figure []float64, ratio []float64) *Result {
	r := &Result{
		Bench:   "latency",
		Figures: []Figure{{Name: "ingest", Unit: "datagrams/s", Rounds: figure}},
		Ratios:  []Ratio{{Name: "p50 ratio", Rounds: ratio, Mark: 1.5}, {Name: "rate ratio", Rounds: ratio, Mark: 1.5, AtLeast: true}},
	}
	s := Series{Name: "wire-to-subscriber", P50: p50[0], P99: p99[0]}
	for i := range p50 {
		s.Rounds = append(s.Rounds, Quantiles{P50: p50[i], P99: p99[i]})
	}
	r.Series = []Series{s}
	return r
}

func TestCompare(t *testing.T) {
	a := handmade([]int64{10_000, 11_000}, []int64{50_000, 90_000}, []float64{1000, 1100}, []float64{1, 1.2, 3})
	b := handmade([]int64{20_000, 21_000}, []int64{60_000, 70_000}, []float64{900, 800}, []float64{1, 1.2, 3})
	b.Figures = append(b.Figures, Figure{Name: "of b only", Rounds: []float64{1}})
	var out bytes.Buffer
	if err := Compare(&out, a, b); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	text := strings.Join(rows, "\n")
	for _, want := range []string{
		"wire-to-subscriber p50 10.00 µs 20.00 µs 2.00 higher in every round",
		"wire-to-subscriber p99 50.00 µs 60.00 µs 1.20 rounds overlap",
		"ingest 1050 datagrams/s 850 datagrams/s 0.81 lower in every round",
		"p50 ratio 1.20 1.20 1.00 rounds overlap",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "of b only") {
		t.Error("compared with nothing")
	}
	b.Bench = "fanout"
	if err := Compare(&out, a, b); err == nil {
		t.Error("latency was compared with fan-out")
	}
	if got, want := verdict([]float64{1}, []float64{9, 10}), ""; got != want {
		t.Errorf("verdict of one round: %q", got)
	}
}

func TestMarks(t *testing.T) {
	r := handmade([]int64{1}, []int64{1}, nil, []float64{1, 1.2, 3})
	if got := r.Ratios[0].verdict(); got != "<= 1.5: yes" {
		t.Errorf("at most: %q", got)
	}
	if got := r.Ratios[1].verdict(); got != ">= 1.5: no" {
		t.Errorf("at least: %q", got)
	}
}

func TestLoadErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if _, err := Load(path); err == nil {
		t.Error("no file: no error")
	}
	for _, text := range []string{"nonsense", "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
