//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Run drills a gateway and reports. The error is about what could not be done; what the gateway did wrong is in the
// report. When ctx ends, the drills end, and the report has what was done until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Gateway == nil {
		return nil, errors.New("chaos: no configuration of a gateway")
	}
	if err := o.Plan.Validate(); err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	o.Say("starting the venue and waiting for the gateway")
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	report := newReport(&o, s.feed)
	err = s.drill(ctx, &o, report)
	report.end(s)
	if err == nil {
		report.Books, err = s.end(ctx)
	}
	if closed := s.close(); err == nil && closed != nil {
		err = closed
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("chaos: %w", err)
	}
	return report, err
}

// drill takes the drills of the plan in order, each as often as it is to be repeated.
func (s *site) drill(ctx context.Context, o *Options, report *Report) error {
	t := trial{site: s, active: s.feed.Providers[0].Name}
	o.Say("waiting for a feed that is fresh")
	if err := t.begin(ctx); err != nil {
		return err
	}
	for i := range o.Plan.Drills {
		d := &o.Plan.Drills[i]
		r := newDrillReport(d)
		report.Drills = append(report.Drills, r)
		if err := t.repeat(ctx, d, r, o.Say); err != nil {
			return err
		}
	}
	return nil
}

// repeat takes a drill as often as it is to be repeated, and once more for each repetition that was disturbed, but
// not for ever.
func (t *trial) repeat(ctx context.Context, d *Drill, r *DrillReport, say func(string)) error {
	wanted := max(1, d.Repeat)
	for n := 0; r.counted() < wanted && n < 2*wanted+disturbedMax; n++ {
		if d.Expect.Snapshot && n > 0 {
			if err := pause(ctx, snapshotEvery-time.Since(r.Runs[n-1].Began)); err != nil {
				return err
			}
		}
		one, err := t.run(ctx, d)
		if err != nil {
			return err
		}
		r.add(one)
		outcome := "right"
		switch {
		case len(one.Broken) > 0:
			outcome = "BROKEN: " + strings.Join(one.Broken, "; ")
		case len(one.Disturbed) > 0:
			outcome = "disturbed: " + strings.Join(one.Disturbed, "; ")
		}
		say(fmt.Sprintf("%s, %d of %d: %s", d.Name, r.counted(), wanted, outcome))
	}
	return nil
}

// disturbedMax is how many repetitions may be disturbed before a drill is given up, beside as many again as were
// wanted.
const disturbedMax = 5

// begin waits until the feed is fresh, its first provider is active, and the subscriber has its books.
func (t *trial) begin(ctx context.Context) error {
	if err := t.calm(ctx); err != nil {
		return err
	}
	if q := t.site.quotes; q != nil {
		if err := t.site.wait(ctx, "quotes of every instrument", q.whole(t.site.instruments)); err != nil {
			return err
		}
	}
	_, err := t.compare(ctx)
	return err
}

// snapshotEvery is how often drills are repeated that take a snapshot of each provider: a gateway asks for twelve a
// minute at most.
const snapshotEvery = 5100 * time.Millisecond
