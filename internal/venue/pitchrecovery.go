package venue

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"tidegate/codec/pitch"
	"tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// A PitchPort serves a LiveFeed that publishes PITCH over TCP, as the recovery servers of Cboe do: it is either
// a gap request proxy or the spin server of the feed's unit. Like the feed it does no I/O and belongs to the
// goroutine of the feed: who has the sockets connects clients, gives it what they send and sends what it has for
// them. What a gap request has sent again comes from LiveFeed.NextResent, for a group of its own.
//
// Any username and password is let in.
type PitchPort struct {
	feed     *LiveFeed
	spins    bool
	settings PitchSettings
	counts   PitchCounts
	images   []*image // that can be asked for, oldest first
	session  [10]byte // that they are of
	imaged   market.Nanos
}

// An image is all live orders of a unit.
type image struct {
	seq      uint32 // of the last message that it takes in
	orders   uint32
	messages [][]byte
}

// PitchSettings are what is wrong with a PitchPort. The zero value serves as it should. They can be changed at
// any time, and hold for connections that are open too.
type PitchSettings struct {
	Refuse  bool `json:"refuse"`  // logins are refused
	Stalled bool `json:"stalled"` // nothing is sent, heartbeats neither
	// Unavailable refuses each gap request, or has no image for a spin that was offered.
	Unavailable bool `json:"unavailable"`
	// Stale has only images offered that were made before it was set. Spins only.
	Stale bool `json:"stale"`
	// Truncate closes the connection after so many messages of an image; 0 never. Spins only.
	Truncate int `json:"truncate"`
}

// PitchCounts says what a PitchPort did so far.
type PitchCounts struct {
	Connections uint64 `json:"connections"`
	Logins      uint64 `json:"logins"`  // accepted
	Refused     uint64 `json:"refused"` // logins that were refused
	Requests    uint64 `json:"requests"`
	Accepted    uint64 `json:"accepted"` // of the requests
	Messages    uint64 `json:"messages"` // sent again, or of images
	Faults      uint64 `json:"faults"`   // connections closed for what the client sent, or did not send
}

const (
	imageEvery   = market.Second // an image is offered
	imagesKept   = 3
	pitchSilence = 5 * market.Second
	pitchBeat    = market.Second
	gapCountMax  = 1000 // messages of one request
	pitchInMax   = 4096 // bytes of a client that are not a whole packet yet
	resentMax    = 4096 // packets sent again that wait to be taken
)

// ServeGaps returns a port that takes gap requests.
func (f *LiveFeed) ServeGaps() *PitchPort { return &PitchPort{feed: f} }

// ServeSpins returns a port that serves images: a Time message, the trading state of each symbol, and the live
// orders in the order in which they came to their price.
func (f *LiveFeed) ServeSpins() *PitchPort { return &PitchPort{feed: f, spins: true} }

// NextResent returns a packet that a gap request has sent again, or false if there is none.
func (f *LiveFeed) NextResent() ([]byte, bool) {
	if len(f.resent) == 0 {
		return nil, false
	}
	p := f.resent[0]
	f.resent[0] = nil // let go of the packet
	f.resent = f.resent[1:]
	return p, true
}

// Settings returns what is wrong with the port at present.
func (p *PitchPort) Settings() PitchSettings { return p.settings }

// Counts returns what the port did so far, over all sessions.
func (p *PitchPort) Counts() PitchCounts { return p.counts }

// Set changes what is wrong with the port. On an error nothing is changed.
func (p *PitchPort) Set(to PitchSettings) error {
	if to.Truncate < 0 {
		return fmt.Errorf("venue: truncate %d messages: want 0 for never, or more", to.Truncate)
	}
	if !p.spins && (to.Stale || to.Truncate > 0) {
		return fmt.Errorf("venue: stale and truncate are for spins")
	}
	p.settings = to
	return nil
}

// latest returns the image to offer, nil while there is none.
func (p *PitchPort) latest(now market.Nanos) *image {
	if p.session != p.feed.name {
		p.session, p.images = p.feed.name, nil
	}
	next := uint32(p.feed.resender.next)
	if !p.settings.Stale && next > 1 && (len(p.images) == 0 || now-p.imaged >= imageEvery) {
		if len(p.images) == imagesKept {
			p.images = slices.Delete(p.images, 0, 1)
		}
		messages, orders := p.feed.pitch.image()
		p.images, p.imaged = append(p.images, &image{next - 1, orders, messages}), now
	}
	if len(p.images) == 0 {
		return nil
	}
	return p.images[len(p.images)-1]
}

