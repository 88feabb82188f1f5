package venue

import (
	"cmp"
	"slices"

	"tidegate/market"
)

// An appointment is something that the venue does at a set time.
type appointment struct {
	at market.Nanos
	do func()
}

const (
	spinGap     = 10 * market.Microsecond // between instruments, where all take their turn
	noiiFirst   = 5                       // a cross is announced from so many seconds before it
	closingTime = 10 * market.Second      // from the close to the end of messages
	roundLot    = 100
)

// Market-wide circuit breaker levels of an index that stands at 5,000: 7, 13 and 20 percent below.
const (
	breakerLevel1 = 4650 * market.PriceScale
	breakerLevel2 = 4350 * market.PriceScale
	breakerLevel3 = 4000 * market.PriceScale
)

// ITCH system event codes.
const (
	eventStartOfMessages = 'O'
	eventStartOfSystem   = 'S'
	eventStartOfMarket   = 'Q'
	eventEndOfMarket     = 'M'
	eventEndOfSystem     = 'E'
	eventEndOfMessages   = 'C'
)

// ITCH cross types.
const (
	crossOpening = 'O'
	crossClosing = 'C'
	crossHalt    = 'H'
)

// plan writes the day's agenda.
func (x *Exchange) plan() {
	openAt := x.cfg.Midnight + x.cfg.Open
	startAt := openAt - x.cfg.PreOpen
	closeAt := openAt + x.cfg.Trading
	turns := market.Nanos(len(x.instruments)) * spinGap // less than a second, even with every locate code

	x.at(startAt, func() { x.out.systemEvent(eventStartOfMessages) })
	x.spin(startAt+spinGap, x.list)
	x.at(startAt+spinGap+turns, func() {
		x.flow.start(x)
		x.out.systemEvent(eventStartOfSystem)
		x.out.breakerLevels(breakerLevel1, breakerLevel2, breakerLevel3)
	})

	x.planImbalances(startAt+turns, openAt, crossOpening)
	x.at(openAt, func() { x.out.systemEvent(eventStartOfMarket) })
	x.spin(openAt, func(in *instrument) { x.resume(in, crossOpening) })

	for _, h := range x.cfg.Halts {
		i := slices.IndexFunc(x.instruments, func(in *instrument) bool { return in.Symbol == h.Symbol })
		in := x.instruments[i]
		from := openAt + h.At
		x.at(from, func() { x.setState(in, stateHalted, "T1") })
		x.at(from+h.For-h.For/3, func() { x.setState(in, stateQuoting, "T3") })
		x.at(from+h.For, func() { x.resume(in, crossHalt) })
	}

	x.planImbalances(openAt+turns, closeAt, crossClosing)
	x.at(closeAt, func() {
		x.flow.stop()
		x.out.systemEvent(eventEndOfMarket)
	})
	x.spin(closeAt, func(in *instrument) { x.cross(in, crossClosing) })
	x.at(closeAt+closingTime/2, func() { x.out.systemEvent(eventEndOfSystem) })
	x.at(closeAt+closingTime, func() { x.out.systemEvent(eventEndOfMessages) })

	slices.SortStableFunc(x.agenda, func(a, b appointment) int { return cmp.Compare(a.at, b.at) })
}

// planImbalances announces a cross once a second, but not before from.
func (x *Exchange) planImbalances(from, at market.Nanos, kind byte) {
	for s := at - noiiFirst*market.Second; s < at; s += market.Second {
		if s <= from {
			continue
		}
		x.spin(s, func(in *instrument) {
			if in.state != stateHalted {
				x.imbalance(in, kind)
			}
		})
	}
}

func (x *Exchange) at(at market.Nanos, do func()) {
	x.agenda = append(x.agenda, appointment{at, do})
}

// spin does something for each instrument in turn.
func (x *Exchange) spin(at market.Nanos, do func(*instrument)) {
	for i, in := range x.instruments {
		x.at(at+market.Nanos(i)*spinGap, func() { do(in) })
	}
}

// list publishes what a subscriber must know of an instrument before its first order.
func (x *Exchange) list(in *instrument) {
	x.out.directory(in)
	x.out.tradingAction(in, "")
	x.out.shortSale(in)
}

func (x *Exchange) setState(in *instrument, state byte, reason string) {
	in.state = state
	x.out.tradingAction(in, reason)
}

// resume starts trading with a cross.
func (x *Exchange) resume(in *instrument, kind byte) {
	x.cross(in, kind)
	x.setState(in, stateTrading, "")
}

// cross holds an auction at the best displayed price of one side. Interest that is only for the
// cross, and never displayed, takes displayed orders there and trades with itself; all of it is
// printed as one trade. So the executions of the displayed orders are not printable.
func (x *Exchange) cross(in *instrument, kind byte) {
	aggressor := x.side()
	price, ok := in.book.best(aggressor.Opposite())
	if !ok {
		x.out.cross(in, 0, 0, x.nextMatch(), kind) // nothing to cross
		return
	}
	match := x.nextMatch()
	total := roundLot * x.dice.size(200)
	for _, f := range in.book.take(aggressor, price, x.size()*4) {
		x.out.executedAt(in, f, price, match, false)
		total += f.given
	}
	x.out.cross(in, price, total, match, kind)
}

// imbalance publishes the state of a coming cross.
func (x *Exchange) imbalance(in *instrument, kind byte) {
	reference, ok := in.book.best(x.side())
	if !ok {
		reference = in.fair
	}
	paired, imbalance := roundLot*x.dice.size(200), roundLot*x.dice.size(50)
	x.out.imbalance(in, paired, imbalance, x.side(), reference, kind)
}

// side tosses a coin.
func (x *Exchange) side() market.Side {
	if x.dice.perMille(500) {
		return market.Bid
	}
	return market.Ask
}
