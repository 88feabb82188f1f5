//go:build linux

package chaos

import (
	"time"

	"tidegate/internal/venue"
)

func ms(n int) Span { return Span(n) * Span(time.Millisecond) }

// onActive impairs every line of the active provider at once.
func onActive(i Impairment) []Step { return []Step{{Paths: "active/*", Set: &i}} }

// lost has all lines of all providers lose the same packets while the retransmit server answers in a way. Before
// that it answers as it should, so that nobody has reason not to ask it.
func lost(how Serving) []Step {
	return []Step{
		{Paths: "*/*", Lose: 1},
		{At: ms(100), Retransmit: how},
		{At: ms(110), Paths: "*/*", Lose: packetsLost},
	}
}

const packetsLost = 5

// leavesLate are the reasons for which a provider is left that is late, and leavesDead for which one that sends nothing
// is: where the market rests nobody is ahead of it, and its silence shows first.
var (
	leavesLate = []string{"behind", "lagging"}
	leavesDead = []string{"behind", "lagging", "silent"}
)

// drills are those that are built in.
var drills = []Drill{
	{
		Name: "calm", Says: "nothing is wrong: the feed must stay as it is",
		For: ms(300), Expect: Expect{Within: ms(50)},
	},
	{
		Name: "stall", Says: "the active provider stalls on all its lines, and gives everything back at once",
		Steps: onActive(Impairment{Stalled: true}), For: ms(300),
		Expect: Expect{Switch: leavesDead, Since: SinceBehind},
	},
	{
		Name: "delay", Says: "the active provider comes 80 ms late",
		Steps: onActive(Impairment{Delay: ms(80)}), For: ms(300),
		Expect: Expect{Switch: leavesLate, Since: SinceBehind},
	},
	{
		Name: "kill", Says: "the active provider is dead for longer than its silence limit, and what it sent meanwhile is gone",
		Steps: onActive(Impairment{Down: true}), For: ms(1500),
		Expect: Expect{Switch: leavesDead, Since: SinceBehind},
	},
	{
		Name: "line-stall", Says: "line A of the active provider stalls for 300 ms; its line B is 5 ms late",
		Steps: []Step{
			{Paths: "active/B", Set: &Impairment{Delay: ms(5)}},
			{At: ms(100), Paths: "active/A", Set: &Impairment{Stalled: true}},
			{At: ms(400), Paths: "active/A", Set: &Impairment{}},
		},
		For: ms(450), Expect: Expect{Within: ms(5)},
	},
	{
		Name: "loss", Says: "line A of the active provider loses 20 % of its packets, and reorders and repeats others",
		Steps: []Step{{Paths: "active/A", Set: &Impairment{Loss: 0.2, Reorder: 0.05, ReorderBy: ms(2), Duplicate: 0.05}}},
		For:   ms(1000),
	},
	{
		Name: "range", Says: "both lines of the active provider lose the same packets: retransmission fills them",
		Steps: []Step{{Paths: "active/*", Lose: packetsLost}}, For: ms(150),
		Expect: Expect{Filled: true},
	},
	{
		Name: "no-retransmit", Says: "all lines lose the same packets and the retransmit server is dead: a gap is announced, a snapshot heals it",
		Steps: lost(Dead), For: ms(300), Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true, Since: SinceGap},
	},
	{
		Name: "dead", Says: "everything is dead for longer than the silence limit; the lines come back, retransmission and snapshots later",
		Steps: []Step{
			{Retransmit: Dead, Snapshots: &venue.SoupSettings{Refuse: true}},
			{At: ms(50), Paths: "*/*", Set: &Impairment{Down: true}},
			{At: ms(1600), Paths: "*/*", Set: &Impairment{}},
		},
		For:    ms(2000),
		Expect: Expect{Stale: true, MaySwitch: true, Lost: true, Snapshot: true, Since: SinceSilent},
	},
	{
		Name: "none-fresh", Says: "every provider comes 200 ms late: the feed is marked and leaves the consolidated dataset, and is back when one is fresh",
		Steps: []Step{{Paths: "*/*", Set: &Impairment{Delay: ms(200)}}}, For: ms(600),
		Expect: Expect{Stale: true, MaySwitch: true, Since: SinceLate},
	},
	{
		Name: "hostile-session", Says: "the retransmit server answers with messages of another session",
		Steps: lost(WrongSession), For: ms(300), Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true},
	},
	{
		Name: "hostile-counts", Says: "the retransmit server promises more messages than follow",
		Steps: lost(HugeCounts), For: ms(300), Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true},
	},
	{
		Name: "hostile-garbage", Says: "the retransmit server answers with random bytes",
		Steps: lost(Garbage), For: ms(300), Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true},
	},
	{
		Name: "hostile-endless", Says: "the retransmit server answers one request with packets without end",
		Steps: lost(Endless), For: ms(500), Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true},
	},
	{
		Name: "slow-snapshot", Says: "all lines lose the same packets, retransmission is dead, and the first snapshot comes by the byte",
		Steps: append([]Step{{Snapshots: &venue.SoupSettings{Drip: 2000}}}, lost(Dead)...), For: ms(1000),
		Expect: Expect{Lost: true, Snapshot: true, MaySwitch: true},
	},
	{
		Name: "time-past", Says: "the active provider's messages are all from midnight",
		Steps: onActive(Impairment{Clock: ClockPast}), For: ms(500),
		Expect: Expect{Switch: leavesLate},
	},
	{
		Name: "time-future", Says: "the active provider's messages are all from the last moment of the day",
		Steps: onActive(Impairment{Clock: ClockFuture}), For: ms(500),
		Expect: Expect{Switch: leavesLate},
	},
	{
		Name: "time-beyond", Says: "the active provider's messages bear a time that no day has: they cannot be believed, nor can its books",
		Steps: onActive(Impairment{Clock: ClockBeyond}), For: ms(500),
		Expect: Expect{Switch: append([]string{"gapped"}, leavesLate...)},
	},
}
