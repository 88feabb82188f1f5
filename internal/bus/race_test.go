package bus

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/market"
)

// What follows is for the race detector above all: a writer that laps its readers again and again.

// payloadOf fills b with what entry i must have in it.
func payloadOf(i uint64, b []byte) {
	word := i*0x9e3779b97f4a7c15 + 1
	for len(b) >= 8 {
		binary.NativeEndian.PutUint64(b, word)
		b = b[8:]
	}
	for k := range b {
		b[k] = byte(word)
	}
}

func lenOf(i uint64) int { return int(i * 7 % 61) }

// follower reads a ring and checks every entry.
type follower struct {
	t          *testing.T
	reader     *Reader
	read, lost uint64
	want       [64]byte
}

// check returns whether the follower should go on.
func (f *follower) check(e *Entry) bool {
	want := f.want[:lenOf(e.Index)]
	payloadOf(e.Index, want)
	if e.Index != f.read+f.lost || string(e.Payload) != string(want) || e.At != market.Nanos(e.Index) {
		f.t.Errorf("reader at entry %d got entry %+v, want payload %x", f.read+f.lost, *e, want)
		return false
	}
	f.read++
	return true
}

// TestReadersAndLappingWriter runs one writer that waits for nobody, and readers of different
// habits.
func TestReadersAndLappingWriter(t *testing.T) {
	const entries, readers = 300_000, 6
	r, err := New(Config{Chunks: 4, ChunkBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	followers := make([]*follower, readers)
	var wg sync.WaitGroup
	for i := range followers {
		wake := make(chan struct{}, 1)
		f := &follower{t: t, reader: newReader(t, r, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})}
		followers[i] = f
		random := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			var e Entry
			var old Cursor
			for f.reader.Cursor().Index() < entries {
				switch f.reader.Next(&e) {
				case Ready:
					if !f.check(&e) {
						return
					}
				case Lapped:
					if i%2 == 0 {
						f.lost += f.reader.Skip(r.Oldest())
					} else {
						f.lost += f.reader.Skip(r.Newest())
					}
				case Empty:
					if i < 2 {
						runtime.Gosched() // spins
					} else if f.reader.Sleep() {
						<-wake
					}
				}
				switch {
				case i == 3 && random.IntN(100) == 0: // slow
					runtime.Gosched()
				case i == 4 && random.IntN(50) == 0: // looks back and returns
					here := f.reader.Cursor()
					f.reader.Seek(old)
					if f.reader.Next(&e) == Ready && e.Index != old.Index() {
						t.Errorf("at an old cursor: got entry %d, want %d", e.Index, old.Index())
					}
					f.reader.Seek(here)
					old = here
				case i == 5 && random.IntN(100) == 0: // closes and comes again
					f.reader.Close()
					at := f.read + f.lost
					f.reader = newReader(t, r, f.reader.notify)
					f.lost += f.reader.Cursor().Index() - at
				}
			}
		})
	}
	for i := range uint64(entries) {
		payloadOf(i, r.Reserve(Header{At: market.Nanos(i)}, lenOf(i)))
		if i%5 == 0 {
			r.Publish()
		}
		if i%20 == 0 {
			r.Wake()
		}
		if i%1000 == 0 {
			runtime.Gosched()
		}
	}
	r.Publish()
	r.Wake()
	wg.Wait()
	for i, f := range followers {
		if f.read+f.lost != entries {
			t.Errorf("reader %d read %d and lost %d entries of %d", i, f.read, f.lost, entries)
		}
	}
	s := r.Stats()
	if s.Entries != entries || s.Spares > readers {
		t.Errorf("got %+v", s)
	}
	t.Logf("%+v", s)
	for i, f := range followers {
		t.Logf("reader %d read %d and lost %d", i, f.read, f.lost)
	}
}

