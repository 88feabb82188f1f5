package config

import (
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tidegate/market"
)

const goodHash = "pbkdf2-sha256$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// ordersHere is an environment with a file of accounts.
var ordersHere = Environment{
	ReadFile: func(path string) ([]byte, error) {
		switch path {
		case "etc/accounts.yaml":
			return []byte(ordersAccounts), nil
		case "etc/bad.yaml":
			return []byte("accounts:\n- {id: 1, name: a b}\nsessions:\n- {id: 1, name: s, accounts: [nobody], http: {key: k, secret_env: SECRET}}\n"), nil
		case "etc/secret":
			return []byte("0123456789abcdef0\n"), nil
		}
		return nil, os.ErrNotExist
	},
	LookupEnv: func(name string) (string, bool) { return "0123456789abcdef", name == "SECRET" },
}

const ordersAccounts = `accounts:
- {id: 1, name: alice, firm: ALCE, orders: 10, notional: 1000.5, rate: 100, deposit: {USD: 5000, AAPL: 7}, credit: {USD: 1}}
- {id: 2, name: bob, disabled: true, unchecked: true}
sessions:
- id: 1
  name: ALICE
  accounts: [alice, bob]
  orders: 5
  rate: 50
  ouch: {username: alice, password_hash: ` + goodHash + `, cancel_on_disconnect: true, self_trade: decrement}
- {id: 2, name: BOB, accounts: [bob], http: {key: bob-1, secret: 0123456789abcdef}}
- {id: 3, name: CAROL, accounts: [bob], http: {key: bob-2, secret_file: secret}}
- {id: 4, name: DAVE, accounts: [bob], http: {key: bob-3, secret_env: SECRET}}
`

func parseOrders(section string) (*Orders, error) {
	c, err := Parse("etc/c.yaml", []byte(`feeds:
- {name: sim, protocol: itch, lines: [{name: A, address: 127.0.0.1:26400}]}
subscribers: {keys: [{name: one, key: `+keyOne+`}]}
orders:
`+section), ordersHere)
	if err != nil {
		return nil, err
	}
	return &c.Orders, nil
}

const ordersMarket = `  dir: market
  durability: relaxed
  commit_every: 1ms
  snapshot_every: 5000
  matching_loops: 2
  publish: false
  assets: [{id: 3, name: USD}, {id: 4, name: EUR}]
  instruments:
  - {id: 1, symbol: AAPL, tick: 0.01}
  - {id: 2, symbol: ES, tick: 0.25, lot: 2, base: EUR, quote: USD, base_unit: 5, price_for: 100, reference: ESH, reference_age: 50ms,
     collar: 500, when_stale: hold, high_notional: 1000000, size_max: 99, state: pre-open}
  lanes: {cancels: 100, high_notional: 101, normal: 102, patience_high_notional: 3, patience_normal: 4, session: 5, queries: 6,
    queries_waiting: 7, in_flight: 800}
  memory: {orders: 1000, ids: 2000, reports: 64}
  market_data: {session: D1, lines: ["127.0.0.1:1", "[::1]:2"], from: 127.0.0.1, retransmit: 127.0.0.1:3, soup: 127.0.0.1:4, users: [{username: u, password: p}]}
  ouch:
    listen: 127.0.0.1:13100
    loops: 2
    session: DAY1
    limits: {connections: 1, connections_per_address: 2, connections_per_second: 3, failed_logins: 4, login: 1s, silence: 2s, slow: 3s, garbage: 5}
  http:
    listen: :13180
    limits: {connections: 1, connections_per_address: 2, connections_per_second: 3, failed_signatures: 4, requests_per_second: 5,
      streams: 6, window: 1s, ahead: 2s, answer: 3s, slow: 4s}
`

