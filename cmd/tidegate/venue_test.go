package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

// venueArgs runs a venue on addresses that nobody else uses: the lines go to a socket that is never
// read.
func venueArgs(t *testing.T, more ...string) []string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	sink := conn.LocalAddr().String()
	return append([]string{
		"venue", "--a", sink, "--b", sink, "--retransmit", "127.0.0.1:0", "--control", "127.0.0.1:0",
	}, more...)
}

func TestVenueHelp(t *testing.T) {
	t.Setenv("COLUMNS", "250")
	wantContains(t, "venue --help", mustRun(t, "venue", "--help"),
		"--seed", "--rate", "--speed", "--trading", "--a=127.0.0.1:26400", "--interface", "--retransmit",
		"--control=127.0.0.1:26480", "--imperfect", "--protected", "SIGTERM", "/lines/a", "/truth", "/pause")
}

func TestVenueUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"--speed max":         "--speed \"max\": want a multiple from 0.001x to 10000x",
		"--speed 20000x":      "speed 20000: want 0.001 to 10000",
		"--instruments 0":     "--instruments 0: want 1 to 65535",
		"--instruments 65536": "--instruments 65536: want 1 to 65535",
		"--rate 0":            "--rate 0: want 1 to 10000000",
		"--trading 1ms":       "--trading 1ms: want 1s to 23h58m58s",
		"--trading 24h":       "--trading 24h0m0s: want 1s to 23h58m58s",
		"--trading=-1s":       "--trading -1s: want 1s to 23h58m58s",
		"--history 0":         "history 0 messages: want 1 to",
		"--requests 0":        "requests per second 0: want 1 to",
		"--control 0.0.0.0:0": "control address 0.0.0.0:0: want one of the loopback interface",
		"--a here":            `--a: found "here", want an address and a port, such as 127.0.0.1:26400 or [::1]:26400`,
		"--b 127.0.0.1":       `--b: found "127.0.0.1", want an address and a port`,
		"--control nope:1":    `--control: found "nope:1", want an address and a port`,
		"--b 239.1.1.1:26400": "want an interface for a multicast group",
	} {
		code, stdout, stderr := tidegate(t, venueArgs(t, strings.Fields(line)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("venue %s: exit %d, stdout %q, stderr %q; want %q", line, code, stdout, stderr, want)
		}
	}
}

func TestVenueFailures(t *testing.T) {
	for line, want := range map[string]string{
		"--a 127.0.0.1:0":            "line A: send: to 127.0.0.1:0: want an address and a port",
		"--retransmit 192.0.2.1:999": "venue: retransmit server: listen udp 192.0.2.1:999",
	} {
		code, stdout, stderr := tidegate(t, venueArgs(t, strings.Fields(line)...)...)
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("venue %s: exit %d, stdout %q, stderr %q; want %q", line, code, stdout, stderr, want)
		}
	}
}

// The longest day is one that the venue takes: what the flags say, its configuration must.
func TestVenueLimits(t *testing.T) {
	for _, c := range []venueCmd{{Trading: venueTradingMax, Instruments: 1, Rate: 10_000_000}, {Trading: time.Second, Instruments: 65_535, Rate: 1}} {
		c.Speed, c.History, c.Requests = "1x", 1, 1
		c.A, c.B = netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
		c.Control = netip.MustParseAddrPort("127.0.0.1:3")
		if _, err := c.config(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, c := range []generateCaptureCmd{{Trading: tradingMax, Instruments: 1, Rate: 10_000_000}, {Trading: time.Second, Instruments: 65_535, Rate: 1}} {
		if err := c.config().Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A second venue is told why it cannot be.
func TestVenueAddressInUse(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	code, _, stderr := tidegate(t, venueArgs(t, "--retransmit", conn.LocalAddr().String())...)
	if code != exitFailure {
		t.Errorf("exit %d", code)
	}
	wantContains(t, "stderr", stderr, "address already in use: another venue may be running; --retransmit and --control take other addresses")
}

// A venue with a closing time ends by itself and says what it did.
func TestVenueCloses(t *testing.T) {
	stdout := mustRun(t, venueArgs(t, "--trading", "1s", "--speed", "20x", "--imperfect", "--instruments", "3", "--seed", "7")...)
	wantContains(t, "venue", stdout, "seed 7, 3 instruments, 1600 messages a second at 20x, for 1s of the market's time",
		"line A      udp 127.0.0.1:", "control     http://127.0.0.1:", "session TIDE000001 ended after message ", "line B: ",
		"retransmit: 0 requests")
}

// A venue that is told to stop closes the market, and exits with success: that is how it is used.
func TestVenueProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	binary := filepath.Join(t.TempDir(), "tidegate")
	if b, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := exec.Command(binary, venueArgs(t, "--rate", "500")...)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		control := controlURL(t, stdout)
		answer, err := http.Post(control+"/lines/a", "application/json", strings.NewReader(`{"down": true}`))
		if err != nil {
			t.Fatal(err)
		}
		var line livevenue.LineStatus
		if err := json.NewDecoder(answer.Body).Decode(&line); err != nil || !line.Down {
			t.Errorf("%v: line %+v: %v", signal, line, err)
		}
		answer.Body.Close()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(stdout)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || stderr.String() != "" {
			t.Errorf("%v: %v, stderr %q", signal, err, stderr.String())
		}
		wantContains(t, "venue", string(rest), "session TIDE000001 ended", "line A: ")
	}
}

// controlURL reads what a venue prints until it has said where it is controlled.
func controlURL(t *testing.T, stdout io.Reader) string {
	t.Helper()
	pattern := regexp.MustCompile(`control +(http://[0-9.:]+)/lines.*\n`)
	var said []byte
	for b := make([]byte, 4096); ; {
		n, err := stdout.Read(b)
		said = append(said, b[:n]...)
		if m := pattern.FindSubmatch(said); m != nil {
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("%v after %q", err, said)
		}
	}
}

// An interrupt before anything was published is a stop like any other.
func TestVenueStoppedAtOnce(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	code, stdout, stderr := tidegateUntil(stopped, venueArgs(t)...)
	if code != exitOK || stderr != "" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	wantContains(t, "venue", stdout, "session TIDE000001 ended after message")
}

func TestVenueStatusLine(t *testing.T) {
	var before, now livevenue.Truth
	before.Session, before.Sent = "TIDE000001", 1000
	now.Session, now.Sent = "TIDE000001", 17_000
	lines := []livevenue.LineStatus{{Name: "A"}, {Name: "B"}}
	lines[0].Counts = venue.LineCounts{Packets: 400, Lost: 3}
	want := "TIDE000001 message 17000, 1600 a second; A 3 lost of 400; B 0 lost of 0"
	if got := statusLine(before, now, lines); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	now.Paused, now.Slipped = true, 1500*market.Millisecond
	now.Retransmit = venue.RequestCounts{Requests: 9, Answered: 8}
	lines[0].Down = true
	lines[1].Clogged, lines[1].Held = true, 12
	want = "TIDE000001 message 17000, paused; A 3 lost of 400, down; B 0 lost of 0, clogged with 12; 8 of 9 requests answered; behind, 1.5s in all"
	if got := statusLine(before, now, lines); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
