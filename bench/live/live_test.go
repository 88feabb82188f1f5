//go:build linux

package live

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/gateway/config"
	"tidegate/internal/netloop"
)

// TestMain is the child too: the measurements under test start this binary again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := Child(os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // packages of the gateway's engine start some of their own
}

func common() Common {
	return Common{Command: []string{os.Args[0], "child"}, Rounds: 1, Threads: parked, patience: 4 * time.Second}
}

func smallLatency() LatencyOptions {
	return LatencyOptions{
		Common: common(), Rates: []float64{2_000}, Duration: 600 * time.Millisecond, WarmUp: 100 * time.Millisecond,
		Batch: 1, Subscribers: 2, IngestMessages: 20_000,
	}
}

func smallFanout() FanoutOptions {
	return FanoutOptions{
		Common: common(), Subscribers: []int{3}, Duration: 400 * time.Millisecond, StallSubscribers: 5, StallRate: 20_000,
	}
}

// However the gateway divides the work, every message arrives. The other tests have two subscribers, who are
// served inline.
func TestThreadings(t *testing.T) {
	for _, threading := range []config.Threading{config.Shared, config.Split} {
		o := smallLatency()
		o.Threads.Threading, o.Duration, o.IngestMessages = threading, 200*time.Millisecond, 10_000
		r, err := RunLatency(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", threading, err)
		}
		for _, f := range r.Figures {
			if strings.HasPrefix(f.Name, "ingest CPU") && f.Rounds[0] <= 0 {
				t.Errorf("%s: %s: %v", threading, f.Name, f.Rounds)
			}
		}
	}
}

// The processes, sockets and checks are real; what is measured on a busy machine is not looked at.
func TestLatency(t *testing.T) {
	o := smallLatency()
	o.Rounds, o.Rates, o.Threads.GOMAXPROCS = 2, []float64{1_000, 2_000}, 2
	o.Duration, o.IngestMessages, o.Journal = 300*time.Millisecond, 10_000, true
	r, err := RunLatency(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, s := range r.Series {
		counts[s.Name] = s.Count
		if len(s.Rounds) != 2 || s.Min <= 0 || s.P50 < s.Min || s.P99 < s.P50 || s.Max < s.P9999 {
			t.Errorf("series %q: %+v", s.Name, s)
		}
	}
	want := map[string]int64{ // two rounds, two subscribers; how late the sender is includes the warm-up
		"wire-to-subscriber, 1000/s": 1200, "wire-to-subscriber, 2000/s": 2400,
		"wire-to-subscriber with journal, 1000/s": 1200, "wire-to-subscriber with journal, 2000/s": 2400,
		"relay wire-to-subscriber, 1000/s": 1200, "relay wire-to-subscriber, 2000/s": 2400,
		"socket-to-subscriber, 1000/s": 1200, "socket-to-subscriber, 2000/s": 2400,
		"wire-to-book, 1000/s": 600, "wire-to-book, 2000/s": 1200,
		"book-to-ring, 1000/s": 600, "book-to-ring, 2000/s": 1200,
		"ring-to-socket, 1000/s": 600, "ring-to-socket, 2000/s": 1200,
		"sender late, 1000/s": 800, "sender late, 2000/s": 1600,
		"relay sender late, 1000/s": 800, "relay sender late, 2000/s": 1600,
	}
	if !reflect.DeepEqual(counts, want) {
		t.Errorf("latencies by series: %v, want %v", counts, want)
	}
	for _, q := range r.Ratios {
		if len(q.Rounds) != 2 || q.Rounds[0] <= 0 {
			t.Errorf("ratio %+v", q)
		}
	}
	text := textOf(t, r)
	for _, want := range []string{
		"each of 2 subscribers of either server got all 800 messages", "ingest: 10000 messages", "ingest datagrams/s, gateway / bare loop",
		"all 800 messages of every round were read back", "wire-to-subscriber p50, with / without journal, 1000/s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("text has no %q:\n%s", want, text)
		}
	}
	saveAndLoad(t, r)
}

func TestFanout(t *testing.T) {
	o := smallFanout()
	r, err := RunFanout(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Series) != 2 || r.Series[0].Count != r.Series[1].Count || r.Series[0].Count != 4*6000 {
		t.Errorf("series %+v, want 6000 latencies of 4 subscribers each", r.Series)
	}
	for _, f := range r.Figures {
		if f.Unit == "deliveries/s" && f.Rounds[0] <= 0 {
			t.Errorf("figure %+v", f)
		}
	}
	saveAndLoad(t, r)
	textOf(t, r)
}

