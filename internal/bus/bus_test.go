package bus

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

// smallRing has 4 chunks of 256 bytes; three entries without payload fill a third of one.
func smallRing(t *testing.T) *Ring {
	t.Helper()
	r, err := New(Config{Chunks: 4, ChunkBytes: 256})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newReader(t *testing.T, r *Ring, notify func()) *Reader {
	t.Helper()
	reader, err := r.NewReader(notify)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return reader
}

// fill appends entries that each take a whole chunk.
func fill(r *Ring, chunks int) {
	for range chunks {
		r.Reserve(Header{}, r.PayloadMax())
	}
	r.Publish()
}

func wantOutcome(t *testing.T, r *Reader, want Outcome) Entry {
	t.Helper()
	var e Entry
	if got := r.Next(&e); got != want {
		t.Fatalf("next at entry %d: got outcome %d, want %d", r.Cursor().Index(), got, want)
	}
	return e
}

func TestNothingIsVisibleBeforePublish(t *testing.T) {
	r := smallRing(t)
	reader := newReader(t, r, nil)
	r.Append(Header{Instrument: 7}, []byte("one"))
	r.Append(Header{Instrument: 8}, nil)
	wantOutcome(t, reader, Empty)
	r.Publish()
	if e := wantOutcome(t, reader, Ready); e.Instrument != 7 || string(e.Payload) != "one" || e.Index != 0 {
		t.Errorf("got %+v", e)
	}
	if e := wantOutcome(t, reader, Ready); e.Instrument != 8 || len(e.Payload) != 0 || e.Index != 1 {
		t.Errorf("got %+v", e)
	}
	wantOutcome(t, reader, Empty)
}

func TestAFullChunkIsVisibleAtOnce(t *testing.T) {
	r := smallRing(t)
	reader := newReader(t, r, nil)
	r.Reserve(Header{}, r.PayloadMax())
	r.Append(Header{}, nil)
	wantOutcome(t, reader, Ready)
	wantOutcome(t, reader, Empty)
	if got := r.Newest().Index(); got != 1 {
		t.Errorf("newest is entry %d, want 1", got)
	}
}

func TestReaderBeginsAtTheEnd(t *testing.T) {
	r := smallRing(t)
	r.Append(Header{}, []byte("before"))
	r.Publish()
	reader := newReader(t, r, nil)
	wantOutcome(t, reader, Empty)
	reader.Seek(Cursor{})
	if e := wantOutcome(t, reader, Ready); string(e.Payload) != "before" {
		t.Errorf("got %+v", e)
	}
}

func TestLappedReaderLearnsWhatItLost(t *testing.T) {
	r := smallRing(t)
	reader := newReader(t, r, nil)
	fill(r, 2)
	wantOutcome(t, reader, Ready)
	fill(r, 8) // entries 2 to 9; chunks 6 to 9 are there, and chunk 0, which the reader holds
	wantOutcome(t, reader, Lapped)
	wantOutcome(t, reader, Lapped) // until it skips
	if got := reader.Skip(r.Oldest()); got != 5 {
		t.Errorf("lost %d entries, want 5", got)
	}
	if e := wantOutcome(t, reader, Ready); e.Index != 6 {
		t.Errorf("goes on with entry %d, want 6", e.Index)
	}
	if got := reader.Skip(r.Newest()); got != 3 {
		t.Errorf("passed over %d entries, want 3", got)
	}
	wantOutcome(t, reader, Empty)
}

func TestHeldChunkStaysReadable(t *testing.T) {
	r := smallRing(t)
	reader := newReader(t, r, nil)
	r.Append(Header{}, []byte("held"))
	r.Append(Header{}, []byte("after"))
	r.Publish()
	view := wantOutcome(t, reader, Ready).Payload
	fill(r, 20)
	if string(view) != "held" {
		t.Errorf("the view became %q", view)
	}
	if e := wantOutcome(t, reader, Ready); string(e.Payload) != "after" {
		t.Errorf("got %+v", e)
	}
	wantOutcome(t, reader, Lapped)
}

// TestSparesAreBounded has every reader hold a chunk, in turn, for many rounds.
func TestSparesAreBounded(t *testing.T) {
	r := smallRing(t)
	readers := make([]*Reader, ReadersMax)
	for i := range readers {
		readers[i] = newReader(t, r, nil)
	}
	if _, err := r.NewReader(nil); !errors.Is(err, ErrReadersMax) {
		t.Fatalf("one reader too many: got error %v", err)
	}
	for round := range 10 * ReadersMax {
		fill(r, 1)
		reader := readers[round%ReadersMax]
		reader.Seek(r.Oldest())
		wantOutcome(t, reader, Ready)
	}
	s := r.Stats()
	// The last readers hold the chunks of the ring itself.
	if s.Spares < ReadersMax-4 || s.Spares > ReadersMax || s.MemoryBytes != (4+s.Spares)*256 || s.Readers != ReadersMax {
		t.Errorf("got %+v", s)
	}
	if s.Evicted < 9*ReadersMax {
		t.Errorf("evicted %d chunks, want at least %d: the readers held none", s.Evicted, 9*ReadersMax)
	}
	for _, reader := range readers {
		reader.Close()
		reader.Close() // no harm
	}
	fill(r, 100)
	if after := r.Stats(); after.Spares != s.Spares || after.Evicted != s.Evicted || after.Readers != 0 {
		t.Errorf("after the readers left: got %+v, before %+v", after, s)
	}
	newReader(t, r, nil)
}

func TestSleepAndWake(t *testing.T) {
	r := smallRing(t)
	wakes := 0
	reader := newReader(t, r, func() { wakes++ })
	want := func(n int) {
		t.Helper()
		if wakes != n {
			t.Fatalf("woken %d times, want %d", wakes, n)
		}
	}
	if !reader.Sleep() {
		t.Fatal("sleep on an empty ring: got false")
	}
	r.Wake() // nothing was published
	want(0)
	r.Append(Header{}, nil)
	r.Wake() // appended is not published
	want(0)
	r.Publish()
	want(0)
	r.Wake()
	want(1)
	r.Append(Header{}, nil)
	r.Publish()
	r.Wake() // the reader has not gone to sleep again
	want(1)
	if reader.Sleep() {
		t.Fatal("sleep with two entries to read: got true")
	}
	r.Append(Header{}, nil)
	r.Publish()
	r.Wake() // refused to sleep
	want(1)
	wantOutcome(t, reader, Ready)
	if reader.Sleep() {
		t.Fatal("sleep with two more entries to read: got true")
	}
	fill(r, 10)
	r.Wake()
	for range 2 {
		wantOutcome(t, reader, Ready)
	}
	if reader.Sleep() {
		t.Fatal("sleep of a reader that is lapped: got true")
	}
	reader.Skip(r.Newest())
	if !reader.Sleep() {
		t.Fatal("sleep after everything was read: got false")
	}
	reader.Close()
	fill(r, 1)
	r.Wake()
	want(1)
}

// TestNoWakeIsLost has a writer and sleeping readers in a bubble: if all of them wait for each
// other, the test fails at once.
func TestNoWakeIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := smallRing(t)
		const readers, rounds = 3, 200
		read := make(chan uint64)
		for range readers {
			wake := make(chan struct{}, 1)
			reader := newReader(t, r, func() { wake <- struct{}{} }) // blocks, and the bubble with it, when woken twice
			go func() {
				var e Entry
				for {
					switch reader.Next(&e) {
					case Ready:
						read <- e.Index
						if e.Index == rounds-1 {
							return
						}
					case Lapped:
						t.Error("lapped")
						return
					case Empty:
						if reader.Sleep() {
							<-wake
						}
					}
				}
			}()
		}
		for i := range uint64(rounds) {
			synctest.Wait() // all sleep
			r.Append(Header{}, nil)
			r.Publish()
			r.Wake()
			r.Wake()
			for range readers {
				if got := <-read; got != i {
					t.Fatalf("read entry %d, want %d", got, i)
				}
			}
		}
	})
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{0, 256}, "ring chunks 0: "},
		{Config{1, 256}, "ring chunks 1: "},
		{Config{-4, 256}, "ring chunks -4: "},
		{Config{3, 256}, "ring chunks 3: "},
		{Config{2, 0}, "ring chunk bytes 0: "},
		{Config{2, 128}, "ring chunk bytes 128: "},
		{Config{2, 1000}, "ring chunk bytes 1000: "},
		{Config{2, 1 << 31}, "ring chunk bytes 2147483648: "},
		{Config{1 << 20, 1 << 20}, "ring of 1048576 chunks of 1048576 bytes: "},
	} {
		if _, err := New(c.cfg); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.cfg, err, c.want)
		}
	}
}

