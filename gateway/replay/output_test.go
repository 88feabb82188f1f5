package replay_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/gateway/replay"
	"tidegate/market"
)

// names returns what is in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}

func TestOutputThatCannotBe(t *testing.T) {
	files, _ := captures(t, smallFeed(1))
	in := write(t, "a.pcap", files[0])
	linked := filepath.Join(t.TempDir(), "link.pcap")
	if err := os.Symlink(in, linked); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		out  string
		want []string
	}{
		{"/nonexistent/x.dbn", []string{"create /nonexistent/x.dbn: no such file or directory"}},
		{t.TempDir(), []string{"is a directory"}},
		{"/dev/full", []string{"create /dev/full", "is not a regular file"}},
		{in, []string{"create " + in, "it is an input"}},
		{linked, []string{"create " + linked, "it is an input"}},
		{filepath.Join(filepath.Dir(in), ".", "..", filepath.Base(filepath.Dir(in)), "a.pcap"), []string{"it is an input"}},
	} {
		result, err := replay.Run(context.Background(), replay.Options{Paths: []string{in}, Out: c.out, Schema: dbn.SchemaMBO})
		if err == nil || result != nil {
			t.Errorf("%s: error %v, result %v; want an error alone", c.out, err, result)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v: want %q in it", c.out, err, want)
			}
		}
	}
	wantNames(t, filepath.Dir(in), "a.pcap")
	if b, err := os.ReadFile(in); err != nil || !slices.Equal(b, files[0]) {
		t.Errorf("the input has changed: %v", err)
	}
}

// A full disk is an error. The file that was there before stays, and nothing else does.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("no small disk to fill: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	cfg := smallFeed(1)
	cfg.Market.Rate = 3000
	files, _ := captures(t, cfg)
	out := filepath.Join(dir, "out.dbn")
	if err := os.WriteFile(out, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := replay.Run(context.Background(), replay.Options{
		Paths: []string{write(t, "a.pcap", files[0])}, Out: out, Schema: dbn.SchemaMBO,
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), out) {
		t.Errorf("%v: want no space left for %s", err, out)
	}
	wantNames(t, dir, "out.dbn")
	if b, _ := os.ReadFile(out); string(b) != "before" {
		t.Errorf("the file before is %q", b)
	}
}

// An existing file is replaced when the new one is complete, and only then.
func TestOutputReplacesOnSuccess(t *testing.T) {
	files, _ := captures(t, smallFeed(1))
	in := write(t, "a.pcap", files[0])
	out := write(t, "out.dbn.zst", []byte("before"))
	dir := filepath.Dir(out)

	text := write(t, "text", []byte("no feed at all, in a file that is long enough"))
	http := write(t, "http.pcap", pcapOf(t, record{noon, groupA, []byte("GET / HTTP/1.1")}))
	for _, paths := range [][]string{{text}, {in, text}, {http}} {
		result, err := replay.Run(context.Background(), replay.Options{Paths: paths, Out: out, Schema: dbn.SchemaMBO})
		if err == nil {
			t.Errorf("%v: no error", paths)
		}
		if result != nil && result.Summary.Output != nil {
			t.Errorf("%v: summary of an output that is not there: %+v", paths, result.Summary.Output)
		}
		wantNames(t, dir, "out.dbn.zst")
		if b, _ := os.ReadFile(out); string(b) != "before" {
			t.Errorf("%v: the file before is %q", paths, b)
		}
	}
	result := mustReplay(t, replay.Options{Paths: []string{in}, Out: out, Schema: dbn.SchemaMBO})
	wantNames(t, dir, "out.dbn.zst")
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if o := result.Summary.Output; o == nil || o.Bytes != info.Size() || o.Records == 0 {
		t.Errorf("output %+v; the file has %d bytes", o, info.Size())
	}
}

