package soupbintcp

import (
	"fmt"
	"math"

	"tidegate/market"
)

// A ClientConfig says who a client is and what it wants.
type ClientConfig struct {
	// Login is what the first connection asks for. Later ones ask for the session that was found and the
	// message that comes next.
	Login Login
	// FollowSession lets the server change the session: the client goes on with the messages of the new
	// one. Without it another session than the one asked for is an error.
	FollowSession bool
	Heartbeat     market.Nanos // silence of the client after which it sends a heartbeat
	SilenceMax    market.Nanos // silence of the server after which it is dead, the login included
	PayloadMax    int          // bytes of the longest message
}

// DefaultClientConfig returns a client that asks for the active session from its first message, with
// the times of the specification (SoupBinTCP 3.00, section 1.3): a heartbeat a second, dead after 15.
func DefaultClientConfig(username, password string) ClientConfig {
	return ClientConfig{
		Login:      Login{Username: username, Password: password, Next: 1},
		Heartbeat:  market.Second,
		SilenceMax: 15 * market.Second,
		PayloadMax: PayloadMax,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *ClientConfig) Validate() error {
	if err := c.Login.Validate(); err != nil {
		return err
	}
	if c.PayloadMax < 1 || c.PayloadMax > PayloadMax {
		return fmt.Errorf("payload max %d bytes: want 1 to %d", c.PayloadMax, PayloadMax)
	}
	if t := c.Login.HeartbeatTimeout; t != 0 && t <= c.Heartbeat {
		return fmt.Errorf("heartbeat timeout %d ns: want more than the heartbeat, %d ns", t, c.Heartbeat)
	}
	return validTimes(c.Heartbeat, c.SilenceMax)
}

// A Client is the receiving end of a session, over any number of connections one after the other. It
// counts the messages, so that a new connection goes on where the last one stopped: each message comes
// once, in order.
type Client struct {
	link
	cfg     ClientConfig
	session Session // asked for, or found
	known   bool    // session was found by a login
}

// NewClient returns a client without a connection. The configuration must be valid.
func NewClient(cfg ClientConfig) *Client {
	return &Client{
		link: link{
			decoder: newDecoder(cfg.PayloadMax), seq: cfg.Login.Next,
			heartbeat: cfg.Heartbeat, silenceMax: cfg.SilenceMax,
		},
		cfg: cfg, session: cfg.Login.Session,
	}
}

// Connect begins a connection: Output is the login request. What an earlier connection left unread or
// unsent is forgotten.
func (c *Client) Connect(now market.Nanos) {
	c.connect(now)
	l := c.cfg.Login
	l.Session, l.Next = c.session, c.seq
	c.out = AppendLoginRequest(c.out, l)
}

// Session returns the session: the one found by the last login, or else the one to be asked for.
func (c *Client) Session() Session { return c.session }

// NextSession makes the next connection ask for the active session, whichever it is, from its first
// message.
func (c *Client) NextSession() { c.session, c.known, c.seq = Session{}, false, 1 }

// Poll returns what has happened by what was read, one event at a time, and false if there is nothing
// more: then Err says whether there can be.
func (c *Client) Poll() (Event, bool) {
	for c.state == loggingIn || c.state == online {
		p, ok := c.next()
		if !ok {
			break
		}
		if p.Type == SequencedData && c.state == online && c.seq != math.MaxUint64 {
			c.seq++
			return Event{Kind: Message, Seq: c.seq - 1, Payload: p.Payload}, true
		}
		if e, ok := c.onOther(p); ok {
			return e, true
		}
	}
	return Event{}, false
}

// onOther takes packets that are no messages, or not in place.
func (c *Client) onOther(p Packet) (Event, bool) {
	switch {
	case p.Type == Debug:
		return Event{Kind: DebugText, Payload: p.Payload}, true
	case p.Type == LoginAccepted && c.state == loggingIn:
		return c.onAccepted(p.Payload)
	case p.Type == LoginRejected && c.state == loggingIn:
		c.onRejected(Reject(p.Payload[0]))
	case p.Type == ServerHeartbeat && c.state == online:
	case p.Type == UnsequencedData && c.state == online:
		return Event{Kind: Unsequenced, Payload: p.Payload}, true
	case p.Type == EndOfSession && c.state == online:
		c.state = over
		return Event{Kind: SessionEnded}, true
	case p.Type == SequencedData && c.state == online:
		c.fail(ErrWentBack)
	default:
		c.fail(ErrUnexpected)
	}
	return Event{}, false
}

// onAccepted checks that the session goes on where it should.
func (c *Client) onAccepted(payload []byte) (Event, bool) {
	session, next, err := ParseLoginAccepted(payload)
	switch {
	case err != nil:
		c.fail(err)
		return Event{}, false
	case !c.session.Blank() && !session.Is(c.session):
		if !c.cfg.FollowSession {
			c.fail(ErrSessionChanged)
			return Event{}, false
		}
		c.seq = 1 // nothing of the new session was seen
	case next < c.seq:
		c.fail(ErrWentBack)
		return Event{}, false
	}
	asked := c.seq
	if asked == 0 {
		asked = next
	}
	c.session, c.known = session, true
	c.loggedIn(next)
	return Event{Kind: LoggedIn, Seq: next, Asked: asked}, true
}

func (c *Client) onRejected(reason Reject) {
	switch reason {
	case NotAuthorized:
		c.fail(ErrNotAuthorized)
	case NoSession:
		c.fail(ErrNoSession)
		if c.known && c.cfg.FollowSession {
			c.NextSession()
		}
	default:
		c.fail(ErrRejected)
	}
}

// OnTick does what is due by now: it puts a heartbeat into Output, or finds that the server is dead.
func (c *Client) OnTick(now market.Nanos) {
	switch {
	case c.state != loggingIn && c.state != online:
	case now >= c.heardAt+c.silenceMax:
		c.fail(ErrSilent)
	case now >= c.heartbeatDue():
		c.out = AppendClientHeartbeat(c.out)
		c.say(now)
	}
}

// Due returns when OnTick has something to do.
func (c *Client) Due() market.Nanos {
	if c.state != loggingIn && c.state != online {
		return never
	}
	return min(c.heardAt+c.silenceMax, c.heartbeatDue())
}

// Send puts a message without a number into Output. It does nothing unless Online. It panics if msg is
// longer than PayloadMax.
func (c *Client) Send(msg []byte, now market.Nanos) {
	if c.state == online {
		c.out = AppendUnsequenced(c.out, msg)
		c.say(now)
	}
}

// Logout puts a logout request into Output, if the server is still there to read it. The server will
// close the connection.
func (c *Client) Logout(now market.Nanos) {
	if c.state == online {
		c.out = AppendLogoutRequest(c.out)
		c.say(now)
	}
}