func textOf(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// saveAndLoad checks every file of a result.
func saveAndLoad(t *testing.T, r *Result) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new")
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	back, err := Load(filepath.Join(dir, r.Bench+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := textOf(t, back), textOf(t, r); len(got) != len(want)+len(back.Options)-len(r.Options) {
		t.Errorf("loaded:\n%s\nwant:\n%s", got, want)
	}
	hgrm, err := filepath.Glob(filepath.Join(dir, "*.hgrm"))
	if err != nil || len(hgrm) != len(r.Series) {
		t.Errorf("%d .hgrm files, %v, want one for each of %d series", len(hgrm), err, len(r.Series))
	}
	for _, path := range hgrm {
		if b, err := os.ReadFile(path); err != nil || !bytes.Contains(b, []byte("#[Max     =")) {
			t.Errorf("%s: %v, %d bytes", path, err, len(b))
		}
	}
	f, err := os.Open(filepath.Join(dir, r.Bench+".svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	paths := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("plot: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	if paths < len(r.Series) {
		t.Errorf("plot has %d paths for %d series", paths, len(r.Series))
	}
}

// A run in which something else arrives than what should fails, whichever server it went through.
func TestWrongResultsFail(t *testing.T) {
	const bad = 700
	for _, c := range []struct{ server, kind, want string }{
		{"gateway", "price", "message 700 arrived as {"},
		{"relay", "price", "message 700 arrived as 4"},
		{"gateway", "lost", "message 701 came where message 700 was due"},
		{"relay", "lost", "message 701 came where message 700 was due"},
	} {
		t.Run(c.server+" "+c.kind, func(t *testing.T) {
			o := smallLatency()
			o.fault = fault{c.kind, bad}
			err := within(t.Context(), &o.Common, func(g *rig) error {
				_, err := o.pass(g, c.server, o.Rates[0])
				return err
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	t.Run("fan-out", func(t *testing.T) {
		o := smallFanout()
		o.fault = fault{"price", bad}
		err := within(t.Context(), &o.Common, func(g *rig) error {
			_, err := o.flood(g, "gateway", 2)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "message 700 arrived as {") {
			t.Errorf("got %v", err)
		}
	})
	for _, server := range []string{"gateway", "relay"} {
		t.Run("ingest "+server, func(t *testing.T) {
			o := smallLatency()
			o.fault = fault{"lost", bad}
			err := within(t.Context(), &o.Common, func(g *rig) error {
				_, _, err := o.flood(g, server)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "want 20064 datagrams without loss") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A run that is canceled ends with its processes.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := smallLatency()
	o.Duration = time.Minute
	o.Progress = func(string) { time.AfterFunc(300*time.Millisecond, cancel) }
	if _, err := RunLatency(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestChildErrors(t *testing.T) {
	o := smallLatency()
	err := within(t.Context(), &o.Common, func(g *rig) error {
		_, err := g.start("nobody", 0, nil)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `nobody: start: no role "nobody"`) {
		t.Errorf("got %v", err)
	}
	err = within(t.Context(), &o.Common, func(g *rig) error {
		c, _, err := g.server("relay", relayConfig{})
		if err != nil {
			return err
		}
		_, err = call[any](c, "dance", nil)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `relay: dance: unknown request "dance"`) {
		t.Errorf("got %v", err)
	}
	if err := Child(strings.NewReader("nonsense"), io.Discard); err == nil {
		t.Error("a child without a role runs")
	}
}

func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*LatencyOptions){
		"no rate":                     func(o *LatencyOptions) { o.Rates = nil },
		"rate 0 per second":           func(o *LatencyOptions) { o.Rates = []float64{0} },
		"want more than none":         func(o *LatencyOptions) { o.Duration = 0 },
		"37 messages per datagram":    func(o *LatencyOptions) { o.Batch = 37 },
		"0 subscribers":               func(o *LatencyOptions) { o.Subscribers = 0 },
		"ingest of 1 messages":        func(o *LatencyOptions) { o.IngestMessages = 1 },
		"rounds 0":                    func(o *LatencyOptions) { o.Rounds = 0 },
		"egress loops 0":              func(o *LatencyOptions) { o.Threads.Loops = 0 },
		"idle spin with GOMAXPROCS=2": func(o *LatencyOptions) { o.Threads.Idle, o.Threads.GOMAXPROCS = netloop.Spin, 2 },
		"idle spin with GOMAXPROCS=3": func(o *LatencyOptions) {
			o.Threads.Idle, o.Threads.GOMAXPROCS, o.Threads.Threading = netloop.Spin, 3, config.Split
		},
		`threading "many"`: func(o *LatencyOptions) { o.Threads.Threading = "many" },
	} {
		o := smallLatency()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	for want, change := range map[string]func(*FanoutOptions){
		"0 subscribers":             func(o *FanoutOptions) { o.Subscribers = []int{1, 0} },
		"nothing to measure":        func(o *FanoutOptions) { o.Subscribers, o.StallSubscribers = nil, 0 },
		"duration 0s":               func(o *FanoutOptions) { o.Duration = 0 },
		"stall among 1 subscribers": func(o *FanoutOptions) { o.StallSubscribers = 1 },
		"stall rate 0":              func(o *FanoutOptions) { o.StallRate = 0 },
	} {
		o := smallFanout()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	latency, fanout := DefaultLatency(), DefaultFanout()
	if err := errors.Join(latency.Validate(), fanout.Validate()); err != nil {
		t.Error(err)
	}
}