// pipe returns the path of a pipe that gives b in small pieces.
func pipe(t *testing.T, b []byte, seed uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("mkfifo: %v", err)
	}
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		random := rand.New(rand.NewPCG(seed, 1))
		for len(b) > 0 {
			n, err := f.Write(b[:min(len(b), 1+random.IntN(500))])
			if err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
		}
	}()
	return path
}

// The same inputs give the same bytes in every schema, however they are cut into reads.
func TestOutputIsDetermined(t *testing.T) {
	cfg := smallFeed(2)
	rough(&cfg, 12345)
	files, _ := captures(t, cfg)
	paths := []string{write(t, "a.pcap", files[0]), write(t, "b.pcap", files[1])}
	for _, schema := range derive.Schemas() {
		opt := replay.Options{Paths: paths, Out: write(t, "out.dbn", nil), Schema: schema}
		want := mustReplay(t, opt).Summary.Output
		opt.Paths = []string{pipe(t, gz(t, files[0]), 1), pipe(t, files[1], 2)}
		if got := mustReplay(t, opt).Summary.Output; got.SHA256 != want.SHA256 {
			t.Errorf("%s: %d records of sum %s, want %d of %s", schema, got.Records, got.SHA256, want.Records, want.SHA256)
		}
	}
}

// At a pace, the replay takes as long as the recording did, divided by the speed.
func TestPace(t *testing.T) {
	files, _ := captures(t, smallFeed(3))
	all := recordsOf(t, files[0])
	lasts := time.Duration(all[len(all)-1].at - all[0].at)
	for _, speed := range []float64{1, 10, 0.5} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			mustReplay(t, replay.Options{Paths: []string{write(t, "a.pcap", files[0])}, Speed: speed})
			want := time.Duration(float64(lasts) / speed)
			if took := time.Since(start); took < want-time.Millisecond || took > want {
				t.Errorf("speed %v: took %v, want %v", speed, took, want)
			}
		})
	}
}

// A replay that is stopped stops at once, and keeps and writes what was done until then.
func TestStoppedReplay(t *testing.T) {
	files, _ := captures(t, smallFeed(3))
	in, out := write(t, "a.pcap", files[0]), write(t, "out.dbn", []byte("before"))
	synctest.Test(t, func(t *testing.T) {
		const after = 1500 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		start := time.Now()
		result, err := replay.Run(ctx, replay.Options{Paths: []string{in}, Speed: 1, Out: out, Schema: dbn.SchemaMBO})
		if !errors.Is(err, context.DeadlineExceeded) || result == nil {
			t.Fatalf("result %v, error %v; want both", result, err)
		}
		if took := time.Since(start); took != after {
			t.Errorf("took %v, want %v", took, after)
		}
		wantBalanced(t, result, true)
		var due uint64
		all := recordsOf(t, files[0])
		for _, r := range all {
			if r.at-all[0].at < market.Nanos(after) {
				due++
			}
		}
		if got := result.Summary.Inputs[0].Items; got < due || got > due+1 {
			t.Errorf("%d datagrams were read, %d were due", got, due)
		}
		if o := result.Summary.Output; !o.Partial || o.Path != out+".partial" {
			t.Errorf("output %+v, want it partial", o)
		}
		if n := len(readMBO(t, out+".partial")); uint64(n) != result.Summary.Output.Records || n == 0 {
			t.Errorf("%d records were written, want %d", n, result.Summary.Output.Records)
		}
	})
	wantNames(t, filepath.Dir(out), "out.dbn", "out.dbn.partial")
	if b, _ := os.ReadFile(out); string(b) != "before" {
		t.Errorf("the file before is %.20q", b)
	}

	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	result, err := replay.Run(stopped, replay.Options{Paths: []string{in}})
	if !errors.Is(err, context.Canceled) || result == nil || result.Summary.Messages != 0 {
		t.Errorf("stopped before it began: result %v, error %v", result, err)
	}
	// Nothing is no part of anything.
	out = write(t, "out.dbn", []byte("before"))
	day := write(t, "day.dbn", readFile(t, mboFile(t)))
	result, err = replay.Run(stopped, replay.Options{Paths: []string{day}, Out: out, Schema: dbn.SchemaMBO})
	if !errors.Is(err, context.Canceled) || result == nil || result.Summary.Output != nil {
		t.Errorf("stopped before it began: result %v, error %v", result, err)
	}
	wantNames(t, filepath.Dir(out), "out.dbn")
}

