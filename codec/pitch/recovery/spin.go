package recovery

import (
	"fmt"

	"tidegate/market"
)

// A Part says what a message is to the image that a SpinClient asked for.
type Part uint8

// Parts.
const (
	NoPart       Part = iota // about the session
	ImageBegins              // the image was granted; its messages follow
	ImageMessage             // a message of package pitch, of the image
	ImageEnds                // the image is whole
)

// Types of the messages of package pitch that a spin server counts: orders.
const (
	typeAddOrderLong     = 0x21
	typeAddOrderShort    = 0x22
	typeAddOrderExpanded = 0x2f
)

// A SpinClient is a session with the spin server of one unit. It belongs to one goroutine. After
// NewSpinClient it allocates nothing, except for the error with which it fails.
type SpinClient struct {
	session
	wanted    bool
	least     uint32       // sequence that the image must reach at least
	phase     phase        // of the image that is wanted
	image     uint32       // sequence of the image asked for
	orders    uint32       // still to come of it
	asked     market.Nanos // when
	attempts  uint64       // requests made
	available uint32       // sequence of the latest image that was offered
}

// phase says how far an image is.
type phase uint8

const (
	waiting   phase = iota // for the offer of a good image
	requested              // for the answer
	spinning               // its messages are coming
)

// NewSpinClient returns a session on a connection that was made at now. Next has its login.
func NewSpinClient(cfg Config, now market.Nanos) (*SpinClient, error) {
	s, err := newSession(cfg, now)
	if err != nil {
		return nil, err
	}
	return &SpinClient{session: s}, nil
}

// Want asks for an image that can be joined to a stream that is held from sequence held on: one that
// takes in message held-1 at least. It is asked for as soon as one is offered. While an image is under way
// Want changes nothing; it returns whether it was heard.
func (c *SpinClient) Want(held uint32) bool {
	if c.wanted && c.phase != waiting || c.state == Failed {
		return false
	}
	c.wanted, c.phase, c.least = true, waiting, max(held, 1)-1
	return true
}

// Image returns the last sequence that the image asked for takes in. The stream goes on after it.
func (c *SpinClient) Image() uint32 { return c.image }

// Available returns the sequence of the latest image that the server offered, 0 before the first.
func (c *SpinClient) Available() uint32 { return c.available }

// Attempts returns how many images were asked for.
func (c *SpinClient) Attempts() uint64 { return c.attempts }

// Next returns a message to be sent; without bytes it is a heartbeat. ok is false when nothing is to be
// sent now. msg is valid until the next call of any method.
func (c *SpinClient) Next(now market.Nanos) (msg []byte, ok bool) { return c.next(now) }

// OnMessage takes a message from the server and says what it is to the image. Nothing of b is kept.
func (c *SpinClient) OnMessage(b []byte, now market.Nanos) Part {
	c.OnPacket(now)
	if c.state == Failed {
		return NoPart
	}
	if len(b) == 0 {
		c.strays++
		return NoPart
	}
	switch b[0] {
	case TypeLoginResponse:
		c.answered(b)
		return NoPart
	case TypeSpinImageAvailable:
		c.offered(b, now)
		return NoPart
	case TypeSpinResponse:
		return c.granted(b)
	case TypeSpinFinished:
		return c.finished(b)
	}
	if c.phase != spinning {
		c.strays++
		return NoPart
	}
	switch b[0] {
	case typeAddOrderLong, typeAddOrderShort, typeAddOrderExpanded:
		if c.orders == 0 {
			c.fail(fmt.Errorf("recovery: spin of sequence %d: %w: more orders than announced", c.image, ErrImage))
			return NoPart
		}
		c.orders--
	}
	return ImageMessage
}

// offered asks for an image that is offered, if it is good.
func (c *SpinClient) offered(b []byte, now market.Nanos) {
	var m SpinImageAvailable
	if err := m.Parse(b); err != nil || c.state != Ready {
		c.unexpected(b, err)
		return
	}
	c.available = m.Seq
	if !c.wanted || c.phase != waiting || m.Seq < c.least {
		return
	}
	c.phase, c.image, c.asked = requested, m.Seq, now
	c.attempts++
	c.pending = (&SpinRequest{m.Seq}).Append(c.pending[:0])
}

// granted takes the answer to the request. After a refusal the next offer is taken.
func (c *SpinClient) granted(b []byte) Part {
	var m SpinResponse
	if err := m.Parse(b); err != nil {
		c.unexpected(b, err)
		return NoPart
	}
	switch {
	case c.phase == spinning && m.Status != SpinAccepted:
		return NoPart // a refusal of something else: this one was granted
	case c.phase != requested:
		c.unexpected(b, nil)
		return NoPart
	case m.Status != SpinAccepted:
		c.phase = waiting
		return NoPart
	case m.Seq != c.image:
		c.fail(fmt.Errorf("recovery: spin of sequence %d: %w: sequence %d was granted", c.image, ErrImage, m.Seq))
		return NoPart
	}
	c.phase, c.orders = spinning, m.Orders
	return ImageBegins
}

// finished takes the end of an image.
func (c *SpinClient) finished(b []byte) Part {
	var m SpinFinished
	switch err := m.Parse(b); {
	case err != nil || c.phase != spinning:
		c.unexpected(b, err)
		return NoPart
	case m.Seq != c.image:
		c.fail(fmt.Errorf("recovery: spin of sequence %d: %w: sequence %d was finished", c.image, ErrImage, m.Seq))
		return NoPart
	case c.orders > 0:
		c.fail(fmt.Errorf("recovery: spin of sequence %d: %w: %d orders are missing", c.image, ErrImage, c.orders))
		return NoPart
	}
	c.wanted, c.phase = false, waiting
	return ImageEnds
}

// OnTick gives up what is due. A request without an answer ends the session.
func (c *SpinClient) OnTick(now market.Nanos) {
	if c.state == Failed {
		return
	}
	if c.phase == requested && now-c.asked >= c.cfg.AnswerMax {
		c.fail(fmt.Errorf("recovery: spin of sequence %d: %w within %d ns", c.image, ErrUnanswered, c.cfg.AnswerMax))
		return
	}
	c.tick(now)
}
