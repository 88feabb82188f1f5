package venue

import (
	"bytes"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

func mustSender(t testing.TB, cfg Config, sc SenderConfig) *Sender {
	t.Helper()
	s, err := NewSender(mustNew(t, cfg), sc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPacketsCarryTheStream(t *testing.T) {
	for name, change := range map[string]func(*SenderConfig){
		"default":               func(*SenderConfig) {},
		"one message a packet":  func(c *SenderConfig) { c.MessagesMax = 1 },
		"the smallest payload":  func(c *SenderConfig) { c.PayloadMax = 72 },
		"no waiting":            func(c *SenderConfig) { c.Linger = 0 },
		"long waiting":          func(c *SenderConfig) { c.Linger = 100 * market.Millisecond },
		"four heartbeats a sec": func(c *SenderConfig) { c.Heartbeat = 250 * market.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			sc := DefaultSenderConfig()
			change(&sc)
			s := mustSender(t, short(5), sc)
			x := mustNew(t, short(5)) // publishes the same again
			want, wantAt := [][]byte(nil), market.Nanos(0)
			next, last := uint64(1), market.Nanos(0)
			var counts PacketCounts
			largest := 0
			for p, ok := s.Next(); ok; p, ok = s.Next() {
				packet, err := moldudp64.Parse(p.Payload)
				if err != nil {
					t.Fatalf("packet % x: %v", p.Payload, err)
				}
				if packet.Seq != next || packet.Session.String() != sc.Session {
					t.Fatalf("packet of session %v from %d, want %d", packet.Session, packet.Seq, next)
				}
				if len(p.Payload) > sc.PayloadMax || int(packet.Count) > sc.MessagesMax {
					t.Fatalf("%d bytes and %d messages", len(p.Payload), packet.Count)
				}
				if p.Time < last || last > 0 && p.Time-last > sc.Heartbeat+sc.Linger {
					t.Fatalf("packet at %d after one at %d", p.Time, last)
				}
				last = p.Time
				switch packet.Kind {
				case moldudp64.Data:
					counts.Data++
				case moldudp64.Heartbeat:
					counts.Heartbeats++
				case moldudp64.EndOfSession:
					counts.EndOfSession++
				}
				largest = max(largest, int(packet.Count))
				first := market.Nanos(-1)
				for block := packet.Messages; len(block) > 0; next++ {
					var m []byte
					m, block = moldudp64.Next(block)
					if len(want) == 0 {
						wantAt, want = x.Step()
					}
					if !bytes.Equal(m, want[0]) {
						t.Fatalf("message %d is % x, want % x", next, m, want[0])
					}
					want = want[1:]
					if first < 0 {
						first = wantAt
					}
				}
				if packet.Count > 0 && (p.Time != wantAt || p.Time-first > sc.Linger) {
					t.Fatalf("packet at %d has messages from %d to %d", p.Time, first, wantAt)
				}
			}
			if _, rest := x.Step(); len(rest) > 0 || len(want) > 0 {
				t.Error("messages were not sent")
			}
			if counts != s.Counts() {
				t.Errorf("counted %+v, the sender says %+v", counts, s.Counts())
			}
			if counts.EndOfSession != 3 || counts.Heartbeats == 0 {
				t.Errorf("%+v: want heartbeats and 3 ends of session", counts)
			}
			if sc == DefaultSenderConfig() && largest != sc.MessagesMax {
				t.Errorf("largest packet has %d messages, want %d in a burst", largest, sc.MessagesMax)
			}
			if _, ok := s.Next(); ok {
				t.Error("a packet after the last")
			}
		})
	}
}
