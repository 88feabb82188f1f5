// Package tlsport terminates TLS in front of an event loop that speaks in clear: it accepts connections,
// does their handshakes, and hands each over as one end of a local socket pair.
//
//	port, err := tlsport.Listen(tlsport.Config{
//		Addr: ":26443", TLS: config, HandshakeMax: 10 * time.Second, HandshakesMax: 64,
//		Admit: admission.connect, Serve: engine.register, Failed: admission.disconnect, NoAccept: log,
//	})
//	...
//	port.StopAccepting()
//	port.Close()
//
// Every connection has two goroutines and two buffers of 32 KiB, which copy between it and the pair, until
// either side ends.
package tlsport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// A Config says where a port listens and what becomes of connections. All its functions may be called by
// several goroutines at a time.
type Config struct {
	Addr          string // host:port
	TLS           *tls.Config
	HandshakeMax  time.Duration // how long a handshake may take
	HandshakesMax int           // how many may be under way; who comes then is closed
	// Admit decides on a connection before its handshake, and may note something about it. One that is
	// refused is closed at once, and nothing more is called for it.
	Admit func(client netip.AddrPort) (note any, err error)
	// Serve takes the local end of a connection, whose bytes are in clear, and owns it if it returns nil.
	// When it has closed it, it cuts the guest: a client that does not read would keep what is under way to it.
	// To have the client get everything first, shut down the writing side and wait for the other one.
	Serve func(local net.Conn, g *Guest) error
	// Failed is told of a connection that was admitted and that Serve did not get, or did not take.
	Failed func(g *Guest, err error)
	// NoAccept is told that a connection could not be accepted: the process has no descriptor left, mostly.
	NoAccept func(err error)
}

// A Guest is a client's connection that was admitted.
type Guest struct {
	Client netip.AddrPort
	Note   any // what Admit noted
	raw    net.Conn
}

// Cut closes the client's connection as it is. Any goroutine may call it, more than once.
func (g *Guest) Cut() { _ = g.raw.Close() } // what was not sent is lost anyway

// ErrTooMany is what Failed is told when HandshakesMax handshakes are under way.
var ErrTooMany = errors.New("tlsport: too many handshakes are under way")

// A Port is a listener with its connections. Its methods may be called by any goroutine.
type Port struct {
	cfg      Config
	listener net.Listener
	slots    chan struct{}
	running  sync.WaitGroup

	mu       sync.Mutex // of the rest
	guests   map[*Guest]struct{}
	stopping bool
}

// Listen opens the port.
func Listen(cfg Config) (*Port, error) {
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	p := &Port{
		cfg: cfg, listener: l, slots: make(chan struct{}, cfg.HandshakesMax), guests: make(map[*Guest]struct{}),
	}
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the address that the port listens on.
func (p *Port) Addr() net.Addr { return p.listener.Addr() }

// accept runs until the listener is closed.
func (p *Port) accept() {
	for {
		raw, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.cfg.NoAccept(err)
			time.Sleep(acceptPause)
			continue
		}
		g := &Guest{Client: addrPort(raw.RemoteAddr()), raw: raw}
		if g.Note, err = p.cfg.Admit(g.Client); err != nil {
			g.Cut()
			continue
		}
		if !p.enter(g) {
			g.Cut()
			p.cfg.Failed(g, ErrTooMany)
			continue
		}
		p.running.Go(func() { p.serve(g) })
	}
}

// acceptPause is how long the port waits after it could not accept.
const acceptPause = 10 * time.Millisecond

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// enter admits a connection to its handshake, if there is a slot.
func (p *Port) enter(g *Guest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	select {
	case p.slots <- struct{}{}:
		p.guests[g] = struct{}{}
		return true
	default:
		return false
	}
}

// serve runs until the connection is closed.
func (p *Port) serve(g *Guest) {
	defer func() {
		g.Cut()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.guests, g)
	}()
	t := tls.Server(g.raw, p.cfg.TLS)
	err := p.handshake(t)
	<-p.slots
	var ours *net.UnixConn
	if err == nil {
		ours, err = p.handOver(g)
	}
	if err != nil {
		p.cfg.Failed(g, err)
		return
	}
	done := make(chan struct{})
	go func() { // ends when the other side of the pair does, or the client's connection
		defer close(done)
		_, _ = io.Copy(t, ours) // whichever side failed is closed by now
		_ = t.CloseWrite()
		_ = g.raw.SetReadDeadline(time.Now().Add(lingerMax))
	}()
	_, _ = io.Copy(ours, t)
	_ = ours.CloseWrite()
	<-done
	_ = ours.Close()
}

// lingerMax is how long a client that was told the end may take to end the connection.
const lingerMax = 5 * time.Second

func (p *Port) handshake(t *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.HandshakeMax)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// handOver makes the local pair, and gives one end away.
func (p *Port) handOver(g *Guest) (*net.UnixConn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("local socket pair: %w", err)
	}
	ours, err := localConn(fds[0])
	if err != nil {
		return nil, errors.Join(err, syscall.Close(fds[1]))
	}
	theirs, err := localConn(fds[1])
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	if err := p.cfg.Serve(theirs, g); err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	return ours.(*net.UnixConn), nil
}

func localConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "local")
	c, err := net.FileConn(f)
	return c, errors.Join(err, f.Close())
}

// StopAccepting refuses new connections; those that are there go on.
func (p *Port) StopAccepting() {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	_ = p.listener.Close() // a second time does no harm
}

// Close refuses new connections, cuts those that are left, and waits until all goroutines have ended.
func (p *Port) Close() {
	p.StopAccepting()
	p.mu.Lock()
	for g := range p.guests {
		g.Cut()
	}
	p.mu.Unlock()
	p.running.Wait()
}
