//go:build linux

package netloop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/market"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// pair returns a socket and a sender to it.
func pair(t testing.TB, c Config) (*Socket, *Sender) {
	t.Helper()
	s, err := Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	name := ""
	if c.Addr.Addr().IsMulticast() {
		name = c.Interface
	}
	to, err := NewSender(SenderConfig{Addr: s.Addr(), Interface: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	return s, to
}

// numbered returns n payloads of a length, each with its number.
func numbered(n, length int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = bytes.Repeat([]byte{byte(i)}, length)
		binary.BigEndian.PutUint32(all[i], uint32(i))
	}
	return all
}

func send(t testing.TB, s *Sender, payloads ...[]byte) {
	t.Helper()
	if n, err := s.Send(payloads...); err != nil || n != len(payloads) {
		t.Fatalf("sent %d of %d: %v", n, len(payloads), err)
	}
}

// receive takes datagrams until nothing comes. On this machine, what was sent is there.
func receive(t testing.TB, s *Socket, b *Batch, each func(i int)) (n int) {
	t.Helper()
	for {
		k, err := s.Receive(b)
		if err != nil {
			t.Fatal(err)
		}
		if k == 0 {
			return n
		}
		if k != b.Len() {
			t.Fatalf("Receive says %d, the batch %d", k, b.Len())
		}
		for i := range k {
			each(i)
		}
		n += k
	}
}

func TestUnicast(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			s, to := pair(t, Config{Addr: netip.MustParseAddrPort(addr)})
			if s.Addr().Port() == 0 {
				t.Fatalf("address %s: no port", s.Addr())
			}
			// More than one batch; sizes from nothing to the most a batch has room for.
			var want [][]byte
			for i := range 150 {
				want = append(want, bytes.Repeat([]byte{byte(i)}, i*DatagramBytes/149))
			}
			before := market.Nanos(time.Now().UnixNano())
			send(t, to, want...)
			after := market.Nanos(time.Now().UnixNano())
			b := NewBatch(BatchDatagrams, DatagramBytes)
			at, last := 0, before-market.Second // the wall clock may be corrected, but not by so much
			receive(t, s, b, func(i int) {
				if !bytes.Equal(b.Payload(i), want[at]) {
					t.Fatalf("datagram %d: %d bytes, want %d", at, len(b.Payload(i)), len(want[at]))
				}
				if b.Truncated(i) {
					t.Errorf("datagram %d: truncated", at)
				}
				if got := b.Source(i); got != to.Local() {
					t.Fatalf("datagram %d: from %s, want %s", at, got, to.Local())
				}
				if stamp := b.Stamp(i); stamp < last || stamp > after+market.Second {
					t.Errorf("datagram %d: stamp %d: want %d to %d", at, stamp, last, after)
				} else {
					last = stamp
				}
				at++
			})
			if at != len(want) {
				t.Errorf("%d datagrams, want %d", at, len(want))
			}
		})
	}
}

// Without sources, everything else is there.
func TestOmitSources(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	want := numbered(150, 20)
	b := NewBatch(BatchDatagrams, DatagramBytes)
	b.OmitSources()
	for round := range 2 { // the second with headers that the kernel has written
		send(t, to, want...)
		at := 0
		receive(t, s, b, func(i int) {
			if !bytes.Equal(b.Payload(i), want[at]) || !b.Stamp(i).Defined() || b.Source(i).IsValid() {
				t.Fatalf("round %d: datagram %d: %d bytes at %d from %s", round, at, len(b.Payload(i)), b.Stamp(i), b.Source(i))
			}
			at++
		})
		if at != len(want) {
			t.Errorf("round %d: %d datagrams, want %d", round, at, len(want))
		}
	}
}

// Slots that are not received into keep what they have.
func TestReceiveInto(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	b := NewBatch(8, 100)
	all := numbered(1000, 30)
	held := make([]int, 8) // which datagram is in each slot
	for sent, slot := 0, 0; sent < len(all); {
		most := 1 + sent%3
		most = min(most, 8-slot, len(all)-sent)
		send(t, to, all[sent:sent+most]...)
		n, err := s.ReceiveInto(b, slot, most)
		if err != nil || n != most || !b.Full() || b.Len() != n {
			t.Fatalf("%d datagrams of %d, full %t: %v", n, most, b.Full(), err)
		}
		for i := range n {
			held[slot+i] = sent + i
		}
		sent += n
		slot = (slot + n) % 8
		for i, datagram := range held {
			if sent >= 8 && (!bytes.Equal(b.Payload(i), all[datagram]) || !b.Stamp(i).Defined() || b.Source(i) != to.Local()) {
				t.Fatalf("slot %d: %x at %d from %s, want datagram %d", i, b.Payload(i), b.Stamp(i), b.Source(i), datagram)
			}
		}
	}
}