// mboFile replays a small market into a file of market-by-order records.
func mboFile(t *testing.T) string {
	t.Helper()
	files, _ := captures(t, smallFeed(1))
	out := filepath.Join(t.TempDir(), "mbo.dbn")
	mustReplay(t, replay.Options{Paths: []string{write(t, "a.pcap", files[0])}, Out: out, Schema: dbn.SchemaMBO})
	return out
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What an interrupt would leave must not replace an input either.
func TestPartialIsAnInput(t *testing.T) {
	in := write(t, "x.dbn.partial", readFile(t, mboFile(t)))
	out := strings.TrimSuffix(in, ".partial")
	_, err := replay.Run(t.Context(), replay.Options{Paths: []string{in}, Out: out, Schema: dbn.SchemaMBO})
	if err == nil || err.Error() != "create "+in+": it is an input, and would be replaced" {
		t.Errorf("error %v", err)
	}
	wantNames(t, filepath.Dir(in), "x.dbn.partial")
}

// An output that goes to a writer is what a file would be. Nothing comes before the end, and nothing
// at all if the replay is stopped: whoever reads it would take it for the whole.
func TestOutputToWriter(t *testing.T) {
	files, _ := captures(t, smallFeed(1))
	in := write(t, "a.pcap", files[0])
	opt := replay.Options{Paths: []string{in}, Out: filepath.Join(t.TempDir(), "x.dbn"), Schema: dbn.SchemaMBP1}
	want := mustReplay(t, opt).Summary.Output
	var got bytes.Buffer
	file := opt.Out
	opt.Out, opt.To = "standard output", &got
	o := mustReplay(t, opt).Summary.Output
	if !bytes.Equal(got.Bytes(), readFile(t, file)) || o.SHA256 != want.SHA256 || o.Bytes != want.Bytes || o.Path != "standard output" {
		t.Errorf("%d bytes, %+v; want %+v", got.Len(), o, want)
	}
	got.Reset()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		opt.Speed = 1
		result, err := replay.Run(ctx, opt)
		if !errors.Is(err, context.DeadlineExceeded) || result == nil || result.Summary.Output != nil || got.Len() != 0 {
			t.Errorf("stopped: error %v, %d bytes, result %+v", err, got.Len(), result)
		}
	})
}

// A recording that jumps by a lifetime is waited for, not spun through; it can be stopped.
func TestPaceOverAJump(t *testing.T) {
	file := write(t, "jump.pcap", pcapOf(t,
		record{noon, groupA, mold("JUMP", 1, itchAdd(1, 1, 1))},
		record{noon + 80*365*market.Day, groupA, mold("JUMP", 2, itchAdd(2, 1, 1))},
	))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		result, err := replay.Run(ctx, replay.Options{Paths: []string{file}, Speed: 0.001})
		if !errors.Is(err, context.DeadlineExceeded) || result.Summary.Messages != 1 {
			t.Errorf("error %v, result %+v; want the first message alone", err, result)
		}
	})
}

// Progress is reported at the end, whatever the end, and then says so.
func TestProgress(t *testing.T) {
	files, _ := captures(t, smallFeed(3))
	var last replay.Progress
	result := mustReplay(t, replay.Options{
		Paths:    []string{write(t, "a.pcap.gz", gz(t, files[0]))},
		Progress: func(p replay.Progress) { last = p },
	})
	if !last.Done || last.Read != last.Size || last.Size == 0 || last.Messages != result.Summary.Messages {
		t.Errorf("last progress %+v; want all of %d messages", last, result.Summary.Messages)
	}
}
