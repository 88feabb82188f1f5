//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/gateway/admin"
	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
)

// The end-to-end tests run the real binary as venue and as gateway, on sockets, and follow the gateway
// with clients of their own. What is right is told by the venue: its control endpoint shows its books,
// and its messages can be made again from its seed.

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A venueProcess is a simulated venue that runs as a process of its own.
type venueProcess struct {
	t       *testing.T
	cmd     *exec.Cmd
	control string
	market  venue.Config
}

// startVenue starts a venue that sends to two addresses; by an interface if they are groups.
func startVenue(t *testing.T, binary string, c venueCmd, flags ...string) *venueProcess {
	t.Helper()
	c.Instruments, c.History, c.Requests = 6, 1000, 1000
	c.Retransmit, c.Control = netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.1:0")
	cfg, err := c.config()
	if err != nil {
		t.Fatal(err)
	}
	v := &venueProcess{t: t, market: cfg.Feed.Feed.Market}
	v.cmd = exec.Command(binary, append([]string{
		"venue", "--quiet", "--seed", fmt.Sprint(c.Seed), "--instruments", fmt.Sprint(c.Instruments),
		"--rate", fmt.Sprint(c.Rate), "--speed", c.Speed, "--a", c.A.String(), "--b", c.B.String(), "--interface", c.Interface,
		"--history", fmt.Sprint(c.History), "--requests", fmt.Sprint(c.Requests),
		"--retransmit", c.Retransmit.String(), "--control", c.Control.String(),
	}, flags...)...)
	stdout, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.kill)
	v.control = controlURL(t, stdout)
	go io.Copy(io.Discard, stdout) // ends with the process
	return v
}

// kill ends the process without a farewell.
func (v *venueProcess) kill() {
	if v.cmd.ProcessState == nil {
		_ = v.cmd.Process.Kill() // it may have ended
		_ = v.cmd.Wait()
	}
}

// post gives a command to the control endpoint.
func (v *venueProcess) post(path string, body map[string]any) {
	v.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := http.Post(v.control+path, "application/json", bytes.NewReader(b))
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(r.Body)
		v.t.Fatalf("venue: %s %s: %s", path, b, text)
	}
}

// misbehaves makes both lines repeat and reorder packets until they have, and leaves them losing one in a
// hundred. It does not go on repeating: a machine that stalls sends a second's messages at once, and late
// copies of packets that far behind are what the restart of a publisher looks like.
func (v *venueProcess) misbehaves() {
	v.t.Helper()
	both := func(settings map[string]any) {
		v.t.Helper()
		v.post("/lines/a", settings)
		v.post("/lines/b", settings)
	}
	both(map[string]any{"loss": 0.01, "duplicate": 0.05, "reorder": 0.05, "reorder_by": "2ms"})
	eventually(v.t, "lines", func() error {
		truth := v.truth()
		a, b := truth.Lines[0].LineCounts, truth.Lines[1].LineCounts
		if a.Duplicated+b.Duplicated == 0 || a.Reordered+b.Reordered == 0 {
			return fmt.Errorf("too good: %+v", truth.Lines)
		}
		return nil
	})
	both(map[string]any{"duplicate": 0, "reorder": 0})
}

// loses waits until both lines have lost packets.
func (v *venueProcess) loses() {
	v.t.Helper()
	eventually(v.t, "lines", func() error {
		if truth := v.truth(); truth.Lines[0].Lost == 0 || truth.Lines[1].Lost == 0 {
			return fmt.Errorf("too good: %+v", truth.Lines)
		}
		return nil
	})
}

// truth returns what is true of the venue now.
func (v *venueProcess) truth() (truth livevenue.Truth) {
	v.t.Helper()
	getJSON(v.t, v.control+"/truth", &truth)
	return truth
}

// passes waits until the venue has sent a message.
func (v *venueProcess) passes(seq uint64) {
	v.t.Helper()
	eventually(v.t, "venue", func() error {
		if sent := v.truth().Sent; sent < seq {
			return fmt.Errorf("sent %d of %d messages", sent, seq)
		}
		return nil
	})
}

// trades waits until the market is open and so many trades have happened.
func (v *venueProcess) trades(want uint64) {
	v.t.Helper()
	eventually(v.t, "market", func() error {
		n := uint64(0)
		for _, b := range v.truth().Books {
			n += b.Trades.Count
		}
		if n < want {
			return fmt.Errorf("%d of %d trades", n, want)
		}
		return nil
	})
}

// pause stops the market and returns the truth about it.
func (v *venueProcess) pause() livevenue.Truth {
	v.t.Helper()
	v.post("/pause", nil)
	return v.truth()
}

// feedOf returns what the gateway says about its only feed.
func feedOf(t *testing.T, url string) *admin.FeedReport {
	t.Helper()
	var r admin.FeedsReport
	getJSON(t, url+"/feeds", &r)
	if len(r.Feeds) == 0 {
		t.Fatal("the gateway has no feeds")
	}
	return &r.Feeds[0]
}

// reaches waits until the gateway has published, or announced as lost, everything up to a message, and
// waits for nothing.
func reaches(t *testing.T, url string, seq uint64) (f *admin.FeedReport) {
	t.Helper()
	eventually(t, "gateway", func() error {
		f = feedOf(t, url)
		if f.Ledger.Advanced < seq || f.Ledger.GapsOpen.Messages != 0 {
			return fmt.Errorf("at message %d of %d, with %d missing", f.Ledger.Advanced, seq, f.Ledger.GapsOpen.Messages)
		}
		return nil
	})
	return f
}

// A place is what a gateway was started with, and where it is.
type place struct {
	*running
	addr, url string
}

// startAt starts a gateway and waits until it is there.
func startAt(t *testing.T, binary, config string) place {
	t.Helper()
	g := startGateway(t, binary, config)
	p := place{running: g}
	p.addr = g.logged("subscribers")["address"].(string)
	p.url = strings.TrimSuffix(g.logged("admin")["url"].(string), "/")
	g.logged("gateway started")
	return p
}

// writeConfig writes a configuration of one feed on two lines; more is what else it has.
//
// A machine that is busy with tests makes a venue late, and a feed says so with records of its own: not here.
func writeConfig(t *testing.T, dir, lines, subscribers, more string) string {
	t.Helper()
	path := filepath.Join(dir, "tidegate.yaml")
	text := fmt.Sprintf(`feeds:
- name: sim
  protocol: itch
  dataset: XSIM.ITCH
  gap_deadline: 1s
  stale_after: 1m
  silence: 10m
  lines: [%s]
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
subscribers: {%s}
%s`, lines, subscribers, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inNamespace runs the calling test again, in a network namespace that has only a loopback interface,
// so that nothing leaves the machine. It returns the binary to test, or "" where that has happened.
func inNamespace(t *testing.T) (binary string) {
	t.Helper()
	const mark = "TIDEGATE_TEST_IN_NAMESPACE"
	if binary = os.Getenv(mark); binary != "" {
		up(t, "lo")
		return binary
	}
	binary = buildTidegate(t)
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: multicast is tested in a network namespace, which only root may make")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skip("SKIPPED: this machine allows no network namespaces")
	}
	if err != nil {
		t.Errorf("in the namespace: %v\n%s", err, out)
	}
	if testing.Verbose() {
		t.Logf("in the namespace:\n%s", out)
	}
	return ""
}

// up switches an interface on.
func up(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
}
