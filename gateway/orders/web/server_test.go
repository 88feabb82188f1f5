package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/book/match"
	"tidegate/gateway/orders"
	"tidegate/internal/clock"
	"tidegate/market"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

const secret = "0123456789abcdef"

// A world is a gate and a server for it, with keys alice, bob and both (who acts for both).
type world struct {
	t      *testing.T
	dir    string
	change func(*orders.Config, *Config)
	gate   *orders.Gate
	server *Server
	http   *http.Client
	url    string
	late   market.Nanos // how far the clients' clock is behind
}

func newWorld(t *testing.T, change func(*orders.Config, *Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), change: change}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	gate := orders.Config{Dir: w.dir, ReserveBytes: 1 << 20, RecentMax: 64, Engine: match.Config{OrdersMax: 1 << 12}}
	for i, symbol := range []string{"AAA", "BBB"} {
		gate.Instruments = append(gate.Instruments, orders.Instrument{
			Instrument: match.Instrument{ID: market.InstrumentID(i + 1), TickSize: market.PriceScale / 100, LotSize: 1},
			Symbol:     symbol, Base: orders.AssetID(i + 2), Quote: 1, Open: match.Open,
		})
	}
	cfg := Config{Addr: "127.0.0.1:0", Assets: map[orders.AssetID]string{1: "USD", 2: "AAA", 3: "BBB"}}
	for i, name := range []string{"alice", "bob"} {
		id := orders.AccountID(i + 1)
		gate.Accounts = append(gate.Accounts, orders.Account{ID: id, Name: name, Deposit: map[orders.AssetID]orders.Money{
			1: orders.Units(1_000_000), 2: orders.Units(10_000),
		}})
	}
	for i, name := range []string{"alice", "bob", "both"} {
		s := orders.SessionConfig{ID: orders.SessionID(i + 1), Name: name, Accounts: []orders.AccountID{1, 2}}
		if i < 2 {
			s.Accounts = []orders.AccountID{orders.AccountID(i + 1)}
		}
		gate.Sessions = append(gate.Sessions, s)
		cfg.Keys = append(cfg.Keys, Key{ID: name, Secret: []byte(secret), Session: s.ID})
	}
	cfg.Limits.ConnectionsPerSecond, cfg.Limits.FailedSignatures, cfg.Limits.RequestsPerSecond = 10_000, 10_000, 10_000
	cfg.Limits.Ahead = 20 * time.Millisecond // nothing is taken so long after the start
	if w.change != nil {
		w.change(&gate, &cfg)
	}
	cfg.Accounts, cfg.Instruments = gate.Accounts, gate.Instruments
	var err error
	if w.gate, err = orders.Open(gate); err != nil {
		w.t.Fatal(err)
	}
	if w.server, err = New(cfg, w.gate); err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.Start(); err != nil {
		w.t.Fatal(err)
	}
	scheme := "http://"
	if cfg.TLS != nil {
		scheme = "https://"
	}
	w.http = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // what is tested is not trust
	w.url = scheme + w.server.Addr().String()
	time.Sleep(2 * cfg.Limits.Ahead)
}

func (w *world) stop() {
	if w.gate == nil {
		return
	}
	w.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.server.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
	if err := w.gate.Close(ctx); err != nil {
		w.t.Errorf("close: %v", err)
	}
	w.gate = nil
}

// request makes a signed request.
func (w *world) request(key, method, target, once, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	at := clock.Now() - w.late
	r.Header.Set(HeaderKey, key)
	r.Header.Set(HeaderTime, strconv.FormatInt(int64(at), 10))
	r.Header.Set(HeaderSignature, Sign([]byte(secret), at, method, target, once, []byte(body)))
	if once != "" {
		r.Header.Set(HeaderIdempotency, once)
	}
	return r
}

func (w *world) send(r *http.Request) (status int, body []byte) {
	w.t.Helper()
	response, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, body
}

// ask makes a request that has to succeed.
func ask[T any](w *world, key, method, target, once, body string) (answer T) {
	w.t.Helper()
	status, b := w.send(w.request(key, method, target, once, body))
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, target, status, b)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&answer); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, target, err, b)
	}
	return answer
}

