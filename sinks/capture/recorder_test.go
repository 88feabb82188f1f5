package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/codec/pcap"
	"tidegate/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	dstA = netip.MustParseAddrPort("233.252.0.1:26400")
	dstB = netip.MustParseAddrPort("233.252.0.2:26400")
	src  = netip.MustParseAddrPort("192.0.2.1:5000")
)

const start = 1_795_000_000 * market.Second

// tap gives n numbered datagrams of different lengths to r, to A and B in turn, from number first.
func tap(r *Recorder, first, n int) {
	payload := make([]byte, 1500)
	for i := first; i < first+n; i++ {
		dst := dstA
		if i%2 == 1 {
			dst = dstB
		}
		binary.BigEndian.PutUint32(payload, uint32(i))
		r.Tap(dst, src, start+market.Nanos(i)*market.Microsecond, payload[:4+i*7%1400])
	}
}

// numbers checks the datagrams of a file against what tap gives, and returns their numbers.
func numbers(t *testing.T, file []byte) (all []int) {
	t.Helper()
	r, err := pcap.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var d pcap.Datagram
	for {
		err := r.Next(&d)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		i := int(binary.BigEndian.Uint32(d.Payload))
		dst := dstA
		if i%2 == 1 {
			dst = dstB
		}
		if d.Dst != dst || d.Src != src || d.TsRecv != start+market.Nanos(i)*market.Microsecond || len(d.Payload) != 4+i*7%1400 {
			t.Fatalf("datagram %d: %v to %v at %d, %d bytes", i, d.Src, d.Dst, d.TsRecv, len(d.Payload))
		}
		all = append(all, i)
	}
}

func wantNumbers(t *testing.T, got []int, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%d datagrams in the file, want %d", len(got), n)
	}
	for i := range got {
		if got[i] != i {
			t.Fatalf("datagram %d of the file is number %d", i, got[i])
		}
	}
}

// run starts a recorder. The function that it returns stops it and returns what Run returned.
func run(r *Recorder) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

// wait waits until a condition holds that must come.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("never: %s", what)
		}
	}
}

func wantBalanced(t *testing.T, s Stats) {
	t.Helper()
	if s.Taken != s.Recorded+s.Dropped+s.Unrecordable || s.Waiting != 0 {
		t.Errorf("the account does not balance: %+v", s)
	}
}

func TestRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "day.pcap")
	r, err := Create(Config{Path: path, FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	// What was recorded is in the file while the recording goes on.
	for round := range 3 {
		tap(r, round*1000, 1000)
		wait(t, "all is recorded", func() bool { return r.Stats().Recorded == uint64(round+1)*1000 })
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, numbers(t, file), (round+1)*1000)
		if got := r.Stats().Bytes; got != int64(len(file)) {
			t.Errorf("%d bytes, the file has %d", got, len(file))
		}
	}
	tap(r, 3000, 500)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	file, _ := os.ReadFile(path)
	wantNumbers(t, numbers(t, file), 3500) // the queue was emptied
	tap(r, 3500, 1)
	s := r.Stats()
	wantBalanced(t, s)
	if s.Dropped != 1 || s.Failed {
		t.Errorf("%+v, want the datagram after the end dropped, and nothing else", s)
	}
}

// A queue that is full costs datagrams, which are counted, and nothing else.
func TestFullQueueDropsAndCounts(t *testing.T) {
	f := &memory{}
	f.hold.Lock() // the disk hangs
	r, err := newRecorder(Config{Path: "x", QueueBytes: queueBytesMin, FlushEvery: time.Millisecond}, f.unheld())
	if err != nil {
		t.Fatal(err)
	}
	r.file = f
	stop := run(r)
	tap(r, 0, 10)
	wait(t, "the disk hangs", f.waits)
	tap(r, 10, 1000)
	full := r.Stats()
	if full.Dropped == 0 || full.Waiting < queueBytesMin/2 {
		t.Fatalf("%+v: want a full queue", full)
	}
	f.hold.Unlock()
	wait(t, "the queue is empty", func() bool { return r.Stats().Waiting == 0 })
	tap(r, 1010, 10)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	wantBalanced(t, s)
	got := numbers(t, f.bytes())
	if s.Dropped != full.Dropped || uint64(len(got)) != 1020-s.Dropped || s.Recorded != uint64(len(got)) {
		t.Errorf("%+v, %d in the file", s, len(got))
	}
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Fatalf("number %d after %d", got[i], got[i-1])
		}
	}
}

