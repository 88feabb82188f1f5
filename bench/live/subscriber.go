//go:build linux

package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// subscriberConfig says how many connections a subscriber process has, and what it takes down.
type subscriberConfig struct {
	Server      string // "gateway", "relay" or "nats"
	Addr        string
	Load        load
	Connections int
	Stalled     int  // of them, that never read
	Spin        bool // instead of waiting in epoll
	TsOut       bool
	Page        string // "" unless the sender waits for the subscribers
}

// subscribers is the child that has the receiving ends of connections: one thread reads them all.
type subscribers struct {
	cfg     subscriberConfig
	clock   clock
	page    *page
	epoll   int
	conns   []*connection // those that read
	stalled []int         // descriptors of the others
	stop    atomic.Bool
	started bool
	ended   chan struct{}

	// Written by the reading thread.
	ready   atomic.Int64 // connections that the server has accepted as subscribers
	slowest atomic.Int64 // messages that every connection has
	problem atomic.Pointer[string]

	// asked is what is to be measured; written before the first message is sent.
	asked atomic.Pointer[measuring]

	// Owned by the reading thread while it runs.
	measure *measuring // asked, as of the last read
	end2end histogram
	lastLeg histogram // from ts_out
	first   int64
	last    int64
}

// measuring says from when on latencies count.
type measuring struct {
	Start      int64  // of the load, by the machine's monotonic clock
	From       int    // messages before are a warm-up
	Messages   int    // of the load
	WallOffset int64  // of the server's wall clock
	TimesFile  string // for ts_out of every message on the first connection; "" for none

	sent []int64 // what goes there
}

// A connection is one subscriber.
type connection struct {
	fd     int
	next   int // message that comes next
	carry  []byte
	stream protocol
	ready  bool
}

// A protocol takes what a server sends apart.
type protocol interface {
	// decode calls s.take for each message in b, and returns how many bytes it has used.
	decode(s *subscribers, c *connection, b []byte, at int64) (used int, err error)
}

func newSubscriber(c clock, args json.RawMessage) (role, error) {
	cfg, err := take[subscriberConfig](args)
	if err != nil {
		return nil, err
	}
	s := &subscribers{cfg: cfg, clock: c, ended: make(chan struct{}), end2end: newHistogram(), lastLeg: newHistogram()}
	if cfg.Page != "" {
		if s.page, err = openPage(cfg.Page); err != nil {
			return nil, err
		}
	}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	return s, nil
}

func (s *subscribers) do(what string, args json.RawMessage) (any, error) {
	switch what {
	case "connect":
		if err := s.connect(); err != nil {
			return nil, err
		}
		s.run()
		return nil, s.await("accepted subscriber", len(s.conns), &s.ready)
	case "measure": // before the first message
		m, err := take[measuring](args)
		if err != nil {
			return nil, err
		}
		m.sent = make([]int64, m.Messages)
		s.asked.Store(&m)
		return nil, nil
	case "wait":
		want, err := take[int](args)
		if err != nil {
			return nil, err
		}
		return nil, s.await("message", want, &s.slowest)
	case "finish":
		return s.finish()
	default:
		return nil, unknown(what)
	}
}

func (s *subscribers) connect() error {
	for i := range s.cfg.Connections {
		stalled := i >= s.cfg.Connections-s.cfg.Stalled
		c, err := dial(&s.cfg, stalled)
		if err != nil {
			return fmt.Errorf("subscriber %d: %w", i, err)
		}
		if stalled {
			s.stalled = append(s.stalled, c.fd)
			continue
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd), Pad: int32(len(s.conns))}
		if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			return fmt.Errorf("subscriber %d: watch: %w", i, err)
		}
		s.conns = append(s.conns, c)
	}
	return nil
}

// run starts the reading thread.
func (s *subscribers) run() {
	s.started = true
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		if err := s.read(); err != nil {
			text := err.Error()
			s.problem.Store(&text)
		}
	}()
}

// await waits until a count has come to a number.
func (s *subscribers) await(what string, want int, count *atomic.Int64) error {
	last, since := int64(-1), time.Now()
	for {
		if p := s.problem.Load(); p != nil {
			return errors.New(*p)
		}
		now := count.Load()
		if now >= int64(want) {
			return nil
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("%s %d of %d: nothing more came for %v", what, now, want, patience)
		}
		time.Sleep(time.Millisecond)
	}
}

const (
	readBytes  = 256 << 10
	eventsMax  = 256
	waitMillis = 50 // how often the thread looks whether it should end
)

