package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProcess runs the real binary: exit code, streams, and an interrupt in the middle of a replay.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "tidegate")
	if b, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	market := filepath.Join(dir, "market")
	if b, err := exec.Command(binary, "generate", "capture", market, "--trading", "60s", "--rate", "200").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	a, b := filepath.Join(market, "a.pcap"), filepath.Join(market, "b.pcap")

	var exit *exec.ExitError
	err := exec.Command(binary, "replay").Run()
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("no file: %v, want exit %d", err, exitUsage)
	}

	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := filepath.Join(dir, "out-"+signal.String()+".dbn")
		cmd := exec.Command(binary, "replay", a, b, "--speed", "1x", "--out", out)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		hung := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		waitForTemporary(t, out)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if !hung.Stop() {
			t.Fatalf("%v: still running after %v; the recording lasts over a minute", signal, time.Since(begun))
		}
		if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
			t.Errorf("%v: %v, want exit %d", signal, err, exitInterrupted)
		}
		if stderr.String() != "tidegate: interrupted\n" { // and no progress bar
			t.Errorf("%v: stderr %q", signal, stderr.String())
		}
		wantContains(t, "summary", stdout.String(), "BALANCED", "output        "+out, "replayed")
		if n := readable(t, out); n == 0 || !strings.Contains(stdout.String(), " records of mbo") {
			t.Errorf("%v: the output has %d records", signal, n)
		}
		if left, _ := filepath.Glob(out + ".*"); len(left) != 0 {
			t.Errorf("%v: %v are left", signal, left)
		}
	}
}

// waitForTemporary returns when a replay has begun: its output is under way, and a moment of
// recorded time has passed.
func waitForTemporary(t *testing.T, out string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if found, _ := filepath.Glob(out + ".*"); len(found) > 0 {
			time.Sleep(300 * time.Millisecond) // at recorded pace the directory comes in the first milliseconds
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was not begun", out)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
