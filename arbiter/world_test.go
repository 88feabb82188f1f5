package arbiter

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/market"
)

var (
	seedFlag = flag.Uint64("seed", 0, "run random tests with this seed only")
	runsFlag = flag.Int("runs", 150, "seeds per random test")
)

// forSeeds runs a random test for many seeds, each of which repeats alone.
func forSeeds(t *testing.T, test func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	one := func(seed uint64) {
		defer func() {
			if t.Failed() {
				t.Logf("repeat: go test ./arbiter -run '^%s$' -seed %#x", t.Name(), seed)
			}
		}()
		test(t, rand.New(rand.NewPCG(seed, 1)))
	}
	if *seedFlag != 0 {
		one(*seedFlag)
		return
	}
	for seed := range uint64(*runsFlag) {
		if one(seed + 1); t.Failed() {
			return
		}
	}
}

// worldConfig shapes a random publisher, its lines and what they do to packets.
type worldConfig struct {
	lines      int
	epochs     int
	atLeast    int     // messages per epoch
	perEpoch   int     // messages per epoch beyond that, about
	timed      bool    // packets carry send times
	resegment  bool    // each line packs messages in its own way
	lossy      bool    // packets get lost, on all lines too
	oneSafe    bool    // every message arrives on some line
	duplicates float64 // probability that a packet arrives once more
	jitter     market.Nanos
	foreign    bool   // strangers send too
	sessions   bool   // some epochs are new sessions, after an End
	firstSeq   uint64 // first sequence of the first epoch
	quiet      bool   // no packet is on its way when the publisher restarts
}

// randomWorld returns a configuration in which every restart can be told: see world.
func randomWorld(rng *rand.Rand) worldConfig {
	return worldConfig{
		lines:      1 + rng.IntN(3),
		epochs:     1 + rng.IntN(4),
		perEpoch:   1 + rng.IntN(400),
		timed:      true,
		resegment:  rng.IntN(2) == 0,
		lossy:      rng.IntN(4) > 0,
		duplicates: []float64{0, 0.02, 0.3}[rng.IntN(3)],
		jitter:     []market.Nanos{0, 200, 3000}[rng.IntN(3)] * market.Microsecond,
		foreign:    rng.IntN(2) == 0,
		sessions:   rng.IntN(2) == 0,
		firstSeq:   []uint64{1, 1, 7, 90_000}[rng.IntN(4)],
	}
}

// arrival is one packet as it reaches us, with what only the world knows.
type arrival struct {
	at      market.Nanos
	packet  Packet
	epoch   int // true epoch, from 1; 0 for a stranger's packet
	arrives bool
}

const (
	messageBytes = 12
	delayMax     = 40 * market.Millisecond // no packet takes longer, unless it arrives never
	worldStart   = 1000 * market.Second
)

func appendMessage(b []byte, epoch int, seq uint64) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(epoch))
	return binary.BigEndian.AppendUint64(b, seq)
}

func block(epoch int, from, to uint64) []byte {
	var b []byte
	for seq := from; seq < to; seq++ {
		b = appendMessage(b, epoch, seq)
	}
	return b
}

// world is a publisher with its lines. At the start of an epoch it sends a heartbeat with the first
// sequence, which reaches us on line A at least, and is silent until it has. The first data packet
// reaches us on line A too, and is on its way no longer when the next restart comes. Without these
// mercies (and a second heartbeat where the session is another) nobody could tell some restarts from a loss; TestWildWorld goes without.
type world struct {
	cfg      worldConfig
	rng      *rand.Rand
	now      market.Nanos
	arrivals []arrival
	clogged  [LinesMax]market.Nanos // the line delivers nothing before this time
	bursts   [LinesMax]int          // packets that the line will lose
	last     []uint64               // per true epoch, sequence after its last message
	first    []uint64               // per true epoch, its first sequence
	sessions []Session              // per true epoch
}

