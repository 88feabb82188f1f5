package match_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
)

// A snapshot and the log from there on are as good as the whole log.
func TestSnapshotGoesOn(t *testing.T) {
	for seed := range uint64(40) {
		inputs := matchtest.Inputs(seed, 600)
		whole := match.NewEngine(testConfig)
		var resumed []*match.Engine
		var events, again []match.Event
		for i, in := range inputs {
			if i%50 == 49 {
				b := whole.AppendSnapshot(nil)
				cfg := testConfig
				cfg.HashSeed = seed // does not show
				e, err := match.Restore(cfg, b)
				if err != nil {
					t.Fatalf("seed %d, input %d: %v", seed, i, err)
				}
				if !bytes.Equal(e.AppendSnapshot(nil), b) {
					t.Fatalf("seed %d, input %d: the snapshot of the restored engine differs", seed, i)
				}
				resumed = append(resumed, e)
			}
			events = whole.Apply(&in, events[:0])
			for k, e := range resumed {
				again = e.Apply(&in, again[:0])
				if !slices.Equal(events, again) {
					t.Fatalf("seed %d, input %d: engine %d gave\n%swant\n%s", seed, i, k, list(again), list(events))
				}
			}
		}
		for k, e := range resumed {
			if got, want := e.Hash(), whole.Hash(); got != want {
				t.Fatalf("seed %d: engine %d has hash %x, want %x", seed, k, got, want)
			}
		}
	}
}

// busy returns an engine in which something of everything waits.
func busy(tb testing.TB) *match.Engine {
	e := match.NewEngine(testConfig)
	for _, in := range matchtest.Inputs(4, 333) {
		e.Apply(&in, nil)
	}
	if e.Len() < 10 {
		tb.Fatalf("only %d orders", e.Len())
	}
	return e
}

func TestRestoreRefuses(t *testing.T) {
	good := busy(t).AppendSnapshot(nil)
	small := testConfig
	small.OrdersMax--
	for _, c := range []struct {
		name   string
		cfg    match.Config
		change func(b []byte) []byte
		want   string
	}{
		{"nothing", testConfig, func([]byte) []byte { return nil }, "cut off"},
		{"cut off", testConfig, func(b []byte) []byte { return b[:len(b)-8] }, "damaged"},
		{"another file", testConfig, func(b []byte) []byte { b[0]++; return b }, "no snapshot"},
		{"another version", testConfig, func(b []byte) []byte { b[8]++; return b }, "version 2"},
		{"a flipped bit", testConfig, func(b []byte) []byte { b[len(b)/2] ^= 4; return b }, "damaged"},
		{"other limits", small, func(b []byte) []byte { return b }, "limits"},
		{"a bad configuration", match.Config{OrdersMax: -1}, func(b []byte) []byte { return b }, "orders max"},
		{"too much", testConfig, func(b []byte) []byte { return seal(append(b, make([]byte, 8)...)) }, "too many"},
		{"too little", testConfig, func(b []byte) []byte { return seal(b[:len(b)-8]) }, ""},
	} {
		if _, err := match.Restore(c.cfg, c.change(bytes.Clone(good))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// seal gives a changed snapshot a checksum that fits.
func seal(b []byte) []byte {
	sum := crc32.Checksum(b[:len(b)-8], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint64(b[len(b)-8:], uint64(sum))
	return b
}

// Whatever word of a snapshot is changed to what, restoring is refused or gives an engine that is sound.
func FuzzRestore(f *testing.F) {
	good := busy(f).AppendSnapshot(nil)
	words := uint16(len(good) / 8)
	for i := uint16(3); i < words; i += 5 {
		f.Add(i, uint64(1), i+1, uint64(1)<<32)
	}
	f.Fuzz(func(t *testing.T, i uint16, x uint64, j uint16, y uint64) {
		b := bytes.Clone(good)
		for k, change := range map[uint16]uint64{i % words: x, j % words: y} {
			at := b[k*8:]
			binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)^change)
		}
		e, err := match.Restore(testConfig, seal(b))
		if err != nil {
			return
		}
		for _, in := range matchtest.Inputs(x, 80) {
			in.Time += e.Now()
			e.Apply(&in, nil)
			if err := e.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