// refused makes a request that has to be refused.
func (w *world) refused(what string, r *http.Request, status int, code Code) ProblemBody {
	w.t.Helper()
	got, b := w.send(r)
	var p Problem
	if err := json.Unmarshal(b, &p); err != nil {
		w.t.Errorf("%s: %d %s", what, got, b)
	}
	if got != status || p.Error.Code != code {
		w.t.Errorf("%s: got %d %s (%s), want %d %s", what, got, p.Error.Code, p.Error.Text, status, code)
	}
	return p.Error
}

func (w *world) place(key, body string) OrderAnswer {
	w.t.Helper()
	return ask[OrderAnswer](w, key, "POST", "/v1/orders", "", body)
}

func TestLifeOfAnOrder(t *testing.T) {
	w := newWorld(t, nil)
	a := w.place("alice", `{"symbol":"AAA","side":"buy","size":100,"price":"10.00","client_order_id":"mine"}`)
	if a.Status != "open" || a.Open != 100 || a.Size != 100 || a.Price != "10.00" || len(a.Reports) != 2 || a.Reports[0].Kind != "accepted" ||
		a.Reports[1].Kind != "booked" || a.Reports[0].ClientOrderID != "mine" || a.Reports[0].Symbol != "AAA" || a.Reports[0].Account != "alice" {
		t.Fatalf("placed: %+v", a)
	}
	o := ask[OpenOrder](w, "alice", "GET", "/v1/orders/"+a.OrderID, "", "")
	if o.OrderID != a.OrderID || o.ClientOrderID != "mine" || o.Side != "buy" || o.Open != 100 || o.Displayed != 100 || o.Price != "10.00" {
		t.Errorf("open: %+v", o)
	}
	b := w.place("bob", `{"symbol":"AAA","side":"sell","size":30,"price":"9.99","time_in_force":"ioc"}`)
	if b.Status != "filled" || b.Open != 0 || b.Reports[1].Price != "10.00" || b.Reports[1].Liquidity != "removed" {
		t.Errorf("executed: %+v", b)
	}
	r := ask[OrderAnswer](w, "alice", "PUT", "/v1/orders/"+a.OrderID, "", `{"size":80,"price":"10.01"}`)
	if r.OrderID != a.OrderID || r.Status != "open" || r.Size != 80 || r.Open != 50 || r.Price != "10.01" || r.Reports[0].ClientOrderID != "mine" {
		t.Errorf("replaced: %+v", r)
	}
	w.refused("somebody else's order", w.request("bob", "DELETE", "/v1/orders/"+a.OrderID, "", ""), 404, CodeNotFound)
	c := ask[OrderAnswer](w, "alice", "DELETE", "/v1/orders/"+a.OrderID, "", "")
	if c.Status != "canceled" || c.Open != 0 {
		t.Errorf("canceled: %+v", c)
	}
	w.refused("again", w.request("alice", "DELETE", "/v1/orders/"+a.OrderID, "", ""), 404, CodeNotFound)
	w.refused("gone", w.request("alice", "GET", "/v1/orders/"+a.OrderID, "", ""), 404, CodeNotFound)
	h := ask[ReportPage](w, "alice", "GET", "/v1/history", "", "")
	var kinds []string
	for i, r := range h.Reports {
		kinds = append(kinds, r.Kind)
		if r.Number != uint64(i+1) {
			t.Errorf("report %d of the history has number %d", i+1, r.Number)
		}
	}
	if want := []string{"accepted", "booked", "executed", "replaced", "booked", "canceled"}; !slices.Equal(kinds, want) || h.Total != 6 || h.Next != 7 {
		t.Errorf("history %v of %d, next %d", kinds, h.Total, h.Next)
	}
	e := ask[ReportPage](w, "alice", "GET", "/v1/executions", "", "")
	if len(e.Reports) != 1 || e.Reports[0].Number != 3 || e.Reports[0].Size != 30 || e.Reports[0].Match == "" {
		t.Errorf("executions: %+v", e)
	}
	balances := ask[Balances](w, "alice", "GET", "/v1/balances", "", "")
	if want := []Balance{{"USD", "999700.00", "0.00", "0.00", "999700.00"}, {"AAA", "10030.00", "0.00", "0.00", "10030.00"}}; !slices.Equal(balances.Balances, want) {
		t.Errorf("balances: %+v", balances)
	}
}

