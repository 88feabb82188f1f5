package marketdata

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/codec/soupbintcp"
	"tidegate/internal/clock"
	"tidegate/internal/vfs"
)

// Config says where messages are kept and where they go.
type Config struct {
	Dir string // of the file
	FS  vfs.FS // nil: vfs.Disk
	// Session is the name of the session, at most 10 letters and digits.
	Session string

	// Lines are the destinations of MoldUDP64: two are an A and a B line. From is the address that they
	// are sent from; its zero value leaves it to the system.
	Lines []netip.AddrPort
	From  netip.Addr
	// Retransmit is where requests for what was lost are answered; the zero value is nowhere.
	Retransmit netip.AddrPort
	// PacketMax is the longest packet in bytes. 0: 1,472.
	PacketMax int

	// Soup is where SoupBinTCP is served; the zero value is nowhere.
	Soup netip.AddrPort
	// Users are who may log in, and their passwords. Empty: anybody.
	Users map[string]string
	// ConnectionsMax is how many connections there may be. 0: 64.
	ConnectionsMax int

	// Notify, if set, gets what an operator should know.
	Notify func(text string)
}

// A Publisher sends messages. Message belongs to one goroutine; the other methods may be called by any.
type Publisher struct {
	cfg     Config
	store   *store
	mold    moldudp64.Session
	soup    soupbintcp.Session
	failed  atomic.Bool
	running sync.WaitGroup
	stop    chan struct{}
	stopped atomic.Bool

	lines      []*net.UDPConn
	retransmit *net.UDPConn
	listener   net.Listener
	mu         sync.Mutex
	conns      map[net.Conn]bool
	turnedAway atomic.Uint64
}

// New opens the sockets and the file. Nothing is sent before Serve.
func New(cfg Config) (p *Publisher, err error) {
	if cfg.FS == nil {
		cfg.FS = vfs.Disk{}
	}
	if cfg.PacketMax == 0 {
		cfg.PacketMax = 1472
	}
	if cfg.ConnectionsMax == 0 {
		cfg.ConnectionsMax = 64
	}
	if cfg.PacketMax < 100 || cfg.PacketMax > 65_000 {
		return nil, fmt.Errorf("market data: packets of %d bytes: want 100 to 65000", cfg.PacketMax)
	}
	p = &Publisher{cfg: cfg, stop: make(chan struct{}), conns: map[net.Conn]bool{}}
	if p.mold, err = moldudp64.ParseSession(cfg.Session); err == nil {
		p.soup, err = soupbintcp.ParseSession(cfg.Session)
	}
	if err != nil {
		return nil, fmt.Errorf("market data: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.closeAll())
		}
	}()
	var from *net.UDPAddr
	if cfg.From.IsValid() {
		from = &net.UDPAddr{IP: cfg.From.AsSlice()}
	}
	for _, to := range cfg.Lines {
		c, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return nil, fmt.Errorf("market data: line to %s: %w", to, err)
		}
		p.lines = append(p.lines, c)
	}
	if cfg.Retransmit.IsValid() {
		if p.retransmit, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.Retransmit)); err != nil {
			return nil, fmt.Errorf("market data: retransmission: %w", err)
		}
	}
	if cfg.Soup.IsValid() {
		if p.listener, err = net.Listen("tcp", cfg.Soup.String()); err != nil {
			return nil, fmt.Errorf("market data: %w", err)
		}
	}
	p.store, err = openStore(cfg.FS, cfg.Dir)
	return p, err
}

// SoupAddr returns where SoupBinTCP is served, RetransmitAddr where requests are answered.
func (p *Publisher) SoupAddr() netip.AddrPort {
	return p.listener.Addr().(*net.TCPAddr).AddrPort()
}

