package book

import (
	"cmp"
	"math/bits"
	"slices"

	"tidegate/market"
)

// A BestQuote is one side of the best bid and offer over publishers.
//
// Publishers at the same price are all counted. The one that is named leads: it shows the larger
// size; of equal sizes, the one that has been at the price for longer (a change of size does not
// end that time); of equal times, the one with the lower publisher id.
type BestQuote struct {
	Price     market.Price // UndefPrice where nobody quotes the side
	Size      market.Size  // the leading publisher's
	Total     market.Size  // over every publisher at Price
	TsRecv    market.Nanos // the leading publisher's last Update: the age is now - TsRecv; UndefTime if none
	Since     market.Nanos // when the leading publisher came to Price; UndefTime if none
	Publisher market.PublisherID
	Ties      uint8 // publishers at Price, the leading one included; 0 if none
}

// Defined reports whether anybody quotes the side.
func (q BestQuote) Defined() bool { return q.Price.Defined() }

// noQuote is the best of a side that nobody quotes.
var noQuote = BestQuote{Price: market.UndefPrice, TsRecv: market.UndefTime, Since: market.UndefTime}

// An NBBO is the best bid and offer of one instrument over its eligible publishers.
type NBBO struct {
	Bid, Ask BestQuote
}

// EmptyNBBO is the NBBO of an instrument that nobody quotes.
var EmptyNBBO = NBBO{Bid: noQuote, Ask: noQuote}

// Locked reports whether the best bid and the best ask have the same price. Bid.Publisher and
// Ask.Publisher lock each other; they may be one publisher.
func (n NBBO) Locked() bool {
	return n.Bid.Defined() && n.Ask.Defined() && n.Bid.Price == n.Ask.Price
}

// Crossed reports whether the best bid is above the best ask. Bid.Publisher and Ask.Publisher
// cross each other; they may be one publisher.
func (n NBBO) Crossed() bool {
	return n.Bid.Defined() && n.Ask.Defined() && n.Bid.Price > n.Ask.Price
}

// differs reports whether a subscriber of consolidated quotes (DBN cmbp-1) would see a difference:
// in price, size or publisher of a side. Ages, ties and totals are not part of such a quote.
func (n *NBBO) differs(m *NBBO) bool {
	return n.Bid.differs(&m.Bid) || n.Ask.differs(&m.Ask)
}

func (q *BestQuote) differs(r *BestQuote) bool {
	return q.Price != r.Price || q.Size != r.Size || q.Publisher != r.Publisher
}

// A PublisherQuote is what one publisher quotes for an instrument.
type PublisherQuote struct {
	BBO       BBO          // EmptyBBO until its first Update
	TsRecv    market.Nanos // time of its last Update; UndefTime if none
	Publisher market.PublisherID
	Eligible  bool // not excluded, neither everywhere nor in this instrument
}

// Best returns the best bid and offer of instrument i; EmptyNBBO where nobody eligible quotes it.
func (c *Consolidated) Best(i uint32) NBBO {
	if in := c.touched(i); in != nil {
		return in.best
	}
	return EmptyNBBO
}

// Quotes appends the quote of every publisher of instrument i to dst, in the order in which they
// joined it, and returns it.
func (c *Consolidated) Quotes(i uint32, dst []PublisherQuote) []PublisherQuote {
	in := c.touched(i)
	if in == nil {
		return dst
	}
	for slot := range in.n {
		q := &in.quotes[slot]
		dst = append(dst, PublisherQuote{
			BBO:       q.bbo,
			TsRecv:    q.tsRecv,
			Publisher: in.publishers[slot],
			Eligible:  (in.out|in.outHere)>>slot&1 == 0,
		})
	}
	return dst
}

// Depth appends the merged levels of a side of instrument i to dst, best first, until there are no
// more or dst is full (its length is its capacity), and returns the longer dst. Size and Orders of
// a level are sums over the eligible publishers that have it.
//
// levels is called for each eligible publisher and appends that publisher's levels until its dst is
// full, as ByOrder.Levels and ByPrice.Levels do. Depth allocates: it is for questions that people
// ask, not for the path of an event.
func (c *Consolidated) Depth(
	i uint32, side market.Side, dst []Level, levels func(p market.PublisherID, dst []Level) []Level,
) []Level {
	in := c.touched(i)
	if in == nil {
		return dst
	}
	var all []Level
	for rest := in.eligible(); rest != 0; rest &= rest - 1 {
		p := in.publishers[bits.TrailingZeros16(rest)]
		all = append(all, levels(p, make([]Level, 0, cap(dst)-len(dst)))...)
	}
	slices.SortFunc(all, func(a, b Level) int {
		if side == market.Bid {
			a, b = b, a
		}
		return cmp.Compare(a.Price, b.Price)
	})
	for len(all) > 0 && len(dst) < cap(dst) {
		merged := all[0]
		for all = all[1:]; len(all) > 0 && all[0].Price == merged.Price; all = all[1:] {
			merged.Size += all[0].Size
			merged.Orders += all[0].Orders
		}
		dst = append(dst, merged)
	}
	return dst
}
