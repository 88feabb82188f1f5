package venue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// numbered makes packets 100 us apart whose payload is their number, from 0.
func numbered(n int) []Packet {
	packets := make([]Packet, n)
	for i := range packets {
		packets[i] = Packet{
			Time:    1000*market.Second + market.Nanos(i)*100*market.Microsecond,
			Payload: binary.BigEndian.AppendUint32(nil, uint32(i)),
		}
	}
	return packets
}

// number of the packet that a datagram carries.
func number(d Datagram) int { return int(binary.BigEndian.Uint32(d.Payload)) }

// impairOne sends 20,000 packets over one line.
func impairOne(t *testing.T, i Impairment) ([]Packet, []Datagram, LineCounts) {
	t.Helper()
	packets := numbered(20_000)
	arrived, counts, err := Impair(packets, []Impairment{i}, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	c := counts[0]
	if c.Packets != uint64(len(packets)) || c.Delivered != uint64(len(arrived)) || c.Delivered != c.Packets-c.Lost+c.Duplicated {
		t.Errorf("%d datagrams, counts do not add up: %+v", len(arrived), c)
	}
	return packets, arrived, c
}

func wantBetween(t *testing.T, what string, got, low, high uint64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func TestPerfectLineChangesNothing(t *testing.T) {
	packets, arrived, c := impairOne(t, Impairment{})
	if c != (LineCounts{Packets: 20_000, Delivered: 20_000}) {
		t.Errorf("%+v", c)
	}
	for i, d := range arrived {
		if d.Time != packets[i].Time || !bytes.Equal(d.Payload, packets[i].Payload) {
			t.Fatalf("packet %d became %+v", i, d)
		}
	}
}

func TestDelayAndJitterKeepTheOrder(t *testing.T) {
	const delay, jitter = 2 * market.Millisecond, market.Millisecond
	packets, arrived, c := impairOne(t, Impairment{Delay: delay, Jitter: jitter})
	if c.Reordered != 0 {
		t.Errorf("%d reordered", c.Reordered)
	}
	var most market.Nanos
	for i, d := range arrived {
		took := d.Time - packets[i].Time
		if number(d) != i || took < delay || took > delay+jitter {
			t.Fatalf("packet %d, the %d. to arrive, took %d ns", number(d), i, took)
		}
		most = max(most, took)
	}
	if most < delay+jitter*9/10 {
		t.Errorf("jitter of %d ns at most, want up to %d", most-delay, jitter)
	}
}

func TestLoss(t *testing.T) {
	_, _, c := impairOne(t, Impairment{Loss: 0.05})
	wantBetween(t, "lost of 20,000 at 5 %", c.Lost, 850, 1150)
}

func TestBurstLossComesInRows(t *testing.T) {
	// Bad for 1 of 11 packets, 10 at a time.
	_, arrived, c := impairOne(t, Impairment{Burst: BurstLoss{Enter: 0.01, Leave: 0.1, Loss: 1}})
	wantBetween(t, "lost", c.Lost, 1300, 2400)
	rows := uint64(0)
	for i, d := range arrived[1:] {
		if number(d) != number(arrived[i])+1 {
			rows++
		}
	}
	wantBetween(t, "packets lost in a row", c.Lost/rows, 7, 13)
}

func TestDuplicatesFollowTheirOriginal(t *testing.T) {
	packets, arrived, c := impairOne(t, Impairment{Duplicate: 0.02})
	wantBetween(t, "duplicated of 20,000 at 2 %", c.Duplicated, 300, 500)
	if c.Reordered != 0 {
		t.Errorf("%d reordered", c.Reordered)
	}
	seen := make([]int, len(packets))
	for _, d := range arrived {
		n := number(d)
		if seen[n]++; seen[n] == 2 && d.Time > packets[n].Time+duplicateWithin {
			t.Errorf("duplicate of %d came after %d ns", n, d.Time-packets[n].Time)
		}
	}
	if slices.Min(seen) != 1 || slices.Max(seen) != 2 {
		t.Errorf("packets arrived %d to %d times", slices.Min(seen), slices.Max(seen))
	}
}

func TestReorderHoldsBack(t *testing.T) {
	const by = market.Millisecond // 10 packets
	packets, arrived, c := impairOne(t, Impairment{Reorder: 0.02, ReorderBy: by})
	wantBetween(t, "reordered of 20,000 at 2 %", c.Reordered, 250, 450)
	var most market.Nanos
	for _, d := range arrived {
		most = max(most, d.Time-packets[number(d)].Time)
	}
	if most > by || most < by*8/10 {
		t.Errorf("held back by %d ns at most, want nearly %d", most, by)
	}
}

func TestDownLineIsSilent(t *testing.T) {
	down := Span{From: 100 * market.Millisecond, To: 300 * market.Millisecond}
	packets, arrived, c := impairOne(t, Impairment{Down: []Span{down}})
	if c.Lost != 2000 {
		t.Errorf("%d lost, want the 2000 of 200 ms", c.Lost)
	}
	for _, d := range arrived {
		if since := d.Time - packets[0].Time; since >= down.From && since < down.To {
			t.Fatalf("packet %d arrived %d ns after the first", number(d), since)
		}
	}
}

func TestClogEndsInABurst(t *testing.T) {
	clog := Span{From: 100 * market.Millisecond, To: 300 * market.Millisecond}
	packets, arrived, c := impairOne(t, Impairment{Jitter: market.Millisecond, Clogged: []Span{clog}})
	// Jitter carries a few packets over the beginning and the end.
	wantBetween(t, "clogged", c.Clogged, 1990, 2010)
	if c.Lost != 0 || c.Reordered != 0 {
		t.Errorf("%+v", c)
	}
	atOnce := uint64(0)
	for _, d := range arrived {
		since := d.Time - packets[0].Time
		if since >= clog.From && since < clog.To {
			t.Fatalf("packet %d arrived %d ns after the first", number(d), since)
		}
		if since == clog.To {
			atOnce++
		}
	}
	wantBetween(t, "arrived when the clog ended", atOnce, c.Clogged, c.Clogged+20)
}

// impairments draws anything that Validate allows, kept near the time scale of numbered.
func impairments() *rapid.Generator[Impairment] {
	return rapid.Custom(func(t *rapid.T) Impairment {
		span := rapid.Map(rapid.IntRange(0, 20_000), func(us int) market.Nanos { return market.Nanos(us) * market.Microsecond })
		probability := rapid.SampledFrom([]float64{0, 0.01, 0.3, 0.9, 1})
		spans := func(name string) []Span {
			var spans []Span
			at := market.Nanos(0)
			for range rapid.IntRange(0, 2).Draw(t, name) {
				from := at + span.Draw(t, "from")
				at = from + 1 + span.Draw(t, "length")
				spans = append(spans, Span{from, at})
			}
			return spans
		}
		return Impairment{
			Delay:     span.Draw(t, "delay"),
			Jitter:    span.Draw(t, "jitter"),
			Loss:      probability.Draw(t, "loss"),
			Burst:     BurstLoss{probability.Draw(t, "enter"), probability.Draw(t, "leave"), probability.Draw(t, "burst loss")},
			Duplicate: probability.Draw(t, "duplicate"),
			Reorder:   probability.Draw(t, "reorder"),
			ReorderBy: 1 + span.Draw(t, "reorder by"),
			Down:      spans("down"),
			Clogged:   spans("clogged"),
		}
	})
}

func TestLinesKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(impairments(), 1, 3).Draw(t, "lines")
		packets := numbered(rapid.IntRange(0, 400).Draw(t, "packets"))
		seed := rapid.Uint64().Draw(t, "seed")
		protect := rapid.Bool().Draw(t, "protect")
		arrived, counts, err := Impair(packets, lines, seed, protect)
		if err != nil {
			t.Fatal(err)
		}

		times := make([]int, len(packets))
		perLine := make([]uint64, len(lines))
		for i, d := range arrived {
			n := number(d)
			times[n]++
			perLine[d.Line]++
			if i > 0 && d.Time < arrived[i-1].Time {
				t.Fatalf("datagram at %d after one at %d", d.Time, arrived[i-1].Time)
			}
			if d.Time < packets[n].Time+lines[d.Line].Delay {
				t.Fatalf("packet %d arrived %d ns after it was sent, on a line with a delay of %d", n, d.Time-packets[n].Time, lines[d.Line].Delay)
			}
		}
		for i, c := range counts {
			if c.Packets != uint64(len(packets)) || c.Delivered != perLine[i] || c.Delivered != c.Packets-c.Lost+c.Duplicated {
				t.Fatalf("line %d delivered %d: %+v", i, perLine[i], c)
			}
			if !protect && c.Spared > 0 {
				t.Fatalf("line %d: %+v: spared without protection", i, c)
			}
		}
		if protect && slices.Contains(times, 0) {
			t.Fatalf("packet %d arrived on no line", slices.Index(times, 0))
		}

		again, countsAgain, err := Impair(packets, lines, seed, protect)
		if err != nil || !slices.Equal(counts, countsAgain) || !reflect.DeepEqual(arrived, again) {
			t.Fatal("the same seed gave something else")
		}
	})
}