func TestTruncatedDatagramsAreMarked(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	payloads := numbered(3, 100)
	payloads[1] = bytes.Repeat([]byte{7}, 101)
	send(t, to, payloads...)
	b := NewBatch(8, 100)
	var truncated []bool
	receive(t, s, b, func(i int) {
		truncated = append(truncated, b.Truncated(i))
		if len(b.Payload(i)) != 100 {
			t.Errorf("%d bytes, want 100", len(b.Payload(i)))
		}
	})
	if want := []bool{false, true, false}; len(truncated) != 3 || truncated[0] || !truncated[1] || truncated[2] {
		t.Errorf("truncated: %v, want %v", truncated, want)
	}
	// A view must not reach into the next datagram's memory.
	if got := cap(b.Payload(0)); got != 100 {
		t.Errorf("payload has capacity %d, want 100", got)
	}
}

// What the kernel dropped is told with the first datagram that it keeps again, once.
func TestKernelDropsAreReported(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback, ReceiveBuffer: 4096})
	b := NewBatch(BatchDatagrams, DatagramBytes)
	total, sent := 0, 0
	for round := range 3 {
		send(t, to, numbered(200, 100)...)
		sent += 200
		kept, dropped := 0, 0
		receive(t, s, b, func(i int) {
			if i == 0 {
				dropped += int(b.Dropped())
			}
			kept++
		})
		if kept == 0 || kept == 200 {
			t.Fatalf("kept %d of 200: the buffer was to be too small, not useless", kept)
		}
		send(t, to, []byte("one more"))
		sent++
		receive(t, s, b, func(int) { dropped += int(b.Dropped()); kept++ })
		if total += kept + dropped; total != sent {
			t.Errorf("round %d: %d kept or dropped, %d sent", round, total, sent)
		}
	}
}

func TestReceiveBuffer(t *testing.T) {
	s, _ := pair(t, Config{Addr: loopback, ReceiveBuffer: 100_000})
	if asked, granted := s.ReceiveBuffer(); asked != 100_000 || granted != 100_000 || s.Warning() != "" {
		t.Errorf("asked %d, granted %d, warning %q, want 100000 twice and no warning", asked, granted, s.Warning())
	}
	s, _ = pair(t, Config{Addr: loopback})
	if asked, _ := s.ReceiveBuffer(); asked != ReceiveBufferDefault {
		t.Errorf("asked for %d, want %d", asked, ReceiveBufferDefault)
	}
	s.granted = 212_992
	want := s.Addr().String() + ": the receive buffer has 212992 bytes, not the 33554432 asked for"
	if got := s.Warning(); !strings.HasPrefix(got, want) {
		t.Errorf("warning %q, want it to start with %q", got, want)
	}
}

func TestListenErrors(t *testing.T) {
	taken, _ := pair(t, Config{Addr: loopback})
	group := netip.MustParseAddrPort("239.1.2.3:5000")
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, "address: none given"},
		{"port in use", Config{Addr: taken.Addr()}, "listen: to " + taken.Addr().String() + ": port "},
		{"not ours", Config{Addr: netip.MustParseAddrPort("192.0.2.1:5000")}, "192.0.2.1 is not an address of this machine"},
		{"unicast on an interface", Config{Addr: loopback, Interface: "lo"}, "interface lo: only a multicast group"},
		{"unicast with a source", Config{Addr: loopback, Source: loopback.Addr()}, "source 127.0.0.1: only a multicast group"},
		{"group without a port", Config{Addr: netip.AddrPortFrom(group.Addr(), 0), Interface: "lo"}, "port 0"},
		{"group without an interface", Config{Addr: group}, "no interface"},
		{"no such interface", Config{Addr: group, Interface: "eth99"}, `interface "eth99": there is none of this name; there are lo`},
		{"source of another family", Config{Addr: group, Interface: "lo", Source: netip.MustParseAddr("::1")}, "source ::1: not of the group's address family"},
		{"source is a group", Config{Addr: group, Interface: "lo", Source: group.Addr()}, "source 239.1.2.3: is a group"},
		{"buffer", Config{Addr: loopback, ReceiveBuffer: -1}, "receive buffer -1 bytes: want 0 to "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Listen(tt.c)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := Listen(Config{Addr: taken.Addr()}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("port in use: got %v, want it to wrap EADDRINUSE", err)
	}
}