// image returns the state of the unit as messages, and how many of them are orders.
func (t *pitchTape) image() (messages [][]byte, orders uint32) {
	messages = append(messages, (&pitch.Time{Seconds: uint32(t.second)}).Append(nil))
	for i, state := range t.states {
		if state != 0 {
			m := pitch.TradingStatus{Symbol: t.symbols[i], Status: state, ShortSale: '0', Reserved: [2]byte{' ', ' '}}
			messages = append(messages, m.Append(nil))
		}
	}
	live := make([]*pitchOrder, 0, len(t.orders))
	for _, o := range t.orders {
		live = append(live, o)
	}
	slices.SortFunc(live, func(a, b *pitchOrder) int { return cmp.Compare(a.rank, b.rank) })
	for _, o := range live {
		m := pitch.AddOrder{
			OrderID: o.id, Side: o.side, Quantity: o.size, Symbol: t.symbol(o.locate), Price: o.price, Flags: 1,
			Participant: [4]byte{' ', ' ', ' ', ' '}, Customer: ' ',
		}
		messages = append(messages, m.Append(nil))
	}
	return messages, uint32(len(live))
}

// resend sends messages again, as many as can be had. They are of the history.
func (f *LiveFeed) resend(seq, end uint64) {
	again := unitFraming{unit: f.cfg.Feed.Sender.Unit, bytesMax: f.cfg.Feed.Sender.PayloadMax}
	for again.begin(seq); seq < end && len(f.resent) < resentMax; {
		if again.append(f.resender.message(seq)) {
			if seq++; seq < end {
				continue
			}
		}
		f.resent = append(f.resent, slices.Clone(again.packet()))
		again.begin(seq)
	}
}

// A PitchConn is one connection of a PitchPort.
type PitchConn struct {
	port  *PitchPort
	in    []byte // of a packet that is not whole yet
	out   []byte // packets to send
	pack  sequnit.Builder
	ready bool // the login was accepted
	done  bool
	heard market.Nanos
	said  market.Nanos
	offer market.Nanos // when the next image is to be offered
	spin  *image       // nil: none is being sent
	spun  int          // messages of it
}

// Connect begins a connection.
func (p *PitchPort) Connect(now market.Nanos) *PitchConn {
	p.counts.Connections++
	return &PitchConn{port: p, heard: now, said: now, offer: now}
}

// OnBytes takes what the client has sent.
func (c *PitchConn) OnBytes(b []byte, now market.Nanos) {
	c.heard = now
	c.in = append(c.in, b...)
	for !c.done {
		b, rest, err := sequnit.Split(c.in)
		if err != nil || len(rest) > pitchInMax {
			c.fault()
			return
		}
		if b == nil {
			return
		}
		packet, err := sequnit.Parse(b)
		if err != nil {
			c.fault()
			return
		}
		for block := packet.Messages; len(block) > 0; {
			var msg []byte
			msg, block = sequnit.Next(block)
			c.onMessage(msg, now)
		}
		c.in = append(c.in[:0], rest...)
	}
}

func (c *PitchConn) fault() {
	c.port.counts.Faults++
	c.done = true
}

func (c *PitchConn) onMessage(b []byte, now market.Nanos) {
	var login recovery.Login
	var gap recovery.GapRequest
	var spin recovery.SpinRequest
	switch p := c.port; {
	case !c.ready && login.Parse(b) == nil:
		if p.settings.Refuse {
			p.counts.Refused++
			c.say((&recovery.LoginResponse{Status: recovery.NotAuthorized}).Append(nil), now)
			c.done = true
			return
		}
		p.counts.Logins++
		c.ready = true
		c.say((&recovery.LoginResponse{Status: recovery.LoginAccepted}).Append(nil), now)
	case c.ready && !p.spins && gap.Parse(b) == nil:
		p.counts.Requests++
		status := p.resend(gap, now)
		if status == recovery.GapAccepted {
			p.counts.Accepted++
		}
		c.say((&recovery.GapResponse{GapRequest: gap, Status: status}).Append(nil), now)
	case c.ready && p.spins && spin.Parse(b) == nil:
		p.counts.Requests++
		c.onSpin(spin.Seq, now)
	default:
		c.fault()
	}
}

