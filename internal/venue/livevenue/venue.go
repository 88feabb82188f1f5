package livevenue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/internal/clock"
	"tidegate/internal/venue"
	"tidegate/market"
)

// Config says what a Venue publishes, and where.
type Config struct {
	// Feed describes the market and its lines. A line's Group is where its datagrams go to, multicast
	// or unicast; its Source is filled in.
	Feed venue.LiveConfig
	// Interface is the name of the interface by which datagrams to groups leave. Empty for unicast.
	Interface string
	// Hops is how many routers datagrams to a group may pass, plus one. 0 keeps them on this machine.
	Hops int
	// Retransmit is where requests are taken, and Control where HTTP is served, which must be a loopback
	// address. With port 0 the system chooses one.
	Retransmit, Control netip.AddrPort
	// Soup is where the messages are served over TCP, by SoupBinTCP, and Glimpse where snapshots are, by
	// Nasdaq GLIMPSE 5.0. The zero address is for not at all; with port 0 the system chooses one.
	Soup, Glimpse netip.AddrPort
	// Gaps is where a venue of PITCH takes gap requests over TCP, and Spin where it serves images. Resent is
	// where messages go to that were requested, as datagrams, from where the lines' come. The zero address is for
	// not at all.
	Gaps, Spin, Resent netip.AddrPort
}

