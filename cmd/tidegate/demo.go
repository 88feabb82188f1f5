package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/replay"
	"tidegate/internal/venue"
	"tidegate/market"
)

type demoCmd struct {
	Live     demoLiveCmd     `cmd:"" default:"withargs" help:"Run a venue and a gateway, subscribe, cut the lines, and check the subscriber's books against the venue's."`
	Recorded demoRecordedCmd `cmd:"" help:"Make an A/B capture pair with losses, replay it, and check the books against the venue's."`
}

type demoRecordedCmd struct {
	Dir  string `default:"out/demo" help:"Directory for what the demonstration makes."`
	Seed uint64 `default:"1" help:"Another seed makes another market and other losses."`
}

// Run makes a market, loses packets of it on both lines, replays what is left, and holds the result
// against what the venue knows and against the same market without a loss.
func (c *demoRecordedCmd) Run(ctx context.Context, con *console) error {
	say := func(format string, args ...any) { fmt.Fprintf(con.Out, format+"\n", args...) }

	say("1. A simulated venue trades for three minutes; two lines carry its feed, both imperfect.")
	gen := generateCaptureCmd{Seed: c.Seed, Trading: 3 * time.Minute, Instruments: 8, Rate: 1600}
	cfg := gen.config()
	truth, err := writeCaptures(ctx, c.Dir, cfg)
	if err != nil {
		return err
	}
	for _, l := range truth.Lines {
		say("   line %s: %d packets sent, %d lost, %d duplicated, %d reordered, %d clogged",
			l.Name, l.Packets, l.Lost, l.Duplicated, l.Reordered, l.Clogged)
	}
	lossless := cfg
	lossless.Lines = append([]venue.Line(nil), cfg.Lines...)
	for i := range lossless.Lines {
		lossless.Lines[i].Impairment = venue.Impairment{}
	}
	if _, err := writeCaptures(ctx, filepath.Join(c.Dir, "lossless"), lossless); err != nil {
		return err
	}

	out := filepath.Join(c.Dir, "market.mbo.dbn.zst")
	say("\n2. tidegate replay a.pcap b.pcap --out %s\n", out)
	result, err := replay.Run(ctx, replay.Options{
		Paths:     []string{capturePath(c.Dir, "A"), capturePath(c.Dir, "B")},
		Publisher: market.Simulated, Out: out, Schema: dbn.SchemaMBO,
		Progress: progressBar(con.Err, "replay"),
	})
	if err != nil {
		return err
	}
	if err := result.Summary.WriteText(con.Out); err != nil {
		return err
	}
	if err := showBooks(con.Out, result, truth, 2); err != nil {
		return err
	}

	say("\n\n3. Is it right?")
	levels, err := compareBooks(result, truth)
	if err != nil {
		return err
	}
	say("   books       equal the venue's own: %d instruments, %d levels, price, size and orders", len(truth.Books), levels)
	whole, err := replay.Run(ctx, replay.Options{
		Paths:     []string{capturePath(filepath.Join(c.Dir, "lossless"), "A")},
		Publisher: market.Simulated,
	})
	if err != nil {
		return err
	}
	got, want := result.Summary.Channels[0].StreamHash, whole.Summary.Channels[0].StreamHash
	if got != want {
		return fmt.Errorf("demo: stream %s differs from %s, that of the market without losses", got, want)
	}
	say("   stream      equals that of the same market without a loss: %s", want)
	say("\nLook further:")
	say("   tidegate replay %s --schema mbp-1 --out mbp-1.dbn", out)
	say("   tidegate replay %s %s --book %s --json", capturePath(c.Dir, "A"), capturePath(c.Dir, "B"), truth.Books[0].Symbol)
	return nil
}

func showBooks(w io.Writer, result *replay.Result, truth venue.Truth, n int) error {
	for _, b := range truth.Books[:min(n, len(truth.Books))] {
		for _, s := range result.Books(b.Symbol, 5) {
			if err := s.WriteText(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareBooks holds every level of every book against the venue's and returns how many there are.
func compareBooks(result *replay.Result, truth venue.Truth) (levels int, err error) {
	const depthMax = 1 << 16
	for _, b := range truth.Books {
		found := result.Books(b.Symbol, depthMax)
		if len(found) != 1 {
			return levels, fmt.Errorf("demo: %s: %d books, want 1", b.Symbol, len(found))
		}
		for _, side := range []struct {
			name string
			got  []replay.LevelSnapshot
			want []venue.Level
		}{{"bid", found[0].Bids, b.Bids}, {"ask", found[0].Asks, b.Asks}} {
			if len(side.got) != len(side.want) {
				return levels, fmt.Errorf("demo: %s: %d %s levels, the venue has %d", b.Symbol, len(side.got), side.name, len(side.want))
			}
			for i, want := range side.want {
				got := side.got[i]
				if got.Price != want.Price.String() || got.Size != uint64(want.Size) || int(got.Orders) != want.Orders {
					return levels, fmt.Errorf("demo: %s: %s level %d is %v, the venue has %v", b.Symbol, side.name, i, got, want)
				}
				levels++
			}
		}
	}
	return levels, nil
}
