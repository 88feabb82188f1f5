// Package arbiter merges the lines of one channel into one stream, message by message.
//
// A venue sends every packet of a channel on two or more lines. Each line loses, delays, repeats and
// reorders packets on its own. An Arbiter takes the packets of all lines as they come and calls its
// Handler with every message once, in order of sequence:
//
//	a, err := arbiter.New(arbiter.DefaultConfig(), handler)
//	...
//	verdict := a.OnPacket(&packet) // as packets come
//	a.OnTick(now)                  // every millisecond or so
//	a.Flush()                      // when the input ends
//
// It is a pure state machine: packets and time come in as arguments. It does no I/O, starts no
// goroutine, reads no clock, and allocates nothing after New, so the live gateway, replay and
// simulation drive it the same way and get the same stream. It knows framing facts only: sessions,
// sequences, counts and times, and no protocol.
//
// # Messages
//
// The first arrival of a message wins. A packet that was published already is a Duplicate. Of a packet
// that was published in part, as happens where lines pack messages differently, the rest is published.
// A packet with messages missing before it is held in a window of fixed size, and a gap is open.
//
// Copies of a packet should have the same bytes. A line that brings others is counted as Disagree; the first
// copy stays. Which one is right, an Arbiter cannot know.
//
// # Gaps
//
// A gap is a missing range of sequences, revealed by a packet or heartbeat beyond it. Any line may
// fill it, in parts and in any order; what is left of it keeps the time at which it was seen. When the
// lowest missing range has been waited for until its deadline it is announced with OnGap, and the
// stream goes on behind it. Ranges that were revealed later have later deadlines of their own. A gap
// is announced early if the memory for what comes after it runs out. A message that comes after its
// gap was announced is Late.
//
// # Epochs
//
// An epoch is a run of sequences from one start of the publisher. Sequences of different epochs have
// nothing to do with each other, and books are void in between: OnEpoch says so. DESIGN.md explains
// how a restart under the same session is told from a delayed duplicate. In short: each line has its
// own epoch. It enters the next one with a packet of sequence 1 that was sent later than everything
// before; or, if that packet was lost, when it falls back a long way and its next packet continues from
// there, sent later too. Without send times it takes packets that are no copies of what was published:
// the first and its successor, or four in a row. The channel is in the newest epoch that any line has
// reached. Packets of older ones are dropped as OldEpoch.
//
// # Retransmission
//
// What no line brought can be asked for again. A Requester looks at the open gaps of an Arbiter and
// says which requests to send to which server, within limits; what comes back is line R, which fills
// gaps like any other line and decides nothing else.
//
// # Accounting
//
// Every message of a channel is published once or lies in an announced gap, and every packet that came
// in is published or dropped with a counted reason: see Ledger. Every request is answered, timed out or
// abandoned: see RequestLedger.
package arbiter

import (
	"errors"
	"fmt"

	"tidegate/market"
)

// A Handler takes the merged stream. It must not call methods of the Arbiter.
type Handler interface {
	// OnMessages publishes the messages [skip:Count) of p. They are fresh and next in order. p and
	// p.Messages are valid only during the call; p.Line and p.TsRecv are those of the arrival.
	OnMessages(p *Packet, skip uint32)
	// OnGap announces that the range of g is lost. The stream goes on at g.To.
	OnGap(g Gap)
	// OnEpoch says that a new run of sequences begins, at the start too. Books are void.
	OnEpoch(e Epoch)
	// OnEnd says that the session is over, and that everything before sequence next was published or
	// announced. It can be followed by another session, or taken back by more messages of the same.
	OnEnd(session Session, next uint64)
}

// Arbiter merges the lines of one channel. It is owned by the channel's ingest loop: only that loop may
// call its methods.
type Arbiter struct {
	// What the common path needs comes first.

	next    uint64 // sequence to publish next
	high    uint64 // sequence after the last one known to exist; next < high means that a gap is open
	highAt  market.Nanos
	session Session
	inStep  bool // nothing is missing, held or ending: the common path may be taken
	handler Handler

	lines        [LinesMax]line
	fingerprints fingerprints
	marks        marks
	window       window
	gaps         gapList
	lost         announcedList
	cfg          Config
	ledger       Ledger // all but the lines

	epoch     Epoch
	epochSend market.Nanos // send time of the packet that began the epoch; UndefTime if it had none
	epochEnd  uint64       // sequence after that packet
	closed    uint64       // sequences by which epochs before this one advanced

	previous    Session // the session before this one
	hasPrevious bool
	ending      bool // an End was received, and nothing beyond it
	ended       bool // OnEnd was called for it
	endSeq      uint64
}

