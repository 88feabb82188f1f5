//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/iextp"
	"tidegate/codec/lsg"
	"tidegate/gateway/admin"
	"tidegate/internal/lsgclient"
	"tidegate/market"
)

// The consolidated book of two publishers with different protocols: what subscribers stored is what the
// recording gives.
func TestE2EConsolidatedReplay(t *testing.T) {
	binary, dir := buildTidegate(t), t.TempDir()
	a, b, lines := twoPorts(t)
	deep := netip.AddrPortFrom(a.Addr(), freePort(t))
	config := filepath.Join(dir, "tidegate.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `feeds:
- {name: nasdaq, protocol: itch, gap_deadline: 1s, stale_after: 1m, silence: 10m, lines: [%s]}
- {name: iex, protocol: deep, gap_deadline: 1s, stale_after: 1m, silence: 10m, lines: [{name: A, address: %q, receive_buffer: 4 MiB}]}
consolidated: {dataset: TIDE.CONS}
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
ring: {chunks: 256}
capture: {file: lines.pcap}
subscribers: {%s, slow_after: 1m}
`, lines, deep, anyPort), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startAt(t, binary, config)
	schemas := []dbn.Schema{dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s}
	var clients []*exec.Cmd
	for _, s := range schemas {
		c := exec.Command(binary, "subscribe", "-a", g.addr, "-d", "TIDE.CONS", "-k", keyOne, "-s", s.String(),
			"--view", "none", "-o", filepath.Join(dir, s.String()+".dbn"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill() })
		clients = append(clients, c)
	}
	eventually(t, "subscribers", func() error {
		var r admin.SubscribersReport
		getJSON(t, g.url+"/subscribers", &r)
		n := 0
		for _, s := range r.Sessions {
			n += s.Subscriptions
		}
		if n != len(schemas) || r.States["streaming"] != n {
			return fmt.Errorf("%d subscriptions, states %v", n, r.States)
		}
		return nil
	})

	v := startVenue(t, binary, venueCmd{Seed: 10, Rate: 1600, Speed: "2x", A: a, B: b})
	v.trades(20)
	from := v.truth().Sent
	for seq := uint64(1); seq <= 200; seq++ { // while the other goes on
		l := v.market.Listings[seq%6]
		quoteDeep(t, deep, seq, l.Symbol, l.Reference)
		v.passes(from + 10*seq)
	}
	v.trades(100)
	v.pause()
	awaitIntervalEnd(t, g.addr, "TIDE.CONS", market.Nanos(time.Now().UnixNano()), dbn.SchemaCBBO1s)
	g.ends()
	for i, s := range schemas {
		if err := clients[i].Wait(); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		rtype, _ := s.RType()
		stored := slices.DeleteFunc(recordsIn(t, filepath.Join(dir, s.String()+".dbn")), func(r []byte) bool {
			return dbn.RType(r[1]) != rtype
		})
		wantReplay(t, filepath.Join(dir, "lines.pcap"), s, stored)
		if of := bestOf(t, stored); of[market.NasdaqITCH.ID] == 0 || of[market.IEXDeep.ID] == 0 {
			t.Errorf("%s: best quotes by publisher: %v, want both", s, of)
		}
	}
}

// quoteDeep sends a segment of IEX DEEP with one price level: now better than the price, now gone.
func quoteDeep(t *testing.T, to netip.AddrPort, seq uint64, symbol string, near market.Price) {
	t.Helper()
	c, err := net.Dial("udp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now, size := time.Now().UnixNano(), uint32(100)
	if seq/6%2 == 1 {
		size = 0
	}
	m := []byte{'8', 1} // a bid, and the event is complete
	m = binary.LittleEndian.AppendUint64(m, uint64(now))
	m = fmt.Appendf(m, "%-8s", symbol)
	m = binary.LittleEndian.AppendUint32(m, size)
	m = binary.LittleEndian.AppendUint64(m, uint64(near+market.PriceScale)/(market.PriceScale/10_000))
	s := iextp.Segment{
		Protocol: iextp.DEEP10, Channel: 1, Session: 1, Count: 1, Seq: seq, SendTime: market.Nanos(now),
		Messages: iextp.AppendMessage(nil, m),
	}
	if _, err := c.Write(s.Append(nil)); err != nil {
		t.Fatal(err)
	}
}

// bestOf counts who is best on either side in consolidated records, which all have their level at the
// same place.
func bestOf(t *testing.T, records [][]byte) map[market.PublisherID]int {
	t.Helper()
	of := make(map[market.PublisherID]int)
	for _, r := range records {
		of[market.PublisherID(binary.LittleEndian.Uint16(r[72:]))]++
		of[market.PublisherID(binary.LittleEndian.Uint16(r[76:]))]++
	}
	return of
}

// awaitIntervalEnd waits until every interval of some schemas that holds a time has been announced as
// complete.
func awaitIntervalEnd(t *testing.T, addr, dataset string, after market.Nanos, schemas ...dbn.Schema) {
	t.Helper()
	key, err := lsg.ParseKey(keyOne)
	if err != nil {
		t.Fatal(err)
	}
	c, err := lsgclient.Dial(t.Context(), lsgclient.Config{Addr: addr, Dataset: dataset, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, schema := range schemas {
		if err := c.Subscribe(schema, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, market.UndefTime); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for len(schemas) > 0 {
		r, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		var m dbn.System
		if r.RType != dbn.RTypeSystem || m.Parse(r) != nil || m.Code != dbn.SystemEndOfInterval || m.TsEvent <= after {
			continue
		}
		schemas = slices.DeleteFunc(schemas, func(s dbn.Schema) bool { return strings.Contains(m.Text, s.String()) })
	}
}

// recordsIn returns the records of a DBN file.
func recordsIn(t *testing.T, path string) (records [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := dbn.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, bytes.Clone(record.Raw()))
	}
}

// wantReplay replays a recording and compares the records of a schema with what a subscriber got.
func wantReplay(t *testing.T, recording string, schema dbn.Schema, want [][]byte, flags ...string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "replayed.dbn")
	mustRun(t, append([]string{
		"replay", recording, "--schema", schema.String(), "--out", out, "--summary", "none", "--quiet",
	}, flags...)...)
	got := recordsIn(t, out)
	if len(want) == 0 {
		t.Errorf("%s: the subscriber got nothing", schema)
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%s: the replay gave %d records, the subscriber got %d: want the same", schema, len(got), len(want))
	}
}
