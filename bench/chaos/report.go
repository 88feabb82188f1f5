//go:build linux

package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tidegate/bench"
	"tidegate/gateway/config"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A Report is the outcome of drills.
type Report struct {
	Environment bench.Environment `json:"environment"`
	LoadBefore  string            `json:"load_before"` // of the machine: others may be at work
	LoadAfter   string            `json:"load_after"`
	Began       time.Time         `json:"began"`
	Took        time.Duration     `json:"took_ns"`
	Seed        uint64            `json:"seed"`
	Limits      Limits            `json:"limits"`
	// Timers is how late this machine woke a thread with nothing else to do, each millisecond of the run.
	Timers Distribution `json:"timers"`
	// Relay is how late packets left that the relay was to delay.
	Relay    Distribution   `json:"relay"`
	Drills   []*DrillReport `json:"drills"`
	Promises []Promise      `json:"promises"`
	// Books are the venue's when its market has closed: what whoever followed to the end must have.
	Books []venue.BookTruth `json:"books,omitempty"`

	began time.Time
}

// Limits are the gateway's, as configured.
type Limits struct {
	StaleAfter  time.Duration `json:"stale_after_ns"`
	Silence     time.Duration `json:"silence_ns"`
	GapDeadline time.Duration `json:"gap_deadline_ns"`
	Tick        time.Duration `json:"tick_ns"`
}

// A DrillReport is the outcome of a drill.
type DrillReport struct {
	Name   string   `json:"name"`
	Says   string   `json:"says"`
	Steps  []string `json:"steps"`
	Expect Expect   `json:"expect"`
	// Decided, Seen and Left are over all repetitions how long after the limit the gateway decided, by its own
	// time; a subscriber had read of it; and the feed had left the consolidated dataset.
	Decided   Distribution  `json:"decided"`
	Seen      Distribution  `json:"seen"`
	Left      Distribution  `json:"left"`
	Latest    Distribution  `json:"latest"`
	Recovered Distribution  `json:"recovered"`
	Silence   Distribution  `json:"silence"`
	Venue     Distribution  `json:"venue_silence"`
	Broken    int           `json:"broken"`    // repetitions
	Disturbed int           `json:"disturbed"` // repetitions that count for nothing
	Runs      []*RunReport  `json:"runs"`
	sums      distributions // of the above
}

type distributions struct{ decided, seen, left, latest, recovered, silence, venue histogram }

// A RunReport is the outcome of one repetition.
type RunReport struct {
	Began     time.Time                `json:"began"`
	Injected  []Injection              `json:"injected"`
	Healed    time.Time                `json:"healed"`
	Recovered time.Duration            `json:"recovered_ns"` // since Healed, until the books were the venue's again
	Timed     *Timing                  `json:"timed,omitempty"`
	Noticed   Experience               `json:"noticed"`
	Quality   Quality                  `json:"quality"`  // of the drills' own side, until the books were compared
	Channels  map[string]ChannelReport `json:"channels"` // by provider
	Snapshots uint64                   `json:"snapshots"`
	Requests  uint64                   `json:"requests"` // that came to the retransmit servers
	Answers   uint64                   `json:"answers"`
	Hostile   uint64                   `json:"hostile"` // datagrams of hostile retransmit servers
	Levels    int                      `json:"levels"`  // that were compared
	Broken    []string                 `json:"broken,omitempty"`
	// Disturbed has what else the gateway did other than expected, in a repetition in which the machine itself was
	// so late that it may have had to. It counts for nothing, and is repeated.
	Disturbed []string `json:"disturbed,omitempty"`

	doubts          []doubt
	excused         bool // the feed switched for what the drill did, if not for what it is about
	delay           Span // the longest that its lines were given
	paths           []PathState
	switched, stale *Notice
	left            market.Nanos
}

// An Injection is what was done, and when.
type Injection struct {
	At   market.Nanos `json:"at_ns"`
	What string       `json:"what"`
}

// A Timing says how long after the limit something happened: less than 0 is before it, 0 not measured.
type Timing struct {
	Decided time.Duration `json:"decided_ns"`
	Seen    time.Duration `json:"seen_ns"`
	Left    time.Duration `json:"left_ns,omitempty"`
}

// A ChannelReport is what a provider's channel has gone through.
type ChannelReport struct {
	Messages      uint64 `json:"messages"`
	Lost          uint64 `json:"lost"` // announced as lost
	Filled        uint64 `json:"filled"`
	Retransmitted uint64 `json:"retransmitted"` // of those that were published
	Balanced      bool   `json:"balanced"`
}

// A Promise is what drills hold a gateway to.
type Promise struct {
	Text string `json:"text"`
	// Timing says that the machine may be to blame, so that it is no failure if the promise was not kept.
	Timing bool `json:"timing"`
	Kept   bool `json:"kept"`
	// Says by how much, or how often not.
	Says string `json:"says"`
}

