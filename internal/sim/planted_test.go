package sim

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	plant       = flag.Bool("sim.plant", false, "build the planted bugs and look whether worlds catch them")
	plantWorlds = flag.String("sim.plant.worlds", "200", "in how many worlds each must be caught")
	plantOnly   = flag.String("sim.plant.only", "", "part of the name of the bugs to be planted; all by default")
)

// A plantedBug is a change of production code that worlds must notice. old must occur exactly once in its file, so
// that a bug whose place has changed is not planted elsewhere or nowhere.
type plantedBug struct {
	name     string
	file     string
	old, new string
}

var plantedBugs = []plantedBug{
	{
		"a gap begins a message too late", "arbiter/stream.go",
		`span{from: a.high, to: p.Seq, `, `span{from: a.high + 1, to: p.Seq, `,
	},
	{
		"a gap ends a message too early", "arbiter/stream.go",
		`Gap{From: a.next, To: seq, Seen`, `Gap{From: a.next, To: seq - 1, Seen`,
	},
	{
		"a gap is given up some ticks late", "arbiter/arbiter.go",
		`now-a.gaps.open[0].seen >= a.cfg.GapDeadline {`, `now-a.gaps.open[0].seen >= a.cfg.GapDeadline+5*market.Millisecond {`,
	},
	{
		"what overlaps is published twice", "arbiter/stream.go",
		`a.handler.OnMessages(p, uint32(skip))`, `a.handler.OnMessages(p, 0)`,
	},
	{
		"a duplicate ahead of a gap fills it", "arbiter/gaps.go",
		`			return to - from, 0, true
`, `			g.open = slices.Delete(g.open, i, i+1)
			return to - from, 0, true
`,
	},
	{
		"answers to an earlier epoch are taken", "arbiter/requester.go",
		`	r.asked.forget()
`, ``,
	},
	{
		"lag is noticed some milliseconds late", "gateway/providers/judge.go",
		`lag > f.cfg.StaleAfter &&`, `lag > f.cfg.StaleAfter+5*market.Millisecond &&`,
	},
	{
		"lag is compared the wrong way round", "gateway/providers/judge.go",
		`lag > f.cfg.StaleAfter &&`, `lag < f.cfg.StaleAfter &&`,
	},
	{
		"behind is noticed some ticks late", "arbiter/race.go",
		`now-r.marks[r.head].recv > r.after {`, `now-r.marks[r.head].recv > r.after+4*market.Millisecond {`,
	},
	{
		"silence is noticed some ticks late", "gateway/providers/judge.go",
		`silent > f.cfg.Silence {`, `silent > f.cfg.Silence+4*market.Millisecond {`,
	},
	{
		"a quiet line passes for a silent one", "gateway/providers/judge.go",
		`silent > f.cfg.Silence {`, `silent > f.cfg.Silence/2 && len(f.ports) > 1 && p.index > 0 {`,
	},
	{
		"a snapshot is merged with what was there", "gateway/snapshot.go",
		`Publisher: p.cfg.Publisher.ID, Action: market.Clear, Side: market.NoSide, Flags: flags,`,
		`Publisher: p.cfg.Publisher.ID, Action: market.None, Side: market.NoSide, Flags: flags,`,
	},
	{
		"deltas from before a snapshot are applied", "gateway/rebuild.go",
		`		if seq+count <= at {
			continue
		}
		if seq > at {`, `		if seq+count <= at {
			at = seq
		}
		if seq > at {`,
	},
	{
		"deltas after a snapshot are dropped", "gateway/rebuild.go",
		`		r.shadow.block(block, run{seq: at, tsRecv: tsRecv})
`, `		_ = tsRecv
`,
	},
	{
		"a snapshot with a hole behind it is taken", "gateway/rebuild.go",
		`	if at != p.arb.Next() {`, `	if false {`,
	},
	{
		"a switch does not refresh", "gateway/providers/feed.go",
		`	f.beginRefresh(old, now)
`, ``,
	},
	{
		"an event comes before its refresh", "gateway/providers/port.go",
		`	if f.refresh.due(id) {
`, `	if false {
`,
	},
	{
		"a switch to another epoch does not clear", "gateway/providers/refresh.go",
		`	if before.heard && (`, `	if false && (`,
	},
	{
		"that a feed is stale is not marked", "gateway/providers/marks.go",
		`	if f.stale || f.active.pipeline.Suspect() {`, `	if f.active.pipeline.Suspect() {`,
	},
	{
		"that a feed is stale is not told", "gateway/providers/marks.go",
		`		f.notices.OnStale(Staleness{At: now, Stale: f.stale, Reason: d.Reason, By: d.By})
`, ``,
	},
	{
		"a better provider is not switched to", "gateway/providers/feed.go",
		`		d.Reason, d.By = Gapped, now-a.gapped
`, `		return d, false
`,
	},
	{
		"a stale feed stays in the consolidated dataset", "gateway/stream/consolidated.go",
		`		if stale {
			change = `, `		if !stale {
			change = `,
	},
	{
		"what comes after a gap is not marked", "gateway/pipeline.go",
		`func (f *fresh) OnGap(g arbiter.Gap) {
	f.suspect = true
`, `func (f *fresh) OnGap(g arbiter.Gap) {
`,
	},
	{
		"books are not cleared with an epoch", "gateway/pipeline.go",
		`	p.clearBooks(e.TsRecv, e.TsRecv, e.From)
`, ``,
	},
	{
		"a channel that is joined in its middle is published at once", "gateway/pipeline.go",
		`		p.withhold = e.From > 1
`, `		p.withhold = false
`,
	},
	{
		"a reader is not told that it was lapped", "internal/bus/reader.go",
		`			if !c.pin(r.number) {
				return Lapped
			}`, `			if !c.pin(r.number) {
				r.Skip(r.ring.Newest())
				return Empty
			}`,
	},
}

