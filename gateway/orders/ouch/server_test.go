package ouch

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/internal/ouchclient"
)

func TestTrade(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob := w.login("alice", 1), w.login("bob", 1)
	alice.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
	alice.want("1 accepted 1: buy 100 AAA @ 10.00, day, order #")
	alice.want("2 in the book 1: @ 10.00, order #")
	bob.send(order(7, ouch50.Sell, 30, "AAA", "9.99").Append(nil))
	bob.want("1 accepted 7: sell 30 AAA @ 9.99, day, order #")
	bob.want("2 executed 7: 30 @ 10.00, removed, match 1")
	alice.want("3 executed 1: 30 @ 10.00, added, match 1")
}

// A client that comes again gets exactly what it missed, byte by byte, also after a restart of everything.
func TestWhatWasMissed(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob := w.login("alice", 1), w.login("bob", 1)
	const n = 300 // more than are kept in memory
	var all []ouchclient.Message
	for i := uint32(1); i <= n; i++ {
		alice.send(order(i, ouch50.Buy, 10, "AAA", "10.00").Append(nil))
		all = append(all, alice.next(), alice.next())
	}
	alice.Close()
	bob.send(order(1, ouch50.Sell, 10*n, "AAA", "10.00").Append(nil))
	for range n + 1 {
		bob.next()
	}
	read := func(from uint64) (got []ouchclient.Message) {
		t.Helper()
		again := w.login("alice", from)
		defer again.Close()
		for seq := from; seq <= 3*n; seq++ {
			m := again.next()
			if m.Seq != seq {
				t.Fatalf("message %d comes as %d", seq, m.Seq)
			}
			got = append(got, m)
		}
		return got
	}
	missed := read(2*n + 1)
	for i, m := range missed {
		if !strings.HasPrefix(ouchclient.Text(m.Body), "executed ") {
			t.Fatalf("message %d: %s", i, said(m))
		}
	}
	all = append(all, missed...)
	compare := func(what string, got []ouchclient.Message, from int) {
		t.Helper()
		for i, m := range got {
			if !bytes.Equal(m.Body, all[from+i].Body) {
				t.Fatalf("%s: message %d is %s, was %s", what, m.Seq, said(m), said(all[from+i]))
			}
		}
	}
	compare("from the first", read(1), 0)
	compare("from the middle", read(17), 16)
	w.restart()
	compare("after a restart, from the first", read(1), 0)
	compare("after a restart, from the middle", read(250), 249)
	// The numbers that are used up are known, too.
	again := w.login("alice", 0)
	again.next() // the last message
	again.send((&ouch50.AccountQuery{}).Append(nil))
	again.want("- account: next number 301")
	again.send(order(n, ouch50.Buy, 10, "AAA", "10.00").Append(nil)) // was sent before: passed over
	again.send(order(n+1, ouch50.Buy, 10, "AAA", "10.00").Append(nil))
	again.want("901 accepted 301: buy 10 AAA @ 10.00, day, order #")
}

