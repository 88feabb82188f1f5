package livevenue

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/internal/clock"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A SoupStatus is what is served over TCP, as the control endpoint shows it.
type SoupStatus struct {
	Address netip.AddrPort `json:"address"`
	venue.SoupSettings
	Open       int              `json:"open"`        // connections at present
	TurnedAway uint64           `json:"turned_away"` // connections that were one too many
	Counts     venue.SoupCounts `json:"counts"`
}

// A soupServer serves a SoupPort, or a PitchPort, on a socket. Its port belongs to Run; each connection has a
// goroutine that reads and one that writes, and both ask Run for what they need.
type soupServer struct {
	venue    *Venue
	listener net.Listener
	port     *venue.SoupPort    // owned by Run; nil for a PitchPort
	pitch    *venue.PitchPort   // owned by Run; nil for a SoupPort
	seen     venue.LivePosition // when connections were told last; owned by Run

	turnedAway atomic.Uint64 // written by accept
	running    sync.WaitGroup

	mu     sync.Mutex
	conns  map[*soupConn]bool
	closed bool
}

// A portConn is a connection of a port: a venue.SoupConn or a venue.PitchConn.
type portConn interface {
	OnBytes(b []byte, now market.Nanos)
	Output(b []byte, now market.Nanos) (_ []byte, done bool)
	Due(now market.Nanos) market.Nanos
}

// connect begins a connection of the port. It is called by Run's goroutine.
func (s *soupServer) connect(now market.Nanos) portConn {
	if s.pitch != nil {
		return s.pitch.Connect(now)
	}
	return s.port.Connect(now)
}

// A soupConn is one connection of a soupServer.
type soupConn struct {
	soup *soupServer
	tcp  net.Conn
	conn portConn      // owned by Run
	news chan struct{} // has a value: there may be something to send
	gone chan struct{} // closed when the client has closed, and by read
}

const (
	soupConnsMax = 64
	soupWriteMax = 10 * time.Second // how long a client may refuse what is sent
	farewellMax  = time.Second      // how long the end of a connection may take
	farewellPoll = 10 * time.Millisecond
)

// listenSoup opens the socket, unless there is none to open.
func listenSoup(addr netip.AddrPort, v *Venue) (*soupServer, error) {
	if !addr.IsValid() {
		return nil, nil
	}
	listener, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	return &soupServer{venue: v, listener: listener, conns: make(map[*soupConn]bool)}, nil
}

// The methods of a soupServer that is not there do nothing.

func (s *soupServer) addr() netip.AddrPort {
	if s == nil {
		return netip.AddrPort{}
	}
	return s.listener.Addr().(*net.TCPAddr).AddrPort()
}

// serve accepts connections until the socket is closed.
func (s *soupServer) serve() error {
	for {
		tcp, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("venue: accept on %s: %w", s.listener.Addr(), err)
		}
		s.begin(tcp)
	}
}

// begin runs a connection, if there is room for it.
func (s *soupServer) begin(tcp net.Conn) {
	c := &soupConn{soup: s, tcp: tcp, news: make(chan struct{}, 1), gone: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= soupConnsMax {
		s.turnedAway.Add(1)
		tcp.Close()
		return
	}
	s.conns[c] = true
	s.running.Go(c.run)
}

// close closes the socket and all connections, and waits for them. Run no longer takes commands.
func (s *soupServer) close() {
	if s == nil {
		return
	}
	s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.tcp.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// open returns how many connections there are.
func (s *soupServer) open() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// tell lets connections look whether there is something to send.
func (s *soupServer) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.tell()
	}
}

// onTick is called by Run after each tick. Connections are told of new messages, of the end of the
// session, and of the next one.
func (s *soupServer) onTick(position venue.LivePosition, over bool) {
	if s == nil || position == s.seen && !over {
		return
	}
	s.seen = position
	s.tell()
}

