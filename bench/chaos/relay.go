//go:build linux

package chaos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/codec/moldudp64"
	"tidegate/internal/clock"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// A PathConfig is where one copy of the venue's line goes to.
type PathConfig struct {
	Name      string // "north/A": the provider and its line
	To        netip.AddrPort
	Interface string // by which datagrams to a group leave; "" for unicast
}

// A Relay receives the venue's line and forwards it on several paths, each with an impairment of its own. A thread
// of its own does both. Its methods may be called by any goroutine, but for Run.
type Relay struct {
	origin  int // socket
	wake    int // eventfd
	addr    netip.AddrPort
	paths   []*relayPath
	buffer  []byte
	stopped atomic.Bool
	done    chan struct{}

	lateness histogram // departure minus what was planned, of packets that were to be delayed
	quality  Quality   // since it was last taken
	lastData market.Nanos
	fastest  market.Nanos // the smallest difference between our time and the venue's; UndefTime before the first

	// origins is when each message came from the venue, by its sequence.
	origins [originsKept]atomic.Int64

	mu       sync.Mutex // guards the rest
	commands []func(now market.Nanos)
}

// relayPath is a path with its way out.
type relayPath struct {
	*path
	name   string
	sender *netloop.Sender
	failed uint64 // datagrams that the system refused to send
}

const (
	originsKept   = 1 << 17
	receiveBuffer = 8 << 20
	datagramMax   = 1 << 16
	relayIdle     = 100 * time.Millisecond // longest sleep, so that Run sees its end
)

// OpenRelay opens the sockets. The seed makes the chances of the paths.
func OpenRelay(seed uint64, paths []PathConfig) (*Relay, error) {
	r := &Relay{
		origin: -1, wake: -1, buffer: make([]byte, datagramMax), done: make(chan struct{}),
		lateness: newHistogram(), lastData: market.UndefTime, fastest: market.UndefTime,
	}
	if err := r.open(seed, paths); err != nil {
		r.close()
		return nil, fmt.Errorf("relay: %w", err)
	}
	return r, nil
}

func (r *Relay) open(seed uint64, paths []PathConfig) (err error) {
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("open eventfd: %w", err)
	}
	if r.origin, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	_ = unix.SetsockoptInt(r.origin, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) // if we may
	if err = unix.Bind(r.origin, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	sa, err := unix.Getsockname(r.origin)
	if err != nil {
		return fmt.Errorf("get the socket's address: %w", err)
	}
	r.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port))
	for i, c := range paths {
		sender, err := netloop.NewSender(netloop.SenderConfig{Addr: c.To, Interface: c.Interface})
		if err != nil {
			return fmt.Errorf("path %s: %w", c.Name, err)
		}
		r.paths = append(r.paths, &relayPath{path: newPath(seed, uint64(i)), name: c.Name, sender: sender})
	}
	return nil
}

func (r *Relay) close() {
	for _, fd := range []int{r.origin, r.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	for _, p := range r.paths {
		_ = p.sender.Close()
	}
}

// Addr returns where the venue is to send its line.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Run forwards until Close. It is called once, and locks its goroutine to a thread.
func (r *Relay) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.done)
	if err := sharpenTimers(); err != nil {
		return err
	}
	for !r.stopped.Load() {
		r.obey()
		if err := r.receive(); err != nil {
			return err
		}
		if err := r.wait(r.send()); err != nil {
			return err
		}
	}
	err := r.receive() // the end of the session, for example
	r.send()
	return err
}

// Close ends Run, if it was called, and closes the sockets.
func (r *Relay) Close(running bool) {
	if running {
		r.stopped.Store(true)
		r.ring()
		<-r.done
	}
	r.close()
}

// ring ends the present sleep.
func (r *Relay) ring() {
	one := [8]byte{1}
	_, _ = unix.Write(r.wake, one[:])
}

// do runs a function on the relay's thread, between two packets, and waits for it.
func (r *Relay) do(f func(now market.Nanos)) error {
	ran := make(chan struct{})
	r.mu.Lock()
	r.commands = append(r.commands, func(now market.Nanos) { defer close(ran); f(now) })
	r.mu.Unlock()
	r.ring()
	select {
	case <-ran:
		return nil
	case <-r.done:
		return errors.New("relay: has ended")
	}
}

func (r *Relay) obey() {
	r.mu.Lock()
	commands := r.commands
	r.commands = nil
	r.mu.Unlock()
	for _, f := range commands {
		f(clock.Now())
	}
}

// receive takes what has come.
func (r *Relay) receive() error {
	for range 256 { // so that what is due does not wait for a flood
		n, _, err := unix.Recvfrom(r.origin, r.buffer, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("relay: receive: %w", err)
		}
		now := clock.Now()
		payload := append([]byte(nil), r.buffer[:n]...) // the paths share it
		r.note(payload, now)
		for _, p := range r.paths {
			p.offer(payload, now)
		}
	}
	return nil
}

// note remembers when messages came from the venue.
func (r *Relay) note(payload []byte, now market.Nanos) {
	packet, err := moldudp64.Parse(payload)
	if err != nil || packet.Kind != moldudp64.Data {
		return
	}
	for i := range uint64(packet.Count) {
		r.origins[(packet.Seq+i)%originsKept].Store(int64(now))
	}
	if r.lastData.Defined() {
		r.quality.VenueSilence = max(r.quality.VenueSilence, time.Duration(now-r.lastData))
	}
	r.lastData = now
	if message, _ := moldudp64.Next(packet.Messages); len(message) >= timeEnd {
		difference := now - venueTime(message)
		if !r.fastest.Defined() || difference < r.fastest {
			r.fastest = difference
		}
		r.quality.VenueLate = max(r.quality.VenueLate, time.Duration(difference-r.fastest))
	}
}