// RetransmitAddr returns where requests for what was lost are answered.
func (p *Publisher) RetransmitAddr() netip.AddrPort {
	return p.retransmit.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Message takes the next message; see orders.Config.MarketData. When the file cannot be written, that is said
// once, and nothing more goes out: what is sent has to be kept.
func (p *Publisher) Message(number uint64, message []byte) {
	if p.failed.Load() {
		return
	}
	if err := p.store.append(number, message); err != nil {
		p.failed.Store(true)
		p.notify(err.Error())
	}
}

// Sync returns when all messages so far are on the disk; see orders.Config.MarketDataSync.
func (p *Publisher) Sync() error {
	if p.failed.Load() {
		return errors.New("market data: messages could not be written")
	}
	return p.store.sync()
}

func (p *Publisher) notify(text string) {
	if p.cfg.Notify != nil {
		p.cfg.Notify(text)
	}
}

// Serve begins to send and to serve. count is how many messages the gate has made so far, see
// orders.Gate.Messages: the lines go on behind them.
func (p *Publisher) Serve(count uint64) error {
	if err := p.store.serve(count); err != nil {
		return err
	}
	if len(p.lines) > 0 {
		p.running.Go(func() { p.send(count + 1) })
	}
	if p.retransmit != nil {
		p.running.Go(p.answer)
	}
	if p.listener != nil {
		p.running.Go(p.accept)
	}
	return nil
}

// Close ends the session's sockets. The session itself goes on with the next Serve.
func (p *Publisher) Close() error {
	if p.stopped.Swap(true) {
		return nil
	}
	close(p.stop)
	err := p.closeAll()
	p.running.Wait()
	if !p.failed.Load() {
		err = errors.Join(err, p.store.sync())
	}
	return errors.Join(err, p.store.file.Close())
}

func (p *Publisher) closeAll() (err error) {
	for _, l := range p.lines {
		err = errors.Join(err, l.Close())
	}
	if p.retransmit != nil {
		err = errors.Join(err, p.retransmit.Close())
	}
	if p.listener != nil {
		err = errors.Join(err, p.listener.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	return err
}

// heartbeatEvery is how long lines are silent at most, as MoldUDP64 says.
const heartbeatEvery = time.Second

// send sends messages from a number on to the lines. What a receiver does not get, it asks for again.
func (p *Publisher) send(next uint64) {
	timer := time.NewTimer(heartbeatEvery)
	defer timer.Stop()
	batch := make([]record, 64)
	var b moldudp64.Builder
	b.Reset(p.mold, next, p.cfg.PacketMax)
	flush := func() {
		for _, l := range p.lines {
			_, _ = l.Write(b.Bytes()) // nobody listens, or the kernel is full: both are a line's life
		}
		next += uint64(b.Count())
		b.Reset(p.mold, next, p.cfg.PacketMax)
	}
	for {
		n, more, err := p.store.read(next, batch)
		if err != nil {
			p.notify(err.Error())
			return
		}
		for i := range batch[:n] {
			if !b.Append(batch[i].message()) {
				flush()
				b.Append(batch[i].message())
			}
		}
		if b.Count() > 0 {
			flush()
		}
		if n > 0 {
			continue
		}
		timer.Reset(heartbeatEvery)
		select {
		case <-more:
		case <-timer.C:
			flush()
		case <-p.stop:
			return
		}
	}
}

// answer answers requests for what was lost: each with one packet, as many messages as fit.
func (p *Publisher) answer() {
	in := make([]byte, 2048)
	batch := make([]record, 64)
	var b moldudp64.Builder
	for {
		n, from, err := p.retransmit.ReadFromUDPAddrPort(in)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an answer that could not be delivered comes back as an error
		}
		r, err := moldudp64.ParseRequest(in[:n])
		if err != nil || r.Session != p.mold || r.Seq == 0 {
			continue
		}
		got, _, err := p.store.read(r.Seq, batch[:min(len(batch), int(r.Count))])
		if err != nil || got == 0 {
			continue
		}
		b.Reset(p.mold, r.Seq, p.cfg.PacketMax)
		for i := range batch[:got] {
			if !b.Append(batch[i].message()) {
				break
			}
		}
		_, _ = p.retransmit.WriteToUDPAddrPort(b.Bytes(), from)
	}
}

func (p *Publisher) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: try again
			continue
		}
		p.mu.Lock()
		if len(p.conns) >= p.cfg.ConnectionsMax || p.stopped.Load() {
			p.mu.Unlock()
			p.turnedAway.Add(1)
			_ = c.Close()
			continue
		}
		p.conns[c] = true
		p.running.Go(func() { p.serve(c) })
		p.mu.Unlock()
	}
}

