//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/admin"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// writeTwoVenues writes a configuration of two venues with one line each, and of both consolidated.
func (s *site) writeTwoVenues(t *testing.T) {
	t.Helper()
	text := fmt.Sprintf(`feeds:
- name: nasdaq
  protocol: itch
  lines: [{name: A, address: "127.0.0.1:%d", receive_buffer: 4 MiB}]
- name: bx
  protocol: itch
  dataset: XBOS.ITCH
  lines: [{name: A, address: "127.0.0.1:%d", receive_buffer: 4 MiB}]
consolidated: {dataset: TIDE.CONS}
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
subscribers:
  listen: 127.0.0.1:0
  keys: [{name: one, key: %s, datasets: [TIDE.CONS]}]
`, s.a, s.b, keyOne)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sendTwoVenues sends a day of the simulated venue to both lines, and returns its truth.
func (s *site) sendTwoVenues(t *testing.T) venue.Truth {
	t.Helper()
	cfg := smallMarket()
	for i := range cfg.Lines {
		cfg.Lines[i].Loss = 0
	}
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var venues [2]net.Conn
	for i, port := range []uint16{s.a, s.b} {
		if venues[i], err = net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			t.Fatal(err)
		}
		defer venues[i].Close()
	}
	sent := 0
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		if _, err := venues[d.Line].Write(d.Payload); err != nil {
			t.Fatal(err)
		}
		if sent++; sent%50 == 0 {
			time.Sleep(time.Millisecond) // less than the receive buffer holds
		}
	}
	return feed.Truth()
}

// quotes is what a subscriber of cmbp-1 got until the gateway closed.
type quotes struct {
	records    int
	publishers map[market.PublisherID]int // in either side of a quote
	symbols    map[market.InstrumentID]string
	unmapped   int // records before the mapping of their instrument
	err        error
}

func collectQuotes(c *lsgclient.Client, acknowledged chan<- struct{}) quotes {
	q := quotes{publishers: make(map[market.PublisherID]int), symbols: make(map[market.InstrumentID]string)}
	for first := true; ; {
		r, err := c.Next()
		if err != nil {
			q.err = err
			return q
		}
		switch r.RType {
		case dbn.RTypeSystem:
			if first {
				close(acknowledged)
			}
			first = false
		case dbn.RTypeSymbolMapping:
			var m dbn.SymbolMapping
			if q.err = m.Parse(r); q.err != nil {
				return q
			}
			q.symbols[m.InstrumentID] = m.SymbolOut
		case dbn.RTypeCMBP1:
			var m dbn.CMBP1
			if q.err = m.Parse(r); q.err != nil {
				return q
			}
			q.records++
			q.publishers[m.Level.BidPublisher]++
			q.publishers[m.Level.AskPublisher]++
			if q.symbols[m.InstrumentID] == "" {
				q.unmapped++
			}
		}
	}
}

// Two venues, and a subscriber to the best of both.
func TestRunConsolidated(t *testing.T) {
	binary, s := buildTidegate(t), newSite(t)
	s.writeTwoVenues(t)
	g := startGateway(t, binary, s.config)
	addr := g.logged("subscribers")["address"].(string)
	url := strings.TrimSuffix(g.logged("admin")["url"].(string), "/")
	g.logged("gateway started")

	key, err := lsg.ParseKey(keyOne)
	if err != nil {
		t.Fatal(err)
	}
	c, err := lsgclient.Dial(t.Context(), lsgclient.Config{Addr: addr, Dataset: market.Consolidated.Dataset, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(dbn.SchemaCMBP1, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, market.UndefTime); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged, result := make(chan struct{}), make(chan quotes, 1)
	go func() {
		defer c.Close()
		result <- collectQuotes(c, acknowledged)
	}()
	select {
	case <-acknowledged:
	case <-time.After(patience):
		t.Fatal("the subscription was not acknowledged")
	}

	truth := s.sendTwoVenues(t)
	var feeds admin.FeedsReport
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		getJSON(t, url+"/feeds", &feeds)
		if feeds.Feeds[0].Messages == truth.Messages && feeds.Feeds[1].Messages == truth.Messages {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d and %d of %d messages", feeds.Feeds[0].Messages, feeds.Feeds[1].Messages, truth.Messages)
		}
	}
	if c := feeds.Consolidated; c == nil || c.Dataset != "TIDE.CONS" || c.Instruments != len(truth.Books) || c.Records < 100 || c.Subscribers != 1 {
		t.Errorf("consolidated %+v", c)
	}
	wantContains(t, "stat", mustRun(t, "stat", "--url", url), "over all TIDE.CONS: ", " 1 subscriber\n")
	wantContains(t, "instruments", mustRun(t, "stat", "--url", url, "--instruments", truth.Books[0].Symbol),
		truth.Books[0].Symbol, "XNAS.ITCH", "XBOS.ITCH", "TIDE.CONS", "\n3 instruments\n")
	g.signal(syscall.SIGTERM)
	var got quotes
	select {
	case got = <-result:
	case <-time.After(patience):
		t.Fatal("the subscriber was not closed")
	}
	if code, rest := g.exit(); code != exitOK || rest != "" {
		t.Errorf("exit %d, %s", code, rest)
	}
	if got.err != io.EOF || got.records < 100 || got.unmapped != 0 || len(got.symbols) != len(truth.Books) {
		t.Errorf("%d records, %d of them before their mapping, of %d instruments, then %v; the venue has %d instruments",
			got.records, got.unmapped, len(got.symbols), got.err, len(truth.Books))
	}
	for _, p := range []market.Publisher{market.NasdaqITCH, market.NasdaqBX} {
		if got.publishers[p.ID] == 0 {
			t.Errorf("%s is in no quote: %v", p.Dataset, got.publishers)
		}
	}
}
