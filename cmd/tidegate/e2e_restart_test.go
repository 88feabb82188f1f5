//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A gateway dies in mid-stream and comes back, and so does the venue. Books never show what is not
// there: those after the gateway's restart hold nothing that the venue has not, and with the venue's
// restart they are emptied in band, and are the new venue's.
func TestE2EKilled(t *testing.T) {
	binary, dir := buildTidegate(t), t.TempDir()
	a, b, lines := twoPorts(t)
	g := startAt(t, binary, writeConfig(t, dir, lines, anyPort, ""))
	v := startVenue(t, binary, venueCmd{Seed: 6, Rate: 1600, Speed: "4x", A: a, B: b})
	v.passes(2000)
	first := watch(t, g.addr, keyOne, true)
	v.passes(6000) // too many to wait for the first when the gateway comes back
	truth := v.pause()
	reaches(t, g.url, truth.Sent)
	first.has(t, "subscriber", truth.Books)
	v.post("/resume", nil)
	v.passes(truth.Sent + 500)

	g.signal(syscall.SIGKILL)
	g.exit()
	if err := first.ends(t, "subscriber of the dead gateway"); err == nil {
		t.Error("the session ended without an error")
	}
	// The same address, as clients know it, while they already try.
	config := writeConfig(t, dir, lines, strings.Replace(anyPort, "127.0.0.1:0", g.addr, 1), "")
	addr, reconnected := g.addr, make(chan *mirror, 1)
	go func() {
		for t.Context().Err() == nil {
			if m, err := tryWatch(t.Context(), addr, keyOne, true); err == nil {
				reconnected <- m
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	g = startAt(t, binary, config)
	var again *mirror
	select {
	case again = <-reconnected:
		t.Cleanup(again.close)
	case <-time.After(patience):
		t.Fatal("no session with the new gateway")
	}
	v.passes(v.truth().Sent + 2000)
	truth = v.pause()
	f := reachesFrom(t, g.url, truth.Sent)
	if f.Ledger.JoinedMid != 1 || f.Ledger.GapsAnnounced().Messages != 0 || f.Epochs[0].From < 6000 || !f.Balanced {
		t.Errorf("the new gateway did not join in mid-stream: %+v, epochs %+v", f.Ledger, f.Epochs)
	}
	late := watch(t, g.addr, keyOne, true) // its snapshot is all it gets
	eventually(t, "books after the restart", func() error {
		if err := again.failure(); err != nil {
			t.Fatal(err)
		}
		if err := again.within(truth.Books); err != nil {
			return err
		}
		_, err := late.compare(again.truth(v.market))
		return err
	})

	v.post("/resume", nil)
	v.passes(truth.Sent + 500)
	had := again.filled(v.market)
	v.kill()
	v = startVenue(t, binary, venueCmd{Seed: 7, Rate: 1600, Speed: "4x", A: a, B: b})
	g.logged("epoch begins", "reason", "restarted")
	v.passes(3000)
	truth = v.pause()
	eventually(t, "gateway", func() error {
		if f := feedOf(t, g.url); f.Session == "" || f.Epochs[len(f.Epochs)-1].Reason != "restarted" {
			return fmt.Errorf("epochs %+v", f.Epochs)
		}
		return nil
	})
	for _, m := range []*mirror{again, late} {
		m.has(t, "subscriber", truth.Books)
		if m.mu.Lock(); m.clears < had {
			t.Errorf("%d books were emptied, %d had something in them", m.clears, had)
		}
		m.mu.Unlock()
	}
	if f := feedOf(t, g.url); !f.Balanced || f.Ledger.Restarts != 1 || f.Faults != 0 && f.Ledger.JoinedMid == 0 {
		t.Errorf("after the restart of the venue: %+v", f.Ledger)
	}
}

// reachesFrom waits until a gateway that has joined in mid-stream is at a message.
func reachesFrom(t *testing.T, url string, seq uint64) (f *admin.FeedReport) {
	t.Helper()
	eventually(t, "gateway", func() error {
		f = feedOf(t, url)
		if n := len(f.Epochs); n != 1 || f.Epochs[0].From+f.Ledger.Advanced != seq+1 || f.Ledger.GapsOpen.Messages != 0 {
			return fmt.Errorf("epochs %+v, %d messages on, want %d", f.Epochs, f.Ledger.Advanced, seq)
		}
		return nil
	})
	return f
}

// within reports a level that the venue has not, or has less of.
func (m *mirror) within(truth []venue.BookTruth) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	levels := 0
	for _, b := range truth {
		for _, side := range []struct {
			of  market.Side
			has []venue.Level
		}{{market.Bid, b.Bids}, {market.Ask, b.Asks}} {
			at := make(map[market.Price]venue.Level)
			for _, l := range side.has {
				at[l.Price] = l
			}
			for _, l := range m.books.Levels(b.Instrument, side.of, make([]book.Level, 0, 10_000)) {
				if has := at[l.Price]; l.Size > has.Size || int(l.Orders) > has.Orders {
					return fmt.Errorf("%s: a ghost on side %s: %+v, the venue has %+v", b.Symbol, side.of, l, has)
				}
				levels++
			}
		}
	}
	if levels == 0 {
		return errors.New("no levels")
	}
	return nil
}

// truth returns the books as a venue shows them.
func (m *mirror) truth(of venue.Config) []venue.BookTruth {
	m.mu.Lock()
	defer m.mu.Unlock()
	return truthOf(m.books, of)
}

// filled returns how many instruments have a book.
func (m *mirror) filled(of venue.Config) (n int) {
	for _, b := range m.truth(of) {
		if len(b.Bids)+len(b.Asks) > 0 {
			n++
		}
	}
	return n
}

// Keys and limits change under subscribers that stay, and the end is announced.
func TestE2EReloadAndStop(t *testing.T) {
	binary, dir := buildTidegate(t), t.TempDir()
	a, b, lines := twoPorts(t)
	const (
		keyThree = "db-ExampleKeyForTests0000000ijkl"
		before   = `listen: "127.0.0.1:0", limits: {connections_per_second: 100},
  keys: [{name: one, key: ` + keyOne + `}, {name: two, key: ` + keyTwo + `}]`
		after = `listen: "127.0.0.1:0", limits: {connections_per_second: 100, sessions_per_key: 1},
  keys: [{name: one, key: ` + keyOne + `}, {name: two, key: ` + keyTwo + `, disabled: true}, {name: three, key: ` + keyThree + `}]`
	)
	g := startAt(t, binary, writeConfig(t, dir, lines, before, ""))
	stays, goes := watch(t, g.addr, keyOne, false), watch(t, g.addr, keyTwo, false)
	v := startVenue(t, binary, venueCmd{Seed: 8, Rate: 1600, Speed: "4x", A: a, B: b})
	v.passes(1000)
	if _, err := dial(t, g.addr, keyThree); !errors.Is(err, lsgclient.ErrRefused) {
		t.Errorf("a key to come: %v, want it refused", err)
	}

	writeConfig(t, dir, lines, after, "")
	g.signal(syscall.SIGHUP)
	g.logged("reloaded keys and limits", "keys", "3")
	if err := goes.ends(t, "session of a disabled key"); err != io.EOF {
		t.Errorf("a disabled key's session ended with %v", err)
	}
	if n := len(goes.errors); n != 1 || goes.errors[0].Code != dbn.ErrorDeactivated || goes.errors[0].IsLast == 0 {
		t.Errorf("a disabled key was told %+v", goes.errors)
	}
	if _, err := dial(t, g.addr, keyTwo); !errors.Is(err, lsgclient.ErrRefused) {
		t.Errorf("a disabled key: %v, want it refused", err)
	}
	if _, err := dial(t, g.addr, keyOne); !errors.Is(err, lsgclient.ErrRefused) {
		t.Errorf("a second session of a key: %v, want it refused", err)
	}
	added := watch(t, g.addr, keyThree, true)
	v.passes(v.truth().Sent + 1000)

	truth := v.pause()
	reaches(t, g.url, truth.Sent)
	stays.has(t, "subscriber that stays", truth.Books)
	added.has(t, "subscriber with a new key", truth.Books)
	v.accountOf(truth.Sent, nothing).wantRecords(t, stays.all(), 0)

	g.signal(syscall.SIGTERM)
	for _, m := range []*mirror{stays, added} {
		err := m.ends(t, "subscriber")
		if last := m.system[len(m.system)-1]; err != io.EOF || !strings.HasPrefix(last, "gateway is stopping: ") || len(m.errors) != 0 {
			t.Errorf("a subscriber's session ended with %v after %q and %+v", err, last, m.errors)
		}
	}
	if code, rest := g.exit(); code != exitOK || rest != "" {
		t.Errorf("exit %d: %s", code, rest)
	}
}