// read reads all connections until stop. Every read has one time: that of its return.
func (s *subscribers) read() error {
	events := make([]unix.EpollEvent, eventsMax)
	b := make([]byte, readBytes)
	for _, c := range s.conns { // what came with the handshake
		if err := s.onBytes(c, append([]byte(nil), c.carry...), 0, s.clock.now()); err != nil {
			return err
		}
	}
	for !s.stop.Load() {
		wait := waitMillis
		if s.cfg.Spin {
			wait = 0
		}
		n, err := unix.EpollWait(s.epoll, events, wait)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for bytes: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			c := s.conns[e.Pad]
			held := copy(b, c.carry)
			n, err := unix.Read(c.fd, b[held:])
			at := s.clock.now()
			switch {
			case err == unix.EAGAIN || err == unix.EINTR:
				continue
			case err != nil:
				return fmt.Errorf("subscriber %d: read: %w", e.Pad, err)
			case n == 0:
				return fmt.Errorf("subscriber %d: closed by the server after message %d", e.Pad, c.next)
			}
			if err := s.onBytes(c, b, held+n, at); err != nil {
				return fmt.Errorf("subscriber %d: %w", e.Pad, err)
			}
		}
		if n > 0 {
			s.tell()
		}
	}
	return nil
}

// onBytes takes n bytes of b, or all if n is 0.
func (s *subscribers) onBytes(c *connection, b []byte, n int, at int64) error {
	if n > 0 {
		b = b[:n]
	}
	s.measure = s.asked.Load()
	used, err := c.stream.decode(s, c, b, at)
	c.carry = append(c.carry[:0], b[used:]...)
	if len(c.carry) > readBytes/2 {
		return errors.New("a message does not end")
	}
	return err
}

// tell says how far the slowest connection is.
func (s *subscribers) tell() {
	slowest := math.MaxInt
	for _, c := range s.conns {
		slowest = min(slowest, c.next)
	}
	if int64(slowest) == s.slowest.Load() {
		return
	}
	s.slowest.Store(int64(slowest))
	s.last = s.clock.now()
	if s.first == 0 {
		s.first = s.last
	}
	if s.page != nil {
		s.page.reached.Store(int64(slowest))
	}
}

// take takes message i. sent is its ts_out, 0 if there is none.
func (s *subscribers) take(c *connection, i int, at, sent int64) error {
	if i != c.next {
		return fmt.Errorf("message %d came where message %d was due", i, c.next)
	}
	c.next++
	m := s.measure
	if m == nil {
		return nil
	}
	if i >= m.From {
		s.end2end.record(at - m.Start - s.cfg.Load.planned(i))
	}
	if sent == 0 {
		return nil
	}
	sent -= m.WallOffset
	if i >= m.From {
		s.lastLeg.record(at - sent)
	}
	if c == s.conns[0] && i < len(m.sent) {
		m.sent[i] = sent
	}
	return nil
}

// accepted notes that the server knows a subscriber.
func (s *subscribers) accepted(c *connection) {
	if !c.ready {
		c.ready = true
		s.ready.Add(1)
	}
}

// A received is what subscribers tell at the end.
type received struct {
	Messages    int // that each has
	Connections int // that read
	First, Last int64
	EndToEnd    encoded // planned time to read
	LastLeg     encoded // ts_out to read
}

func (s *subscribers) finish() (any, error) {
	if err := s.halt(); err != nil {
		return nil, err
	}
	for i, c := range s.conns {
		if c.next != int(s.slowest.Load()) {
			return nil, fmt.Errorf("subscriber %d has %d messages, another %d", i, c.next, s.slowest.Load())
		}
	}
	r := received{Messages: int(s.slowest.Load()), Connections: len(s.conns), First: s.first, Last: s.last}
	var err, err2 error
	r.EndToEnd, err = s.end2end.encode()
	r.LastLeg, err2 = s.lastLeg.encode()
	if err = errors.Join(err, err2); err == nil && s.measure != nil && s.measure.TimesFile != "" {
		err = writeTimes(s.measure.TimesFile, s.measure.sent)
	}
	return r, err
}

// halt ends the reading thread.
func (s *subscribers) halt() error {
	if !s.started {
		return nil
	}
	s.stop.Store(true)
	<-s.ended
	if p := s.problem.Load(); p != nil {
		return errors.New(*p)
	}
	return nil
}

func (s *subscribers) close() error {
	s.stop.Store(true)
	if s.started {
		<-s.ended // its problem was told by wait and finish
	}
	return nil // the connections end with the process
}
