package venue

import (
	"encoding/binary"
	"fmt"
	"math"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// A LiveFeed is a feed that is published while time passes, and can be watched and disturbed
// meanwhile. It does no I/O and reads no clock: the caller says what time it is and sends what has
// arrived. It belongs to one goroutine.
//
//	feed.OnTick(now)
//	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
//		// send d.Payload on line d.Line
//	}
//	// sleep until feed.Due()
//
// The messages of a session are a function of its market's configuration, Close apart, which brings
// the end of the session forward, and their times after a pause apart: the venue's clock, which stamps
// them, goes on while the market stands still. How they share packets, and what the lines do to those, depends on
// the times of the ticks.
type LiveFeed struct {
	cfg      LiveConfig // of the present session
	name     moldudp64.Session
	exchange *Exchange
	lines    *Lines
	switches []lineSwitch // by line
	freed    []Datagram   // from clogged lines, to be delivered first
	resender resender
	pitch    *pitchTape // nil if the messages are sent as they are
	framing  framing
	resent   [][]byte // packets that gap requests have sent again
	sent     PacketCounts
	slipped  market.Nanos

	now      market.Nanos // of the latest tick; never goes back
	lastSent market.Nanos // time of the latest packet
	next     uint64       // sequence number of the next message to send
	silent   []byte       // a packet without messages

	// The exchange is one step ahead of what was sent: that is how its next time is known. Not so while
	// the feed is paused, and after the last step.
	ts   market.Nanos // of step, in the market's time
	step [][]byte     // messages not sent yet

	// The market's time was paceTs at paceNow.
	paceTs, paceNow market.Nanos
	// stood is for how long the market's time stood still, or was set back, while the venue's clock, which
	// stamps messages, went on; in the market's time.
	stood    market.Nanos
	pausedAt market.Nanos

	paused  bool
	closing bool // Close was called
	over    bool // the exchange has nothing more
	endings int  // end-of-session packets sent
	done    bool
}

const (
	stepsPerTick = 4096                     // so that a tick ends, however far behind the feed is
	lateMax      = market.Second            // behind by more, the market's time is set back
	endingGap    = 100 * market.Millisecond // between end-of-session packets
)

// NewLiveFeed returns a feed whose session starts now, in the caller's time.
func NewLiveFeed(cfg LiveConfig, now market.Nanos) (*LiveFeed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("venue: live feed: %w", err)
	}
	impairments := make([]Impairment, len(cfg.Feed.Lines))
	for i, l := range cfg.Feed.Lines {
		impairments[i] = l.Impairment
	}
	lines, err := NewLines(impairments, cfg.Feed.Market.Seed, cfg.Feed.Protected)
	if err != nil {
		return nil, err
	}
	f := &LiveFeed{
		cfg: cfg, now: now, lines: lines, switches: make([]lineSwitch, len(impairments)),
		resender: newResender(cfg.History, cfg.Feed.Sender.PayloadMax, cfg.RequestsPerSecond),
	}
	if err := f.begin(); err != nil {
		return nil, err
	}
	return f, nil
}

// begin starts the session that the configuration describes.
func (f *LiveFeed) begin() error {
	name, err := moldudp64.ParseSession(f.cfg.Feed.Sender.Session)
	if err != nil {
		return fmt.Errorf("venue: live feed: %w", err)
	}
	x, err := New(f.cfg.Feed.Market)
	if err != nil {
		return err
	}
	f.exchange, f.name, f.next = x, name, 1
	f.resender.begin(name)
	if f.pitch, f.framing, err = f.cfg.Feed.Sender.open(f.cfg.Feed.Market.Listings); err != nil {
		return fmt.Errorf("venue: live feed: %w", err)
	}
	f.framing.begin(f.next)
	f.over, f.endings, f.lastSent = false, 0, f.now
	f.pull()
	f.paceTs, f.paceNow = f.ts, f.now
	f.stood = 0
	return nil
}

// OnTick does what is due by now. A tick does a bounded amount of work: if more is due, Due says so.
func (f *LiveFeed) OnTick(now market.Nanos) {
	f.now = max(f.now, now)
	if !f.paused {
		f.publish()
	}
	f.keepAlive()
	f.lines.certain = f.now // packets of later ticks arrive later
}

