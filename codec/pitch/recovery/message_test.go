package recovery

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits, spaces aside.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A message is one of the structs.
type message interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

var golden = []struct {
	wire string
	want message
}{
	{
		"01 30303037 54494445 2020 73616c7477617465 7231",
		&Login{[4]byte([]byte("0007")), [4]byte([]byte("TIDE")), [10]byte([]byte("saltwater1"))},
	},
	{"02 4e", &LoginResponse{NotAuthorized}},
	{"03 07 04030201 0605", &GapRequest{7, 0x01020304, 0x0506}},
	{"04 07 04030201 0605 4f", &GapResponse{GapRequest{7, 0x01020304, 0x0506}, GapOutOfRange}},
	{"80 04030201", &SpinImageAvailable{0x01020304}},
	{"81 04030201", &SpinRequest{0x01020304}},
	{"82 04030201 08070605 41", &SpinResponse{0x01020304, 0x05060708, SpinAccepted}},
	{"83 04030201", &SpinFinished{0x01020304}},
}

func TestGoldenMessages(t *testing.T) {
	for _, tt := range golden {
		wire := unhex(tt.wire)
		if got := tt.want.Append([]byte("x")); !bytes.Equal(got[1:], wire) {
			t.Errorf("%+v: %x, want %x", tt.want, got[1:], wire)
		}
		got := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface().(message)
		if err := got.Parse(wire[:len(wire)-1]); err != ErrLength || !reflect.ValueOf(got).Elem().IsZero() {
			t.Errorf("%x cut: %+v, %v, want %v", wire, got, err, ErrLength)
		}
		for _, b := range [][]byte{wire, append(wire, 0xee)} { // a longer one is of a later edition
			if err := got.Parse(b); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%x: %+v, %v, want %+v", b, got, err, tt.want)
			}
		}
		for _, b := range [][]byte{nil, {0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
			if err := got.Parse(b); err != ErrType {
				t.Errorf("%T of %x: %v, want %v", got, b, err, ErrType)
			}
		}
	}
}

func TestStatusesPrint(t *testing.T) {
	for _, s := range "ANBS" {
		if text := LoginStatus(s).String(); strings.Contains(text, "0x") {
			t.Errorf("login status %c prints as %q", s, text)
		}
	}
	for _, s := range "AODMSCIU\x00" {
		if text := GapStatus(s).String(); strings.Contains(text, "0x") {
			t.Errorf("gap status %c prints as %q", s, text)
		}
	}
	for _, s := range "AOS" {
		if text := SpinStatus(s).String(); strings.Contains(text, "0x") {
			t.Errorf("spin status %c prints as %q", s, text)
		}
	}
	for got, want := range map[string]string{
		LoginStatus('x').String(): "login status 0x78", GapStatus('x').String(): "gap status 0x78",
		SpinStatus('x').String(): "spin status 0x78", State(9).String(): "state?",
		LoggingIn.String() + " " + Ready.String() + " " + Failed.String(): "logging-in ready failed",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range golden {
		f.Add(unhex(tt.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed := 0
		for _, tt := range golden {
			m := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface().(message)
			if m.Parse(b) != nil {
				continue
			}
			parsed++
			again := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface().(message)
			if err := again.Parse(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) {
				t.Fatalf("%x: %+v, again %+v, %v", b, m, again, err)
			}
		}
		if parsed > 1 {
			t.Fatalf("%x: parsed by %d structs", b, parsed)
		}
	})
}
