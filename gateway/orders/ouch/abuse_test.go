package ouch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/internal/clock"
	"tidegate/internal/ouchclient"
	"tidegate/market"
)

// rawLogin is a connection without a client, and with little room for what it does not read, that is logged in.
func (w *world) rawLogin(name string) net.Conn {
	w.t.Helper()
	c := w.raw()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	login := soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: name, Password: name + "-pw", Next: 1})
	if _, err := c.Write(login); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(soupbintcp.AppendLoginAccepted(nil, soupbintcp.Session{}, 1)))); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// A client that never reads is cut, costs no memory to speak of, and finds everything when it comes again.
func TestClientThatNeverReads(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) { c.Limits.Slow = 300 * time.Millisecond })
	c := w.rawLogin("alice")
	var out []byte
	sent := uint32(0)
	for cut := false; !cut; {
		out = out[:0]
		for range 100 {
			sent++
			out = soupbintcp.AppendUnsequenced(out, order(sent, ouch50.Buy, 1, "AAA", "10.00").Append(nil))
			out = soupbintcp.AppendUnsequenced(out, (&ouch50.CancelOrder{UserRefNum: sent}).Append(nil))
		}
		_, err := c.Write(out)
		cut = err != nil
	}
	w.counts("slow", func(st *Stats) bool { return st.Closes["slow"] == 1 && st.Sessions == 0 })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d orders, %d MiB of memory in use", sent, m.HeapInuse>>20)
	s, _ := w.gate.SessionByName("alice")
	alice := w.login("alice", 1)
	for seq := uint64(1); seq < s.Next(); seq++ {
		if m := alice.next(); m.Seq != seq {
			t.Fatalf("message %d comes as %d", seq, m.Seq)
		}
	}
}

// Answers without a number are not kept for a client that does not read.
func TestAnswersThatNobodyReads(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) { c.Limits.Slow = time.Hour })
	c := w.rawLogin("alice")
	queries := bytes.Repeat(soupbintcp.AppendUnsequenced(nil, (&ouch50.AccountQuery{}).Append(nil)), 10_000)
	for {
		if _, err := c.Write(queries); err != nil {
			break
		}
	}
	w.counts("slow", func(st *Stats) bool { return st.Closes["slow"] == 1 })
}

// A storm of one session does not keep another one from trading.
func TestStorm(t *testing.T) {
	w := newWorld(t, func(g *orders.Config, _ *Config) {
		g.Accounts[0].RateMax = 1000
		g.Sessions[0].RateMax = 1000
	})
	storm := w.rawLogin("alice")
	done := make(chan struct{})
	go func() { // reads, so that it is not cut
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			if _, err := storm.Read(b); err != nil {
				return
			}
		}
	}()
	stop := make(chan struct{})
	stormed := make(chan struct{})
	go func() {
		defer close(stormed)
		for ref := uint32(1); ; {
			var out []byte
			for range 200 {
				out = soupbintcp.AppendUnsequenced(out, order(ref, ouch50.Buy, 1, "AAA", "9.00").Append(nil))
				ref++
			}
			select {
			case <-stop:
				return
			default:
			}
			if _, err := storm.Write(out); err != nil {
				return
			}
		}
	}()
	bob := w.login("bob", 1)
	for i := uint32(1); i <= 50; i++ {
		bob.send(order(i, ouch50.Buy, 1, "BBB", "10.00").Append(nil))
		if m := bob.next(); m.Body[0] != ouch50.TypeOrderAccepted {
			t.Fatalf("order %d: %s", i, said(m))
		}
		bob.next()
		bob.send((&ouch50.CancelOrder{UserRefNum: i}).Append(nil))
		if m := bob.next(); m.Body[0] != ouch50.TypeOrderCanceled {
			t.Fatalf("cancel %d: %s", i, said(m))
		}
	}
	close(stop)
	<-stormed
	storm.Close()
	<-done
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st, err := w.server.Stats(ctx)
	if err != nil || st.Verdicts["too-fast"]+st.Verdicts["account-too-fast"] == 0 {
		t.Errorf("nothing was refused: %+v, %v", st.Verdicts, err)
	}
}

// certificate is one for 127.0.0.1, which nobody trusts.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) {
		c.TLSAddr, c.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := ouchclient.Dial(ctx, ouchclient.Config{
		Addr: w.server.TLSAddr().String(), Username: "alice", Password: "alice-pw", Seq: 1,
		TLS: &tls.Config{InsecureSkipVerify: true}, // what is tested is not trust
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	alice := &user{c, w}
	alice.next()
	alice.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
	alice.want("1 accepted 1: buy 100 AAA @ 10.00, day, order #")
	alice.want("2 in the book 1: @ 10.00, order #")
	// In clear it is nothing.
	clear, err := net.Dial("tcp", w.server.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = clear.SetDeadline(time.Now().Add(patience))
	_, _ = clear.Write(soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "alice", Password: "alice-pw", Next: 1}))
	wantClosed(t, "in clear", clear)
}