// TestMistakesPanic: what only our own mistake can cause stops the process.
func TestMistakesPanic(t *testing.T) {
	for _, c := range []struct {
		name, want string
		mistake    func(r *Ring, reader *Reader)
	}{
		{"payload too long", "payload of 233 bytes: at most 232", func(r *Ring, _ *Reader) { r.Append(Header{}, make([]byte, 233)) }},
		{"negative length", "payload of -1 bytes", func(r *Ring, _ *Reader) { r.Reserve(Header{}, -1) }},
		{"sleep without notify", "without notify", func(_ *Ring, reader *Reader) { reader.Sleep() }},
		{"skip back", "from entry 3 back to 0", func(_ *Ring, reader *Reader) { reader.Skip(Cursor{}) }},
		{"cursor of another ring", "of chunk 0, which ends at 72", func(_ *Ring, reader *Reader) {
			reader.Seek(Cursor{offset: 80, index: 3})
			reader.Next(&Entry{})
		}},
		{"count that does not come out", "the index is 9, not 3", func(_ *Ring, reader *Reader) {
			reader.Seek(Cursor{index: 6})
			for reader.Next(&Entry{}) == Ready {
			}
		}},
		{"overwritten length", "entry 0 at 0 of chunk 0 has 1024 bytes, 72 are committed", func(r *Ring, reader *Reader) {
			Header{}.put(r.writer.buf, 1000)
			reader.Seek(Cursor{})
			reader.Next(&Entry{})
		}},
		{"release of what nobody holds", "that nobody held", func(r *Ring, _ *Reader) { r.writer.chunk.unpin() }},
		{"chunk that begins twice", "chunk 1 begins in state", func(r *Ring, _ *Reader) { r.writer.chunk.begin(1, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := smallRing(t)
			for range 3 {
				r.Append(Header{}, nil)
			}
			r.Publish()
			reader, err := r.NewReader(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if got, ok := recover().(string); !ok || !strings.Contains(got, c.want) {
					t.Errorf("got panic %v, want %q", got, c.want)
				}
			}()
			c.mistake(r, reader)
		})
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	r := smallRing(t)
	wakes := 0
	fast, slow := newReader(t, r, func() { wakes++ }), newReader(t, r, nil)
	payload := []byte("what a record might be")
	var e Entry
	lost := uint64(0)
	round := func() { // more than a round of the ring, while slow holds a chunk
		slow.Seek(r.Oldest())
		slow.Next(&e)
		for range 100 {
			fast.Sleep()
			r.Append(Header{}, payload)
			copy(r.Reserve(Header{}, len(payload)), payload)
			r.Publish()
			r.Wake()
			for fast.Next(&e) == Ready {
			}
		}
		for slow.Next(&e) == Ready {
		}
		lost += slow.Skip(r.Newest())
		r.Stats()
	}
	round() // makes the spare
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("a round allocates %.1f times, want 0", n)
	}
	if s := r.Stats(); lost == 0 || wakes < 10000 || s.Evicted < 100 || s.Spares != 1 {
		t.Errorf("lost %d entries, woken %d times, %+v: the test does not do what it says", lost, wakes, s)
	}
}
