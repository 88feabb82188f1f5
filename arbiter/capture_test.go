package arbiter

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"tidegate/internal/realdata"
	"tidegate/market"
)

// iexPackets reads the IEX-TP segments of a gzipped classic pcap file of little-endian microseconds,
// Ethernet, IPv4 and UDP, up to where it is cut.
func iexPackets(t *testing.T, path string, each func(Packet)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 24); err != nil {
		t.Fatal(err)
	}
	var header [16]byte
	record := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return
		}
		b := record[:binary.LittleEndian.Uint32(header[8:])]
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		b = b[14+20+8:]
		p := Packet{
			Session: SessionOfNumbers(binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])),
			Count:   uint32(binary.LittleEndian.Uint16(b[14:])),
			Seq:     binary.LittleEndian.Uint64(b[24:]),
			TsSend:  market.Nanos(binary.LittleEndian.Uint64(b[32:])),
			TsRecv: market.Nanos(binary.LittleEndian.Uint32(header[0:]))*market.Second +
				market.Nanos(binary.LittleEndian.Uint32(header[4:]))*market.Microsecond,
			Messages: b[40:],
		}
		if p.Count == 0 {
			p.Kind = Heartbeat
		}
		each(p)
	}
}

// epochs counts what each epoch published.
type epochs struct {
	published []uint64
	lost      uint64
}

func (e *epochs) OnMessages(p *Packet, skip uint32) {
	e.published[len(e.published)-1] += uint64(p.Count - skip)
}
func (e *epochs) OnGap(g Gap)           { e.lost += g.Messages() }
func (e *epochs) OnEpoch(Epoch)         { e.published = append(e.published, 0) }
func (e *epochs) OnEnd(Session, uint64) {}

// TestDEEP10 plays a capture in which the publisher restarted eleven times under one session id: as one
// line; and as two lines that lose packets in turn, the second late enough to be still in the old epoch
// when the first is in the new one.
func TestDEEP10(t *testing.T) {
	path := realdata.Path(t, "iex/DEEP10.pcap.gz")
	// From the data README: the last sequence of each epoch, each of which starts at 1.
	want := []uint64{28140, 23438, 25192, 26922, 26400, 29251, 29349, 26418, 23415, 24852, 23412, 105210}
	const segments, heartbeats, messages = 113_377, 7_937, 391_999

	t.Run("one line", func(t *testing.T) {
		h := &epochs{}
		a := mustNew(t, DefaultConfig(), h)
		iexPackets(t, path, func(p Packet) { a.OnPacket(&p) })
		l := a.Ledger()
		checkEpochs(t, a, h, want)
		line := l.Lines[LineA]
		if line.Published != (Tally{segments, messages}) || line.Heartbeats != heartbeats || line.Received.Packets != segments+heartbeats {
			t.Errorf("ledger: %+v, want %d segments with %d messages and %d heartbeats, all in order", line, segments, messages, heartbeats)
		}
	})

	t.Run("two lines", func(t *testing.T) {
		const lag = 200 // packets by which line B is behind
		rng := rand.New(rand.NewPCG(1, 1))
		h := &epochs{}
		cfg := DefaultConfig()
		cfg.GapDeadline = market.Minute // line B is behind by packets, which can be long in time
		a := mustNew(t, cfg, h)
		var late []Packet
		n := 0
		onLate := func() {
			p := late[0]
			late = late[1:]
			a.OnPacket(&p)
		}
		iexPackets(t, path, func(p Packet) {
			n++
			if n%1000 == 0 {
				l := a.Ledger()
				if err := l.Balanced(); err != nil {
					t.Fatalf("packet %d: %v", n, err)
				}
			}
			lostOnA, lostOnB := rng.IntN(50) == 0, rng.IntN(50) == 0
			if p.Seq+300 > want[len(want)-1] || p.Seq < 20 || p.Count == 0 {
				lostOnA = false // what A loses near a restart, B brings too late
			}
			for _, last := range want {
				if p.Seq <= last && p.Seq+3000 > last {
					lostOnA = false
				}
			}
			if !lostOnA {
				p.Line = LineA
				a.OnPacket(&p)
			}
			if lostOnA || !lostOnB {
				p.Line = LineB
				p.Messages = append([]byte(nil), p.Messages...)
				late = append(late, p)
			}
			if len(late) > lag {
				onLate()
			}
		})
		for len(late) > 0 {
			onLate()
		}
		checkEpochs(t, a, h, want)
		l := a.Ledger()
		if b := l.Lines[LineB]; b.OldEpoch.Packets < 11*lag/2 || b.GapMessages < 1000 {
			t.Errorf("line B: %+v, want packets of old epochs, and gaps filled", b)
		}
	})
}

func checkEpochs(t *testing.T, a *Arbiter, h *epochs, want []uint64) {
	t.Helper()
	checkInvariants(t, a)
	if h.lost != 0 || len(h.published) != len(want) {
		t.Fatalf("published %v in epochs, lost %d, want %v and none lost", h.published, h.lost, want)
	}
	for i := range want {
		if h.published[i] != want[i] {
			t.Errorf("epoch %d has %d messages, want %d", i, h.published[i], want[i])
		}
	}
	l := a.Ledger()
	if n := l.Channel().Disagree; n != 0 {
		t.Errorf("%d copies of packets differ from the first", n)
	}
	if l.Restarts != uint64(len(want)-1) || l.Sessions != 1 || l.JoinedMid != 0 {
		t.Errorf("%d restarts, %d sessions, %d joined mid-way, want %d, 1, 0", l.Restarts, l.Sessions, l.JoinedMid, len(want)-1)
	}
}
