//go:build linux

package lines

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// ErrStopped is returned for a command to a loop that does not run any more.
var ErrStopped = errors.New("the loop has stopped")

// Loop reads the lines of its feeds and drives their pipelines. Its state is owned by the goroutine
// that calls Run; other goroutines may call Do, Call and Addrs.
type Loop struct {
	cfg    Config
	tick   market.Nanos
	feeds  []feed
	lines  []line // of all feeds
	poller *netloop.Poller
	clock  clock
	last   market.Nanos // time of the last datagram or tick
	ticked market.Nanos // time of the last tick of all feeds
	told   bool         // Publish was called since the last Wake
	polls  uint64
	counts counts

	stopping atomic.Bool // written when Run's context ends
	asked    atomic.Bool // commands wait; written by whoever gives one
	done     chan struct{}

	mu       sync.Mutex // guards the fields below
	commands []func()
	ended    bool // no more commands, and the poller may be gone
	closed   bool
}

// feed is a channel as the loop reads it.
type feed struct {
	name     string
	pipeline *gateway.Pipeline
}

// line is one socket, and what was read from it.
type line struct {
	id     arbiter.LineID
	feed   *feed
	socket *netloop.Socket
	addr   netip.AddrPort
	batch  *netloop.Batch
	next   int // datagram of the batch that is next
	stats  LineStats

	retransmit *retransmit // of a line R that answers come by, else nil
}

// pollMax is how many datagrams are handled between looks at commands and sleeping readers: under a
// flood, they wait for about a quarter of a millisecond.
const pollMax = 256

// New opens the sockets, so that all that can be wrong with the configuration is found before
// anything runs. From then on the kernel keeps datagrams for Run. Close must be called at the end.
func New(c Config) (*Loop, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("lines: %w", err)
	}
	l := &Loop{cfg: c, done: make(chan struct{})}
	if err := l.open(); err != nil {
		l.Close()
		return nil, fmt.Errorf("lines: %w", err)
	}
	return l, nil
}

func (l *Loop) open() (err error) {
	if l.cfg.Tick == 0 {
		l.cfg.Tick = time.Millisecond
	}
	if l.cfg.DatagramBytes == 0 {
		l.cfg.DatagramBytes = netloop.DatagramBytes
	}
	l.tick = market.Nanos(l.cfg.Tick)
	if l.poller, err = netloop.NewPoller(l.cfg.Idle, l.cfg.Tick); err != nil {
		return err
	}
	l.feeds = make([]feed, len(l.cfg.Feeds))
	for i := range l.cfg.Feeds {
		from := &l.cfg.Feeds[i]
		f := &l.feeds[i]
		*f = feed{name: from.Name, pipeline: from.Pipeline}
		for _, line := range from.Lines {
			if err := l.listen(f, line, nil); err != nil {
				return fmt.Errorf("feed %q: line %s: %w", f.name, line.ID, err)
			}
		}
	}
	for i := range l.cfg.Feeds {
		f := &l.feeds[i]
		if err := l.openRetransmit(f, &l.cfg.Feeds[i].Retransmit); err != nil {
			return fmt.Errorf("feed %q: retransmission: %w", f.name, err)
		}
	}
	l.clock.start()
	l.last = market.UndefTime
	return nil
}

// listen opens a line. r is nil unless it is one that answers come by.
func (l *Loop) listen(f *feed, from Line, r *retransmit) error {
	socket, err := netloop.Listen(from.Socket)
	if err != nil {
		return err
	}
	s := LineStats{
		Feed: f.name, Line: from.ID, Addr: socket.Addr(), LastStamp: market.UndefTime,
		Warning: socket.Warning(),
	}
	s.ReceiveBufferAsked, s.ReceiveBuffer = socket.ReceiveBuffer()
	batch := netloop.NewBatch(netloop.BatchDatagrams, l.cfg.DatagramBytes)
	if r != nil {
		r.socket = socket
	} else if !l.cfg.Sources {
		batch.OmitSources()
	}
	l.lines = append(l.lines, line{
		id: from.ID, feed: f, socket: socket, addr: socket.Addr(), batch: batch, stats: s, retransmit: r,
	})
	return l.poller.Add(socket)
}

// Addrs returns the address of each line, in the order of the configuration, then those that answers to
// requests come to: the ports are those that the kernel chose where the configuration has none.
func (l *Loop) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(l.lines))
	for i := range l.lines {
		addrs[i] = l.lines[i].addr
	}
	return addrs
}

