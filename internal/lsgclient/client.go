// Package lsgclient is a client of Databento Live: what the subscribe command, tests and benchmarks
// use to read from a gateway, this one or any other that speaks the protocol.
//
//	c, err := lsgclient.Dial(ctx, lsgclient.Config{Addr: "localhost:13000", Dataset: "XNAS.ITCH", Key: key})
//	defer c.Close()
//	err = c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{"AAPL"}, false, market.UndefTime)
//	metadata, err := c.Start()
//	for {
//		record, err := c.Next() // a view, valid until the next call
//		...
//	}
//
// What the gateway reports in records (acknowledgements, heartbeats, errors) is delivered like any
// other record: a fault of the session is an Error record followed by io.EOF.
package lsgclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/market"
)

// Times that the official clients allow as well.
const (
	connectTimeout = 10 * time.Second
	authTimeout    = 30 * time.Second // greeting, challenge and answer together
	writeTimeout   = 10 * time.Second

	// A gateway greets as soon as it is connected to; one that does not for so long is none, or waits
	// for TLS.
	greetingTimeout = 5 * time.Second

	// A gateway sends a heartbeat when it had nothing else to send for the interval, which is
	// heartbeatDefault where the client does not say. What is heartbeatGrace later is lost.
	heartbeatDefault = 30 * time.Second
	heartbeatGrace   = 5 * time.Second
)

const (
	lineMax = 64 << 10 // a control line of the gateway, and the size of the read buffer
	// windowMax is the largest zstd window that is accepted: what the strongest encoders use.
	windowMax = 32 << 20
)

// What errors of this package wrap, beside those of the connection and of package dbn.
var (
	// ErrRefused: the gateway refused the authentication. The error text has its reason.
	ErrRefused = errors.New("refused by the gateway")
	// ErrHeartbeat: nothing came for longer than the heartbeat interval.
	ErrHeartbeat = errors.New("heartbeat is missing")
	// ErrProtocol: the gateway said something that it must not say there.
	ErrProtocol = errors.New("gateway does not keep to the protocol")
)

// Config says where to connect and what the session is to be.
type Config struct {
	Addr    string // host:port
	Dataset string // "XNAS.ITCH"
	Key     lsg.Key
	// TLS is for a gateway's TLS port; nil connects in clear. The server name is that of Addr
	// unless it is set.
	TLS         *tls.Config
	Compression lsg.Compression
	TsOut       bool // ask for records that end with the time they were sent
	// HeartbeatInterval is in whole seconds, 5 s to 30 min; 0 leaves it to the gateway.
	HeartbeatInterval time.Duration
	SlowReader        lsg.SlowReader
	Client            string // which program, as the gateway may log it; "tidegate" if empty

	greetingTimeout time.Duration // 0: the constant; tests are in a hurry
}

// Validate reports what in c cannot be.
func (c *Config) Validate() error {
	if c.Addr == "" {
		return errors.New("lsgclient: no address")
	}
	if c.HeartbeatInterval%time.Second != 0 {
		return fmt.Errorf("lsgclient: heartbeat interval %v: want whole seconds", c.HeartbeatInterval)
	}
	if c.Key == (lsg.Key{}) {
		return errors.New("lsgclient: no key")
	}
	request := c.request(lsg.Auth{})
	if _, err := request.Append(nil); err != nil {
		return fmt.Errorf("lsgclient: %w", err)
	}
	return nil
}

func (c *Config) request(a lsg.Auth) lsg.AuthRequest {
	client := c.Client
	if client == "" {
		client = "tidegate"
	}
	return lsg.AuthRequest{
		Auth: a, Dataset: c.Dataset, Compression: c.Compression, TsOut: c.TsOut,
		HeartbeatSeconds: int(c.HeartbeatInterval / time.Second),
		SlowReader:       c.SlowReader, Client: client,
	}
}

