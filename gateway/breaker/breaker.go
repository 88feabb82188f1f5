// Package breaker judges lines, providers and servers over time: a circuit breaker that is consulted
// once per tick with what is seen of its subject at that moment, and says whether to rely on it.
//
//	b, err := breaker.New(breaker.DefaultConfig("nasdaq line A"))
//	...
//	switch b.OnTick(now, healthy) { // each tick, never per packet
//	case breaker.Closed:   // rely on it
//	case breaker.HalfOpen: // it is on probation
//	case breaker.Open:     // do not
//	}
//
// One bad tick opens it. After a cool-down, which a random part makes longer so that breakers that
// opened together do not come back together, the first good tick makes it half open: a number of probes,
// each a stretch of time in which every tick was good, close it; one bad tick opens it again. What stays bad
// stays open, however long. An operator can overrule it.
//
// The states are those of sony/gobreaker, which keeps its own time by the wall clock. So what a breaker
// says is an input of the state machines behind it, to be recorded and replayed like a datagram, and
// never computed again. In a testing/synctest bubble its time is the bubble's.
package breaker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sony/gobreaker/v2"

	"tidegate/market"
)

// A State says how far a subject is to be relied on. Larger is better.
type State uint8

// States.
const (
	Open     State = iota // do not rely on it
	HalfOpen              // on probation: rely on it only if there is nothing better
	Closed                // rely on it
)

// String returns the name used in reports.
func (s State) String() string { return [...]string{"open", "half-open", "closed"}[min(s, Closed)] }

// Rank returns the word that operators see.
func (s State) Rank() string { return [...]string{"DOWN", "SUSPECT", "OK"}[min(s, Closed)] }

// An Override is an operator's will.
type Override uint8

// Overrides.
const (
	None        Override = iota // the breaker decides
	ForceOpen                   // open, whatever is seen
	ForceClosed                 // closed, whatever is seen
)

// String returns the name used in the admin API.
func (o Override) String() string {
	return [...]string{"none", "force-open", "force-closed"}[min(o, ForceClosed)]
}

// Config sets the times of a breaker.
type Config struct {
	Name string
	// CoolDown is how long the breaker stays open at least.
	CoolDown time.Duration
	// Jitter is the most that is added to a cool-down at random.
	Jitter time.Duration
	// Probes is how many good stretches in a row close a half-open breaker.
	Probes int
	// ProbeEvery is the length of such a stretch.
	ProbeEvery time.Duration
	// Seed makes the jitter repeatable; 0 takes a random one.
	Seed uint64
}

// DefaultConfig returns times for something that can be judged within milliseconds: back after two
// seconds at the earliest, of which one is proof.
func DefaultConfig(name string) Config {
	return Config{
		Name: name, CoolDown: time.Second, Jitter: 250 * time.Millisecond,
		Probes: 10, ProbeEvery: 100 * time.Millisecond,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.CoolDown <= 0:
		return fmt.Errorf("breaker %s: cool-down %s: want more than 0", c.Name, c.CoolDown)
	case c.Jitter < 0:
		return fmt.Errorf("breaker %s: jitter %s: want 0 or more", c.Name, c.Jitter)
	case c.Probes < 1:
		return fmt.Errorf("breaker %s: %d probes: want 1 or more", c.Name, c.Probes)
	case c.ProbeEvery < 0:
		return fmt.Errorf("breaker %s: probe every %s: want 0 or more", c.Name, c.ProbeEvery)
	}
	return nil
}

// A Breaker has one owner, who calls its methods one at a time.
type Breaker struct {
	cfg      Config
	cb       *gobreaker.CircuitBreaker[struct{}]
	override Override
	state    State // what gobreaker said last
	since    market.Nanos
	wait     time.Duration // this opening's jitter
	back     market.Nanos  // when the jitter after the cool-down is over; 0 while it is not known
	probe    market.Nanos  // when the running stretch ends
	opened   uint64
	random   *rand.Rand
	healthy  bool // outcome for the probe functions
	report   func() (struct{}, error)
}

var errUnhealthy = errors.New("unhealthy")

// New returns a closed breaker.
func New(cfg Config) (*Breaker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	b := &Breaker{cfg: cfg, state: Closed, random: rand.New(rand.NewPCG(cfg.Seed, 0))}
	b.cb = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        cfg.Name,
		MaxRequests: uint32(cfg.Probes),
		Timeout:     cfg.CoolDown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 0 },
	})
	b.report = func() (struct{}, error) {
		if b.healthy {
			return struct{}{}, nil
		}
		return struct{}{}, errUnhealthy
	}
	return b, nil
}

// OnTick consults the breaker: healthy is what is seen of its subject now. Call it once per tick. It
// returns the state to go by.
func (b *Breaker) OnTick(now market.Nanos, healthy bool) State {
	switch b.state {
	case Closed:
		// A good tick has nothing to tell gobreaker, which would only count it.
		if !healthy {
			b.tell(now, false)
		}
	case HalfOpen:
		if !healthy {
			b.tell(now, false)
		} else if now >= b.probe {
			b.probe = now + market.Nanos(b.cfg.ProbeEvery)
			b.tell(now, true)
		}
	case Open:
		if b.cb.State() != gobreaker.StateOpen {
			if b.back == 0 {
				b.back = now + market.Nanos(b.wait)
			}
			if healthy && now >= b.back {
				b.enter(HalfOpen, now)
				b.probe = now + market.Nanos(b.cfg.ProbeEvery)
			}
		}
	}
	return b.State()
}

// tell reports one outcome, and takes over what gobreaker makes of it.
func (b *Breaker) tell(now market.Nanos, healthy bool) {
	b.healthy = healthy
	_, _ = b.cb.Execute(b.report) // its error is our own outcome
	switch b.cb.State() {
	case gobreaker.StateClosed:
		b.enter(Closed, now)
	case gobreaker.StateHalfOpen:
		b.enter(HalfOpen, now)
	default:
		b.enter(Open, now)
	}
}

func (b *Breaker) enter(s State, now market.Nanos) {
	if s == b.state {
		return
	}
	b.state, b.since = s, now
	if s == Open {
		b.opened++
		b.back, b.wait = 0, 0
		if b.cfg.Jitter > 0 {
			b.wait = time.Duration(b.random.Int64N(int64(b.cfg.Jitter) + 1))
		}
	}
}

// State returns the state to go by: the operator's, or else the breaker's own.
func (b *Breaker) State() State {
	switch b.override {
	case ForceOpen:
		return Open
	case ForceClosed:
		return Closed
	default:
		return b.state
	}
}

// Own returns what the state would be without an operator.
func (b *Breaker) Own() State { return b.state }

// Since returns when the breaker came into its own state; 0 from the start.
func (b *Breaker) Since() market.Nanos { return b.since }

// Opened returns how often the breaker opened by itself.
func (b *Breaker) Opened() uint64 { return b.opened }

// Force sets an operator's will; None takes it back. The breaker goes on judging meanwhile.
func (b *Breaker) Force(o Override) { b.override = o }

// Override returns the operator's will.
func (b *Breaker) Override() Override { return b.override }