// line is what the arbiter knows of one line.
type line struct {
	high     uint64 // the line's own high-water mark, in its own epoch; 0 if it delivered nothing in it
	sendMax  market.Nanos
	lastRecv market.Nanos
	epoch    uint32 // 0: nothing seen in this session
	inStep   bool   // in the channel's epoch, and no suspect held: the common path may be taken
	hint     uint64 // number of the fingerprint that its next packet probably has
	tally    LineLedger

	passedAt   market.Nanos // see Arbiter.mark
	passedHigh uint64
	suspects   suspects
}

// sendStepMax bounds the step between send times on the common path; a longer one is looked at.
const sendStepMax = uint64(market.Minute)

// New returns an Arbiter that waits for its first packet. All memory is taken here.
func New(cfg Config, h Handler) (*Arbiter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("arbiter: configuration: %w", err)
	}
	if h == nil {
		return nil, errors.New("arbiter: configuration: no handler")
	}
	a := &Arbiter{
		handler: h,
		cfg:     cfg,
		window:  newWindow(cfg.WindowPacketsMax, cfg.PacketBytesMax),
		// Between two held packets, and before the first, there is at most one range per packet or
		// heartbeat that revealed one. Heartbeats can run the list out; that is handled as a full window.
		gaps:         newGapList(cfg.WindowPacketsMax + 1),
		fingerprints: fingerprints{ring: new([fingerprintsMax]fingerprint)},
	}
	for i := range a.lines {
		l := &a.lines[i]
		l.sendMax, l.lastRecv, l.passedAt = market.UndefTime, market.UndefTime, market.UndefTime
		l.suspects.memory = make([]byte, suspectsMax*cfg.PacketBytesMax)
	}
	a.marks.reset()
	return a, nil
}

// OnPacket takes one packet of one line, calls the Handler with whatever can be published now, and
// says what became of the packet. p.Line must be one of LinesMax lines. p is not kept.
func (a *Arbiter) OnPacket(p *Packet) Verdict {
	l := &a.lines[p.Line]
	l.tally.Received.add(p)
	end := p.end()
	if p.Seq == a.next && end > p.Seq && a.inStep && l.inStep && p.Kind == Data && p.Session == a.session &&
		uint64(p.TsSend-l.sendMax) <= sendStepMax {
		l.high, l.sendMax, l.lastRecv = end, p.TsSend, p.TsRecv
		a.next, a.high, a.highAt = end, end, p.TsRecv
		l.tally.Published.add(p)
		if p.TsRecv >= a.marks.due {
			a.mark(p.Seq, p.TsRecv)
		}
		a.fingerprints.add(p)
		l.hint = a.fingerprints.added
		a.handler.OnMessages(p, 0)
		return Fresh
	}
	return a.onOther(p, l) // everything that is not the next packet in order
}

// OnMalformed counts a packet of bytes length whose framing could not be read.
func (a *Arbiter) OnMalformed(id LineID, bytes int) {
	l := &a.lines[id]
	l.tally.Received.Packets++
	l.tally.Malformed++
	l.tally.MalformedBytes += uint64(bytes)
}

// OnTick announces the gaps whose deadline has passed.
func (a *Arbiter) OnTick(now market.Nanos) {
	if a.next == a.high {
		return
	}
	for len(a.gaps.open) > 0 && now-a.gaps.open[0].seen >= a.cfg.GapDeadline {
		a.giveUp(a.gaps.open[0].to, GapDeadline)
		a.drain()
	}
	a.settle()
}

// Deadline returns when OnTick will give up the next missing range, UndefTime if nothing is missing.
func (a *Arbiter) Deadline() market.Nanos {
	if len(a.gaps.open) == 0 {
		return market.UndefTime
	}
	return a.gaps.open[0].seen + a.cfg.GapDeadline
}

// Flush ends the input: it announces every open gap, publishes everything held, and drops packets that
// nothing confirmed. More packets may follow.
func (a *Arbiter) Flush() {
	a.giveUpAll(GapFlush)
	for i := range a.lines {
		a.refute(&a.lines[i])
	}
	a.settle()
}

