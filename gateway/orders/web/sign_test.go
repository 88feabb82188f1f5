package web

import (
	"testing"
	"time"

	"tidegate/market"
)

func at(ms int64) market.Nanos { return 1000*market.Second + market.Nanos(ms)*market.Millisecond }

func wantCode(t *testing.T, what string, p *problem, want Code) {
	t.Helper()
	var got Code
	if p != nil {
		got = p.code
	}
	if got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, p, want)
	}
}

// The vector was made with another implementation of HMAC-SHA256 (openssl dgst -sha256 -hmac).
func TestSign(t *testing.T) {
	got := Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_000, "POST", "/v1/orders?x=1", "once-1", []byte(`{"symbol":"AAPL"}`))
	const want = "d1d44fda91ca009d9b747c51cac637d2e3350c2c077c20934d9f93bb8d96ec46"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, other := range []string{
		Sign([]byte("0123456789abcdeg"), 1_767_225_600_000_000_000, "POST", "/v1/orders?x=1", "once-1", []byte(`{"symbol":"AAPL"}`)),
		Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_001, "POST", "/v1/orders?x=1", "once-1", []byte(`{"symbol":"AAPL"}`)),
		Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_000, "PUT", "/v1/orders?x=1", "once-1", []byte(`{"symbol":"AAPL"}`)),
		Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_000, "POST", "/v1/orders?x=2", "once-1", []byte(`{"symbol":"AAPL"}`)),
		Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_000, "POST", "/v1/orders?x=1", "once-2", []byte(`{"symbol":"AAPL"}`)),
		Sign([]byte("0123456789abcdef"), 1_767_225_600_000_000_000, "POST", "/v1/orders?x=1", "once-1", []byte(`{"symbol":"AAPM"}`)),
	} {
		if other == got {
			t.Error("something else has the same signature")
		}
	}
}

func TestTimesOfSignatures(t *testing.T) {
	g := newReplayGuard(5*time.Second, time.Second, 10, at(0))
	for _, tt := range []struct {
		name    string
		at, now market.Nanos
		want    Code
	}{
		{"now", at(10_000), at(10_000), ""},
		{"as old as may be", at(5_000), at(10_000), ""},
		{"too old", at(4_999), at(10_000), CodeClock},
		{"as early as may be", at(11_000), at(10_000), ""},
		{"too early", at(11_001), at(10_000), CodeClock},
		{"before the start", at(-1), at(1000), CodeClock},
		{"shortly after the start", at(999), at(1000), CodeClock}, // a fast clock may have signed it before
		{"long enough after the start", at(1000), at(1000), ""},
	} {
		wantCode(t, tt.name, g.fits(tt.at, tt.now), tt.want)
	}
}

// Whatever is taken is not taken again as long as its time fits, and memory is bounded.
func TestReplaysAreRefused(t *testing.T) {
	g := newReplayGuard(5*time.Second, time.Second, 3, at(0))
	sum := func(n byte) [32]byte { return [32]byte{n} }
	wantCode(t, "first", g.take("a", sum(1), at(10_000)), "")
	wantCode(t, "again", g.take("a", sum(1), at(10_000)), CodeReplayed)
	wantCode(t, "of another key", g.take("b", sum(1), at(10_000)), "")
	wantCode(t, "another", g.take("a", sum(2), at(15_999)), "")
	wantCode(t, "again, when its time is hardly over", g.take("a", sum(1), at(16_000)), CodeReplayed) // it is in the older generation
	wantCode(t, "again, of the older generation", g.take("a", sum(2), at(21_999)), CodeReplayed)
	wantCode(t, "long after", g.take("a", sum(1), at(30_000)), "")
	wantCode(t, "room", g.take("a", sum(3), at(30_000)), "")
	wantCode(t, "room", g.take("a", sum(4), at(30_000)), "")
	wantCode(t, "too many", g.take("a", sum(5), at(30_000)), CodeRate)
	if n := len(g.keys["a"].young); n != 3 {
		t.Errorf("%d signatures are remembered", n)
	}
	// Nothing for a long time: both generations are over.
	wantCode(t, "after a pause", g.take("a", sum(3), at(90_000)), "")
}

func TestRateLimit(t *testing.T) {
	r := newRateLimit(2)
	wantCode(t, "one", r.take("a", at(0)), "")
	wantCode(t, "two", r.take("a", at(0)), "")
	p := r.take("a", at(0))
	wantCode(t, "three", p, CodeRate)
	if p.retryAfterSeconds != 1 {
		t.Errorf("come again in %d seconds", p.retryAfterSeconds)
	}
	wantCode(t, "another key", r.take("b", at(0)), "")
	wantCode(t, "half a second later", r.take("a", at(500)), "")
	wantCode(t, "at once again", r.take("a", at(500)), CodeRate)
	wantCode(t, "after an hour", r.take("a", at(3_600_000)), "")
}
