package main

import (
	"bytes"
	"errors"
	"fmt"
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
	dir := t.TempDir()
	binary := buildTidegate(t)
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

	piped := exec.Command(binary, "replay", "-", "--out", "-", "--schema", "trades", "--summary", "none")
	if piped.Stdin, err = os.Open(a); err != nil {
		t.Fatal(err)
	}
	got, err := piped.Output()
	if err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "trades.dbn")
	mustRun(t, "replay", a, "--out", named, "--schema", "trades")
	if want, _ := os.ReadFile(named); !bytes.Equal(got, want) {
		t.Errorf("from standard input to standard output: %d bytes, want %d", len(got), len(want))
	}

	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := filepath.Join(dir, "out-"+signal.String()+".dbn")
		if err := os.WriteFile(out, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "replay", a, b, "--speed", "1x", "--out", out)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		hung := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		waitForOutput(t, cmd.Process.Pid, dir)
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
		want := "tidegate: what was replayed until now is in " + out + ".partial; " + out + " was not touched\ntidegate: interrupted\n"
		if stderr.String() != want { // and no progress bar
			t.Errorf("%v: stderr %q, want %q", signal, stderr.String(), want)
		}
		wantContains(t, "summary", stdout.String(), "BALANCED", "output        "+out+".partial", "replayed")
		if n := readable(t, out+".partial"); n == 0 || !strings.Contains(stdout.String(), " records of mbo") {
			t.Errorf("%v: the output has %d records", signal, n)
		}
		if b, _ := os.ReadFile(out); string(b) != "before" {
			t.Errorf("%v: the file before is %.20q", signal, b)
		}
		if left, _ := filepath.Glob(out + ".*"); len(left) != 1 {
			t.Errorf("%v: %v are left", signal, left)
		}
	}
}

// waitForOutput returns when a replay has begun: its output is under way in dir, and a moment of
// recorded time has passed.
func waitForOutput(t *testing.T, pid int, dir string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range open {
			if name, err := os.Readlink(fd); err == nil && strings.HasPrefix(name, dir+"/.tidegate-") {
				time.Sleep(300 * time.Millisecond) // at recorded pace the directory comes in the first milliseconds
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the replay was not begun")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