func TestEverySettingOfOrders(t *testing.T) {
	got, err := parseOrders(ordersMarket + "  accounts_file: accounts.yaml\n")
	if err != nil {
		t.Fatal(err)
	}
	cent := market.Price(market.PriceScale / 100)
	want := &Orders{
		Dir: "etc/market", Relaxed: true, CommitEvery: time.Millisecond, SnapshotEvery: 5000, MatchingLoops: 2,
		Assets: []OrdersAsset{{3, "USD"}, {4, "EUR"}, {OrdersShareBase + 1, "AAPL"}},
		Instruments: []OrdersInstrument{
			{ID: 1, Symbol: "AAPL", TickSize: cent, LotSize: 1, Base: "AAPL", Quote: "USD", ReferenceAge: time.Second, WhenStale: "refuse", State: "open"},
			{
				ID: 2, Symbol: "ES", TickSize: 25 * cent, LotSize: 2, Base: "EUR", Quote: "USD", BaseUnit: 5, PriceFor: 100, Reference: "ESH",
				ReferenceAge: 50 * time.Millisecond, Collar: 500, WhenStale: "hold", HighNotional: "1000000", SizeMax: 99, State: "pre-open",
			},
		},
		Accounts: []OrdersAccount{
			{
				ID: 1, Name: "alice", Firm: "ALCE", OrdersMax: 10, NotionalMax: "1000.5", RateMax: 100,
				Deposit: map[string]string{"USD": "5000", "AAPL": "7"}, Credit: map[string]string{"USD": "1"},
			},
			{ID: 2, Name: "bob", Disabled: true, Unchecked: true},
		},
		Sessions: []OrdersSession{
			{
				ID: 1, Name: "ALICE", Accounts: []string{"alice", "bob"}, OrdersMax: 5, RateMax: 50,
				Username: "alice", PasswordHash: goodHash, CancelOnDisconnect: true, SelfTrade: "decrement",
			},
			{ID: 2, Name: "BOB", Accounts: []string{"bob"}, Key: "bob-1", Secret: "0123456789abcdef"},
			{ID: 3, Name: "CAROL", Accounts: []string{"bob"}, Key: "bob-2", Secret: "0123456789abcdef0"},
			{ID: 4, Name: "DAVE", Accounts: []string{"bob"}, Key: "bob-3", Secret: "0123456789abcdef"},
		},
		Lanes: OrdersLanes{
			Cancels: 100, HighNotional: 101, Normal: 102, PatienceHighNotional: 3, PatienceNormal: 4, Session: 5, Queries: 6,
			QueriesWaiting: 7, InFlight: 800,
		},
		MarketData: OrdersMarketData{
			Session: "D1", Lines: []netip.AddrPort{addr("127.0.0.1:1"), addr("[::1]:2")}, From: netip.MustParseAddr("127.0.0.1"),
			Retransmit: addr("127.0.0.1:3"), Soup: addr("127.0.0.1:4"), Users: []Login{{"u", "p"}},
		},
		Memory: OrdersMemory{Orders: 1000, IDs: 2000, Reports: 64},
		OUCH: OrdersOUCH{Listen: "127.0.0.1:13100", Loops: 2, Session: "DAY1", Limits: OrdersOUCHLimits{
			1, 2, 3, 4, time.Second, 2 * time.Second, 3 * time.Second, 5,
		}},
		HTTP: OrdersHTTP{Listen: ":13180", Limits: OrdersHTTPLimits{
			1, 2, 3, 4, 5, 6, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second,
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestWithoutOrders(t *testing.T) {
	for _, text := range []string{"", "  {}\n"} {
		got, err := parseOrders(text)
		if err != nil || !reflect.DeepEqual(*got, Orders{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestMistakesOfOrders(t *testing.T) {
	const session = "  sessions: [{id: 1, name: s, accounts: [a], http: {key: k, secret: 0123456789abcdef}}]\n"
	const head = "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 1}]\n"
	const accounts = "  accounts: [{id: 1, name: a}]\n"
	const http = "  http: {listen: 127.0.0.1:1}\n"
	if _, err := parseOrders(head + accounts + session + http); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, section, want string }{
		{"no directory", "  instruments: [{id: 1, symbol: A, tick: 1}]\n", "found no dir"},
		{"no instruments", "  dir: d\n", "found no instruments"},
		{"same id", "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 1}, {id: 1, symbol: B, tick: 1}]\n", "instruments[1].id: found \"1\" again"},
		{"no id", "  dir: d\n  instruments: [{symbol: A, tick: 1}]\n", "found no id"},
		{"same symbol", "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 1}, {id: 2, symbol: A, tick: 1}]\n", "found \"A\" again"},
		{"tick of nothing", "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 0}]\n", "want a price above 0"},
		{"no tick", "  dir: d\n  instruments: [{id: 1, symbol: A}]\n", "found no tick"},
		{"unknown asset", "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 1, quote: XYZ}]\n", "instruments[0].quote: found quote \"XYZ\""},
		{"collar", "  dir: d\n  instruments: [{id: 1, symbol: A, tick: 1, collar: 1}]\n", "a collar without a reference"},
		{"unknown deposit", head + "  accounts: [{id: 1, name: a, deposit: {XYZ: 1}}]\n", "unknown field \"XYZ\""},
		{"negative deposit", head + "  accounts: [{id: 1, name: a, deposit: {USD: -1}}]\n", "want an amount"},
		{"unknown account", head + session + http, "sessions[0].accounts[0]: found \"a\", want the name of an account"},
		{"no port", head + accounts + session, "found sessions of http, which does not listen"},
		{"port without sessions", head + http, "http without a session of it"},
		{"two protocols", head + accounts + "  sessions: [{id: 1, name: s, accounts: [a]}]\n", "found 0 of ouch and http"},
		{"short secret", head + accounts + http + "  sessions: [{id: 1, name: s, accounts: [a], http: {key: k, secret: hush}}]\n", "secret: found something else"},
		{"bad hash", head + accounts + "  ouch: {listen: 127.0.0.1:1}\n  sessions: [{id: 1, name: s, accounts: [a], ouch: {username: u, password_hash: hushhush}}]\n", "password_hash: found something else"},
		{"same user", head + accounts + "  ouch: {listen: 127.0.0.1:1}\n  sessions: [{id: 1, name: s, accounts: [a], ouch: {username: u, password_hash: " + goodHash +
			"}}, {id: 2, name: t, accounts: [a], ouch: {username: U, password_hash: " + goodHash + "}}]\n", "found \"U\" again"},
		{"both", head + accounts + session + http + "  accounts_file: accounts.yaml\n", "accounts beside a file of them"},
		{"file", head + http + "  accounts_file: bad.yaml\n", "bad.yaml:2:17: accounts[0].name: found \"a b\""},
		{"file, what it names", head + http + "  accounts_file: bad.yaml\n", "bad.yaml:4:31: sessions[0].accounts[0]: found \"nobody\""},
		{"no file", head + http + "  accounts_file: none.yaml\n", "cannot be read"},
		{"same port", head + accounts + session + "  http: {listen: 127.0.0.1:8080}\n", "which admin.listen has"},
		{"certificate alone", head + accounts + session + "  http: {listen: 127.0.0.1:1, cert: secret}\n", "one of cert and key"},
	} {
		_, err := parseOrders(tt.section)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v,\nwant %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: a secret shows: %v", tt.name, err)
		}
	}
}

// The example is right, and what it says in comments is what it does without them.
func TestOrdersExample(t *testing.T) {
	c, err := Load("../../deploy/orders.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := ordersDefaults()
	o := &c.Orders
	if o.OUCH.Limits != want.OUCH.Limits || o.HTTP.Limits != want.HTTP.Limits || len(o.Sessions) != 2 || len(o.Instruments) != 1 {
		t.Errorf("%+v", o)
	}
}
