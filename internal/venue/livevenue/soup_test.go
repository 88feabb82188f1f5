package livevenue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"tidegate/book"
	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
	"tidegate/internal/soup"
	"tidegate/internal/venue"
	"tidegate/market"
)

// serveTCP has a test's venue serve both on ports that the system chooses, at five times the usual
// speed.
func serveTCP(cfg *Config) {
	cfg.Soup, cfg.Glimpse = loopback, loopback
	cfg.Feed.Speed = 5
}

// A subscriber runs a feed and keeps what it hears.
type subscriber struct {
	*soup.Feed
	stop  context.CancelFunc
	ended chan error // of Run

	mu       sync.Mutex
	messages map[uint64][]byte
	next     uint64 // number of the message that has to come
	faults   []string
	over     bool
}

func subscribe(t *testing.T, s *stage, change func(*soup.Config)) *subscriber {
	t.Helper()
	cfg := soup.DefaultConfig(s.SoupAddr().String(), "tide", "sesame")
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	sub := &subscriber{ended: make(chan error, 1), messages: make(map[uint64][]byte), next: 1}
	var err error
	if sub.Feed, err = soup.NewFeed(cfg, soup.SinkFunc(sub.take)); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, sub.stop = context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { sub.ended <- sub.Run(ctx) })
	t.Cleanup(func() {
		sub.stop()
		running.Wait()
	})
	return sub
}

func (sub *subscriber) take(item *soup.Item) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch item.Kind {
	case soup.LoggedIn:
		if item.Seq != sub.next || item.Asked != sub.next {
			sub.faults = append(sub.faults, fmt.Sprintf("logged in at %d, asked for %d, want %d", item.Seq, item.Asked, sub.next))
		}
	case soup.Message:
		if item.Seq != sub.next {
			sub.faults = append(sub.faults, fmt.Sprintf("message %d, want %d", item.Seq, sub.next))
		}
		sub.messages[item.Seq] = bytes.Clone(item.Body)
		sub.next = item.Seq + 1
	case soup.SessionEnded:
		sub.over = true
	}
}

func (sub *subscriber) nextSeq() uint64 {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.next
}

// wantWhole ends the session and compares all that was heard with what line A has heard.
func (sub *subscriber) wantWhole(t *testing.T, s *stage) {
	t.Helper()
	s.stop()
	select {
	case err := <-sub.ended:
		sub.ended <- err
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("no end of the session: %+v", sub.Stats())
	}
	if len(sub.faults) > 0 || !sub.over {
		t.Fatalf("ended %t, %q", sub.over, sub.faults)
	}
	<-s.done
	if want := s.truth.Messages; uint64(len(sub.messages)) != want {
		t.Errorf("%d messages, the venue has sent %d", len(sub.messages), want)
	}
	s.a.until(t, "the end on line A", ended)
	wantMessages(t, "over TCP", sub.messages, messages(s.a.heard()))
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}

func TestSoupSurvivesDisconnects(t *testing.T) {
	s := run(t, serveTCP)
	if _, err := s.SetSoup(func(to *venue.SoupSettings) error { to.DropAfter = 700; return nil }); err != nil {
		t.Fatal(err)
	}
	sub := subscribe(t, s, nil)
	until(t, "a market", func() bool { return sub.nextSeq() > 7000 })
	sub.wantWhole(t, s)
	stats := sub.Stats()
	if want := uint64(len(sub.messages) / 700); stats.Logins < want || stats.Disconnects < want || stats.Missed != 0 {
		t.Errorf("%d messages in pieces of 700: %+v", len(sub.messages), stats)
	}
}

// Everything goes wrong in turn, while it runs.
func TestSoupSurvivesAll(t *testing.T) {
	s := run(t, serveTCP)
	sub := subscribe(t, s, func(cfg *soup.Config) {
		cfg.Client.Heartbeat, cfg.Client.SilenceMax = 20*market.Millisecond, 100*market.Millisecond
	})
	set := func(settings string) SoupStatus {
		t.Helper()
		var status SoupStatus
		s.must(t, http.MethodPost, "/soup", settings, &status)
		return status
	}
	until(t, "the first messages", func() bool { return sub.nextSeq() > 100 })

	set(`{"stalled": true}`)
	from := sub.Stats()
	until(t, "the client to give up a stalled venue", func() bool { return sub.Stats().Disconnects >= from.Disconnects+2 })
	if got := sub.Stats().Messages; got != from.Messages {
		t.Errorf("a stalled venue sent %d messages", got-from.Messages)
	}
	set(`{"stalled": false, "refuse": true}`)
	until(t, "refused logins", func() bool { return sub.Stats().Refused >= 3 })
	set(`{"refuse": false, "drip": 20000}`)
	at := sub.nextSeq()
	until(t, "some messages to drip in", func() bool { return sub.nextSeq() > at+20 })
	status := set(`{"drip": 0, "drop_after": 50}`)
	until(t, "dropped connections", func() bool {
		status = set(`{}`)
		return status.Counts.Dropped >= 3
	})
	status = set(`{"drop_after": 0}`)
	if status.Counts.Refused < 3 || status.SoupSettings != (venue.SoupSettings{}) || status.Address != s.SoupAddr() {
		t.Errorf("%+v", status)
	}
	sub.wantWhole(t, s)
}

