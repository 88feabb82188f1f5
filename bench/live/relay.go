//go:build linux

package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/internal/netloop"
	"tidegate/market"
)

// relayConfig says how a relay waits.
type relayConfig struct {
	Idle netloop.Idle
	Page string // "" unless the sender waits for the relay
}

// relay is the floor that the gateway is measured against: the same batched reads of the same line,
// one write to each subscriber per batch, and nothing in between. Without subscribers it is the bare
// reading loop. It has one goroutine, so there is no hand-over between threads.
type relay struct {
	cfg    relayConfig
	clock  clock
	line   *netloop.Socket
	poller *netloop.Poller
	listen net.Listener
	page   *page
	subs   atomic.Pointer[[]int] // descriptors; written by accept
	ended  chan error
	stop   atomic.Bool
	seen   served // owned by run until it has ended
}

// opened is what a server that has started tells.
type opened struct {
	Line       netip.AddrPort
	Addr       string
	WallOffset int64 // what the server's wall clock shows minus the machine's monotonic clock
}

// A served says what a server did. Each server fills in what it knows.
type served struct {
	Datagrams   uint64
	KernelDrops uint64
	First, Last int64 // when the first and the last message came, by the monotonic clock
	CPU         int64 // nanoseconds of the ingest thread
	Use         usage // of the process
	Stalls      uint64
	Held        int // sessions whose connection held bytes back at the end
	Slow        uint64
	Lapped      uint64
	Faults      string // what went wrong
	StageFile   string // book and ring times of every message
	Journal     journaled
}

func newRelay(c clock, args json.RawMessage) (role, error) {
	cfg, err := take[relayConfig](args)
	if err != nil {
		return nil, err
	}
	r := &relay{cfg: cfg, clock: c, ended: make(chan error, 1)}
	if err := r.open(); err != nil {
		return nil, err
	}
	go r.accept()
	go func() { r.ended <- r.run() }()
	return r, nil
}

func (r *relay) open() (err error) {
	if r.line, err = netloop.Listen(netloop.Config{Addr: loopback}); err != nil {
		return err
	}
	if r.poller, err = netloop.NewPoller(r.cfg.Idle, time.Millisecond); err != nil {
		return err
	}
	if err = r.poller.Add(r.line); err != nil {
		return err
	}
	if r.cfg.Page != "" {
		if r.page, err = openPage(r.cfg.Page); err != nil {
			return err
		}
	}
	r.listen, err = net.Listen("tcp", loopback.String())
	return err
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// accept runs until the listener is closed.
func (r *relay) accept() {
	var subs []int
	for {
		conn, err := r.listen.Accept()
		if err != nil {
			return
		}
		fd, err := detach(conn.(*net.TCPConn))
		if err == nil {
			err = unix.SetNonblock(fd, false)
		}
		if err != nil {
			continue // the subscriber will say that it got nothing
		}
		subs = append(subs, fd)
		now := append([]int(nil), subs...)
		r.subs.Store(&now)
	}
}

// detach takes a connection out of the runtime's hands.
func detach(conn *net.TCPConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("detach connection: %w", err)
	}
	dupErr := errors.New("not done")
	err = raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dupErr, conn.Close()); err != nil {
		return -1, fmt.Errorf("detach connection: %w", err)
	}
	return fd, nil
}

// run is the floor itself.
func (r *relay) run() error {
	runtime.LockOSThread()
	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)
	batch.OmitSources() // like the gateway, which records nothing here
	var out []byte
	reached := 0
	for !r.stop.Load() {
		now := r.clock.now()
		n, err := r.line.Receive(batch)
		if err != nil {
			return err
		}
		if n > 0 {
			subs := r.subs.Load()
			if subs != nil {
				out = out[:0]
				for k := range n {
					out = append(out, batch.Payload(k)...)
				}
				for _, fd := range *subs {
					if err := writeAll(fd, out); err != nil {
						return err
					}
				}
			}
			reached = r.note(batch, n, now)
			if r.page != nil {
				r.page.reached.Store(int64(reached))
			}
		}
		if err := r.poller.Idle(market.Nanos(now), n > 0); err != nil {
			return err
		}
	}
	r.seen.CPU = threadCPU()
	return nil
}

// note counts, and returns how many messages came so far, as the last datagram says.
func (r *relay) note(batch *netloop.Batch, n int, now int64) int {
	s := &r.seen
	s.Datagrams += uint64(n)
	s.KernelDrops += uint64(batch.Dropped())
	reached := endOf(batch.Payload(n - 1))
	if s.First == 0 && reached > 0 {
		s.First = now
	}
	s.Last = r.clock.now()
	return reached
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("write to a subscriber: %w", err)
		default:
			b = b[n:]
		}
	}
	return nil
}

func (r *relay) do(what string, _ json.RawMessage) (any, error) {
	switch what {
	case "open":
		return opened{Line: r.line.Addr(), Addr: r.listen.Addr().String()}, nil
	case "use":
		return readUsage(), nil
	case "finish":
		r.stop.Store(true)
		r.poller.Wake()
		if err := <-r.ended; err != nil {
			return nil, err
		}
		r.seen.Use = readUsage()
		return r.seen, nil
	default:
		return nil, unknown(what)
	}
}

func (r *relay) close() error { return r.listen.Close() }
