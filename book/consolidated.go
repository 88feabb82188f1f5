package book

import (
	"fmt"
	"math/bits"
	"slices"

	"tidegate/market"
)

// ConsolidatedPublishersMax is the number of publishers that can quote one instrument of a
// Consolidated book.
const ConsolidatedPublishersMax = 16

// ConsolidatedConfig sets the limits of a Consolidated book.
type ConsolidatedConfig struct {
	// InstrumentsMax is the number of instruments; their indexes are 0 to InstrumentsMax-1. Their
	// memory, about 1.3 kB each, is reserved at once and touched when first used. 1 to 1<<20;
	// 0 means 1<<14.
	InstrumentsMax int
}

func (c ConsolidatedConfig) withDefaults() ConsolidatedConfig {
	if c.InstrumentsMax == 0 {
		c.InstrumentsMax = 1 << 14
	}
	return c
}

// Validate says what is wrong with c.
func (c ConsolidatedConfig) Validate() error {
	if c = c.withDefaults(); c.InstrumentsMax < 1 || c.InstrumentsMax > 1<<20 {
		return fmt.Errorf("consolidated book: instruments max %d: want 1 to %d", c.InstrumentsMax, 1<<20)
	}
	return nil
}

// A Consolidated book keeps the best bid and offer of each instrument over the publishers that
// quote it.
//
// The caller names an instrument by a dense index of its own, because publishers do not agree on
// instrument ids. A publisher joins an instrument with its first Update and stays in it.
//
// A publisher whose prices are not to be trusted is excluded, everywhere or in one instrument: its
// quotes leave the best at once, are kept up to date, and come back when it is included again.
//
// One goroutine owns a Consolidated book. Its answers are values and stay good.
type Consolidated struct {
	instruments []consolidatedInstrument
	used        int                  // instruments from here on were never touched
	excluded    []market.PublisherID // everywhere
	refused     uint64
}

// consolidatedInstrument is one instrument. Publishers sit in slots 0 to n-1, in the order in
// which they joined.
type consolidatedInstrument struct {
	best       NBBO // over the eligible slots, always up to date
	publishers [ConsolidatedPublishersMax]market.PublisherID
	n          uint8
	out        uint16 // slots excluded everywhere
	outHere    uint16 // slots excluded in this instrument
	quotes     [ConsolidatedPublishersMax]quote
}

type quote struct {
	bbo      BBO
	bidSince market.Nanos // when bbo.Bid.Price came to be
	askSince market.Nanos
	tsRecv   market.Nanos
}

// NewConsolidated returns an empty book. It panics if cfg is not valid.
func NewConsolidated(cfg ConsolidatedConfig) *Consolidated {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	return &Consolidated{instruments: make([]consolidatedInstrument, cfg.withDefaults().InstrumentsMax)}
}

// Update sets what publisher p quotes for instrument i. now is the time at which that was received
// (TsRecv). It reports whether the best changed as a subscriber of consolidated quotes sees it: in
// price, size or publisher of a side.
//
// A BBO equal to the one before is not useless: it renews the age. A BBO without levels takes the
// quote away. At the end of an event of the publisher is the time to call, see the package comment.
//
// A quote past a limit (InstrumentsMax, ConsolidatedPublishersMax) is refused and counted.
func (c *Consolidated) Update(i uint32, p market.PublisherID, bbo BBO, now market.Nanos) (changed bool) {
	in, slot := c.slot(i, p)
	if in == nil {
		return false
	}
	q := &in.quotes[slot]
	if bbo.Bid.Price != q.bbo.Bid.Price {
		q.bidSince = now
	}
	if bbo.Ask.Price != q.bbo.Ask.Price {
		q.askSince = now
	}
	q.bbo, q.tsRecv = bbo, now
	if (in.out|in.outHere)>>slot&1 != 0 {
		return false
	}
	return in.refresh()
}

// Exclude takes the quotes of publisher p out of the best of every instrument, those that it joins
// later included. It appends the indexes of the instruments whose best changed to changed, in
// ascending order, and returns it. It looks at every instrument, so it is for ticks, not for the
// path of an event.
func (c *Consolidated) Exclude(p market.PublisherID, changed []uint32) []uint32 {
	if !slices.Contains(c.excluded, p) {
		c.excluded = append(c.excluded, p)
	}
	return c.mark(p, true, changed)
}

// Include undoes Exclude, and appends the instruments whose best changed like Exclude. What
// ExcludeAt took out stays out.
func (c *Consolidated) Include(p market.PublisherID, changed []uint32) []uint32 {
	if k := slices.Index(c.excluded, p); k >= 0 {
		c.excluded = slices.Delete(c.excluded, k, k+1)
	}
	return c.mark(p, false, changed)
}