// Epoch returns the current epoch. Its Number is 0 before the first packet.
func (a *Arbiter) Epoch() Epoch { return a.epoch }

// Next returns the sequence that would be published next.
func (a *Arbiter) Next() uint64 { return a.next }

// Gaps appends the open gaps to dst, lowest first, and returns it. A Requester asks for these ranges,
// and lets no answer in that is to a question from an earlier epoch: nothing in it tells.
func (a *Arbiter) Gaps(dst []Gap) []Gap {
	for _, s := range a.gaps.open {
		dst = append(dst, Gap{From: s.from, To: s.to, Seen: s.seen, Epoch: a.epoch.Number, Line: s.line})
	}
	return dst
}

// Ledger returns the accounts as of now.
func (a *Arbiter) Ledger() Ledger {
	ledger := a.ledger
	for i := range a.lines {
		ledger.Lines[i] = a.lines[i].tally
	}
	ledger.Advanced = a.closed + a.next - a.epoch.From
	for _, s := range a.gaps.open {
		ledger.GapsOpen.add(s.to - s.from)
	}
	return ledger
}

// onOther takes every packet that is not simply the next in order.
//
//go:noinline
func (a *Arbiter) onOther(p *Packet, l *line) Verdict {
	v := a.judge(p, l)
	l.inStep = l.epoch == a.epoch.Number && l.suspects.n == 0
	a.settle()
	return v
}

// judge finds out where a packet belongs, and hands it to accept if that is the current epoch.
func (a *Arbiter) judge(p *Packet, l *line) Verdict {
	if p.Seq == 0 || p.end() < p.Seq || p.Kind > End || p.Kind != Data && p.Count != 0 {
		l.tally.Unsequenced.add(p)
		return Unsequenced
	}
	if p.Line == LineR {
		return a.onRecovery(p, l)
	}
	if l.suspects.n > 0 && l.suspects.why != wentBack {
		a.resolve(p, l)
	}
	send := sendTime(p)
	if p.Session != a.session || a.epoch.Number == 0 {
		return a.onOtherSession(p, l, send)
	}
	l.lastRecv = p.TsRecv
	where := a.place(p, l, send)
	if where != wentBack {
		a.refute(l) // the line goes on where it was, or somewhere else
	}
	switch where {
	case older:
		l.tally.OldEpoch.add(p)
		return OldEpoch
	case restarted:
		return a.begin(p, l, send, Restarted)
	case maybeRestarted, jumped:
		return a.doubt(p, l, where)
	case wentBack:
		return a.doubtAgain(p, l)
	default:
		return a.accept(p, l, send)
	}
}

// onUnasked drops a packet of line R that answers no request.
func (a *Arbiter) onUnasked(p *Packet) Verdict {
	tally := &a.lines[LineR].tally
	tally.Received.add(p)
	tally.Unasked.add(p)
	return Unasked
}

// onRecovery takes a packet of line R. It fills gaps; it is no evidence of anything else.
func (a *Arbiter) onRecovery(p *Packet, l *line) Verdict {
	if p.Session != a.session || a.epoch.Number == 0 {
		l.tally.Foreign.add(p)
		return Foreign
	}
	l.lastRecv = p.TsRecv
	switch {
	case p.Kind == End:
		l.tally.Ends++
		return InStep
	case p.Count == 0:
		l.tally.Heartbeats++
		return InStep
	case a.jumps(p):
		l.tally.Implausible.add(p)
		return Implausible
	}
	if l.epoch != a.epoch.Number {
		a.join(l)
	}
	return a.accept(p, l, market.UndefTime)
}

// settle ends whatever changed the channel: it ends a session that is complete, and decides whether
// the common path may be taken.
func (a *Arbiter) settle() {
	if a.ending && !a.ended && a.next >= a.endSeq {
		a.ended = true
		a.ledger.SessionsEnded++
		a.handler.OnEnd(a.session, a.next)
	}
	a.inStep = a.next == a.high && !a.ending && a.epoch.Number != 0
}

// note raises the line's own high-water marks.
func (l *line) note(p *Packet, send market.Nanos) {
	l.high = max(l.high, p.end())
	l.sendMax = max(l.sendMax, send) // UndefTime is below every time
}
