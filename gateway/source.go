package gateway

import (
	"tidegate/book"
	"tidegate/market"
)

// Suspect reports whether an announced gap lies behind what is published, or the epoch was joined in its
// middle: books may be wrong until they are made anew.
func (p *Pipeline) Suspect() bool { return p.suspect }

// Publisher returns whose events they are.
func (p *Pipeline) Publisher() market.Publisher { return p.cfg.Publisher }

// EachBook calls f for every instrument that has a published book with something in it. It looks at every
// instrument, so it is for rare moments.
func (p *Pipeline) EachBook(f func(market.InstrumentID)) {
	if p.withhold {
		return
	}
	for id := range p.instrumentsMax() {
		if id := market.InstrumentID(id); p.books.BBO(id) != book.EmptyBBO {
			f(id)
		}
	}
}
