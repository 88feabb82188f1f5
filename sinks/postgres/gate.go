package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sony/gobreaker/v2"
)

// A gate lets workers at the server. While attempts fail it makes them wait, longer from time to time;
// after several in a row it is closed to all but one at a time, until one has succeeded.
type gate struct {
	cb      *gobreaker.TwoStepCircuitBreaker[struct{}]
	changes chan bool // open, closed: for who tells the operator
}

const (
	failuresMax = 4
	pauseMin    = 20 * time.Millisecond
	pauseMax    = 2 * time.Second
)

func newGate() *gate {
	g := &gate{changes: make(chan bool, 16)}
	g.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        "postgres",
		MaxRequests: 1,
		Timeout:     pauseMax,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresMax },
		OnStateChange: func(_ string, from, to gobreaker.State) { // holds its lock: no more than a note
			if to == gobreaker.StateHalfOpen || from == gobreaker.StateHalfOpen && to == gobreaker.StateOpen {
				return
			}
			select {
			case g.changes <- to == gobreaker.StateClosed:
			default:
			}
		},
	})
	return g
}

// gateClosed is the state in which the server is relied on, as breakers have it. The others are open and half-open.
const gateClosed = "closed"

func (g *gate) state() string { return g.cb.State().String() }

// enter waits until the server may be tried, and returns what to tell the outcome.
func (g *gate) enter(ctx context.Context) (done func(error), err error) {
	for {
		if done, err = g.cb.Allow(); err == nil {
			return done, nil
		}
		if err := sleep(ctx, pauseMin+rand.N(pauseMax/8)); err != nil {
			return nil, err
		}
	}
}

// pause is how long to wait after a number of failures in a row. Chance keeps workers apart.
func pause(failures int) time.Duration {
	d := min(pauseMin<<min(failures, 10), pauseMax)
	return d/2 + rand.N(d/2)
}

// sleep returns early with the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
