package arbiter

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"tidegate/market"
)

// fate says what became of one sequence of the stream.
type fate struct {
	epoch int // as numbered by the arbiter
	seq   uint64
	what  string // "published", "lost", "epoch", "end"
}

func (f fate) String() string { return fmt.Sprintf("%s %d/%d", f.what, f.epoch, f.seq) }

// twin does plainly what an Arbiter does cleverly: it keeps sets of sequences, one message at a time.
// It is told the true epoch of every packet, so it also judges how restarts were told.
type twin struct {
	deadline   market.Nanos
	joinGap    uint64
	trueEpoch  int
	epoch      int
	next, high uint64
	known      map[uint64]bool
	seen       map[uint64]market.Nanos // when a sequence was first known to exist
	ending     bool
	endSeq     uint64
	fates      []fate
}

func (w *twin) onPacket(p *Packet, epoch int) {
	if epoch == 0 || epoch < w.trueEpoch {
		return
	}
	if epoch > w.trueEpoch {
		w.flush()
		w.trueEpoch = epoch
		w.epoch++
		w.next = p.Seq
		if p.Seq <= w.joinGap+1 {
			w.next = 1
		}
		w.high, w.ending = w.next, false
		w.known, w.seen = map[uint64]bool{}, map[uint64]market.Nanos{}
		w.fates = append(w.fates, fate{w.epoch, w.next, "epoch"})
	}
	for seq := p.Seq; seq < p.end(); seq++ {
		w.known[seq] = true
	}
	for ; w.high < p.end(); w.high++ {
		w.seen[w.high] = p.TsRecv
	}
	if p.Kind == End && !w.ending {
		w.ending, w.endSeq = true, p.Seq
		if w.next >= w.endSeq {
			w.fates = append(w.fates, fate{w.epoch, w.next, "end"})
		}
	}
	w.publish()
}

func (w *twin) publish() {
	for w.known[w.next] && w.next < w.high {
		w.pass("published")
	}
}

func (w *twin) pass(what string) {
	w.fates = append(w.fates, fate{w.epoch, w.next, what})
	w.next++
	if w.ending && w.next == w.endSeq {
		w.fates = append(w.fates, fate{w.epoch, w.next, "end"})
	}
}

func (w *twin) onTick(now market.Nanos) {
	for w.next < w.high && now-w.seen[w.next] >= w.deadline {
		w.pass("lost")
		w.publish()
	}
}

func (w *twin) flush() {
	for w.next < w.high {
		w.pass("lost")
		w.publish()
	}
}

// witness is a Handler that writes down the fate of every sequence and checks what must always hold:
// the stream has no hole and no repetition, and what is published was sent.
type witness struct {
	t     *testing.T
	w     *world
	epoch int
	next  uint64
	mixed bool // messages of different true epochs may come in one epoch
	truth int  // true epoch of the current epoch's messages; 0 before the first
	fates []fate
	quiet bool // do not write down
}

func (h *witness) add(seq uint64, what string) {
	if !h.quiet {
		h.fates = append(h.fates, fate{h.epoch, seq, what})
	}
}

func (h *witness) OnMessages(p *Packet, skip uint32) {
	if skip >= p.Count {
		h.t.Fatalf("published %d messages without the first %d", p.Count, skip)
	}
	for i := skip; i < p.Count; i++ {
		seq := p.Seq + uint64(i)
		if seq != h.next {
			h.t.Fatalf("published sequence %d, want %d", seq, h.next)
		}
		m := p.Messages[i*messageBytes:][:messageBytes]
		epoch := int(binary.BigEndian.Uint32(m))
		if sent := binary.BigEndian.Uint64(m[4:]); sent != seq {
			h.t.Fatalf("published the message of sequence %d as %d", sent, seq)
		}
		if h.truth == 0 {
			h.truth = epoch
		}
		if epoch != h.truth && !h.mixed {
			h.t.Fatalf("published sequence %d of epoch %d among messages of epoch %d", seq, epoch, h.truth)
		}
		if e := h.w; e != nil && (epoch < 1 || epoch > len(e.last) || seq < e.first[epoch-1] || seq >= e.last[epoch-1]) {
			h.t.Fatalf("published sequence %d of epoch %d, which was never sent", seq, epoch)
		}
		h.add(seq, "published")
		h.next++
	}
}

func (h *witness) OnGap(g Gap) {
	if g.From != h.next || g.To <= g.From || int(g.Epoch) != h.epoch || g.Reason == GapOpen {
		h.t.Fatalf("announced gap %+v in epoch %d at sequence %d", g, h.epoch, h.next)
	}
	for ; h.next < g.To; h.next++ {
		if h.quiet {
			h.next = g.To
			break
		}
		h.add(h.next, "lost")
	}
}