// TestAskingWhileWriting asks for positions and figures from another goroutine.
func TestAskingWhileWriting(t *testing.T) {
	r := smallRing(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			last, lastOldest := r.Newest(), r.Oldest()
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
				oldest, newest, s := r.Oldest(), r.Newest(), r.Stats()
				if newest.index < last.index || oldest.index < lastOldest.index || oldest.index > newest.index || s.Entries < newest.index {
					t.Errorf("oldest %+v after %+v, newest %+v after %+v, %+v", oldest, lastOldest, newest, last, s)
					return
				}
				last, lastOldest = newest, oldest
			}
		})
	}
	for i := range 100_000 {
		r.Reserve(Header{}, i%100)
		r.Publish()
		if i%500 == 0 {
			runtime.Gosched()
		}
	}
	close(stop)
	wg.Wait()
}

// spinFor is how long tests go on that spin: where processors are shared, each turn may take long.
const spinFor = 500 * time.Millisecond

// lastKind marks the entry after which a reader stops.
const lastKind = 255

// await spins until something is so, or gives up after so long that it never will be.
func await(ok func() bool) bool {
	for spins := range 100_000_000 {
		if ok() {
			return true
		}
		if spins%64 == 63 {
			runtime.Gosched()
		}
	}
	return false
}

// TestSleepingAgainstPublishing has the writer publish at the moment when the reader goes to sleep.
// Both sides spin, so that they meet within a few instructions of each other; where a wake-up is
// lost, both wait for ever.
func TestSleepingAgainstPublishing(t *testing.T) {
	r := smallRing(t)
	var read atomic.Uint64
	var woken atomic.Bool
	reader := newReader(t, r, func() { woken.Store(true) })
	var wg sync.WaitGroup
	wg.Go(func() {
		var e Entry
		for {
			for reader.Next(&e) == Ready {
			}
			read.Store(reader.Cursor().Index())
			if e.Kind == lastKind || reader.Sleep() && !await(func() bool { return woken.Swap(false) }) {
				return
			}
		}
	})
	entries := uint64(0)
	put := func(h Header) {
		r.Append(h, nil)
		r.Publish()
		r.Wake()
		entries++
	}
	for start := time.Now(); time.Since(start) < spinFor; {
		for ahead := range uint64(4) { // 0: the reader is about to sleep
			if !await(func() bool { return entries-read.Load() <= ahead }) {
				t.Fatalf("nobody moves: %d entries, read %d", entries, read.Load())
			}
			put(Header{})
		}
	}
	put(Header{Tag: Tag{Kind: lastKind}})
	wg.Wait()
	if got := read.Load(); got != entries {
		t.Errorf("read %d entries, want %d", got, entries)
	}
}

// TestReadingAgainstRolling keeps the writer less than a round ahead of a reader that looks all the
// time, and begins a chunk for every other entry. The reader may never be lapped then, and can read
// at once what Newest promises.
func TestReadingAgainstRolling(t *testing.T) {
	r := smallRing(t)
	var read atomic.Uint64
	var failed atomic.Bool
	reader := newReader(t, r, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		var e Entry
		for idle := 1; e.Kind != lastKind; {
			promised, o := r.Newest().Index(), reader.Next(&e)
			at := reader.Cursor().Index()
			switch {
			case o == Ready:
				read.Store(at)
			case o == Lapped || at < promised:
				t.Errorf("next at entry %d of %d: got outcome %d", at, promised, o)
				failed.Store(true)
				return
			default:
				if idle++; idle%64 == 0 {
					runtime.Gosched()
				}
			}
		}
	})
	entries := uint64(0)
	put := func(h Header) {
		r.Reserve(h, 80)
		entries++
	}
	for start := time.Now(); time.Since(start) < spinFor; {
		if !await(func() bool { return read.Load() == entries || failed.Load() }) {
			t.Fatalf("nobody moves: %d entries, read %d", entries, read.Load())
		}
		for range 4 {
			put(Header{})
		}
		r.Publish()
	}
	put(Header{Tag: Tag{Kind: lastKind}})
	r.Publish()
	wg.Wait()
	if got := read.Load(); got != entries && !failed.Load() {
		t.Errorf("read %d entries, want %d", got, entries)
	}
}
