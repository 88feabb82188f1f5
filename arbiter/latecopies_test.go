package arbiter

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"tidegate/market"
)

// untimedVenue is a publisher on two lines whose packets carry no send time, as with MoldUDP64. Everything it
// sends is kept, so that copies can come late.
type untimedVenue struct {
	a    *Arbiter
	now  market.Nanos
	run  uint32 // what makes the bytes of one run differ from those of another
	next uint64
	sent []Packet // in this run
}

func newUntimedVenue(t *testing.T, h Handler) *untimedVenue {
	return &untimedVenue{a: mustNew(t, DefaultConfig(), h), now: worldStart, next: 1}
}

func (v *untimedVenue) deliver(line LineID, p Packet) Verdict {
	v.now += market.Microsecond
	p.Line, p.TsRecv = line, v.now
	return v.a.OnPacket(&p)
}

// make makes the next packet.
func (v *untimedVenue) make(count uint32) Packet {
	p := Packet{
		Session: SessionOf([]byte("S")), Seq: v.next, Count: count, TsSend: market.UndefTime,
		Messages: block(int(v.run), v.next, v.next+uint64(count)),
	}
	v.next += uint64(count)
	v.sent = append(v.sent, p)
	return p
}

// send sends the next packet on both lines.
func (v *untimedVenue) send(count uint32) {
	p := v.make(count)
	v.deliver(LineA, p)
	v.deliver(LineB, p)
}

// restart begins anew under the same session.
func (v *untimedVenue) restart() { v.run, v.next, v.sent = v.run+1, 1, nil }

// TestTwoLateCopiesAreNoRestart: two copies of old packets in a row, far behind, while nothing else comes.
func TestTwoLateCopiesAreNoRestart(t *testing.T) {
	for _, late := range [][]int{{50, 55}, {50, 51}, {0, 1}, {0, 50}, {50, 51, 52, 53, 54, 55, 56, 57}} {
		v := newUntimedVenue(t, &discard{})
		for range 150 {
			v.send(20)
		}
		for _, i := range late {
			if verdict := v.deliver(LineA, v.sent[i]); verdict != Duplicate {
				t.Errorf("copies %v: %d is %v, want duplicate", late, i, verdict)
			}
		}
		for range 10 {
			v.send(20)
		}
		if l := v.a.Ledger(); l.Restarts != 0 || l.Advanced != 160*20 || l.GapsOpened.Ranges != 0 || l.Channel().Disagree != 0 {
			t.Errorf("copies %v: %+v", late, l)
		}
	}
}

// TestLateCopies has copies of old packets arrive in bursts of any length, in order or not, on either line,
// in silence and between others, and the publisher restart now and then, with its first packet lost or not.
// There are as many epochs as starts, and nothing is lost for good.
func TestLateCopies(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		d := &discard{}
		v := newUntimedVenue(t, d)
		starts := uint64(1)
		burst := func() {
			n := 1 + rng.IntN(1+rng.IntN(60))
			from := rng.IntN(len(v.sent))
			copies := v.sent[from:min(from+n, len(v.sent))]
			line := LineID(rng.IntN(2))
			shuffled := rng.IntN(3) == 0
			for i := range copies {
				if shuffled {
					i = rng.IntN(len(copies))
				}
				v.deliver(line, copies[i])
			}
		}
		for range 1 + rng.IntN(4) {
			for v.next < 2000+rng.Uint64N(30_000) {
				v.send(1 + uint32(rng.IntN(1+rng.IntN(40))))
				if rng.IntN(50) == 0 {
					burst()
				}
			}
			for range rng.IntN(3) { // the venue is quiet
				burst()
			}
			v.restart()
			starts++
			missed := rng.IntN(3) > 0 // the first packet, by both lines
			if missed {
				v.make(1 + uint32(rng.IntN(30)))
			}
			for range 8 {
				v.send(1 + uint32(rng.IntN(20)))
			}
			if missed {
				v.deliver(LineR, v.sent[0])
			}
		}
		v.a.Flush()
		checkInvariants(t, v.a)
		if l := v.a.Ledger(); l.Epochs != starts || l.GapsAnnounced().Messages != 0 || l.Channel().Disagree != 0 {
			t.Fatalf("%d epochs, %d lost, %d disagree; want %d, 0, 0", l.Epochs, l.GapsAnnounced().Messages, l.Channel().Disagree, starts)
		}
	})
}

// TestDisagree: lines bring other bytes under the same number. The first are kept, and it is counted for
// whoever brought the others.
func TestDisagree(t *testing.T) {
	v := newUntimedVenue(t, &discard{})
	spoilt := func(p Packet) Packet {
		p.Messages = append([]byte(nil), p.Messages...)
		p.Messages[len(p.Messages)-1]++
		return p
	}
	one, two, three, four := v.make(3), v.make(3), v.make(3), v.make(1)
	v.deliver(LineA, one)
	v.deliver(LineB, spoilt(one))
	v.deliver(LineB, two)
	v.deliver(LineA, two)
	v.deliver(LineB, four) // held
	v.deliver(LineA, spoilt(four))
	v.deliver(2, four)
	v.deliver(LineA, three)
	v.deliver(LineR, spoilt(three))
	cut := spoilt(one)
	cut.Count, cut.Messages = 2, cut.Messages[:2*messageBytes]
	v.deliver(2, cut) // cut in another way: it cannot be compared
	l := v.a.Ledger()
	for line, want := range map[LineID]uint64{LineA: 1, LineB: 1, 2: 0, LineR: 1} {
		if got := l.Lines[line].Disagree; got != want {
			t.Errorf("line %v disagrees %d times, want %d", line, got, want)
		}
	}
	if err := l.Balanced(); err != nil || l.Lines[LineB].Duplicate.Packets != 1 || l.Advanced != 10 {
		t.Errorf("%v: %+v", err, l)
	}
}

