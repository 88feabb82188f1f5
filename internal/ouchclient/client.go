// Package ouchclient enters orders at a venue that speaks OUCH 5.0 over SoupBinTCP: the client side of
// gateway/orders/ouch, for people, tests and measurements.
//
//	c, err := ouchclient.Dial(ctx, ouchclient.Config{Addr: "127.0.0.1:13100", Username: "alice", Password: "..."})
//	...
//	defer c.Close()
//	err = c.Send(order.Append(nil))
//	m, err := c.Next(ctx) // what the venue says, one message at a time
//
// A client is one connection. Who has lost it dials again with Next from Client.NextSeq, and gets what it
// missed. It makes no orders and keeps none: the messages are package ouch50's.
package ouchclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/internal/clock"
	"tidegate/market"
)

// A Config says where to go, and who asks for what.
type Config struct {
	Addr     string
	Username string
	Password string
	Session  soupbintcp.Session // blank for the active one
	Seq      uint64             // of the first message wanted; 0 for the latest there is
	TLS      *tls.Config        // nil: in clear
	// Heartbeat is the silence after which a heartbeat is sent, SilenceMax that of the venue after which it
	// is dead. 0 is what SoupBinTCP says: 1 s and 15 s.
	Heartbeat, SilenceMax market.Nanos
	// Queue is how many messages wait for Next before nothing more is read; 0 means 4,096.
	Queue int
}

// A Message is what the venue says.
type Message struct {
	Seq  uint64 // its number in the session; 0 for one without
	Body []byte // the message: the receiver's to keep
	At   market.Nanos
}

// ErrSessionEnded is returned by Next when the venue has ended the session, or has closed the connection
// after the client logged out.
var ErrSessionEnded = errors.New("ouchclient: the session has ended")

// A Client is one connection, logged in. Its methods may be called by any goroutine.
type Client struct {
	conn     net.Conn
	messages chan Message
	done     chan struct{} // closed when the reading goroutine has ended
	closing  chan struct{} // closed by Close
	closed   sync.Once
	running  sync.WaitGroup

	mu   sync.Mutex // of the rest, and of writing
	soup *soupbintcp.Client
	err  error // why the connection is of no further use
	left bool  // Logout was called
}

// Dial connects and logs in.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	sc := soupbintcp.DefaultClientConfig(cfg.Username, cfg.Password)
	sc.Login.Session, sc.Login.Next = cfg.Session, cfg.Seq
	sc.PayloadMax = ouch50.LengthMax
	if cfg.Heartbeat != 0 {
		sc.Heartbeat = cfg.Heartbeat
	}
	if cfg.SilenceMax != 0 {
		sc.SilenceMax = cfg.SilenceMax
	}
	if err := sc.Validate(); err != nil {
		return nil, fmt.Errorf("ouch: log in: %w", err)
	}
	conn, err := connect(ctx, cfg.Addr, cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("ouch: connect: to %s: %w", cfg.Addr, err)
	}
	queue := cfg.Queue
	if queue == 0 {
		queue = 4096
	}
	c := &Client{
		conn: conn, soup: soupbintcp.NewClient(sc), messages: make(chan Message, queue),
		done: make(chan struct{}), closing: make(chan struct{}),
	}
	if err := c.logIn(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ouch: log in: to %s: %w", cfg.Addr, err)
	}
	c.running.Go(c.read)
	c.running.Go(func() { c.beat(sc.Heartbeat) })
	return c, nil
}

func connect(ctx context.Context, addr string, secure *tls.Config) (net.Conn, error) {
	if secure != nil {
		return (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", addr)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// logIn waits for the answer to the login. Nothing else uses the client yet.
func (c *Client) logIn(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.soup.Connect(clock.Now())
	if err := c.flush(); err != nil {
		return err
	}
	for !c.soup.Online() {
		n, err := c.conn.Read(c.soup.Room())
		c.soup.Read(n, clock.Now())
		if e, ok := c.soup.Poll(); ok && e.Kind == soupbintcp.LoggedIn {
			break
		}
		switch {
		case c.soup.Err() != nil:
			return c.soup.Err()
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// flush writes what is to be sent. The caller holds mu, or is alone.
func (c *Client) flush() error {
	out := c.soup.Output()
	if len(out) == 0 {
		return nil
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeMax))
	n, err := c.conn.Write(out)
	c.soup.Sent(n)
	return err
}

// writeMax is how long a venue may refuse what is sent.
const writeMax = 10 * time.Second

// read runs until the connection ends. What the login read may hold messages already.
func (c *Client) read() {
	defer close(c.done)
	for {
		batch, err := c.poll()
		for _, m := range batch {
			select {
			case c.messages <- m:
			case <-c.closing:
				return
			}
		}
		if err != nil {
			c.fail(err)
			return
		}
		// Room is this goroutine's alone: sending does not touch the decoder.
		n, err := c.conn.Read(c.soup.Room())
		c.mu.Lock()
		c.soup.Read(n, clock.Now())
		c.mu.Unlock()
		if n == 0 && err != nil {
			c.fail(err)
			return
		}
	}
}

// poll takes what was read.
func (c *Client) poll() (batch []Message, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := clock.Now()
	for e, ok := c.soup.Poll(); ok; e, ok = c.soup.Poll() {
		switch e.Kind {
		case soupbintcp.Message, soupbintcp.Unsequenced:
			batch = append(batch, Message{Seq: e.Seq, Body: append([]byte(nil), e.Payload...), At: now})
		case soupbintcp.SessionEnded:
			err = ErrSessionEnded
		}
	}
	if c.soup.Err() != nil {
		err = c.soup.Err()
	}
	return batch, err
}

// beat sends heartbeats and finds a dead venue, until Close.
func (c *Client) beat(every market.Nanos) {
	t := time.NewTicker(time.Duration(every) / 2)
	defer t.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-c.closing:
			return
		case <-t.C:
		}
		c.mu.Lock()
		if len(c.messages) == cap(c.messages) {
			c.soup.NotReading(clock.Now()) // it is us who do not read
		}
		c.soup.OnTick(clock.Now())
		err := errors.Join(c.soup.Err(), c.flush())
		c.mu.Unlock()
		if err != nil {
			c.fail(err)
			_ = c.conn.Close()
			return
		}
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		if c.soup.Over() || c.left && errors.Is(err, io.EOF) {
			c.err = ErrSessionEnded
		}
	}
}

// Send sends a message. That it returns nil does not say that the venue has it.
func (c *Client) Send(msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.soup.Send(msg, clock.Now())
	return c.flush()
}

// Next returns the next message. After the end of the connection it returns what is left, and then why.
func (c *Client) Next(ctx context.Context) (Message, error) {
	select {
	case m := <-c.messages:
		return m, nil
	default:
	}
	select {
	case m := <-c.messages:
		return m, nil
	case <-c.done:
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
	select {
	case m := <-c.messages:
		return m, nil
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return Message{}, c.err
	}
}

// NextSeq returns the number of the first message that was not read from the connection. Messages that
// wait for Next have lower ones.
func (c *Client) NextSeq() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.soup.NextSeq()
}

// Session returns the session that the login found.
func (c *Client) Session() soupbintcp.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.soup.Session()
}

// Logout asks the venue to close the connection. Next returns what comes until then.
func (c *Client) Logout() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.soup.Logout(clock.Now())
	return c.flush()
}

// Close closes the connection, without a word, and waits until its goroutines have ended.
func (c *Client) Close() {
	c.closed.Do(func() {
		close(c.closing)
		c.fail(net.ErrClosed)
		_ = c.conn.Close()
	})
	c.running.Wait()
}
