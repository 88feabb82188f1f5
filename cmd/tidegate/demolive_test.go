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

	"tidegate/internal/pgcluster"
)

// The live demonstration with the real binary: a venue and a gateway as processes, both lines cut in
// turn, and a subscriber whose books are the venue's. A client of the command line, subscribed at
// the same time, writes a file that replays to the same symbols.
func TestDemoLive(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a market in real time")
	}
	dir, binary := serverDir(t), buildTidegate(t)
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
		"subscriber  has the venue's own books: 8 instruments", "journal     is whole: ")
	if _, err := pgcluster.Find(); err == nil {
		wantContains(t, "demo", said.String(), "psql \"$(cat ", "PostgreSQL  has entries 1 to ", "each once")
	} else {
		wantContains(t, "demo", said.String(), "There is no database (find initdb", "ran on the journal alone")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "demo", "demo-postgres-*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if subscribed {
		wantContains(t, "replay of the session", mustRun(t, "replay", "-q", file, "--book", "ALFA"), "ALFA (instrument 1", "mbo")
	} else {
		t.Error("the demonstration did not say how to subscribe")
	}
}

// Without a database the demonstration runs on the journal, and says so.
func TestDemoWithoutDatabase(t *testing.T) {
	binary := buildTidegate(t)
	out, err := exec.Command(binary, "demo", "--for", "1s", "--no-database", "--dir", t.TempDir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantContains(t, "demo", string(out), "There is no database (none is wanted)", "journal     is whole: ", "ran on the journal alone")
}

// The processes of a demonstration end with it, however it ends.
func TestDemoLeavesNoProcess(t *testing.T) {
	binary := buildTidegate(t)
	cmd := exec.Command(binary, "demo", "--dir", serverDir(t))
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
	want := 3
	if _, err := pgcluster.Find(); err != nil {
		want = 2
	}
	if len(left) != want {
		t.Errorf("processes %v, want a gateway, a venue, and a server if it is installed", left)
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
