//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchLive runs the real binary, which starts itself as sender, servers and subscribers.
func TestBenchLive(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "tidegate")
	if b, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	tidegate := func(want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"bench"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, &errs)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%v: no %q in\n%s", args, want, &out)
		}
	}
	saved := filepath.Join(dir, "saved")
	tidegate("got all 300 messages", "latency", "--rate", "1000", "--duration", "200ms", "--warm-up", "100ms",
		"--ingest", "10000", "--rounds", "1", "--save", saved, "-q")
	tidegate(`"bench": "fanout"`, "fanout", "--subscribers", "2", "--stall-subscribers", "0", "--duration", "100ms", "--rounds", "1", "--json")
	result := filepath.Join(saved, "latency.json")
	tidegate("ingest datagrams/s, gateway / bare loop", "compare", result, result)
	for _, name := range []string{"latency.svg", "latency-wire-to-subscriber.hgrm"} {
		if info, err := os.Stat(filepath.Join(saved, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	var exit *exec.ExitError
	err := exec.Command(binary, "bench", "latency", "--idle", "spin", "--procs", "2").Run()
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("a spinning loop without room: %v, want exit %d", err, exitUsage)
	}
}
