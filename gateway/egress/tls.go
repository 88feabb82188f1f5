package egress

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

	"github.com/panjf2000/gnet/v2"

	"tidegate/internal/clock"
)

// A tlsPort accepts TLS connections and hands each to the engine as a local socket that speaks in
// clear. Beside the handshake it holds two buffers of 32 KiB per connection, and what the local
// sockets hold.
type tlsPort struct {
	server   *Server
	listener net.Listener
	config   *tls.Config
	slots    chan struct{} // of handshakes under way
	log      *sparingLog   // of those that fail
	wg       sync.WaitGroup

	mu       sync.Mutex // of what follows
	conns    map[*tlsConn]struct{}
	stopping bool
}

// A tlsConn is one TLS connection.
type tlsConn struct {
	raw        net.Conn
	addr       netip.AddrPort
	turnedAway error    // why it is not let in; see peer
	local      net.Conn // our end of the local pair; nil before the handshake is done
}

func startTLS(s *Server) (*tlsPort, error) {
	l, err := net.Listen("tcp", s.cfg.TLSAddr)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	p := &tlsPort{
		server: s, listener: l, config: s.cfg.TLS, conns: make(map[*tlsConn]struct{}),
		slots: make(chan struct{}, s.cfg.Limits.HandshakesMax),
		log:   &sparingLog{log: s.cfg.Log, text: "tls handshake failed"},
	}
	p.wg.Go(p.accept)
	return p, nil
}

// accept runs until the listener is closed.
func (p *tlsPort) accept() {
	for {
		raw, err := p.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			p.server.cfg.Log.Error("tls: accept", "error", err)
			continue
		}
		now, addr := clock.Now(), addrPort(raw.RemoteAddr())
		tell, err := p.server.admission.connect(addr.Addr(), now)
		if err != nil && !tell {
			_ = raw.Close() // nothing was said
			p.server.admission.log.info(now, "address", addr, "tls", true, "reason", err.Error(), "told", false)
			continue
		}
		c := &tlsConn{raw: raw, addr: addr, turnedAway: err}
		if !p.enter(c) {
			_ = raw.Close()
			p.failed(c, errTooManyHandshakes)
			continue
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

// enter admits a connection to its handshake, if there is a slot.
func (p *tlsPort) enter(c *tlsConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	select {
	case p.slots <- struct{}{}:
		p.conns[c] = struct{}{}
		return true
	default:
		return false
	}
}

// failed accounts for a connection that did not become a session.
func (p *tlsPort) failed(c *tlsConn, err error) {
	fault := handshakeFaultOf(err)
	p.log.info(clock.Now(), "address", c.addr, "reason", handshakeNames[fault], "error", err)
	p.server.admission.disconnect(c.turnedAway != nil)
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.handshakes[fault]++
}

// serve runs until the connection is closed.
func (p *tlsPort) serve(c *tlsConn) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}()
	defer c.abort()
	t := tls.Server(c.raw, p.config)
	err := p.handshake(t)
	<-p.slots
	if err == nil {
		err = p.handOver(c)
	}
	if err != nil {
		p.failed(c, err)
		return
	}
	local := c.local.(*net.UnixConn)
	done := make(chan struct{})
	go func() { // ends when the session does, or the client's connection
		defer close(done)
		_, _ = io.Copy(t, local) // whichever side failed is closed by now
		_ = t.CloseWrite()
	}()
	_, _ = io.Copy(local, t)
	_ = local.CloseWrite()
	<-done
	_ = local.Close()
}

// handshakeMax is how long a handshake may take: clients send its first bytes as soon as they are
// connected.
const handshakeMax = 10 * time.Second

func (p *tlsPort) handshake(t *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), min(handshakeMax, p.server.cfg.AuthTimeout))
	defer cancel()
	return t.HandshakeContext(ctx)
}

// handOver makes the local pair, and gives one end to the engine.
func (p *tlsPort) handOver(c *tlsConn) error {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("local socket pair: %w", err)
	}
	ours, err := localConn(fds[0])
	if err != nil {
		return errors.Join(err, syscall.Close(fds[1]))
	}
	theirs, err := localConn(fds[1])
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	c.local = ours
	ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), theirs), c)
	result, err := p.server.engine.gnet.Register(ctx)
	if err == nil {
		err = (<-result).Err
	}
	if err != nil {
		return errors.Join(err, ours.Close(), theirs.Close())
	}
	return nil
}

func localConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "local")
	c, err := net.FileConn(f)
	return c, errors.Join(err, f.Close())
}

// abort closes the client's connection as it is.
func (c *tlsConn) abort() { _ = c.raw.Close() } // what was not sent is lost anyway

// stopAccepting refuses new connections.
func (p *tlsPort) stopAccepting() {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	if err := p.listener.Close(); err != nil {
		p.server.cfg.Log.Error("tls: close listener", "error", err)
	}
}

// close closes what is left, and waits until all goroutines of the port have ended.
func (p *tlsPort) close() {
	p.mu.Lock()
	for c := range p.conns {
		c.abort()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