func (c *soupConn) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// run serves a connection to its end.
func (c *soupConn) run() {
	var reading sync.WaitGroup
	defer func() {
		c.tcp.Close()
		reading.Wait()
		c.soup.mu.Lock()
		delete(c.soup.conns, c)
		c.soup.mu.Unlock()
	}()
	if c.soup.venue.Do(func(*venue.LiveFeed) { c.conn = c.soup.connect(clock.Now()) }) != nil {
		return
	}
	reading.Go(c.read)
	if c.write() {
		// What the client has sent meanwhile is read before the connection is closed: else the system would
		// reset it, and the client lose what it has not read yet.
		if half, ok := c.tcp.(*net.TCPConn); ok && half.CloseWrite() == nil {
			select {
			case <-c.gone:
			case <-time.After(farewellMax):
			}
		}
	}
}

// write sends what there is to send. It reports whether it has sent all of it.
func (c *soupConn) write() bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var out []byte
	for {
		var done bool
		var wait time.Duration
		if c.soup.venue.Do(func(*venue.LiveFeed) {
			now := clock.Now()
			out, done = c.conn.Output(out[:0], now)
			wait = untilDue(c.conn.Due(now), now)
		}) != nil {
			return false
		}
		if len(out) > 0 {
			_ = c.tcp.SetWriteDeadline(time.Now().Add(soupWriteMax))
			if _, err := c.tcp.Write(out); err != nil {
				return false
			}
		}
		if done {
			return true
		}
		if len(out) > 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-c.news:
		case <-timer.C:
		case <-c.gone:
			return false
		}
	}
}

// read takes what the client sends until it closes the connection.
func (c *soupConn) read() {
	defer close(c.gone)
	b := make([]byte, 512)
	for {
		n, err := c.tcp.Read(b)
		if n > 0 {
			if c.soup.venue.Do(func(*venue.LiveFeed) { c.conn.OnBytes(b[:n], clock.Now()) }) != nil {
				return
			}
			c.tell()
		}
		if err != nil {
			return
		}
	}
}

// SoupAddr returns where messages are served over TCP, and GlimpseAddr where snapshots are; the zero
// address if they are not.
func (v *Venue) SoupAddr() netip.AddrPort    { return v.soup.addr() }
func (v *Venue) GlimpseAddr() netip.AddrPort { return v.glimpse.addr() }

// SetSoup has change alter what is wrong with the messages over TCP, at once and on all connections,
// and returns what is so then. On an error of change, or for settings that make no sense, nothing is
// altered.
func (v *Venue) SetSoup(change func(*venue.SoupSettings) error) (SoupStatus, error) {
	return v.setSoup(v.soup, change)
}

// SetGlimpse does for snapshots what SetSoup does for messages.
func (v *Venue) SetGlimpse(change func(*venue.SoupSettings) error) (SoupStatus, error) {
	return v.setSoup(v.glimpse, change)
}

var errNoSoup = errors.New("venue: this is not served over TCP")

func (v *Venue) setSoup(s *soupServer, change func(*venue.SoupSettings) error) (status SoupStatus, err error) {
	if s == nil {
		return SoupStatus{}, errNoSoup
	}
	if ended := v.Do(func(*venue.LiveFeed) {
		settings := s.port.Settings()
		if err = change(&settings); err == nil && settings != s.port.Settings() {
			err = s.port.Set(settings)
			s.tell()
		}
		status = SoupStatus{
			Address: s.addr(), SoupSettings: s.port.Settings(), Open: s.open(),
			TurnedAway: s.turnedAway.Load(), Counts: s.port.Counts(),
		}
	}); ended != nil {
		return SoupStatus{}, ended
	}
	return status, err
}

// farewell lets connections hear the end of the last session. It reports whether there is nobody left
// to wait for, or no more time.
func (v *Venue) farewell(now market.Nanos) bool {
	if v.endedAt == 0 {
		v.endedAt = now
	}
	return v.soup.open()+v.glimpse.open() == 0 || now-v.endedAt >= market.Nanos(farewellMax)
}
