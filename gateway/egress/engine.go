package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"

	"tidegate/internal/clock"
	"tidegate/internal/tlsport"
	"tidegate/market"
)

const (
	// tickEvery is how often loops look at time-outs; heartbeats are late by so much at most.
	tickEvery = 100 * time.Millisecond
	// The engine runs what is given to a loop until nothing is left, and only then looks at sockets.
	// So a loop must never give itself the next pass: a timer does, after a moment in which the loop
	// gets to its sockets.
	soonDelay  = 20 * time.Microsecond
	laterDelay = 2 * time.Millisecond

	keepAlive = 30 * time.Second // finds clients that are gone without a word
)

// An engine is the event engine of a server: it accepts connections and owns their sockets.
type engine struct {
	gnet.BuiltinEventEngine
	server *Server
	addr   net.Addr
	gnet   gnet.Engine
	booted chan error
	ready  chan struct{} // closed when all its loops are there
	once   sync.Once     // of ready
	ended  chan error    // the engine's last word
}

func startEngine(s *Server) (*engine, error) {
	e := &engine{server: s, booted: make(chan error, 1), ready: make(chan struct{}), ended: make(chan error, 1)}
	go func() { // ends with the engine: see stop
		err := gnet.Run(e, "tcp://"+s.cfg.Addr,
			gnet.WithNumEventLoop(s.cfg.Loops),
			gnet.WithLockOSThread(s.cfg.LockOSThread),
			gnet.WithLoadBalancing(gnet.LeastConnections), // Register demands another than the default
			gnet.WithTCPNoDelay(gnet.TCPNoDelay),
			gnet.WithSocketSendBuffer(s.cfg.SendBufferBytes),
			gnet.WithReuseAddr(true),
			gnet.WithTicker(true),
			gnet.WithLogger(engineLog{s.cfg.Log}),
		)
		e.ended <- err
		if err == nil {
			err = errors.New("engine ended")
		}
		e.booted <- err // read only if it did not start
	}()
	if err := <-e.booted; err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.cfg.Addr, err)
	}
	select { // it says that it has booted before its loops are there, which register would find missing
	case <-e.ready:
		return e, nil
	case err := <-e.ended:
		return nil, fmt.Errorf("listen on %s: %w", s.cfg.Addr, err)
	}
}

// OnTick is called when all loops are there, and then no more for as long as can be said.
func (e *engine) OnTick() (delay time.Duration, action gnet.Action) {
	e.once.Do(func() { close(e.ready) })
	return time.Duration(math.MaxInt64), gnet.None
}

// OnBoot finds out which port the engine listens on.
func (e *engine) OnBoot(g gnet.Engine) gnet.Action {
	e.gnet = g
	addr, err := listenAddr(g)
	e.addr = addr
	e.booted <- err
	if err != nil {
		return gnet.Shutdown
	}
	return gnet.None
}

func listenAddr(g gnet.Engine) (net.Addr, error) {
	fd, err := g.Dup()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return l.Addr(), l.Close()
}

// stop ends the engine and its loops. Connections that are left are closed as they are.
func (e *engine) stop(ctx context.Context) error {
	e.server.mu.Lock()
	e.server.stopped = true
	loops := e.server.loops
	e.server.mu.Unlock()
	for _, l := range loops {
		l.stop()
	}
	ended, cancel := context.WithCancel(ctx)
	cancel() // Stop asks the engine to end, and would then look twice a second whether it has
	if err := e.gnet.Stop(ended); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	err := <-e.ended
	for _, l := range loops {
		l.retire()
	}
	return err
}