func TestImpairmentsOfOneLineLeaveTheOther(t *testing.T) {
	lossy := Impairment{Loss: 0.1, Jitter: market.Millisecond}
	packets := numbered(2000)
	ofSecond := func(first Impairment) []Datagram {
		arrived, _, err := Impair(packets, []Impairment{first, lossy}, 9, false)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(arrived, func(d Datagram) bool { return d.Line != 1 })
	}
	if !reflect.DeepEqual(ofSecond(Impairment{}), ofSecond(Impairment{Loss: 0.5, Duplicate: 0.5})) {
		t.Error("changing line 0 changed line 1")
	}
}

func TestEqualLinesHaveTheirOwnLuck(t *testing.T) {
	lossy := Impairment{Loss: 0.1}
	arrived, _, err := Impair(numbered(10_000), []Impairment{lossy, lossy}, 9, false)
	if err != nil {
		t.Fatal(err)
	}
	onBoth, seen := uint64(0), make(map[int]bool)
	for _, d := range arrived {
		if seen[number(d)] {
			onBoth++
		}
		seen[number(d)] = true
	}
	wantBetween(t, "arrived at 10 % loss on both lines", onBoth, 8000, 8200)
	wantBetween(t, "arrived on either", uint64(len(seen)), 9870, 9930)
}

