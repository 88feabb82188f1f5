//go:build linux

package netloop

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs the calling test again in a network namespace of its own that has only a loopback
// interface, so that nothing leaves the machine and nothing comes in. It reports false in the process
// that is not in there, whose test is then over.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "TIDEGATE_TEST_IN_NAMESPACE"
	if os.Getenv(mark) != "" {
		up(t, "lo")
		return true
	}
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
	return false
}

// ip runs the command that sets up interfaces, and skips the test where it cannot.
func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: ip %s: %v: %s", command, err, out)
	}
}

// virtual makes an interface that is like a network card, d0, with a cable to d1.
func virtual(t *testing.T) {
	t.Helper()
	ip(t, "link add d0 type veth peer name d1")
	ip(t, "link set d0 up")
	ip(t, "link set d1 up")
	ip(t, "-6 addr add fd00::1/64 dev d0 nodad")
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

// group returns a group on an interface. The loopback interface has no IPv6 groups.
func group(addr string) Config {
	c := Config{Addr: netip.MustParseAddrPort(addr), Interface: "lo"}
	if c.Addr.Addr().Is6() {
		c.Interface = "d0"
	}
	return c
}

// texts returns what a socket has received.
func texts(t *testing.T, s *Socket) string {
	t.Helper()
	b := NewBatch(BatchDatagrams, DatagramBytes)
	var all []string
	receive(t, s, b, func(i int) { all = append(all, string(b.Payload(i))) })
	return fmt.Sprint(all)
}

func wantTexts(t *testing.T, who string, s *Socket, want string) {
	t.Helper()
	if got := texts(t, s); got != want {
		t.Errorf("%s received %s, want %s", who, got, want)
	}
}

func TestMulticast(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, family := range []struct{ name, a, b, source string }{
		{"IPv4", "239.1.2.3:5000", "239.1.2.4:5000", "127.0.0.1"},
		{"IPv6", "[ff05::1:3]:5000", "[ff05::1:4]:5000", "fd00::1"},
	} {
		t.Run(family.name, func(t *testing.T) {
			if family.name == "IPv6" {
				virtual(t)
			}
			a, toA := pair(t, group(family.a))
			again, _ := pair(t, group(family.a))
			b, toB := pair(t, group(family.b)) // the same port
			send(t, toA, []byte("to a"))
			send(t, toB, []byte("to b"))
			wantTexts(t, "line A", a, "[to a]")
			wantTexts(t, "another socket of line A", again, "[to a]")
			wantTexts(t, "line B", b, "[to b]")

			batch := NewBatch(1, 100)
			send(t, toA, []byte("who"))
			if n, err := a.Receive(batch); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if got := batch.Source(0); got != toA.Local() || got.Addr().String() != family.source {
				t.Errorf("source %s, want %s", got, toA.Local())
			}
			if !batch.Stamp(0).Defined() {
				t.Error("no receive time")
			}
		})
	}
}

// A socket of one source does not hear others, even where another socket has joined the whole group.
func TestMulticastFromOneSource(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, family := range []struct{ name, group, source, other string }{
		{"IPv4", "232.1.2.3:5000", "127.0.0.1", "127.0.0.9"},
		{"IPv6", "[ff35::1:3]:5000", "fd00::1", "fd00::9"},
	} {
		t.Run(family.name, func(t *testing.T) {
			if family.name == "IPv6" {
				virtual(t)
			}
			all, to := pair(t, group(family.group))
			c := group(family.group)
			c.Source = netip.MustParseAddr(family.source)
			right, _ := pair(t, c)
			c.Source = netip.MustParseAddr(family.other)
			wrong, _ := pair(t, c)
			send(t, to, []byte("x"))
			wantTexts(t, "a socket of all sources", all, "[x]")
			wantTexts(t, "a socket of this source", right, "[x]")
			wantTexts(t, "a socket of another source", wrong, "[]")
		})
	}
}

func TestMulticastInterfaces(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	virtual(t)
	ip(t, "link set d0 multicast off")
	ip(t, "link set d1 down")
	c := group("239.1.2.3:5000")
	for name, want := range map[string]string{
		"d0": "interface d0: does not do multicast",
		"d1": "interface d1: is down",
		"d2": `interface "d2": there is none of this name; there are lo`,
	} {
		c.Interface = name
		s, err := Listen(c)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
