package recovery

import (
	"errors"

	"tidegate/market"
)

// RequestsMax is how many gap requests may be under way at a time.
const RequestsMax = 64

// Errors of Request. They are returned as they are.
var (
	// ErrNotReady is returned before the login was accepted and after the session failed.
	ErrNotReady = errors.New("recovery: no session to request in")
	// ErrBusy is returned while RequestsMax requests are under way, or have outcomes not taken yet.
	ErrBusy = errors.New("recovery: too many requests under way")
	// ErrRequest is returned for a request that asks for nothing: no unit, no sequence or no messages.
	ErrRequest = errors.New("recovery: request for nothing")
)

// A GapClient is a session with a gap request proxy. It belongs to one goroutine. After NewGapClient it
// allocates nothing, except for the error with which it fails.
type GapClient struct {
	session
	requests [RequestsMax]gapRequest
	sent     int // requests[:sent] were handed out by Next
	count    int
	outcomes [RequestsMax]GapResponse
	done     int // outcomes not taken yet
}

type gapRequest struct {
	GapRequest
	deadline market.Nanos // of the answer
}

// NewGapClient returns a session on a connection that was made at now. Next has its login.
func NewGapClient(cfg Config, now market.Nanos) (*GapClient, error) {
	s, err := newSession(cfg, now)
	if err != nil {
		return nil, err
	}
	return &GapClient{session: s}, nil
}

// Request asks for messages of a unit. Next hands the request out, and Outcome tells what came of it.
// The error is ErrNotReady, ErrBusy or ErrRequest.
func (c *GapClient) Request(r GapRequest, now market.Nanos) error {
	switch {
	case c.state != Ready:
		return ErrNotReady
	case r.Unit == 0 || r.Seq == 0 || r.Count == 0:
		return ErrRequest
	case c.count+c.done >= RequestsMax:
		return ErrBusy
	}
	c.requests[c.count] = gapRequest{r, now + c.cfg.AnswerMax}
	c.count++
	return nil
}

// Next returns a message to be sent; without bytes it is a heartbeat. ok is false when nothing is to be
// sent now. msg is valid until the next call of any method.
func (c *GapClient) Next(now market.Nanos) (msg []byte, ok bool) {
	if c.state == Ready && c.sent < c.count {
		c.pending = c.requests[c.sent].Append(c.pending[:0])
		c.sent++
	}
	return c.next(now)
}

// OnMessage takes a message from the proxy. Nothing of it is kept.
func (c *GapClient) OnMessage(b []byte, now market.Nanos) {
	c.OnPacket(now)
	if c.state == Failed {
		return
	}
	switch {
	case len(b) > 0 && b[0] == TypeLoginResponse:
		c.answered(b)
	case len(b) > 0 && b[0] == TypeGapResponse:
		c.response(b)
	default:
		c.strays++
	}
}

// response takes the answer to a request. One to a request that was given up is a stray.
func (c *GapClient) response(b []byte) {
	var m GapResponse
	if err := m.Parse(b); err != nil || c.state != Ready {
		c.unexpected(b, err)
		return
	}
	for i := range c.sent {
		if c.requests[i].GapRequest == m.GapRequest {
			c.finish(i, m.Status)
			return
		}
	}
	c.strays++
}

// OnTick gives up what is due.
func (c *GapClient) OnTick(now market.Nanos) {
	if c.state == Failed {
		return
	}
	for i := 0; i < c.count; {
		if now >= c.requests[i].deadline {
			c.finish(i, GapUnanswered)
			continue
		}
		i++
	}
	c.tick(now)
}

// finish turns request i into an outcome.
func (c *GapClient) finish(i int, status GapStatus) {
	c.outcomes[c.done] = GapResponse{c.requests[i].GapRequest, status}
	c.done++
	copy(c.requests[i:c.count], c.requests[i+1:c.count])
	c.count--
	if i < c.sent {
		c.sent--
	}
}

// Outcome returns what came of a request, in the order in which it was known; ok is false when nothing
// new is. Of a failed session, requests without an answer have no outcome: they are Lost.
func (c *GapClient) Outcome() (r GapResponse, ok bool) {
	if c.done == 0 {
		return r, false
	}
	r = c.outcomes[0]
	copy(c.outcomes[:c.done], c.outcomes[1:c.done])
	c.done--
	return r, true
}

// Lost returns how many requests a session has without an outcome: if it failed, they will have none.
func (c *GapClient) Lost() int { return c.count }
