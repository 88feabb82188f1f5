package ouch50

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzParse: no bytes make a Parse panic or read what is not there. What is read says itself again,
// byte by byte, apart from the length of an empty appendage where it can be missing.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	for i, g := range golden {
		f.Add(unhex(g.wire))
		if _, bare := specOf(unhex(g.wire), g.client); bare > 10 {
			f.Add(with(i, option(99, 1)))
		}
	}
	f.Add(unhex("58 00000007 00000064 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)] // no room behind the message to read by mistake
		for _, g := range golden {
			m := fresh(g.msg)
			err := m.Parse(b)
			known := len(b) > 0 && b[0] == unhex(g.wire)[0]
			switch {
			case len(b) == 0 && err != ErrShort, len(b) > 0 && known == (err == ErrType):
				t.Fatalf("%s: %x: %v", g.name, b, err)
			case unread(err) && err != ErrField && !reflect.DeepEqual(m, fresh(g.msg)):
				t.Fatalf("%s: %x: %v, and read as %+v", g.name, b, err, m)
			case err != nil && err != ErrField:
				continue
			}
			if check, ok := m.(interface{ Check() RejectReason }); ok && (err == nil) != (check.Check() == 0) {
				t.Fatalf("%s: %x: %v, and the reason is %s", g.name, b, err, check.Check())
			}
			want := b
			if s, bare := specOf(b, g.client); s.rule == optional && len(b) == bare+2 {
				want = b[:bare]
			}
			got := m.Append(nil)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s:\n got %x\nwant %x", g.name, got, want)
			}
			again := fresh(g.msg)
			if err2 := again.Parse(got); err2 != err || len(want) == len(b) && !reflect.DeepEqual(again, m) {
				t.Fatalf("%s: %x: %v, then %v", g.name, b, err, err2)
			}
		}
	})
}
