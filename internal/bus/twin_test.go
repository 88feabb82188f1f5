package bus

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"tidegate/market"

	"pgregory.net/rapid"
)

// plainRing is the ring without memory of its own: it keeps every entry for ever and knows by
// arithmetic which ones the ring has.
type plainRing struct {
	cfg       Config
	entries   []Entry
	published int   // entries that readers see
	firsts    []int // index of the first entry of each chunk begun
	pos       int   // bytes used of the last one
	unwoken   bool
	evicted   uint64
	readers   []*plainReader
	openMax   int
}

// plainReader is a reader of a plainRing.
type plainReader struct {
	ring    *plainRing
	chunk   int
	index   int
	held    bool // the chunk stays although the ring may go on without it
	asleep  bool
	wakes   int
	cursors []plainCursor
}

type plainCursor struct{ chunk, index int }

func (p *plainRing) newest() int { return len(p.firsts) - 1 }

func (p *plainRing) append(h Header, payload []byte) {
	size := headerBytes + (len(payload)+7)/8*8
	if p.pos+size > p.cfg.ChunkBytes {
		p.published = len(p.entries)
		p.firsts = append(p.firsts, len(p.entries))
		p.pos = 0
		p.unwoken = true
		for _, r := range p.readers {
			if r.held && r.chunk == p.newest()-p.cfg.Chunks {
				p.evicted++
				break
			}
		}
	}
	p.pos += size
	p.entries = append(p.entries, Entry{Header: h, Index: uint64(len(p.entries)), Payload: payload})
}

func (p *plainRing) publish() {
	if p.published < len(p.entries) {
		p.published, p.unwoken = len(p.entries), true
	}
}

func (p *plainRing) wake() {
	if !p.unwoken {
		return
	}
	p.unwoken = false
	for _, r := range p.readers {
		if r.asleep {
			r.asleep = false
			r.wakes++
		}
	}
}

func (p *plainRing) oldestCursor() plainCursor {
	n := max(0, p.newest()-p.cfg.Chunks+1)
	return plainCursor{n, p.firsts[n]}
}

func (p *plainRing) newestCursor() plainCursor { return plainCursor{p.newest(), p.published} }

// look goes on to the chunk of the next entry.
func (r *plainReader) look() Outcome {
	for {
		if !r.held && r.ring.newest()-r.chunk >= r.ring.cfg.Chunks {
			return Lapped
		}
		r.held = true
		switch {
		case r.chunk == r.ring.newest() && r.index == r.ring.published:
			return Empty
		case r.chunk == r.ring.newest() || r.index < r.ring.firsts[r.chunk+1]:
			return Ready
		}
		r.chunk++
		r.held = false
	}
}

func (r *plainReader) seek(c plainCursor) {
	r.held = r.held && r.chunk == c.chunk
	r.chunk, r.index = c.chunk, c.index
}

// seen counts the rare things that happened in a program.
type seen struct {
	lapped  int
	stale   int // entries read from a chunk that the ring had given up
	wakes   int
	evicted uint64
	spares  int
}

