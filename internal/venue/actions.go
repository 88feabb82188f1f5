package venue

import "tidegate/market"

// What participants do, per mille of their actions while an instrument trades. The rest are adds and
// deletes, balanced so that a book tends to its listing's depth.
const (
	shareReplace    = 70
	shareReduce     = 16
	shareAggressive = 15
	shareHidden     = 12
)

const (
	shareWander     = 60  // actions that move the fair price
	shareTouch      = 350 // deletes at the best price, where orders come and go fastest
	shareDeep       = 15  // adds far from the market
	shareAttributed = 50  // adds that name their participant
	shareImproved   = 150 // executions at a better price than displayed, where the limit allows it
	shareSweep      = 200 // aggressive orders larger than the first order they meet
	shareRests      = 400 // aggressive orders whose rest stays in the book
	spreadStep      = 850 // per mille chance that an add is one tick further away
	ticksAwayMax    = 40
	ticksDeepMax    = 400
	driftMax        = 12
)

// mpids are made-up participants.
var mpids = [...]string{"TIDA", "TIDB", "GATE", "EBBS"}

// act does one participant's action. It may come to nothing.
func (x *Exchange) act(in *instrument) {
	if x.dice.perMille(shareWander) {
		x.wander(in)
	}
	roll := x.dice.IntN(1000)
	switch {
	case in.state == stateHalted:
		if roll < 100 { // few hurry to leave
			x.deleteOne(in)
		} else if roll < 120 {
			x.reduceOne(in)
		}
	case roll < shareReplace:
		x.replaceOne(in)
	case roll < shareReplace+shareReduce:
		x.reduceOne(in)
	case in.state == stateTrading && roll < shareReplace+shareReduce+shareAggressive:
		x.aggress(in)
	case in.state == stateTrading && roll < shareReplace+shareReduce+shareAggressive+shareHidden:
		x.tradeHidden(in)
	case x.dice.perMille(x.addShare(in)):
		x.addOne(in)
	default:
		x.deleteOne(in)
	}
}

// addShare is the share of adds among adds and deletes, per mille: half at the listing's depth.
func (x *Exchange) addShare(in *instrument) int {
	lacking := in.Depth - len(in.book.orders)
	return min(max(510+300*lacking/in.Depth, 100), 1000)
}

// wander moves the fair price by a tick, with drifts up or down that last a few moves. It stays
// between half and twice the reference price.
func (x *Exchange) wander(in *instrument) {
	step := in.Tick
	switch {
	case in.drift > 0:
		in.drift--
	case in.drift < 0:
		in.drift++
		step = -in.Tick
	case x.dice.perMille(20):
		in.drift = x.dice.between(-driftMax, driftMax)
		return
	case x.dice.perMille(500):
		step = -in.Tick
	}
	if moved := in.fair + step; moved >= in.Reference/2 && moved <= in.Reference*2 {
		in.fair = moved
	}
}

// addOne rests a new order, more often on the side that has fewer.
func (x *Exchange) addOne(in *instrument) {
	side := market.Ask
	bids, asks := in.book.count(market.Bid), in.book.count(market.Ask)
	if x.dice.perMille(500 + 400*(asks-bids)/(asks+bids+1)) {
		side = market.Bid
	}
	price, ok := x.passivePrice(in, side)
	if !ok {
		return
	}
	o := Order{Ref: x.nextRef(), Side: side, Price: price, Size: x.size()}
	in.book.rest(o)
	x.out.add(in, o, x.attribution())
}

// passivePrice draws a price near the fair one that takes nothing from the other side.
func (x *Exchange) passivePrice(in *instrument, side market.Side) (market.Price, bool) {
	away := 1 + x.dice.geometric(spreadStep, ticksAwayMax)
	if x.dice.perMille(shareDeep) {
		away += x.dice.IntN(ticksDeepMax)
	}
	offset := market.Price(away) * in.Tick
	other, crossable := in.book.best(side.Opposite())
	var price market.Price
	if side == market.Bid {
		price = in.fair - offset
		if crossable {
			price = min(price, other-in.Tick)
		}
	} else {
		price = in.fair + offset
		if crossable {
			price = max(price, other+in.Tick)
		}
	}
	return price, price > 0 && price <= orderPriceMax
}

