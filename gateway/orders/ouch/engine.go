package ouch

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
	// What is given to a loop of the engine is run before it looks at sockets again. So a loop never gives
	// itself the next pass: a timer does, after a moment in which the loop gets to its sockets.
	soonDelay  = 20 * time.Microsecond
	laterDelay = 2 * time.Millisecond

	keepAlive = 30 * time.Second // finds clients that are gone without a word
	// readMax is how much is read of a connection before others get their turn: some 70 orders, 0.1 ms of work.
	// A storm of some clients delays the cancels of another one by so much for each of them.
	readMax = 4 << 10
	// sendBuffer is what the kernel keeps for a client that does not read, beside what the session has.
	sendBuffer = 256 << 10
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
			gnet.WithLoadBalancing(gnet.LeastConnections), // Register demands another than the default
			gnet.WithTCPNoDelay(gnet.TCPNoDelay),
			gnet.WithSocketSendBuffer(sendBuffer),
			gnet.WithReadBufferCap(readMax),
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

// register gives the engine the local end of a TLS connection.
func (e *engine) register(local net.Conn, g *tlsport.Guest) error {
	ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), local), g)
	result, err := e.gnet.Register(ctx)
	if err != nil {
		return err
	}
	return (<-result).Err
}

// stop ends the engine and its loops. Connections that are left are closed as they are.
func (e *engine) stop(loops []*loop) error {
	for _, l := range loops {
		l.stop()
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // Stop asks the engine to end, and would then look twice a second whether it has
	if err := e.gnet.Stop(ended); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return <-e.ended
}

// OnOpen begins a connection.
func (e *engine) OnOpen(c gnet.Conn) (out []byte, action gnet.Action) {
	now := clock.Now()
	secure, _ := c.Context().(*tlsport.Guest) // admitted by its port
	k := &socket{conn: c, secure: secure}
	c.SetContext(k)
	if secure != nil {
		k.client = secure.Client
	} else {
		k.client = addrPort(c.RemoteAddr())
		_ = c.SetKeepAlivePeriod(keepAlive) // without it connections still end by their heartbeats
		if err := e.server.admit(k.client); err != nil {
			return nil, gnet.Close
		}
	}
	l, err := e.server.loopOf(c.EventLoop())
	if err != nil {
		e.server.door.Leave(k.client.Addr())
		return nil, gnet.Close
	}
	k.loop, k.fd = l, c.Fd()
	k.session = l.open(k, k.client, now)
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
	k.session.onBytes(b, clock.Now())
	k.loop.armed()
	return gnet.None
}

// OnClose ends a connection.
func (e *engine) OnClose(c gnet.Conn, err error) gnet.Action {
	k, ok := c.Context().(*socket)
	if !ok {
		return gnet.None
	}
	if k.session != nil {
		k.loop.closed(k.session, closeOf(err), clock.Now())
	}
	if k.secure != nil {
		k.secure.Cut()
	}
	return gnet.None
}

// A socket is a connection of the engine as a transport. Its loop owns it.
type socket struct {
	conn    gnet.Conn
	secure  *tlsport.Guest // nil in clear
	client  netip.AddrPort
	loop    *loop
	session *connection // nil if it was refused
	fd      int
}

func (k *socket) Write(p []byte) { _, _ = k.conn.Write(p) } // a broken connection is closed by the engine

func (k *socket) Buffered() int { return k.conn.OutboundBuffered() }

func (k *socket) CloseWrite() {
	_ = syscall.Shutdown(k.fd, syscall.SHUT_WR) // fails if the client is gone: that will be noticed
}

func (k *socket) Close() { _ = k.loop.events.Close(k.conn) }

// A runner has functions run on an event loop of the engine, and passes of its loop.
type runner struct {
	events gnet.EventLoop
	log    *slog.Logger

	mu      sync.RWMutex // of stopped: whoever holds it may use events
	stopped bool
	pending atomic.Bool // a pass was asked for and has not begun

	rearm  *time.Timer // asks for a pass
	ticker *time.Timer // asks for a tick
}

// execute has the event loop call f. After stop nothing is called any more, and it reports false.
func (r *runner) execute(f func(now market.Nanos)) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.stopped {
		return false
	}
	err := r.events.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		f(clock.Now())
		return nil
	}))
	if err != nil {
		r.log.Error("event loop does not take work", "error", err)
	}
	return err == nil
}

// stop makes sure that nothing more is given to the event loop: the engine may be gone.
func (r *runner) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.ticker.Stop()
	r.rearm.Stop()
}

// engineLog is the server's log as the engine wants it. The engine's news are details.
type engineLog struct{ log *slog.Logger }

func (g engineLog) Debugf(string, ...any)             {}
func (g engineLog) Infof(format string, args ...any)  { g.log.Debug(fmt.Sprintf(format, args...)) }
func (g engineLog) Warnf(format string, args ...any)  { g.log.Warn(fmt.Sprintf(format, args...)) }
func (g engineLog) Errorf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }
func (g engineLog) Fatalf(format string, args ...any) { g.log.Error(fmt.Sprintf(format, args...)) }
