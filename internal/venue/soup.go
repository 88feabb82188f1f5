package venue

import (
	"fmt"

	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
	"tidegate/market"
)

// A SoupPort serves a LiveFeed over TCP, by SoupBinTCP: either the messages themselves, from the one
// that a client asks for, or snapshots of the books. Like the feed it does no I/O and belongs to the
// goroutine of the feed: who has the sockets connects clients, gives it what they send and sends what
// it has for them.
//
// Any username and password is let in.
type SoupPort struct {
	feed     *LiveFeed
	glimpse  bool
	settings SoupSettings
	frozen   *spin // what is served while snapshots are stale
	counts   SoupCounts
}

// A spin is a snapshot as it is sent, with its end.
type spin struct {
	session  soupbintcp.Session
	messages [][]byte
}

// SoupSettings are what is wrong with a SoupPort. The zero value serves as it should. They can be
// changed at any time, and hold for connections that are open too.
type SoupSettings struct {
	Refuse    bool `json:"refuse"`     // logins are refused
	Stalled   bool `json:"stalled"`    // nothing is sent, heartbeats neither
	DropAfter int  `json:"drop_after"` // messages on a connection after which it is closed; 0 never
	Drip      int  `json:"drip"`       // bytes per second on a connection; 0 for as fast as can be
	// Stale has all snapshots be the one at the time when it was set. Snapshots only.
	Stale bool `json:"stale"`
	// Truncate ends snapshots after so many messages without End of Snapshot; 0 never. Snapshots only.
	Truncate int `json:"truncate"`
}

func (s SoupSettings) validate(glimpse bool) error {
	if s.DropAfter < 0 || s.Truncate < 0 {
		return fmt.Errorf("drop after %d, truncate %d messages: want 0 for never, or more", s.DropAfter, s.Truncate)
	}
	if s.Drip < 0 || s.Drip > dripMax {
		return fmt.Errorf("drip %d bytes per second: want 0 for no limit, to %d", s.Drip, dripMax)
	}
	if !glimpse && (s.Stale || s.Truncate > 0) {
		return fmt.Errorf("stale and truncate are for snapshots")
	}
	return nil
}

const dripMax = 1_000_000_000

// SoupCounts says what a SoupPort did so far.
type SoupCounts struct {
	Connections uint64 `json:"connections"`
	Logins      uint64 `json:"logins"`   // accepted
	Refused     uint64 `json:"refused"`  // logins that were refused
	Messages    uint64 `json:"messages"` // sequenced
	Dropped     uint64 `json:"dropped"`  // connections closed by DropAfter
	Lagged      uint64 `json:"lagged"`   // connections closed because they wanted what is no longer kept
	Faults      uint64 `json:"faults"`   // connections closed for what the client sent, or did not send
}

// ServeMessages returns a port that serves the messages of each session: of the past as many as can be
// asked for again, LiveConfig.History, and then those to come.
func (f *LiveFeed) ServeMessages() *SoupPort { return &SoupPort{feed: f} }

// ServeSnapshots returns a port that serves snapshots by Nasdaq GLIMPSE 5.0: to each login what
// Snapshot returns at the time, then End of Snapshot, then the end of the session.
func (f *LiveFeed) ServeSnapshots() *SoupPort { return &SoupPort{feed: f, glimpse: true} }

// Over reports whether the present session has no further messages, and all were sent.
func (f *LiveFeed) Over() bool { return f.over && len(f.step) == 0 && f.framing.count() == 0 }

// Settings returns what is wrong with the port at present.
func (p *SoupPort) Settings() SoupSettings { return p.settings }

// Counts returns what the port did so far, over all sessions.
func (p *SoupPort) Counts() SoupCounts { return p.counts }

// Set changes what is wrong with the port. On an error nothing is changed.
func (p *SoupPort) Set(to SoupSettings) error {
	if err := to.validate(p.glimpse); err != nil {
		return fmt.Errorf("venue: %w", err)
	}
	if to.Stale && !p.settings.Stale {
		p.frozen = p.spin()
	}
	if !to.Stale {
		p.frozen = nil
	}
	p.settings = to
	return nil
}

// spin returns a snapshot of the present.
func (p *SoupPort) spin() *spin {
	messages, next := p.feed.Snapshot()
	return &spin{p.session(), append(messages, (&itch50.EndOfSnapshot{Next: next}).Append(nil))}
}

// A SoupConn is one connection of a SoupPort.
type SoupConn struct {
	port    *SoupPort
	server  *soupbintcp.Server
	session soupbintcp.Session // of the feed, at the login
	spin    *spin              // the snapshot to send, for a port that serves them
	sent    int                // messages
	dripped market.Nanos       // until when the bytes of a slow drip were used up
	judged  bool               // a fault or a refusal was counted
	done    bool
}

// Connect begins a connection.
func (p *SoupPort) Connect(now market.Nanos) *SoupConn {
	p.counts.Connections++
	cfg := soupbintcp.DefaultServerConfig()
	cfg.PayloadMax = soupPayloadMax
	c := &SoupConn{port: p, dripped: now}
	c.server = soupbintcp.NewServer(cfg, c.login)
	c.server.Connect(now)
	return c
}

// soupPayloadMax is the longest packet taken from a client: none needs as much.
const soupPayloadMax = 1024

