//go:build linux

package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"tidegate/gateway/config"
	"tidegate/internal/netloop"
)

// Threads says how the threads of the measured processes work. Nothing spins unless it is told to.
type Threads struct {
	Threading    config.Threading `json:"threading"`     // of the gateway
	Idle         netloop.Idle     `json:"idle"`          // of gateway and relay, while no datagram comes
	Loops        int              `json:"egress_loops"`  // of the gateway's egress
	LockOSThread bool             `json:"egress_locked"` // each egress loop has a thread of its own
	GOMAXPROCS   int              `json:"gomaxprocs"`    // of the servers; 0: as the runtime likes
	SenderSpin   bool             `json:"sender_spin"`   // between messages, instead of sleeping
	ReaderSpin   bool             `json:"reader_spin"`   // subscribers, instead of waiting in epoll
}

// parked are the threads of measurements that are not told otherwise: on two cores, a loop that spins
// takes the time from the thread that it waits for.
var parked = Threads{Threading: config.Auto, Idle: netloop.Park, Loops: 1}

func (t *Threads) validate() error {
	procs, want := t.GOMAXPROCS, spinProcs
	if procs == 0 {
		procs = runtime.GOMAXPROCS(0)
	}
	switch t.Threading {
	case config.Auto, config.Inline, config.Shared:
	case config.Split:
		want++
	default:
		return fmt.Errorf("threading %q: want auto, inline, shared or split", t.Threading)
	}
	switch {
	case t.Loops < 1 || t.Loops > 32:
		return fmt.Errorf("egress loops %d: want 1 to 32", t.Loops)
	case t.GOMAXPROCS < 0 || t.GOMAXPROCS > 1024:
		return fmt.Errorf("gomaxprocs %d: want 0 to 1024", t.GOMAXPROCS)
	case t.Idle == netloop.Spin && procs < want:
		return fmt.Errorf("idle spin with GOMAXPROCS=%d: want at least %d, else timers come seconds late", procs, want)
	}
	return nil
}

// spinProcs is what an ingest loop of one thread asks for that spins; see lines.CheckSpinners.
const spinProcs = 3

// Common are the options of every measurement.
type Common struct {
	// Command starts a process that calls Child. Nil: this program with the arguments "bench child".
	Command []string `json:"-"`
	Rounds  int      `json:"rounds"`
	Threads Threads  `json:"threads"`
	// Progress is told what is being measured; nil for nobody.
	Progress func(what string) `json:"-"`

	fault    fault         // for tests
	patience time.Duration // for progress of a receiver; 0: as long as everybody else
}

func (c *Common) progress(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

func (c *Common) validate() error {
	if c.Rounds < 1 || c.Rounds > 1000 {
		return fmt.Errorf("rounds %d: want 1 to 1000", c.Rounds)
	}
	return c.Threads.validate()
}

// A rig is the processes of one measurement of one server, and a directory for what they exchange.
type rig struct {
	ctx      context.Context
	common   *Common
	dir      string
	page     *page
	children []*child
}

func newRig(ctx context.Context, c *Common) (*rig, error) {
	dir, err := os.MkdirTemp("", "tidegate-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{ctx: ctx, common: c, dir: dir}
	if err = createPage(r.path("page")); err == nil {
		r.page, err = openPage(r.path("page"))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, nil
}

// path is that of a file that the processes exchange.
func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) start(role string, procs int, args any) (*child, error) {
	command := r.common.Command
	if command == nil {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		command = []string{self, "bench", "child"}
	}
	c, err := start(r.ctx, command, role, procs, args)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, c)
	return c, nil
}

// close ends the processes, the last one first.
func (r *rig) close() error {
	var errs []error
	for i := len(r.children) - 1; i >= 0; i-- {
		errs = append(errs, r.children[i].stop())
	}
	r.page.close()
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}

// within makes a rig for f.
func within(ctx context.Context, c *Common, f func(*rig) error) error {
	r, err := newRig(ctx, c)
	if err != nil {
		return err
	}
	err = f(r)
	closeErr := r.close()
	if ctx.Err() != nil {
		return context.Cause(ctx) // the processes were killed, whatever they say
	}
	if err != nil {
		return err // what happens at the end follows from it
	}
	return closeErr
}

// awaitPage waits until the receiver has so many messages.
func (r *rig) awaitPage(want int) error {
	last, since := int64(-1), time.Now()
	limit := cmp.Or(r.common.patience, patience)
	for {
		now := r.page.reached.Load()
		if now >= int64(want) {
			return nil
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > limit {
			return fmt.Errorf("the receiver has %d of %d messages: nothing more came for %v", now, want, limit)
		}
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		time.Sleep(time.Millisecond)
	}
}

// server starts a server and asks where it is.
func (r *rig) server(role string, args any) (*child, opened, error) {
	c, err := r.start(role, r.common.Threads.GOMAXPROCS, args)
	if err != nil {
		return nil, opened{}, err
	}
	o, err := call[opened](c, "open", nil)
	return c, o, err
}

// inTurn calls f for each name in each round, in the order of the names or the other way round.
func inTurn(rounds int, names []string, f func(round int, name string) error) error {
	for round := range rounds {
		for k := range names {
			name := names[k]
			if round%2 == 1 {
				name = names[len(names)-1-k]
			}
			if err := f(round, name); err != nil {
				return fmt.Errorf("round %d: %s: %w", round+1, name, err)
			}
		}
	}
	return nil
}

// perRound divides figure by figure.
func perRound(a, b []float64) []float64 {
	q := make([]float64, min(len(a), len(b)))
	for i := range q {
		q[i] = a[i] / b[i]
	}
	return q
}
