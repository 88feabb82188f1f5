package arbiter

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"tidegate/market"
)

func TestSessionString(t *testing.T) {
	for _, c := range []struct {
		session Session
		want    string
	}{
		{Session{}, "-"},
		{SessionOf([]byte("000010059B")), "000010059B"},
		{SessionOf([]byte("longer than ten")), "longer tha"},
		{SessionOf(make([]byte, 10)), "00000000000000000000"},
		{SessionOf([]byte{1, 0xab}), "01ab"},
		{SessionOfNumbers(1, 1132527616), "1/1132527616"},
	} {
		if got := c.session.String(); got != c.want {
			t.Errorf("session is %q, want %q", got, c.want)
		}
	}
	distinct := map[Session]bool{
		{}: true, SessionOf(nil): true, SessionOf([]byte{0}): true, SessionOf([]byte{0, 0}): true,
		SessionOfNumbers(0, 0): true, SessionOfNumbers(0, 1): true, SessionOfNumbers(1, 0): true,
	}
	if len(distinct) != 6 { // no bytes are no session
		t.Errorf("%d distinct sessions, want 6", len(distinct))
	}
	if channel, session, ok := SessionOfNumbers(7, 1132527616).Numbers(); channel != 7 || session != 1132527616 || !ok {
		t.Errorf("numbers %d, %d, %t", channel, session, ok)
	}
	if _, _, ok := SessionOf([]byte("000010059B")).Numbers(); ok {
		t.Error("a session that was made of text has numbers")
	}
}

func TestNames(t *testing.T) {
	if LineA.String() != "A" || LineB.String() != "B" || LineR.String() != "R" || LineID(8).String() != "line?" {
		t.Errorf("lines are named %v, %v, %v, %v", LineA, LineB, LineR, LineID(8))
	}
	for v := range VerdictCount {
		if v.String() == "" || strings.HasSuffix(v.String(), "?") {
			t.Errorf("verdict %d has no name", v)
		}
	}
	for r := range gapReasonCount {
		if strings.HasSuffix(r.String(), "?") {
			t.Errorf("gap reason %d has no name", r)
		}
	}
	if VerdictCount.String() != "verdict?" || gapReasonCount.String() != "reason?" || (NewSession+1).String() != "reason?" {
		t.Error("values beyond the last have names")
	}
}

