package replay_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/gateway/replay"
)

// FuzzReplay takes any bytes for a file: no panic, every frame and message in one account, and a
// readable output.
func FuzzReplay(f *testing.F) {
	schemas := derive.Schemas()
	for name, b := range formats(f) {
		short := b[:min(len(b), 3000)]
		f.Add(short, uint8(0), false)
		f.Add(short[:len(short)/2], uint8(len(name)), true)
		f.Add(gz(f, short), uint8(2), false)
		f.Add(zst(f, short), uint8(5), false)
	}
	f.Add(pcapOf(f, record{noon, groupA, iexPacket(1, deepLevel(100, 10_0000), deepLevel(0, 10_0000))}), uint8(1), false)
	f.Add(pcapOf(f,
		record{noon, groupA, mold("FUZZ", 1, itchAdd(1, 100, 10_0000), itchDelete(2))},
		record{noon, groupB, mold("FUZZ", 4, itchDelete(1))},
	), uint8(3), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte, schema uint8, typed bool) {
		in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
		if err := os.WriteFile(in, b, 0o600); err != nil {
			t.Fatal(err)
		}
		result, err := replay.Run(context.Background(), replay.Options{
			Paths: []string{in, in}, Out: out, Schema: schemas[int(schema)%len(schemas)], TypedLengths: typed,
		})
		if err != nil {
			return
		}
		wantBalanced(t, result, false)
		whole, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := dbn.ParseMetadata(whole); err != nil {
			t.Fatal(err)
		}
		if _, err := replay.Run(context.Background(), replay.Options{Paths: []string{out}}); err != nil {
			t.Fatal(err)
		}
	})
}
