package entry

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

var goldenDatagrams = []struct {
	d    Datagram
	head int
	hex  string
}{
	{Datagram{Src: netip.MustParseAddrPort("192.0.2.1:258"), Dst: netip.MustParseAddrPort("224.0.0.9:1"), Payload: []byte("tide")}, 16, "0201" + "0100" + "04000000" + "c0000201" + "e0000009" + "74696465"},
	{Datagram{Src: netip.MustParseAddrPort("[2001:db8::1]:2"), Dst: netip.MustParseAddrPort("[ff02::9]:3"), Payload: []byte{}}, 40, "0200" + "0300" + "10000000" + "20010db8000000000000000000000001" + "ff020000000000000000000000000009"},
	{Datagram{Src: netip.MustParseAddrPort("192.0.2.1:0"), Dst: netip.MustParseAddrPort("[ff02::9]:3"), Payload: []byte{1}}, 40, "0000" + "0300" + "10000000" + "00000000000000000000ffffc0000201" + "ff020000000000000000000000000009" + "01"},
}

func TestDatagram(t *testing.T) {
	for _, g := range goldenDatagrams {
		want, err := hex.DecodeString(g.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.d.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x", g.d, got, want)
		}
		var back Datagram
		if err := back.Parse(want); err != nil || !reflect.DeepEqual(back, g.d) {
			t.Errorf("parsed to %v, %v, want %v", back, err, g.d)
		}
		for n := range g.head {
			if err := back.Parse(want[:n]); !errors.Is(err, ErrCut) {
				t.Errorf("%v: %d bytes: %v, want ErrCut", g.d, n, err)
			}
		}
	}
	b := goldenDatagrams[0].d.Append(nil)
	b[4] = 5
	if err := new(Datagram).Parse(b); !errors.Is(err, ErrCut) {
		t.Errorf("an address of 5 bytes: %v", err)
	}
	mapped := Datagram{Src: netip.MustParseAddrPort("[::ffff:192.0.2.1]:1"), Dst: netip.MustParseAddrPort("[::ffff:224.0.0.9]:1")}
	if got := mapped.Append(nil); got[4] != 4 {
		t.Errorf("%v: %x, want addresses of IPv4", mapped, got)
	}
}

func FuzzDatagram(f *testing.F) {
	for _, g := range goldenDatagrams {
		f.Add(g.d.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, again Datagram
		if d.Parse(b) != nil {
			return
		}
		if err := again.Parse(d.Append(nil)); err != nil || !reflect.DeepEqual(d, again) {
			t.Errorf("%v became %v, %v", d, again, err)
		}
	})
}
