package web

import (
	"context"
	"crypto/hmac"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"tidegate/gateway/orders"
	"tidegate/internal/clock"
	"tidegate/internal/doorman"
	"tidegate/market"
)

// Limits of requests.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = time.Minute
	headerMax    = 8 << 10
	bodyMax      = 16 << 10
)

// A Server takes orders by HTTP for a gate. Its methods may be called by any goroutine.
type Server struct {
	cfg      Config
	gate     *orders.Gate
	door     *doorman.Doorman
	guard    *replayGuard
	rate     *rateLimit
	keys     map[string]*desk // by id; not changed after New
	accounts map[orders.AccountID]string
	symbols  map[market.InstrumentID]string
	http     *fasthttp.Server
	listener net.Listener
	served   chan error
	running  sync.WaitGroup
	ctx      context.Context // ends with Stop
	cancel   context.CancelFunc

	requests atomic.Uint64
	streams  atomic.Int64
	mu       sync.Mutex // of problems
	problems map[Code]uint64
}

// New returns a server that does nothing yet.
func New(cfg Config, gate *orders.Gate) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits.setDefaults()
	if err := cfg.validate(gate); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	l := &cfg.Limits
	life := l.Window + l.Ahead
	s := &Server{
		cfg: cfg, gate: gate, door: doorman.New(l.doorman()), rate: newRateLimit(l.RequestsPerSecond),
		guard: newReplayGuard(l.Window, l.Ahead, l.RequestsPerSecond*(int(life/time.Second)+2), clock.Now()),
		keys:  make(map[string]*desk), accounts: make(map[orders.AccountID]string),
		symbols: make(map[market.InstrumentID]string), served: make(chan error, 1), problems: make(map[Code]uint64),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i := range cfg.Accounts {
		s.accounts[cfg.Accounts[i].ID] = cfg.Accounts[i].Name
	}
	for i := range cfg.Instruments {
		s.symbols[cfg.Instruments[i].ID] = cfg.Instruments[i].Symbol
	}
	s.http = &fasthttp.Server{
		Handler: s.handle, ErrorHandler: s.onBadRequest, Name: "tidegate",
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ReadBufferSize: headerMax, MaxRequestBodySize: bodyMax, Concurrency: l.Connections,
		CloseOnShutdown: true, NoDefaultContentType: true, Logger: quiet{},
	}
	return s, nil
}

// quiet drops what fasthttp has to say about connections: clients see it as an answer.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Start attaches to the sessions, opens the port and returns. It may be called once.
func (s *Server) Start() error {
	for i := range s.cfg.Keys {
		k := &s.cfg.Keys[i]
		session, _ := s.gate.Session(k.Session) // validate has
		d, err := newDesk(k, session)
		if err != nil {
			return fmt.Errorf("http: key %q: %w", k.ID, err)
		}
		s.keys[k.ID] = d
	}
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	for _, d := range s.keys {
		s.running.Go(func() { d.run(s.ctx) })
	}
	s.listener = &guarded{Listener: l, door: s.door}
	if s.cfg.TLS != nil {
		s.listener = tls.NewListener(s.listener, s.cfg.TLS)
	}
	go func() { s.served <- s.http.Serve(s.listener) }()
	return nil
}

// Addr returns the address that requests go to. It is for after Start.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop answers the requests that are under way, until ctx ends, ends streams, and closes the port. It may be
// called once, after Start and before the gate is closed.
func (s *Server) Stop(ctx context.Context) error {
	for _, d := range s.keys {
		d.endStreams()
	}
	err := s.http.ShutdownWithContext(ctx)
	if err == nil {
		err = <-s.served
	}
	s.cancel()
	s.running.Wait()
	for _, d := range s.keys {
		d.link.Detach()
	}
	if err != nil {
		return fmt.Errorf("http: stop: %w", err)
	}
	return nil
}

// A guarded listener lets connections in by a doorman.
type guarded struct {
	net.Listener
	door *doorman.Doorman
}

// Accept returns the next connection that is let in.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addrOf(c.RemoteAddr())
		if g.door.Enter(addr, clock.Now()) != nil {
			_ = c.Close()
			continue
		}
		return &guest{Conn: c, leave: func() { g.door.Leave(addr) }}, nil
	}
}