// TestPlantedBugs plants each bug in turn and wants some worlds to notice it. Without -sim.plant it checks only that
// they can be planted.
func TestPlantedBugs(t *testing.T) {
	if *plant {
		t.Run("none", func(t *testing.T) {
			if out, err := exec.Command("go", "test", ".", "-run=^TestWorlds$", "-sim.failfast", "-sim.fresh=0", "-sim.seeds="+*plantWorlds).CombinedOutput(); err != nil {
				t.Fatalf("worlds fail without a bug:\n%s", out)
			}
		})
	}
	for _, b := range plantedBugs {
		if !strings.Contains(b.name, *plantOnly) {
			continue
		}
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			file, err := filepath.Abs(filepath.Join("../..", b.file))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), b.old); n != 1 {
				t.Fatalf("%s: %q occurs %d times, want once: the code has changed, find the bug another place", b.file, b.old, n)
			}
			if *plant {
				b.grow(t, file, strings.Replace(string(text), b.old, b.new, 1))
			}
		})
	}
}

// grow runs worlds whose production code has the bug.
func (b *plantedBug) grow(t *testing.T, file, text string) {
	dir := t.TempDir()
	bad, overlay, binary := filepath.Join(dir, "bad.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: bad}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{bad: text, overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%s with the bug: %v\n%s", b.file, err, out)
	}
	out, err := exec.Command(binary, "-test.run=^TestWorlds$", "-test.v", "-sim.failfast", "-sim.fresh=0", "-sim.seeds="+*plantWorlds).CombinedOutput()
	if err == nil {
		t.Errorf("%s worlds did not notice", *plantWorlds)
		return
	}
	found := regexp.MustCompile(`seed \d+: .*|panic: .*|(\d+) worlds, `).FindAllString(string(out), 2)
	t.Logf("%s", strings.Join(found, "; "))
	if len(found) == 0 {
		t.Errorf("ended otherwise than by a violation:\n%s", out)
	}
}