// A subscriber that does not take anything costs the venue nothing, and delays nobody.
func TestSoupAndASubscriberThatDoesNotRead(t *testing.T) {
	s := run(t, serveTCP)
	idle, err := net.Dial("tcp", s.SoupAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := idle.Write(soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "idle", Next: 1})); err != nil {
		t.Fatal(err)
	}
	sub := subscribe(t, s, nil)
	until(t, "a market", func() bool { return sub.nextSeq() > 5000 })
	sub.wantWhole(t, s)
}

// Who is no client of the protocol is let go, and too many are turned away.
func TestSoupAndStrangers(t *testing.T) {
	s := run(t, serveTCP)
	status := func() (status SoupStatus) {
		s.must(t, http.MethodGet, "/soup", "", &status)
		return status
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.SoupAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	stranger := dial()
	if _, err := stranger.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = stranger.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := stranger.Read(make([]byte, 100)); n > 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stranger was told %d bytes, %v", n, err)
	}
	stranger.Close()
	until(t, "the stranger to be gone", func() bool { return status().Open == 0 })
	if c := status().Counts; c.Faults != 1 || c.Connections != 1 {
		t.Errorf("%+v", c)
	}
	for range soupConnsMax + 3 {
		dial()
	}
	until(t, "the last ones to be turned away", func() bool { return status().TurnedAway == 3 })
	if open := status().Open; open != soupConnsMax {
		t.Errorf("%d connections", open)
	}
}

func TestSoupIsNotServedUnlessAsked(t *testing.T) {
	s := run(t, nil)
	if s.SoupAddr().IsValid() || s.GlimpseAddr().IsValid() {
		t.Errorf("served on %s and %s", s.SoupAddr(), s.GlimpseAddr())
	}
	var answer struct{ Error string }
	for _, path := range []string{"/soup", "/glimpse"} {
		if status := s.call(t, http.MethodGet, path, "", &answer); status != http.StatusNotFound || answer.Error == "" {
			t.Errorf("%s: status %d, %+v", path, status, answer)
		}
	}
}

func TestSoupControlRefuses(t *testing.T) {
	s := run(t, serveTCP)
	for body, path := range map[string]string{
		`{"drip": -1}`:          "/soup",
		`{"truncate": 5}`:       "/soup",
		`{"no such": 5}`:        "/glimpse",
		`{"drop_after": "all"}`: "/glimpse",
		``:                      "/glimpse",
	} {
		var answer struct{ Error string }
		if status := s.call(t, http.MethodPost, path, body, &answer); status != http.StatusBadRequest || answer.Error == "" {
			t.Errorf("%s %s: status %d, %+v", path, body, status, answer)
		}
	}
	var answer struct{ Error string }
	if status := s.call(t, http.MethodDelete, "/soup", "", &answer); status != http.StatusMethodNotAllowed {
		t.Errorf("delete: status %d", status)
	}
}

// A mirror is a gateway's books, built from a snapshot and the messages after it.
type mirror struct {
	decoder itch50.Decoder
	books   *book.ByOrder
	faults  map[market.Verdict]int
}

func newMirror(cfg venue.Config) *mirror {
	return &mirror{
		decoder: itch50.Decoder{Midnight: cfg.Midnight, Publisher: market.Simulated.ID},
		books:   book.NewByOrder(book.ByOrderConfig{}), faults: make(map[market.Verdict]int),
	}
}

func (m *mirror) apply(message []byte) error {
	var u market.Update
	v := m.decoder.Decode(message, &u)
	if v == market.Applied {
		v = m.books.Apply(&u).Verdict
	}
	if v.Fault() {
		m.faults[v]++
	}
	return nil
}

