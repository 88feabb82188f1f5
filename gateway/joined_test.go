package gateway_test

import (
	"errors"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/market"
)

// rebuilder is a recorder that can publish books anew.
type rebuilder struct {
	recorder
	rebuilt [][]market.InstrumentID
}

func (r *rebuilder) OnRebuild(ids []market.InstrumentID, _ market.Nanos) {
	r.rebuilt = append(r.rebuilt, ids)
}

func newJoined(t *testing.T) (*rebuilder, *gateway.Pipeline) {
	t.Helper()
	r := &rebuilder{}
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.WithholdJoined = true
	p, err := gateway.New(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	return r, p
}

// What is joined in its middle is withheld from its first message on, and a session that is joined at its
// beginning is not.
func TestWithholdJoined(t *testing.T) {
	r, p := newJoined(t)
	if p.Next() != 0 {
		t.Errorf("next %d before the first packet", p.Next())
	}
	p.OnDatagram(arbiter.LineA, 1000, mold(500_000, add(1, 'B', 100, 50000)))
	if len(r.events) != 0 || !p.Withheld() || p.Next() != 500_001 {
		t.Fatalf("%d events, withheld %v, next %d", len(r.events), p.Withheld(), p.Next())
	}
	p.OnDatagram(arbiter.LineA, 2000, moldudp64.AppendEndOfSession(nil, session, 500_001))
	again := func(seq uint64, m []byte) []byte {
		b := mold(seq, m)
		b[0] = 'U' // of another session
		return b
	}
	p.OnDatagram(arbiter.LineA, 3000, again(1, add(2, 'B', 100, 50000)))
	p.OnDatagram(arbiter.LineA, 4000, again(2, add(3, 'B', 100, 50000)))
	if len(r.events) != 2 || p.Withheld() || p.Suspect() {
		t.Errorf("%d events of a session from its beginning, withheld %v, suspect %v", len(r.events), p.Withheld(), p.Suspect())
	}
	balanced(t, p)
}

// A snapshot with a message that is wrong ends its rebuild.
func TestFaultySnapshot(t *testing.T) {
	r, p := newJoined(t)
	p.OnDatagram(arbiter.LineA, 1000, mold(500_000, add(7, 'B', 100, 50000)))
	for name, block := range map[string][]byte{
		"two orders of one number": mold(1, add(1, 'B', 100, 50000), add(1, 'B', 100, 50000)),
		"a message of no type":     mold(1, []byte("?")),
	} {
		if err := p.BeginRebuild(1 << 20); err != nil {
			t.Fatal(err)
		}
		if err := p.OnSnapshot(block[moldudp64.HeaderLen:]); !errors.Is(err, gateway.ErrSnapshotFaulty) {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.EndRebuild(500_001, 2000); !errors.Is(err, gateway.ErrNoRebuild) {
			t.Errorf("%s: then %v", name, err)
		}
	}
	if c := p.Rebuilds(); c.Faulty != 2 || c.Begun != 2 || c.UnderWay || len(r.rebuilt) != 0 {
		t.Errorf("%+v, rebuilt %v", c, r.rebuilt)
	}
}