func TestSenderErrors(t *testing.T) {
	for _, c := range []SenderConfig{
		{},
		{Addr: loopback},
		{Addr: netip.MustParseAddrPort("239.1.2.3:5000"), Interface: "eth99"},
		{Addr: netip.MustParseAddrPort("127.0.0.1:5000"), Hops: 256},
	} {
		if s, err := NewSender(c); err == nil {
			s.Close()
			t.Errorf("%+v: no error", c)
		}
	}
}

// Nobody listening is not an error, and costs no datagram once somebody does.
func TestSenderToNobody(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	addr := s.Addr()
	s.Close()
	for range 3 {
		send(t, to, numbered(5, 10)...)
	}
	s, err := Listen(Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send(t, to, numbered(5, 10)...)
	b := NewBatch(BatchDatagrams, DatagramBytes)
	if n := receive(t, s, b, func(int) {}); n != 5 {
		t.Errorf("%d datagrams, want 5", n)
	}
}

func TestSendSegments(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	const size = 300
	want := numbered(64, size)
	want[63] = want[63][:100] // the last one may be shorter
	if err := to.SendSegments(bytes.Join(want, nil), size); err != nil {
		t.Fatal(err)
	}
	b := NewBatch(BatchDatagrams, DatagramBytes)
	at := 0
	receive(t, s, b, func(i int) {
		if !bytes.Equal(b.Payload(i), want[at]) {
			t.Errorf("datagram %d differs", at)
		}
		at++
	})
	if at != len(want) {
		t.Errorf("%d datagrams, want %d", at, len(want))
	}
	for _, size := range []int{0, -1, 65_001, 299} { // with 299, there would be 65
		if err := to.SendSegments(make([]byte, 64*300), size); err == nil {
			t.Errorf("segments of %d bytes: no error", size)
		}
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	s, to := pair(t, Config{Addr: loopback})
	b := NewBatch(BatchDatagrams, DatagramBytes)
	payloads := numbered(100, 200)
	segments := bytes.Join(payloads[:10], nil)
	var bytesSeen int
	var sum market.Nanos
	got := 0
	n := testing.AllocsPerRun(20, func() {
		send(t, to, payloads...)
		if err := to.SendSegments(segments, 200); err != nil {
			t.Fatal(err)
		}
		for {
			k, err := s.Receive(b)
			if err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				return
			}
			for i := range k {
				bytesSeen += len(b.Payload(i))
				sum += b.Stamp(i)
				if b.Source(i) != to.Local() {
					t.Fatal("wrong source")
				}
			}
			got += k
		}
	})
	if n != 0 {
		t.Errorf("sending and receiving 110 datagrams allocates %.1f times, want 0", n)
	}
	if got != 21*110 || bytesSeen != got*200 {
		t.Errorf("%d datagrams of %d bytes in all, want %d of 200 each", got, bytesSeen, 21*110)
	}
}

// Whatever the kernel wrote as control data, control does not read beyond it.
func FuzzControl(f *testing.F) {
	s, to := pair(f, Config{Addr: loopback, ReceiveBuffer: 4096})
	b := NewBatch(BatchDatagrams, DatagramBytes)
	send(f, to, numbered(200, 100)...)
	receive(f, s, b, func(int) {})
	send(f, to, []byte("x"))
	if n, err := s.Receive(b); n != 1 || err != nil {
		f.Fatal(n, err)
	}
	f.Add(bytes.Clone(b.controls[:b.headers[0].Hdr.Controllen]), 0)
	f.Add(make([]byte, controlBytes), 3)
	f.Add([]byte{}, 0)
	one := NewBatch(2, 1)
	f.Fuzz(func(t *testing.T, control []byte, more int) {
		n := copy(one.controls[controlBytes:], control) // of the last datagram: nothing lies behind it
		one.headers[1].Hdr.SetControllen(min(n+max(0, more), 2*controlBytes))
		one.control(1, 0)
	})
}
