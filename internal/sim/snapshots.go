package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"tidegate/gateway/recovery"
	"tidegate/market"
)

// A loop is how goroutines reach the goroutine of a world: what they want done is done at its next step, in
// the order in which they wanted it.
type loop struct {
	mu    sync.Mutex
	queue []func()
}

func (l *loop) do(f func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, f)
	return nil
}

func (l *loop) step() {
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for _, f := range queue {
		f()
	}
}

// A snapshotServer is a server of a provider's snapshots: a recovery.Source. Its fields belong to the world's
// goroutine; Fetch, which runs on one of its own, asks for what it needs there.
type snapshotServer struct {
	name     string
	exchange *exchange
	loop     *loop
	random   *rand.Rand

	dead bool
	bad  bool
	old  *snapshot // what it says, if it has not made a new one for long
}

// A snapshot is the venue's state before message next.
type snapshot struct {
	messages [][]byte
	next     uint64
	session  string
}

// flaw is what is wrong with a snapshot that is sent.
type flaw uint8

const (
	noFlaw flaw = iota
	cut
	garbled
	contradicting
	ofAnotherSession
	endless // it does not come to its end
	flaws
)

// errRefused is the error of a server that is dead.
var errRefused = errors.New("connection refused")

func (s *snapshotServer) String() string  { return s.name }
func (s *snapshotServer) Validate() error { return nil }

func (s *snapshotServer) take() *snapshot {
	x := s.exchange
	return &snapshot{x.state(), x.twin.Next(), x.venue.Position().Session}
}

// ask has the loop answer something.
func ask[T any](ctx context.Context, l *loop, f func() T) (answer T, err error) {
	c := make(chan T, 1)
	_ = l.do(func() { c <- f() })
	select {
	case answer = <-c:
		return answer, nil
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// Fetch sends a snapshot, with what is wrong with it. See recovery.Source.
func (s *snapshotServer) Fetch(ctx context.Context, _ uint64, take func([]byte) error) (recovery.Snapshot, error) {
	type call struct {
		refused bool
		wait    time.Duration
		flaw    flaw
		where   float64
	}
	c, err := ask(ctx, s.loop, func() call {
		c := call{refused: s.dead, wait: time.Duration(s.random.Int64N(int64(40 * time.Millisecond))), where: s.random.Float64()}
		if s.bad {
			c.flaw = flaw(1 + s.random.IntN(int(flaws)-1))
		}
		return c
	})
	if err != nil {
		return recovery.Snapshot{}, err
	}
	if c.refused {
		return recovery.Snapshot{}, errRefused
	}
	if err := wait(ctx, c.wait); err != nil {
		return recovery.Snapshot{}, err
	}
	of, err := ask(ctx, s.loop, func() *snapshot {
		if s.old != nil {
			return s.old
		}
		return s.take()
	})
	if err != nil {
		return recovery.Snapshot{}, err
	}
	at := int(c.where * float64(len(of.messages)))
	for i, msg := range of.messages {
		if i == at {
			switch c.flaw {
			case cut:
				return recovery.Snapshot{}, fmt.Errorf("%w: reset", recovery.ErrBroken)
			case garbled:
				msg = msg[:len(msg)-1]
			case contradicting:
				msg = of.messages[len(of.messages)-1] // an order that comes once more
			case endless:
				<-ctx.Done()
				return recovery.Snapshot{}, ctx.Err()
			}
		}
		if err := take(msg); err != nil {
			return recovery.Snapshot{}, err
		}
	}
	if c.flaw == ofAnotherSession {
		return recovery.Snapshot{Next: of.next, Session: "OTHER"}, nil
	}
	return recovery.Snapshot{Next: of.next, Session: of.session}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// snapshotConfig has the limits of getting snapshots, with pauses that a world has time for.
func snapshotConfig(feed uint8, seed uint64, record func([]byte)) recovery.Config {
	cfg := recovery.DefaultConfig()
	cfg.Deadline = 2*time.Second + 500*time.Microsecond // never at the moment of a tick
	cfg.KeptMax = 1 << 20
	cfg.IntervalMin, cfg.PerMinute = 300*market.Millisecond, 600
	cfg.PauseMin, cfg.PauseMax = 200*market.Millisecond, market.Second
	cfg.GiveUpAfter = 3 * market.Second
	cfg.Breaker.CoolDown, cfg.Breaker.Jitter, cfg.Breaker.Seed = time.Second, 200*time.Millisecond, seed
	cfg.Feed, cfg.Record = uint16(feed), record
	return cfg
}