// soupOutputMax is how many bytes are prepared for a connection, less one message.
const soupOutputMax = 16 << 10

// login says what there is for a client.
func (c *SoupConn) login(*soupbintcp.Login) (soupbintcp.Offer, error) {
	p := c.port
	if p.settings.Refuse {
		return soupbintcp.Offer{}, soupbintcp.ErrNotAuthorized
	}
	if p.glimpse {
		if c.spin = p.frozen; c.spin == nil {
			c.spin = p.spin()
		}
		return soupbintcp.Offer{Session: c.spin.session, First: 1, Next: uint64(len(c.spin.messages)) + 1}, nil
	}
	c.session = p.session()
	r := &p.feed.resender
	offer := soupbintcp.Offer{Session: c.session, First: 1, Next: r.next}
	if kept := uint64(len(r.lengths)); r.next > kept {
		offer.First = r.next - kept
	}
	return offer, nil
}

// session returns the name of the feed's session.
func (p *SoupPort) session() soupbintcp.Session { return soupbintcp.Session(p.feed.name) }

// OnBytes takes what the client has sent.
func (c *SoupConn) OnBytes(b []byte, now market.Nanos) {
	for {
		n := copy(c.server.Room(), b)
		c.server.Read(n, now)
		b = b[n:]
		for e, ok := c.server.Poll(); ok; e, ok = c.server.Poll() {
			if e.Kind == soupbintcp.LoggedIn {
				c.port.counts.Logins++
			}
		}
		if len(b) == 0 || n == 0 {
			c.judge()
			return
		}
	}
}

// judge counts why the connection is of no further use, once.
func (c *SoupConn) judge() {
	err := c.server.Err()
	if err == nil || c.judged {
		return
	}
	c.judged = true
	if err == soupbintcp.ErrNotAuthorized || err == soupbintcp.ErrNoSession {
		c.port.counts.Refused++
	} else {
		c.port.counts.Faults++
	}
}

// Output appends to b what is to be sent now. done says that nothing follows: the connection is to be
// closed once b is sent.
func (c *SoupConn) Output(b []byte, now market.Nanos) (_ []byte, done bool) {
	p := c.port
	if c.done {
		return b, true
	}
	if p.settings.Stalled {
		return b, false
	}
	c.fill(now)
	if c.done { // dropped: what was prepared is still sent
		return c.flush(b, len(c.server.Output())), true
	}
	c.server.OnTick(now)
	c.judge()
	n := len(c.server.Output())
	if p.settings.Drip > 0 {
		n = min(n, c.drip(now))
	}
	b = c.flush(b, n)
	over := c.server.Err() != nil || c.server.Over()
	c.done = over && len(c.server.Output()) == 0
	return b, c.done
}

func (c *SoupConn) flush(b []byte, n int) []byte {
	b = append(b, c.server.Output()[:n]...)
	c.server.Sent(n)
	return b
}

// fill prepares the messages that the client lacks.
func (c *SoupConn) fill(now market.Nanos) {
	p, s := c.port, c.server
	for s.Online() && len(s.Output()) < soupOutputMax {
		if p.settings.DropAfter > 0 && c.sent >= p.settings.DropAfter {
			p.counts.Dropped++
			c.done = true
			return
		}
		message, found := c.message(s.NextSeq())
		switch {
		case found:
			s.Send(message, now)
			c.sent++
			p.counts.Messages++
		case c.ended():
			s.EndSession(now)
		case c.gone():
			p.counts.Lagged++
			c.done = true
			return
		default:
			return
		}
	}
}

// message returns the message with a number, if there is one.
func (c *SoupConn) message(seq uint64) ([]byte, bool) {
	p := c.port
	if !p.glimpse {
		r := &p.feed.resender
		if c.session != p.session() || !r.kept(seq) {
			return nil, false
		}
		return r.message(seq), true
	}
	messages := c.spin.messages
	if p.settings.Truncate > 0 {
		messages = messages[:min(len(messages)-1, p.settings.Truncate)]
	}
	if seq > uint64(len(messages)) {
		return nil, false
	}
	return messages[seq-1], true
}

// ended reports whether there are no further messages.
func (c *SoupConn) ended() bool {
	f := c.port.feed
	return c.port.glimpse || c.session == c.port.session() && f.Over() && c.server.NextSeq() == f.next
}

// gone reports whether the messages that the client lacks are not kept any more.
func (c *SoupConn) gone() bool {
	return c.session != c.port.session() || c.server.NextSeq() < c.port.feed.next
}

// drip returns how many bytes may be sent now.
func (c *SoupConn) drip(now market.Nanos) int {
	rate := market.Nanos(c.port.settings.Drip)
	// What was not used is lost after a tenth of a second: a drip does not gush.
	c.dripped = max(c.dripped, now-market.Second/10-market.Second/rate)
	n := (now - c.dripped) * rate / market.Second
	c.dripped += n * market.Second / rate
	return int(n)
}

// Due returns when Output has something to send, or to find, if no message comes before.
func (c *SoupConn) Due(now market.Nanos) market.Nanos {
	s := c.port.settings
	switch {
	case c.done:
		return now
	case s.Stalled:
		return never
	case len(c.server.Output()) > 0 && s.Drip > 0:
		return now + max(market.Second/market.Nanos(s.Drip), market.Millisecond)
	default:
		return c.server.Due()
	}
}