func newWorld(cfg worldConfig, rng *rand.Rand) *world {
	w := &world{cfg: cfg, rng: rng, now: worldStart}
	session := SessionOf([]byte("TIDE000001"))
	for e := 1; e <= cfg.epochs; e++ {
		first := uint64(1)
		if e == 1 {
			first = cfg.firstSeq
		} else if cfg.sessions && rng.IntN(2) == 0 {
			next := w.last[e-2]
			w.sendAll(session, e-1, End, next, true)
			w.now += 100 * market.Millisecond // every gap is filled or announced by then
			session = SessionOf(fmt.Appendf(nil, "TIDE%06d", e))
			w.sendAll(session, e, Heartbeat, first, true) // and once more in run: a session takes two packets
			w.now += delayMax
		}
		w.sessions = append(w.sessions, session)
		w.run(session, e, first, 1+cfg.atLeast+rng.IntN(2*cfg.perEpoch))
	}
	slices.SortStableFunc(w.arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return w
}

// run sends the messages of one epoch.
func (w *world) run(session Session, epoch int, first uint64, messages int) {
	w.sendAll(session, epoch, Heartbeat, first, true)
	w.now += delayMax
	// Creation times of messages; a packet is sent when its last message is created.
	created := make([]market.Nanos, messages)
	for i := range created {
		w.now += market.Nanos(1 + w.rng.IntN(200_000))
		created[i] = w.now
		if w.rng.IntN(100) == 0 {
			w.now += 5 * market.Millisecond
		}
	}
	var cuts []int // where packets end
	for line := range w.cfg.lines {
		if line == 0 || w.cfg.resegment {
			cuts = cuts[:0]
			for at := 0; at < messages; {
				at = min(messages, at+1+w.rng.IntN(1+w.rng.IntN(8)))
				cuts = append(cuts, at)
			}
		}
		from := 0
		for i, to := range cuts {
			p := Packet{
				Session: session, Seq: first + uint64(from), Count: uint32(to - from), Line: LineID(line),
				Messages: block(epoch, first+uint64(from), first+uint64(to)),
			}
			w.send(p, epoch, created[to-1], i == 0 && line == 0)
			if w.rng.IntN(20) == 0 {
				w.send(Packet{Session: session, Seq: first + uint64(to), Line: LineID(line), Kind: Heartbeat}, epoch, created[to-1]+1, false)
			}
			from = to
		}
	}
	w.first = append(w.first, first)
	w.last = append(w.last, first+uint64(messages))
	w.now += market.Millisecond
	w.sendAll(session, epoch, Heartbeat, first+uint64(messages), w.cfg.quiet)
	if since := w.now - created[0]; since < delayMax {
		w.now += delayMax - since
	}
	if w.cfg.quiet {
		w.now += delayMax
	}
	w.now += market.Millisecond
}

func (w *world) sendAll(session Session, epoch int, kind Kind, next uint64, sure bool) {
	for line := range w.cfg.lines {
		w.send(Packet{Session: session, Seq: next, Line: LineID(line), Kind: kind}, epoch, w.now, sure && (line == 0 || w.cfg.quiet))
	}
	w.now++
}

// send puts a packet on its line at a time; sure packets are not lost.
func (w *world) send(p Packet, epoch int, at market.Nanos, sure bool) {
	rng, line := w.rng, p.Line
	p.TsSend = market.UndefTime
	if w.cfg.timed {
		p.TsSend = at
	}
	lost := false
	if w.cfg.lossy {
		if rng.IntN(200) == 0 {
			w.bursts[line] = 1 + rng.IntN(20)
		}
		lost = w.bursts[line] > 0 || rng.IntN(20) == 0
		w.bursts[line] = max(0, w.bursts[line]-1)
	}
	if w.cfg.oneSafe {
		// A line is safe for fifty messages, then another.
		for period := int(p.Seq) / 50; period <= int(p.end())/50; period++ {
			lost = lost && int(line) != (epoch+period)%w.cfg.lines
		}
	}
	if rng.IntN(300) == 0 {
		w.clogged[line] = max(w.clogged[line], at+market.Nanos(rng.Int64N(int64(delayMax/2))))
	}
	deliver := func(extra market.Nanos) {
		delay := market.Millisecond*market.Nanos(1+line)/4 + extra
		if w.cfg.jitter > 0 {
			delay += market.Nanos(rng.Int64N(int64(w.cfg.jitter)))
		}
		q := p
		q.TsRecv = max(at+delay, w.clogged[line])
		w.arrivals = append(w.arrivals, arrival{at: q.TsRecv, packet: q, epoch: epoch, arrives: true})
	}
	if !lost || sure {
		deliver(0)
		if rng.Float64() < w.cfg.duplicates {
			deliver(market.Nanos(rng.Int64N(int64(delayMax / 4))))
		}
	}
	if w.cfg.foreign && rng.IntN(30) == 0 {
		q := p
		q.Session = SessionOf([]byte("STRANGER"))
		q.Seq = rng.Uint64()
		q.Kind, q.Count, q.Messages = Heartbeat, 0, nil
		q.TsRecv = at + market.Millisecond
		w.arrivals = append(w.arrivals, arrival{at: q.TsRecv, packet: q})
	}
}

// play hands the world's packets to each, with a tick every millisecond while anything is on its way,
// until every deadline has passed.
func (w *world) play(packet func(arrival), tick func(market.Nanos)) {
	now := worldStart
	for _, x := range w.arrivals {
		for now+market.Millisecond <= x.at {
			now += market.Millisecond
			tick(now)
		}
		packet(x)
	}
	for range 200 {
		now += market.Millisecond
		tick(now)
	}
}