// pair is a ring and its twin, with their readers and cursors in the same order.
type pair struct {
	t       tester
	ring    *Ring
	plain   *plainRing
	readers []*Reader
	wakes   []*int
	cursors [][]Cursor
	seen    seen
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newPair(t tester, cfg Config) *pair {
	r, err := New(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &pair{t: t, ring: r, plain: &plainRing{cfg: cfg, firsts: []int{0}}}
}

func (p *pair) same(what string, got Cursor, want plainCursor) {
	p.t.Helper()
	if got.chunk != uint64(want.chunk) || got.index != uint64(want.index) {
		p.t.Fatalf("%s: at entry %d of chunk %d, want entry %d of chunk %d", what, got.index, got.chunk, want.index, want.chunk)
	}
}

func (p *pair) open() {
	wakes := new(int)
	r, err := p.ring.NewReader(func() { *wakes++ })
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	p.readers, p.wakes, p.cursors = append(p.readers, r), append(p.wakes, wakes), append(p.cursors, nil)
	at := p.plain.newestCursor()
	p.plain.readers = append(p.plain.readers, &plainReader{ring: p.plain, chunk: at.chunk, index: at.index})
	p.plain.openMax = max(p.plain.openMax, len(p.readers))
}

func (p *pair) close(i int) {
	p.seen.wakes += *p.wakes[i]
	p.readers[i].Close()
	p.readers = append(p.readers[:i], p.readers[i+1:]...)
	p.wakes = append(p.wakes[:i], p.wakes[i+1:]...)
	p.cursors = append(p.cursors[:i], p.cursors[i+1:]...)
	p.plain.readers = append(p.plain.readers[:i], p.plain.readers[i+1:]...)
}

// read reads at most n entries.
func (p *pair) read(i, n int) {
	r, plain := p.readers[i], p.plain.readers[i]
	for range n {
		untouched := Entry{Index: 1 << 63}
		e := untouched
		got, want := r.Next(&e), plain.look()
		if got != want {
			p.t.Fatalf("next at entry %d: got outcome %d, want %d", plain.index, got, want)
		}
		if got == Lapped {
			p.seen.lapped++
		}
		if got != Ready {
			if e.Index != untouched.Index || e.Payload != nil {
				p.t.Fatalf("next at entry %d: outcome %d, and entry %+v", plain.index, got, e)
			}
			return
		}
		w := p.plain.entries[plain.index]
		if e.Header != w.Header || e.Index != w.Index || !bytes.Equal(e.Payload, w.Payload) || cap(e.Payload) != len(e.Payload) {
			p.t.Fatalf("got entry %+v, want %+v", e, w)
		}
		if plain.chunk <= p.plain.newest()-p.plain.cfg.Chunks {
			p.seen.stale++
		}
		plain.index++
	}
}

func (p *pair) skip(i int, to Cursor, plainTo plainCursor) {
	r, plain := p.readers[i], p.plain.readers[i]
	if got, want := r.Skip(to), plainTo.index-plain.index; got != uint64(want) {
		p.t.Fatalf("skipped %d entries, want %d", got, want)
	}
	plain.seek(plainTo)
}

// play runs a program on a ring and its twin. Every operation is a byte that says what and a byte
// that says how much.
func play(t tester, program []byte) (s seen) {
	chunks := 2
	if len(program) > 0 {
		chunks = 2 << (program[0] % 3)
	}
	p := newPair(t, Config{Chunks: chunks, ChunkBytes: chunkBytesMin})
	p.open()
	for step := 1; step+1 < len(program); step += 2 {
		op, arg := program[step], int(program[step+1])
		i := int(op>>4) % max(1, len(p.readers))
		h := Header{
			At: market.Nanos(-step), Instrument: market.InstrumentID(step) << 20, Target: ^uint32(step),
			Tag: Tag{Schema: uint16(arg) << 8, Kind: op, Feed: ^op},
		}
		switch op & 15 {
		case 0, 1, 2:
			payload := bytes.Repeat([]byte{byte(step)}, arg%(p.ring.PayloadMax()+1))
			p.ring.Append(h, payload)
			p.plain.append(h, payload)
		case 3: // several at once, in place
			for k := range arg % 16 {
				payload := bytes.Repeat([]byte{byte(step + k)}, arg%40)
				copy(p.ring.Reserve(h, len(payload)), payload)
				p.plain.append(h, payload)
			}
		case 4, 5:
			p.ring.Publish()
			p.plain.publish()
		case 6:
			p.ring.Wake()
			p.plain.wake()
		case 7:
			if len(p.readers) < 5 {
				p.open()
			}
		}
		if len(p.readers) == 0 {
			continue
		}
		r, plain := p.readers[i], p.plain.readers[i]
		switch op & 15 {
		case 8, 9:
			p.read(i, arg%32)
		case 10:
			got, want := r.Sleep(), plain.look() == Empty
			if got != want {
				t.Fatalf("sleep at entry %d: got %v, want %v", plain.index, got, want)
			}
			plain.asleep = want
		case 11:
			p.cursors[i] = append(p.cursors[i], r.Cursor())
			plain.cursors = append(plain.cursors, plainCursor{plain.chunk, plain.index})
		case 12:
			if n := len(plain.cursors); n > 0 {
				r.Seek(p.cursors[i][arg%n])
				plain.seek(plain.cursors[arg%n])
			}
		case 13:
			if to := p.plain.oldestCursor(); to.index >= plain.index {
				p.skip(i, p.ring.Oldest(), to)
			}
		case 14:
			p.skip(i, p.ring.Newest(), p.plain.newestCursor())
		case 15:
			if arg%4 == 0 {
				p.close(i)
			}
		}
		p.check()
	}
	// Whatever was: from the oldest entry everything can be read.
	p.ring.Publish()
	p.plain.publish()
	for i, r := range p.readers {
		r.Seek(p.ring.Oldest())
		p.plain.readers[i].seek(p.plain.oldestCursor())
		p.read(i, 1<<20)
		if got := r.Cursor().Index(); got != uint64(len(p.plain.entries)) {
			t.Fatalf("read to entry %d, want %d", got, len(p.plain.entries))
		}
	}
	p.check()
	for len(p.readers) > 0 {
		p.close(0)
	}
	p.check()
	p.seen.evicted, p.seen.spares = p.plain.evicted, p.ring.Stats().Spares
	return p.seen
}

// check compares everything that can be asked.
func (p *pair) check() {
	p.same("newest", p.ring.Newest(), p.plain.newestCursor())
	p.same("oldest", p.ring.Oldest(), p.plain.oldestCursor())
	for i, plain := range p.plain.readers {
		p.same("reader", p.readers[i].Cursor(), plainCursor{plain.chunk, plain.index})
		if *p.wakes[i] != plain.wakes {
			p.t.Fatalf("reader %d was woken %d times, want %d", i, *p.wakes[i], plain.wakes)
		}
	}
	s := p.ring.Stats()
	if s.Entries != uint64(p.plain.published) || s.Readers != len(p.readers) || s.Evicted != p.plain.evicted {
		p.t.Fatalf("got %+v, want %d entries, %d readers, %d evicted", s, p.plain.published, len(p.readers), p.plain.evicted)
	}
	if s.Spares > p.plain.openMax || s.Evicted == 0 && s.Spares != 0 || s.MemoryBytes != (p.plain.cfg.Chunks+s.Spares)*p.plain.cfg.ChunkBytes {
		p.t.Fatalf("got %+v with at most %d readers", s, p.plain.openMax)
	}
}

// TestRingIsItsTwin plays random programs.
func TestRingIsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		play(t, rapid.SliceOfN(rapid.Byte(), 500, 2000).Draw(t, "program"))
	})
}

// TestTwinSeesEverything plays fixed random programs and makes sure that what is worth testing
// happened in them.
func TestTwinSeesEverything(t *testing.T) {
	total := seen{}
	for seed := range uint64(50) {
		program := make([]byte, 4000)
		_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(program)
		s := play(t, program)
		total.lapped += s.lapped
		total.stale += s.stale
		total.wakes += s.wakes
		total.evicted += s.evicted
		total.spares += s.spares
	}
	if total.lapped < 100 || total.stale < 100 || total.wakes < 100 || total.evicted < 100 || total.spares < 50 {
		t.Errorf("the programs are too tame: %+v", total)
	}
	t.Logf("%+v", total)
}

func FuzzRing(f *testing.F) {
	f.Add([]byte{0, 3, 15, 4, 0, 8, 31, 10, 0, 6, 0})
	f.Add([]byte{0, 0, 200, 4, 0, 8, 1, 0, 200, 0, 200, 0, 200, 8, 9, 14, 0, 8, 9})
	f.Add([]byte{1, 11, 0, 3, 15, 3, 15, 3, 15, 12, 0, 8, 31, 13, 0, 8, 31})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1<<14 {
			return
		}
		play(t, program)
	})
}