// OnOpen begins a session.
func (e *engine) OnOpen(c gnet.Conn) (out []byte, action gnet.Action) {
	now := clock.Now()
	secure, _ := c.Context().(*tlsport.Guest) // admitted by its port
	k := &socket{conn: c, secure: secure}
	c.SetContext(k)
	who := peer{tls: secure != nil}
	if secure != nil {
		who.addr, who.turnedAway = secure.Client, turnedAway(secure)
	} else {
		// Not by the engine's own option: with it the engine forgets why it cannot listen.
		_ = c.SetKeepAlivePeriod(keepAlive) // without it sessions still end by what they do not read
		who.addr = addrPort(c.RemoteAddr())
		tell, err := e.server.admission.connect(who.addr.Addr(), now)
		if err != nil && !tell {
			e.server.admission.log.info(now, "address", who.addr, "tls", false, "reason", err.Error(), "told", false)
			return nil, gnet.Close
		}
		who.turnedAway = err
	}
	l, err := e.server.loopOf(c.EventLoop())
	if err != nil {
		e.server.cfg.Log.Error("no loop for a connection", "error", err)
		e.server.admission.disconnect(who.turnedAway != nil)
		return nil, gnet.Close
	}
	l.enter()
	defer l.leave()
	k.loop, k.fd = l, c.Fd()
	k.session = l.loop.open(k, who, now)
	k.session.greet(now)
	return nil, gnet.None
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// OnTraffic takes what a client sent.
func (e *engine) OnTraffic(c gnet.Conn) gnet.Action {
	k := c.Context().(*socket)
	b, err := c.Next(-1)
	if err != nil || k.session == nil {
		return gnet.Close
	}
	k.loop.enter()
	defer k.loop.leave()
	k.session.onBytes(b, clock.Now())
	return gnet.None
}

// OnClose ends a session.
func (e *engine) OnClose(c gnet.Conn, err error) gnet.Action {
	k, ok := c.Context().(*socket)
	if !ok {
		return gnet.None
	}
	if k.session != nil {
		k.loop.enter()
		defer k.loop.leave()
		k.loop.loop.closed(k.session, closeReasonOfError(err), clock.Now())
	}
	if k.secure != nil {
		k.secure.Cut()
	}
	return gnet.None
}

// A socket is a connection of the engine as a transport. Its loop's owner owns it.
type socket struct {
	conn    gnet.Conn
	secure  *tlsport.Guest // nil in clear
	loop    *engineLoop
	session *session // nil if the connection was refused

	fd   int    // of conn, open until OnClose has returned
	kept int    // bytes that the engine kept when its goroutine looked last; exact if it is 0
	rest []byte // of a visitor, to be written by the engine
}

func (k *socket) Write(p []byte) {
	if k.loop.visiting {
		k.writeInline(p)
		return
	}
	k.flush()
	k.give(p)
}

func (k *socket) Buffered() int {
	if !k.loop.visiting {
		k.kept = k.conn.OutboundBuffered()
	}
	return len(k.rest) + k.kept
}

func (k *socket) CloseWrite() {
	_ = syscall.Shutdown(k.fd, syscall.SHUT_WR) // fails if the client is gone: that will be noticed
}

func (k *socket) Close() {
	if k.loop.visiting { // the engine's to do; what is closed then is closed again, without harm
		k.loop.execute(func(context.Context) error { return k.loop.events.Close(k.conn) })
		return
	}
	_ = k.loop.events.Close(k.conn)
}

// An engineLoop is a loop on an event loop of the engine.
type engineLoop struct {
	loop   *loop
	events gnet.EventLoop
	log    *slog.Logger
	turn

	mu      sync.RWMutex // of stopped: whoever holds it may use events
	stopped bool
	pending atomic.Bool // a pass was asked for and has not begun

	armed  pace        // owned by the loop
	rearm  *time.Timer // asks for a pass
	ticker *time.Timer // asks for a tick
}

// loopOf returns the loop on an event loop. The engine tells of its event loops by their connections.
func (s *Server) loopOf(events gnet.EventLoop) (*engineLoop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		if l.events == events {
			return l, nil
		}
	}
	if s.stopped {
		return nil, errStopping
	}
	l := &engineLoop{events: events, log: s.cfg.Log}
	var err error
	if l.loop, err = newLoop(&s.cfg, s.admission, l.arm, l.visit, randomBytes); err != nil {
		return nil, err
	}
	l.loop.cold = s.cold.do
	l.loop.post = func(f func(market.Nanos)) { l.do(func(_ *loop, now market.Nanos) { f(now) }) }
	l.rearm = time.AfterFunc(time.Hour, l.wake)
	l.rearm.Stop()
	l.ticker = time.AfterFunc(tickEvery, l.tick)
	s.loops = append(s.loops, l)
	return l, nil
}

// execute has the event loop call f. After stop nothing is called any more.
func (l *engineLoop) execute(f gnet.RunnableFunc) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped {
		return
	}
	if err := l.events.Execute(context.Background(), f); err != nil {
		l.log.Error("event loop does not take work", "error", err)
	}
}

// do has f called on the loop.
func (l *engineLoop) do(f func(l *loop, now market.Nanos)) {
	l.execute(func(context.Context) error {
		l.enter()
		defer l.leave()
		f(l.loop, clock.Now())
		return nil
	})
}

// wake asks for a pass, once until it has begun. Anybody may call it.
func (l *engineLoop) wake() {
	if l.pending.CompareAndSwap(false, true) {
		l.execute(l.pass)
	}
}

func (l *engineLoop) pass(context.Context) error {
	l.enter()
	defer l.leave()
	l.pending.Store(false) // before looking, so that what comes meanwhile is not missed
	if l.armed != idle {
		l.armed = idle
		l.rearm.Stop()
	}
	l.loop.pass(clock.Now())
	return nil
}

// arm is called by the loop.
func (l *engineLoop) arm(p pace) {
	if p <= l.armed {
		return
	}
	l.armed = p
	if p == soon {
		l.rearm.Reset(soonDelay)
		return
	}
	l.rearm.Reset(laterDelay)
}

func (l *engineLoop) tick() {
	l.execute(func(context.Context) error {
		l.enter()
		defer l.leave()
		l.loop.onTick(clock.Now())
		l.ticker.Reset(tickEvery)
		return nil
	})
}

// stop makes sure that nothing more is given to the event loop: the engine may be gone.
func (l *engineLoop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.ticker.Stop()
}

// engineLog is the server's log as the engine wants it. The engine's news are details.
type engineLog struct{ log *slog.Logger }

func (g engineLog) Debugf(string, ...any)             {}
func (g engineLog) Infof(format string, args ...any)  { g.log.Debug(fmt.Sprintf(format, args...)) }
func (g engineLog) Warnf(format string, args ...any)  { g.log.Warn(fmt.Sprintf(format, args...)) }
func (g engineLog) Errorf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }
func (g engineLog) Fatalf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }
