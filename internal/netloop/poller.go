//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/market"
)

// Idle is what a loop does while nothing comes.
type Idle uint8

// Ways to be idle. What they cost is latency, or a core.
const (
	// Backoff looks again and again for 50 µs, then parks. It answers a burst like Spin, and silence
	// costs nothing.
	Backoff Idle = iota
	// Park waits in the kernel at once: a wake-up takes 5 to 20 µs, and the core is free meanwhile.
	Park
	// Spin never waits: the least latency, for a core of its own.
	Spin
)

// spinMax is how long Backoff looks again before it parks: longer than a wake-up takes.
const spinMax = 50 * market.Microsecond

var idleNames = [...]string{"backoff", "park", "spin"}

// String returns the name used in configurations.
func (i Idle) String() string {
	if int(i) < len(idleNames) {
		return idleNames[i]
	}
	return "idle?"
}

// MarshalText returns the name used in configurations.
func (i Idle) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads the name used in configurations.
func (i *Idle) UnmarshalText(text []byte) error {
	for n, name := range idleNames {
		if string(text) == name {
			*i = Idle(n)
			return nil
		}
	}
	return fmt.Errorf("idle strategy %q: want backoff, park or spin", text)
}

// A Poller is where a loop spends the time in which no socket has anything. It belongs to one loop;
// only Wake may be called by others.
type Poller struct {
	idle       Idle
	epoll      int
	wake       int // eventfd
	timer      int // timerfd; -1 for a loop that never parks
	quietSince market.Nanos
	quiet      bool // since then, nothing came
	events     [16]unix.EpollEvent
	count      [8]byte
	spins      uint64
	parks      uint64
}

// NewPoller returns a poller whose waits end at least every tick, so that its loop can see the time.
func NewPoller(idle Idle, tick time.Duration) (*Poller, error) {
	if idle > Spin {
		return nil, fmt.Errorf("poller: idle strategy %d: want backoff, park or spin", idle)
	}
	if tick < 10*time.Microsecond || tick > time.Second {
		return nil, fmt.Errorf("poller: tick %s: want 10 µs to 1 s", tick)
	}
	p := &Poller{idle: idle, epoll: -1, wake: -1, timer: -1}
	if err := p.open(tick); err != nil {
		p.Close()
		return nil, fmt.Errorf("poller: %w", err)
	}
	return p, nil
}

func (p *Poller) open(tick time.Duration) (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("open epoll: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("open eventfd: %w", err)
	}
	if err = p.watch(p.wake); err != nil || p.idle == Spin {
		return err
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("open timerfd: %w", err)
	}
	every := unix.NsecToTimespec(int64(tick))
	if err = unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return fmt.Errorf("set timerfd: %w", err)
	}
	return p.watch(p.timer)
}

func (p *Poller) watch(fd int) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("watch descriptor %d: %w", fd, err)
	}
	return nil
}

// Add makes datagrams of s end a wait.
func (p *Poller) Add(s *Socket) error {
	if err := p.watch(s.fd); err != nil {
		return fmt.Errorf("poller: %s: %w", s.addr, err)
	}
	return nil
}

// Idle is called after each look at all sockets. busy says whether anything was there, now is a time
// of any clock that does not go back. Idle returns at once, or waits until there is a datagram, a
// Wake or a tick, as the idle strategy has it.
func (p *Poller) Idle(now market.Nanos, busy bool) error {
	if !p.Tired(now, busy) {
		return nil
	}
	return p.Park()
}

// Tired says whether Idle would wait. It is for a loop that must tell others before it does: Tired, if so
// tell them and look again, Park.
func (p *Poller) Tired(now market.Nanos, busy bool) bool {
	if busy {
		p.quiet = false
		return false
	}
	if !p.quiet {
		p.quiet, p.quietSince = true, now
	}
	if p.idle == Spin || p.idle == Backoff && now-p.quietSince < spinMax {
		p.spins++
		return false
	}
	return true
}

// Park waits in the kernel. After a tick Backoff goes on waiting: silence stays silence.
func (p *Poller) Park() error {
	p.parks++
	n, err := unix.EpollWait(p.epoll, p.events[:], -1)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("poller: wait: %w", err)
	}
	for i := range p.events[:n] {
		if fd := int(p.events[i].Fd); fd == p.wake || fd == p.timer {
			_, _ = unix.Read(fd, p.count[:]) // how often does not matter
		}
	}
	return nil
}

// Wake ends the present wait, or the next one. Any goroutine may call it, until Close.
func (p *Poller) Wake() {
	_, _ = unix.Write(p.wake, one[:])
}

// one is added to an eventfd. It is in the machine's byte order, but anything except 0 will do.
var one = [8]byte{1}

// Counts returns how often the loop looked again at once, and how often it parked.
func (p *Poller) Counts() (spins, parks uint64) { return p.spins, p.parks }

// Close frees the poller. Its loop must have ended, and nobody may call Wake any more.
func (p *Poller) Close() {
	for _, fd := range []int{p.timer, p.wake, p.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
