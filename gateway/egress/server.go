package egress

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"

	"tidegate/internal/clock"
	"tidegate/internal/tlsport"
	"tidegate/market"
)

// A Server serves subscribers. Its methods may be called by any goroutine.
type Server struct {
	cfg       Config
	admission *admission
	cold      cold

	mu         sync.Mutex // of what follows
	loops      []*engineLoop
	stopped    bool                    // there will be no more loops
	handshakes [handshakeFaults]uint64 // that failed

	engine *engine       // nil before Start
	tls    *tlsport.Port // nil without
}

// New returns a server that does nothing yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Server{cfg: cfg, cold: cold{most: cfg.ReplayThreads}}
	// Numbers of sessions are not used again after a restart.
	s.admission = newAdmission(&s.cfg, uint64(clock.Now()))
	return s, nil
}

// Start opens the ports and returns. It may be called once.
func (s *Server) Start() error {
	e, err := startEngine(s)
	if err != nil {
		return fmt.Errorf("egress: %w", err)
	}
	s.engine = e
	if s.cfg.TLSAddr == "" {
		return nil
	}
	if s.tls, err = s.listenTLS(); err != nil {
		return fmt.Errorf("egress: %w", errors.Join(err, e.stop(context.Background())))
	}
	return nil
}

// Addr returns the address of the port in clear. It is for after Start.
func (s *Server) Addr() net.Addr { return s.engine.addr }

// TLSAddr returns the address of the TLS port, nil if there is none. It is for after Start.
func (s *Server) TLSAddr() net.Addr {
	if s.tls == nil {
		return nil
	}
	return s.tls.Addr()
}

// Stop refuses new connections, gives sessions what was published so far, tells them the reason and
// closes them. When ctx ends first, what is left is closed as it is, and Stop returns the cause. It
// may be called once, after Start.
func (s *Server) Stop(ctx context.Context, reason string) error {
	s.admission.stop()
	if s.tls != nil {
		s.tls.StopAccepting()
	}
	err := s.drain(ctx, reason)
	if s.tls != nil {
		s.tls.Close()
	}
	if stopErr := s.engine.stop(context.WithoutCancel(ctx)); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	s.cold.wait()
	if err != nil {
		return fmt.Errorf("egress: stop: %w", err)
	}
	return nil
}

// drain asks every loop to end its sessions and waits until all have.
func (s *Server) drain(ctx context.Context, reason string) error {
	var all []chan struct{}
	for _, l := range s.allLoops() {
		done := make(chan struct{})
		all = append(all, done)
		l.do(func(l *loop, now market.Nanos) { l.drain(reason, func() { close(done) }, now) })
	}
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("sessions are left: %w", context.Cause(ctx))
		}
	}
	return nil
}

// Reload puts keys and limits in the place of those before. Sessions whose key is not there any
// more, is disabled, or has lost their dataset are ended; other sessions go on, even above a limit.
func (s *Server) Reload(keys []Key, limits Limits) error {
	if err := errors.Join(validateKeys(keys), limits.validate()); err != nil {
		return fmt.Errorf("egress: reload: %w", err)
	}
	s.admission.reload(keys, limits)
	for _, l := range s.allLoops() {
		l.do(func(l *loop, now market.Nanos) { l.reload(now) })
	}
	return nil
}

// Stats returns the server's figures: each loop's as of the moment it was asked.
func (s *Server) Stats(ctx context.Context) (Stats, error) {
	st := Stats{States: make(map[string]int), Closes: make(map[string]uint64), Handshakes: make(map[string]uint64)}
	new(closes).addTo(st.Closes) // every reason is there, also while there is no loop
	for _, l := range s.allLoops() {
		reply := make(chan Stats, 1)
		l.do(func(l *loop, _ market.Nanos) { reply <- l.stats() })
		select {
		case r := <-reply:
			st.Counts.add(&r.Counts)
			for reason, n := range r.Closes {
				st.Closes[reason] += n
			}
			st.Sessions = append(st.Sessions, r.Sessions...)
			for state, n := range r.States {
				st.States[state] += n
				st.Connections += n
			}
		case <-ctx.Done():
			return Stats{}, fmt.Errorf("egress: stats: %w", context.Cause(ctx))
		}
	}
	s.mu.Lock()
	for r, n := range s.handshakes {
		st.Handshakes[handshakeNames[r]] = n
	}
	s.mu.Unlock()
	s.admission.mu.Lock()
	st.Refusals = s.admission.refusals
	s.admission.mu.Unlock()
	return st, nil
}

// Sessions returns how many sessions each dataset has: those that are authenticated and not closed.
// Datasets without are left out.
func (s *Server) Sessions() map[string]int { return s.admission.sessionsOfDatasets() }

func (s *Server) allLoops() []*engineLoop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*engineLoop(nil), s.loops...)
}

// randomBytes is where challenges come from.
func randomBytes() (b [16]byte) {
	if _, err := rand.Read(b[:]); err != nil {
		panic("egress: no randomness: " + err.Error()) // does not happen: package rand ends the process first
	}
	return b
}