// Client is one session. It starts no goroutine. Start and Next belong to one goroutine; Subscribe
// belongs to it too until Start has returned, and then to any one. Close may be called at any time.
type Client struct {
	cfg       Config
	ctx       context.Context
	stop      func() bool // ends the watch over ctx
	conn      timedConn
	in        *bufio.Reader // of conn
	records   *dbn.Reader   // nil before Start
	sessionID uint64
	lastID    uint32 // of a subscription
}

// Dial connects and authenticates. ctx governs the whole session, not only Dial: when it ends, the
// connection is closed, and every call returns an error that wraps the context's cause.
//
// Errors wrap ErrRefused (with the gateway's reason), ErrProtocol, or what the connection returned.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, &cfg)
	if err != nil {
		return nil, fmt.Errorf("lsgclient: connect to %s: %w", cfg.Addr, err)
	}
	c := &Client{
		cfg: cfg, ctx: ctx, conn: timedConn{Conn: conn},
		stop: context.AfterFunc(ctx, func() { closeNow(conn) }),
	}
	c.in = bufio.NewReaderSize(&c.conn, lineMax)
	if err := c.authenticate(); err != nil {
		err = c.failed("authenticate at "+cfg.Addr, err)
		c.Close()
		return nil, err
	}
	return c, nil
}

func connect(ctx context.Context, cfg *Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if cfg.TLS != nil {
		d := tls.Dialer{Config: cfg.TLS}
		conn, err := d.DialContext(ctx, "tcp", cfg.Addr)
		if errors.As(err, new(tls.RecordHeaderError)) {
			err = fmt.Errorf("the port does not speak TLS: %w", err)
		}
		return conn, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", cfg.Addr)
}

// closeNow closes without the farewell of TLS, which could wait.
func closeNow(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close() // whoever uses it gets an error; nothing is left to lose
}

func (c *Client) authenticate() error {
	began, patience := time.Now(), greetingTimeout
	if c.cfg.greetingTimeout != 0 {
		patience = c.cfg.greetingTimeout
	}
	if err := c.conn.SetDeadline(began.Add(patience)); err != nil {
		return err
	}
	line, err := c.line()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read greeting: closed at once, as a gateway does with more connections than it allows: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.cfg.TLS == nil:
		return fmt.Errorf("read greeting: nothing came for %v: the port may want TLS, or be of something else: %w", patience, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("read greeting: nothing came for %v: the port may be of something else: %w", patience, err)
	case err != nil:
		return fmt.Errorf("read greeting: %w", err)
	}
	// For all that follows here. Later reads and writes set deadlines of their own.
	if err := c.conn.SetDeadline(began.Add(authTimeout)); err != nil {
		return err
	}
	if _, err := lsg.ParseGreeting(line); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if line, err = c.line(); err != nil {
		return fmt.Errorf("read challenge: %w", err)
	}
	challenge, err := lsg.ParseChallenge(line)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	request := c.cfg.request(challenge.Answer(c.cfg.Key))
	out, err := request.Append(nil)
	if err != nil {
		return err
	}
	if _, err := c.conn.Conn.Write(out); err != nil {
		return fmt.Errorf("send answer: %w", err)
	}
	if line, err = c.line(); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	response, err := lsg.ParseAuthResponse(line)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if !response.Accepted {
		return fmt.Errorf("%w: %s", ErrRefused, response.Error)
	}
	c.sessionID = response.SessionID
	return nil
}

// line reads one control line of the gateway. It is a view until the next read.
func (c *Client) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: line of more than %d bytes", ErrProtocol, lineMax)
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	default:
		return nil, err
	}
}

// SessionID returns the number that the gateway gave to the session.
func (c *Client) SessionID() uint64 { return c.sessionID }

