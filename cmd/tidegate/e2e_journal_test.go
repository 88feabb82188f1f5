//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// configWith writes a configuration like writeConfig's with changes.
func configWith(t *testing.T, lines string, change func(text string) string) string {
	t.Helper()
	path := writeConfig(t, t.TempDir(), lines, anyPort, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The journal has what subscribers got, record by record, and the gaps and who the feed is.
func TestE2EJournal(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	dir := filepath.Join(t.TempDir(), "journal")
	g := startAt(t, binary, configWith(t, lines, func(text string) string {
		return text + fmt.Sprintf("journal: {dir: %q, schemas: [mbo, trades, definition]}\n", dir)
	}))
	subscriber := watch(t, g.addr, keyOne, false)
	v := startVenue(t, binary, venueCmd{Seed: 11, Rate: 1600, Speed: "5x", A: a, B: b})
	v.passes(3000)
	both := map[string]any{"loss": 0.3}
	v.post("/lines/a", both)
	v.post("/lines/b", both)
	v.passes(8000)
	truth := v.pause()
	gaps := reaches(t, g.url, truth.Sent).Ledger.GapsAnnounced().Ranges
	g.signal(syscall.SIGTERM)
	<-subscriber.done
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
	g.logged("journal", "dir", dir, "epoch", "1", "next", "1")

	want := subscriber.all()
	r, err := journal.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var e journal.Entry
	records, trades, definitions, kept, feeds := 0, 0, 0, uint64(0), 0
	for {
		outcome, err := r.Next(&e)
		if err != nil {
			t.Fatal(err)
		}
		if outcome != journal.Ready {
			break
		}
		switch e.Kind {
		case entry.KindFeed:
			var f entry.Feed
			if err := f.Parse(e.Payload); err != nil || f.Name != "sim" || f.Publisher != market.Simulated.ID {
				t.Errorf("feed %+v, %v", f, err)
			}
			feeds++
		case entry.KindGap:
			kept++
		case entry.KindRecord:
			rec, err := dbn.ParseRecord(e.Payload, dbn.Version, false)
			if err != nil {
				t.Fatal(err)
			}
			switch rec.RType {
			case dbn.RTypeMBO:
			case dbn.RTypeTrade:
				trades++
				continue
			default:
				definitions++
				continue
			}
			var m dbn.MBO
			if err := m.Parse(rec); err != nil {
				t.Fatal(err)
			}
			if records < len(want) && m != want[records] {
				t.Fatalf("record %d is %+v, the subscriber got %+v", records, m, want[records])
			}
			records++
		}
	}
	if records != len(want) || definitions == 0 || trades == 0 || feeds != 1 || kept != gaps || gaps == 0 {
		t.Errorf("%d records, the subscriber got %d; %d trades, %d definitions, %d feeds, %d gaps of %d", records, len(want), trades, definitions, feeds, kept, gaps)
	}
	if c, err := journal.Verify(t.Context(), dir, nil); err != nil || len(c.Problems) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// A gateway whose only line is a TCP connection has the venue's books; and one that lost messages for good gets
// a snapshot, and has them again.
func TestE2EOverTCP(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	messages := netip.AddrPortFrom(a.Addr(), freePort(t))
	snapshots := netip.AddrPortFrom(a.Addr(), freePort(t))
	v := startVenue(t, binary, venueCmd{Seed: 12, Rate: 1600, Speed: "2x", A: a, B: b},
		"--soup", messages.String(), "--glimpse", snapshots.String(), "--history", "100000")
	v.passes(2000)

	tcp := startAt(t, binary, configWith(t, lines, func(text string) string {
		from, to := strings.Index(text, "  lines:"), strings.Index(text, "loop:")
		return text[:from] + fmt.Sprintf("  tcp: {name: A, address: %q, username: me, password: secret}\n", messages) + text[to:]
	}))
	late := startAt(t, binary, configWith(t, lines, func(text string) string {
		return strings.Replace(text, "loop:", fmt.Sprintf("  snapshots: {servers: [{address: %q, username: me}]}\nloop:", snapshots), 1)
	}))
	whole := watch(t, tcp.addr, keyOne, true)
	joined := watch(t, late.addr, keyOne, true)
	v.passes(v.truth().Sent + 2000)
	loss := map[string]any{"loss": 0.5}
	v.post("/lines/a", loss)
	v.post("/lines/b", loss)
	eventually(t, "gateway", func() error {
		if feedOf(t, late.url).Ledger.GapsAnnounced().Ranges == 0 {
			return errors.New("lost nothing")
		}
		return nil
	})
	loss["loss"] = 0
	v.post("/lines/a", loss)
	v.post("/lines/b", loss)
	v.passes(v.truth().Sent + 4000)
	truth := v.pause()
	whole.has(t, "by tcp", truth.Books)
	joined.has(t, "by datagrams and snapshots", truth.Books)
	if f := reaches(t, tcp.url, truth.Sent); f.Ledger.GapsAnnounced().Messages != 0 || f.Messages != truth.Sent {
		t.Errorf("by tcp: %d of %d messages, %d lost", f.Messages, truth.Sent, f.Ledger.GapsAnnounced().Messages)
	}
}