func TestConfigExplainsWhatIsWrong(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	for _, c := range []struct {
		spoil func(*Config)
		want  string
	}{
		{func(c *Config) { c.GapDeadline = -1 }, "gap deadline -1 ns: want 0 to 60000000000 (one minute)"},
		{func(c *Config) { c.GapDeadline = market.Hour }, "gap deadline 3600000000000 ns"},
		{func(c *Config) { c.WindowPacketsMax = 0 }, "window packets max 0: want 1 to 1048576"},
		{func(c *Config) { c.PacketBytesMax = 1 << 17 }, "packet bytes max 131072: want 1 to 65536"},
		{func(c *Config) { c.JoinGapMax = 1 << 33 }, "join gap max 8589934592 messages: want at most"},
		{func(c *Config) { c.JumpMax = 0 }, "jump max 0 messages: want 1 to"},
		{func(c *Config) { c.FallBackMax = 0 }, "fall back max 0 messages: want 1 to"},
	} {
		cfg := DefaultConfig()
		c.spoil(&cfg)
		_, err := New(cfg, &discard{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want one with %q", err, c.want)
		}
	}
	if _, err := New(DefaultConfig(), nil); err == nil {
		t.Error("an arbiter without a handler was made")
	}
}

// discard is a Handler that only counts messages.
type discard struct{ messages uint64 }

func (d *discard) OnMessages(p *Packet, skip uint32) { d.messages += uint64(p.Count - skip) }
func (d *discard) OnGap(Gap)                         {}
func (d *discard) OnEpoch(Epoch)                     {}
func (d *discard) OnEnd(Session, uint64)             {}

// TestEveryCounterHasASentence compares the tables of columns with the structs.
func TestEveryCounterHasASentence(t *testing.T) {
	var l Ledger
	n := uint64(0)
	fillCounters(reflect.ValueOf(&l).Elem(), &n)
	seen := map[uint64]string{}
	l.Walk(func(name string, value uint64, sentence string) {
		if other, ok := seen[value]; ok {
			t.Errorf("%s and %s show the same counter", name, other)
		}
		seen[value] = name
		if !strings.HasSuffix(sentence, ".") || len(sentence) < 10 {
			t.Errorf("%s: %q is no sentence", name, sentence)
		}
	})
	if uint64(len(seen)) != n {
		t.Errorf("%d of %d counters are shown", len(seen), n)
	}
	if b, err := json.Marshal(&l); err != nil || !strings.Contains(string(b), `"gaps_window_full":{"ranges"`) {
		t.Errorf("as JSON: %s, %v", b, err)
	}
}

// fillCounters sets every number to another value and counts them.
func fillCounters(v reflect.Value, n *uint64) {
	switch v.Kind() {
	case reflect.Uint64:
		*n++
		v.SetUint(*n)
	case reflect.Struct:
		for i := range v.NumField() {
			fillCounters(v.Field(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillCounters(v.Index(i), n)
		}
	default:
		panic(v.Kind())
	}
}

// TestBalancedSeesEverything spoils each counter of a balanced ledger in turn.
func TestBalancedSeesEverything(t *testing.T) {
	facts := map[string]bool{"Epochs": true, "Restarts": true, "Sessions": true, "SessionsEnded": true, "JoinedMid": true, "MalformedBytes": true, "Disagree": true}
	var l Ledger
	if err := l.Balanced(); err != nil {
		t.Fatalf("an empty ledger: %v", err)
	}
	var spoil func(v reflect.Value, path string)
	spoil = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Uint64:
			v.SetUint(1)
			if err := l.Balanced(); err == nil {
				t.Errorf("one more in %s goes unseen", path)
			}
			v.SetUint(0)
		case reflect.Struct:
			for i := range v.NumField() {
				// Gap ranges that were neither opened nor announced as a whole cannot be told apart by
				// reason; facts that are no part of a sum cannot be checked.
				if name := v.Type().Field(i).Name; !facts[name] {
					spoil(v.Field(i), path+"."+name)
				}
			}
		case reflect.Array:
			spoil(v.Index(0), path+"[0]")
		}
	}
	spoil(reflect.ValueOf(&l).Elem(), "ledger")
}

// TestSendTimesThatCannotBe: one packet with a broken send time must not make all later ones look old.
func TestSendTimesThatCannotBe(t *testing.T) {
	for _, sent := range []market.Nanos{math.MaxInt64, math.MinInt64, -5, worldStart + 2*market.Hour} {
		d := &discard{}
		a := mustNew(t, DefaultConfig(), d)
		for seq := uint64(1); seq <= 20; seq++ {
			now := worldStart + market.Nanos(seq)
			p := Packet{Seq: seq, Count: 1, TsRecv: now, TsSend: now}
			if seq == 1 || seq == 10 || seq == 20 {
				p.TsSend = sent
			}
			if v := a.OnPacket(&p); v != Fresh {
				t.Errorf("sent at %d: packet %d is %v, want fresh", sent, seq, v)
			}
		}
		now := worldStart + market.Second
		p := Packet{Seq: 1, Count: 1, TsRecv: now, TsSend: now}
		if v := a.OnPacket(&p); v != Fresh || a.Epoch().Number != 2 {
			t.Errorf("sent at %d: after a restart the first packet is %v in epoch %d, want fresh in 2", sent, v, a.Epoch().Number)
		}
	}
}

// TestBehindForLong: a line that fell silent has been behind since the first message it did not bring,
// however long ago that is. A line that goes on far behind has been behind for 100 ms at least.
func TestBehindForLong(t *testing.T) {
	a := mustNew(t, DefaultConfig(), &discard{})
	send := func(line LineID, seq uint64, now market.Nanos) {
		a.OnPacket(&Packet{Line: line, Seq: seq, Count: 1, TsRecv: now, TsSend: market.UndefTime})
	}
	now, fell := worldStart, market.UndefTime
	for seq := uint64(1); seq <= 3000; seq++ {
		now += 500 * market.Microsecond
		send(LineA, seq, now)
		if seq == 101 {
			fell = now
		}
		if seq <= 100 {
			send(LineB, seq, now)
		}
		if seq > 500 {
			send(2, seq-500, now) // line C is 250 ms behind
		}
	}
	b, c := a.Health(LineB), a.Health(2)
	if b.Behind != 2900 || b.BehindSince < fell || b.BehindSince > fell+market.Millisecond {
		t.Errorf("silent line is %d behind since %d, want 2900 since %d or up to 1 ms later", b.Behind, b.BehindSince, fell)
	}
	if age := now - c.BehindSince; c.Behind != 500 || age < 100*market.Millisecond || age > 250*market.Millisecond {
		t.Errorf("slow line is %d behind for %d ns, want 500 for 100 to 250 ms", c.Behind, age)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	message := make([]byte, 100)
	session := SessionOf([]byte("0123456789"))
	now, seq := worldStart, uint64(1)
	d := &discard{}
	a := mustNew(t, DefaultConfig(), d)
	gaps := make([]Gap, 0, 16)
	var l Ledger
	var p Packet // one for all calls, as an ingest loop has
	packet := func(line LineID, seq uint64, count uint32) *Packet {
		now += market.Microsecond
		p = Packet{Session: session, Seq: seq, Count: count, Line: line, TsRecv: now, TsSend: now, Messages: message}
		return &p
	}
	untimed := func(p *Packet) *Packet {
		p.TsSend = market.UndefTime
		return p
	}
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"in order", func() { a.OnPacket(packet(LineA, seq, 3)); seq += 3 }},
		{"duplicate", func() {
			a.OnPacket(packet(LineA, seq, 3))
			a.OnPacket(packet(LineB, seq, 3))
			seq += 3
		}},
		{"ahead and filled", func() {
			a.OnPacket(packet(LineA, seq+1, 1))
			a.OnPacket(packet(LineB, seq+4, 1))
			a.OnPacket(packet(LineA, seq+2, 1))
			gaps = a.Gaps(gaps[:0])
			a.OnPacket(packet(LineB, seq, 1))
			a.OnPacket(packet(LineB, seq+3, 1))
			seq += 5
		}},
		{"gap announced", func() {
			a.OnPacket(packet(LineA, seq+1, 1))
			now += market.Second
			a.OnTick(now)
			seq += 2
		}},
		{"suspect", func() { a.OnPacket(packet(LineB, seq+1e9, 1)); a.OnPacket(packet(LineB, seq, 1)); seq++ }},
		{"restart", func() { seq = 1; a.OnPacket(packet(LineA, seq, 9)); seq += 9 }},
		{"disagree", func() {
			a.OnPacket(packet(LineA, seq, 3))
			message[0]++
			a.OnPacket(packet(LineB, seq, 3))
			seq += 3
		}},
		{"restart without send times", func() {
			for range 4 {
				a.OnPacket(untimed(packet(LineA, seq, 500)))
				seq += 500
			}
			a.OnPacket(untimed(packet(LineA, 501, 500))) // a late copy
			message[0]++
			for seq = 101; seq < 601; seq += 100 { // the first is lost
				a.OnPacket(untimed(packet(LineA, seq, 100)))
			}
		}},
		{"ledger", func() { l = a.Ledger() }},
		{"health", func() { a.Health(LineB) }},
	} {
		if n := testing.AllocsPerRun(500, c.run); n != 0 {
			t.Errorf("%s: %.1f allocations, want 0", c.name, n)
		}
	}
	l = a.Ledger()
	if l.GapsDeadline.Ranges < 500 || l.Restarts < 1000 || l.Lines[LineB].Disagree < 500 || l.GapsFilled.Ranges < 1000 || l.Channel().Suspect.Packets != 0 {
		t.Errorf("the cases did not happen: %+v", l)
	}
}