// publish sends the steps whose time has come.
func (f *LiveFeed) publish() {
	if late := f.now - f.real(f.ts); late > lateMax && len(f.step) > 0 && !f.closing {
		f.slipped += late
		f.stood += market.Nanos(float64(late) * f.cfg.Speed)
		f.paceTs, f.paceNow = f.ts, f.now
	}
	for n := 0; n < stepsPerTick && len(f.step) > 0 && (f.closing || f.real(f.ts) <= f.now); n++ {
		f.pack()
		f.pull()
	}
	f.flush()
}

// pull takes the exchange's next step.
func (f *LiveFeed) pull() {
	f.ts, f.step = f.exchange.Step()
	f.over = len(f.step) == 0
}

// pack adds the messages of the step to packets, and sends those that are full.
func (f *LiveFeed) pack() {
	at := f.ts + f.stood
	if f.real(f.ts) > f.now { // sent before it is due
		at = f.paceTs + f.stood + market.Nanos(float64(f.now-f.paceNow)*f.cfg.Speed)
	}
	if at != f.ts {
		for _, m := range f.step {
			stamp(m, at-f.cfg.Feed.Market.Midnight)
		}
	}
	if f.pitch != nil {
		f.step = f.pitch.rewrite(f.step)
	}
	for _, m := range f.step {
		if f.framing.count() == f.cfg.Feed.Sender.MessagesMax || !f.framing.append(m) {
			f.flush()
			f.framing.append(m) // fits an empty packet: see SenderConfig.Validate
		}
		f.resender.add(m)
	}
	f.step = nil
}

// stamp sets the time of an ITCH message, which is nanoseconds since midnight.
func stamp(m []byte, sinceMidnight market.Nanos) {
	m[5], m[6] = byte(sinceMidnight>>40), byte(sinceMidnight>>32)
	binary.BigEndian.PutUint32(m[7:], uint32(sinceMidnight))
}

// flush sends the packet that is being packed.
func (f *LiveFeed) flush() {
	n := f.framing.count()
	if n == 0 {
		return
	}
	f.send(f.framing.packet(), &f.sent.Data)
	f.next += uint64(n)
	f.framing.begin(f.next)
}

func (f *LiveFeed) send(payload []byte, count *uint64) {
	*count++
	f.lastSent = f.now
	if f.lines.crowded() {
		f.lines.refuse()
		return
	}
	f.lines.Send(Packet{Time: f.now, Payload: payload})
}

// keepAlive sends heartbeats in silence, and ends the session after its last message.
func (f *LiveFeed) keepAlive() {
	if f.done || f.now < f.silenceEnds() {
		return
	}
	switch {
	case !f.over:
		f.silent = f.framing.heartbeat(f.silent[:0], f.next)
		f.send(f.silent, &f.sent.Heartbeats)
	case f.endings < endingsMax:
		f.endings++
		f.silent = f.framing.end(f.silent[:0], f.next)
		f.send(f.silent, &f.sent.EndOfSession)
	case f.cfg.Endless && !f.closing:
		f.cfg.Feed.Market.Seed++
		f.cfg.Feed.Market.Midnight += market.Day
		f.cfg.Feed.Sender.Session = nextSession(f.cfg.Feed.Sender.Session)
		if err := f.begin(); err != nil {
			panic(err) // only what cannot make a configuration wrong has changed
		}
	default:
		f.done = true
	}
}

// silenceEnds is when keepAlive has something to do.
func (f *LiveFeed) silenceEnds() market.Nanos {
	switch {
	case !f.over:
		return f.lastSent + f.cfg.Feed.Sender.Heartbeat
	case f.endings == 0:
		return f.now
	default:
		return f.lastSent + endingGap
	}
}

// real returns when a moment of the market's time comes, in the caller's time.
func (f *LiveFeed) real(ts market.Nanos) market.Nanos {
	return f.paceNow + market.Nanos(float64(ts-f.paceTs)/f.cfg.Speed)
}

// Due returns when the next tick has something to do: at once if that is not after the latest tick.
func (f *LiveFeed) Due() market.Nanos {
	due := f.lines.nextArrival()
	if f.done {
		return due
	}
	due = min(due, f.silenceEnds())
	if len(f.step) > 0 {
		if f.closing {
			return f.now
		}
		due = min(due, f.real(f.ts))
	}
	return due
}