// ExcludeAt takes the quotes of publisher p out of the best of instrument i, and reports whether
// the best changed. An instrument that p has not joined joins it, so that the exclusion holds for
// its first quote.
func (c *Consolidated) ExcludeAt(i uint32, p market.PublisherID) (changed bool) {
	in, slot := c.slot(i, p)
	if in == nil {
		return false
	}
	in.outHere |= 1 << slot
	return in.refresh()
}

// IncludeAt undoes ExcludeAt, and reports whether the best changed. What Exclude took out stays
// out.
func (c *Consolidated) IncludeAt(i uint32, p market.PublisherID) (changed bool) {
	in, slot := c.find(i, p)
	if in == nil {
		return false
	}
	in.outHere &^= 1 << slot
	return in.refresh()
}

// Refused returns how many quotes were refused because of a limit.
func (c *Consolidated) Refused() uint64 { return c.refused }

// touched returns instrument i, or nil if nothing was ever said of it.
func (c *Consolidated) touched(i uint32) *consolidatedInstrument {
	if int64(i) >= int64(c.used) {
		return nil
	}
	return &c.instruments[i]
}

// find returns instrument i and the slot of publisher p in it, or nil.
func (c *Consolidated) find(i uint32, p market.PublisherID) (*consolidatedInstrument, uint8) {
	in := c.touched(i)
	if in == nil {
		return nil, 0
	}
	for slot := range in.n {
		if in.publishers[slot] == p {
			return in, slot
		}
	}
	return nil, 0
}

// slot is find that lets p join.
func (c *Consolidated) slot(i uint32, p market.PublisherID) (*consolidatedInstrument, uint8) {
	if in, slot := c.find(i, p); in != nil {
		return in, slot
	}
	return c.join(i, p)
}

// join gives publisher p a slot in instrument i. It returns nil and counts where there is none.
// Rare; separate so that Update stays small.
//
//go:noinline
func (c *Consolidated) join(i uint32, p market.PublisherID) (*consolidatedInstrument, uint8) {
	if int64(i) >= int64(len(c.instruments)) {
		c.refused++
		return nil, 0
	}
	for ; int64(c.used) <= int64(i); c.used++ {
		c.instruments[c.used].best = EmptyNBBO
	}
	in := &c.instruments[i]
	if in.n == ConsolidatedPublishersMax {
		c.refused++
		return nil, 0
	}
	slot := in.n
	in.n++
	in.publishers[slot] = p
	in.quotes[slot] = quote{
		bbo: EmptyBBO, bidSince: market.UndefTime, askSince: market.UndefTime, tsRecv: market.UndefTime,
	}
	if slices.Contains(c.excluded, p) {
		in.out |= 1 << slot
	}
	return in, slot
}

// mark sets or clears the everywhere mark of publisher p.
func (c *Consolidated) mark(p market.PublisherID, out bool, changed []uint32) []uint32 {
	for i := range uint32(c.used) {
		in, slot := c.find(i, p)
		if in == nil {
			continue
		}
		if out {
			in.out |= 1 << slot
		} else {
			in.out &^= 1 << slot
		}
		if in.refresh() {
			changed = append(changed, i)
		}
	}
	return changed
}

// refresh finds the best again and reports whether it differs for a subscriber. It looks at every
// eligible publisher: they are few, and a quote that goes needs that anyway.
func (in *consolidatedInstrument) refresh() (changed bool) {
	best := EmptyNBBO
	for rest := in.eligible(); rest != 0; rest &= rest - 1 {
		slot := bits.TrailingZeros16(rest)
		q := &in.quotes[slot]
		if bid := &q.bbo.Bid; bid.Defined() && (!best.Bid.Defined() || bid.Price >= best.Bid.Price) {
			best.Bid.join(bid, q.bidSince, q.tsRecv, in.publishers[slot])
		}
		if ask := &q.bbo.Ask; ask.Defined() && ask.Price <= best.Ask.Price { // UndefPrice is above every price
			best.Ask.join(ask, q.askSince, q.tsRecv, in.publishers[slot])
		}
	}
	changed = best.differs(&in.best)
	in.best = best
	return changed
}

// eligible returns the slots that count.
func (in *consolidatedInstrument) eligible() uint16 {
	return uint16(1<<in.n-1) &^ (in.out | in.outHere)
}

// join adds a level that is at q's price, or better.
func (q *BestQuote) join(l *Level, since, tsRecv market.Nanos, p market.PublisherID) {
	if l.Price != q.Price {
		*q = BestQuote{Price: l.Price}
	}
	q.Ties++
	q.Total += l.Size
	if q.Ties == 1 || l.Size > q.Size ||
		l.Size == q.Size && (since < q.Since || since == q.Since && p < q.Publisher) {
		q.Size, q.Since, q.TsRecv, q.Publisher = l.Size, since, tsRecv, p
	}
}