// TestDisagreeTwin compares with keeping every first copy, on lines that lose, delay, repeat and spoil
// packets.
func TestDisagreeTwin(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		shape := randomWorld(rng)
		shape.epochs, shape.resegment, shape.foreign = 1, false, false
		w := newWorld(shape, rng)
		cfg := DefaultConfig()
		cfg.GapDeadline = market.Minute
		a := mustNew(t, cfg, &discard{})
		plain, disagree := map[uint64]string{}, [LinesMax]uint64{}
		w.play(func(x arrival) {
			p := x.packet
			if p.Count > 0 && rng.IntN(30) == 0 {
				p.Messages = append([]byte(nil), p.Messages...)
				binary.BigEndian.PutUint32(p.Messages[rng.IntN(len(p.Messages)-3):], rng.Uint32())
			}
			first, known := plain[p.Seq]
			switch v := a.OnPacket(&p); v {
			case Fresh, Ahead:
				plain[p.Seq] = string(p.Messages)
			case Duplicate:
				if known && first != string(p.Messages) {
					disagree[p.Line]++
				}
			}
		}, a.OnTick)
		l := a.Ledger()
		for i := range l.Lines {
			if got := l.Lines[i].Disagree; got != disagree[i] {
				t.Fatalf("line %v disagrees %d times, want %d", LineID(i), got, disagree[i])
			}
		}
	})
}

// TestLinesThatPackDifferently do not disagree.
func TestLinesThatPackDifferently(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		shape := randomWorld(rng)
		shape.resegment = true
		w := newWorld(shape, rng)
		cfg := DefaultConfig()
		cfg.Session = w.sessions[0]
		a := mustNew(t, cfg, &discard{})
		w.play(func(x arrival) { a.OnPacket(&x.packet) }, a.OnTick)
		if l := a.Ledger(); l.Channel().Disagree != 0 {
			t.Fatalf("%d packets disagree", l.Channel().Disagree)
		}
	})
}

// TestFingerprints finds what a plain search finds, whatever the hint.
func TestFingerprints(t *testing.T) {
	forSeeds(t, func(t *testing.T, rng *rand.Rand) {
		f := fingerprints{ring: new([fingerprintsMax]fingerprint)}
		seq := uint64(1)
		for range rng.IntN(2 * fingerprintsMax) {
			f.add(&Packet{Seq: seq, Count: 1})
			if seq += 1 + rng.Uint64N(3); rng.IntN(fingerprintsMax) == 0 {
				f.begin(f.end)
				seq = 1
			}
		}
		lo := max(f.first, f.added-min(f.added, fingerprintsMax))
		for range 200 {
			want := lo
			wanted := rng.Uint64N(seq + 2)
			for want < f.added && f.ring[want%fingerprintsMax].seq < wanted {
				want++
			}
			hint := rng.Uint64N(f.added + 2)
			if rng.IntN(2) == 0 {
				hint = want - min(want, rng.Uint64N(12))
			}
			if got := f.find(wanted, hint); got != want {
				t.Fatalf("sequence %d is at %d with hint %d, want %d of [%d, %d)", wanted, got, hint, want, lo, f.added)
			}
		}
	})
}

// TestRepeatedFromTheStart: a publisher that sends the very same messages again, soon after its start or
// later, has restarted; copies of its first packets that come at once have not.
func TestRepeatedFromTheStart(t *testing.T) {
	for _, c := range []struct {
		packets  int
		after    market.Nanos
		restarts uint64
	}{
		{150, market.Millisecond, 0}, {150, 2 * market.Second, 1}, {10, 2 * market.Second, 1}, {10, market.Millisecond, 0},
	} {
		d := &discard{}
		v := newUntimedVenue(t, d)
		for range c.packets {
			v.send(20)
		}
		v.now += c.after
		for _, p := range v.sent {
			v.deliver(LineA, p)
		}
		want := uint64(c.packets) * 20 * (1 + c.restarts)
		if l := v.a.Ledger(); l.Restarts != c.restarts || d.messages != want {
			t.Errorf("%+v: %d restarts, %d messages, want %d", c, l.Restarts, d.messages, want)
		}
	}
}

// TestLateCopiesOverARestart: what the network brings of the epoch before, when the next one has begun, opens no gap.
func TestLateCopiesOverARestart(t *testing.T) {
	v := newUntimedVenue(t, &discard{})
	for range 150 {
		v.send(20)
	}
	late := v.sent[148:]
	heartbeat := Packet{Session: late[0].Session, Seq: v.next, TsSend: market.UndefTime}
	v.restart()
	for range 3 {
		v.send(20)
	}
	for _, p := range append(late, heartbeat) {
		if verdict := v.deliver(LineA, p); verdict != OldEpoch {
			t.Errorf("%d of the epoch before is %v", p.Seq, verdict)
		}
	}
	for range 10 {
		v.send(20)
	}
	if l := v.a.Ledger(); l.Restarts != 1 || l.GapsOpened.Ranges != 0 || l.Advanced != (150+13)*20 {
		t.Errorf("%d restarts, gaps %+v, %d messages", l.Restarts, l.GapsOpened, l.Advanced)
	}
	if h := v.a.Health(LineA); h.Behind != 0 || h.HighWater != v.next {
		t.Errorf("line A: %+v, want up to %d", h, v.next)
	}
}