// Whoever may act for several accounts says for which.
func TestAccounts(t *testing.T) {
	w := newWorld(t, nil)
	a := w.place("both", `{"symbol":"AAA","side":"buy","size":1,"price":"10","account":"bob"}`)
	if a.Reports[0].Account != "bob" {
		t.Errorf("%+v", a)
	}
	if page := ask[OrderPage](w, "both", "GET", "/v1/orders?account=bob", "", ""); len(page.Orders) != 1 {
		t.Errorf("bob has %+v", page)
	}
	if page := ask[OrderPage](w, "both", "GET", "/v1/orders", "", ""); len(page.Orders) != 0 {
		t.Errorf("alice has %+v", page)
	}
	r := ask[OrderAnswer](w, "both", "PUT", "/v1/orders/"+a.OrderID, "", `{"size":2}`)
	if r.Size != 2 {
		t.Errorf("%+v", r)
	}
	if c := ask[OrderAnswer](w, "both", "DELETE", "/v1/orders/"+a.OrderID, "", ""); c.Status != "canceled" {
		t.Errorf("%+v", c)
	}
	w.refused("another account", w.request("alice", "GET", "/v1/balances?account=bob", "", ""), 400, CodeRequest)
}

func TestCancelAll(t *testing.T) {
	w := newWorld(t, nil)
	for _, body := range []string{
		`{"symbol":"AAA","side":"buy","size":1,"price":"10"}`, `{"symbol":"AAA","side":"sell","size":1,"price":"11"}`,
		`{"symbol":"BBB","side":"buy","size":1,"price":"10"}`,
	} {
		w.place("alice", body)
	}
	if a := ask[CancelAnswer](w, "alice", "DELETE", "/v1/orders?symbol=AAA&side=sell", "", ""); a.Canceled != 1 {
		t.Errorf("%+v", a)
	}
	if a := ask[CancelAnswer](w, "alice", "DELETE", "/v1/orders", "", ""); a.Canceled != 2 {
		t.Errorf("%+v", a)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t, nil)
	const n = 25
	for range n {
		w.place("alice", `{"symbol":"AAA","side":"buy","size":1,"price":"10"}`)
	}
	seen := map[string]bool{}
	for after, pages := "0", 0; after != ""; pages++ {
		page := ask[OrderPage](w, "alice", "GET", "/v1/orders?limit=10&after="+after, "", "")
		for _, o := range page.Orders {
			seen[o.OrderID] = true
		}
		if after = page.After; pages > 3 {
			t.Fatal("pages without end")
		}
	}
	if len(seen) != n {
		t.Errorf("%d orders in the pages", len(seen))
	}
	next, total := uint64(1), 0
	for next <= 2*n {
		page := ask[ReportPage](w, "alice", "GET", fmt.Sprintf("/v1/history?limit=7&from=%d", next), "", "")
		total += len(page.Reports)
		if page.Next <= next {
			t.Fatalf("from %d on to %d", next, page.Next)
		}
		next = page.Next
	}
	if total != 2*n {
		t.Errorf("%d reports in the pages", total)
	}
}