// Run reads and publishes until ctx ends, then flushes the pipelines and returns nil. It locks its
// goroutine to a thread meanwhile. It can be called once.
func (l *Loop) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer context.AfterFunc(ctx, func() {
		l.stopping.Store(true)
		l.wake()
	})()
	var err error
	for err == nil && !l.stopping.Load() {
		err = l.turn()
	}
	l.end()
	if err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	return nil
}

// turn is one round of the loop: commands, sockets, time, rest.
func (l *Loop) turn() error {
	if l.asked.Load() {
		l.obey()
	}
	now := l.clock.now() // before the poll: what comes after an empty one is not older
	busy := l.poll(now)
	if !busy {
		l.pass(max(now, l.last))
	} else {
		// Datagrams older than the clock's time may wait in the sockets: it cannot be passed on yet.
		l.pass(l.last)
	}
	if l.told {
		l.told = false
		if l.cfg.Wake != nil {
			l.cfg.Wake()
		}
	}
	return l.poller.Idle(now, busy)
}

// poll reads every socket and handles what was received by now, oldest first, up to pollMax datagrams.
// It reports whether there was anything.
//
// The order matters when the loop is behind: lines that are read one after the other would drift apart
// in time, and a gap would be given up while what fills it waits on the other line, unread. That is why
// datagrams received since now are left for the next poll: lines that were read before may have older
// ones.
func (l *Loop) poll(now market.Nanos) (busy bool) {
	l.polls++
	for i := range l.lines {
		if line := &l.lines[i]; line.next == line.batch.Len() {
			l.read(line)
		}
	}
	for range pollMax {
		line := l.oldest()
		if line == nil {
			return busy
		}
		busy = true
		if line.batch.Stamp(line.next) > now {
			return busy
		}
		l.onDatagram(line, line.next)
		if line.next++; line.next == line.batch.Len() && line.batch.Full() {
			l.read(line) // there may be more, older than what the other lines have
		}
	}
	return true
}

// read takes a batch from a socket.
func (l *Loop) read(line *line) {
	line.next = 0
	n, err := line.socket.Receive(line.batch)
	if err != nil {
		line.stats.fail(err)
	}
	if n > 0 {
		l.counts.batch(n)
		line.stats.KernelDrops += uint64(line.batch.Dropped())
	}
}

// oldest returns the line whose next datagram was received first, nil if no line has one.
func (l *Loop) oldest() (oldest *line) {
	var at market.Nanos
	for i := range l.lines {
		line := &l.lines[i]
		if line.next == line.batch.Len() {
			continue
		}
		if stamp := line.batch.Stamp(line.next); oldest == nil || stamp < at {
			oldest, at = line, stamp
		}
	}
	return oldest
}

// onDatagram handles datagram k of a line's batch.
func (l *Loop) onDatagram(line *line, k int) {
	if line.retransmit != nil && !line.retransmit.knows(line.batch.Source(k)) {
		return
	}
	payload := line.batch.Payload(k)
	l.last = max(l.last, line.batch.Stamp(k)) // UndefTime is below every time
	if l.last == market.UndefTime {
		l.last = l.clock.now() // the first datagram of all, without the kernel's time
	}
	s := &line.stats
	s.Packets++
	s.Bytes += uint64(len(payload))
	s.LastStamp = l.last
	if line.batch.Truncated(k) {
		s.Truncated++
	}
	if l.cfg.Tap != nil {
		l.cfg.Tap(line.addr, line.batch.Source(k), l.last, payload)
	}
	p := line.feed.pipeline
	p.OnTick(l.last)
	p.OnDatagram(line.id, l.last, payload)
	l.publish()
}

// pass gives all pipelines a tick, if it is time for one.
func (l *Loop) pass(now market.Nanos) {
	if now-l.ticked < l.tick {
		return
	}
	l.last, l.ticked = now, now
	for i := range l.feeds {
		l.feeds[i].pipeline.OnTick(now)
	}
	if l.cfg.OnTick != nil {
		l.cfg.OnTick(now)
	}
	l.publish()
}

func (l *Loop) publish() {
	l.told = true
	if l.cfg.Publish != nil {
		l.cfg.Publish()
	}
}

// end flushes what the pipelines hold, and refuses commands from now on.
func (l *Loop) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.obey()
	for i := range l.feeds {
		l.feeds[i].pipeline.Flush()
	}
	l.publish()
	if l.cfg.Wake != nil {
		l.cfg.Wake()
	}
	close(l.done)
}
