//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/history"
	"tidegate/internal/lsgclient"
	"tidegate/market"
)

// A recording is a subscriber that keeps the bytes of what it gets, by type.
type recording struct {
	client *lsgclient.Client
	done   chan struct{}

	mu  sync.Mutex
	all map[dbn.RType][]byte
}

// recordAll subscribes to schemas of all symbols, and waits until the gateway has said that it did.
func recordAll(t *testing.T, addr string, schemas ...dbn.Schema) *recording {
	t.Helper()
	k, err := lsg.ParseKey(keyOne)
	if err != nil {
		t.Fatal(err)
	}
	c, err := lsgclient.Dial(context.Background(), lsgclient.Config{Addr: addr, Dataset: market.Simulated.Dataset, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range schemas {
		if err := c.Subscribe(schema, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, market.UndefTime); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r := &recording{client: c, done: make(chan struct{}), all: make(map[dbn.RType][]byte)}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		defer c.Close()
		for {
			rec, err := c.Next()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.all[rec.RType] = append(r.all[rec.RType], rec.Raw()...)
			r.mu.Unlock()
		}
	}()
	return r
}

// of returns the records of a schema, and those among them from a time on.
func (r *recording) of(schema dbn.Schema) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	rtype, _ := schema.RType()
	return r.all[rtype]
}

func fromTime(records []byte, start market.Nanos) (some []byte) {
	for len(records) > 0 {
		n := 4 * int(records[0])
		if history.IndexTime(records) >= start {
			some = append(some, records[:n]...)
		}
		records = records[n:]
	}
	return some
}

// middle returns the index time of the record in the middle.
func middle(records []byte) market.Nanos {
	var times []market.Nanos
	for len(records) > 0 {
		times = append(times, history.IndexTime(records))
		records = records[4*int(records[0]):]
	}
	return times[len(times)/2]
}

// A command is a process of this program that subscribes into a file.
type subscribing struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    string
	mu     sync.Mutex
	stderr bytes.Buffer
	ended  chan struct{} // what it says has
}

func startSubscribe(t *testing.T, binary, addr string, flags ...string) *subscribing {
	t.Helper()
	s := &subscribing{t: t, out: filepath.Join(t.TempDir(), "out.dbn"), ended: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"subscribe", "-a", addr, "-d", market.Simulated.Dataset, "-k", keyOne, "--out", s.out, "--view", "none"}, flags...)...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	go func() {
		defer close(s.ended)
		b := make([]byte, 4096)
		for {
			n, err := stderr.Read(b)
			s.mu.Lock()
			s.stderr.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// said waits until the process has said something.
func (s *subscribing) said(text string) {
	s.t.Helper()
	eventually(s.t, "subscribe", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.Contains(s.stderr.String(), text) {
			return fmt.Errorf("said %q, want %q", s.stderr.String(), text)
		}
		return nil
	})
}

// records waits for the end of the process and returns what is in its file of a schema.
func (s *subscribing) records(schema dbn.Schema) (all []byte) {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("subscribe goes on")
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("subscribe: %v: %s", err, &s.stderr)
	}
	f, err := os.Open(s.out)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r, err := dbn.NewReader(f)
	if err != nil {
		s.t.Fatal(err)
	}
	rtype, _ := schema.RType()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if _, ok := rec.TsOut(); rec.RType == rtype && ok {
			plain := append([]byte(nil), rec.Raw()[:len(rec.Raw())-dbn.TsOutSize]...)
			plain[0] = byte(len(plain) / 4)
			all = append(all, plain...)
		} else if rec.RType == rtype {
			all = append(all, rec.Raw()...)
		}
	}
}

func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		n := 0
		for n < min(len(got), len(want)) && got[n] == want[n] {
			n++
		}
		t.Errorf("%s: %d bytes, want %d; the first difference is at %d", what, len(got), len(want), n)
	}
}