// DefaultConfig returns the default market on two lines of the loopback interface.
func DefaultConfig(seed uint64) Config {
	c := Config{
		Feed:       venue.DefaultLiveConfig(seed),
		Retransmit: netip.MustParseAddrPort("127.0.0.1:26402"),
		Control:    netip.MustParseAddrPort("127.0.0.1:26480"),
	}
	c.Feed.Feed.Lines[0].Group = netip.MustParseAddrPort("127.0.0.1:26400")
	c.Feed.Feed.Lines[1].Group = netip.MustParseAddrPort("127.0.0.1:26401")
	return c
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c Config) Validate() error {
	feed := c.Feed
	feed.Feed.Lines = slices.Clone(feed.Feed.Lines)
	for i := range feed.Feed.Lines {
		l := &feed.Feed.Lines[i]
		if l.Group.Addr().IsMulticast() != (c.Interface != "") {
			return fmt.Errorf("line %s: to %s on interface %q: want an interface for a multicast group, and none else", l.Name, l.Group, c.Interface)
		}
		l.Source = netip.AddrPortFrom(netip.IPv4Unspecified(), 0) // known when the line is open
		if l.Group.Addr().Is6() {
			l.Source = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if err := feed.Validate(); err != nil {
		return err
	}
	if c.Feed.Feed.Sender.Protocol == venue.PITCH {
		if c.Soup.IsValid() || c.Glimpse.IsValid() {
			return errors.New("messages and snapshots over TCP: want none of a venue that publishes PITCH, which has gap requests and spins")
		}
		if c.Gaps.IsValid() != c.Resent.IsValid() {
			return errors.New("gap requests: want an address for requests and one for what is sent again, or neither")
		}
	} else if c.Gaps.IsValid() || c.Spin.IsValid() || c.Resent.IsValid() {
		return errors.New("gap requests and spins: want none of a venue that publishes ITCH")
	}
	if !c.Control.Addr().IsLoopback() {
		return fmt.Errorf("control address %s: want one of the loopback interface: whoever reaches it controls the market", c.Control)
	}
	return nil
}

// A Venue is a simulated exchange with its sockets open.
type Venue struct {
	cfg        Config
	feed       *venue.LiveFeed // owned by Run
	lines      []datagrams     // owned by Run
	batches    [][][]byte      // by line; owned by Run
	retransmit *net.UDPConn
	control    *control
	soup       *soupServer // nil if not served
	glimpse    *soupServer // nil if not served
	gaps       *soupServer // nil if not served
	spin       *soupServer // nil if not served
	resent     []datagrams // one, if gaps are served; owned by Run
	commands   chan func()
	requests   chan request
	overflow   atomic.Uint64 // requests that found the queue full; written by receive
	unsent     uint64        // datagrams that the system refused
	endedAt    market.Nanos  // when the last session had ended, or 0; owned by Run
	ended      chan struct{} // closed when Run has ended
}

// A request is a datagram that came to the retransmit server.
type request struct {
	from netip.AddrPort
	n    int
	text [2 * moldudp64.RequestLen]byte // a longer datagram is cut, and still too long
}

const (
	requestsQueued = 256
	lineBatch      = 64 // datagrams of one send
)

// Open opens all sockets. Nothing is sent before Run.
func Open(cfg Config) (*Venue, error) {
	v := &Venue{
		cfg: cfg, commands: make(chan func()), requests: make(chan request, requestsQueued),
		ended: make(chan struct{}),
	}
	v.cfg.Feed.Feed.Lines = slices.Clone(cfg.Feed.Feed.Lines)
	if err := v.open(); err != nil {
		v.close()
		return nil, fmt.Errorf("venue: %w", err)
	}
	return v, nil
}

func (v *Venue) open() (err error) {
	if err := v.cfg.Validate(); err != nil {
		return err
	}
	lines := v.cfg.Feed.Feed.Lines
	for i := range lines {
		l := &lines[i]
		d, err := openLine(l.Group, v.cfg.Interface, v.cfg.Hops)
		if err != nil {
			return fmt.Errorf("line %s: %w", l.Name, err)
		}
		v.lines, v.batches = append(v.lines, d), append(v.batches, nil)
		l.Source = d.Local()
	}
	if v.retransmit, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(v.cfg.Retransmit)); err != nil {
		return fmt.Errorf("retransmit server: %w", err)
	}
	if v.control, err = listenControl(v.cfg.Control, v); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if v.soup, err = listenSoup(v.cfg.Soup, v); err != nil {
		return fmt.Errorf("messages over TCP: %w", err)
	}
	if v.glimpse, err = listenSoup(v.cfg.Glimpse, v); err != nil {
		return fmt.Errorf("snapshots over TCP: %w", err)
	}
	if v.gaps, err = listenSoup(v.cfg.Gaps, v); err != nil {
		return fmt.Errorf("gap requests: %w", err)
	}
	if v.spin, err = listenSoup(v.cfg.Spin, v); err != nil {
		return fmt.Errorf("spins: %w", err)
	}
	if v.gaps == nil {
		return nil
	}
	resent, err := openLine(v.cfg.Resent, v.cfg.Interface, v.cfg.Hops)
	if err != nil {
		return fmt.Errorf("what is sent again: %w", err)
	}
	v.resent = append(v.resent, resent)
	return nil
}

// close closes what is open.
func (v *Venue) close() {
	for _, l := range v.lines {
		l.Close()
	}
	if v.retransmit != nil {
		v.retransmit.Close()
	}
	if v.control != nil {
		v.control.close()
	}
	for _, s := range []*soupServer{v.soup, v.glimpse, v.gaps, v.spin} {
		s.close()
	}
	for _, l := range v.resent {
		l.Close()
	}
}

// RetransmitAddr returns where requests are taken.
func (v *Venue) RetransmitAddr() netip.AddrPort {
	return v.retransmit.LocalAddr().(*net.UDPAddr).AddrPort()
}

// ControlURL returns the address of the control endpoint, without a path.
func (v *Venue) ControlURL() string { return "http://" + v.control.addr().String() }

// Run publishes until ctx ends, and then until trading has closed and the session has ended; or until
// the last session has ended by itself. It closes all sockets and returns the truth at the end. It is
// called once.
func (v *Venue) Run(ctx context.Context) (truth Truth, err error) {
	var others sync.WaitGroup
	failed := make(chan error, 6)
	others.Go(func() { failed <- v.receive() })
	others.Go(func() { failed <- v.control.serve() })
	defer func() {
		close(v.ended) // lets go of whoever waits for a command to be taken
		v.close()
		others.Wait()
	}()
	if v.feed, err = venue.NewLiveFeed(v.cfg.Feed, clock.Now()); err != nil {
		return Truth{}, err
	}
	if v.soup != nil {
		v.soup.port = v.feed.ServeMessages()
		others.Go(func() { failed <- v.soup.serve() })
	}
	if v.glimpse != nil {
		v.glimpse.port = v.feed.ServeSnapshots()
		others.Go(func() { failed <- v.glimpse.serve() })
	}
	if v.gaps != nil {
		v.gaps.pitch = v.feed.ServeGaps()
		others.Go(func() { failed <- v.gaps.serve() })
	}
	if v.spin != nil {
		v.spin.pitch = v.feed.ServeSpins()
		others.Go(func() { failed <- v.spin.serve() })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		v.feed.OnTick(clock.Now())
		v.deliver()
		ended := v.feed.Ended()
		v.soup.onTick(v.feed.Position(), ended || v.feed.Over())
		now := clock.Now()
		wait := untilDue(v.feed.Due(), now)
		if ended {
			if v.farewell(now) {
				return v.truth(), nil
			}
			wait = farewellPoll
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case command := <-v.commands:
			command()
		case r := <-v.requests:
			v.answer(r)
		case <-done:
			done = nil
			v.feed.Close()
		case err := <-failed:
			return v.truth(), err
		}
	}
}

// untilDue returns how long to sleep.
func untilDue(due, now market.Nanos) time.Duration {
	if due == math.MaxInt64 {
		return time.Hour // nothing is due: a command will come
	}
	return time.Duration(max(due-now, 0))
}

// deliver sends what has arrived at the ends of the lines.
func (v *Venue) deliver() {
	more := true
	for more {
		var d venue.Datagram
		for n := 0; n < lineBatch; n++ {
			if d, more = v.feed.Next(); !more {
				break
			}
			v.batches[d.Line] = append(v.batches[d.Line], d.Payload)
		}
		for i, batch := range v.batches {
			if len(batch) == 0 {
				continue
			}
			if sent, err := v.lines[i].Send(batch...); err != nil {
				// A network that is down for a while is a loss like any other, but one that is told.
				v.unsent += uint64(len(batch) - sent)
			}
			clear(batch)
			v.batches[i] = batch[:0]
		}
	}
	for p, ok := v.feed.NextResent(); ok; p, ok = v.feed.NextResent() {
		if _, err := v.resent[0].Send(p); err != nil {
			v.unsent++
		}
	}
}

// receive takes requests until the socket is closed. It never waits for the loop: a flood is dropped
// here, and counted.
func (v *Venue) receive() error {
	for {
		var r request
		var err error
		if r.n, r.from, err = v.retransmit.ReadFromUDPAddrPort(r.text[:]); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("venue: retransmit server: %w", err)
		}
		select {
		case v.requests <- r:
		default:
			v.overflow.Add(1)
		}
	}
}

// answer answers one request, unless it is refused.
func (v *Venue) answer(r request) {
	packet := v.feed.OnRequest(r.text[:r.n])
	if packet == nil {
		return
	}
	if _, err := v.retransmit.WriteToUDPAddrPort(packet, r.from); err != nil {
		v.unsent++
	}
}

// ErrEnded is returned for a command to a venue that has ended.
var ErrEnded = errors.New("venue: has ended")

// Do has Run call a function with the feed, and waits for it. The function must neither wait nor keep
// the feed. It returns ErrEnded if Run has ended, and waits for Run to begin.
func (v *Venue) Do(command func(*venue.LiveFeed)) error {
	done := make(chan struct{})
	select {
	case v.commands <- func() { defer close(done); command(v.feed) }:
		<-done
		return nil
	case <-v.ended:
		return ErrEnded
	}
}
