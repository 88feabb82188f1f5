package booktest

import (
	"maps"
	"slices"

	"tidegate/book"
	"tidegate/market"
)

// ByPrice is the plain twin of book.ByPrice: a map of sizes per side, sorted when somebody asks.
type ByPrice struct {
	instrumentsMax market.InstrumentID
	levelsMax      int
	books          map[market.InstrumentID]map[market.Side]map[market.Price]market.Size
}

// NewByPrice returns an empty twin. cfg must name every limit.
func NewByPrice(cfg book.ByPriceConfig) *ByPrice {
	b := &ByPrice{instrumentsMax: market.InstrumentID(cfg.InstrumentsMax), levelsMax: cfg.LevelsMax}
	b.Reset()
	return b
}

// Reset is book.ByPrice.Reset.
func (b *ByPrice) Reset() {
	b.books = map[market.InstrumentID]map[market.Side]map[market.Price]market.Size{}
}

// Apply is book.ByPrice.Apply.
func (b *ByPrice) Apply(u *market.Update) book.Result {
	before := b.BBO(u.Instrument)
	u.PrevPrice, u.PrevSize = market.UndefPrice, 0
	r := book.Result{Verdict: b.apply(u)}
	after := b.BBO(u.Instrument)
	if before.Bid != after.Bid {
		r.Change |= book.BidChanged
	}
	if before.Ask != after.Ask {
		r.Change |= book.AskChanged
	}
	return r
}

func (b *ByPrice) apply(u *market.Update) market.Verdict {
	switch u.Action {
	case market.Clear:
		delete(b.books, u.Instrument)
		return market.Applied
	case market.Trade, market.Fill, market.None:
		return market.Ignored
	case market.Level:
	default:
		return market.BadField
	}
	if u.Side != market.Bid && u.Side != market.Ask {
		return market.BadField
	}
	topOnly := u.Flags&market.FlagTOB != 0
	if !topOnly && u.Price == market.UndefPrice {
		return market.BadField
	}
	if u.Instrument > b.instrumentsMax {
		return market.BookFull
	}
	if b.books[u.Instrument] == nil {
		b.books[u.Instrument] = map[market.Side]map[market.Price]market.Size{
			market.Bid: {}, market.Ask: {},
		}
	}
	levels := b.books[u.Instrument][u.Side]
	if topOnly {
		before := b.BBO(u.Instrument).Side(u.Side)
		u.PrevPrice, u.PrevSize = before.Price, before.Size
		clear(levels)
		if u.Size > 0 && u.Price != market.UndefPrice {
			levels[u.Price] = u.Size
		}
		return market.Applied
	}
	size, known := levels[u.Price]
	if known {
		u.PrevPrice, u.PrevSize = u.Price, size
	}
	switch {
	case u.Size == 0 && !known:
		return market.UnknownLevel
	case u.Size == 0:
		delete(levels, u.Price)
	case !known && len(levels) == b.levelsMax:
		return market.BookFull
	default:
		levels[u.Price] = u.Size
	}
	return market.Applied
}

// BBO is book.ByPrice.BBO.
func (b *ByPrice) BBO(id market.InstrumentID) book.BBO {
	bbo := book.EmptyBBO
	if bids := b.Levels(id, market.Bid); len(bids) > 0 {
		bbo.Bid = bids[0]
	}
	if asks := b.Levels(id, market.Ask); len(asks) > 0 {
		bbo.Ask = asks[0]
	}
	return bbo
}

// Levels returns every level of a side, from the best on.
func (b *ByPrice) Levels(id market.InstrumentID, side market.Side) []book.Level {
	prices := slices.Sorted(maps.Keys(b.books[id][side]))
	if side == market.Bid {
		slices.Reverse(prices)
	}
	var levels []book.Level
	for _, p := range prices {
		levels = append(levels, book.Level{Price: p, Size: b.books[id][side][p]})
	}
	return levels
}

// Hash is book.ByPrice.Hash.
func (b *ByPrice) Hash(id market.InstrumentID) uint64 {
	var h book.Hasher
	for _, side := range []market.Side{market.Bid, market.Ask} {
		h.Side(side)
		for _, l := range b.Levels(id, side) {
			h.Level(l)
		}
	}
	return h.Sum()
}

// HashAll is book.ByPrice.HashAll.
func (b *ByPrice) HashAll() uint64 {
	var h book.Hasher
	for _, id := range slices.Sorted(maps.Keys(b.books)) {
		if len(b.books[id][market.Bid])+len(b.books[id][market.Ask]) > 0 {
			h.Book(id, b.Hash(id))
		}
	}
	return h.Sum()
}