// A request with an idempotency key is done once, over restarts too, and always answered alike.
func TestIdempotency(t *testing.T) {
	w := newWorld(t, nil)
	const body = `{"symbol":"AAA","side":"buy","size":100,"price":"10.00"}`
	first := ask[OrderAnswer](w, "alice", "POST", "/v1/orders", "once-1", body)
	for i := range 3 {
		if i == 2 {
			w.stop()
			w.start()
		}
		again := ask[OrderAnswer](w, "alice", "POST", "/v1/orders", "once-1", body)
		if fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("answered %+v, the first time %+v", again, first)
		}
	}
	if page := ask[OrderPage](w, "alice", "GET", "/v1/orders", "", ""); len(page.Orders) != 1 {
		t.Errorf("%d orders", len(page.Orders))
	}
	w.refused("another request", w.request("alice", "POST", "/v1/orders", "once-1", strings.Replace(body, "100", "101", 1)), 409, CodeIdempotency)
	// A key of another client is another key.
	if bob := ask[OrderAnswer](w, "bob", "POST", "/v1/orders", "once-1", body); bob.OrderID == first.OrderID {
		t.Error("bob got alice's order")
	}
	replaced := ask[OrderAnswer](w, "alice", "PUT", "/v1/orders/"+first.OrderID, "once-2", `{"size":50}`)
	again := ask[OrderAnswer](w, "alice", "PUT", "/v1/orders/"+first.OrderID, "once-2", `{"size":50}`)
	if replaced.Size != 50 || fmt.Sprint(again) != fmt.Sprint(replaced) {
		t.Errorf("replaced %+v, again %+v", replaced, again)
	}
	// What was rejected is rejected again.
	const bad = `{"symbol":"AAA","side":"buy","size":100,"price":"10.001"}`
	for range 2 {
		w.refused("off tick", w.request("alice", "POST", "/v1/orders", "once-3", bad), 422, CodeRejected)
	}
}

func TestSignatures(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) { c.Limits.Window = 500 * time.Millisecond })
	replayed := w.request("alice", "GET", "/v1/balances", "", "")
	if status, b := w.send(replayed.Clone(t.Context())); status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	w.refused("replayed", replayed, 401, CodeReplayed)
	change := func(name string, how func(*http.Request)) *http.Request {
		r := w.request("alice", "GET", "/v1/balances?account=alice", "", "")
		how(r)
		return r
	}
	for _, header := range []string{HeaderKey, HeaderTime, HeaderSignature} {
		w.refused("without "+header, change("", func(r *http.Request) { r.Header.Del(header) }), 401, CodeNoSignature)
	}
	for name, how := range map[string]func(*http.Request){
		"another key":  func(r *http.Request) { r.Header.Set(HeaderKey, "bob2") },
		"another time": func(r *http.Request) { r.Header.Set(HeaderTime, strconv.FormatInt(int64(clock.Now()), 10)) },
		"another path": func(r *http.Request) { r.URL.RawQuery = "account=bob" },
		"an added key": func(r *http.Request) { r.Header.Set(HeaderIdempotency, "x") },
		"a short one":  func(r *http.Request) { r.Header.Set(HeaderSignature, r.Header.Get(HeaderSignature)[:62]) },
		"a long one":   func(r *http.Request) { r.Header.Set(HeaderSignature, r.Header.Get(HeaderSignature)+"00") },
		"no digits":    func(r *http.Request) { r.Header.Set(HeaderSignature, strings.Repeat("zz", 32)) },
		"another's secret": func(r *http.Request) {
			r.Header.Set(HeaderSignature, Sign([]byte("another secret of 16"), 1, "GET", "/", "", nil))
		},
	} {
		w.refused(name, change(name, how), 401, CodeSignature)
	}
	w.late = market.Second
	w.refused("late", w.request("alice", "GET", "/v1/balances", "", ""), 401, CodeClock)
	w.late = -market.Second
	w.refused("early", w.request("alice", "GET", "/v1/balances", "", ""), 401, CodeClock)
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct {
		name, body string
		status     int
		code       Code
		field      string
	}{
		{"nothing", ``, 400, CodeRequest, ""},
		{"no object", `[]`, 400, CodeRequest, ""},
		{"no JSON", `{"symbol":`, 400, CodeRequest, ""},
		{"more than an object", `{} {}`, 400, CodeRequest, ""},
		{"unknown field", `{"symbol":"AAA","side":"buy","size":1,"price":"10","colour":"red"}`, 400, CodeRequest, ""},
		{"unknown instrument", `{"symbol":"ZZZ","side":"buy","size":1,"price":"10"}`, 400, CodeRequest, "symbol"},
		{"no side", `{"symbol":"AAA","size":1,"price":"10"}`, 400, CodeRequest, "side"},
		{"another side", `{"symbol":"AAA","side":"up","size":1,"price":"10"}`, 400, CodeRequest, "side"},
		{"size 0", `{"symbol":"AAA","side":"buy","size":0,"price":"10"}`, 400, CodeRequest, "size"},
		{"size of 2^32", `{"symbol":"AAA","side":"buy","size":4294967296,"price":"10"}`, 400, CodeRequest, "size"},
		{"size of 2^32-1", `{"symbol":"AAA","side":"buy","size":4294967295,"price":"10"}`, 422, CodeRejected, ""},
		{"negative size", `{"symbol":"AAA","side":"buy","size":-1,"price":"10"}`, 400, CodeRequest, "size"},
		{"price as a number", `{"symbol":"AAA","side":"buy","size":1,"price":10}`, 400, CodeRequest, "price"},
		{"negative price", `{"symbol":"AAA","side":"buy","size":1,"price":"-10"}`, 400, CodeRequest, "price"},
		{"price with ten decimals", `{"symbol":"AAA","side":"buy","size":1,"price":"10.0000000001"}`, 400, CodeRequest, "price"},
		{"off tick", `{"symbol":"AAA","side":"buy","size":1,"price":"10.001"}`, 422, CodeRejected, ""},
		{"gtt without an end", `{"symbol":"AAA","side":"buy","size":1,"price":"10","time_in_force":"gtt"}`, 400, CodeRequest, "expires"},
		{"an end in the past", `{"symbol":"AAA","side":"buy","size":1,"price":"10","time_in_force":"gtt","expires":"2020-01-01T00:00:00Z"}`, 400, CodeRequest, "expires"},
		{"an end of a day order", `{"symbol":"AAA","side":"buy","size":1,"price":"10","expires":"2120-01-01T00:00:00Z"}`, 400, CodeRequest, "expires"},
		{"a trigger without a price", `{"symbol":"AAA","side":"buy","size":1,"price":"10","trigger":"trade"}`, 400, CodeRequest, "stop_price"},
		{"a long name", `{"symbol":"AAA","side":"buy","size":1,"price":"10","client_order_id":"` + strings.Repeat("x", 21) + `"}`, 400, CodeRequest, "client_order_id"},
		{"too much", `{"symbol":"AAA","side":"buy","size":1,"price":"10"}` + strings.Repeat(" ", 20<<10), 413, CodeTooLarge, ""},
	} {
		p := w.refused(tt.name, w.request("alice", "POST", "/v1/orders", "", tt.body), tt.status, tt.code)
		if p.Field != tt.field {
			t.Errorf("%s: field %q, want %q", tt.name, p.Field, tt.field)
		}
	}
	w.refused("path", w.request("alice", "GET", "/v2/orders", "", ""), 404, CodeNotFound)
	w.refused("method", w.request("alice", "PATCH", "/v1/orders", "", ""), 405, CodeMethod)
	w.refused("parameter", w.request("alice", "GET", "/v1/orders?offset=1", "", ""), 400, CodeRequest)
	w.refused("limit", w.request("alice", "GET", "/v1/orders?limit=5000", "", ""), 400, CodeRequest)
	w.refused("order", w.request("alice", "GET", "/v1/orders/zero", "", ""), 404, CodeNotFound)
}

