package soupbintcp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"tidegate/market"
)

func seed(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	var all []byte
	for i, g := range golden {
		f.Add(unhex(g.wire), uint64(i))
		all = append(all, unhex(g.wire)...)
	}
	f.Add(all, uint64(1))
	f.Add(script("A1", "Sa", "H", "Sb", "+x", "Z", "Sc"), uint64(2))
	f.Add(script("A1", "Sa", "A1"), uint64(3))
	f.Add(append(request(session, 7), unhex("0001 52 0002 55 41 0001 4f")...), uint64(4))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint64(5))
}

// pieces returns a way to split a stream.
func pieces(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 0))
	longest := 1 + r.IntN(64)
	return func(int) int { return 1 + r.IntN(longest) }
}

// FuzzDecoder: no bytes make it panic, how they are split makes no difference, and it agrees with its
// plain twin.
func FuzzDecoder(f *testing.F) {
	seed(f)
	const payloadMax = 300
	d := NewDecoder(payloadMax)
	f.Fuzz(func(t *testing.T, stream []byte, split uint64) {
		want, wantErr := decodePlain(stream, payloadMax)
		for _, split := range []func(int) int{whole, bytewise, pieces(split)} {
			d.Reset()
			if got := decode(d, stream, split); fmt.Sprint(got) != fmt.Sprint(want) || d.Err() != wantErr {
				t.Fatalf("%q, %v, want %q, %v", got, d.Err(), want, wantErr)
			}
		}
	})
}

// life gives an end a stream in pieces, all at one time, and returns all that comes of it.
func life(e interface {
	end
	OnTick(market.Nanos)
	Due() market.Nanos
	Err() error
	NextSeq() uint64
	Online() bool
}, stream []byte, next func(int) int,
) string {
	var b strings.Builder
	for len(stream) > 0 {
		n := copy(e.Room(), stream[:min(next(len(stream)), len(stream))])
		if n == 0 {
			break // it is over, and nobody takes packets out any more
		}
		e.Read(n, at(1))
		stream = stream[n:]
		for ev, ok := e.Poll(); ok; ev, ok = e.Poll() {
			fmt.Fprintf(&b, "%s (%d, %d)\n", describe(ev), ev.Seq, ev.Asked)
		}
	}
	fmt.Fprintf(&b, "online %t, next %d, error %v, due %d\n", e.Online(), e.NextSeq(), e.Err(), e.Due())
	e.OnTick(at(2000))
	fmt.Fprintf(&b, "said %x, due %d\n", e.Output(), e.Due())
	e.OnTick(at(100_000))
	fmt.Fprintf(&b, "error %v\n", e.Err())
	if e.Online() {
		b.WriteString("still online after a long silence")
	}
	return b.String()
}

// FuzzClient: no server makes a client panic, how its bytes are split makes no difference, and numbers
// go up by one.
func FuzzClient(f *testing.F) {
	seed(f)
	c := NewClient(testClientConfig()) // one for all, since it is 32 KiB and more
	connect := func() {
		c.NextSession()
		c.Connect(at(0))
	}
	f.Fuzz(func(t *testing.T, stream []byte, split uint64) {
		var lives [3]string
		for i, split := range []func(int) int{whole, bytewise, pieces(split)} {
			connect()
			lives[i] = life(c, stream, split)
		}
		if lives[0] != lives[1] || lives[0] != lives[2] {
			t.Fatalf("whole:\n%s\nbyte by byte:\n%s\nin pieces:\n%s", lives[0], lives[1], lives[2])
		}
		connect()
		c.Read(copy(c.Room(), stream), at(1))
		var last uint64
		for e, ok := c.Poll(); ok; e, ok = c.Poll() {
			switch {
			case e.Kind == LoggedIn:
				last = e.Seq - 1
			case e.Kind == Message && e.Seq != last+1:
				t.Fatalf("message %d after %d", e.Seq, last)
			case e.Kind == Message:
				last = e.Seq
			}
		}
	})
}

// FuzzServer: no client makes a server panic, how its bytes are split makes no difference, and nothing
// that it takes makes it say more than one answer to a login and heartbeats.
func FuzzServer(f *testing.F) {
	seed(f)
	s := offering(3, 10)
	f.Fuzz(func(t *testing.T, stream []byte, split uint64) {
		var lives [3]string
		for i, split := range []func(int) int{whole, bytewise, pieces(split)} {
			s.Connect(at(0))
			lives[i] = life(s, stream, split)
			if n := len(s.Output()); n > HeaderLen+loginAcceptedLen+HeaderLen {
				t.Fatalf("said %d bytes: %x", n, s.Output())
			}
		}
		if lives[0] != lives[1] || lives[0] != lives[2] {
			t.Fatalf("whole:\n%s\nbyte by byte:\n%s\nin pieces:\n%s", lives[0], lives[1], lives[2])
		}
	})
}