// resend answers a gap request.
func (p *PitchPort) resend(q recovery.GapRequest, now market.Nanos) recovery.GapStatus {
	r, end := &p.feed.resender, uint64(q.Seq)+uint64(q.Count)
	switch {
	case p.settings.Unavailable:
		return recovery.GapUnavailable
	case q.Unit != p.feed.cfg.Feed.Sender.Unit:
		return recovery.GapInvalidUnit
	case q.Count > gapCountMax:
		return recovery.GapCountExceeded
	case q.Count == 0 || !r.kept(uint64(q.Seq)) || end > r.next:
		return recovery.GapOutOfRange
	case !r.allowance.take(now):
		return recovery.GapSecondExhausted
	}
	p.counts.Messages += uint64(q.Count)
	p.feed.resend(uint64(q.Seq), end)
	return recovery.GapAccepted
}

// onSpin answers a request for an image.
func (c *PitchConn) onSpin(seq uint32, now market.Nanos) {
	p := c.port
	answer := recovery.SpinResponse{Seq: seq, Status: recovery.SpinOutOfRange}
	i := slices.IndexFunc(p.images, func(m *image) bool { return m.seq == seq })
	switch {
	case c.spin != nil:
		answer.Status = recovery.SpinInProgress
	case i >= 0 && !p.settings.Unavailable:
		c.spin, c.spun = p.images[i], 0
		answer.Status, answer.Orders = recovery.SpinAccepted, c.spin.orders
		p.counts.Accepted++
	}
	c.say(answer.Append(nil), now)
}

// say puts a message of the session, or none for a heartbeat, into a packet to send.
func (c *PitchConn) say(msg []byte, now market.Nanos) {
	c.pack.Reset(0, 0, math.MaxUint16)
	if msg != nil {
		c.pack.Append(msg)
	}
	c.out = append(c.out, c.pack.Bytes()...)
	c.said = now
}

// Output appends to b what is to be sent now. done says that nothing follows: the connection is to be closed
// once b is sent.
func (c *PitchConn) Output(b []byte, now market.Nanos) (_ []byte, done bool) {
	p := c.port
	if p.settings.Stalled && !c.done {
		return b, false
	}
	switch {
	case c.done:
	case now-c.heard >= pitchSilence:
		c.fault()
	case c.spin != nil:
		c.sendImage(now)
	case c.ready && p.spins && now >= c.offer:
		c.offer = now + imageEvery
		if m := p.latest(now); m != nil {
			c.say((&recovery.SpinImageAvailable{Seq: m.seq}).Append(nil), now)
		}
	}
	if now-c.said >= pitchBeat && !c.done {
		c.say(nil, now)
	}
	b = append(b, c.out...)
	c.out = c.out[:0]
	return b, c.done
}

// sendImage sends a part of an image, and its end after the last.
func (c *PitchConn) sendImage(now market.Nanos) {
	p := c.port
	for c.spun < len(c.spin.messages) && len(c.out) < soupOutputMax {
		c.pack.Reset(p.feed.cfg.Feed.Sender.Unit, 0, p.feed.cfg.Feed.Sender.PayloadMax)
		for ; c.spun < len(c.spin.messages) && c.pack.Append(c.spin.messages[c.spun]); c.spun++ {
			p.counts.Messages++
		}
		c.out = append(c.out, c.pack.Bytes()...)
		c.said = now
		if p.settings.Truncate > 0 && c.spun >= p.settings.Truncate {
			c.done = true
			return
		}
	}
	if c.spun == len(c.spin.messages) {
		c.say((&recovery.SpinFinished{Seq: c.spin.seq}).Append(nil), now)
		c.spin = nil
	}
}

// Due returns when Output has something to send, or to find, if the client sends nothing before.
func (c *PitchConn) Due(now market.Nanos) market.Nanos {
	switch {
	case c.done, len(c.out) > 0, c.spin != nil:
		return now
	case c.port.settings.Stalled:
		return never
	}
	due := min(c.said+pitchBeat, c.heard+pitchSilence)
	if c.ready && c.port.spins {
		due = min(due, c.offer)
	}
	return due
}
