package replay_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/derive"
	"tidegate/gateway/providers"
	"tidegate/gateway/recorded"
	"tidegate/gateway/recovery"
	"tidegate/gateway/replay"
	"tidegate/market"
)

// layoutOf describes a gateway with one feed of these providers, by one line each.
func layoutOf(names ...string) *recorded.Layout {
	choice := providers.DefaultConfig(names...)
	choice.SameIDs = true
	f := recorded.Feed{Name: "one", Number: 0, Choice: choice}
	for i := range names {
		cfg := gateway.DefaultConfig(gateway.ITCH)
		cfg.Publisher, cfg.Midnight = market.Simulated, noon-12*market.Hour
		f.Channels = append(f.Channels, recorded.Channel{
			Number: uint16(i), Pipeline: cfg,
			Lines: []recorded.Line{{ID: arbiter.LineA, Addr: netip.AddrPortFrom(groupA.Addr(), 26_400+uint16(i))}},
		})
	}
	return &recorded.Layout{Feeds: []recorded.Feed{f}}
}

// input is a record of a recording that is no datagram.
func input(b []byte) record { return record{noon, recorded.Addr, b} }

// recordingOf returns the records of a recording that begins with a layout.
func recordingOf(t testing.TB, l *recorded.Layout, records ...record) []record {
	t.Helper()
	described, err := recorded.Append(l)
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for _, b := range described {
		all = append(all, input(b))
	}
	return append(all, records...)
}

func decide(d providers.Decision) record { return input(providers.AppendDecision(nil, 0, d)) }

func give(channel uint16, in recovery.Input) record {
	in.At = noon
	return input(recovery.AppendInput(nil, channel, in))
}

// oneMessage is a datagram of the layout's first line.
var oneMessage = record{noon, groupA, mold("ONE", 1, itchAdd(1, 100, 10_0000))}

// What cannot be applied is counted, and the rest is as it was.
func TestInputsThatAreWrong(t *testing.T) {
	block := append([]byte{0, 36}, itchAdd(2, 100, 10_0000)...)
	for name, c := range map[string]struct {
		records []record
		want    replay.RecordedSummary
		faults  string
	}{
		"nothing":         {nil, replay.RecordedSummary{}, ""},
		"another feed":    {[]record{input(providers.AppendDecision(nil, 9, providers.Decision{At: noon}))}, replay.RecordedSummary{Foreign: 1}, "recorded inputs of no feed 1"},
		"provider":        {[]record{decide(providers.Decision{At: noon, Provider: 2})}, replay.RecordedSummary{Foreign: 1}, "recorded inputs of no feed 1"},
		"another channel": {[]record{give(9, recovery.Input{Kind: recovery.Cancel})}, replay.RecordedSummary{Foreign: 1}, "recorded inputs of no feed 1"},
		"time":            {[]record{decide(providers.Decision{At: -1}), decide(providers.Decision{At: market.UndefTime})}, replay.RecordedSummary{Damaged: 2}, "damaged recorded inputs 2"},
		"cut":             {[]record{input(decide(providers.Decision{At: noon}).payload[:20])}, replay.RecordedSummary{Damaged: 1}, "damaged recorded inputs 1"},
		"unknown":         {[]record{input([]byte("TGFUTURE of a kind")), input([]byte("TGFUTURE")), input([]byte("TGOTHERS"))}, replay.RecordedSummary{Unknown: map[string]uint64{"TGFUTURE": 2, "TGOTHERS": 1}}, "unknown recorded inputs 3"},
		"layout again":    {recordingOf(t, layoutOf("a", "b")), replay.RecordedSummary{Damaged: 1}, "damaged recorded inputs 1"},
		"switch":          {[]record{decide(providers.Decision{At: noon, Provider: 1, Reason: providers.Lagging}), decide(providers.Decision{At: noon, Kind: providers.ToStale})}, replay.RecordedSummary{Decisions: 2}, ""},
		"out of order": {[]record{
			give(0, recovery.Input{Kind: recovery.Block, Block: block}), give(0, recovery.Input{Kind: recovery.End, Number: 1}),
			give(0, recovery.Input{Kind: recovery.Cancel}),
		}, replay.RecordedSummary{Snapshots: 3, Refused: 2}, ""},
		"ahead": {[]record{
			give(1, recovery.Input{Kind: recovery.Begin, Number: 1 << 20}), give(1, recovery.Input{Kind: recovery.Block, Block: []byte("no block")}),
			give(1, recovery.Input{Kind: recovery.Begin, Number: 1 << 20}), give(1, recovery.Input{Kind: recovery.End, Number: 1 << 40}),
			give(1, recovery.Input{Kind: recovery.Release}),
		}, replay.RecordedSummary{Snapshots: 5, Refused: 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			records := recordingOf(t, layoutOf("a", "b"), append([]record{oneMessage}, c.records...)...)
			result := replayFiles(t, pcapOf(t, records...))
			s := &result.Summary
			want := c.want
			want.Layout = 1
			got := *s.Recorded
			if got.Layout != want.Layout || got.Decisions != want.Decisions || got.Snapshots != want.Snapshots || got.Refused != want.Refused ||
				got.Damaged != want.Damaged || got.Foreign != want.Foreign || got.Total() != want.Total() || got.Unknown["TGFUTURE"] != want.Unknown["TGFUTURE"] {
				t.Errorf("%+v, want %+v", got, want)
			}
			if faults := strings.Join(s.FaultList(), ", "); faults != c.faults {
				t.Errorf("faults %q, want %q", faults, c.faults)
			}
			if s.Messages != 1 || len(s.Channels) != 2 || s.Channels[0].Name != "one/a" {
				t.Errorf("%d messages in %+v", s.Messages, s.Channels)
			}
			var text strings.Builder
			if err := s.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"recording ", "feed          one (XSIM.ITCH)", "provider      a: 1 events"} {
				if !strings.Contains(text.String(), want) {
					t.Errorf("no %q in\n%s", want, text.String())
				}
			}
		})
	}
}