func TestFullDiskStopsRecording(t *testing.T) {
	f := &memory{room: 100_000}
	var alarms []error
	alarmed := make(chan struct{})
	r, err := newRecorder(Config{
		Path: "day.pcap", FlushEvery: time.Millisecond,
		Alarm: func(err error) { alarms = append(alarms, err); close(alarmed) },
	}, f)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	sent := 0
	for open := true; open; sent += 10 {
		tap(r, sent, 10)
		select {
		case <-alarmed:
			open = false
		default:
		}
	}
	tap(r, sent, 10)
	sent += 10
	err = stop()
	if !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(fmt.Sprint(err), "capture: day.pcap: recording has stopped: ") {
		t.Errorf("Run: %v, want %v for want of space", err, ErrStopped)
	}
	if len(alarms) != 1 || !errors.Is(alarms[0], syscall.ENOSPC) {
		t.Errorf("alarms: %v, want one", alarms)
	}
	s := r.Stats()
	wantBalanced(t, s)
	if s.Taken != uint64(sent) || !s.Failed || s.Dropped == 0 {
		t.Errorf("%+v, want %d taken, some dropped, failed", s, sent)
	}
	// No half record at the end.
	wantNumbers(t, numbers(t, f.bytes()), int(s.Recorded))
	if !f.closed || s.Bytes != int64(len(f.bytes())) {
		t.Errorf("closed %t, %d bytes of %d", f.closed, s.Bytes, len(f.bytes()))
	}
}

func TestCreateErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "day.pcap")
	if err := os.WriteFile(path, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{}, "want a file or a directory"},
		{Config{Path: path}, "file exists"},
		{Config{Path: path + "/x"}, "not a directory"},
		{Config{Path: path, QueueBytes: 1}, "queue bytes 1: want 131072 to"},
		{Config{Path: path, FlushEvery: time.Hour}, "flush every 1h0m0s: want 1 ms to 1 min"},
	} {
		_, err := Create(tt.c)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error with %q", tt.c, err, tt.want)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "yesterday" {
		t.Error("the file that was there is not there any more")
	}
}

func TestUnrecordableDatagramsAreCounted(t *testing.T) {
	f := &memory{}
	r, err := newRecorder(Config{Path: "x"}, f)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(r)
	v6 := netip.MustParseAddrPort("[fd00::1]:5")
	mapped := netip.MustParseAddrPort("[::ffff:233.252.0.1]:26400") // is IPv4
	r.Tap(v6, v6, start, nil)
	r.Tap(dstA, v6, start, nil)
	r.Tap(netip.AddrPort{}, src, start, nil)
	r.Tap(dstA, src, -1, nil)
	r.Tap(dstA, src, start, make([]byte, 65_508))
	r.Tap(mapped, src, start, make([]byte, 4))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	wantBalanced(t, s)
	if s.Unrecordable != 5 || s.Recorded != 1 {
		t.Errorf("%+v, want 5 unrecordable, 1 recorded", s)
	}
	wantNumbers(t, numbers(t, f.bytes()), 1)
}

func TestTapDoesNotAllocate(t *testing.T) {
	r, err := newRecorder(Config{Path: "x"}, &memory{})
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 1400)
	if n := testing.AllocsPerRun(50_000, func() { r.Tap(dstA, src, start, payload) }); n != 0 {
		t.Errorf("Tap allocates %.1f times, want 0", n)
	}
	if s := r.Stats(); s.Dropped == 0 || s.Dropped == s.Taken {
		t.Errorf("%+v: the test was to see the queue taking and full", s)
	}
}

// memory is a file that can hang and has an end.
type memory struct {
	hold   sync.Mutex // held: writes hang
	mu     sync.Mutex
	b      []byte
	room   int // 0: no end
	hung   bool
	closed bool
}

// unheld is the same file, but it does not hang.
func (m *memory) unheld() file { return (*prompt)(m) }

type prompt memory

func (m *prompt) Write(p []byte) (int, error) { return (*memory)(m).write(p) }
func (m *prompt) Truncate(size int64) error   { return (*memory)(m).Truncate(size) }
func (m *prompt) Close() error                { return (*memory)(m).Close() }
func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	m.hung = true
	m.mu.Unlock()
	m.hold.Lock()
	defer m.hold.Unlock()
	return m.write(p)
}

func (m *memory) write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hung = false
	if m.room > 0 && len(m.b)+len(p) > m.room {
		n := m.room - len(m.b)
		m.b = append(m.b, p[:n]...)
		return n, syscall.ENOSPC
	}
	m.b = append(m.b, p...)
	return len(p), nil
}

func (m *memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b = m.b[:size]
	return nil
}

func (m *memory) Close() error { m.closed = true; return nil }

func (m *memory) waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hung
}

func (m *memory) bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.b)
}
