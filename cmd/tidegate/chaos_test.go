//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/bench/chaos"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/config"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/internal/venue"
	"tidegate/market"
)

// The drills, with a gateway and its subscribers as processes. Correctness decides; times are only reported.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("runs markets in real time")
	}
	t.Parallel() // mostly they wait
	binary := buildTidegate(t)
	// Of about the same length, because they run beside each other.
	for _, drills := range [][]string{
		{"calm", "stall", "line-stall", "loss", "range", "no-retransmit", "none-fresh", "slow-snapshot", "time-past"},
		{"delay", "kill", "dead", "hostile-session", "hostile-counts", "hostile-garbage", "hostile-endless", "time-beyond", "time-future"},
	} {
		t.Run(strings.Join(drills, ","), func(t *testing.T) {
			t.Parallel()
			plan := chaos.Plan{}
			for _, name := range drills {
				built, err := chaos.Built(name, 1)
				if err != nil {
					t.Fatal(err)
				}
				plan.Drills = append(plan.Drills, built.Drills...)
			}
			report := runChaos(t, binary, plan, "--self")
			for i, d := range report.Drills {
				if want := drills[i]; d.Name != want || len(d.Runs)-d.Disturbed < 1 || d.Broken > 0 {
					t.Errorf("drill %s: %d repetitions, %d disturbed, %d broken, want one that counts of %s", d.Name, len(d.Runs), d.Disturbed, d.Broken, want)
				}
			}
		})
	}
}

// runChaos takes the drills of a plan, which must end well.
func runChaos(t *testing.T, binary string, plan chaos.Plan, args ...string) *chaos.Report {
	t.Helper()
	dir := t.TempDir()
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plan.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"chaos", "--plan", path, "--json", "--dir", dir}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		logs, _ := os.ReadFile(filepath.Join(dir, "gateway.log"))
		t.Fatalf("%v:\n%s\n%s", err, said.String(), logs)
	}
	t.Log(said.String())
	report := new(chaos.Report)
	if err := json.Unmarshal(out, report); err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
	return report
}

