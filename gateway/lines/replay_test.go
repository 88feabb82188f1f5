//go:build linux

package lines

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/replay"
	"tidegate/internal/netloop"
	"tidegate/internal/venue"
	"tidegate/market"
	"tidegate/sinks/capture"
)

// roughConfig describes two bad lines that now and then lose the same packet.
func roughConfig(seed uint64) venue.FeedConfig {
	cfg := venue.DefaultFeedConfig(seed)
	cfg.Market.Trading = 5 * market.Second
	cfg.Market.Halts = nil
	cfg.Market.Rate = 5000
	cfg.Protected = false
	for i := range cfg.Lines {
		cfg.Lines[i].Impairment = venue.Impairment{
			Jitter:    market.Millisecond,
			Loss:      0.02,
			Burst:     venue.BurstLoss{Enter: 0.01, Leave: 0.2, Loss: 0.9},
			Duplicate: 0.05,
			Reorder:   0.1,
			ReorderBy: 4 * market.Millisecond,
		}
	}
	return cfg
}

// roughFeed returns the datagrams of two bad lines.
func roughFeed(t *testing.T, seed uint64) []venue.Datagram {
	t.Helper()
	feed, err := venue.NewFeed(roughConfig(seed))
	if err != nil {
		t.Fatal(err)
	}
	var all []venue.Datagram
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		all = append(all, d)
	}
	return all
}

// live sends datagrams over real sockets through a loop that is recorded, and returns the records that
// it published and the arbiter's account. Now and then the venue is silent for longer than the
// deadline of a gap.
func live(t *testing.T, schema dbn.Schema, path string, limits arbiter.Config, midnight market.Nanos, loop Config, datagrams []venue.Datagram) ([]byte, arbiter.Ledger) {
	t.Helper()
	sink := newRecords(t, schema)
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.Midnight, cfg.Arbiter = midnight, &limits
	p, err := gateway.New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := capture.Create(capture.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	recorded := make(chan error)
	go func() { recorded <- recorder.Run(ctx) }()

	loop.Feeds, loop.Tap, loop.Sources = []Feed{unicast("one", p, 2)}, recorder.Tap, true
	l, to := open(t, loop)
	stop := run(t, l)
	for i, d := range datagrams {
		send(t, to[d.Line], d.Payload)
		if i%500 == 499 {
			time.Sleep(time.Duration(limits.GapDeadline))
		}
	}
	await(t, l, uint64(len(datagrams)))
	stop()
	cancel()
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	if s := recorder.Stats(); s.Recorded != uint64(len(datagrams)) || s.Taken != s.Recorded {
		t.Fatalf("recorder %+v, want %d datagrams", s, len(datagrams))
	}
	if err := p.Balanced(); err != nil {
		t.Error(err)
	}
	sink.OnTime(math.MaxInt64) // as a replay ends: the last interval closes
	ledger, _ := p.Ledger()
	return sink.out, ledger
}

func newYork(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// recordsOf returns the records of a DBN file.
func recordsOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[8+binary.LittleEndian.Uint32(b[4:]):] // DBN, version, length of the metadata
}

// The capture of a live run, replayed, gives the bytes that the live run published: whatever the lines
// lost, delayed and repeated, and however the reading fell into batches and ticks.
func TestReplayOfCaptureGivesLiveBytes(t *testing.T) {
	limits := arbiter.DefaultConfig()
	limits.GapDeadline = 2 * market.Millisecond // so that many gaps come to theirs
	for seed, c := range []struct {
		loop   Config
		schema dbn.Schema
	}{
		{Config{Idle: netloop.Backoff}, dbn.SchemaMBO},
		{Config{Idle: netloop.Park}, dbn.SchemaMBO},
		{Config{Idle: netloop.Park}, dbn.SchemaBBO1s},
		{Config{Idle: netloop.Backoff}, dbn.SchemaOHLCV1s},
		{Config{Idle: netloop.Backoff, Split: true}, dbn.SchemaMBO},
		{Config{Idle: netloop.Park, Split: true}, dbn.SchemaBBO1s},
		{Config{Idle: netloop.Backoff, Split: true, slots: 4}, dbn.SchemaMBO},
	} {
		t.Run(fmt.Sprintf("%s split %t %d %s", c.loop.Idle, c.loop.Split, c.loop.slots, c.schema), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "live.pcap")
			datagrams := roughFeed(t, uint64(seed))
			// A replay takes the day of an ITCH feed from the first receive time.
			midnight, err := replay.ParseDay(time.Now().In(newYork(t)).Format(time.DateOnly))
			if err != nil {
				t.Fatal(err)
			}
			want, ledger := live(t, c.schema, path, limits, midnight, c.loop, datagrams)
			if ledger.GapsDeadline.Ranges == 0 || ledger.GapsFilled.Ranges == 0 {
				t.Errorf("%d gaps came to their deadline, %d were filled, want both",
					ledger.GapsDeadline.Ranges, ledger.GapsFilled.Ranges)
			}

			out := filepath.Join(dir, "replayed.dbn")
			result, err := replay.Run(t.Context(), replay.Options{
				Paths: []string{path}, Out: out, Schema: c.schema, Arbiter: limits,
			})
			if err != nil {
				t.Fatal(err)
			}
			replayed, _ := result.Channels[0].Pipeline.Ledger()
			wantSameLedger(t, &replayed, &ledger)
			got := recordsOf(t, out)
			if len(want) == 0 || !bytes.Equal(got, want) {
				t.Errorf("replay gives %d bytes of records, live gave %d; first difference at %d",
					len(got), len(want), difference(got, want))
			}
		})
	}
}

// wantSameLedger compares what both published and lost. Which of the two ways an unfilled gap took
// at the very end, deadline or flush, is not the stream's.
func wantSameLedger(t *testing.T, got, want *arbiter.Ledger) {
	t.Helper()
	g, w := got.Channel(), want.Channel()
	if g.Received != w.Received || g.Published != w.Published || g.Duplicate != w.Duplicate || g.Late != w.Late {
		t.Errorf("ledger of the replay:\n%s\nlive:\n%s", fmt.Sprintf("%+v", g), fmt.Sprintf("%+v", w))
	}
}

func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