// Of many kinds of unknown inputs some are named, and all counted.
func TestUnknownInputsAreBounded(t *testing.T) {
	records := recordingOf(t, layoutOf("a"), oneMessage)
	for c := byte('A'); c <= 'Z'; c++ {
		records = append(records, input([]byte("TGFUTUR"+string(c))))
	}
	s := replayFiles(t, pcapOf(t, records...)).Summary
	if n := s.Recorded.Total(); n != 27 || len(s.Recorded.Unknown) != 17 || s.Recorded.Unknown["others"] != 10 {
		t.Errorf("%d inputs, %v", n, s.Recorded.Unknown)
	}
}

// A recording says how its gateway was set. What contradicts it is an error, and so is what cannot be understood.
func TestDescribedRefuses(t *testing.T) {
	two := layoutOf("a")
	second := layoutOf("b").Feeds[0]
	second.Name, second.Number, second.Channels[0].Number, second.Channels[0].Lines[0].Addr = "two", 1, 1, groupB
	two.Feeds = append(two.Feeds, second)
	one, both := pcapOf(t, recordingOf(t, layoutOf("a"), oneMessage)...), pcapOf(t, recordingOf(t, two, oneMessage)...)
	newer := recordingOf(t, layoutOf("a"), oneMessage)
	newer[0].payload[8] = recorded.Version + 1
	damaged := recordingOf(t, layoutOf("a"), oneMessage)
	damaged[0].payload[100] ^= 1
	other := arbiter.DefaultConfig()
	other.JumpMax++
	slow := arbiter.DefaultConfig()
	slow.GapDeadline = market.Second
	for _, c := range []struct {
		file []byte
		opt  replay.Options
		is   error
		want string
	}{
		{pcapOf(t, newer...), replay.Options{}, recorded.ErrNewer, "of a newer version, 3"},
		{pcapOf(t, damaged...), replay.Options{}, recorded.ErrDamaged, "checksum"},
		{one, replay.Options{Publisher: market.NasdaqITCH}, replay.ErrDescribed, "its publisher is XSIM.ITCH, not XNAS.ITCH"},
		{one, replay.Options{Midnight: noon}, replay.ErrDescribed, "its day begins at"},
		{one, replay.Options{Arbiter: slow}, replay.ErrDescribed, "its gap deadline is 50ms, not 1s"},
		{one, replay.Options{Arbiter: other}, replay.ErrDescribed, "other limits"},
		{one, replay.Options{Retransmit: replay.Retransmit{Servers: []netip.AddrPort{groupB}, Limits: arbiter.DefaultRequestConfig(1)}}, replay.ErrDescribed, "did not ask " + groupB.String()},
		{one, replay.Options{Feed: "two"}, nil, `feed "two": the recording has none of that name, but one`},
		{both, replay.Options{Out: "x", To: new(bytes.Buffer), Schema: dbn.SchemaMBO}, nil, `feeds "one" and "two" number their instruments separately`},
	} {
		c.opt.Paths = []string{write(t, "in.pcap", c.file)}
		_, err := replay.Run(context.Background(), c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "in.pcap") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v: want %q in it", err, c.want)
		}
		c.opt.AsFound = true
		if strings.Contains(c.want, "two") {
			continue
		}
		result := mustReplay(t, c.opt)
		if s := result.Summary; s.Messages != 1 || s.Recorded.Layout != 1 || len(s.Feeds) != 0 || s.Imperfect != 0 {
			t.Errorf("as found: %d messages, %+v, feeds %v, faults %v", s.Messages, s.Recorded, s.Feeds, s.Faults)
		}
	}
	path := write(t, "in.pcap", one)
	if _, err := replay.Run(context.Background(), replay.Options{Paths: []string{path, write(t, "b.pcap", pcapOf(t, oneMessage))}}); !errors.Is(err, replay.ErrDescribed) {
		t.Errorf("beside another input: %v", err)
	}
	if _, err := replay.Run(context.Background(), replay.Options{Paths: []string{write(t, "b.pcap", pcapOf(t, oneMessage))}, Feed: "one"}); err == nil {
		t.Error("a feed of a capture that describes none")
	}
	agreed := replay.Options{Paths: []string{path}, Publisher: market.Simulated, Midnight: noon - 12*market.Hour, Arbiter: arbiter.DefaultConfig(), Feed: "one"}
	mustReplay(t, agreed)

	// One feed of several can be written, and has its own instruments.
	var out bytes.Buffer
	mustReplay(t, replay.Options{Paths: []string{write(t, "in.pcap", both)}, Out: "x", To: &out, Schema: dbn.SchemaMBO, Feed: "one"})
	m, _, err := dbn.ParseMetadata(out.Bytes())
	if err != nil || m.Dataset != market.Simulated.Dataset || len(outputOf(t, out.Bytes())) == 0 {
		t.Errorf("metadata %+v, %v", m, err)
	}
}