func TestLogins(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) { c.Limits.FailedLogins = 6 })
	alice := w.login("ALICE", 1) // case makes no difference
	alice.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
	alice.next()
	alice.next()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	session := func(name string) soupbintcp.Session {
		s, _ := soupbintcp.ParseSession(name)
		return s
	}
	for _, tt := range []struct {
		name string
		cfg  ouchclient.Config
		want error
	}{
		{"wrong password", ouchclient.Config{Username: "alice", Password: "bob-pw", Seq: 1}, soupbintcp.ErrNotAuthorized},
		{"no such user", ouchclient.Config{Username: "dave", Password: "dave-pw", Seq: 1}, soupbintcp.ErrNotAuthorized},
		{"no password", ouchclient.Config{Username: "alice", Seq: 1}, soupbintcp.ErrNotAuthorized},
		{"another session", ouchclient.Config{Username: "alice", Password: "alice-pw", Seq: 1, Session: session("OTHER")}, soupbintcp.ErrNoSession},
		{"a number that was never sent", ouchclient.Config{Username: "alice", Password: "alice-pw", Seq: 4}, soupbintcp.ErrNoSession},
	} {
		tt.cfg.Addr = w.server.Addr().String()
		if _, err := ouchclient.Dial(ctx, tt.cfg); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// None of them pushed alice aside.
	alice.send((&ouch50.CancelOrder{UserRefNum: 1}).Append(nil))
	alice.want("3 canceled 1: 100 off, by the user")
	// The newest login has the session.
	c, err := ouchclient.Dial(ctx, ouchclient.Config{
		Addr: w.server.Addr().String(), Username: "alice", Password: "Alice-PW", Seq: 4, Session: session("TEST"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := alice.Next(ctx); err == nil {
		t.Errorf("the connection before still hears %s", said(m))
	}
	// After too many failures the address is closed out.
	_, err = ouchclient.Dial(ctx, ouchclient.Config{Addr: w.server.Addr().String(), Username: "alice", Seq: 1})
	if !errors.Is(err, soupbintcp.ErrNotAuthorized) {
		t.Errorf("the sixth failure: %v", err)
	}
	eventually(t, "closed out", func() bool {
		_, err = ouchclient.Dial(ctx, ouchclient.Config{Addr: w.server.Addr().String(), Username: "alice", Password: "alice-pw", Seq: 1})
		return err != nil && !errors.Is(err, soupbintcp.ErrNotAuthorized)
	})
	w.counts("logins", func(st *Stats) bool {
		return st.Door.Failures > 0 && st.Closes["replaced"] == 1 && st.Closes["refused"] == 6
	})
}

// Orders of a user who wants that go with the connection; those of others stay.
func TestCancelOnDisconnect(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"alice", "carol"} {
		u := w.login(name, 1)
		u.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
		u.next()
		u.next()
		u.Close()
	}
	carol := w.login("carol", 3)
	carol.want("3 canceled 1: 100 off, by the system")
	alice := w.login("alice", 3)
	alice.send((&ouch50.CancelOrder{UserRefNum: 1}).Append(nil))
	alice.want("3 canceled 1: 100 off, by the user")
}

// Who logs out is closed with what there was.
func TestLogout(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.login("alice", 1)
	alice.send(order(1, ouch50.Buy, 100, "AAA", "10.00").Append(nil))
	alice.next()
	alice.next()
	if err := alice.Logout(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := alice.Next(ctx); !errors.Is(err, ouchclient.ErrSessionEnded) {
		t.Errorf("after the logout: %v", err)
	}
	w.counts("logout", func(st *Stats) bool { return st.Closes["logout"] == 1 && st.Door.Open == 0 })
}

// raw is a connection without a client.
func (w *world) raw() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// closed waits until the other side has closed.
func wantClosed(t *testing.T, what string, c net.Conn) {
	t.Helper()
	b := make([]byte, 4096)
	for {
		if _, err := c.Read(b); err != nil {
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("%s: not closed", what)
			}
			c.Close()
			return
		}
	}
}

func TestWhoIsCut(t *testing.T) {
	w := newWorld(t, func(_ *orders.Config, c *Config) {
		c.Limits.Login, c.Limits.Silence, c.Limits.Garbage = 200*time.Millisecond, 1200*time.Millisecond, 3
		c.Limits.ConnectionsPerAddress = 5
	})
	login := soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "alice", Password: "alice-pw", Next: 1})
	says := func(what string, b []byte) net.Conn {
		t.Helper()
		c := w.raw()
		if _, err := c.Write(b); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return c
	}
	wantClosed(t, "no login", says("no login", nil))
	wantClosed(t, "half a login", says("half a login", login[:20]))
	wantClosed(t, "http", says("http", []byte("GET / HTTP/1.1\r\n\r\n")))
	wantClosed(t, "a message before the login", says("a message before the login", soupbintcp.AppendUnsequenced(nil, []byte("O"))))
	wantClosed(t, "a packet of length 0", says("a packet of length 0", append(append([]byte{}, login...), 0, 0)))
	wantClosed(t, "a packet of 64 KiB", says("a packet of 64 KiB", append(append([]byte{}, login...), 0xff, 0xff, 'U')))
	wantClosed(t, "a login again", says("a login again", append(append([]byte{}, login...), login...)))
	wantClosed(t, "silence", says("silence", login))
	garbage := append([]byte{}, login...)
	for range 5 {
		garbage = soupbintcp.AppendUnsequenced(garbage, []byte("no message of OUCH"))
	}
	wantClosed(t, "garbage", says("garbage", garbage))
	w.counts("who was cut", func(st *Stats) bool {
		return st.Closes["timeout"] == 2 && st.Closes["garbage"] == 6 && st.Closes["silent"] == 1 && st.Counts.Garbage == 4
	})
	var held []net.Conn
	for range 5 {
		held = append(held, says("one of five", nil))
	}
	wantClosed(t, "one too many of the address", w.raw())
	for _, c := range held {
		c.Close()
	}
}
