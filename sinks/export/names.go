package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// names knows what the instruments of the feeds are called, as of the entry that was read last.
type names struct {
	epoch uint64
	feeds map[uint16]map[market.InstrumentID]string
}

// begin forgets everything if another run of the gateway begins.
func (n *names) begin(epoch uint64) {
	if n.feeds == nil || epoch != n.epoch {
		n.epoch, n.feeds = epoch, map[uint16]map[market.InstrumentID]string{}
	}
}

// learn takes what a record says about names, and returns the symbol that it names an instrument by, if it does.
func (n *names) learn(feed uint16, r dbn.Record) (symbol string, err error) {
	switch r.RType {
	case dbn.RTypeDefinition:
		var d dbn.Definition
		if err := d.Parse(r); err != nil {
			return "", err
		}
		symbol = d.RawSymbol
	case dbn.RTypeSymbolMapping:
		var m dbn.SymbolMapping
		if err := m.Parse(r); err != nil {
			return "", err
		}
		symbol = m.SymbolOut
	}
	if symbol == "" {
		return "", nil
	}
	if n.feeds[feed] == nil {
		n.feeds[feed] = map[market.InstrumentID]string{}
	}
	n.feeds[feed][r.InstrumentID] = symbol
	return symbol, nil
}

// symbol returns what an instrument is called. known is false if nothing says so.
func (n *names) symbol(feed uint16, id market.InstrumentID) (symbol string, known bool) {
	if symbol, known = n.feeds[feed][id]; known {
		return symbol, true
	}
	return fmt.Sprintf("#%d", id), false
}

// mappings collects which symbol had which number on which day, of records that were written.
type mappings struct {
	symbols map[string]map[uint32]market.InstrumentID // by symbol and day
	numbers map[market.InstrumentID]dayName           // as of the record before
	clash   error
}

type dayName struct {
	day    uint32
	symbol string
}

// ErrRenumbered is wrapped by the error about records that DBN cannot describe, because its mappings are by
// day.
var ErrRenumbered = errors.New("instruments were numbered anew on one day, and the mappings of DBN are by day")

func newMappings() *mappings {
	return &mappings{symbols: map[string]map[uint32]market.InstrumentID{}, numbers: map[market.InstrumentID]dayName{}}
}

// add takes the instrument of a record of a time.
func (m *mappings) add(symbol string, id market.InstrumentID, at market.Nanos) {
	day := yyyymmdd(at)
	was, seen := m.numbers[id]
	if seen && was.day == day && was.symbol == symbol {
		return
	}
	if seen && was.day == day {
		m.fail("%d is %s and %s", id, was.symbol, symbol, day)
	}
	m.numbers[id] = dayName{day, symbol}
	days := m.symbols[symbol]
	if days == nil {
		days = map[uint32]market.InstrumentID{}
		m.symbols[symbol] = days
	}
	if other, ok := days[day]; ok && other != id {
		m.fail("%s is %d and %d", symbol, other, id, day)
	}
	days[day] = id
}

func (m *mappings) fail(format string, a, b, c any, day uint32) {
	if m.clash == nil {
		m.clash = fmt.Errorf("%w: "+format+" on %d: export parts of the day, or CSV or Parquet", ErrRenumbered, a, b, c, day)
	}
}

// of returns the mapping of a symbol: a stretch of days for each number it had. A day without records belongs
// to the stretch before if the number is the same behind it.
func (m *mappings) of(symbol string) dbn.Mapping {
	out := dbn.Mapping{Symbol: symbol}
	days := m.symbols[symbol]
	for _, day := range slices.Sorted(maps.Keys(days)) {
		number := strconv.FormatUint(uint64(days[day]), 10)
		if n := len(out.Intervals); n > 0 && out.Intervals[n-1].Symbol == number {
			out.Intervals[n-1].End = dayAfter(day)
			continue
		}
		out.Intervals = append(out.Intervals, dbn.Interval{Start: day, End: dayAfter(day), Symbol: number})
	}
	return out
}

// yyyymmdd returns a UTC day as the decimal number that DBN uses.
func yyyymmdd(t market.Nanos) uint32 {
	y, m, d := time.Unix(0, int64(t)).UTC().Date()
	return uint32(y*10000 + int(m)*100 + d)
}

func dayAfter(day uint32) uint32 {
	t := time.Date(int(day/10000), time.Month(day/100%100), int(day%100)+1, 0, 0, 0, 0, time.UTC)
	return yyyymmdd(market.Nanos(t.UnixNano()))
}