// Subscribe asks for records of one schema. symbols may be lsg.AllSymbols alone. snapshot asks for
// the book first, of schema mbo only. start asks for what is older first: everything since then, or
// everything that the gateway retains if it is 0; market.UndefTime asks for none. A start is
// possible before Start only, and not together with a snapshot.
//
// The gateway's answer is a record: see Next.
func (c *Client) Subscribe(schema dbn.Schema, stype dbn.SType, symbols []string, snapshot bool, start market.Nanos) error {
	s := lsg.Subscription{
		Schema: schema.String(), STypeIn: stype.String(), Symbols: symbols, Snapshot: snapshot,
		ID: c.lastID + 1, HasID: true,
	}
	if start.Defined() {
		s.Start, s.HasStart = start, true
	}
	if s.HasStart && c.records != nil {
		return errors.New("lsgclient: subscribe: a start is possible before the session starts only")
	}
	out, err := s.Append(nil)
	if err != nil {
		return fmt.Errorf("lsgclient: subscribe: %w", err)
	}
	if _, err := c.conn.Write(out); err != nil {
		return c.failed("subscribe", err)
	}
	c.lastID++
	return nil
}

// Start starts the session, once, and returns what the gateway says about it. Errors wrap
// ErrProtocol if that is not what was asked for, ErrHeartbeat, or an error of dbn.NewReader.
func (c *Client) Start() (*dbn.Metadata, error) {
	if c.records != nil {
		return nil, errors.New("lsgclient: start: the session has started")
	}
	if _, err := c.conn.Write(lsg.AppendStart(nil)); err != nil {
		return nil, c.failed("start", err)
	}
	c.conn.readTimeout = heartbeatGrace + heartbeatDefault
	if c.cfg.HeartbeatInterval != 0 {
		c.conn.readTimeout = heartbeatGrace + c.cfg.HeartbeatInterval
	}
	records, err := c.open()
	if err != nil {
		return nil, c.failed("start", err)
	}
	m := records.Metadata()
	if m.Dataset != c.cfg.Dataset || m.TsOut != c.cfg.TsOut {
		return nil, fmt.Errorf("lsgclient: start: %w: metadata has dataset %q and ts_out %t, asked for %q and %t",
			ErrProtocol, m.Dataset, m.TsOut, c.cfg.Dataset, c.cfg.TsOut)
	}
	c.records = records
	return m, nil
}

func (c *Client) open() (*dbn.Reader, error) {
	if _, err := c.in.Peek(1); err == io.EOF {
		return nil, io.ErrUnexpectedEOF // rather than "not DBN"
	}
	if c.cfg.Compression == lsg.CompressionNone {
		return dbn.NewReader(c.in)
	}
	// Concurrency 1: the decoder works inside Read, without goroutines, and so needs no Close.
	z, err := zstd.NewReader(c.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowMax))
	if err != nil {
		return nil, err
	}
	return dbn.NewReader(z)
}

// Next returns the next record, a view that is valid until the next call. It does not allocate.
//
// After the last record it returns io.EOF: the gateway closed the session. Other errors wrap
// ErrHeartbeat, the cause of the context, or what dbn.Reader.Next returned.
func (c *Client) Next() (dbn.Record, error) {
	if c.records == nil {
		return dbn.Record{}, errors.New("lsgclient: next: the session has not started")
	}
	r, err := c.records.Next()
	if err != nil && err != io.EOF {
		err = c.failed("next record", err)
	}
	return r, err
}

// Close ends the session. A Next that waits returns an error.
func (c *Client) Close() error {
	if !c.stop() && c.ctx.Err() != nil {
		return nil // closed, or being closed, because the context ended
	}
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("lsgclient: close: %w", err)
	}
	return nil
}

// failed says what was being done when err happened. Where the context has ended, that is why.
func (c *Client) failed(doing string, err error) error {
	if c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	return fmt.Errorf("lsgclient: %s: %w", doing, err)
}

// timedConn is a connection whose reads fail with ErrHeartbeat when nothing comes, and whose writes
// end.
type timedConn struct {
	net.Conn
	readTimeout time.Duration // 0: reads wait
}

func (c *timedConn) Read(p []byte) (int, error) {
	if c.readTimeout == 0 {
		return c.Conn.Read(p)
	}
	if err := c.SetReadDeadline(time.Now().Add(c.readTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("nothing came for %v: %w", c.readTimeout, ErrHeartbeat)
	}
	return n, err
}

func (c *timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
