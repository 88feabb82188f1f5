//go:build linux

package chaos

import (
	"strings"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/market"
)

func TestParseNotice(t *testing.T) {
	for text, want := range map[string]saying{
		"switched from provider north to south: behind by 50.8 ms":           {switched, "north", "south", "behind"},
		"switched from provider south to north: preferred":                   {switched, "south", "north", "preferred"},
		"stale: no provider is fresh, the active one is silent by 1000.2 ms": {kind: becameStale, reason: "silent"},
		"fresh again":               {kind: becameFresh},
		"the gateway is going down": {},
	} {
		if got := parseNotice(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// A case is a repetition of a drill as it would be if all was right, for tests to spoil.
type courtCase struct {
	trial         trial
	drill         Drill
	run           RunReport
	before, after look
}

func newCase(t *testing.T, drill string) *courtCase {
	t.Helper()
	d, ok := builtIn(drill)
	if !ok {
		t.Fatalf("no drill %q", drill)
	}
	feed := &config.Feed{
		StaleAfter: 50 * time.Millisecond, Silence: time.Second, GapDeadline: 30 * time.Millisecond,
		Providers: []config.Provider{{Name: "north"}, {Name: "south"}},
	}
	c := &courtCase{trial: trial{site: &site{feed: feed, quotes: &quotes{}}, active: "north"}, drill: d}
	c.run.left = market.UndefTime
	balanced := map[string]admin.FeedReport{"north": {Balanced: true}, "south": {Balanced: true}}
	c.before.channels, c.after.channels = balanced, map[string]admin.FeedReport{"north": balanced["north"], "south": balanced["south"]}
	for _, name := range []string{"north/A", "north/B", "south/A"} {
		c.run.paths = append(c.run.paths, PathState{Name: name, Met: at(1000), Shown: at(1005), QuietFrom: at(900)})
	}
	return c
}

// say has the gateway say something.
func (c *courtCase) say(ms int, text string) {
	c.run.Noticed.Notices = append(c.run.Noticed.Notices, Notice{At: at(ms), Seen: at(ms) + 500_000, Text: text})
}

func (c *courtCase) lose(provider string, messages uint64) {
	f := c.after.channels[provider]
	f.Ledger.GapsDeadline = arbiter.GapTally{Ranges: 1, Messages: messages}
	c.after.channels[provider] = f
}

func (c *courtCase) judge() { c.trial.judge(&c.drill, &c.run, c.before, c.after) }

// wantBroken wants one promise to be broken, or none for "".
func (c *courtCase) wantBroken(t *testing.T, want string) {
	t.Helper()
	c.judge()
	got := strings.Join(c.run.Broken, "; ")
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: broken %q, want %q", c.drill.Name, got, want)
	}
}

const (
	saysLeft  = "switched from provider north to south: behind by 50.8 ms"
	saysBack  = "switched from provider south to north: preferred"
	saysStale = "stale: no provider is fresh, the active one is lagging by 200.2 ms"
	saysFresh = "fresh again"
)

func TestJudgeASwitch(t *testing.T) {
	right := func(t *testing.T) *courtCase {
		c := newCase(t, "stall")
		c.say(1051, saysLeft)
		c.say(5000, saysBack)
		c.run.Noticed.Refreshes = 16
		return c
	}
	c := right(t)
	c.wantBroken(t, "")
	if want := (Timing{Decided: time.Millisecond, Seen: 1500 * time.Microsecond}); *c.run.Timed != want {
		t.Errorf("%+v, want %+v", *c.run.Timed, want)
	}
	for want, spoil := range map[string]func(*courtCase){
		"the feed did not switch":              func(c *courtCase) { c.run.Noticed.Notices = nil },
		"the feed is still with south":         func(c *courtCase) { c.run.Noticed.Notices = c.run.Noticed.Notices[:1] },
		"without need: stale":                  func(c *courtCase) { c.say(5100, saysStale); c.say(5200, saysFresh) },
		"still stale":                          func(c *courtCase) { c.say(5100, saysStale) },
		"without need: switched":               func(c *courtCase) { c.say(6000, saysLeft); c.say(7000, saysBack) },
		"but north was active":                 func(c *courtCase) { c.say(6000, saysBack) },
		`the gateway said "what"`:              func(c *courtCase) { c.say(6000, "what") },
		"3 records were marked":                func(c *courtCase) { c.run.Noticed.Marked = 3 },
		"no book was published anew":           func(c *courtCase) { c.run.Noticed.Refreshes = 0 },
		"1 records do not fit":                 func(c *courtCase) { c.run.Noticed.Faults = 1 },
		"left the consolidated dataset":        func(c *courtCase) { c.run.left = at(2000) },
		"the ledger of south does not balance": func(c *courtCase) { c.after.channels["south"] = admin.FeedReport{} },
	} {
		c := right(t)
		spoil(c)
		c.wantBroken(t, want)
	}
}

func TestJudgeAStaleFeed(t *testing.T) {
	c := newCase(t, "none-fresh")
	c.run.delay = ms(200)
	c.say(1201, saysStale)
	c.say(4000, saysFresh)
	c.run.left = at(1202)
	c.run.Noticed.Marked = 10
	c.wantBroken(t, "")
	if want := (Timing{Decided: time.Millisecond, Seen: 1500 * time.Microsecond, Left: 2 * time.Millisecond}); *c.run.Timed != want {
		t.Errorf("%+v, want %+v", *c.run.Timed, want)
	}
	c = newCase(t, "none-fresh")
	c.wantBroken(t, "the feed was not marked as stale; the feed did not leave the consolidated dataset; no record was marked")
}

func TestJudgeLosses(t *testing.T) {
	c := newCase(t, "line-stall")
	c.lose("north", 4)
	c.wantBroken(t, "4 messages were lost")

	c = newCase(t, "range")
	c.wantBroken(t, "retransmission filled nothing")

	c = newCase(t, "no-retransmit")
	c.lose("north", 4)
	c.run.Noticed.Marked, c.run.Noticed.Refreshes, c.after.snapshots = 4, 8, 1
	c.run.Noticed.FirstMark = at(1037)
	c.wantBroken(t, "")
	if c.run.Timed == nil || c.run.Timed.Seen != 2*time.Millisecond {
		t.Errorf("%+v", c.run.Timed)
	}
	c = newCase(t, "no-retransmit")
	c.wantBroken(t, "no gap was announced; no record was marked; no book was published anew; no snapshot was asked for")

	c = newCase(t, "hostile-garbage")
	c.lose("south", 4)
	c.run.Noticed.Marked, c.run.Noticed.Refreshes, c.after.snapshots = 4, 8, 1
	c.wantBroken(t, "the hostile server was not asked")
}

// A loss that only a later packet shows leaves another provider ahead before a request could be answered: then
// a switch is right.
func TestJudgeALossThatWasShownLate(t *testing.T) {
	c := newCase(t, "range")
	c.say(1051, saysLeft)
	c.say(3000, saysBack)
	c.run.Noticed.Refreshes = 16
	c.after.channels["north"] = admin.FeedReport{
		Balanced: true, Ledger: admin.ChannelLedger{Ledger: arbiter.Ledger{GapsFilled: arbiter.GapTally{Ranges: 1, Messages: 5}}},
		Lines: []admin.LineReport{{Name: "R", Ledger: arbiter.LineLedger{Published: arbiter.Tally{Packets: 1, Messages: 5}}}},
	}
	late := *c
	late.run.paths = []PathState{{Name: "north/A", Met: at(1000), Shown: at(1040)}, {Name: "north/B", Met: at(1000), Shown: at(1040)}}
	c.wantBroken(t, "without need: switched")
	late.wantBroken(t, "")
}

// What the machine may be to blame for does not count, and the rest does.
func TestJudgeALateMachine(t *testing.T) {
	c := newCase(t, "calm")
	c.say(1051, saysStale)
	c.say(3000, saysFresh)
	c.run.Quality.VenueLate = 40 * time.Millisecond
	c.run.Noticed.Faults = 1
	c.judge()
	if len(c.run.Disturbed) == 0 || len(c.run.Broken) != 1 || !strings.Contains(c.run.Broken[0], "do not fit") {
		t.Errorf("disturbed %q, broken %q", c.run.Disturbed, c.run.Broken)
	}
	// That a timer was late does not make prices late.
	c = newCase(t, "calm")
	c.say(1051, saysStale)
	c.say(3000, saysFresh)
	c.run.Quality.TimersLate = 40 * time.Millisecond
	c.wantBroken(t, "without need: stale")
	// But it makes answers late.
	c = newCase(t, "range")
	c.run.Quality.TimersLate = 40 * time.Millisecond
	c.wantBroken(t, "")
}