func newReport(o *Options, f *config.Feed) *Report {
	return &Report{
		Environment: bench.Here(), LoadBefore: loadAverage(), Began: time.Now(), began: time.Now(), Seed: max(o.Seed, 1),
		Limits: Limits{StaleAfter: f.StaleAfter, Silence: f.Silence, GapDeadline: f.GapDeadline, Tick: o.Gateway.Loop.Tick},
	}
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

func newDrillReport(d *Drill) *DrillReport {
	r := &DrillReport{Name: d.Name, Says: d.Says, Expect: d.Expect}
	for i := range d.Steps {
		r.Steps = append(r.Steps, d.Steps[i].String())
	}
	for _, h := range r.sums.all() {
		*h = newHistogram()
	}
	return r
}

func (d *distributions) all() []*histogram {
	return []*histogram{&d.decided, &d.seen, &d.left, &d.latest, &d.recovered, &d.silence, &d.venue}
}

// add takes the outcome of a repetition.
func (r *DrillReport) add(one *RunReport) {
	r.Runs = append(r.Runs, one)
	switch {
	case len(one.Broken) > 0:
		r.Broken++
	case len(one.Disturbed) > 0:
		r.Disturbed++
		return
	}
	if t := one.Timed; t != nil {
		if t.Decided != 0 {
			r.sums.decided.record(int64(t.Decided))
		}
		if t.Left != 0 {
			r.sums.left.record(int64(t.Left))
		}
		r.sums.seen.record(int64(t.Seen))
	}
	r.sums.latest.record(int64(one.Noticed.Latest))
	r.sums.recovered.record(int64(one.Recovered))
	r.sums.silence.record(int64(one.Noticed.Silence))
	r.sums.venue.record(int64(one.Quality.VenueSilence))
	for _, s := range []struct {
		from histogram
		to   *Distribution
	}{
		{r.sums.decided, &r.Decided},
		{r.sums.seen, &r.Seen},
		{r.sums.left, &r.Left},
		{r.sums.latest, &r.Latest},
		{r.sums.recovered, &r.Recovered},
		{r.sums.silence, &r.Silence},
		{r.sums.venue, &r.Venue},
	} {
		*s.to = s.from.sum()
	}
}

// end completes the report.
func (r *Report) end(s *site) {
	r.Took, r.LoadAfter = time.Since(r.began), loadAverage()
	r.Timers = s.endTimers()
	_ = s.relay.do(func(market.Nanos) { r.Relay = s.relay.lateness.sum() })
	r.promise()
}

// grace is what a decision may take beyond the limit and a tick.
const grace = 2 * time.Millisecond

// promise sums up what was promised.
func (r *Report) promise() {
	broken, runs := 0, 0
	for _, d := range r.Drills {
		broken += d.Broken
		runs += d.counted()
	}
	r.Promises = append(r.Promises, Promise{
		Text: "books are the venue's, nothing is lost or marked without need, ledgers balance, the feed switches and is marked when it must",
		Kept: broken == 0, Says: fmt.Sprintf("%d of %d repetitions", runs-broken, runs),
	})
	limit := r.Limits.Tick + grace
	for _, d := range r.Drills {
		if d.Seen.Count > 0 {
			r.Promises = append(r.Promises, Promise{
				Text: fmt.Sprintf("%s: subscribers read of it within the limit + %s at p99", d.Name, limit), Timing: true,
				Kept: d.Seen.P99 <= limit, Says: "p99 " + short(d.Seen.P99),
			})
		}
		if d.Expect.Within > 0 && d.counted() > 0 {
			within := time.Duration(d.Expect.Within) + limit
			r.Promises = append(r.Promises, Promise{
				Text: fmt.Sprintf("%s: no message later than %s + %s", d.Name, d.Expect.Within, limit), Timing: true,
				Kept: d.Latest.Max <= within, Says: "max " + short(d.Latest.Max),
			})
		}
	}
}

// counted returns how many repetitions count.
func (r *DrillReport) counted() int { return len(r.Runs) - r.Disturbed }

// Undecided returns the drills of which no repetition counts, because this machine was too late each time.
func (r *Report) Undecided() (names []string) {
	for _, d := range r.Drills {
		if d.counted() == 0 {
			names = append(names, d.Name)
		}
	}
	return names
}

// Broken returns the promises of correctness that were not kept, by drill and repetition.
func (r *Report) Broken() (broken []string) {
	for _, d := range r.Drills {
		for i, one := range d.Runs {
			for _, text := range one.Broken {
				broken = append(broken, fmt.Sprintf("%s, repetition %d: %s", d.Name, i+1, text))
			}
		}
	}
	return broken
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