func (h *witness) OnEpoch(e Epoch) {
	if int(e.Number) != h.epoch+1 {
		h.t.Fatalf("epoch %d began after epoch %d", e.Number, h.epoch)
	}
	h.epoch, h.next, h.truth = int(e.Number), e.From, 0
	h.add(e.From, "epoch")
}

func (h *witness) OnEnd(_ Session, next uint64) {
	if next != h.next {
		h.t.Fatalf("session ended at sequence %d, published up to %d", next, h.next)
	}
	h.add(next, "end")
}

// checkInvariants verifies what must hold between calls.
func checkInvariants(t *testing.T, a *Arbiter) {
	t.Helper()
	ledger := a.Ledger()
	if err := ledger.Balanced(); err != nil {
		t.Fatalf("ledger: %v", err)
	}
	if a.next > a.high || a.next < a.high != (len(a.gaps.open) > 0) {
		t.Fatalf("next %d, known up to %d, %d gaps", a.next, a.high, len(a.gaps.open))
	}
	at := a.next
	for i, s := range a.gaps.open {
		if i == 0 && s.from != a.next || s.from < at || s.to <= s.from || s.to > a.high {
			t.Fatalf("gap %d of %+v, next %d, known up to %d", i, a.gaps.open, a.next, a.high)
		}
		at = s.to
	}
	var held Tally
	at = a.next
	for i := range a.window.len() {
		p := a.window.at(i)
		if p.Seq < at || p.Seq == a.next {
			t.Fatalf("held packet %d has sequence %d after %d, next is %d", i, p.Seq, at, a.next)
		}
		at = p.Seq
		held.add(p)
	}
	if channel := ledger.Channel(); channel.Held != held {
		t.Fatalf("held %+v, ledger says %+v", held, channel.Held)
	}
	if cap(a.gaps.open) != a.cfg.WindowPacketsMax+1 {
		t.Fatalf("the list of gaps has grown to %d", cap(a.gaps.open))
	}
	for i := range a.lines {
		if l := &a.lines[i]; l.epoch == a.epoch.Number && l.high > a.high {
			t.Fatalf("line %v is at %d, the channel at %d", LineID(i), l.high, a.high)
		}
	}
	if used := a.window.len() + len(a.window.free); used != len(a.window.slots) {
		t.Fatalf("window has %d slots, %d are used or free", len(a.window.slots), used)
	}
	if a.inStep && (a.next != a.high || a.window.len() > 0) {
		t.Fatal("in step with something missing")
	}
}

func mustNew(t testing.TB, cfg Config, h Handler) *Arbiter {
	t.Helper()
	a, err := New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func compareFates(t *testing.T, got, want []fate) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			from := max(0, i-3)
			t.Fatalf("streams part at %d:\n got %v\nwant %v", i,
				got[min(from, len(got)):min(i+4, len(got))], want[min(from, len(want)):min(i+4, len(want))])
		}
	}
}

// TestTwin gives the same packets to the arbiter and to its twin. Every sequence must have the same
// fate in the same order.
func TestTwin(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(randomWorld(rng), rng)
		cfg := DefaultConfig()
		cfg.Session = w.sessions[0]
		cfg.GapDeadline = market.Nanos(rng.IntN(60)) * market.Millisecond
		h := &witness{t: t, w: w}
		a := mustNew(t, cfg, h)
		plain := &twin{deadline: cfg.GapDeadline, joinGap: cfg.JoinGapMax}
		recovery := rng.IntN(2) == 0
		w.play(func(x arrival) {
			a.OnPacket(&x.packet)
			plain.onPacket(&x.packet, x.epoch)
			checkInvariants(t, a)
		}, func(now market.Nanos) {
			if gaps := a.Gaps(nil); recovery && len(gaps) > 0 && rng.IntN(10) == 0 {
				p := answer(w, gaps[rng.IntN(len(gaps))], plain.trueEpoch, rng)
				p.TsRecv = now
				a.OnPacket(&p)
				plain.onPacket(&p, plain.trueEpoch)
			}
			a.OnTick(now)
			plain.onTick(now)
			checkInvariants(t, a)
		})
		a.Flush()
		plain.flush()
		checkInvariants(t, a)
		compareFates(t, h.fates, plain.fates)
	})
}

// answer returns a retransmitted packet with part of a gap.
func answer(w *world, g Gap, epoch int, rng *rand.Rand) Packet {
	from := g.From + rng.Uint64N(g.Messages())
	from = max(from, w.first[epoch-1]) // the publisher has nothing from before
	to := min(g.To, from+1+rng.Uint64N(20))
	if to <= from {
		to = from + 1
	}
	return Packet{
		Session: w.sessions[epoch-1], Seq: from, Count: uint32(to - from), Line: LineR,
		TsSend: market.UndefTime, Messages: block(epoch, from, to),
	}
}

