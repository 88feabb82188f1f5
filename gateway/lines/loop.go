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

	"tidegate/gateway"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// ErrStopped is returned for a command to a loop that does not run any more.
var ErrStopped = errors.New("the loop has stopped")

// Loop reads the lines of its feeds and drives their pipelines. Its state is owned by the goroutine
// that calls Run, but for in, which a split loop leaves to another; other goroutines may call Do, Call
// and Addrs.
type Loop struct {
	cfg   Config
	feeds []feed
	lines []line // of all feeds
	in    receiver
	last  market.Nanos // time of the last datagram or tick
	told  bool         // Publish was called since the last Wake

	// Of a split loop; else nil.
	queue *queue
	bell  *netloop.Poller // where this thread rests
	idle  clock

	commanded uint64
	stopping  atomic.Bool // written when Run's context ends
	asked     atomic.Bool // commands wait; written by whoever gives one
	done      chan struct{}

	mu       sync.Mutex // guards the fields below
	commands []func()
	ended    bool // no more commands, and the pollers may be gone
	closed   bool
}

// feed is a channel as the loop reads it.
type feed struct {
	name     string
	pipeline *gateway.Pipeline
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
	l.cfg.setDefaults()
	if l.in.poller, err = netloop.NewPoller(l.cfg.Idle, l.cfg.Tick); err != nil {
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
	l.last = market.UndefTime
	l.in.begin(l.lines, l.cfg.Tick, l)
	if !l.cfg.Split {
		return nil
	}
	if l.bell, err = netloop.NewPoller(l.cfg.Idle, time.Second); err != nil {
		return err
	}
	l.idle.start()
	l.queue = newQueue(len(l.lines)*l.cfg.slots, l.bell.Wake)
	l.in.to = l.queue
	return nil
}

// listen opens a line. r is nil unless it is one that answers come by to requests that leave by it.
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
	batch := netloop.NewBatch(l.cfg.slots, l.cfg.DatagramBytes)
	if r != nil {
		r.socket = socket
	} else if !l.cfg.Sources {
		batch.OmitSources()
	}
	l.lines = append(l.lines, line{
		number: len(l.lines), id: from.ID, feed: f, socket: socket, addr: socket.Addr(), stats: s,
		batch: batch, slots: uint64(l.cfg.slots), split: l.cfg.Split, retransmit: r,
	})
	return l.in.poller.Add(socket)
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
	defer context.AfterFunc(ctx, l.stop)()
	err := l.cfg.begin(Books)
	if err == nil && l.queue != nil {
		err = l.runSplit()
	} else {
		for err == nil && !l.stopping.Load() {
			err = l.turn()
		}
	}
	l.end()
	if err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	return nil
}

// turn is one round of a loop that is not split: commands, sockets, time, rest.
func (l *Loop) turn() error {
	if l.asked.Load() {
		l.obey()
	}
	now, busy := l.in.look()
	l.wakeReaders()
	return l.in.poller.Idle(now, busy)
}

// onDatagram handles the datagram in a slot of a line's batch. It was received at a time that does not
// go back.
func (l *Loop) onDatagram(line *line, slot int, at market.Nanos) {
	if line.retransmit != nil && !line.retransmit.knows(line.batch.Source(slot)) {
		return
	}
	payload := line.batch.Payload(slot)
	l.last = at
	s := &line.stats
	s.Packets++
	s.Bytes += uint64(len(payload))
	s.LastStamp = at
	if line.batch.Truncated(slot) {
		s.Truncated++
	}
	if l.cfg.Tap != nil {
		l.cfg.Tap(line.addr, line.batch.Source(slot), at, payload)
	}
	p := line.feed.pipeline
	p.OnTick(at)
	p.OnDatagram(line.id, at, payload)
	l.publish()
}

// onTick gives all pipelines a tick.
func (l *Loop) onTick(now market.Nanos) {
	l.last = now
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

// wakeReaders ends a round that published something.
func (l *Loop) wakeReaders() {
	if !l.told {
		return
	}
	l.told = false
	if l.cfg.Wake != nil {
		l.cfg.Wake()
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
	l.wakeReaders()
	close(l.done)
}