// Subscribers that start in the past get what one got that was there all along, byte for byte: while the
// feed goes on, after the gateway was stopped and started, and after it was killed.
func TestE2EHistory(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	dir := filepath.Join(t.TempDir(), "journal")
	config := configWith(t, lines, func(text string) string {
		return text + fmt.Sprintf("journal: {dir: %q, schemas: [mbo, mbp-1, tbbo, trades, bbo-1s, definition]}\nring: {chunks: 8, chunk_bytes: 64 KiB}\n", dir)
	})
	g := startAt(t, binary, config)
	all := recordAll(t, g.addr, dbn.SchemaMBO, dbn.SchemaTrades, dbn.SchemaTBBO, dbn.SchemaBBO1s)
	v := startVenue(t, binary, venueCmd{Seed: 21, Rate: 1600, Speed: "5x", A: a, B: b})
	v.passes(12_000)

	start := middle(all.of(dbn.SchemaMBO))
	at := time.Unix(0, int64(start)).UTC().Format(time.RFC3339Nano)
	clients := []struct {
		schema dbn.Schema
		start  market.Nanos
		*subscribing
	}{
		{dbn.SchemaMBO, 0, startSubscribe(t, binary, g.addr, "-s", "mbo", "--start", "0")},
		{dbn.SchemaMBO, start, startSubscribe(t, binary, g.addr, "-s", "mbo", "--start", at, "--compress")},
		{dbn.SchemaTrades, start, startSubscribe(t, binary, g.addr, "-s", "trades", "--start", at)},
		{dbn.SchemaTBBO, start, startSubscribe(t, binary, g.addr, "-s", "tbbo", "--start", at, "--ts-out")},
		{dbn.SchemaBBO1s, 0, startSubscribe(t, binary, g.addr, "-s", "bbo-1s", "--start", "24h")},
	}
	v.passes(20_000)
	for _, c := range clients {
		c.said("replay finished: ")
	}
	v.passes(v.truth().Sent + 2000)
	truth := v.pause()
	reaches(t, g.url, truth.Sent)
	eventually(t, "history over HTTP", func() error { // when the last is durable
		var answer struct {
			Count    int
			Complete bool
		}
		getJSON(t, g.url+"/history?schema=trades&limit=1000000&start="+at, &answer)
		if want := len(fromTime(all.of(dbn.SchemaTrades), start)) / dbn.RTypeTrade.Size(dbn.Version); answer.Count != want || !answer.Complete {
			return fmt.Errorf("%+v, want %d records", answer, want)
		}
		return nil
	})
	g.signal(syscall.SIGTERM)
	<-all.done
	for _, c := range clients {
		wantBytes(t, fmt.Sprintf("%s from %d", c.schema, c.start), c.records(c.schema), fromTime(all.of(c.schema), c.start))
	}
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}

	// The next gateway has the history of the one before, and goes on.
	g = startAt(t, binary, config)
	again := recordAll(t, g.addr, dbn.SchemaMBO)
	across := startSubscribe(t, binary, g.addr, "-s", "mbo", "--start", at)
	across.said("replay finished: ")
	v.post("/resume", nil)
	v.passes(truth.Sent + 3000)
	truth = v.pause()
	reachesFrom(t, g.url, truth.Sent)
	g.signal(syscall.SIGTERM)
	<-again.done
	want := append(fromTime(all.of(dbn.SchemaMBO), start), again.of(dbn.SchemaMBO)...)
	wantBytes(t, "across a restart", across.records(dbn.SchemaMBO), want)
	g.exit()

	// One that was killed has lost, at most, the end of what it published.
	g = startAt(t, binary, config)
	killed := recordAll(t, g.addr, dbn.SchemaMBO)
	v.post("/resume", nil)
	eventually(t, "subscriber", func() error {
		if n := len(killed.of(dbn.SchemaMBO)); n < 100_000 {
			return fmt.Errorf("got %d bytes", n)
		}
		return nil
	})
	g.signal(syscall.SIGKILL)
	<-killed.done
	g.exit()
	v.pause()
	g = startAt(t, binary, config)
	after := startSubscribe(t, binary, g.addr, "-s", "mbo", "--start", "0")
	after.said("replay finished: ")
	g.signal(syscall.SIGTERM)
	got := after.records(dbn.SchemaMBO)
	want = append(all.of(dbn.SchemaMBO), again.of(dbn.SchemaMBO)...)
	if kept := killed.of(dbn.SchemaMBO); !bytes.HasPrefix(append(want, kept...), got) && !bytes.HasPrefix(got, append(want, kept...)) || len(got) <= len(want) {
		t.Errorf("after a kill: %d bytes, which are not those of before (%d) and the beginning of what came (%d)", len(got), len(want), len(kept))
	}
	g.exit()

	// What is not kept is refused, with the way to change that.
	g = startAt(t, binary, config)
	out, err := exec.Command(binary, "subscribe", "-a", g.addr, "-d", market.Simulated.Dataset, "-k", keyOne, "-s", "mbp-10", "--start", "0", "--view", "none").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "schema mbp-10 is not kept in history, but mbo, mbp-1, tbbo, trades, definition, bbo-1s: journal.schemas in the gateway's configuration says which are (code 8)") {
		t.Errorf("%v: %s", err, out)
	}
}
