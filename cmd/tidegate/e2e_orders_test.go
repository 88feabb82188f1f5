//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/gateway/orders/ouch"
	"tidegate/market"
)

// A marketPlace is a gateway that runs a market, and a venue whose quotes it follows.
type marketPlace struct {
	t      *testing.T
	binary string
	config string
	venue  net.Conn
	place
	ouch, http string
}

const orderSecret = "secret-of-the-test"

func newMarketPlace(t *testing.T) *marketPlace {
	t.Helper()
	m := &marketPlace{t: t, binary: buildTidegate(t), config: filepath.Join(t.TempDir(), "tidegate.yaml")}
	port := freePort(t)
	hash, err := ouch.HashPassword("pw")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`feeds:
- name: sim
  protocol: itch
  dataset: XSIM.ITCH
  silence: 150ms
  stale_after: 60ms
  lines: [{name: A, address: "127.0.0.1:%d", receive_buffer: 4 MiB}]
consolidated: {dataset: TIDE.CONS}
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
subscribers: {listen: "127.0.0.1:0", keys: [{name: one, key: %s, datasets: [TIDE.ITCH]}]}
orders:
  dir: market
  instruments:
  - {id: 1, symbol: TIDE, tick: 0.01, reference: ALFA, collar: 1000, when_stale: hold}
  - {id: 2, symbol: FREE, tick: 0.01}
  accounts:
  - {id: 1, name: alice, deposit: {USD: 100000, TIDE: 1000, FREE: 1000}}
  - {id: 2, name: bob, deposit: {USD: 100000, TIDE: 1000, FREE: 1000}}
  sessions:
  - {id: 1, name: alice, accounts: [alice], ouch: {username: alice, password_hash: %s}}
  - {id: 2, name: bob, accounts: [bob], http: {key: bob, secret_env: BOBS_SECRET}}
  ouch: {listen: "127.0.0.1:0", limits: {connections_per_second: 1000}}
  http: {listen: "127.0.0.1:0", limits: {ahead: 10ms}}
`, port, keyOne, hash)
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if m.venue, err = net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.venue.Close() })
	t.Setenv("BOBS_SECRET", orderSecret)
	m.start()
	return m
}

func (m *marketPlace) start() {
	m.t.Helper()
	m.place = startAt(m.t, m.binary, m.config)
	m.ouch = m.logged("orders by ouch")["address"].(string)
	m.http = strings.TrimSuffix(m.logged("orders by http")["url"].(string), "/")
	m.logged("line by tcp is connected", "feed", "orders")
}

