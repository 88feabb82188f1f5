//go:build linux

package admin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// Whatever the question, the pages one after another are what a plain search gives.
func TestInstrumentPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring, err := bus.New(bus.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		type plain struct {
			feed, dataset, symbol string
			id                    market.InstrumentID
		}
		m := &Monitor{}
		var streams []*stream.Stream
		var feeds []map[market.InstrumentID]string // the plain twin
		for i := range 2 {
			s, err := stream.New(stream.Config{Feed: uint8(i), Ring: ring})
			if err != nil {
				t.Fatal(err)
			}
			streams, feeds = append(streams, s), append(feeds, make(map[market.InstrumentID]string))
			m.listed = append(m.listed, listing{feed: fmt.Sprint("feed", i), dataset: fmt.Sprint("SET", i), directory: s.Directory()})
		}
		symbol := rapid.StringMatching(`[AB]{1,3}`)
		t.Repeat(map[string]func(*rapid.T){
			"define": func(t *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(t, "feed")
				in := market.Instrument{ID: market.InstrumentID(rapid.IntRange(1, 9).Draw(t, "id")), Symbol: symbol.Draw(t, "symbol")}
				streams[i].OnFacts(&market.Facts{Definitions: []market.Definition{{Instrument: in}}})
				feeds[i][in.ID] = in.Symbol
			},
			"ask": func(t *rapid.T) {
				feed := rapid.SampledFrom([]string{"", "feed0", "feed1", "SET0", "SET1"}).Draw(t, "feed")
				prefix := rapid.StringMatching(`[AB]{0,2}`).Draw(t, "prefix")
				limit := rapid.IntRange(1, 5).Draw(t, "limit")
				var want, got []plain
				for i, known := range feeds {
					p := plain{feed: fmt.Sprint("feed", i), dataset: fmt.Sprint("SET", i)}
					if feed != "" && feed != p.feed && feed != p.dataset {
						continue
					}
					var of []plain
					for id, symbol := range known {
						if strings.HasPrefix(symbol, prefix) {
							p.id, p.symbol = id, symbol
							of = append(of, p)
						}
					}
					slices.SortFunc(of, func(a, b plain) int {
						return strings.Compare(fmt.Sprintf("%-9s%d", a.symbol, a.id), fmt.Sprintf("%-9s%d", b.symbol, b.id))
					})
					want = append(want, of...)
				}
				for {
					r, err := m.Instruments(feed, prefix, len(got), limit)
					if err != nil || r.Total != len(want) || r.Offset != len(got) || r.Limit != limit || len(r.Instruments) > limit {
						t.Fatalf("%+v, %v; %d fit", r, err, len(want))
					}
					if len(r.Instruments) == 0 {
						break
					}
					for _, in := range r.Instruments {
						got = append(got, plain{in.Feed, in.Dataset, in.Symbol, market.InstrumentID(in.Instrument)})
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("got %v, want %v", got, want)
				}
			},
		})
		if _, err := m.Instruments("feed2", "", 0, 1); !errors.Is(err, ErrUnknown) {
			t.Errorf("a feed that is not there: %v", err)
		}
	})
}