func (x *Exchange) deleteOne(in *instrument) {
	if o := x.pick(in); o != nil {
		ref := o.Ref
		in.book.reduce(ref, o.Size)
		x.out.deleted(in, ref)
	}
}

func (x *Exchange) reduceOne(in *instrument) {
	if o := x.pick(in); o != nil && o.Size > 1 {
		by := x.dice.size(o.Size - 1)
		in.book.reduce(o.Ref, by)
		x.out.cancelled(in, o.Ref, by)
	}
}

// replaceOne changes price, size or both. The new order is last in its queue.
func (x *Exchange) replaceOne(in *instrument) {
	o := x.pick(in)
	if o == nil {
		return
	}
	price, size := o.Price, o.Size
	if x.dice.perMille(800) {
		var ok bool
		if price, ok = x.passivePrice(in, o.Side); !ok {
			return
		}
	}
	if x.dice.perMille(300) {
		size = x.size()
	}
	next := Order{Ref: x.nextRef(), Side: o.Side, Price: price, Size: size}
	in.book.replace(o.Ref, next)
	x.out.replaced(in, o.Ref, next)
}

// aggress sends a limit order that executes at once, at least in part.
func (x *Exchange) aggress(in *instrument) {
	side := x.side()
	if misplaced := x.misplaced(in); misplaced != market.NoSide {
		side = misplaced.Opposite()
	}
	best, ok := in.book.best(side.Opposite())
	if !ok {
		return
	}
	reach := market.Price(x.dice.IntN(3)) * in.Tick
	limit := min(best+reach, orderPriceMax)
	if side == market.Ask {
		limit = max(best-reach, in.Tick)
	}
	first := (*in.book.side(side.Opposite()))[0].orders[0].Size
	size := x.dice.size(first)
	if x.dice.perMille(shareSweep) {
		size = first + x.size()*2
	}

	ref := x.nextRef()
	for _, f := range in.book.take(side, limit, size) {
		size -= f.given
		if f.Price != limit && x.dice.perMille(shareImproved) {
			x.out.executedAt(in, f, limit, x.nextMatch(), true)
		} else {
			x.out.executed(in, f, x.nextMatch())
		}
	}
	if size > 0 && x.dice.perMille(shareRests) {
		o := Order{Ref: ref, Side: side, Price: limit, Size: size}
		in.book.rest(o)
		x.out.add(in, o, "")
	}
}

// tradeHidden trades orders that were never displayed, in the middle of the market.
func (x *Exchange) tradeHidden(in *instrument) {
	bid, hasBid := in.book.best(market.Bid)
	ask, hasAsk := in.book.best(market.Ask)
	if !hasBid || !hasAsk {
		return
	}
	mid := market.Mid(bid, ask)
	x.out.hidden(in, mid-mid%priceUnit, x.size(), x.nextMatch())
}

// pick chooses a resting order, or nil if there is none: one that the fair price has passed, if there
// is such a price level, else one at the touch or at any level.
func (x *Exchange) pick(in *instrument) *Order {
	side, level := x.misplaced(in), 0
	if side == market.NoSide {
		side = x.side()
		if len(*in.book.side(side)) == 0 {
			side = side.Opposite()
		}
		levels := len(*in.book.side(side))
		if levels == 0 {
			return nil
		}
		if !x.dice.perMille(shareTouch) {
			level = x.dice.IntN(levels)
		}
	}
	orders := (*in.book.side(side))[level].orders
	return orders[x.dice.IntN(len(orders))]
}

// misplaced returns the side whose best price the fair price has passed.
func (x *Exchange) misplaced(in *instrument) market.Side {
	if bid, ok := in.book.best(market.Bid); ok && bid > in.fair {
		return market.Bid
	}
	if ask, ok := in.book.best(market.Ask); ok && ask < in.fair {
		return market.Ask
	}
	return market.NoSide
}

// size draws an order size: mostly a few round lots, some odd lots, some blocks.
func (x *Exchange) size() market.Size {
	switch roll := x.dice.IntN(100); {
	case roll < 70:
		return roundLot * x.dice.size(5)
	case roll < 90:
		return x.dice.size(roundLot - 1)
	default:
		return roundLot * x.dice.size(50)
	}
}

// attribution names the participant of some orders.
func (x *Exchange) attribution() string {
	if x.dice.perMille(shareAttributed) {
		return mpids[x.dice.IntN(len(mpids))]
	}
	return ""
}