// Next returns a datagram that has arrived by the latest tick, or false if there is none.
func (f *LiveFeed) Next() (Datagram, bool) {
	if len(f.freed) > 0 {
		d := f.freed[0]
		f.freed[0] = Datagram{} // let go of the payload
		f.freed = f.freed[1:]
		return d, true
	}
	for d, ok := f.lines.Next(); ok; d, ok = f.lines.Next() {
		s := &f.switches[d.Line]
		if !s.clogged {
			return d, true
		}
		s.hold(d, &f.lines.lines[d.Line].counts)
	}
	return Datagram{}, false
}

// Ended reports that the last session has ended and all of it was delivered, except what a clogged
// line still holds.
func (f *LiveFeed) Ended() bool {
	return f.done && len(f.freed) == 0 && len(f.lines.pending) == 0
}

// Pause stops the market after a message: what the exchange did is sent, so the books that Truth
// returns are those after the last message sent. Heartbeats go on. Pausing again changes nothing.
func (f *LiveFeed) Pause() {
	if f.paused || f.closing {
		return
	}
	f.paused, f.pausedAt = true, max(f.now, f.real(f.ts)) // what is sent now may be due later
	f.pack()
	f.flush()
}

// Resume lets the market's time go on from where it was paused.
func (f *LiveFeed) Resume() {
	if !f.paused {
		return
	}
	f.paused = false
	f.stood += market.Nanos(float64(f.now-f.pausedAt) * f.cfg.Speed)
	f.paceTs, f.paceNow = f.ts, f.now
	f.pull()
}

// Close ends trading now: the closing crosses and the end of the day follow at once, then the end of
// the session, and no further session.
func (f *LiveFeed) Close() {
	if f.closing {
		return
	}
	f.Resume()
	f.closing = true
	f.exchange.closeNow()
}

// closeNow brings the close of trading forward to the present. A halted instrument resumes before. A
// day that has not opened is just over.
func (x *Exchange) closeNow() {
	openAt := x.cfg.Midnight + x.cfg.Open
	closeAt := openAt + x.cfg.Trading
	switch opened := openAt + market.Nanos(len(x.instruments))*spinGap; {
	case x.now < opened:
		x.agenda = nil
		return
	case x.now >= closeAt:
		return
	}
	var agenda []appointment
	for _, in := range x.instruments {
		if in.state != stateTrading {
			agenda = append(agenda, appointment{x.now, func() { x.resume(in, crossHalt) }})
		}
	}
	early := closeAt - x.now
	for _, a := range x.agenda {
		if a.at >= closeAt {
			agenda = append(agenda, appointment{a.at - early, a.do})
		}
	}
	x.agenda = agenda
}

// A LivePosition says where the market of a LiveFeed stands.
type LivePosition struct {
	Paused  bool   `json:"paused"`
	Session string `json:"session"`
	Sent    uint64 `json:"sent"` // last sequence number sent
}

// Position returns where the market stands.
func (f *LiveFeed) Position() LivePosition {
	return LivePosition{Paused: f.paused, Session: f.cfg.Feed.Sender.Session, Sent: f.next - 1}
}

// A LiveTruth is what is true of the present session so far. The books are those after message number
// Messages, which is Sent while the feed is paused, and may be a step ahead of it otherwise. Packets
// and what lines did count over all sessions.
type LiveTruth struct {
	LivePosition
	Truth
	// Slipped is by how much the market's time was set back, because it was behind by over a second:
	// the machine was too slow, or stood still. Nanoseconds.
	Slipped    market.Nanos  `json:"slipped"`
	Retransmit RequestCounts `json:"retransmit"`
}

// Truth returns what is true of the present session so far.
func (f *LiveFeed) Truth() LiveTruth {
	recorded := Feed{cfg: f.cfg.Feed, exchange: f.exchange, sender: &Sender{sent: f.sent, pitch: f.pitch}, lines: f.lines}
	return LiveTruth{
		LivePosition: f.Position(), Truth: recorded.Truth(),
		Slipped: f.slipped, Retransmit: f.resender.counts,
	}
}

// always is a Span without beginning or end.
var always = []Span{{From: math.MinInt64, To: math.MaxInt64}}
