package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/internal/vfs"
	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
)

// notes collects notices.
type notes struct {
	mu  sync.Mutex
	all []Notice
	ch  chan NoticeKind
}

func newNotes() *notes { return &notes{ch: make(chan NoticeKind, 1000)} }

func (n *notes) take(x Notice) {
	n.mu.Lock()
	n.all = append(n.all, x)
	n.mu.Unlock()
	n.ch <- x.Kind
}

// await waits for a notice of a kind.
func (n *notes) await(t *testing.T, kind NoticeKind) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case got := <-n.ch:
			if got == kind {
				return
			}
		case <-timeout:
			t.Fatalf("no notice %q", kind)
		}
	}
}

// gate is a disk whose syncs wait while it is shut.
type gate struct {
	vfs.FS
	mu   sync.RWMutex
	full atomic.Bool // there is no free space
}

type gatedFile struct {
	vfs.File
	g *gate
}

func (g *gate) Create(name string) (vfs.File, error) {
	f, err := g.FS.Create(name)
	return gatedFile{f, g}, err
}

func (g *gate) FreeBytes(dir string) (int64, error) {
	if g.full.Load() {
		return 0, nil
	}
	return g.FS.FreeBytes(dir)
}

func (f gatedFile) Sync() error {
	f.g.mu.RLock()
	defer f.g.mu.RUnlock()
	return f.File.Sync()
}

