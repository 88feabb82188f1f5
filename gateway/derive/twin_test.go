package derive_test

import (
	"slices"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// A twin makes the records of a schema from everything that ever happened, at the end: it keeps no
// state but the history, and builds books anew for every question.
type twin struct {
	history []fact
}

// A fact is one published event, or time that passes.
type fact struct {
	market.Event
	group int  // the update it belongs to; books are seen after whole updates
	clock bool // only TsRecv counts, and the Publisher who is told the time; 0 for all
}

// of returns the history of one publisher.
func (w *twin) of(p market.PublisherID) *twin {
	var own twin
	for _, f := range w.history {
		if f.Publisher == p || f.Publisher == 0 {
			own.history = append(own.history, f)
		}
	}
	return &own
}

// records returns the records of a schema. symbol names the instruments of both publishers.
func (w *twin) records(schema dbn.Schema, symbol func(market.PublisherID, market.InstrumentID) string) (out []byte) {
	rtype, _ := schema.RType()
	switch schema {
	case dbn.SchemaMBO:
		w.each(func(_ int, f *fact) { out = dbn.AppendMBO(out, &f.Event) })
	case dbn.SchemaTrades:
		w.each(func(_ int, f *fact) {
			if f.Action == market.Trade {
				rec := dbn.Trade{Change: told(&f.Event, changeOf(f), 0)}
				out = rec.Append(out)
			}
		})
	case dbn.SchemaTBBO, dbn.SchemaMBP1, dbn.SchemaMBP10:
		w.each(func(i int, f *fact) { out = w.quotes(out, schema, i, f) })
	case dbn.SchemaBBO1s:
		out = w.sampled(rtype, market.Second)
	case dbn.SchemaBBO1m:
		out = w.sampled(rtype, market.Minute)
	case dbn.SchemaOHLCV1s:
		out = w.bars(rtype, market.Second)
	case dbn.SchemaOHLCV1m:
		out = w.bars(rtype, market.Minute)
	case dbn.SchemaOHLCV1h:
		out = w.bars(rtype, market.Hour)
	case dbn.SchemaOHLCV1d:
		out = w.bars(rtype, market.Day)
	default:
		out = w.consolidated(schema, rtype, symbol)
	}
	return out
}

func (w *twin) each(do func(i int, f *fact)) {
	for i := range w.history {
		if f := &w.history[i]; !f.clock {
			do(i, f)
		}
	}
}

// ends reports whether f is the end of an event.
func (f *fact) ends() bool { return f.Flags&market.FlagLast != 0 }

// same reports whether f and g are of one instrument.
func (f *fact) same(g *fact) bool {
	return !f.clock && !g.clock && f.Publisher == g.Publisher && f.Instrument == g.Instrument
}

// sides returns the best levels of f's instrument after the update of f, missing ones undefined.
func (w *twin) sides(f *fact, levels int) (sides [2][]book.Level) {
	b := booktest.NewByOrder()
	w.each(func(_ int, g *fact) {
		if g.Publisher == f.Publisher && g.group <= f.group {
			b.Apply(&market.Update{Event: g.Event})
		}
	})
	for i, side := range [2]market.Side{market.Bid, market.Ask} {
		sides[i] = b.Levels(f.Instrument, side)
		for len(sides[i]) < levels {
			sides[i] = append(sides[i], book.Level{Price: market.UndefPrice})
		}
		sides[i] = sides[i][:levels]
	}
	return sides
}

// before returns the best levels as they were at the end of the event before that of fact i, and
// the changes of the book since, fact i included.
func (w *twin) before(i, levels int) (sides [2][]book.Level, changes []fact) {
	f := &w.history[i]
	first := i
	for first > 0 {
		g := &w.history[first-1]
		if g.same(f) && g.ends() {
			break
		}
		first--
	}
	for k := first; k <= i; k++ {
		g := &w.history[k]
		if g.same(f) && slices.Contains([]market.Action{'A', 'C', 'M', 'R'}, g.Action) {
			changes = append(changes, *g)
		}
	}
	if first > 0 {
		return w.sides(&w.history[first-1], levels), changes
	}
	nowhere := fact{group: -1}
	return w.sides(&nowhere, levels), changes
}

// within reports whether a change shows in levels.
func within(c *fact, sides [2][]book.Level) bool {
	if c.Side == market.NoSide {
		return true
	}
	levels := sides[c.Side.Index()]
	worst := levels[len(levels)-1].Price
	switch {
	case worst == market.UndefPrice:
		return true
	case c.Side == market.Bid:
		return c.Price >= worst
	default:
		return c.Price <= worst
	}
}

// tells returns the change that a record tells.
func tells(changes []fact, before, after [2][]book.Level) bookChange {
	if len(changes) == 0 {
		return bookChange{market.None, market.NoSide, market.UndefPrice, 0}
	}
	last := &changes[len(changes)-1]
	if within(last, after) {
		return changeOf(last)
	}
	for k := len(changes) - 1; k >= 0; k-- {
		if within(&changes[k], before) {
			return changeOf(&changes[k])
		}
	}
	return changeOf(last)
}

type bookChange struct {
	action market.Action
	side   market.Side
	price  market.Price
	size   market.Size
}

func changeOf(f *fact) bookChange { return bookChange{f.Action, f.Side, f.Price, f.Size} }

// told is what a record says of change c at the time of e.
func told(e *market.Event, c bookChange, depth int) dbn.Change {
	return dbn.Change{
		Header: dbn.Header{PublisherID: e.Publisher, InstrumentID: e.Instrument, TsEvent: e.TsEvent},
		Price:  c.price, Size: uint32(min(c.size, 1<<32-1)), Action: c.action, Side: c.side, Flags: e.Flags,
		Depth: uint8(depth), TsRecv: e.TsRecv, TsInDelta: e.TsInDelta, Sequence: uint32(e.Seq),
	}
}

func levelAt(sides [2][]book.Level, i int) dbn.Level {
	bid, ask := sides[0][i], sides[1][i]
	return dbn.Level{
		BidPrice: bid.Price, AskPrice: ask.Price,
		BidSize: uint32(min(bid.Size, 1<<32-1)), AskSize: uint32(min(ask.Size, 1<<32-1)),
		BidCount: bid.Orders, AskCount: ask.Orders,
	}
}

// quotes makes tbbo, mbp-1 and mbp-10.
func (w *twin) quotes(out []byte, schema dbn.Schema, i int, f *fact) []byte {
	levels := 1
	if schema == dbn.SchemaMBP10 {
		levels = 10
	}
	record := func(c dbn.Change, sides [2][]book.Level) {
		if levels == 1 {
			rec := dbn.MBP1{Change: c, Level: levelAt(sides, 0)}
			out = rec.Append(out)
			return
		}
		rec := dbn.MBP10{Change: c}
		for k := range rec.Levels {
			rec.Levels[k] = levelAt(sides, k)
		}
		out = rec.Append(out)
	}
	before, changes := w.before(i, levels)
	if f.Action == market.Trade {
		record(told(&f.Event, changeOf(f), 0), before)
	}
	if schema == dbn.SchemaTBBO || !f.ends() {
		return out
	}
	after := w.sides(f, levels)
	if slices.Equal(before[0], after[0]) && slices.Equal(before[1], after[1]) {
		return out
	}
	c := tells(changes, before, after)
	record(told(&f.Event, c, depthOf(c, before, after)), after)
	return out
}

func depthOf(c bookChange, before, after [2][]book.Level) int {
	at := func(sides [2][]book.Level) int {
		if c.side == market.NoSide {
			return -1
		}
		return slices.IndexFunc(sides[c.side.Index()], func(l book.Level) bool { return l.Price == c.price })
	}
	if k := at(after); k >= 0 {
		return k
	}
	if k := at(before); k >= 0 {
		return k
	}
	k := 0
	for before[0][k] == after[0][k] && before[1][k] == after[1][k] {
		k++
	}
	return k
}

// intervals calls do with the facts of each interval, in order. A fact is in the interval of the
// latest time that was seen until then. The last interval is not complete and left out.
func (w *twin) intervals(length market.Nanos, do func(start market.Nanos, from, to int)) {
	var latest market.Nanos
	starts := make([]market.Nanos, len(w.history))
	for i := range w.history {
		latest = max(latest, w.history[i].TsRecv)
		starts[i] = latest / length * length
	}
	for from := 0; from < len(starts); {
		to := from
		for to < len(starts) && starts[to] == starts[from] {
			to++
		}
		if to < len(starts) {
			do(starts[from], from, to)
		}
		from = to
	}
}

// bars makes ohlcv.
func (w *twin) bars(rtype dbn.RType, length market.Nanos) (out []byte) {
	w.intervals(length, func(start market.Nanos, from, to int) {
		var seen []*fact // first trade of each instrument
		for i := from; i < to; i++ {
			f := &w.history[i]
			if f.Action != market.Trade || !f.Price.Defined() ||
				slices.ContainsFunc(seen, func(g *fact) bool { return g.same(f) }) {
				continue
			}
			seen = append(seen, f)
			rec := dbn.OHLCV{Open: f.Price}
			rec.Header = dbn.Header{RType: rtype, PublisherID: f.Publisher, InstrumentID: f.Instrument, TsEvent: start}
			var prices []market.Price
			for k := i; k < to; k++ {
				if g := &w.history[k]; g.same(f) && g.Action == market.Trade && g.Price.Defined() {
					prices = append(prices, g.Price)
					rec.Volume += uint64(g.Size)
				}
			}
			rec.High, rec.Low, rec.Close = slices.Max(prices), slices.Min(prices), prices[len(prices)-1]
			out = rec.Append(out)
		}
	})
	return out
}

// sampled makes bbo.
func (w *twin) sampled(rtype dbn.RType, length market.Nanos) (out []byte) {
	w.intervals(length, func(start market.Nanos, from, to int) {
		var seen []*fact
		for i := from; i < to; i++ {
			f := &w.history[i]
			if !w.news(i) || slices.ContainsFunc(seen, func(g *fact) bool { return g.same(f) }) {
				continue
			}
			seen = append(seen, f)
			rec := dbn.BBO{Price: market.UndefPrice, Side: market.NoSide, TsRecv: start + length}
			rec.Header = dbn.Header{RType: rtype, PublisherID: f.Publisher, InstrumentID: f.Instrument, TsEvent: market.UndefTime}
			rec.Level = levelAt(w.sides(&fact{group: -1}, 1), 0)
			for k := range to {
				g := &w.history[k]
				if !g.same(f) {
					continue
				}
				if w.news(k) {
					rec.Sequence, rec.Flags = uint32(g.Seq), g.Flags|market.FlagLast
				}
				if g.Action == market.Trade && g.Price.Defined() {
					rec.Price, rec.Side, rec.TsEvent = g.Price, g.Side, g.TsEvent
					rec.Size = uint32(min(g.Size, 1<<32-1))
				}
				if g.ends() {
					rec.Level = levelAt(w.sides(g, 1), 0)
				}
			}
			out = rec.Append(out)
		}
	})
	return out
}

// news reports whether fact i is a trade with a price or the end of an event that changed the quote.
func (w *twin) news(i int) bool {
	f := &w.history[i]
	if f.clock {
		return false
	}
	if f.Action == market.Trade && f.Price.Defined() {
		return true
	}
	before, _ := w.before(i, 1)
	after := w.sides(f, 1)
	return f.ends() && (before[0][0] != after[0][0] || before[1][0] != after[1][0])
}

// consolidated makes the schemas of several publishers.
func (w *twin) consolidated(schema dbn.Schema, rtype dbn.RType,
	symbol func(market.PublisherID, market.InstrumentID) string,
) (out []byte) {
	var symbols []string
	number := func(f *fact) uint32 {
		s := symbol(f.Publisher, f.Instrument)
		if !slices.Contains(symbols, s) {
			symbols = append(symbols, s)
		}
		return uint32(slices.Index(symbols, s)) + 1
	}
	best := booktest.NewConsolidated(100)
	length := map[dbn.Schema]market.Nanos{dbn.SchemaCBBO1s: market.Second, dbn.SchemaCBBO1m: market.Minute}[schema]
	if length == 0 {
		w.each(func(i int, f *fact) {
			n := number(f)
			record := func(c bookChange) {
				rec := dbn.CMBP1{
					Price: c.price, Size: uint32(min(c.size, 1<<32-1)), Action: c.action, Side: c.side, Flags: f.Flags,
					TsRecv: f.TsRecv, TsInDelta: f.TsInDelta, Level: consolidatedLevel(best.Best(n)),
				}
				rec.Header = dbn.Header{RType: rtype, PublisherID: f.Publisher, InstrumentID: market.InstrumentID(n), TsEvent: f.TsEvent}
				out = rec.Append(out)
			}
			if f.Action == market.Trade {
				record(changeOf(f))
			}
			if !f.ends() {
				return
			}
			before, changes := w.before(i, 1)
			after := w.sides(f, 1)
			bbo := book.BBO{Bid: after[0][0], Ask: after[1][0]}
			if best.Update(n, f.Publisher, bbo, f.TsRecv) && schema == dbn.SchemaCMBP1 {
				record(tells(changes, before, after))
			}
		})
		return out
	}
	last := map[uint32]dbn.CBBO{}
	w.intervals(length, func(start market.Nanos, from, to int) {
		var changed []uint32
		for i := from; i < to; i++ {
			f := &w.history[i]
			if f.clock {
				continue
			}
			n := number(f)
			rec, ok := last[n]
			if !ok {
				rec = dbn.CBBO{Price: market.UndefPrice, Side: market.NoSide}
				rec.TsEvent = market.UndefTime
			}
			isNews := f.Action == market.Trade && f.Price.Defined()
			if isNews {
				rec.Price, rec.Side, rec.TsEvent = f.Price, f.Side, f.TsEvent
				rec.Size = uint32(min(f.Size, 1<<32-1))
			}
			if f.ends() {
				after := w.sides(f, 1)
				isNews = best.Update(n, f.Publisher, book.BBO{Bid: after[0][0], Ask: after[1][0]}, f.TsRecv) || isNews
			}
			if isNews {
				rec.RType, rec.PublisherID, rec.InstrumentID = rtype, f.Publisher, market.InstrumentID(n)
				rec.Flags = f.Flags | market.FlagLast
				if !slices.Contains(changed, n) {
					changed = append(changed, n)
				}
			}
			last[n] = rec
		}
		for _, n := range changed {
			rec := last[n]
			rec.TsRecv = start + length
			rec.Level = consolidatedLevel(best.Best(n))
			out = rec.Append(out)
		}
	})
	return out
}

func consolidatedLevel(n book.NBBO) dbn.ConsolidatedLevel {
	return dbn.ConsolidatedLevel{
		BidPrice: n.Bid.Price, AskPrice: n.Ask.Price,
		BidSize: uint32(min(n.Bid.Size, 1<<32-1)), AskSize: uint32(min(n.Ask.Size, 1<<32-1)),
		BidPublisher: n.Bid.Publisher, AskPublisher: n.Ask.Publisher,
	}
}

// bookSchemas are those that the twin makes.
func bookSchemas() (schemas []dbn.Schema) {
	for _, s := range derive.Schemas() {
		switch s {
		case dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance:
		default:
			schemas = append(schemas, s)
		}
	}
	return schemas
}
