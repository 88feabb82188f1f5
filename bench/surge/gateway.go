package surge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A gateway is a process that runs a market.
type gateway struct {
	cmd    *exec.Cmd
	config string
	addr   string // of OUCH
	over   chan struct{}
}

// Users: "cancel", "high", and "n0" to "n999". All have one password.
const (
	password = "SURGE"
	highSize = 1000 // by price: 10,000 units of the quote asset
	startMax = time.Minute
)

// writeConfig writes the configuration of a gateway. hash is of the password.
func writeConfig(dir, hash string, o *Options, relaxed bool) (string, error) {
	var b strings.Builder
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // a gateway has a feed; nobody sends
	if err != nil {
		return "", err
	}
	line := c.LocalAddr().String()
	if err := c.Close(); err != nil {
		return "", err
	}
	durability := "journaled"
	if relaxed {
		durability = "relaxed"
	}
	fmt.Fprintf(&b, `feeds:
- {name: none, protocol: itch, dataset: XSIM.ITCH, lines: [{name: A, address: "%s", receive_buffer: 64 KiB}]}
subscribers: {listen: "127.0.0.1:0", keys: [{name: none, key: nobody-nobody-nobody-nobody-nobo}]}
admin: {listen: ""}
log: {format: json}
loop: {idle: park, tick: 10ms}
orders:
  dir: market
  durability: %s
  matching_loops: %d
  publish: false
  instruments: [{id: 1, symbol: SURGE, tick: 0.01, high_notional: 5000}]
  ouch: {listen: "127.0.0.1:0", limits: {connections_per_address: 10000, connections_per_second: 10000, slow: 1m}}
  memory: {orders: 4194304, ids: 1048576, reports: 16384}
  accounts:
`, line, durability, o.Loops)
	users := userNames(o)
	for i, u := range users {
		fmt.Fprintf(&b, "  - {id: %d, name: %s, unchecked: true}\n", i+1, u)
	}
	b.WriteString("  sessions:\n")
	for i, u := range users {
		fmt.Fprintf(&b, "  - {id: %d, name: %s, accounts: [%s], ouch: {username: %s, password_hash: %s}}\n", i+1, u, u, u, hash)
	}
	path := filepath.Join(dir, "tidegate.yaml")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

func userNames(o *Options) []string {
	users := []string{"cancel", "high"}
	for i := range o.Accounts {
		users = append(users, fmt.Sprintf("n%d", i))
	}
	return users
}

// startGateway starts a gateway and waits until it takes orders.
func startGateway(ctx context.Context, binary, config string) (*gateway, error) {
	g := &gateway{cmd: exec.Command(binary, "run", "-c", config), config: config, over: make(chan struct{})}
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	addr, said := make(chan string, 1), make(chan string, 1)
	go func() {
		defer close(g.over)
		var text strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) != nil && text.Len() < 4096 {
				text.WriteString(lines.Text() + "\n")
			}
			if line.Msg == "orders by ouch" {
				addr <- line.Address
			}
		}
		_, _ = io.Copy(io.Discard, stderr)
		said <- text.String()
	}()
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	select {
	case g.addr = <-addr:
		return g, nil
	case text := <-said:
		_ = g.cmd.Wait()
		return nil, fmt.Errorf("the gateway did not start:\n%s", text)
	case <-ctx.Done():
		g.kill()
		return nil, errors.New("the gateway did not start in time")
	}
}

// kill ends the gateway as a crash would.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.over
	_ = g.cmd.Wait()
}

// memory returns the most memory that the process has had, in bytes.
func (g *gateway) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