// A connection is a SoupBinTCP session with one client. The goroutine that reads and the one that writes share
// its server.
type connection struct {
	p    *Publisher
	tcp  net.Conn
	mu   sync.Mutex
	soup *soupbintcp.Server
	read chan struct{} // has a value: something was read
}

const (
	writeMax  = 10 * time.Second // how long a client may refuse what is sent
	outputMax = 64 << 10         // bytes prepared at a time
)

func (p *Publisher) serve(tcp net.Conn) {
	c := &connection{p: p, tcp: tcp, read: make(chan struct{}, 1)}
	cfg := soupbintcp.DefaultServerConfig()
	cfg.PayloadMax = 1024
	c.soup = soupbintcp.NewServer(cfg, c.login)
	c.soup.Connect(clock.Now())
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		c.receive()
	})
	c.transmit(ctx)
	_ = tcp.Close()
	reading.Wait()
	p.mu.Lock()
	delete(p.conns, tcp)
	p.mu.Unlock()
}

func (c *connection) login(l *soupbintcp.Login) (soupbintcp.Offer, error) {
	if len(c.p.cfg.Users) > 0 {
		if password, ok := c.p.cfg.Users[l.Username]; !ok || password != l.Password {
			return soupbintcp.Offer{}, soupbintcp.ErrNotAuthorized
		}
	}
	return soupbintcp.Offer{Session: c.p.soup, First: 1, Next: c.p.store.next()}, nil
}

// receive gives the server what comes, until nothing does.
func (c *connection) receive() {
	b := make([]byte, 4096)
	for {
		n, err := c.tcp.Read(b)
		if err != nil {
			return
		}
		c.mu.Lock()
		for in := b[:n]; len(in) > 0 && c.soup.Err() == nil; {
			k := copy(c.soup.Room(), in)
			in = in[k:]
			c.soup.Read(k, clock.Now())
			for _, ok := c.soup.Poll(); ok; _, ok = c.soup.Poll() {
			}
		}
		c.mu.Unlock()
		select {
		case c.read <- struct{}{}:
		default:
		}
	}
}

// transmit sends what there is, until the connection is of no further use.
func (c *connection) transmit(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	batch := make([]record, 256)
	var out []byte
	for {
		c.mu.Lock()
		now := clock.Now()
		var more <-chan struct{}
		for c.soup.Online() && len(c.soup.Output()) < outputMax {
			n, wait, err := c.p.store.read(c.soup.NextSeq(), batch)
			if err != nil {
				c.p.notify(err.Error())
				c.mu.Unlock()
				return
			}
			for i := range batch[:n] {
				c.soup.Send(batch[i].message(), now)
			}
			if more = wait; n == 0 {
				break
			}
		}
		c.soup.OnTick(now)
		out = append(out[:0], c.soup.Output()...)
		c.soup.Sent(len(out))
		over := c.soup.Err() != nil || c.soup.Over()
		due := time.Duration(c.soup.Due() - now)
		c.mu.Unlock()
		if len(out) > 0 {
			_ = c.tcp.SetWriteDeadline(time.Now().Add(writeMax))
			if _, err := c.tcp.Write(out); err != nil {
				return
			}
		}
		if over {
			return
		}
		if len(out) >= outputMax {
			continue
		}
		timer.Reset(max(due, time.Millisecond))
		select {
		case <-more:
		case <-c.read:
		case <-timer.C:
		case <-ctx.Done():
			return
		case <-c.p.stop:
			c.mu.Lock()
			c.soup.EndSession(clock.Now())
			out = append(out[:0], c.soup.Output()...)
			c.mu.Unlock()
			_ = c.tcp.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = c.tcp.Write(out)
			return
		}
	}
}
