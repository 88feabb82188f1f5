//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tidegate/gateway/admin"
)

// An operator takes the active provider out with the command, and the other one becomes active; prefers one, and
// takes both back. Subscribers are told of each switch, and have the venue's books in the end.
func TestE2EProviders(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	g := startAt(t, binary, configWith(t, lines, func(text string) string {
		from, to := strings.Index(text, "  lines:"), strings.Index(text, "loop:")
		// On a busy machine nobody but the operator shall find a provider late.
		return text[:from] + fmt.Sprintf(`  fail_back: 100ms
  providers:
  - {name: venue, lines: [{name: A, address: %q}]}
  - {name: vendor, lines: [{name: A, address: %q}]}
`, a, b) + text[to:]
	}))
	subscriber := watch(t, g.addr, keyOne, false)
	v := startVenue(t, binary, venueCmd{Seed: 21, Rate: 1600, Speed: "1x", A: a, B: b})
	v.passes(500)

	active := func(want string) (f admin.ChoiceReport) {
		t.Helper()
		eventually(t, "gateway", func() error {
			var r admin.ProvidersReport
			getJSON(t, g.url+"/providers", &r)
			if f = r.Feeds[0]; f.Active != want || f.RefreshDue != 0 {
				return fmt.Errorf("%s is active, want %s; %d due", f.Active, want, f.RefreshDue)
			}
			return nil
		})
		return f
	}
	command := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(binary, append([]string{"provider", "sim"}, append(args, "--url", g.url)...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("provider %v: %v: %s", args, err, out)
		}
		return squeeze(string(out))
	}
	told := func(text string, times int) {
		t.Helper()
		eventually(t, "subscriber", func() error {
			subscriber.mu.Lock()
			defer subscriber.mu.Unlock()
			n := 0
			for _, s := range subscriber.system {
				if s == text {
					n++
				}
			}
			if n != times {
				return fmt.Errorf("was told %d times of %q, want %d: %q", n, text, times, subscriber.system)
			}
			return nil
		})
	}
	active("venue")
	wantContains(t, "force open", command("venue", "--force", "open"), "choice sim: vendor is active", "\nvenue DOWN operator - open ", "\nvendor active OK fresh - - ")
	active("vendor")
	told("switched from provider venue to vendor: operator", 1)
	g.logged("an operator's wish was followed", "feed", "sim", "provider", "venue", "wish", "force open", "active", "vendor")
	v.passes(v.truth().Sent + 300)
	command("venue", "--force", "none")
	active("venue") // the preferred of the configuration comes back
	told("switched from provider vendor to venue: preferred", 1)
	wantContains(t, "prefer", command("vendor", "--prefer"), "choice sim: vendor is active, an operator prefers vendor")
	told("switched from provider venue to vendor: operator", 2)
	v.passes(v.truth().Sent + 300)
	command("vendor", "--no-prefer")
	active("venue")
	told("switched from provider vendor to venue: preferred", 2)

	out, err := exec.Command(binary, "provider", "sim", "nobody", "--prefer", "--url", g.url).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `provider "nobody" of feed "sim": not known: there is venue, vendor`) {
		t.Errorf("nobody: %v, %s", err, out)
	}
	stat, err := exec.Command(binary, "stat", "--providers", "--url", g.url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, stat)
	}
	wantContains(t, "stat --providers", squeeze(string(stat)), "choice sim: venue is active, 4 switches, stale 0 times", "Z venue to vendor: operator\n", "Z vendor to venue: preferred\n")

	truth := v.pause()
	f := active("venue")
	if names := []string{f.Providers[0].Name, f.Providers[1].Name}; !slices.Equal(names, []string{"venue", "vendor"}) || f.Reasons["operator"] != 2 {
		t.Errorf("in the end: %+v", f)
	}
	reaches(t, g.url, truth.Sent)
	subscriber.has(t, "subscriber", truth.Books)
	stat, err = exec.Command(binary, "stat", "--url", g.url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, stat)
	}
	wantContains(t, "stat", squeeze(string(stat)), "feed sim/venue: ", "feed sim/vendor: ", "\nvenue active OK fresh", "\nvendor OK fresh ")
	g.signal(syscall.SIGTERM)
	<-subscriber.done
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
}