// wantTruth compares every level with the venue's own books.
func (m *mirror) wantTruth(t *testing.T, truth Truth) {
	t.Helper()
	if len(m.faults) > 0 {
		t.Errorf("faults: %v", m.faults)
	}
	levels := 0
	for _, b := range truth.Books {
		for side, want := range map[market.Side][]venue.Level{market.Bid: b.Bids, market.Ask: b.Asks} {
			var got []venue.Level
			for _, l := range m.books.Levels(b.Instrument, side, make([]book.Level, 0, 1000)) {
				got = append(got, venue.Level{Price: l.Price, Size: l.Size, Orders: int(l.Orders)})
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: %v, want %v", b.Symbol, side, got, want)
			}
			levels += len(got)
		}
	}
	if m.books.Len() != truth.LiveOrders || levels == 0 {
		t.Errorf("%d orders on %d levels, the venue has %d", m.books.Len(), levels, truth.LiveOrders)
	}
}

// A snapshot in the middle of the day and the messages from the one that it names give the books.
func TestSnapshotAndMessagesGiveTheBooks(t *testing.T) {
	s := run(t, serveTCP)
	sub := subscribe(t, s, func(cfg *soup.Config) { cfg.NextSession = true })
	until(t, "a market", func() bool { return sub.nextSeq() > 2000 })

	m := newMirror(s.cfg.Feed.Feed.Market)
	snapshot, err := soup.FetchSnapshot(t.Context(), soup.DefaultSnapshotConfig(s.GlimpseAddr().String(), "tide", ""), m.apply)
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Next <= 2000 || snapshot.Messages < 100 || snapshot.Session.String() != s.cfg.Feed.Feed.Sender.Session {
		t.Errorf("%+v", snapshot)
	}
	until(t, "messages after the snapshot", func() bool { return sub.nextSeq() > snapshot.Next+1000 })
	position, err := s.Pause()
	if err != nil {
		t.Fatal(err)
	}
	truth, err := s.Truth()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the last message", func() bool { return sub.nextSeq() > position.Sent })
	sub.mu.Lock()
	for seq := snapshot.Next; seq <= position.Sent; seq++ {
		_ = m.apply(sub.messages[seq])
	}
	sub.mu.Unlock()
	m.wantTruth(t, truth)

	still := newMirror(s.cfg.Feed.Feed.Market) // a snapshot alone, while nothing happens
	snapshot, err = soup.FetchSnapshot(t.Context(), soup.DefaultSnapshotConfig(s.GlimpseAddr().String(), "tide", ""), still.apply)
	if err != nil || snapshot.Next != position.Sent+1 {
		t.Errorf("%+v, %v, want the next message to be %d", snapshot, err, position.Sent+1)
	}
	still.wantTruth(t, truth)
}

func TestSnapshotsGoWrong(t *testing.T) {
	const short, long = 300 * time.Millisecond, 20 * time.Second
	s := run(t, serveTCP)
	fetch := func(settings string, timeout time.Duration) (soup.Snapshot, error) {
		t.Helper()
		var status SoupStatus
		s.must(t, http.MethodPost, "/glimpse", settings, &status)
		cfg := soup.DefaultSnapshotConfig(s.GlimpseAddr().String(), "tide", "")
		cfg.Timeout = timeout
		return soup.FetchSnapshot(t.Context(), cfg, func([]byte) error { return nil })
	}
	good, err := fetch(`{}`, long)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(`{"refuse": true}`, long); !errors.Is(err, soupbintcp.ErrNotAuthorized) {
		t.Errorf("refused: %v", err)
	}
	if _, err := fetch(`{"refuse": false, "stalled": true}`, short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	if _, err := fetch(`{"stalled": false, "drop_after": 10}`, long); !errors.Is(err, soup.ErrTruncated) {
		t.Errorf("dropped: %v", err)
	}
	if _, err := fetch(`{"drop_after": 0, "truncate": 12}`, long); !errors.Is(err, soup.ErrTruncated) {
		t.Errorf("truncated: %v", err)
	}
	if _, err := fetch(`{"truncate": 0, "drip": 500}`, short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow drip: %v", err)
	}
	stale, err := fetch(`{"drip": 0, "stale": true}`, long)
	if err != nil || stale.Next < good.Next {
		t.Fatalf("%+v, %v", stale, err)
	}
	until(t, "the market to go on", func() bool {
		truth, err := s.Truth()
		return err != nil || truth.Sent > stale.Next+200
	})
	if again, err := fetch(`{"stale": true}`, long); err != nil || again.Next != stale.Next {
		t.Errorf("stale: %+v, %v, want %d", again, err, stale.Next)
	}
	if fresh, err := fetch(`{"stale": false}`, long); err != nil || fresh.Next < stale.Next+200 && fresh.Next > 200 {
		t.Errorf("fresh: %+v, %v", fresh, err)
	}
}
