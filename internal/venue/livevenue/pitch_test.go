package livevenue

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"tidegate/internal/venue"
)

// servePitch has a test's venue publish PITCH, and send again to the receiver of line B.
func servePitch(cfg *Config) {
	cfg.Feed.Feed.Sender.Protocol = venue.PITCH
	cfg.Gaps, cfg.Spin = loopback, loopback
	cfg.Resent = cfg.Feed.Feed.Lines[1].Group
	cfg.Feed.Feed.Lines = cfg.Feed.Feed.Lines[:1]
	cfg.Feed.Feed.Lines[0].Group = netip.MustParseAddrPort("127.0.0.1:9") // nobody listens
}

// Gap requests and spins are shown, and made to go wrong, by the control endpoint. What they serve is looked at
// from the client's side in gateway/recovery.
func TestPitchControl(t *testing.T) {
	s := run(t, servePitch)
	var status PitchStatus
	s.must(t, http.MethodPost, "/spin", `{"truncate": 100, "stale": true}`, &status)
	if status.Address != s.SpinAddr() || !status.Stale || status.Truncate != 100 {
		t.Errorf("%+v", status)
	}
	s.must(t, http.MethodPost, "/gaps", `{"unavailable": true}`, &status)
	status = PitchStatus{}
	s.must(t, http.MethodGet, "/gaps", "", &status)
	if status.Address != s.GapsAddr() || !status.Unavailable {
		t.Errorf("%+v", status)
	}
	var failed struct{ Error string }
	if got := s.call(t, http.MethodPost, "/gaps", `{"truncate": 1}`, &failed); got != http.StatusBadRequest || !strings.Contains(failed.Error, "for spins") {
		t.Errorf("%d, %s", got, failed.Error)
	}
	if got := s.call(t, http.MethodGet, "/glimpse", "", &failed); got != http.StatusNotFound {
		t.Errorf("snapshots by GLIMPSE: %d, %s", got, failed.Error)
	}
}

func TestPitchConfig(t *testing.T) {
	group := netip.MustParseAddrPort("127.0.0.1:9")
	for _, tt := range []struct {
		protocol venue.Protocol
		change   func(*Config)
		want     string // "" for no error
	}{
		{venue.PITCH, func(*Config) {}, ""},
		{venue.PITCH, func(c *Config) { c.Spin = loopback }, ""},
		{venue.PITCH, func(c *Config) { c.Gaps, c.Resent = loopback, group }, ""},
		{venue.PITCH, func(c *Config) { c.Gaps = loopback }, "gap requests: want an address"},
		{venue.PITCH, func(c *Config) { c.Glimpse = loopback }, "messages and snapshots over TCP"},
		{venue.ITCH, func(c *Config) { c.Spin = loopback }, "none of a venue that publishes ITCH"},
	} {
		cfg := DefaultConfig(1)
		cfg.Feed.Feed.Sender.Protocol = tt.protocol
		tt.change(&cfg)
		if err := cfg.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}