func TestSparedPacketsAvoidLinesThatAreDown(t *testing.T) {
	const all = 20 * market.Second
	dead := Impairment{Down: []Span{{0, all}}}
	lossy := Impairment{Loss: 1}
	for _, test := range []struct {
		lines []Impairment
		want  []uint64 // spared
	}{
		{[]Impairment{dead, lossy}, []uint64{0, 1000}},
		{[]Impairment{lossy, dead}, []uint64{1000, 0}},
		{[]Impairment{lossy, lossy}, []uint64{500, 500}},
		{[]Impairment{dead, dead}, []uint64{500, 500}},
		{[]Impairment{lossy, {}}, []uint64{0, 0}},
	} {
		_, counts, err := Impair(numbered(1000), test.lines, 1, true)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range counts {
			if c.Spared != test.want[i] {
				t.Errorf("%+v: line %d spared %d, want %d", test.lines, i, c.Spared, test.want[i])
			}
		}
	}
}

func TestLinesHoldOnlyWhatIsUnderWay(t *testing.T) {
	l, err := NewLines([]Impairment{
		{Delay: market.Millisecond, Jitter: market.Millisecond},
		{Delay: 5 * market.Millisecond, Reorder: 0.1, ReorderBy: 5 * market.Millisecond},
	}, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	var streamed []Datagram
	drain := func() {
		for d, ok := l.Next(); ok; d, ok = l.Next() {
			streamed = append(streamed, d)
		}
	}
	packets := numbered(10_000)
	for _, p := range packets {
		payload := slices.Clone(p.Payload)
		l.Send(Packet{p.Time, payload})
		clear(payload) // the sender's own again
		drain()
		if len(l.pending) > 150 { // 10 ms of packets on a line, 2 ms on the other
			t.Fatalf("%d datagrams under way", len(l.pending))
		}
	}
	l.Close()
	drain()
	whole, _, err := Impair(packets, []Impairment{l.lines[0].Impairment, l.lines[1].Impairment}, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(streamed, whole) {
		t.Error("draining while sending gave another order")
	}
	if !slices.IsSortedFunc(streamed, func(a, b Datagram) int { return cmp.Compare(a.Time, b.Time) }) {
		t.Error("not in order of arrival")
	}
}
