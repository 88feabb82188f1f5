package depth

import (
	"testing"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

func level(side market.Side, price, size uint64) Level {
	return Level{Side: side, PriceText: wire.Decimal{Mantissa: price}, SizeText: wire.Decimal{Mantissa: size, Decimals: 2}}
}

func TestUpdates(t *testing.T) {
	in := &Instrument{ID: 3, Symbol: "X", SizeScale: 1}
	const last, snapshot, mbp, tob = market.FlagLast, market.FlagSnapshot, market.FlagMBP, market.FlagTOB
	type want struct {
		action market.Action
		side   market.Side
		price  market.Price
		size   market.Size
		flags  market.Flags
	}
	one := market.Price(market.PriceScale)
	for _, c := range []struct {
		name   string
		kind   Kind
		levels []Level
		want   []want
	}{
		{"snapshot", Snapshot, []Level{level(market.Bid, 1, 500), level(market.Ask, 2, 600)}, []want{
			{market.Clear, market.NoSide, market.UndefPrice, 0, snapshot},
			{market.Level, market.Bid, one, 50, snapshot | mbp},
			{market.Level, market.Ask, 2 * one, 60, snapshot | mbp | last},
		}},
		{"snapshot of an empty book", Snapshot, nil, []want{{market.Clear, market.NoSide, market.UndefPrice, 0, snapshot | last}}},
		{"delta: cut to lots, but never to nothing, and more than 32 bits", Delta, []Level{
			level(market.Bid, 1, 123), level(market.Bid, 1, 1), level(market.Ask, 2, 0), level(market.Ask, 3, 42949672960),
		}, []want{
			{market.Level, market.Bid, one, 12, mbp | FlagNarrowed},
			{market.Level, market.Bid, one, 1, mbp | FlagNarrowed},
			{market.Level, market.Ask, 2 * one, 0, mbp},
			{market.Level, market.Ask, 3 * one, 4294967296, mbp | FlagNarrowed | last},
		}},
		{"delta that leaves out what no price can hold", Delta, []Level{level(market.Ask, 10e9, 1), level(market.Ask, 1, 100)}, []want{
			{market.Level, market.Ask, one, 10, mbp | last},
		}},
		{"quote without an ask", Quote, []Level{level(market.Bid, 1, 100), level(market.Ask, 0, 0)}, []want{
			{market.Level, market.Bid, one, 10, mbp | tob},
			{market.Level, market.Ask, market.UndefPrice, 0, mbp | tob | last},
		}},
		{"keep-alive", Delta, nil, nil},
	} {
		var m Message
		m.Scan(nil, 60999)
		m.Kind, m.Instrument, m.Last, m.TsEvent = c.kind, in, 9, 77
		m.Levels = append(m.Levels, c.levels...)
		if v := m.Finish(); v != market.Applied || m.Len() != len(c.want) {
			t.Errorf("%s: %v, %d updates, want %d", c.name, v, m.Len(), len(c.want))
			continue
		}
		for i, w := range c.want {
			var u market.Update
			m.Update(i, &u)
			wantEvent := market.Event{
				TsEvent: 77, Seq: 9, Price: w.price, Size: w.size, Instrument: 3, Publisher: 60999, Action: w.action, Side: w.side, Flags: w.flags,
			}
			if u.Event != wantEvent {
				t.Errorf("%s: update %d: %+v, want %+v", c.name, i, u.Event, wantEvent)
			}
		}
	}
}

func TestTradesOfOthersAreLeftOut(t *testing.T) {
	in := &Instrument{ID: 3, Symbol: "X", SizeScale: 0}
	var m Message
	m.Scan(nil, 60999)
	m.Kind = Trades
	for _, of := range []*Instrument{nil, in, nil} {
		tr := m.AddTrade()
		tr.Instrument, tr.TsEvent, tr.Match, tr.Side = of, 5, 6, market.Ask
		tr.PriceText, tr.SizeText = wire.Decimal{Mantissa: 7}, wire.Decimal{Mantissa: 85, Decimals: 1}
	}
	if v := m.Finish(); v != market.Applied || m.Len() != 1 || m.Narrowed != 1 {
		t.Fatalf("%v, %d updates, %d narrowed", v, m.Len(), m.Narrowed)
	}
	var u market.Update
	m.Update(0, &u)
	want := market.Update{Match: 6, Event: market.Event{
		TsEvent: 5, Price: 7 * market.PriceScale, Size: 8, Instrument: 3, Publisher: 60999, Action: market.Trade, Side: market.Ask,
		Flags: market.FlagLast | FlagNarrowed,
	}}
	if u != want {
		t.Errorf("%+v, want %+v", u, want)
	}
}

func TestLimitsOfWhatIsHeld(t *testing.T) {
	rule := func(at int64, _ bool, m *Message) Step {
		if m.Last <= at {
			return Old
		}
		if m.First > at+1 {
			return Missing
		}
		return Next
	}
	s, err := NewSplicer(SplicerConfig{Rule: rule, Requested: true, HeldMax: 2, HeldLevelsMax: 5}, 1)
	if err != nil {
		t.Fatal(err)
	}
	in := &Instrument{ID: 1}
	offer := func(kind Kind, id int64, levels int) Outcome {
		m := Message{Kind: kind, Instrument: in, First: id, Last: id, Levels: make([]Level, levels)}
		o := s.Offer(&m, 2)
		for n := o; n == Publish; {
			n = s.Next(&m, 2)
		}
		return o
	}
	for i, step := range []struct {
		kind   Kind
		id     int64
		levels int
		want   Outcome
	}{
		{Delta, 1, 1, Held},
		{Delta, 2, 1, Held},
		{Delta, 3, 1, Overflow}, // 1 and 2 are gone
		{Snapshot, 1, 0, Stale},
		{Delta, 4, 4, Held},
		{Delta, 5, 1, Overflow}, // too many levels
		{Delta, 6, 6, Overflow}, // more than ever fit: not held itself
		{Snapshot, 6, 0, Publish},
		{Delta, 7, 1, Publish},
	} {
		if got := offer(step.kind, step.id, step.levels); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if s.held != nil || s.levels != nil {
		t.Error("memory is kept for what is no longer held")
	}
	s.Restart(8)
	if since, waiting := s.Waiting(); !waiting || since != 8 {
		t.Errorf("waiting %t since %d", waiting, since)
	}
	for _, bad := range []SplicerConfig{{}, {Rule: rule, Requested: true}, {Rule: rule, DepthMax: -1}} {
		if _, err := NewSplicer(bad, 0); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// A checksum over levels that were left out cannot be checked; one over others can.
func TestChecksumBesideLevelsThatAreLeftOut(t *testing.T) {
	s, err := NewSplicer(SplicerConfig{
		Rule: func(int64, bool, *Message) Step { return Next }, SumLevels: 1,
		SumText: func(l *Ladder, dst []byte) []byte {
			price, _ := l.Text(market.Bid, 0)
			return price.AppendText(dst)
		},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	offer := func(kind Kind, sum uint32, beyond int, levels ...Level) Check {
		m := Message{Kind: kind, Instrument: &Instrument{}, Summed: true, Checksum: sum, Beyond: beyond, Levels: levels}
		for i := range levels {
			levels[i].Price, _ = levels[i].PriceText.Price()
		}
		if o := s.Offer(&m, 0); o != Publish {
			t.Fatal(o)
		}
		return m.Check
	}
	const one, two = 0x83DCEFB7, 0x1AD5BE0D // CRC-32 of "1" and of "2"
	if got := offer(Snapshot, one, 1, level(market.Bid, 1, 1)); got != Unchecked {
		t.Errorf("one side may lack its best level: %v", got)
	}
	if got := offer(Delta, one, 0, level(market.Ask, 5, 1)); got != Matches {
		t.Errorf("both sides are deep enough: %v", got)
	}
	if got := offer(Delta, one, 0, level(market.Bid, 2, 1)); got != Differs {
		t.Errorf("the sum is of another book: %v", got)
	}
	if got := offer(Delta, two, 0); got != Matches {
		t.Errorf("the sum is of this book: %v", got)
	}
	if c := s.Counts(); c.Matching != 2 || c.Differing != 1 {
		t.Errorf("%+v", c)
	}
}

func TestOfferDoesNotAllocate(t *testing.T) {
	s, err := NewSplicer(SplicerConfig{
		Rule: func(int64, bool, *Message) Step { return Next }, DepthMax: 10, SumLevels: 10,
		SumText: func(l *Ladder, dst []byte) []byte {
			for i := range l.Len(market.Bid) {
				price, size := l.Text(market.Bid, i)
				dst = size.AppendDigits(price.AppendText(dst))
			}
			return dst
		},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := Message{Kind: Snapshot, Instrument: &Instrument{}}
	s.Offer(&m, 0)
	n := uint64(0)
	if allocs := testing.AllocsPerRun(1000, func() {
		n++
		m.Kind, m.Summed = Delta, true
		m.Levels = append(m.Levels[:0], level(market.Bid, n%50+1, n), level(market.Bid, n%7+1, 0))
		for i := range m.Levels {
			m.Levels[i].Price, _ = m.Levels[i].PriceText.Price()
		}
		if o := s.Offer(&m, 0); o != Publish || s.Next(&m, 0) != Nothing {
			t.Fatal(o)
		}
	}); allocs != 0 {
		t.Errorf("Offer allocates %.1f times", allocs)
	}
}
