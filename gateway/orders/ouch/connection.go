package ouch

import (
	"errors"
	"net/netip"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// A transport is a connection as its loop sees it. It is called by the loop only.
type transport interface {
	// Write takes all of p, and keeps what the network does not take yet.
	Write(p []byte)
	// Buffered returns how many bytes are kept.
	Buffered() int
	// CloseWrite tells the client that nothing more comes. Buffered must be 0.
	CloseWrite()
	// Close ends the connection; loop.closed is called, before it returns or soon.
	Close()
}

const (
	// passBytes is how much is written to a connection at once, before others get their turn. A client that does
	// not read costs so much, and what the kernel keeps.
	passBytes = 16 << 10
	// unsentMax is how much may wait that has no number: answers that are not in the gate's streams. A
	// client that makes more of them than it reads is cut.
	unsentMax = 256 << 10
	// payloadMax is the longest packet of a client: the longest message, and some for later editions.
	payloadMax = 1024
)

// A connection is one client. Its loop owns it.
type connection struct {
	loop   *loop
	conn   transport
	client netip.AddrPort
	place  int // in loop.connections
	opened market.Nanos
	soup   *soupbintcp.Server

	desk *desk        // nil before the login
	link *orders.Link // nil before the login, and after the end

	fetching  bool         // reports come from the disk: see fetch
	controls  int          // switches of order entry that are under way
	blockedAt market.Nanos // when the network ceased to take bytes; 0 while it does
	garbage   int          // messages that could not be read
	closing   closeReason  // why it will be closed; notClosing while it goes on
	detail    string
	goodbye   bool         // what is left is written, then it is closed
	leaveBy   market.Nanos // when it is closed, whatever is left
	gone      bool         // it is closed
	waiting   bool         // in loop.next
	dirty     bool         // in loop.woken; guarded by loop.mu
}

// onBytes takes what the client sent.
func (c *connection) onBytes(b []byte, now market.Nanos) {
	for len(b) > 0 && c.closing == notClosing {
		n := copy(c.soup.Room(), b)
		if n == 0 { // it sends on before its login is answered, more than one has to say
			c.close(closedGarbage, "too much before the login", now)
			return
		}
		b = b[n:]
		c.soup.Read(n, now)
		c.poll(now)
	}
	c.serve(now)
}

// poll takes what was read, and what a login that was judged lets in.
func (c *connection) poll(now market.Nanos) {
	for c.closing == notClosing {
		e, ok := c.soup.Poll()
		if !ok {
			break
		}
		switch e.Kind {
		case soupbintcp.LoggedIn:
			c.loop.counts.Logins++
			m := ouch50.SystemEvent{Timestamp: c.loop.translator.day.since(now), Event: ouch50.StartOfDay}
			c.tell(m.Append(c.loop.message[:0]), now)
		case soupbintcp.Unsequenced:
			c.onMessage(e.Payload, now)
		case soupbintcp.LoggedOut:
			c.close(closedLogout, "", now)
		}
	}
	if err := c.soup.Err(); err != nil && c.closing == notClosing {
		c.close(c.closeOfSoup(err), "", now)
	}
}

// tell sends a message that has no number.
func (c *connection) tell(msg []byte, now market.Nanos) {
	c.soup.SendUnsequenced(msg, now)
	if len(c.soup.Output()) > unsentMax {
		c.close(closedSlow, "answers were not read", now)
	}
}

// serve writes what the client is due, as much as the network takes and one pass may.
func (c *connection) serve(now market.Nanos) {
	if c.gone {
		return
	}
	if c.conn.Buffered() > 0 {
		c.blocked(now)
		return
	}
	c.blockedAt = 0
	more := c.fill(now)
	if out := c.soup.Output(); len(out) > 0 {
		c.conn.Write(out)
		c.loop.counts.Bytes += uint64(len(out))
		c.soup.Sent(len(out))
	}
	switch {
	case c.conn.Buffered() > 0:
		c.blocked(now)
	case more:
		c.loop.again(c)
	case c.goodbye:
		c.conn.CloseWrite()
		c.goodbye = false // its end, or leaveBy, closes it
	}
}

// fill puts numbered messages into the output. It reports whether there are more at hand.
func (c *connection) fill(now market.Nanos) (more bool) {
	if !c.soup.Online() || c.link == nil || c.fetching {
		return false
	}
	for len(c.soup.Output()) < passBytes {
		n, err := c.link.Read(c.soup.NextSeq(), c.loop.reports)
		switch {
		case errors.Is(err, orders.ErrBehind):
			c.fetch()
			return false
		case err != nil:
			c.lost(err, now)
			return false
		case n == 0:
			return false
		}
		c.send(c.loop.reports[:n], now)
	}
	return true
}

// send puts reports into the output.
func (c *connection) send(reports []orders.Report, now market.Nanos) {
	l := c.loop
	c.desk.mu.Lock()
	for i := range reports {
		c.desk.fold(&reports[i])
	}
	c.desk.mu.Unlock()
	for i := range reports {
		l.message = l.translator.append(l.message[:0], &reports[i])
		c.soup.Send(l.message, now)
	}
	l.counts.Messages += uint64(len(reports))
}

// blocked is what is left to do for a client that does not read: what is known of its orders goes on. A
// client that does not read for too long is cut; it finds everything when it comes again.
func (c *connection) blocked(now market.Nanos) {
	if c.blockedAt == 0 {
		c.blockedAt = now
		c.loop.counts.Stalls++
	}
	if now-c.blockedAt > market.Nanos(c.loop.limits.Slow) {
		c.close(closedSlow, "", now)
		return
	}
	if c.link != nil {
		c.desk.mu.Lock()
		_, err := c.desk.catchUp(c.link, c.loop.reports)
		c.desk.mu.Unlock()
		if err != nil {
			c.lost(err, now)
		}
	}
	c.loop.later(c)
}

// fetch has reports read from the disk, beside the loop.
func (c *connection) fetch() {
	c.fetching = true
	link, from := c.link, c.soup.NextSeq()
	c.loop.server.aside(func() {
		batch := make([]orders.Report, historyBatch)
		n, err := link.History(from, batch)
		c.loop.execute(func(now market.Nanos) {
			c.fetching = false
			switch {
			case c.link != link:
				return
			case err != nil:
				c.lost(err, now)
				return
			}
			c.loop.counts.FromDisk += uint64(n)
			c.send(batch[:n], now)
			c.serve(now)
			c.loop.armed()
		})
	})
}

// historyBatch is how many reports are read from the disk at once.
const historyBatch = 512

// lost ends a connection whose link has ended.
func (c *connection) lost(err error, now market.Nanos) {
	switch {
	case errors.Is(err, orders.ErrDetached):
		c.close(closedReplaced, "", now)
	case errors.Is(err, orders.ErrClosed):
		c.close(closedStopping, "", now)
	default:
		c.loop.log.Error("ouch: a session's messages cannot be read", "user", c.name(), "error", err)
		c.close(closedInternal, err.Error(), now)
	}
}

// admitted gives the connection the link of its session. Its login is answered.
func (c *connection) admitted(d *desk, l *orders.Link, offer soupbintcp.Offer, now market.Nanos) {
	c.desk, c.link = d, l
	c.soup.Answer(offer, nil, now)
	c.poll(now)
	c.serve(now)
}

// refused answers a login that was not good.
func (c *connection) refused(err error, now market.Nanos) {
	c.loop.counts.Refused++
	c.soup.Answer(soupbintcp.Offer{}, err, now)
	c.poll(now)
	c.serve(now)
}

// close ends the connection. What is in the output is written before, if that is possible soon.
func (c *connection) close(r closeReason, detail string, now market.Nanos) {
	if c.closing != notClosing {
		return
	}
	c.closing, c.detail = r, detail
	c.detach()
	if r == closedSlow {
		c.conn.Close()
		return
	}
	c.goodbye, c.leaveBy = true, now+goodbyeMax
	c.loop.again(c)
}

// sayGoodbye ends the connection because the gateway stops: with what can be read by then.
func (c *connection) sayGoodbye(now market.Nanos) {
	c.serve(now)
	m := ouch50.SystemEvent{Timestamp: c.loop.translator.day.since(now), Event: ouch50.EndOfDay}
	c.tell(m.Append(c.loop.message[:0]), now)
	c.close(closedStopping, "", now)
}

// goodbyeMax is how long a client may take for the last bytes.
const goodbyeMax = 2 * market.Second

// detach ends the link, with which orders go that the user wants canceled.
func (c *connection) detach() {
	if c.link == nil {
		return
	}
	c.link.Detach()
	c.link = nil
	c.desk.mu.Lock()
	if c.desk.held == c {
		c.desk.held = nil
	}
	c.desk.mu.Unlock()
}

// onTick does what is due because time passed.
func (c *connection) onTick(now market.Nanos) {
	switch {
	case c.closing != notClosing:
		if now >= c.leaveBy {
			c.conn.Close()
			return
		}
	default:
		c.soup.OnTick(now)
		c.poll(now)
	}
	c.serve(now)
}

func (c *connection) name() string {
	if c.desk == nil {
		return ""
	}
	return c.desk.user.Username
}

// logOpened and logClosed are a session's two lines in the log. Connections that were never logged in are
// in the counts.
func (c *connection) logOpened(next, from uint64) {
	c.loop.log.Info("order session opened", "user", c.name(), "address", c.client, "from", from, "next", next)
}

func (c *connection) logClosed(now market.Nanos) {
	if c.desk == nil {
		return
	}
	args := []any{
		"user", c.name(), "address", c.client, "reason", c.closing.String(),
		"open_for", time.Duration(now - c.opened).Round(time.Millisecond).String(), "next", c.soup.NextSeq(),
	}
	if c.detail != "" {
		args = append(args, "detail", c.detail)
	}
	c.loop.log.Info("order session closed", args...)
}
