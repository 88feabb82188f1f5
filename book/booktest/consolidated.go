package booktest

import (
	"cmp"
	"slices"

	"tidegate/book"
	"tidegate/market"
)

// Consolidated is the plain twin of book.Consolidated: it keeps quotes in a list and sorts them
// when it is asked.
type Consolidated struct {
	instrumentsMax uint32
	quotes         []consolidatedQuote // in order of joining
	excluded       map[market.PublisherID]bool
	refused        uint64
}

type consolidatedQuote struct {
	instrument uint32
	publisher  market.PublisherID
	bbo        book.BBO
	bidSince   market.Nanos
	askSince   market.Nanos
	tsRecv     market.Nanos
	excluded   bool // in this instrument
}

// NewConsolidated returns an empty twin for instruments 0 to instrumentsMax-1.
func NewConsolidated(instrumentsMax uint32) *Consolidated {
	return &Consolidated{instrumentsMax: instrumentsMax, excluded: map[market.PublisherID]bool{}}
}

// Update is book.Consolidated.Update.
func (c *Consolidated) Update(i uint32, p market.PublisherID, bbo book.BBO, now market.Nanos) bool {
	before := c.Best(i)
	q := c.quote(i, p)
	if q == nil {
		return false
	}
	if q.bbo.Bid.Price != bbo.Bid.Price {
		q.bidSince = now
	}
	if q.bbo.Ask.Price != bbo.Ask.Price {
		q.askSince = now
	}
	q.bbo, q.tsRecv = bbo, now
	return seen(before) != seen(c.Best(i))
}

// Exclude is book.Consolidated.Exclude.
func (c *Consolidated) Exclude(p market.PublisherID) []uint32 {
	return c.compare(func() { c.excluded[p] = true })
}

// Include is book.Consolidated.Include.
func (c *Consolidated) Include(p market.PublisherID) []uint32 {
	return c.compare(func() { delete(c.excluded, p) })
}

// ExcludeAt is book.Consolidated.ExcludeAt.
func (c *Consolidated) ExcludeAt(i uint32, p market.PublisherID) bool {
	return len(c.compare(func() {
		if q := c.quote(i, p); q != nil {
			q.excluded = true
		}
	})) > 0
}

// IncludeAt is book.Consolidated.IncludeAt.
func (c *Consolidated) IncludeAt(i uint32, p market.PublisherID) bool {
	return len(c.compare(func() {
		for k := range c.quotes {
			if q := &c.quotes[k]; q.instrument == i && q.publisher == p {
				q.excluded = false
			}
		}
	})) > 0
}

// Best is book.Consolidated.Best.
func (c *Consolidated) Best(i uint32) book.NBBO {
	return book.NBBO{Bid: c.bestOf(i, market.Bid), Ask: c.bestOf(i, market.Ask)}
}

// Quotes is book.Consolidated.Quotes.
func (c *Consolidated) Quotes(i uint32) []book.PublisherQuote {
	var quotes []book.PublisherQuote
	for _, q := range c.quotes {
		if q.instrument == i {
			quotes = append(quotes, book.PublisherQuote{
				BBO: q.bbo, TsRecv: q.tsRecv, Publisher: q.publisher, Eligible: c.eligible(q),
			})
		}
	}
	return quotes
}

// Refused is book.Consolidated.Refused.
func (c *Consolidated) Refused() uint64 { return c.refused }

// quote returns the quote of p for i, a new one if there is none, or nil where a limit forbids it.
func (c *Consolidated) quote(i uint32, p market.PublisherID) *consolidatedQuote {
	n := 0
	for k := range c.quotes {
		if q := &c.quotes[k]; q.instrument == i {
			if q.publisher == p {
				return q
			}
			n++
		}
	}
	if i >= c.instrumentsMax || n == book.ConsolidatedPublishersMax {
		c.refused++
		return nil
	}
	c.quotes = append(c.quotes, consolidatedQuote{
		instrument: i, publisher: p, bbo: book.EmptyBBO,
		bidSince: market.UndefTime, askSince: market.UndefTime, tsRecv: market.UndefTime,
	})
	return &c.quotes[len(c.quotes)-1]
}

func (c *Consolidated) eligible(q consolidatedQuote) bool {
	return !q.excluded && !c.excluded[q.publisher]
}

func (c *Consolidated) bestOf(i uint32, side market.Side) book.BestQuote {
	var all []book.BestQuote
	for _, q := range c.quotes {
		since := q.bidSince
		if side == market.Ask {
			since = q.askSince
		}
		if l := q.bbo.Side(side); q.instrument == i && c.eligible(q) && l.Defined() {
			all = append(all, book.BestQuote{
				Price: l.Price, Size: l.Size, TsRecv: q.tsRecv, Since: since, Publisher: q.publisher,
			})
		}
	}
	if len(all) == 0 {
		return book.BestQuote{Price: market.UndefPrice, TsRecv: market.UndefTime, Since: market.UndefTime}
	}
	slices.SortFunc(all, func(a, b book.BestQuote) int {
		byPrice := cmp.Compare(a.Price, b.Price)
		if side == market.Bid {
			byPrice = -byPrice
		}
		return cmp.Or(byPrice, cmp.Compare(b.Size, a.Size), cmp.Compare(a.Since, b.Since),
			cmp.Compare(a.Publisher, b.Publisher))
	})
	best := all[0]
	for _, q := range all {
		if q.Price == best.Price {
			best.Total += q.Size
			best.Ties++
		}
	}
	return best
}

// compare returns the instruments whose best differs for a subscriber after do.
func (c *Consolidated) compare(do func()) []uint32 {
	before := make([]book.NBBO, c.instrumentsMax)
	for i := range c.instrumentsMax {
		before[i] = c.Best(i)
	}
	do()
	var changed []uint32
	for i := range c.instrumentsMax {
		if seen(before[i]) != seen(c.Best(i)) {
			changed = append(changed, i)
		}
	}
	return changed
}

// seen is the part of the best that a subscriber of consolidated quotes sees.
func seen(n book.NBBO) [2]book.BestQuote {
	only := func(q book.BestQuote) book.BestQuote {
		return book.BestQuote{Price: q.Price, Size: q.Size, Publisher: q.Publisher}
	}
	return [2]book.BestQuote{only(n.Bid), only(n.Ask)}
}
