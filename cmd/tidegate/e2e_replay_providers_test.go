//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
	"tidegate/gateway/replay"
)

// freeTCP returns an address that nobody listens at.
func freeTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ends stops the gateway and waits until its recording is whole.
func (p place) ends() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code, rest := p.exit(); code != exitOK || rest != "" {
		p.t.Errorf("exit %d: %s", code, rest)
	}
}

// replayed returns what a replay of a recording says of it.
func replayed(t *testing.T, recording string, flags ...string) (s replay.Summary) {
	t.Helper()
	text := mustRun(t, append([]string{"replay", recording, "--json", "--quiet"}, flags...)...)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// wantFeedReplayed compares what a subscriber of a feed got with a replay. The intervals that were open at the end
// only the replay has.
func wantFeedReplayed(t *testing.T, recording, feed string, schema dbn.Schema, got subscriber) {
	t.Helper()
	if got.err != io.EOF {
		t.Errorf("%s, %s: the session ended with %v", feed, schema, got.err)
	}
	out := filepath.Join(t.TempDir(), "replayed.dbn")
	mustRun(t, "replay", recording, "--feed", feed, "--schema", schema.String(), "--out", out, "--summary", "none", "--quiet")
	rtype, _ := schema.RType()
	records := slices.DeleteFunc(recordsIn(t, out), func(r []byte) bool { return dbn.RType(r[1]) != rtype })
	if schema == dbn.SchemaBBO1s || schema == dbn.SchemaOHLCV1s {
		records = records[:min(len(records), len(got.records))]
	}
	if len(got.records) == 0 {
		t.Errorf("%s, %s: the subscriber got nothing", feed, schema)
	}
	if !slices.EqualFunc(records, got.records, bytes.Equal) {
		at := 0
		for at < min(len(records), len(got.records)) && bytes.Equal(records[at], got.records[at]) {
			at++
		}
		t.Errorf("%s, %s: the replay gave %d records, the subscriber got %d: the first difference is at %d", feed, schema, len(records), len(got.records), at)
	}
}

// A feed of two providers, of which one is late and later both lose messages, and a feed of a line by TCP: both of
// one venue, so of one session. The recording, replayed, gives what subscribers got, with switches and snapshots in
// their places.
func TestE2EProvidersReplay(t *testing.T) {
	binary, dir := buildTidegate(t), t.TempDir()
	a, b, _ := twoPorts(t)
	soup, glimpse := freeTCP(t), freeTCP(t)
	config := filepath.Join(dir, "tidegate.yaml")
	snapshots := fmt.Sprintf(`snapshots: {servers: [{address: %q, username: tide, password: sesame}]}`, glimpse)
	if err := os.WriteFile(config, fmt.Appendf(nil, `feeds:
- name: sim
  protocol: itch
  dataset: XSIM.ITCH
  gap_deadline: 20ms
  stale_after: 100ms
  fail_back: 500ms
  providers:
  - {name: venue, lines: [{name: A, address: %q, receive_buffer: 4 MiB}], %s}
  - {name: vendor, lines: [{name: A, address: %q, receive_buffer: 4 MiB}], %s}
- name: wire
  protocol: itch
  dataset: XNAS.ITCH
  tcp: {name: A, address: %q, username: tide, password: sesame}
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
ring: {chunks: 256}
capture: {file: day.pcap}
subscribers: {%s, slow_after: 1m}
`, a, snapshots, b, snapshots, soup, anyPort), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startAt(t, binary, config)
	schemas := []dbn.Schema{
		dbn.SchemaMBO, dbn.SchemaMBP10, dbn.SchemaTBBO, dbn.SchemaBBO1s, dbn.SchemaOHLCV1s, dbn.SchemaDefinition, dbn.SchemaStatus,
	}
	var stored []<-chan subscriber
	for _, s := range schemas {
		stored = append(stored, subscribe(t, g.addr, keyOne, s))
	}
	wire := filepath.Join(dir, "wire.dbn")
	follow := exec.Command(binary, "subscribe", "-a", g.addr, "-d", "XNAS.ITCH", "-k", keyOne, "-s", "mbo", "--view", "none", "-o", wire)
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follow.Process.Kill() })
	eventually(t, "subscribers", func() error {
		var r admin.SubscribersReport
		getJSON(t, g.url+"/subscribers", &r)
		if n := r.States["streaming"]; n != len(schemas)+1 {
			return fmt.Errorf("%d are streaming", n)
		}
		return nil
	})
	books := watch(t, g.addr, keyOne, false)

	v := startVenue(t, binary, venueCmd{Seed: 21, Rate: 1600, Speed: "2x", A: a, B: b}, "--soup", soup, "--glimpse", glimpse)
	v.trades(20)
	v.post("/lines/a", map[string]any{"delay": "400ms"})
	g.logged("provider switched", "from", "venue", "to", "vendor")
	v.post("/lines/a", map[string]any{"delay": "0s"})
	for _, line := range []string{"a", "b"} {
		v.post("/lines/"+line, map[string]any{"down": true})
	}
	v.passes(v.truth().Sent + 200)
	for _, line := range []string{"a", "b"} {
		v.post("/lines/"+line, map[string]any{"down": false})
	}
	v.passes(v.truth().Sent + 2000)
	truth := v.pause()
	books.has(t, "subscriber", truth.Books) // what was lost is known from a snapshot

	recording := filepath.Join(dir, "day.pcap")
	g.ends()
	for i, schema := range schemas {
		wantFeedReplayed(t, recording, "sim", schema, <-stored[i])
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("subscriber of wire: %v", err)
	}
	wantFeedReplayed(t, recording, "wire", dbn.SchemaMBO, subscriber{err: io.EOF, records: slices.DeleteFunc(recordsIn(t, wire), func(r []byte) bool {
		return dbn.RType(r[1]) != dbn.RTypeMBO
	})})

	s := replayed(t, recording)
	var done uint64
	for _, c := range s.Channels {
		if c.Snapshots != nil {
			done += c.Snapshots.Done
		}
	}
	if len(s.Feeds) != 2 || s.Feeds[0].Switches == 0 || done == 0 || s.Recorded.Decisions == 0 || s.Unrecognised != 0 {
		t.Errorf("feeds %+v, %d snapshots, inputs %+v, %d datagrams of nobody", s.Feeds, done, s.Recorded, s.Unrecognised)
	}
	if i := slices.IndexFunc(s.Channels, func(c replay.ChannelSummary) bool { return c.Name == "wire" }); i < 0 || s.Channels[i].Messages < truth.Sent {
		t.Errorf("wire has less than the %d messages of the venue: %+v", truth.Sent, s.Channels)
	}
	wantContains(t, "summary", mustRun(t, "replay", recording, "--quiet"), "switches", "venue to vendor: ", "spliced", "vendor: ", "channel       wire")
}