// A deadEnd is a transport without a network.
type deadEnd struct{ out []byte }

func (e *deadEnd) Write(p []byte) { e.out = append(e.out, p...) }
func (e *deadEnd) Buffered() int  { return 0 }
func (e *deadEnd) CloseWrite()    {}
func (e *deadEnd) Close()         {}

// FuzzConnection gives bytes to a connection that is logged in: whatever comes, what is said is SoupBinTCP and
// OUCH, and nothing is said twice.
func FuzzConnection(f *testing.F) {
	cfg := orders.Config{Dir: f.TempDir(), ReserveBytes: 1 << 20, RecentMax: 64}
	in := orders.Instrument{Symbol: "AAA", Base: 2, Quote: 1}
	in.ID, in.TickSize, in.LotSize = 1, cent, 1
	cfg.Instruments = []orders.Instrument{in}
	cfg.Accounts = []orders.Account{{ID: 1, Name: "a", Unchecked: true}}
	cfg.Sessions = []orders.SessionConfig{{ID: 1, Name: "s", Accounts: []orders.AccountID{1}}}
	gate, err := orders.Open(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = gate.Close(context.Background()) })
	server, err := New(Config{Addr: "127.0.0.1:0", Session: "FUZZ", Users: []User{{Username: "a", Password: quickHash("a"), Session: 1}}}, gate, cfg.Instruments)
	if err != nil {
		f.Fatal(err)
	}
	seed := func(msgs ...[]byte) {
		var b []byte
		for _, m := range msgs {
			b = soupbintcp.AppendUnsequenced(b, m)
		}
		f.Add(b)
	}
	seed(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil), (&ouch50.CancelOrder{UserRefNum: 1}).Append(nil))
	seed((&ouch50.ReplaceOrder{
		OrigUserRefNum: 1, UserRefNum: 2, Quantity: 5, Price: 100, TimeInForce: ouch50.Day, Display: ouch50.Visible, ISO: ouch50.No, ClOrdID: blankClOrdID,
	}).Append(nil), (&ouch50.ModifyOrder{UserRefNum: 1, Side: ouch50.Buy, Quantity: 1}).Append(nil))
	seed((&ouch50.MassCancel{UserRefNum: 3, Symbol: blankSymbol, Firm: blankFirm}).Append(nil), (&ouch50.AccountQuery{}).Append(nil))
	seed((&ouch50.DisableOrderEntry{OrderEntryControl: ouch50.OrderEntryControl{UserRefNum: 4, Firm: blankFirm}}).Append(nil))
	f.Add(append(soupbintcp.AppendLogoutRequest(nil), soupbintcp.AppendClientHeartbeat(nil)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &loop{
			runner: runner{stopped: true, rearm: time.NewTimer(time.Hour), ticker: time.NewTimer(time.Hour)}, server: server, limits: server.cfg.Limits,
			reports: make([]orders.Report, foldBatch), translator: server.newTranslator(),
		}
		l.log = server.cfg.Log
		out := &deadEnd{}
		now := clock.Now()
		c := l.open(out, netip.MustParseAddrPort("192.0.2.1:1234"), now)
		session, _ := gate.Session(1)
		d := newDesk(&server.cfg.Users[0], session, map[ouch50.Symbol]market.InstrumentID{}, nil)
		link, _ := session.Takeover(func() {})
		if err := d.foldHistory(link); err != nil {
			t.Fatal(err)
		}
		c.onBytes(soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "a", Password: "b", Next: session.Next()}), now)
		c.admitted(d, link, soupbintcp.Offer{Session: server.session, First: 1, Next: session.Next()}, now)
		c.onBytes(b, now)
		c.onTick(now + market.Second)
		checkOutput(t, out.out)
	})
}

// checkOutput reads what was said.
func checkOutput(t *testing.T, b []byte) {
	d := soupbintcp.NewDecoder(ouch50.LengthMax)
	for len(b) > 0 {
		n := copy(d.Room(), b)
		d.Read(n)
		b = b[n:]
		for p, ok := d.Next(); ok; p, ok = d.Next() {
			if p.Type != soupbintcp.SequencedData && p.Type != soupbintcp.UnsequencedData {
				continue
			}
			if text := ouchclient.Text(p.Payload); bytes.HasPrefix([]byte(text), []byte("unreadable")) {
				t.Fatalf("said %s", text)
			}
		}
		if d.Err() != nil {
			t.Fatal(d.Err())
		}
	}
}
