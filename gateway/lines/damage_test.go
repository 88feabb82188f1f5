//go:build linux

package lines

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"tidegate/arbiter"
)

// Whatever comes on a line is counted, once, and harms nothing that comes on the other.
func TestDamagedDatagrams(t *testing.T) {
	for seed := range uint64(5) {
		chance := rand.New(rand.NewPCG(seed, 1))
		var sink nothing
		p := pipeline(t, &sink)
		l, to := open(t, Config{Feeds: []Feed{unicast("one", p, 2)}})
		stop := run(t, l)
		const count = 2000
		var sent, tooLong uint64
		for _, good := range packets(t, count) {
			send(t, to[arbiter.LineB], good)
			if seed == 0 {
				send(t, to[arbiter.LineA], good)
				continue
			}
			bad := bytes.Clone(good)
			switch chance.IntN(6) {
			case 0: // cut off
				bad = bad[:chance.IntN(len(bad)+1)]
			case 1: // more than there is room for
				bad = append(bad, make([]byte, 3000)...)
				tooLong++
			case 2: // a few bits turned over
				for range 1 + chance.IntN(4) {
					bad[chance.IntN(len(bad))] ^= 1 << chance.IntN(8)
				}
			case 3: // noise
				bad = bad[:chance.IntN(len(bad))]
				for i := range bad {
					bad[i] = byte(chance.Uint32())
				}
			case 4: // nothing
				bad = nil
			}
			sent++
			send(t, to[arbiter.LineA], bad)
		}
		if seed == 0 {
			sent = count
		}
		await(t, l, count+sent)
		stop()
		s := l.Stats()
		ledger, _ := p.Ledger()
		for _, line := range s.Lines {
			if got := ledger.Lines[line.Line].Received.Packets; got != line.Packets {
				t.Errorf("seed %d: line %s: %d packets were read, %d are in the ledger", seed, line.Line, line.Packets, got)
			}
		}
		if s.Lines[0].Truncated != tooLong {
			t.Errorf("seed %d: %d truncated, want %d", seed, s.Lines[0].Truncated, tooLong)
		}
		if bad := ledger.Lines[0].Malformed; (bad == 0) != (seed == 0) || ledger.Lines[1].Malformed > 0 {
			t.Errorf("seed %d: %d and %d malformed", seed, bad, ledger.Lines[1].Malformed)
		}
		if err := p.Balanced(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
