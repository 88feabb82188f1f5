//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The live demonstration with the real binary: a venue and a gateway as processes, both lines cut in
// turn, and a subscriber whose books are the venue's. A client of the command line, subscribed at
// the same time, writes a file that replays to the same symbols.
func TestDemoLive(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a market in real time")
	}
	dir, binary := t.TempDir(), buildTidegate(t)
	cmd := exec.Command(binary, "demo", "--for", "5s", "--dir", filepath.Join(dir, "demo"))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	file := filepath.Join(dir, "session.dbn.zst")
	subscribed := false
	buf := make([]byte, 4096)
	for {
		n, err := stdout.Read(buf)
		said.Write(buf[:n])
		if at := strings.Index(said.String(), "--addr "); at >= 0 && !subscribed && strings.Contains(said.String(), "3. ") {
			subscribed = true
			addr, _, _ := strings.Cut(said.String()[at+len("--addr "):], " ")
			out, err := exec.Command(binary, "subscribe", "--addr", addr, "--dataset", "XSIM.ITCH", "--key", demoKey,
				"--schema", "mbo", "--snapshot", "-n", "200", "--out", file, "ALFA").CombinedOutput()
			if err != nil {
				t.Errorf("subscribe: %v: %s", err, out)
			}
			wantContains(t, "subscribe", string(out), "mbo of XSIM.ITCH", "time (UTC)", "ALFA", "200 data records")
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		logs, _ := os.ReadFile(filepath.Join(dir, "demo", "gateway.log"))
		t.Fatalf("%v: %s\n%s\n%s", err, stderr.String(), said.String(), logs)
	}
	wantContains(t, "demo", said.String(), "line A is cut", "line B is back", "and lost none",
		"subscriber  has the venue's own books: 8 instruments")
	if subscribed {
		wantContains(t, "replay of the session", mustRun(t, "replay", "-q", file, "--book", "ALFA"), "ALFA (instrument 1", "mbo")
	} else {
		t.Error("the demonstration did not say how to subscribe")
	}
}

// The processes of a demonstration end with it, however it ends.
func TestDemoLeavesNoProcess(t *testing.T) {
	binary := buildTidegate(t)
	cmd := exec.Command(binary, "demo", "--dir", t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for said := ""; !strings.Contains(said, "\n3. "); {
		b := make([]byte, 4096)
		n, err := stdout.Read(b)
		if said += string(b[:n]); err != nil {
			t.Fatalf("%v after %s", err, said)
		}
	}
	// Each thread has a list of the processes that it began.
	var left []string
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	for _, path := range threads {
		pids, _ := os.ReadFile(path)
		left = append(left, strings.Fields(string(pids))...)
	}
	if len(left) != 2 {
		t.Errorf("processes %v, want a gateway and a venue", left)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for deadline := time.Now().Add(20 * time.Second); len(left) > 0; time.Sleep(10 * time.Millisecond) {
		// Nobody may be there to take notice of its end.
		if stat, err := os.ReadFile("/proc/" + left[0] + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			left = left[1:]
		} else if time.Now().After(deadline) {
			t.Fatalf("processes %v are left", left)
		}
	}
}