// Inputs without a description are counted, and are a fault, for the gateway published something else.
func TestInputsWithoutLayout(t *testing.T) {
	s := replayFiles(t, pcapOf(t, oneMessage, decide(providers.Decision{At: noon, Kind: providers.ToStale}))).Summary
	if s.Recorded.AsFound != 1 || strings.Join(s.FaultList(), "") != "recorded inputs without a description 1" {
		t.Errorf("%+v, %v", s.Recorded, s.FaultList())
	}
	alone := write(t, "alone.pcap", pcapOf(t, recordingOf(t, layoutOf("a"))...))
	if result := mustReplay(t, replay.Options{Paths: []string{alone}}); result.Summary.Messages != 0 || len(result.Summary.Feeds) != 1 {
		t.Errorf("a recording without a datagram: %+v", result.Summary)
	}
}

// A stale feed leaves the consolidated book, in a replay as it did live.
func TestStaleFeedLeavesConsolidated(t *testing.T) {
	for _, schema := range []dbn.Schema{dbn.SchemaCMBP1, dbn.SchemaCBBO1s} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 5, gateway.ITCH, 1, 1)
			w.healed = true
			quotes := derive.NewMarket(derive.NewNumbers(nil))
			var want []byte
			for _, f := range w.feeds {
				d, err := derive.New(schema, quotes.View(f.choice.Symbol))
				if err != nil {
					t.Fatal(err)
				}
				f.consolidated = &consolidated{deriver: d, market: quotes, out: &want, publisher: f.choice.Publisher().ID}
			}
			w.run(1500 * market.Millisecond)
			w.feeds[0].judge.Force("p0", breaker.ForceOpen)
			w.run(market.Second)
			w.feeds[0].judge.Force("p0", breaker.None)
			w.run(1500 * market.Millisecond)
			w.close()
			if len(w.feeds[0].stale) != 2 {
				t.Errorf("stale or fresh %d times, want 2", len(w.feeds[0].stale))
			}
			var out bytes.Buffer
			mustReplay(t, replay.Options{Paths: []string{write(t, "world.pcap", w.file.Bytes())}, Out: "x", To: &out, Schema: schema})
			if got := outputOf(t, out.Bytes()); !bytes.Equal(got, want) || len(want) == 0 {
				t.Errorf("%s: the replay gives %d bytes, the gateway gave %d", schema, len(got), len(want))
			}
		})
	}
}