func TestPublicPages(t *testing.T) {
	w := newWorld(t, nil)
	get := func(path string) []byte {
		t.Helper()
		response, err := w.http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, _ := io.ReadAll(response.Body)
		if response.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, response.StatusCode, b)
		}
		return b
	}
	var list Instruments
	if err := json.Unmarshal(get("/v1/instruments"), &list); err != nil || len(list.Instruments) != 2 ||
		list.Instruments[0] != (Instrument{"AAA", "0.01", 1, "AAA", "USD", 0}) {
		t.Errorf("%+v, %v", list, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(get("/openapi.json"), &doc); err != nil || doc["openapi"] != "3.0.3" {
		t.Errorf("the document: %v", err)
	}
	var c Clock
	if err := json.Unmarshal(get("/v1/time"), &c); err != nil || c.Time == 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRates(t *testing.T) {
	w := newWorld(t, func(g *orders.Config, c *Config) { c.Limits.RequestsPerSecond, c.Limits.FailedSignatures = 3, 4 })
	refused := 0
	for range 10 {
		r := w.request("alice", "GET", "/v1/balances", "", "")
		if status, _ := w.send(r); status == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("ten requests at once were all answered")
	}
	if status, b := w.send(w.request("bob", "GET", "/v1/balances", "", "")); status != 200 {
		t.Errorf("another key: %d %s", status, b)
	}
	for range 4 {
		r := w.request("bob", "GET", "/v1/balances", "", "")
		r.Header.Set(HeaderSignature, strings.Repeat("00", 32))
		w.refused("bad signature", r, 401, CodeSignature)
	}
	w.refused("an address that guesses", w.request("bob", "GET", "/v1/balances", "", ""), 429, CodeRate)
}

// An event is one of a stream.
type event struct {
	id   uint64
	kind string
	Report
}

// follow opens a stream, and gives its events to a channel that is closed with it.
func (w *world) follow(key, target, last string) (<-chan event, func()) {
	w.t.Helper()
	r := w.request(key, "GET", target, "", "")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	response, err := (&http.Client{Transport: w.http.Transport}).Do(r.WithContext(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("the stream is %s", response.Status)
	}
	events := make(chan event, 100)
	go func() {
		defer close(events)
		defer response.Body.Close()
		var e event
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id, _ = strconv.ParseUint(value, 10, 64)
			case "event":
				e.kind = value
			case "data":
				if json.Unmarshal([]byte(value), &e.Report) == nil {
					events <- e
				}
				e = event{}
			}
		}
	}()
	return events, cancel
}

func TestEvents(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) { c.Limits.Streams = 2 })
	executed, cancel := w.follow("alice", "/v1/events", "")
	defer cancel()
	all, cancelAll := w.follow("alice", "/v1/events?kind=all", "")
	w.refused("a third stream", w.request("alice", "GET", "/v1/events", "", ""), 429, CodeRate)
	w.place("alice", `{"symbol":"AAA","side":"buy","size":100,"price":"10.00"}`)
	w.place("bob", `{"symbol":"AAA","side":"sell","size":30,"price":"10.00"}`)
	next := func(events <-chan event) event {
		t.Helper()
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the stream has ended")
			}
			return e
		case <-time.After(patience):
			t.Fatal("no event")
		}
		return event{}
	}
	if e := next(executed); e.id != 3 || e.kind != "executed" || e.Size != 30 || e.Number != 3 {
		t.Errorf("%+v", e)
	}
	for i, kind := range []string{"accepted", "booked", "executed"} {
		if e := next(all); e.id != uint64(i+1) || e.kind != kind {
			t.Errorf("event %d: %+v", i+1, e)
		}
	}
	cancelAll()
	for range all { // until it is closed
	}
	w.place("bob", `{"symbol":"AAA","side":"sell","size":30,"price":"10.00"}`)
	var again <-chan event
	for deadline := time.Now().Add(patience); again == nil; time.Sleep(5 * time.Millisecond) { // until the place is free
		if w.server.Stats().Streams < 2 {
			again, cancelAll = w.follow("alice", "/v1/events?kind=all", "2")
		} else if time.Now().After(deadline) {
			t.Fatal("the stream that was left goes on")
		}
	}
	defer cancelAll()
	for i := uint64(3); i <= 4; i++ {
		if e := next(again); e.id != i || e.kind != "executed" {
			t.Errorf("after event 2: %+v", e)
		}
	}
	w.refused("from the future", w.request("bob", "GET", "/v1/events?from=100", "", ""), 400, CodeRequest)
	w.stop() // ends the streams
	for range executed {
	}
}

// Many at once: each gets its own answer.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 25 {
				size := uint64(1 + i*25 + k)
				body := fmt.Sprintf(`{"symbol":"AAA","side":"buy","size":%d,"price":"1.00"}`, size)
				status, b := w.send(w.request("alice", "POST", "/v1/orders", "", body))
				var a OrderAnswer
				if err := json.Unmarshal(b, &a); status != 201 || err != nil || a.Size != size {
					t.Errorf("order of %d: %d %s", size, status, b)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(_ *orders.Config, c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	})
	w.place("alice", `{"symbol":"AAA","side":"buy","size":100,"price":"10.00"}`)
	events, cancel := w.follow("alice", "/v1/events?kind=all&from=1", "")
	defer cancel()
	if e := <-events; e.kind != "accepted" {
		t.Errorf("%+v", e)
	}
	w.stop()
}
