//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tidegate/gateway/admin"
	"tidegate/internal/clock"
	"tidegate/market"
)

// A trial is one repetition after the other. It belongs to one goroutine.
type trial struct {
	site   *site
	active string // the provider that is active whenever a repetition begins: the preferred one
	state  feedState
	moved  time.Time // when the state was last another one
}

// run takes the steps of a drill, heals everything, waits until the feed is as it was, and looks what became of it.
func (t *trial) run(ctx context.Context, d *Drill) (*RunReport, error) {
	s := t.site
	if err := t.calm(ctx); err != nil {
		return nil, err
	}
	before, err := t.look(ctx)
	if err != nil {
		return nil, err
	}
	if s.quotes != nil {
		if _, err := s.quotes.takeLeft(); err != nil {
			return nil, err
		}
	}
	if _, err := t.quality(ctx); err != nil {
		return nil, err
	}
	r := &RunReport{Began: time.Now(), provider: t.active, left: market.UndefTime}
	if err := t.inject(ctx, d, r); err != nil {
		return nil, err
	}
	// What the paths met is known until they are healed.
	if r.paths, err = s.relay.Paths(); err != nil {
		return nil, err
	}
	if r.Quality, err = t.quality(ctx); err != nil {
		return nil, err
	}
	silence := s.follower.silence()
	if err := t.heal(); err != nil {
		return nil, err
	}
	r.Healed = time.Now()
	t.recover(ctx, d, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.Levels, err = t.compare(ctx)
	if err != nil {
		if failed := s.failed(); failed != nil {
			return nil, failed
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.broke("books: %v", err)
	}
	r.Recovered = time.Since(r.Healed)
	after, err := t.look(ctx)
	if err != nil {
		return nil, err
	}
	if r.Noticed, err = t.takeExperience(); err != nil {
		return nil, err
	}
	r.Noticed.Silence = silence
	since, err := t.quality(ctx)
	if err != nil {
		return nil, err
	}
	r.Quality.add(since)
	if s.quotes != nil {
		if r.left, err = s.quotes.takeLeft(); err != nil {
			return nil, fmt.Errorf("the session of the consolidated dataset ended: %w", err)
		}
	}
	t.judge(d, r, before, after)
	return r, nil
}

// inject takes the steps, each at its time, and returns when the drill's time is over.
func (t *trial) inject(ctx context.Context, d *Drill, r *RunReport) error {
	for i := range d.Steps {
		step := &d.Steps[i]
		if err := pause(ctx, time.Until(r.Began.Add(time.Duration(step.At)))); err != nil {
			return err
		}
		at, err := t.take(step)
		if err != nil {
			return err
		}
		if step.Set != nil {
			r.delay = max(r.delay, step.Set.Delay)
		}
		r.Injected = append(r.Injected, Injection{At: at, What: t.named(step.String())})
	}
	return pause(ctx, time.Until(r.Began.Add(time.Duration(d.For))))
}

// take takes a step, and returns when.
func (t *trial) take(step *Step) (at market.Nanos, err error) {
	s := t.site
	at = clock.Now()
	pattern := t.named(step.Paths)
	if step.Set != nil {
		if at, err = s.relay.Set(pattern, *step.Set); err != nil {
			return at, err
		}
	}
	if step.Lose > 0 {
		if at, err = s.relay.Lose(pattern, step.Lose); err != nil {
			return at, err
		}
	}
	if step.Retransmit != "" {
		for _, r := range s.resenders {
			r.set(step.Retransmit)
		}
	}
	if step.Snapshots != nil {
		_, err = s.setSnapshots(*step.Snapshots)
	}
	return at, err
}

// named puts the names of providers in the place of what they are at the moment.
func (t *trial) named(pattern string) string {
	of := t.site.feed.Providers
	standby := ""
	for i := range of {
		if of[i].Name == t.active {
			standby = of[(i+1)%len(of)].Name
		}
	}
	return strings.NewReplacer("active/", t.active+"/", "standby/", standby+"/").Replace(pattern)
}

// heal makes everything work as it should.
func (t *trial) heal() error {
	_, err := t.take(&Step{Paths: "*/*", Set: &Impairment{}, Retransmit: Serves, Snapshots: &noTrouble})
	return err
}

// calm waits until a repetition can begin: the feed is as it should be, and has been for long enough that every
// provider can be chosen. What was noticed meanwhile counts for nothing.
func (t *trial) calm(ctx context.Context) error {
	if err := t.settle(ctx, func() time.Time { return t.moved.Add(probation) }); err != nil {
		return err
	}
	_, err := t.takeExperience()
	return err
}

// recover waits until the feed is as it was before the drill. What does not come is found by judge.
func (t *trial) recover(ctx context.Context, d *Drill, r *RunReport) {
	least := r.Healed
	if len(d.Expect.Switch) > 0 || d.Expect.Stale {
		least = least.Add(probation)
	}
	_ = t.settle(ctx, func() time.Time { return least })
}

// settle waits until the feed is fresh, by the preferred provider, with no gap behind any provider, and a time has
// come.
func (t *trial) settle(ctx context.Context, least func() time.Time) error {
	var suspect map[string]uint64
	steady := 0
	return t.site.waitFor(ctx, recoverMax, "the feed to be as it should", func() error {
		notices, err := t.site.follower.notices()
		if err != nil {
			return err
		}
		state := t.state.after(notices)
		now, err := t.look(ctx)
		if err != nil {
			return err
		}
		if suspect != nil && now.steady(suspect) {
			steady++
		} else {
			steady = 0
		}
		suspect = now.suspect()
		switch {
		case state.active != t.active:
			return fmt.Errorf("provider %s is active", state.active)
		case state.stale:
			return errors.New("the feed is stale")
		case steady < 2:
			_ = pause(ctx, lookEvery)
			return errors.New("a gap lies behind a provider")
		case time.Now().Before(least()):
			return errors.New("a provider is on probation")
		}
		return nil
	})
}

// takeExperience returns what the subscriber noticed since it was last taken.
func (t *trial) takeExperience() (Experience, error) {
	x, err := t.site.follower.takeExperience()
	if err != nil {
		return x, fmt.Errorf("the subscriber's session ended: %w", err)
	}
	if len(x.Notices) > 0 {
		t.moved = time.Now()
	}
	t.state = t.state.after(x.Notices)
	return x, nil
}

// quality returns how well this side did what it should since it was last asked.
func (t *trial) quality(ctx context.Context) (Quality, error) {
	q, err := t.site.relay.takeQuality()
	if err != nil {
		return q, err
	}
	q.TimersLate = t.site.timers.takeWorst()
	var latency admin.LatencyReport
	err = t.site.get(ctx, "/latency", &latency)
	q.GatewayLate = time.Duration(latency.WireToPublish.Recent.Max)
	return q, err
}

// add adds what came later. The venue's silence stays that of the drill.
func (q *Quality) add(since Quality) {
	q.VenueLate = max(q.VenueLate, since.VenueLate)
	q.RelayLate = max(q.RelayLate, since.RelayLate)
	q.TimersLate = max(q.TimersLate, since.TimersLate)
	q.GatewayLate = max(q.GatewayLate, since.GatewayLate)
}

// recoverMax is how long a feed may take to be as before: a gateway asks for twelve snapshots a minute at most.
const recoverMax = 90 * time.Second

// lookEvery is how often the gateway is asked: it makes a new answer ten times a second.
const lookEvery = 120 * time.Millisecond

// A feedState is what the gateway's messages say of the feed.
type feedState struct {
	active string
	stale  bool
}

// after returns the state after some messages.
func (state feedState) after(notices []Notice) feedState {
	for _, n := range notices {
		switch said := parseNotice(n.Text); said.kind {
		case switched:
			state.active = said.to
		case becameStale, becameFresh:
			state.stale = said.kind == becameStale
		}
	}
	return state
}

// compare pauses the market, waits for the subscriber to have the venue's books, and lets it go on.
func (t *trial) compare(ctx context.Context) (levels int, err error) {
	s := t.site
	if _, err := s.venue.Pause(); err != nil {
		return 0, err
	}
	truth, err := s.venue.Truth()
	if err == nil {
		err = s.wait(ctx, "the subscriber's books to be the venue's", func() error {
			var difference string
			difference, levels = s.follower.differs(truth.Books)
			if difference == "" && s.quotes != nil {
				difference = s.quotes.differs(truth.Books)
			}
			if difference != "" {
				return errors.New(difference)
			}
			return nil
		})
	}
	if _, resumed := s.venue.Resume(); err == nil {
		err = resumed
	}
	return levels, err
}

// A look is the state of everything that counts.
type look struct {
	channels  map[string]admin.FeedReport
	snapshots uint64 // that were begun
	asked     ResenderCounts
}

func (t *trial) look(ctx context.Context) (l look, err error) {
	if l.channels, err = t.site.channels(ctx); err != nil {
		return l, err
	}
	served, err := t.site.snapshotCounts()
	l.snapshots = served.Counts.Logins
	for _, r := range t.site.resenders {
		c := r.counts()
		l.asked.Requests += c.Requests
		l.asked.Answers += c.Answers
		l.asked.Hostile += c.Hostile
	}
	return l, err
}

// suspect returns how many events each channel has published behind a gap.
func (l look) suspect() map[string]uint64 {
	counts := map[string]uint64{}
	for name := range l.channels {
		counts[name] = l.channels[name].Suspect
	}
	return counts
}

// steady reports whether no channel has an open gap, or published behind an announced one since.
func (l look) steady(since map[string]uint64) bool {
	for name := range l.channels {
		c := l.channels[name]
		if c.Ledger.GapsOpen.Messages > 0 || c.Suspect != since[name] {
			return false
		}
	}
	return true
}
