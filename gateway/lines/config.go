//go:build linux

package lines

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// A Line is one line of a feed: which copy of the channel it is, and where its datagrams go to.
type Line struct {
	ID     arbiter.LineID
	Socket netloop.Config
}

// A Feed is a channel: a pipeline and the lines that bring its datagrams. The loop owns the pipeline
// from New until Run has returned.
type Feed struct {
	Name       string // for errors and statistics
	Pipeline   *gateway.Pipeline
	Lines      []Line
	Retransmit Retransmit // where the pipeline's requests go to
	// Delivered says that datagrams come by Deliver: the feed needs no lines of its own.
	Delivered bool
}

// A Tap gets every datagram just before its pipeline does, in order, with the time that the pipeline
// gets: dst is the line's address, src the sender's. It is called on the loop and must not wait.
// payload is valid only during the call.
type Tap func(dst, src netip.AddrPort, stamp market.Nanos, payload []byte)

// Config says what a Loop does. The functions are called on the loop and must not wait; each may be
// nil.
type Config struct {
	Feeds []Feed
	// Split gives the sockets to a thread of their own: see the package comment.
	Split bool
	// Idle says what the loop does while nothing comes. Both threads of a split loop do it.
	Idle netloop.Idle
	// Tick is how often pipelines see the time go by, at least. 0: a millisecond.
	Tick time.Duration
	// DatagramBytes is the longest datagram that is not cut off. 0: netloop.DatagramBytes.
	DatagramBytes int

	// Begin is called on each of the loop's threads before it does anything, to pin it for example. If it
	// fails, so does Run.
	Begin func(Thread) error
	// OnTick is called after the pipelines had a tick of their own that no datagram came with.
	OnTick func(now market.Nanos)
	// Publish is called after each datagram, tick and round of commands: whatever they led to can be
	// seen by others from now on.
	Publish func()
	// Wake is called once per poll that led to a Publish.
	Wake func()
	// Tap gets every datagram.
	Tap Tap
	// Sources says that Tap wants to know who sent a datagram, for which the kernel does more; without,
	// src is the zero AddrPort.
	Sources bool

	slots int // datagrams of a line that are held, a power of two; for tests of a split loop
}

// A Thread is one of a loop's.
type Thread uint8

// Threads of a loop.
const (
	Books   Thread = iota // has the pipelines, and runs commands and the functions of Config; all, unless the loop is split
	Sockets               // receives, where the loop is split
)

// SplitDatagrams is how many datagrams of a line may wait between the threads of a split loop. The
// kernel's buffer holds what is beyond.
const SplitDatagrams = 4096

func (c *Config) setDefaults() {
	c.Tick = cmp.Or(c.Tick, time.Millisecond)
	c.DatagramBytes = cmp.Or(c.DatagramBytes, netloop.DatagramBytes)
	if !c.Split {
		c.slots = netloop.BatchDatagrams
	}
	c.slots = cmp.Or(c.slots, SplitDatagrams)
}

func (c *Config) begin(t Thread) error {
	if c.Begin == nil {
		return nil
	}
	return c.Begin(t)
}

// Spinners returns how many threads of the loop spin.
func (c *Config) Spinners() int {
	switch {
	case c.Idle != netloop.Spin:
		return 0
	case c.Split:
		return 2
	default:
		return 1
	}
}

// spinnerSpare is how many threads Go's scheduler needs beside those that spin. With fewer, timers
// and network wake-ups of the whole process come up to seconds late.
const spinnerSpare = 2

// CheckSpinners returns an error if this process has no room for a number of threads that spin.
func CheckSpinners(spinners int) error {
	if have := runtime.GOMAXPROCS(0); spinners > 0 && have < spinners+spinnerSpare {
		return fmt.Errorf("%d spinning threads with GOMAXPROCS=%d: want at least %d, else timers come seconds late: set GOMAXPROCS, or idle to backoff",
			spinners, have, spinners+spinnerSpare)
	}
	return nil
}

// Validate returns an error that names the first thing that makes no sense.
func (c *Config) Validate() error {
	if len(c.Feeds) == 0 {
		return errors.New("no feeds")
	}
	if c.DatagramBytes < 0 || c.DatagramBytes > 1<<16 {
		return fmt.Errorf("datagram bytes %d: want 0 to %d", c.DatagramBytes, 1<<16)
	}
	if err := CheckSpinners(c.Spinners()); err != nil {
		return err
	}
	taken := make(map[netip.AddrPort]bool)
	for i := range c.Feeds {
		if err := c.Feeds[i].validate(taken); err != nil {
			return fmt.Errorf("feed %q: %w", c.Feeds[i].Name, err)
		}
	}
	return nil
}

func (f *Feed) validate(taken map[netip.AddrPort]bool) error {
	if f.Pipeline == nil {
		return errors.New("no pipeline")
	}
	if _, ok := f.Pipeline.Ledger(); !ok {
		return errors.New("its pipeline takes messages from a file, not datagrams")
	}
	if len(f.Lines) == 0 && !f.Delivered {
		return errors.New("no lines")
	}
	var ids [arbiter.LinesMax]bool
	for _, l := range f.Lines {
		if l.ID >= arbiter.LinesMax {
			return fmt.Errorf("line %d: want 0 to %d", l.ID, arbiter.LinesMax-1)
		}
		if ids[l.ID] {
			return fmt.Errorf("line %s: given twice", l.ID)
		}
		ids[l.ID] = true
		if err := l.Socket.Validate(); err != nil {
			return fmt.Errorf("line %s: %w", l.ID, err)
		}
		if addr := l.Socket.Addr; addr.Port() != 0 {
			if taken[addr] {
				return fmt.Errorf("line %s: another line has address %s: a capture tells lines by it", l.ID, addr)
			}
			taken[addr] = true
		}
	}
	if err := f.Retransmit.validate(f, taken); err != nil {
		return fmt.Errorf("retransmission: %w", err)
	}
	return nil
}
