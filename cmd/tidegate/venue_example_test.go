//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidegate/gateway/config"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

const venueExample = "../../deploy/venue.example.yaml"

// The example's addresses are those of the venue's flags.
func TestVenueExampleFitsTheVenue(t *testing.T) {
	cfg, err := config.Load(venueExample)
	if err != nil {
		t.Fatal(err)
	}
	lines := livevenue.DefaultConfig(1).Feed.Feed.Lines
	if len(cfg.Feeds) != 1 || len(cfg.Feeds[0].Providers[0].Lines) != len(lines) {
		t.Fatalf("feeds %+v, want one of the venue's %d lines", cfg.Feeds, len(lines))
	}
	for i, l := range cfg.Feeds[0].Providers[0].Lines {
		if l.Addr != lines[i].Group || l.ID.String() != lines[i].Name {
			t.Errorf("line %s at %s, the venue sends %s to %s", l.ID, l.Addr, lines[i].Name, lines[i].Group)
		}
	}
	if p := cfg.Feeds[0].Publisher; p != market.Simulated {
		t.Errorf("publisher %v, want that of the simulated venue", p)
	}
}

// The commands that the example names work together, with ports of their own.
func TestVenueExample(t *testing.T) {
	binary := buildTidegate(t)
	text, err := os.ReadFile(venueExample)
	if err != nil {
		t.Fatal(err)
	}
	a, b := free("udp", 0), free("udp", 0)
	subscribers, admin := free("tcp", 0), free("tcp", 0)
	config := filepath.Join(t.TempDir(), "venue.yaml")
	moved := strings.NewReplacer("127.0.0.1:26400", a, "127.0.0.1:26401", b, "127.0.0.1:13000", subscribers, "127.0.0.1:8080", admin).Replace(string(text)) + "log: {format: json}\n"
	if err := os.WriteFile(config, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := startGateway(t, binary, config)
	gateway.logged("gateway started")
	venue := exec.Command(binary, "venue", "--a", a, "--b", b, "--retransmit", "127.0.0.1:0", "--control", "127.0.0.1:0")
	if err := venue.Start(); err != nil {
		t.Fatal(err)
	}
	defer venue.Wait()
	defer venue.Process.Signal(syscall.SIGTERM)
	gateway.logged("feed receives")

	_, after, _ := strings.Cut(string(text), "export TIDEGATE_KEY=")
	key, _, _ := strings.Cut(after, "\n")
	for dataset, rest := range map[string][]string{
		"XSIM.ITCH": {"--schema", "mbp-1", "ALFA"},
		"TIDE.CONS": {"--schema", "cmbp-1"},
	} {
		wantContains(t, "the example", string(text), fmt.Sprintf("tidegate subscribe --dataset %s %s\n", dataset, strings.Join(rest, " ")))
		args := append([]string{"subscribe", "--addr", subscribers, "--view", "lines", "--count", "3", "--for", "20s", "--dataset", dataset}, rest...)
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "TIDEGATE_KEY="+key)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "3 data records") {
			t.Errorf("%s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}
