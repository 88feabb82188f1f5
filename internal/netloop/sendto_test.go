//go:build linux

package netloop

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a socket sends can be answered, and the answer comes to the socket.
func TestSendTo(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		any := Config{Addr: netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}
		client, err := Listen(any)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := Listen(any)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		peer, err := NewPeer(server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		payload := []byte("question")
		if n := testing.AllocsPerRun(20, func() {
			if err := client.SendTo(payload, &peer); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
		b := NewBatch(BatchDatagrams, 100)
		if n, err := server.Receive(b); n != 21 || err != nil || string(b.Payload(0)) != "question" {
			t.Fatalf("%s: received %d datagrams: %v", ip, n, err)
		}
		if b.Source(0) != client.Addr() {
			t.Fatalf("a question from %s, want %s", b.Source(0), client.Addr())
		}
		back, err := NewPeer(b.Source(0))
		if err != nil {
			t.Fatal(err)
		}
		if err := server.SendTo([]byte("answer"), &back); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Receive(b); n != 1 || err != nil || string(b.Payload(0)) != "answer" || b.Source(0) != peer.Addr() {
			t.Errorf("%s: received %d datagrams, the first from %s: %v", ip, n, b.Source(0), err)
		}

		// That nobody listens, which the kernel tells by way of the next call, harms nothing.
		server.Close()
		for range 3 {
			if err := client.SendTo(payload, &peer); err != nil {
				t.Error(err)
			}
		}
		if n, err := client.Receive(b); n != 0 || err != nil {
			t.Errorf("%s: received %d datagrams: %v", ip, n, err)
		}
	}
}

func TestSendToFails(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "239.1.1.1:5", "0.0.0.0:5", "[fe80::1%lo]:5", "[ff05::1]:5"} {
		if _, err := NewPeer(netip.MustParseAddrPort(addr)); err == nil || !strings.HasPrefix(err.Error(), "send: to "+addr+": want ") {
			t.Errorf("%s: error %v", addr, err)
		}
	}
	if _, err := NewPeer(netip.AddrPort{}); err == nil {
		t.Error("no address is taken")
	}
	s, err := Listen(Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	peer, err := NewPeer(netip.MustParseAddrPort("127.0.0.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendTo(make([]byte, 70_000), &peer); !errors.Is(err, unix.EMSGSIZE) || !strings.HasPrefix(err.Error(), "send: to 127.0.0.1:9: ") {
		t.Errorf("error %v", err)
	}
}
