package ouch

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/internal/ouchclient"
	"tidegate/market"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// quickHash is the hash of a password that takes no time to judge.
func quickHash(password string) PasswordHash {
	h := PasswordHash{iterations: 1, salt: []byte("saltsalt")}
	h.sum, _ = pbkdf2.Key(sha256.New, strings.ToUpper(password), h.salt, 1, sha256.Size)
	return h
}

// A world is a gate and a server for it, with users alice, bob and carol; carol's orders go with her connection.
type world struct {
	t      *testing.T
	dir    string
	change func(*orders.Config, *Config)
	gate   *orders.Gate
	server *Server
	log    *slog.Logger
}

const cent = market.PriceScale / 100

func newWorld(t *testing.T, change func(*orders.Config, *Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), change: change, log: slog.New(slog.DiscardHandler)}
	if testing.Verbose() {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) configs() (orders.Config, Config) {
	gate := orders.Config{
		Dir: w.dir, Engine: match.Config{OrdersMax: 1 << 14, InstrumentsMax: 8}, IDsMax: 1 << 16, RecentMax: 64, ReserveBytes: 1 << 20,
		Notify: func(text string, alarm bool) {
			if alarm {
				w.t.Errorf("alarm: %s", text)
			}
		},
	}
	for i, symbol := range []string{"AAA", "BBB"} {
		gate.Instruments = append(gate.Instruments, orders.Instrument{
			Instrument: match.Instrument{ID: market.InstrumentID(i + 1), TickSize: cent, LotSize: 1},
			Symbol:     symbol, Base: orders.AssetID(i + 2), Quote: 1, Open: match.Open,
		})
	}
	cfg := Config{Addr: "127.0.0.1:0", Session: "TEST", Firms: make(map[orders.AccountID]string), Log: w.log}
	for i, name := range []string{"alice", "bob", "carol"} {
		id := i + 1
		gate.Accounts = append(gate.Accounts, orders.Account{ID: orders.AccountID(id), Name: name, Deposit: map[orders.AssetID]orders.Money{
			1: orders.Units(100_000_000), 2: orders.Units(1_000_000), 3: orders.Units(1_000_000),
		}})
		gate.Sessions = append(gate.Sessions, orders.SessionConfig{ID: orders.SessionID(id), Name: name, Accounts: []orders.AccountID{orders.AccountID(id)}})
		cfg.Users = append(cfg.Users, User{
			Username: name, Password: quickHash(name + "-pw"), Session: orders.SessionID(id), CancelOnDisconnect: name == "carol", SelfTrade: match.CancelOldest,
		})
		cfg.Firms[orders.AccountID(id)] = strings.ToUpper(name[:3])
	}
	cfg.Limits.ConnectionsPerSecond, cfg.Limits.FailedLogins = 1000, 1000
	if w.change != nil {
		w.change(&gate, &cfg)
	}
	return gate, cfg
}

func (w *world) start() {
	w.t.Helper()
	gateConfig, cfg := w.configs()
	var err error
	if w.gate, err = orders.Open(gateConfig); err != nil {
		w.t.Fatal(err)
	}
	if w.server, err = New(cfg, w.gate, gateConfig.Instruments); err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.Start(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	if w.gate == nil {
		return
	}
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

// restart stops everything, and starts it again with what it has kept.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// A user is a client that is logged in.
type user struct {
	*ouchclient.Client
	w *world
}

func (w *world) dial(name string, seq uint64) (*user, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	c, err := ouchclient.Dial(ctx, ouchclient.Config{Addr: w.server.Addr().String(), Username: name, Password: name + "-pw", Seq: seq})
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(c.Close)
	return &user{c, w}, nil
}

// login logs in and takes the greeting.
func (w *world) login(name string, seq uint64) *user {
	w.t.Helper()
	u, err := w.dial(name, seq)
	if err != nil {
		w.t.Fatal(err)
	}
	if m := u.next(); m.Seq != 0 || m.Body[0] != ouch50.TypeSystemEvent {
		w.t.Fatalf("first comes %d %s, want the start of the day", m.Seq, ouchclient.Text(m.Body))
	}
	return u
}

func (u *user) next() ouchclient.Message {
	u.w.t.Helper()
	ctx, cancel := context.WithTimeout(u.w.t.Context(), patience)
	defer cancel()
	m, err := u.Next(ctx)
	if err != nil {
		u.w.t.Fatalf("waiting for a message: %v", err)
	}
	return m
}

// want takes a message that says this.
func (u *user) want(text string) ouchclient.Message {
	u.w.t.Helper()
	m := u.next()
	if got := said(m); got != text {
		u.w.t.Fatalf("got  %s\nwant %s", got, text)
	}
	return m
}

// said is what a message says, with its number if it has one, and without the numbers of orders.
func said(m ouchclient.Message) string {
	text := orderNumber.ReplaceAllString(ouchclient.Text(m.Body), "order #")
	if m.Seq == 0 {
		return "- " + text
	}
	return fmt.Sprintf("%d %s", m.Seq, text)
}

var orderNumber = regexp.MustCompile(`\border \d+`)

// counts waits until the server's figures are so.
func (w *world) counts(what string, are func(*Stats) bool) {
	w.t.Helper()
	var st Stats
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		var err error
		st, err = w.server.Stats(ctx)
		cancel()
		if err == nil && are(&st) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: %+v, %v", what, st, err)
		}
	}
}

func (u *user) send(msg []byte) {
	u.w.t.Helper()
	if err := u.Send(msg); err != nil {
		u.w.t.Fatal(err)
	}
}

// order is a day order as tests have it.
func order(ref uint32, side byte, quantity uint32, symbol, price string) *ouch50.EnterOrder {
	s, err := ouch50.ParseSymbol(symbol)
	if err != nil {
		panic(err)
	}
	return &ouch50.EnterOrder{
		UserRefNum: ref, Side: side, Quantity: quantity, Symbol: s, Price: wire(price), TimeInForce: ouch50.Day, Display: ouch50.Visible,
		Capacity: ouch50.Agency, ISO: ouch50.No, CrossType: ouch50.ContinuousMarket, ClOrdID: blankClOrdID,
	}
}

func wire(price string) ouch50.Price {
	p, err := market.ParsePrice(price)
	if err != nil {
		panic(err)
	}
	return ouch50.Price(p / wireUnit)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
