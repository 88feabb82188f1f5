package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"tidegate/codec/sequnit"
	"tidegate/internal/soup"
)

// unitConn is a TCP connection that carries sequenced units, as those with Cboe's recovery servers do.
type unitConn struct {
	conn    net.Conn
	buffer  []byte
	from    int // buffer[from:to] is not taken yet
	to      int
	builder sequnit.Builder
}

const (
	// unitPacketMax is the longest packet taken from a server. Its length field allows no more.
	unitPacketMax = 1 << 16
	// unitWriteMax is how long a server may refuse a few bytes of ours.
	unitWriteMax = 5 * time.Second
	// unitPause is how long a connection is read before its owner looks at the time.
	unitPause = 50 * time.Millisecond
)

// dialUnit makes a connection.
func dialUnit(ctx context.Context, dial soup.DialFunc, address string, timeout time.Duration) (*unitConn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &unitConn{conn: conn, buffer: make([]byte, 2*unitPacketMax)}, nil
}

// read reads once, for as long as unitPause. It is called when packet has no more.
func (c *unitConn) read() error {
	c.to = copy(c.buffer, c.buffer[c.from:c.to])
	c.from = 0
	_ = c.conn.SetReadDeadline(time.Now().Add(unitPause)) // where this fails, Read does too, and says why
	n, err := c.conn.Read(c.buffer[c.to:])
	c.to += n
	switch {
	case n > 0, errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("the connection was closed by the other end")
	default:
		return err
	}
}

// packet takes the next packet of what was read. It is a view, valid until the next read.
func (c *unitConn) packet() (p sequnit.Packet, ok bool, err error) {
	b, _, err := sequnit.Split(c.buffer[c.from:c.to])
	if err != nil || b == nil {
		return p, false, garbage(err)
	}
	c.from += len(b)
	p, err = sequnit.Parse(b)
	return p, err == nil, garbage(err)
}

func garbage(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrGarbage, err)
}

// send sends a message in an unsequenced packet; without bytes it is a heartbeat.
func (c *unitConn) send(msg []byte) error {
	c.builder.Reset(0, 0, unitPacketMax-1)
	if len(msg) > 0 && !c.builder.Append(msg) {
		return fmt.Errorf("message of %d bytes: too long for a packet", len(msg))
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(unitWriteMax)) // where this fails, Write does too, and says why
	_, err := c.conn.Write(c.builder.Bytes())
	return err
}
