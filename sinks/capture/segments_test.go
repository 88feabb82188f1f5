package capture

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/internal/vfs"
	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// read returns what a directory of segments has, as text.
func read(t *testing.T, dir string) (all []string, gaps uint64) {
	t.Helper()
	r, err := journal.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var e journal.Entry
	for {
		out, err := r.Next(&e)
		switch {
		case err != nil:
			t.Fatal(err)
		case out == journal.Empty:
			return all, gaps
		case out == journal.Lost:
			g := r.Gap()
			gaps += g.Count()
		case e.Kind == entry.KindStart:
			all = append(all, fmt.Sprintf("start %d", e.Payload[0]))
		default:
			var d entry.Datagram
			if err := d.Parse(e.Payload); err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%d %d %s>%s %s", e.Kind, e.At, d.Src, d.Dst, d.Payload))
		}
	}
}

func TestSegments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in", "capture")
	six := netip.MustParseAddrPort("[2001:db8::1]:9")
	for range 2 {
		r, err := Create(Config{Dir: dir, reserveBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		stop := run(r)
		r.Tap(dstA, src, 5, []byte("one"))
		r.Tap(six, six, 7, []byte("two"))
		wait(t, "both are durable", func() bool { return r.Stats().Recorded == 2 })
		if _, err := Create(Config{Dir: dir}); !errors.Is(err, vfs.ErrLocked) {
			t.Errorf("a second recorder: %v", err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r.Tap(dstA, src, 9, []byte("late"))
		if s := r.Stats(); s.Taken != 3 || s.Recorded != 2 || s.Dropped != 1 || s.Failed || s.Unrecordable != 0 {
			t.Errorf("%+v", s)
		}
	}
	one := fmt.Sprintf("129 5 %s>%s one", src, dstA)
	two := fmt.Sprintf("129 7 %s>%s two", six, six)
	want := []string{"start 1", one, two, "start 1", one, two}
	if got, gaps := read(t, dir); fmt.Sprint(got) != fmt.Sprint(want) || gaps != 0 {
		t.Errorf("%q, want %q", got, want)
	}
}

// A head comes between datagrams, and is none of them.
func TestHeads(t *testing.T) {
	dir := t.TempDir()
	addr := netip.MustParseAddrPort("0.0.0.0:0")
	asked := 0
	r, err := Create(Config{Dir: dir, reserveBytes: 1, HeadEvery: 100, Head: func() (netip.AddrPort, [][]byte) {
		asked++
		return addr, [][]byte{[]byte("layout"), fmt.Append(nil, asked)}
	}})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	for i := range market.Nanos(9) {
		r.Tap(dstA, src, i, bytes.Repeat([]byte("x"), 30)) // 46 with addresses
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	all, _ := read(t, dir)
	heads := 0
	for i, line := range all {
		if line == fmt.Sprintf("130 %d 0.0.0.0:0>0.0.0.0:0 layout", 3*(heads+1)) {
			heads++
			if all[i+1] != fmt.Sprintf("130 %d 0.0.0.0:0>0.0.0.0:0 %d", 3*heads, heads) {
				t.Errorf("head %d goes on with %q", heads, all[i+1])
			}
		}
	}
	if s := r.Stats(); heads != 2 || asked != 2 || s.Recorded != 9 || s.Taken != 9 || len(all) != 1+9+4 {
		t.Errorf("%d heads, %+v:\n%q", heads, s, all)
	}
}

// A disk that is full is announced, ends nothing, and costs what memory does not hold, which is recorded as
// missing.
func TestSegmentsOnAFullDisk(t *testing.T) {
	fs := faultfs.New()
	fs.SetCapacity(3 << 20)
	alarms := make(chan string, 100)
	r, err := Create(Config{
		Dir: "capture", fs: fs, segmentBytes: 2 << 20, reserveBytes: 1, QueueBytes: 1 << 20, SpillBytes: 1 << 20, FlushEvery: time.Millisecond,
		Notify: func(alarm bool, text string) {
			if alarm {
				alarms <- text
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	payload := make([]byte, 32<<10)
	wait(t, "memory is full", func() bool {
		r.Tap(dstA, src, 1, payload)
		return r.Stats().Dropped > 0 && r.Stats().Failed
	})
	if s := r.Stats(); !s.Failed || s.Recorded == 0 || s.Waiting < 1<<20 {
		t.Errorf("%+v: want it to wait for the disk", s)
	}
	for text := range alarms {
		if strings.Contains(text, journal.ErrNoSpace.Error()) {
			break
		}
	}
	fs.SetCapacity(64 << 20)
	wait(t, "recording goes on", func() bool { return !r.Stats().Failed && r.Stats().Waiting == 0 })
	r.Tap(dstA, src, 2, payload)
	s := r.Stats()
	wait(t, "all is durable", func() bool { s = r.Stats(); return s.Recorded+s.Dropped == s.Taken })
	in, err := r.segments.journal.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var e journal.Entry
	datagrams, gaps := uint64(0), uint64(0)
	for out := journal.Ready; out != journal.Empty; {
		if out, err = in.Next(&e); err != nil {
			t.Fatal(err)
		}
		if g := in.Gap(); out == journal.Lost {
			gaps += g.Count()
		} else if out == journal.Ready && e.Kind == entry.KindDatagram {
			datagrams++
		}
	}
	if datagrams != s.Recorded || gaps != s.Dropped {
		t.Errorf("%d datagrams and %d missing in the segments, %+v", datagrams, gaps, s)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsDoNotAllocate(t *testing.T) {
	r, err := Create(Config{Dir: t.TempDir(), reserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	payload := make([]byte, 200)
	if n := testing.AllocsPerRun(1000, func() { r.Tap(dstA, src, 1, payload) }); n >= 1 { // the writer allocates beside it
		t.Errorf("Tap allocates %.2f times", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestDiscard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "day.pcap")
	r, err := Create(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Discard(); err != nil {
		t.Fatal(err)
	}
	if r, err = Create(Config{Path: path}); err != nil {
		t.Fatalf("the name is not free: %v", err)
	}
	if err := r.Discard(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		if r, err = Create(Config{Dir: dir, reserveBytes: 1}); err != nil {
			t.Fatal(err)
		}
		if err := r.Discard(); err != nil {
			t.Fatal(err)
		}
	}
}
