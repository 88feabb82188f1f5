package soup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"tidegate/codec/soupbintcp"
	"tidegate/internal/clock"
	"tidegate/market"
)

// A receiver takes what a connection hears.
type receiver interface {
	onRead(n int, now market.Nanos)
	// onEvent may wait. An error ends the connection.
	onEvent(ctx context.Context, c *connection, e soupbintcp.Event, now market.Nanos) error
}

// A connection runs a client over one TCP connection. It belongs to the goroutine that calls run.
type connection struct {
	address string
	client  *soupbintcp.Client
	on      receiver
	conn    net.Conn
	begun   bool // the login was accepted
}

// logoutMax is how long a farewell may take.
const logoutMax = 100 * time.Millisecond

// past is a deadline that has always passed.
var past = time.Unix(1, 0)

// errClosed says that the venue has closed the connection without a word.
var errClosed = errors.New("the connection was closed by the other end")

func (c *connection) dial(ctx context.Context, dial DialFunc, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", c.address)
	if err != nil {
		return fmt.Errorf("soupbintcp: connect: to %s: %w", c.address, err)
	}
	c.conn = conn
	return nil
}

// run logs in and receives, until the session has ended: then it returns nil. It closes the connection.
func (c *connection) run(ctx context.Context) error {
	defer c.conn.Close()
	// A context that ends interrupts whatever waits for the connection.
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.conn.SetDeadline(past)
	})
	err := c.receive(ctx)
	if !stop() {
		<-interrupted
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		c.logOut()
		return ctx.Err()
	case c.begun:
		return fmt.Errorf("soupbintcp: receive: from %s: %w", c.address, err)
	default:
		return fmt.Errorf("soupbintcp: log in: to %s: %w", c.address, err)
	}
}

// logOut says farewell, if that can be done at once.
func (c *connection) logOut() {
	now := clock.Now()
	c.client.Logout(now)
	_ = c.conn.SetWriteDeadline(time.Now().Add(logoutMax))
	_, _ = c.conn.Write(c.client.Output()) // who leaves need not know whether it was heard
}

func (c *connection) receive(ctx context.Context) error {
	c.client.Connect(clock.Now())
	for {
		if err := c.write(ctx); err != nil {
			return err
		}
		now, err := c.read(ctx)
		for e, ok := c.client.Poll(); ok; e, ok = c.client.Poll() {
			c.begun = c.begun || e.Kind == soupbintcp.LoggedIn
			if err := c.on.onEvent(ctx, c, e, now); err != nil {
				return err
			}
		}
		if c.client.Over() {
			return nil
		}
		if c.client.Err() != nil {
			return c.client.Err()
		}
		if err != nil {
			return err
		}
		c.client.OnTick(clock.Now())
		if c.client.Err() != nil {
			return c.client.Err()
		}
	}
}

// read reads once, but not for longer than the client has patience. It returns when it was.
func (c *connection) read(ctx context.Context) (market.Nanos, error) {
	now := clock.Now()
	wait := time.Duration(max(c.client.Due()-now, 0))
	_ = c.conn.SetReadDeadline(time.Now().Add(wait)) // where this fails, Read does too, and says why
	if ctx.Err() != nil {                            // the deadline may have undone the interruption
		return now, ctx.Err()
	}
	n, err := c.conn.Read(c.client.Room())
	now = clock.Now()
	if n > 0 {
		c.client.Read(n, now)
		c.on.onRead(n, now)
	}
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return now, nil
	case errors.Is(err, io.EOF):
		return now, errClosed
	default:
		return now, err
	}
}

// write sends what the client has to say.
func (c *connection) write(ctx context.Context) error {
	out := c.client.Output()
	if len(out) == 0 {
		return nil
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeMax)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n, err := c.conn.Write(out)
	c.client.Sent(n)
	return err
}

// writeMax is how long a venue may refuse a few bytes of ours.
const writeMax = 5 * time.Second

// idle keeps the connection alive while nothing is read. Errors wait for the next read.
func (c *connection) idle(ctx context.Context) {
	now := clock.Now()
	c.client.NotReading(now)
	c.client.OnTick(now)
	_ = c.write(ctx)
}
