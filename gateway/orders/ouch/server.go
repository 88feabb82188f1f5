package ouch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/internal/clock"
	"tidegate/internal/doorman"
	"tidegate/internal/tlsport"
	"tidegate/market"
)

// A Server takes orders by OUCH for a gate. Its methods may be called by any goroutine.
type Server struct {
	cfg     Config
	gate    *orders.Gate
	session soupbintcp.Session
	door    *doorman.Doorman
	desks   map[string]*desk // by username in capitals; not changed
	symbols map[market.InstrumentID]ouch50.Symbol
	firms   map[orders.AccountID]ouch50.Firm
	nobody  PasswordHash

	logins   chan func() // to be judged
	asides   chan struct{}
	stopping chan struct{}
	running  sync.WaitGroup

	mu      sync.Mutex // of what follows
	loops   []*loop
	stopped bool // there will be no more loops

	engine *engine       // nil before Start
	tls    *tlsport.Port // nil without
}

var errStopping = errors.New("ouch: the gateway is stopping")

// asidesMax is how many things are done beside the event loops at a time.
const asidesMax = 8

// New returns a server that does nothing yet. The instruments are those that clients can trade: all of the
// gate that have prices that OUCH can say.
func New(cfg Config, gate *orders.Gate, instruments []orders.Instrument) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Loops == 0 {
		cfg.Loops = 1
	}
	cfg.Limits.setDefaults()
	if err := cfg.validate(gate); err != nil {
		return nil, fmt.Errorf("ouch: %w", err)
	}
	s := &Server{
		cfg: cfg, gate: gate, door: doorman.New(cfg.Limits.doorman()), desks: make(map[string]*desk),
		symbols: make(map[market.InstrumentID]ouch50.Symbol), firms: make(map[orders.AccountID]ouch50.Firm),
		nobody: nobodyHash(), logins: make(chan func(), loginsWaitingMax), asides: make(chan struct{}, asidesMax),
		stopping: make(chan struct{}),
	}
	s.session, _ = soupbintcp.ParseSession(cfg.Session) // validate has
	for account, firm := range cfg.Firms {
		s.firms[account], _ = ouch50.ParseFirm(firm)
	}
	bySymbol := make(map[ouch50.Symbol]market.InstrumentID)
	for i := range instruments {
		in := &instruments[i]
		symbol, err := ouch50.ParseSymbol(in.Symbol)
		if err != nil {
			return nil, fmt.Errorf("ouch: instrument %q: %w", in.Symbol, err)
		}
		s.symbols[in.ID] = symbol
		if in.TickSize%wireUnit == 0 {
			bySymbol[symbol] = in.ID
		}
	}
	for i := range cfg.Users {
		u := &s.cfg.Users[i]
		session, _ := gate.Session(u.Session) // validate has
		s.desks[strings.ToUpper(u.Username)] = newDesk(u, session, bySymbol, cfg.Firms)
	}
	return s, nil
}

// wireUnit is the unit of prices in OUCH.
const wireUnit = market.PriceScale / 1e4

// newTranslator returns a translator for one loop.
func (s *Server) newTranslator() translator {
	return translator{symbols: s.symbols, firms: s.firms, day: newDayClock()}
}

// Start opens the ports and returns. It may be called once.
func (s *Server) Start() error {
	e, err := startEngine(s)
	if err != nil {
		return fmt.Errorf("ouch: %w", err)
	}
	s.engine = e
	s.running.Go(s.runLogins)
	if s.cfg.TLSAddr == "" {
		return nil
	}
	s.tls, err = tlsport.Listen(tlsport.Config{
		Addr: s.cfg.TLSAddr, TLS: s.cfg.TLS, HandshakeMax: s.cfg.Limits.Login, HandshakesMax: handshakesMax,
		Admit: func(client netip.AddrPort) (any, error) { return nil, s.admit(client) },
		Serve: e.register,
		Failed: func(g *tlsport.Guest, err error) {
			s.door.Failed(g.Client.Addr(), clock.Now())
			s.door.Leave(g.Client.Addr())
			s.cfg.Log.Debug("ouch: tls handshake failed", "address", g.Client, "error", err)
		},
		NoAccept: func(err error) { s.cfg.Log.Error("ouch: tls: accept", "error", err) },
	})
	if err != nil {
		close(s.stopping)
		s.running.Wait()
		return fmt.Errorf("ouch: %w", errors.Join(err, e.stop(nil)))
	}
	return nil
}

// handshakesMax is how many TLS handshakes may be under way.
const handshakesMax = 64

// admit lets a connection in, or says why not.
func (s *Server) admit(client netip.AddrPort) error { return s.door.Enter(client.Addr(), clock.Now()) }

// Addr returns the address of the port in clear. It is for after Start.
func (s *Server) Addr() net.Addr { return s.engine.addr }

// TLSAddr returns the address of the TLS port, nil if there is none. It is for after Start.
func (s *Server) TLSAddr() net.Addr {
	if s.tls == nil {
		return nil
	}
	return s.tls.Addr()
}

// aside runs something that may wait, beside the event loops, when there is a place for it. After Stop it
// is not run.
func (s *Server) aside(do func()) {
	s.running.Go(func() {
		select {
		case s.asides <- struct{}{}:
			defer func() { <-s.asides }()
			do()
		case <-s.stopping:
		}
	})
}

// Stop refuses new connections, gives clients what can be read so far, tells them and closes them. When
// ctx ends first, what is left is closed as it is. It may be called once, after Start and before the gate
// is closed.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	loops := append([]*loop(nil), s.loops...)
	s.mu.Unlock()
	if s.tls != nil {
		s.tls.StopAccepting()
	}
	for _, l := range loops {
		l.execute(l.stopAll)
	}
	s.drain(ctx)
	close(s.stopping)
	s.running.Wait()
	if s.tls != nil {
		s.tls.Close()
	}
	if err := s.engine.stop(loops); err != nil {
		return fmt.Errorf("ouch: stop: %w", err)
	}
	return nil
}

// drain waits until all connections are closed, or ctx ends.
func (s *Server) drain(ctx context.Context) {
	for s.door.Stats().Open > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