// A gateway that somebody else runs, with the configuration that is shipped for it, on ports that are free here.
func TestChaosOfARunningGateway(t *testing.T) {
	t.Parallel()
	binary := buildTidegate(t)
	text, err := os.ReadFile("../../deploy/providers.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	yaml := string(text)
	for port, network := range map[int]string{
		26510: "udp", 26511: "udp", 26520: "udp", 26521: "udp", 26502: "udp", 26504: "tcp", 13000: "tcp", 8080: "tcp",
	} {
		old := fmt.Sprintf("127.0.0.1:%d", port)
		if !strings.Contains(yaml, old) {
			t.Fatalf("the example does not use %s", old)
		}
		yaml = strings.ReplaceAll(yaml, old, free(network, 0))
	}
	path := filepath.Join(t.TempDir(), "tidegate.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(binary, "run", "-c", path)
	gateway.SysProcAttr = childAttributes()
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	plan, err := chaos.Built("range", 2)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time the venue begins anew
		if report := runChaos(t, binary, plan, "-c", path); len(report.Drills) != 1 {
			t.Errorf("%d drills", len(report.Drills))
		}
	}
	if err := gateway.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Wait(); err != nil {
		t.Error(err)
	}
}

// Clients as strict as those in use follow a feed from one provider to the other and back, and end with the venue's
// own books.
func TestChaosDoubles(t *testing.T) {
	t.Parallel()
	binary := buildTidegate(t)
	dir := t.TempDir()
	cmd := exec.Command(binary, "chaos", "--self", "--drill", "stall", "--repeat", "3", "--dir", dir, "--save", filepath.Join(dir, "report.json"), "--json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var doubles sync.WaitGroup
	books := make([]*book.ByOrder, len(lsgtest.Modes))
	var said strings.Builder
	buf, begun := make([]byte, 4096), false
	for {
		n, err := stderr.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			break
		}
		if begun || !strings.Contains(said.String(), "waiting for a feed") {
			continue
		}
		begun = true
		cfg, err := config.Load(filepath.Join(dir, "tidegate.yaml"))
		if err != nil {
			t.Error(err)
			continue
		}
		for i, mode := range lsgtest.Modes {
			doubles.Go(func() {
				var err error
				if books[i], err = followByDouble(mode, cfg.Subscribers.Listen); err != nil {
					t.Errorf("%s: %v", mode, err)
				}
			})
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	doubles.Wait()
	var report chaos.Report
	if b, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || json.Unmarshal(b, &report) != nil || len(report.Books) == 0 {
		t.Fatalf("%v: no books in %.500s", err, b)
	}
	for i, mode := range lsgtest.Modes {
		if books[i] == nil {
			continue
		}
		for _, b := range report.Books {
			for side, want := range map[market.Side][]venue.Level{market.Bid: b.Bids, market.Ask: b.Asks} {
				var got []venue.Level
				for _, l := range books[i].Levels(b.Instrument, side, make([]book.Level, 0, 1000)) {
					got = append(got, venue.Level{Price: l.Price, Size: l.Size, Orders: int(l.Orders)})
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s %s: %v, want %v", mode, b.Symbol, side, got, want)
				}
			}
		}
	}
}

// followByDouble keeps the books of a session until the gateway ends it.
func followByDouble(mode lsgtest.Mode, addr string) (*book.ByOrder, error) {
	double, err := openDouble(mode, addr)
	if err != nil {
		return nil, err
	}
	defer double.Close()
	if err := double.Subscribe(lsgtest.Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: []string{"ALL_SYMBOLS"}, Snapshot: true}); err != nil {
		return nil, err
	}
	if _, err := double.Start(); err != nil {
		return nil, err
	}
	books := book.NewByOrder(book.ByOrderConfig{})
	records, refreshes, switches := 0, 0, 0
	for {
		r, err := double.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch r.RType {
		case dbn.RTypeSystem:
			var s dbn.System
			if err := s.Parse(r); err != nil {
				return nil, err
			}
			if strings.HasPrefix(s.Text, "switched from provider ") {
				switches++
			}
		case dbn.RTypeMBO:
			var m dbn.MBO
			if err := m.Parse(r); err != nil {
				return nil, err
			}
			var u market.Update
			m.Event(&u.Event)
			if v := books.Apply(&u).Verdict; v.Fault() {
				return nil, fmt.Errorf("record %d: %s of order %d: %s", records, m.Action, m.OrderID, v)
			}
			records++
			if m.Action == market.Clear {
				refreshes++
			}
		}
	}
	if switches < 2 || refreshes < 3*8 { // of the snapshot, and of both switches
		return nil, fmt.Errorf("%d records, %d switches, %d books published anew", records, switches, refreshes)
	}
	return books, nil
}

// openDouble opens a session. A gateway lets some clients in each second, and asks the others to come again.
func openDouble(mode lsgtest.Mode, addr string) (*lsgtest.Double, error) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		double, err := lsgtest.Open(conn, lsgtest.Config{Mode: mode, Dataset: "XSIM.ITCH", Key: chaosKey})
		if err == nil || time.Now().After(deadline) {
			return double, err
		}
	}
}

func TestChaosRefuses(t *testing.T) {
	dir := t.TempDir()
	plan := filepath.Join(dir, "plan.json")
	if err := os.WriteFile(plan, []byte(`{"drills": [{"name": "nothing"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"chaos":                                   "want either --drill or --plan",
		"chaos --drill stall":                     "want either --self or --config",
		"chaos --drill stall --self -c x":         "want either --self or --config",
		"chaos --drill stall --plan x --self":     "want either --drill or --plan",
		"chaos --drill nothing --self":            `no drill is called "nothing"`,
		"chaos --drill stall --repeat 0 --self":   "--repeat 0",
		"chaos --plan " + plan + " --self":        `none is built in that is called "nothing"`,
		"chaos --drill stall -c " + dir + "/none": "no such file",
	} {
		var out, said strings.Builder
		if code := run(t.Context(), strings.Fields(args), &console{Out: &out, Err: &said}); code != exitUsage || !strings.Contains(said.String(), want) {
			t.Errorf("%s: exit %d, %q, want %q", args, code, said.String(), want)
		}
	}
	wantContains(t, "list", mustRun(t, "chaos", "--list"), "stall", "hostile-endless", "time-future")
}
