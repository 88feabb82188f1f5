//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
)

// A gateway that records to a directory: each start is replayed into what its subscribers got, the one that was
// killed as far as the recording was durable.
func TestE2ECaptureInSegments(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	dir := filepath.Join(t.TempDir(), "capture")
	config := configWith(t, lines, func(text string) string { return text + fmt.Sprintf("capture: {dir: %q}\n", dir) })
	var starts [][][]byte
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		g := startAt(t, binary, config)
		g.logged("recording", "to", dir)
		subscriber := watch(t, g.addr, keyOne, false)
		v := startVenue(t, binary, venueCmd{Seed: 12, Rate: 1600, Speed: "5x", A: a, B: b})
		both := map[string]any{"loss": 0.3}
		v.post("/lines/a", both)
		v.post("/lines/b", both)
		v.passes(3000)
		reaches(t, g.url, v.pause().Sent)
		eventually(t, "recording", func() error {
			var r admin.FeedsReport
			getJSON(t, g.url+"/feeds", &r)
			if c := r.Capture; c.Path != dir || c.Recorded != c.Taken || c.Dropped != 0 {
				return fmt.Errorf("%+v", c)
			}
			return nil
		})
		eventually(t, "subscriber", func() error {
			if got, want := uint64(len(subscriber.all())), feedOf(t, g.url).Events; got != want {
				return fmt.Errorf("%d of %d records", got, want)
			}
			return nil
		})
		v.kill()
		g.signal(end)
		g.exit()
		<-subscriber.done
		var got [][]byte
		for _, m := range subscriber.all() {
			got = append(got, m.Append(nil))
		}
		starts = append(starts, got)
		wantReplay(t, dir, dbn.SchemaMBO, got)
	}
	wantReplay(t, dir, dbn.SchemaMBO, starts[0], "--epoch", "1")
	wantContains(t, "verify", mustRun(t, "journal", "verify", dir), "2 segments", "whole")
	if code, _, stderr := tidegate(t, "replay", dir, "--epoch", "3", "--quiet"); code != exitFailure || !strings.Contains(stderr, "there are 1 to 2") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
