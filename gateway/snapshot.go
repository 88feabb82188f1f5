package gateway

import (
	"tidegate/book"
	"tidegate/market"
)

// AppendSnapshot appends the state of one instrument's book to dst: a Clear, then an Add for every
// resting order in priority order, bids first. All carry FlagSnapshot and FlagBadTsRecv and the
// time of the snapshot as TsEvent and TsRecv (a book does not remember when an order came); the last
// one also carries FlagLast. Seq is 0. For feeds of price levels an order stands for each level, with
// the id that its events have, and FlagMBP.
//
// A subscriber who applies them to an empty book has the book as it is now; what is published after
// this call continues from there.
func (p *Pipeline) AppendSnapshot(dst []market.Event, id market.InstrumentID, now market.Nanos) []market.Event {
	const flags = market.FlagSnapshot | market.FlagBadTsRecv
	e := market.Event{
		TsEvent: now, TsRecv: now, Price: market.UndefPrice, Instrument: id,
		Publisher: p.cfg.Publisher.ID, Action: market.Clear, Side: market.NoSide, Flags: flags,
	}
	if p.suspect {
		e.Flags |= market.FlagMaybeBadBook
	}
	dst = append(dst, e)
	e.Action = market.Add
	if p.withhold {
		dst[len(dst)-1].Flags |= market.FlagLast
		return dst
	}
	for _, side := range [2]market.Side{market.Bid, market.Ask} {
		e.Side = side
		if p.orders != nil {
			for o := range p.orders.Orders(id, side) {
				e.OrderID, e.Price, e.Size = o.ID, o.Price, o.Size
				dst = append(dst, e)
			}
			continue
		}
		dst = p.appendLevels(dst, e)
	}
	dst[len(dst)-1].Flags |= market.FlagLast
	return dst
}

// appendLevels appends an order for each level of a side to dst, like e in all else.
func (p *Pipeline) appendLevels(dst []market.Event, e market.Event) []market.Event {
	e.Flags |= market.FlagMBP
	if p.cfg.Feed == TOPS {
		e.Flags |= market.FlagTOB
	}
	for _, l := range p.levels.Levels(e.Instrument, e.Side, make([]book.Level, 0, 1<<13)) {
		e.Price, e.Size = l.Price, l.Size
		e.OrderID = levelOrderID(e.Side, l.Price, e.Flags)
		dst = append(dst, e)
	}
	return dst
}