// TestNothingIsLostWhileOneLineHasIt: where every message arrives on one line or another in time, the
// stream is the publisher's, whole.
func TestNothingIsLostWhileOneLineHasIt(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		shape := randomWorld(rng)
		shape.lines = 2 + rng.IntN(2)
		shape.lossy, shape.oneSafe = true, true
		shape.sessions = false
		shape.firstSeq = 1
		shape.quiet = true // in time is before the next restart
		cfg := DefaultConfig()
		cfg.GapDeadline = 2 * delayMax
		if rng.IntN(2) == 0 {
			// Without send times restarts are told by how far a line falls back, so it must.
			shape.timed = false
			shape.jitter = min(shape.jitter, 200*market.Microsecond)
			shape.duplicates = 0
			cfg.FallBackMax = 60
			shape.atLeast = 200
		}
		w := newWorld(shape, rng)
		h := &witness{t: t, w: w}
		cfg.Session = w.sessions[0]
		a := mustNew(t, cfg, h)
		w.play(func(x arrival) { a.OnPacket(&x.packet) }, a.OnTick)
		checkInvariants(t, a)

		var want []fate
		for i, last := range w.last {
			want = append(want, fate{i + 1, 1, "epoch"})
			for seq := uint64(1); seq < last; seq++ {
				want = append(want, fate{i + 1, seq, "published"})
			}
		}
		compareFates(t, h.fates, want)
	})
}

// TestSmallWindow leaves hardly any memory to hold packets, or packets too big for it. The stream stays
// whole, with announced gaps.
func TestSmallWindow(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(randomWorld(rng), rng)
		cfg := DefaultConfig()
		cfg.Session = w.sessions[0]
		cfg.WindowPacketsMax = 1 + rng.IntN(4)
		cfg.PacketBytesMax = messageBytes * (1 + rng.IntN(8))
		h := &witness{t: t, w: w}
		a := mustNew(t, cfg, h)
		w.play(func(x arrival) {
			a.OnPacket(&x.packet)
			checkInvariants(t, a)
		}, a.OnTick)
		a.Flush()
		checkInvariants(t, a)
		h.w = nil // what heals was not sent by the world
		heal(t, a, w)
	})
}

// TestWildWorld breaks every assumption: restarts that nobody announces, wrong send times, wrong
// sequences. The right stream cannot be asked for, but it stays in order, it is accounted for, and it
// goes on when the world heals.
func TestWildWorld(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		shape := randomWorld(rng)
		shape.timed = rng.IntN(2) == 0
		shape.lossy = true
		w := newWorld(shape, rng)
		cfg := DefaultConfig()
		cfg.FallBackMax = 1 + rng.Uint64N(100)
		cfg.JumpMax = 1 + rng.Uint64N(100)
		cfg.WindowPacketsMax = 1 + rng.IntN(50)
		h := &witness{t: t, mixed: true, quiet: true}
		a := mustNew(t, cfg, h)
		w.play(func(x arrival) {
			p := x.packet
			switch rng.IntN(50) {
			case 0:
				p.TsSend += market.Nanos(rng.Int64())
			case 1:
				p.TsSend = market.UndefTime
			case 2:
				if p.Count == 0 {
					p.Seq = rng.Uint64()
				}
			case 3:
				p.Seq = 0
			case 4:
				p.Kind = Kind(rng.IntN(256))
			case 5:
				a.OnMalformed(p.Line, 17)
			case 6:
				return // lost
			case 7:
				p.Line = LineR
			}
			a.OnPacket(&p)
			checkInvariants(t, a)
		}, a.OnTick)
		a.Flush()
		checkInvariants(t, a)
		heal(t, a, w)
	})
}

// heal sends packets that nothing happens to, a while later; every one of them must be published.
func heal(t *testing.T, a *Arbiter, w *world) {
	t.Helper()
	from, now := a.Next(), w.now+market.Minute
	if from > 1<<63 {
		return // a wrong sequence was confirmed by chance
	}
	for seq := from; seq < from+10; seq++ {
		now++
		p := Packet{
			Session: a.Epoch().Session, Seq: seq, Count: 1, Messages: block(len(w.last), seq, seq+1),
			TsRecv: now, TsSend: now,
		}
		if v := a.OnPacket(&p); v != Fresh {
			t.Fatalf("healed packet %d is %v, want fresh", seq, v)
		}
	}
	checkInvariants(t, a)
}