// quotes sends a quote of ALFA, and goes on with heartbeats until the returned function is called.
func (m *marketPlace) quotes(bid, ask itch50.Price4) (stall func()) {
	m.t.Helper()
	session, _ := moldudp64.ParseSession("VENUE")
	symbol, _ := itch50.ParseSymbol("ALFA")
	header := itch50.Header{Locate: 7, Timestamp: uint64(market.Nanos(time.Now().UnixNano()) - newYorkMidnight(time.Now()))}
	var b moldudp64.Builder
	b.Reset(session, 1, 1400)
	for _, msg := range [][]byte{
		(&itch50.StockDirectory{
			Header: header, Stock: symbol, MarketCategory: 'Q', FinancialStatus: 'N', RoundLotSize: 100, RoundLotsOnly: 'N', IssueClassification: 'C',
			IssueSubType: [2]byte{'Z', ' '}, Authenticity: 'P', ShortSaleThreshold: 'N', IPO: 'N',
		}).Append(nil),
		(&itch50.AddOrder{Header: header, OrderRef: 1, Side: itch50.Buy, Shares: 100, Stock: symbol, Price: bid}).Append(nil),
		(&itch50.AddOrder{Header: header, OrderRef: 2, Side: itch50.Sell, Shares: 100, Stock: symbol, Price: ask}).Append(nil),
	} {
		b.Append(msg)
	}
	if _, err := m.venue.Write(b.Bytes()); err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		beat := time.NewTicker(10 * time.Millisecond)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				_, _ = m.venue.Write(moldudp64.AppendHeartbeat(nil, session, 4)) // a gateway that restarts is missed
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// alice and bob run the client for orders.
func (m *marketPlace) alice(args ...string) (int, string) {
	m.t.Helper()
	return m.order(append(args, "--ouch", m.ouch, "--user", "alice", "--password", "pw", "--wait", "30s")...)
}

func (m *marketPlace) bob(args ...string) (int, string) {
	m.t.Helper()
	return m.order(append(args, "--http", m.http, "--key", "bob", "--secret", orderSecret, "--wait", "30s")...)
}

func (m *marketPlace) order(args ...string) (int, string) {
	m.t.Helper()
	code, out, errs := tidegate(m.t, append([]string{"order"}, args...)...)
	return code, out + errs
}

func (m *marketPlace) want(code int, out string, wantCode int, texts ...string) {
	m.t.Helper()
	if code != wantCode {
		m.t.Fatalf("exit %d, want %d:\n%s", code, wantCode, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			m.t.Fatalf("no %q in\n%s", text, out)
		}
	}
}

// TestMarket runs a market as its users meet it: by OUCH and by HTTP, through a kill -9, in the books of the gateway.
func TestMarket(t *testing.T) {
	m := newMarketPlace(t)
	code, out := m.alice("enter", "buy", "100", "FREE", "10.00", "--name", "mine")
	m.want(code, out, exitOK, "accepted 1: buy 100 FREE @ 10.00", "in the book 1", "order 1\n")
	code, out = m.bob("enter", "sell", "30", "FREE", "9.99")
	m.want(code, out, exitOK, "executed", "filled: 0 of 30 open")
	code, out = m.bob("enter", "sell", "30", "FREE", "12.00")
	m.want(code, out, exitOK, "open: 30 of 30 open")
	code, out = m.alice("cancel", "99")
	m.want(code, out, exitFailure, "cancel rejected 99", "refused")
	code, out = m.bob("enter", "sell", "30", "NOPE", "12.00")
	m.want(code, out, exitFailure, "symbol: found \"NOPE\"")
	code, out = m.alice("enter", "buy", "1", "FREE", "0")
	m.want(code, out, exitUsage, "want a decimal number above 0")
	code, out = m.bob("balances")
	m.want(code, out, exitOK, "100300.00")
	wantBook := func() {
		t.Helper()
		eventually(t, "the book", func() error {
			b := getText(t, m.url+"/books?dataset=TIDE.ITCH&symbol=FREE&depth=5")
			if !strings.Contains(b, `"10.00"`) || !strings.Contains(b, `"12.00"`) || !strings.Contains(b, "70") {
				return fmt.Errorf("%s", b)
			}
			return nil
		})
	}
	wantBook()
	_, before := m.alice("follow", "--from", "1", "--count", "4")
	m.signal(syscall.SIGKILL)
	m.exit()
	m.start()
	_, after := m.alice("follow", "--from", "1", "--count", "4")
	cut := func(s string) string { return s[strings.Index(s, "accepted"):] } // the greeting has its own time
	if cut(before) != cut(after) {
		t.Errorf("before the kill\n%safter it\n%s", before, after)
	}
	wantBook()
	code, out = m.bob("open")
	m.want(code, out, exitOK, "12.00", "sell")
	code, out = m.alice("replace", "1", "90", "10.01")
	m.want(code, out, exitOK, "replaced 1 by 2: buy 60 FREE @ 10.01")
	// Those who run the gateway see it, and may intervene.
	report := getText(t, m.url+"/orders")
	for _, want := range []string{`"lane":"cancels"`, `"lane":"normal"`, `"taken":`, `"sessions":`} {
		if !strings.Contains(report, want) {
			t.Errorf("no %s in %s", want, report)
		}
	}
	metrics := getText(t, m.url+"/metrics")
	for _, want := range []string{`tidegate_orders_lane_wait_seconds{lane="normal",quantile="0.99"}`, `tidegate_orders_verdicts_total{verdict="busy"} 0`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	post := func(path, body string, want int) {
		t.Helper()
		r, err := http.Post(m.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if b, _ := io.ReadAll(r.Body); r.StatusCode != want {
			t.Errorf("%s %s: %d %s", path, body, r.StatusCode, b)
		}
	}
	post("/orders/kill", `{"account":"nobody","on":true}`, 404)
	post("/orders/kill", `{"account":"alice"}`, 400)
	post("/orders/kill", `{"account":"alice","on":true}`, 200)
	code, out = m.alice("enter", "buy", "1", "FREE", "10.00")
	m.want(code, out, exitFailure, "firm-not-authorized")
	post("/orders/kill", `{"account":"alice","on":false}`, 200)
	post("/orders/state", `{"symbol":"FREE","state":"halted"}`, 200)
	code, out = m.alice("enter", "buy", "1", "FREE", "10.00")
	m.want(code, out, exitFailure, "halted")
	post("/orders/adjust", `{"account":"bob","asset":"USD","amount":"5","reference":1}`, 200)
	post("/orders/adjust", `{"account":"bob","asset":"USD","amount":"5","reference":1}`, 200) // was made before
	code, out = m.bob("balances")
	m.want(code, out, exitOK, "100305.00")
	m.signal(syscall.SIGTERM)
	if code, rest := m.exit(); code != exitOK {
		t.Errorf("exit %d: %s", code, rest)
	}
}

// TestStaleQuotesDoNotTrade stalls the only venue that a market follows: what needs its quote waits, and
// nothing trades on it.
func TestStaleQuotesDoNotTrade(t *testing.T) {
	m := newMarketPlace(t)
	stall := m.quotes(100_000, 101_000) // 10.00 to 10.10
	eventually(t, "the quote", func() error {
		if b := getText(t, m.url+"/bbo?dataset=XSIM.ITCH&symbol=ALFA"); !strings.Contains(b, "10.10") {
			return fmt.Errorf("%s", b)
		}
		return nil
	})
	// While the quote is good a peg is in the book, and collars hold.
	code, out := m.alice("enter", "buy", "50", "TIDE", "10.50", "--peg", "primary")
	m.want(code, out, exitOK, "in the book 1: @ 10.00")
	code, out = m.bob("enter", "sell", "10", "TIDE", "10.00", "--time-in-force", "ioc")
	m.want(code, out, exitOK, "filled: 0 of 10 open")
	code, out = m.alice("enter", "buy", "1", "TIDE", "20.00")
	m.want(code, out, exitFailure, "fat-finger")
	stall()
	// The peg leaves the book by itself.
	eventually(t, "the peg", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, out, _ := tidegateUntil(ctx, "order", "follow", "--from", "1", "--ouch", m.ouch, "--user", "alice", "--password", "pw")
		if !strings.Contains(out, "restated 1:") || !strings.Contains(out, " 0 shows") {
			return fmt.Errorf("alice hears\n%s", out)
		}
		return nil
	})
	// Nothing trades on it: a collared order waits.
	code, out = m.bob("enter", "sell", "10", "TIDE", "10.00")
	m.want(code, out, exitOK, "restated", "held", "open: 10 of 10 open")
	m.signal(syscall.SIGTERM)
	if code, rest := m.exit(); code != exitOK {
		t.Errorf("exit %d: %s", code, rest)
	}
}

func getText(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