// A gateway that asked for retransmission replays without being told whom it asked.
func TestE2ERetransmissionReplay(t *testing.T) {
	binary, dir := buildTidegate(t), t.TempDir()
	a, b, lines := twoPorts(t)
	server := netip.AddrPortFrom(a.Addr(), freePort(t))
	path := writeConfig(t, dir, lines, anyPort+", slow_after: 1m", "capture: {file: day.pcap}\nring: {chunks: 256}\n")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section := fmt.Sprintf("  retransmit: {servers: [%q], timeout: 100ms, request_after: 1ms}\nloop:", server)
	if err := os.WriteFile(path, bytes.Replace(text, []byte("loop:"), []byte(section), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startAt(t, binary, path)
	stored := subscribe(t, g.addr, keyOne, dbn.SchemaMBO)
	v := startVenue(t, binary, venueCmd{Seed: 22, Rate: 1600, Speed: "2x", A: a, B: b}, "--retransmit", server.String(), "--history", "100000")
	v.post("/lines/a", map[string]any{"loss": 0.1})
	v.post("/lines/b", map[string]any{"loss": 0.1})
	eventually(t, "line R", func() error {
		if n := lineOf(t, feedOf(t, g.url), arbiter.LineR).Ledger.GapMessages; n < 20 {
			return fmt.Errorf("has filled %d messages", n)
		}
		return nil
	})
	reaches(t, g.url, v.pause().Sent)
	g.ends()
	recording := filepath.Join(dir, "day.pcap")
	wantFeedReplayed(t, recording, "sim", dbn.SchemaMBO, <-stored)
	if l := replayed(t, recording).Channels[0].Ledger; l == nil || l.Lines[arbiter.LineR].Published.Messages == 0 {
		t.Errorf("nothing was filled by retransmission: %+v", l)
	}
}