// FuzzRecording takes a recording with bytes changed, left out and doubled: an error, or counts that add up.
func FuzzRecording(f *testing.F) {
	small := layoutOf("a", "b")
	for i := range small.Feeds[0].Channels {
		small.Feeds[0].Channels[i].Pipeline.Arbiter.WindowPacketsMax = 16
	}
	records := recordingOf(f, small,
		oneMessage, record{noon, netip.AddrPortFrom(groupA.Addr(), 26_401), oneMessage.payload},
		decide(providers.Decision{At: noon, Provider: 1, Reason: providers.Silent}),
		give(1, recovery.Input{Kind: recovery.Begin, Number: 1 << 20}),
		give(1, recovery.Input{Kind: recovery.Block, Block: append([]byte{0, 36}, itchAdd(2, 100, 10_0000)...)}),
		record{noon + market.Second, groupA, mold("ONE", 2, itchDelete(1))},
		give(1, recovery.Input{Kind: recovery.End, Number: 2}),
		decide(providers.Decision{At: noon, Kind: providers.ToStale}),
		decide(providers.Decision{At: noon, Kind: providers.ToRefresh}),
	)
	described := len(pcapOf(f, records[0]))
	whole := pcapOf(f, records...)
	for seed := range uint64(8) {
		f.Add(whole[described:], seed)
	}
	dir := f.TempDir()
	schemas := derive.Schemas()
	f.Fuzz(func(t *testing.T, rest []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		rest = bytes.Clone(rest)
		for range int(seed % 20) {
			if len(rest) > 0 {
				rest[random.IntN(len(rest))] = byte(random.Uint32())
			}
		}
		in := filepath.Join(dir, "in")
		if err := os.WriteFile(in, append(bytes.Clone(whole[:described]), rest...), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		result, err := replay.Run(context.Background(), replay.Options{
			Paths: []string{in}, Out: "x", To: &out, Schema: schemas[seed%uint64(len(schemas))],
		})
		if err != nil {
			return
		}
		wantBalanced(t, result, false)
		if _, _, err := dbn.ParseMetadata(out.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}

// An input was given at a tick, after what was due at it: here a gap of the first provider is given up half a
// millisecond before. A replay has no tick of its own in between.
func TestTickBeforeInput(t *testing.T) {
	lineB := netip.AddrPortFrom(groupA.Addr(), 26_401)
	at := noon + 50*market.Millisecond + 400*market.Microsecond
	before := []record{
		oneMessage,
		{noon, groupA, mold("ONE", 3, itchAdd(3, 100, 10_0000))},
		{at - 500*market.Microsecond, lineB, oneMessage.payload},
	}
	switched := record{at, recorded.Addr, providers.AppendDecision(nil, 0, providers.Decision{At: at, Provider: 1, Reason: providers.Gapped})}
	s := replayFiles(t, pcapOf(t, recordingOf(t, layoutOf("a", "b"), append(before, switched)...)...)).Summary
	if a := s.Feeds[0].Providers[0]; a.Forwarded != 2 || a.Standby != 0 {
		t.Errorf("%d events of the first provider were published, %d were not: want both published, before the switch", a.Forwarded, a.Standby)
	}
	begun := record{at, recorded.Addr, recovery.AppendInput(nil, 0, recovery.Input{Kind: recovery.Begin, At: at, Number: 1 << 20})}
	s = replayFiles(t, pcapOf(t, recordingOf(t, layoutOf("a", "b"), append(before, begun)...)...)).Summary
	if kept := s.Channels[0].Snapshots.KeptMax; kept != 0 {
		t.Errorf("%d bytes were kept of what was published before the snapshot was asked for", kept)
	}
}