// A guest is a connection that was let in.
type guest struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close closes the connection.
func (g *guest) Close() error {
	g.once.Do(g.leave)
	return g.Conn.Close()
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

//go:embed openapi.json
var openAPI []byte

// handle answers one request.
func (s *Server) handle(c *fasthttp.RequestCtx) {
	s.requests.Add(1)
	c.Response.Header.Set("Cache-Control", "no-store")
	c.Response.Header.Set("X-Content-Type-Options", "nosniff")
	op, rest, p := find(string(c.Method()), string(c.Path()))
	if p != nil {
		if p.code == CodeMethod {
			c.Response.Header.Set("Allow", p.reason)
			p = problemf(p.status, p.code, "%s", p.text)
		}
		s.refuse(c, p)
		return
	}
	q := &request{ctx: c, rest: rest, now: clock.Now()}
	if !op.public {
		if q.desk, p = s.authenticate(c, q.now); p != nil {
			s.refuse(c, p)
			return
		}
	}
	answer, p := op.answer(s, q)
	switch {
	case p != nil:
		s.refuse(c, p)
	case answer != nil:
		reply(c, op.status, answer)
	}
}

// authenticate finds out whose request it is.
func (s *Server) authenticate(c *fasthttp.RequestCtx, now market.Nanos) (*desk, *problem) {
	h := &c.Request.Header
	key, given := string(h.Peek(HeaderKey)), h.Peek(HeaderSignature)
	at, err := strconv.ParseInt(string(h.Peek(HeaderTime)), 10, 64)
	if key == "" || err != nil || len(given) == 0 {
		return nil, problemf(401, CodeNoSignature, "want the headers %s, %s (nanoseconds since 1970) and %s", HeaderKey, HeaderTime, HeaderSignature)
	}
	addr := addrOf(c.RemoteAddr())
	if s.door.Barred(addr, now) {
		p := problemf(429, CodeRate, "too many requests of this address had a bad signature")
		p.retryAfterSeconds = 60
		return nil, p
	}
	d, secret := s.keys[key], nobodysSecret
	if d != nil {
		secret = d.key.Secret
	}
	want := signature(secret, h.Peek(HeaderTime), c.Method(), c.Request.Header.RequestURI(), h.Peek(HeaderIdempotency), c.Request.Body())
	var sum [32]byte
	n, err := hex.Decode(sum[:], given[:min(len(given), 64)])
	if d == nil || err != nil || n != len(sum) || len(given) != 64 || !hmac.Equal(sum[:], want[:]) {
		s.door.Failed(addr, now)
		return nil, problemf(401, CodeSignature, "there is no such key, or the signature is not its")
	}
	if p := s.guard.fits(market.Nanos(at), now); p != nil {
		return nil, p
	}
	if p := s.rate.take(key, now); p != nil {
		return nil, p
	}
	return d, s.guard.take(key, want, now)
}

// nobodysSecret is what signatures of keys that there are not are compared with, so that it takes as long.
var nobodysSecret = make([]byte, 32)

// onBadRequest answers what is no request.
func (s *Server) onBadRequest(c *fasthttp.RequestCtx, err error) {
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		s.refuse(c, problemf(413, CodeTooLarge, "the body has more than %d bytes", bodyMax))
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		s.refuse(c, problemf(431, CodeTooLarge, "the headers have more than %d bytes", headerMax))
	default:
		s.refuse(c, problemf(400, CodeRequest, "the request cannot be read"))
	}
}

func (s *Server) refuse(c *fasthttp.RequestCtx, p *problem) {
	s.mu.Lock()
	s.problems[p.code]++
	s.mu.Unlock()
	if p.retryAfterSeconds > 0 {
		c.Response.Header.Set("Retry-After", strconv.Itoa(p.retryAfterSeconds))
	}
	reply(c, p.status, p.body())
}

func reply(c *fasthttp.RequestCtx, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = 500, []byte(`{"error":{"code":"internal","text":"the answer cannot be written"}}`)
	}
	c.SetContentType("application/json")
	c.SetStatusCode(status)
	c.SetBody(append(b, '\n'))
}

// Stats are a server's figures.
type Stats struct {
	Requests uint64          `json:"requests"`
	Problems map[Code]uint64 `json:"problems"` // errors that were answered, by code
	Streams  int             `json:"streams"`  // of events, that are open
	Door     doorman.Stats   `json:"door"`
}

// Stats returns the server's figures.
func (s *Server) Stats() Stats {
	st := Stats{Requests: s.requests.Load(), Streams: int(s.streams.Load()), Door: s.door.Stats(), Problems: make(map[Code]uint64)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for code, n := range s.problems {
		st.Problems[code] = n
	}
	return st
}
