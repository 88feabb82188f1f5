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
	if err := s.relay.Begin(); err != nil {
		return nil, err
	}
	r := &RunReport{Began: time.Now(), left: market.UndefTime}
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
	meanwhile, err := s.follower.soFar()
	if err != nil {
		return nil, fmt.Errorf("the subscriber's session ended: %w", err)
	}
	if err := t.heal(); err != nil {
		return nil, err
	}
	r.Healed = time.Now()
	if err := t.settle(ctx); err != nil {
		if ctx.Err() != nil || s.failed() != nil {
			return nil, err
		}
		r.broke("recovery: %v", err)
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
	r.Noticed.Silence, r.Noticed.Latest = meanwhile.Silence, meanwhile.Latest
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

// inject takes the steps, each at its time, and returns when the drill's time is over and what is expected has
// happened. The time stands still while the market does: what is done to packets takes packets.
func (t *trial) inject(ctx context.Context, d *Drill, r *RunReport) error {
	began := r.Began
	for i := range d.Steps {
		step := &d.Steps[i]
		if err := pause(ctx, time.Until(began.Add(time.Duration(step.At)))); err != nil {
			return err
		}
		if step.Set != nil {
			r.delay = max(r.delay, step.Set.Delay)
		}
		at, err := t.take(step)
		if err != nil {
			return err
		}
		r.Injected = append(r.Injected, Injection{At: at, What: t.named(step.String())})
		taken := time.Now()
		if err := t.effect(ctx, step); err != nil {
			return err
		}
		began = began.Add(time.Since(taken))
	}
	if err := pause(ctx, time.Until(began.Add(time.Duration(d.For)))); err != nil {
		return err
	}
	for deadline := time.Now().Add(expectMax); time.Now().Before(deadline); {
		if seen, err := t.site.follower.soFar(); err != nil || d.Expect.met(&seen) {
			return err
		}
		if err := pause(ctx, expectEvery); err != nil {
			return err
		}
	}
	return nil // judge finds what is missing
}

const (
	effectMax   = 20 * time.Second // for which a market may be silent
	expectMax   = 5 * time.Second  // for which what is expected is waited for beyond a drill's time
	expectEvery = 2 * time.Millisecond
)

// effect waits until there were packets for what a step has set.
func (t *trial) effect(ctx context.Context, step *Step) error {
	if step.Paths == "" {
		return nil
	}
	pattern := t.named(step.Paths)
	return t.site.waitFor(ctx, effectMax, "messages of the venue", func() error {
		paths, err := t.site.relay.Paths()
		if err != nil {
			return err
		}
		for i := range paths {
			if matches(pattern, paths[i].Name) && !paths[i].Effective {
				return errors.New("there are none")
			}
		}
		return nil
	})
}

// met reports whether what is expected has been noticed. What need not be noticed has.
func (e *Expect) met(seen *Experience) bool {
	has := map[sayingKind]bool{}
	for _, n := range seen.Notices {
		has[parseNotice(n.Text).kind] = true
	}
	return (len(e.Switch) == 0 || has[switched]) && (!e.Stale || has[becameStale]) && (!e.Lost || seen.Marked > 0)
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

// calm waits until a repetition can begin. What was noticed meanwhile counts for nothing.
func (t *trial) calm(ctx context.Context) error {
	if err := t.settle(ctx); err != nil {
		return err
	}
	_, err := t.takeExperience()
	return err
}

// settle waits until the feed is fresh, by the preferred provider, and every provider could be chosen. It wants to be
// told so twice: what it is told may be a tenth of a second old.
func (t *trial) settle(ctx context.Context) error {
	var since time.Time // when it was first told so
	return t.site.waitFor(ctx, recoverMax, "the feed to be as it should", func() error {
		if err := t.settled(ctx); err != nil {
			since = time.Time{}
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < answerAge {
			return errors.New("it is for a moment only")
		}
		return nil
	})
}

// answerAge is more than the age of what the admin interface answers with.
const answerAge = 120 * time.Millisecond

// settled returns an error if the feed is not as it should be.
func (t *trial) settled(ctx context.Context) error {
	choice, err := t.site.choice(ctx)
	if err != nil {
		return err
	}
	switch {
	case choice.Active != t.active:
		return fmt.Errorf("provider %s is active", choice.Active)
	case choice.Stale:
		return errors.New("it is stale")
	case choice.RefreshDue > 0:
		return fmt.Errorf("%d books are not published anew yet", choice.RefreshDue)
	}
	for _, p := range choice.Providers {
		switch {
		case p.Breaker != breakerClosed:
			return fmt.Errorf("provider %s is %s", p.Name, p.Rank)
		case p.Gapped:
			return fmt.Errorf("a gap lies behind provider %s", p.Name)
		}
	}
	now, err := t.look(ctx)
	if err != nil {
		return err
	}
	for name := range now.channels {
		if open := now.channels[name].Ledger.GapsOpen.Messages; open > 0 {
			return fmt.Errorf("%d messages of provider %s are missing", open, name)
		}
	}
	return nil
}

// breakerClosed is what the admin interface says of a breaker that lets its provider be chosen.
const breakerClosed = "closed"

// takeExperience returns what the subscriber noticed since it was last taken.
func (t *trial) takeExperience() (Experience, error) {
	x, err := t.site.follower.takeExperience()
	if err != nil {
		return x, fmt.Errorf("the subscriber's session ended: %w", err)
	}
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
