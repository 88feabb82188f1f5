package stream

import (
	"sync/atomic"

	"tidegate/market"
)

// A Directory is the list of a dataset's instruments in order of appearance. One goroutine adds to
// it, any may read it. An instrument that is defined again is added again; the last one counts.
type Directory struct {
	published atomic.Pointer[[]market.Instrument] // a prefix of all; elements never change
	all       []market.Instrument                 // the writer's
}

// add appends an instrument and makes it visible.
func (d *Directory) add(in market.Instrument) {
	d.all = append(d.all, in)
	prefix := d.all
	d.published.Store(&prefix)
}

// All returns the instruments so far. The slice must not be changed.
func (d *Directory) All() []market.Instrument {
	if p := d.published.Load(); p != nil {
		return *p
	}
	return nil
}

// A Lookup finds instruments of a Directory. It belongs to one goroutine.
type Lookup struct {
	directory *Directory
	seen      int
	bySymbol  map[string]market.InstrumentID
	byID      map[market.InstrumentID]string
}

// NewLookup returns a lookup that has seen nothing yet.
func NewLookup(d *Directory) *Lookup {
	return &Lookup{
		directory: d,
		bySymbol:  make(map[string]market.InstrumentID),
		byID:      make(map[market.InstrumentID]string),
	}
}

// Sync takes in what the directory learned since the last call, and returns that.
func (l *Lookup) Sync() []market.Instrument {
	all := l.directory.All()
	fresh := all[l.seen:]
	for _, in := range fresh {
		l.bySymbol[in.Symbol] = in.ID
		l.byID[in.ID] = in.Symbol
	}
	l.seen = len(all)
	return fresh
}

// Find returns the instrument of a symbol.
func (l *Lookup) Find(symbol string) (market.InstrumentID, bool) {
	id, ok := l.bySymbol[symbol]
	return id, ok
}

// Symbol returns the symbol of an instrument.
func (l *Lookup) Symbol(id market.InstrumentID) (string, bool) {
	symbol, ok := l.byID[id]
	return symbol, ok
}