func closeJournal(t *testing.T, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// The disk stands still: the producer goes on, the alarm is raised, then a gap is made; and when the disk is
// back, what was kept is there, in order, and what was not lies in the gap.
func TestSlowDiskNeverStopsTheProducer(t *testing.T) {
	g := &gate{FS: vfs.Disk{}}
	said := newNotes()
	j, err := Open(Config{Dir: t.TempDir(), FS: g, QueueBytes: 4 * chunkBytesDefault, SpillBytes: 4 * chunkBytesDefault, ReserveBytes: 1, Notify: said.take})
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	var kept, dropped []uint64
	payload := make([]byte, 1000)
	put := func() (ok bool) {
		index, ok := j.Append(Header{At: start + market.Nanos(len(kept)), Feed: 7}, payload)
		if ok {
			kept = append(kept, index)
		} else {
			dropped = append(dropped, index)
		}
		return ok
	}
	for j.queue.inUse() <= 4 {
		put()
	}
	said.await(t, Spilling)
	if s := j.Stats(); !s.Spilling || s.SpilledBytes == 0 || s.Dropping {
		t.Errorf("spilling: %+v", s)
	}
	for put() {
	}
	for range 4999 {
		put()
	}
	said.await(t, GapBegins)
	if s := j.Stats(); !s.Dropping || s.Dropped != 5000 || s.QueueBytes != 8*chunkBytesDefault {
		t.Errorf("dropping: %+v", s)
	}
	g.mu.Unlock()
	waitDurable(t, j, dropped[0]-1)
	for len(kept) == 0 || kept[len(kept)-1] < dropped[0] {
		put()
	}
	said.await(t, GapEnds)
	said.await(t, CaughtUp)
	waitDurable(t, j, kept[len(kept)-1])
	if s := j.Stats(); s.Dropping || s.Spilling || s.Dropped != 5000 {
		t.Errorf("afterwards: %+v", s)
	}
	r, err := j.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	var e Entry
	for {
		out, err := r.Next(&e)
		if err != nil {
			t.Fatal(err)
		}
		if out == Lost {
			if gap := r.Gap(); gap.From != dropped[0] || gap.To != dropped[len(dropped)-1] || gap.Count() != 5000 || gap.Reason != QueueFull {
				t.Errorf("gap %+v, want %d to %d", gap, dropped[0], dropped[len(dropped)-1])
			}
			continue
		}
		if out != Ready {
			break
		}
		got = append(got, e.Index)
	}
	if !slices.Equal(got, kept) {
		t.Errorf("%d entries are there, %d were kept", len(got), len(kept))
	}
	r.Close()
	closeJournal(t, j)
}

// No space: recording stops, the gap says why, and it goes on when there is space.
func TestFullDiskIsAnnounced(t *testing.T) {
	g := &gate{FS: vfs.Disk{}}
	said := newNotes()
	dir := t.TempDir()
	j, err := Open(Config{Dir: dir, FS: g, SegmentBytes: segmentBytesMin, QueueBytes: 4 * chunkBytesDefault, SpillBytes: 1, ReserveBytes: 1, Notify: said.take})
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 1000)
	g.full.Store(true)
	last, kept := uint64(0), true
	for range 20_000 {
		if last, kept = j.Append(Header{At: start}, payload); j.Stats().Stalled != "" && !kept {
			break
		}
		time.Sleep(5 * time.Microsecond) // the segment that is there must fill up first
	}
	said.await(t, Stalled)
	if s := j.Stats(); s.Stalled == "" || !s.Dropping {
		t.Fatalf("stats: %+v", s)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(Config{Dir: t.TempDir(), FS: g}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("opened without space: %v", err)
	}
	g.full.Store(false)
	said.await(t, Resumed)
	var again uint64
	for again, kept = j.Append(Header{}, payload); !kept; again, kept = j.Append(Header{}, payload) {
		time.Sleep(time.Millisecond)
	}
	waitDurable(t, j, again)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	var e Entry
	for out := Ready; out == Ready; {
		if out, err = r.Next(&e); err != nil {
			t.Fatal(err)
		}
	}
	if g := r.Gap(); g.Reason != DiskFull && g.Reason != QueueFull || g.To < last {
		t.Errorf("gap %+v", g)
	}
	r.Close()

	// Closed while the disk is full, with a context that has ended: the error says what is lost.
	g.full.Store(true)
	for i := 0; i < 5000; i++ {
		last, _ = j.Append(Header{}, payload)
		if i%500 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if err := j.Close(ctx); !errors.Is(err, ErrNoSpace) {
		t.Errorf("closed on a full disk: %v", err)
	}
	if d := j.DurableIndex(); d >= last {
		t.Errorf("durable %d of %d", d, last)
	}
	if err := j.Close(ctx); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// A producer, readers that follow in both ways, the keeper and a disk whose syncs fail now and then, all at
// once.
func TestEverythingAtOnce(t *testing.T) {
	disk := faultfs.New()
	var syncs atomic.Int64
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Sync && syncs.Add(1)%7 == 6 {
			return faultfs.Fault{Err: syscall.EIO}
		}
		return faultfs.Fault{}
	})
	c := Config{
		Dir: "d/j", FS: disk, SegmentBytes: 64 << 10, PlainSegments: -1, RetainBytes: 256 << 10,
		CommitEvery: 200 * time.Microsecond, CommitBytes: 16 << 10, QueueBytes: 1 << 20, SpillBytes: 8 << 20,
	}
	var j *Journal
	var err error
	for j == nil { // syncs fail here too
		if j, err = open(c, knobs{batchBytes: 8 << 10, chunkBytes: 4 << 10, now: func() market.Nanos { return start }, id: rand.Uint64}); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
	}
	const total = 20_000
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var readers sync.WaitGroup
	follow := func(r *Reader, name string) {
		defer r.Close()
		for r.Register(name) != nil { // syncs fail
		}
		var e Entry
		for next := uint64(1); next <= total; {
			out, err := r.Next(&e)
			switch {
			case err != nil:
				t.Errorf("%s at index %d: %v", name, next, err)
				return
			case out == Empty:
				if err := r.Wait(ctx); err != nil {
					t.Errorf("%s waits for index %d: %v", name, next, err)
					return
				}
			case out != Ready || e.Index != next || !itemAt(next).equals(&e):
				t.Errorf("%s: outcome %d, index %d; want %d: %v %v", name, out, e.Index, next, r.Hole(), r.Gap())
				return
			default:
				if next++; next%1000 == 0 {
					_ = r.Done(next) // else with the next one
				}
			}
		}
	}
	inside, err := j.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	outside, err := openReader(disk, c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	readers.Go(func() { follow(inside, "inside") })
	readers.Go(func() { follow(outside, "outside") })
	readers.Go(func() {
		for before := uint64(0); before < total && ctx.Err() == nil; time.Sleep(time.Millisecond) {
			d := j.DurableIndex()
			if d < before {
				t.Errorf("durable went from %d to %d", before, d)
				return
			}
			before = d
			_ = j.Stats()
		}
	})
	for last := uint64(0); last < total; {
		last = appendItems(t, j, 50)
		time.Sleep(300 * time.Microsecond)
	}
	waitDurable(t, j, total)
	readers.Wait()
	// The positions were written while syncs failed; the last ones may be old. Then nothing is held.
	closeJournal(t, j)
	s := j.Stats()
	if s.Poisoned == 0 || s.Kept.Removed == 0 || s.Entries != total {
		t.Errorf("stats: %+v: the test tests little", s)
	}
	t.Logf("%+v", s)
}

// Who waits is woken by what becomes durable, and by the end.
func TestWait(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(Config{Dir: dir, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	inside, err := j.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	outside, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Reader{inside, outside} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing to read: %v", err)
		}
		cancel()
	}
	var woken sync.WaitGroup
	for _, r := range []*Reader{inside, outside} {
		woken.Go(func() {
			if err := r.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if _, last := readItems(t, r); last != 3 {
				t.Errorf("read up to %d", last)
			}
		})
	}
	appendItems(t, j, 3)
	woken.Wait()
	woken.Go(func() {
		if err := inside.Wait(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("at the end: %v", err)
		}
	})
	closeJournal(t, j)
	woken.Wait()
	inside.Close()
	outside.Close()
	if _, err := OpenReader(filepath.Join(dir, "none")); !errors.Is(err, ErrNoJournal) {
		t.Errorf("no journal: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(filepath.Join(dir, "empty")); !errors.Is(err, ErrNoJournal) {
		t.Errorf("empty directory: %v", err)
	}
}
