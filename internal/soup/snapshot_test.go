package soup

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
)

func endOfSnapshot(next uint64) []byte {
	return soupbintcp.AppendSequenced(nil, (&itch50.EndOfSnapshot{Next: next}).Append(nil))
}

// stays is a script: accept a login for message 1, send, wait for the client to go.
func stays(b []byte) script {
	return func(v *venue) {
		if l := v.login(); l.Next != 1 || !l.Session.Blank() {
			v.t.Errorf("the client asks for %d in %q", l.Next, l.Session)
		}
		v.write(append(accepted(1), b...))
		v.listen(v.conn)
	}
}

func TestFetchSnapshot(t *testing.T) {
	refused := errors.New("book is full")
	end := soupbintcp.AppendEndOfSession(nil)
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	for _, tt := range []struct {
		name  string
		play  script
		took  string
		next  uint64
		err   error
		text  string // in the error
		after time.Duration
	}{
		{name: "whole", play: stays(join(messages(1, 4), endOfSnapshot(77), end)), took: "m1 m2 m3", next: 77},
		{name: "without a logout by the venue", play: stays(join(messages(1, 2), endOfSnapshot(5))), took: "m1", next: 5},
		{name: "empty", play: stays(join(endOfSnapshot(1), end)), next: 1},
		{name: "ended early", play: sends(1, join(messages(1, 4), end)), took: "m1 m2 m3", err: ErrTruncated, text: "from venue.test:1: 3 messages"},
		{name: "broken", play: sends(1, messages(1, 4)), took: "m1 m2 m3", err: ErrTruncated, text: "from venue.test:1: the connection was closed"},
		{name: "broken at once", play: sends(1, nil), err: ErrTruncated},
		{name: "not from its beginning", play: func(v *venue) {
			v.login()
			v.write(accepted(3))
		}, err: ErrTruncated, text: "begins with message 3"},
		{name: "end without a number", play: sends(1, soupbintcp.AppendSequenced(nil, []byte("G"))), err: itch50.ErrLength},
		{name: "too long", play: sends(1, join(messages(1, 7), endOfSnapshot(7))), took: "m1 m2 m3 m4 m5", err: ErrOversize},
		{name: "not taken", play: sends(1, messages(1, 4)), took: "m1", err: refused},
		{name: "refused", play: func(v *venue) {
			v.login()
			v.write(soupbintcp.AppendLoginRejected(nil, soupbintcp.NotAuthorized))
		}, err: soupbintcp.ErrNotAuthorized, text: "fetch snapshot: soupbintcp: log in: to venue.test:1"},
		{name: "no answer", play: func(v *venue) { v.login(); v.listen(v.conn) }, err: soupbintcp.ErrSilent, after: 5 * time.Second},
		{name: "nothing but heartbeats", play: func(v *venue) {
			v.login()
			go v.listen(v.conn)
			v.write(accepted(1))
			for range 100 {
				time.Sleep(time.Second)
				v.write(soupbintcp.AppendServerHeartbeat(nil))
			}
		}, err: context.DeadlineExceeded, after: 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &venue{t: t, scripts: []script{tt.play}}
				cfg := DefaultSnapshotConfig("venue.test:1", "tide", "sesame")
				cfg.Dial, cfg.MessagesMax = v.dial, 5
				var took []string
				began := time.Now()
				got, err := FetchSnapshot(t.Context(), cfg, func(m []byte) error {
					took = append(took, string(m))
					if tt.err == refused {
						return refused
					}
					return nil
				})
				if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.text) || err != nil && !strings.Contains(err.Error(), "venue.test:1") {
					t.Errorf("error %v", err)
				}
				if strings.Join(took, " ") != tt.took || got.Next != tt.next {
					t.Errorf("took %q, next %d", took, got.Next)
				}
				if err == nil && (!got.Session.Is(session) || got.Messages != len(took) || got.Bytes == 0) {
					t.Errorf("%+v", got)
				}
				if err != nil && got != (Snapshot{}) {
					t.Errorf("%+v with an error", got)
				}
				if waited := time.Since(began); waited < tt.after || waited > tt.after+time.Second {
					t.Errorf("took %v, want %v", waited, tt.after)
				}
				time.Sleep(2 * time.Minute) // until the venue has ended too
				if tt.err == nil && !strings.HasSuffix(v.said(), "\x00\x01O") {
					t.Errorf("the client said %x", v.said())
				}
			})
		})
	}
}

func TestFetchSnapshotStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		v := &venue{t: t, scripts: []script{func(v *venue) { v.login(); v.listen(v.conn) }}}
		cfg := DefaultSnapshotConfig("venue.test:1", "tide", "sesame")
		cfg.Dial = v.dial
		if _, err := FetchSnapshot(ctx, cfg, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestSnapshotConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*SnapshotConfig){
		"address":  func(c *SnapshotConfig) { c.Address = "" },
		"dial":     func(c *SnapshotConfig) { c.DialTimeout = 0 },
		"timeout":  func(c *SnapshotConfig) { c.Timeout = 0 },
		"silence":  func(c *SnapshotConfig) { c.SilenceMax = 0 },
		"messages": func(c *SnapshotConfig) { c.MessagesMax = 0 },
		"username": func(c *SnapshotConfig) { c.Username = "much too long" },
	} {
		cfg := DefaultSnapshotConfig("venue.test:1", "", "")
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := FetchSnapshot(t.Context(), cfg, nil); err == nil || !strings.HasPrefix(err.Error(), "fetch snapshot: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