// FuzzArbiter plays arbitrary packet programs: nothing panics, the stream has no hole, and the ledger
// balances after every step. Eight bytes are one step.
func FuzzArbiter(f *testing.F) {
	f.Add([]byte{3, 3, 1}, []byte("\x00\x00\x01\x03\x01\x00\x00\x00\x01\x00\x01\x03\x01\x00\x00\x00\x00\x00\x07\x02\x02\x00\x00\x00"))
	f.Add([]byte{0, 0, 0}, []byte("\x00\x00\x01\x03\x01\x00\x00\x00\x00\x01\x01\x00\x09\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{1, 200, 9}, []byte("\x00\x00\xf0\x03\x81\x00\x00\x00\x00\x00\x01\x03\x82\x00\x00\x00\x00\x00\x04\x03\x83\x00\x00\x00"))
	f.Add([]byte{1, 1, 1}, []byte("\x00\x02\x01\x00\x01\x00\x00\x00\x00\x01\x01\x00\x01\x00\x01\x00\x00\x00\x01\x01\x01\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, limits, program []byte) {
		if len(limits) != 3 || len(program) > 8*500 {
			return
		}
		h := &witness{t: t, mixed: true, quiet: true}
		a := mustNew(t, Config{
			GapDeadline:      5 * market.Millisecond,
			WindowPacketsMax: 1 + int(limits[0]),
			PacketBytesMax:   messageBytes * 200,
			JoinGapMax:       uint64(limits[1]),
			JumpMax:          1 + uint64(limits[1]),
			FallBackMax:      1 + uint64(limits[2]),
		}, h)
		now := worldStart
		for ; len(program) >= 8; program = program[8:] {
			b := program[:8]
			now += market.Nanos(b[4]&0x7f) * 100 * market.Microsecond
			switch b[0] >> 3 {
			case 1:
				a.OnTick(now)
			case 2:
				a.Flush()
			case 3:
				a.OnMalformed(LineID(b[0]&7), int(b[2]))
			default:
				p := Packet{
					Line: LineID(b[0] & 7), Kind: Kind(b[1] & 3), Session: SessionOf([]byte{'S', b[6] & 3}),
					Seq: uint64(b[2]) + uint64(b[5])<<8, Count: uint32(b[3]), TsRecv: now, TsSend: now,
				}
				if b[1]&4 != 0 {
					p.Seq = -p.Seq // near 2^64
				}
				if b[4]&0x80 != 0 {
					p.TsSend = market.UndefTime
				} else if b[7] != 0 {
					p.TsSend -= market.Nanos(b[7]) * market.Millisecond
				}
				if p.Kind == Data {
					p.Messages = block(1+int(b[6]>>7), p.Seq, p.Seq+uint64(p.Count))
				}
				a.OnPacket(&p)
			}
			checkInvariants(t, a)
		}
		a.Flush()
		checkInvariants(t, a)
		if l := a.Ledger(); l.GapsOpen.Ranges != 0 || l.Channel().Held.Packets != 0 || l.Channel().Suspect.Packets != 0 {
			t.Fatalf("after a flush something is still held: %+v", l)
		}
	})
}

// BenchmarkInOrder is the common path: one line brings the next packet, of three messages.
func BenchmarkInOrder(b *testing.B) {
	benchmark(b, func(a *Arbiter, p *Packet) {
		if v := a.OnPacket(p); v != Fresh {
			b.Fatalf("packet %d is %v, want fresh", p.Seq, v)
		}
	})
}

// BenchmarkTwoLines is the same with a second line right behind: two packets per operation.
func BenchmarkTwoLines(b *testing.B) {
	benchmark(b, func(a *Arbiter, p *Packet) {
		p.Line = LineA
		a.OnPacket(p)
		p.Line = LineB
		if v := a.OnPacket(p); v != Duplicate {
			b.Fatalf("packet %d is %v, want duplicate", p.Seq, v)
		}
	})
}

func benchmark(b *testing.B, each func(*Arbiter, *Packet)) {
	d := &discard{}
	a := mustNew(b, DefaultConfig(), d)
	p := Packet{Seq: 1, Count: 3, Messages: make([]byte, 100), TsRecv: worldStart, TsSend: worldStart}
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		each(a, &p)
		p.Seq += 3
		p.TsRecv += 1000
		p.TsSend += 1000
		n++
	}
	l := a.Ledger()
	if err := l.Balanced(); err != nil || d.messages != 3*n || l.Advanced != 3*n {
		b.Fatalf("published %d messages, advanced by %d, want %d: %v", d.messages, l.Advanced, 3*n, err)
	}
}