// venueTime returns the time of a message of ITCH, nanoseconds since midnight.
func venueTime(message []byte) market.Nanos {
	return market.Nanos(message[timeAt])<<40 | market.Nanos(message[timeAt+1])<<32 | market.Nanos(binary.BigEndian.Uint32(message[timeAt+2:]))
}

// Every message of ITCH has its time there.
const timeAt, timeEnd = 5, 11

// send sends what is due, and returns when something will be.
func (r *Relay) send() (due market.Nanos) {
	due = market.UndefTime
	for _, p := range r.paths {
		for {
			now := clock.Now()
			payload, at, ok := p.next(now)
			if !ok {
				break
			}
			if _, err := p.sender.Send(payload); err != nil {
				p.failed++
			}
			if p.impairment.Delay > 0 {
				r.lateness.record(int64(now - at))
			}
			r.quality.RelayLate = max(r.quality.RelayLate, time.Duration(now-at))
		}
		if at := p.due(); at.Defined() && (!due.Defined() || at < due) {
			due = at
		}
	}
	return due
}

// wait sleeps until a packet comes, one is due, or somebody rings.
func (r *Relay) wait(due market.Nanos) error {
	sleep := relayIdle
	if due.Defined() {
		sleep = min(sleep, max(0, time.Duration(due-clock.Now())))
	}
	timeout := unix.NsecToTimespec(int64(sleep))
	fds := []unix.PollFd{{Fd: int32(r.origin), Events: unix.POLLIN}, {Fd: int32(r.wake), Events: unix.POLLIN}}
	if _, err := unix.Ppoll(fds, &timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("relay: wait: %w", err)
	}
	if fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(r.wake, count[:])
	}
	return nil
}

// Set changes the paths that a pattern names ("north/A", "north/*", "*/*"), from one packet to the next, and returns
// when. Nothing is changed if no path has such a name.
func (r *Relay) Set(pattern string, i Impairment) (at market.Nanos, err error) {
	err = r.each(pattern, func(p *relayPath, now market.Nanos) { p.set(i, now); at = now })
	return at, err
}

// Lose has the next packets with messages be lost, the same ones on every path that a pattern names.
func (r *Relay) Lose(pattern string, packets int) (at market.Nanos, err error) {
	err = r.each(pattern, func(p *relayPath, now market.Nanos) { p.loseNext(packets); at = now })
	return at, err
}

func (r *Relay) each(pattern string, f func(*relayPath, market.Nanos)) error {
	found := false
	if err := r.do(func(now market.Nanos) {
		for _, p := range r.paths {
			if matches(pattern, p.name) {
				found = true
				f(p, now)
			}
		}
	}); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("relay: no path %q", pattern)
	}
	return nil
}

// matches reports whether a pattern names a path: a star stands for any provider, or any line.
func matches(pattern, name string) bool {
	wantProvider, wantLine, _ := strings.Cut(pattern, "/")
	provider, line, _ := strings.Cut(name, "/")
	return (wantProvider == "*" || wantProvider == provider) && (wantLine == "*" || wantLine == line)
}

// A PathState is what a path did.
type PathState struct {
	Name      string
	Effective bool         // there were packets with messages for what it was set to
	Met       market.Nanos // when the first of them came; UndefTime if none has
	Shown     market.Nanos // when the first packet behind those that it was to lose came; UndefTime if none has
	QuietFrom market.Nanos // when the longest time since Begin began in which it sent nothing
	Counts    PathCounts
	Refused   uint64 // datagrams that the system refused to send
}

// Paths returns the state of every path.
func (r *Relay) Paths() (states []PathState, err error) {
	err = r.do(func(now market.Nanos) {
		for _, p := range r.paths {
			states = append(states, PathState{
				Name: p.name, Effective: p.effective(), Met: p.met, Shown: p.shown, QuietFrom: p.quiet.look(now),
				Counts: p.counts, Refused: p.failed,
			})
		}
	})
	return states, err
}

// Begin begins what Paths tells anew.
func (r *Relay) Begin() error {
	return r.do(func(market.Nanos) {
		for _, p := range r.paths {
			p.quiet.begin()
		}
	})
}

// A Quality says how well the drills' own side did what it should. On a machine that is busy with others it may not.
type Quality struct {
	VenueSilence time.Duration `json:"venue_silence_ns"` // the longest time between two packets with messages of the venue
	VenueLate    time.Duration `json:"venue_late_ns"`    // the most that a message came later than its own time
	RelayLate    time.Duration `json:"relay_late_ns"`    // the most that a packet left later than it should have
	TimersLate   time.Duration `json:"timers_late_ns"`   // the most that a timer of the machine was late
	GatewayLate  time.Duration `json:"gateway_late_ns"`  // the longest from the kernel's receipt of a datagram to its publication
}

// worst returns by how much the worst of all was late.
func (q *Quality) worst() time.Duration {
	return max(q.VenueLate, q.RelayLate, q.TimersLate, q.GatewayLate)
}

// takeQuality returns what the relay saw since it was last asked.
func (r *Relay) takeQuality() (q Quality, err error) {
	err = r.do(func(market.Nanos) { q, r.quality = r.quality, Quality{} })
	return q, err
}

// cameAt returns when a message came from the venue.
func (r *Relay) cameAt(seq uint32) (market.Nanos, bool) {
	at := r.origins[uint64(seq)%originsKept].Load()
	return market.Nanos(at), at != 0
}
