//go:build linux

package livevenue

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/codec/moldudp64"
	"tidegate/internal/netloop"
	"tidegate/internal/venue"
	"tidegate/market"
)

// Two groups carry the exchange, and a gateway's own sockets hear it. It runs in a network namespace
// that has only a loopback interface, so that nothing leaves the machine.
func TestMulticast(t *testing.T) {
	const mark = "TIDEGATE_TEST_IN_NAMESPACE"
	if os.Getenv(mark) == "" {
		inNamespace(t, mark)
		return
	}
	up(t, "lo")
	groups := []netip.AddrPort{netip.MustParseAddrPort("239.255.1.1:26400"), netip.MustParseAddrPort("239.255.1.2:26400")}
	poller, err := netloop.NewPoller(netloop.Park, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	var sockets []*netloop.Socket
	for _, g := range groups {
		s, err := netloop.Listen(netloop.Config{Addr: g, Interface: "lo"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := poller.Add(s); err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, s)
	}
	var traded venue.Config
	run(t, func(c *Config) {
		for i := range groups {
			c.Feed.Feed.Lines[i].Group = groups[i]
		}
		c.Interface = "lo"
		c.Feed.Endless, c.Feed.Speed = false, 20
		c.Feed.Feed.Market.Trading = market.Second
		traded = c.Feed.Feed.Market
	})

	heard := make([][]moldudp64.Packet, len(groups))
	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)
	deadline := time.Now().Add(20 * time.Second)
	for !ended(heard[0]) || !ended(heard[1]) {
		busy := false
		for i, s := range sockets {
			n, err := s.Receive(batch)
			if err != nil {
				t.Fatal(err)
			}
			busy = busy || n > 0
			for k := range n {
				p, err := moldudp64.Parse([]byte(string(batch.Payload(k))))
				if err != nil {
					t.Fatal(err)
				}
				heard[i] = append(heard[i], p)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s: %d and %d packets", len(heard[0]), len(heard[1]))
		}
		if err := poller.Idle(market.Nanos(time.Now().UnixNano()), busy); err != nil {
			t.Fatal(err)
		}
	}
	want := day(t, traded)
	for i := range heard {
		wantMessages(t, groups[i].String(), messages(heard[i]), want)
	}
}

// inNamespace runs the calling test again in a network namespace of its own.
func inNamespace(t *testing.T, mark string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: multicast is tested in a network namespace, which only root may make")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
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
