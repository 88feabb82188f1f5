package match

import (
	"fmt"

	"tidegate/market"
)

// Check goes over the whole state and says what in it cannot be, as an error. It is for tests and for
// Restore; it takes time in proportion to all that is there.
func (e *Engine) Check() error {
	c := checker{Engine: e}
	live := 0
	for n := 1; n < len(e.instruments); n++ {
		c.instrument(uint32(n))
		live += int(e.instruments[n].orders)
	}
	if live != e.Len() {
		c.fail("%d orders in instruments, %d in all", live, e.Len())
	}
	if c.levels != e.levels.live() {
		c.fail("%d levels in ladders, %d in all", c.levels, e.levels.live())
	}
	for place := uint32(2); int(place) < len(e.timers.heap); place++ {
		if e.timers.heap[place].before(e.timers.heap[place/2]) {
			c.fail("timer %d is before the one above it", place)
		}
	}
	if e.timers.due(e.now) {
		c.fail("a timer of %d is over at %d", e.timers.heap[1].at, e.now)
	}
	return c.err
}

type checker struct {
	*Engine
	levels int
	err    error
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("matching engine: "+format, args...)
	}
}

func (c *checker) instrument(n uint32) {
	s := &c.instruments[n]
	if !s.valid() || c.byInstrument.find(uint64(s.ID)) != n {
		c.fail("instrument %d: definition %+v", s.ID, s.Instrument)
	}
	seen := uint32(0)
	for k := range s.ladders {
		l := &s.ladders[k]
		c.tree(l, l.root, 0)
		better := uint32(0)
		for i := l.best; i != 0; i = c.levelAt(i).worse {
			if c.levelAt(i).better != better || better != 0 && l.rank(c.levelAt(better).price) <= l.rank(c.levelAt(i).price) {
				c.fail("instrument %d: ladder %d: levels out of order", s.ID, k)
				return
			}
			better = i
			seen += c.level(n, k, i)
			c.levels++
		}
	}
	c.each(s.held, byQueue, func(i uint32) bool {
		seen++
		c.order(n, i, inHeld)
		return true
	})
	c.each(s.pegs, byPeg, func(i uint32) bool {
		o := c.orders.at(i)
		if o.peg == NoPeg {
			c.fail("order %d is no peg and moves", o.id)
		}
		if o.where != inBook {
			seen++
			c.order(n, i, nowhere)
		}
		return true
	})
	if seen != s.orders {
		c.fail("instrument %d: %d orders found, %d counted", s.ID, seen, s.orders)
	}
	bid, ask := s.ladders[bookLadder].best, s.ladders[bookLadder+1].best
	if s.state == Open && bid != 0 && ask != 0 && c.levelAt(bid).price >= c.levelAt(ask).price {
		c.fail("instrument %d: crossed: %d %d", s.ID, c.levelAt(bid).price, c.levelAt(ask).price)
	}
	if s.high != 0 || s.low != 0 {
		c.fail("instrument %d: trades that stops have not seen", s.ID)
	}
	if c.err == nil && c.nextTriggered(s) != 0 && s.state == Open {
		c.fail("instrument %d: a stop order should be triggered", s.ID)
	}
}

func (c *checker) levelAt(i uint32) *level { return c.Engine.levels.at(i) }

// tree checks heights, balance and links, and returns the height.
func (c *checker) tree(l *ladder, i, parent uint32) int32 {
	if i == 0 {
		return 0
	}
	n := c.levelAt(i)
	left, right := c.tree(l, n.left, i), c.tree(l, n.right, i)
	if n.parent != parent || n.height != 1+max(left, right) || left-right > 1 || right-left > 1 ||
		n.left != 0 && l.rank(c.levelAt(n.left).price) >= l.rank(n.price) ||
		n.right != 0 && l.rank(c.levelAt(n.right).price) <= l.rank(n.price) {
		c.fail("tree broken at level %d", n.price)
	}
	return n.height
}

// level checks a level and returns how many orders it has.
func (c *checker) level(n uint32, k int, i uint32) (count uint32) {
	s, lv := &c.instruments[n], c.levelAt(i)
	var open, shown market.Size
	last := uint32(0)
	c.each(lv.queue, byQueue, func(j uint32) bool {
		o := c.orders.at(j)
		where, key := inStops, o.stop
		if k < tradeStopLadder {
			if where, key = inBook, o.price; o.kind == Market {
				key = noLimit(o.side)
			}
		}
		if o.level != i || o.links[byQueue].prev != last || key != lv.price || o.side.Index() != k%2 ||
			where == inStops && s.stops(o) != &s.ladders[k] {
			c.fail("order %d stands in the wrong queue", o.id)
		}
		c.order(n, j, where)
		count++
		open += market.Size(o.open)
		shown += market.Size(o.shown)
		last = j
		return true
	})
	if last == 0 || last != lv.queue.tail || count != lv.orders || open != lv.open || shown != lv.shown {
		c.fail("level %d: %d orders of %d, %d shown: counted %d of %d, %d shown", lv.price, count, open, shown, lv.orders, lv.open, lv.shown)
	}
	return count
}

// order checks an order that is somewhere.
func (c *checker) order(n, i uint32, w where) {
	o, s := c.orders.at(i), &c.instruments[n]
	lot := uint32(s.LotSize)
	limit := o.price
	if o.peg != NoPeg {
		limit = o.cap
	}
	parked, booked := o.peg != NoPeg && w != inBook, w == inBook
	ok := o.id != 0 && c.byID.find(o.id, &c.orders) == i && o.where == w && o.instrument == n && o.account != 0 &&
		o.entry > 0 && o.entry <= c.entries && o.ref <= c.refs &&
		o.open > 0 && o.open <= o.size && o.size%lot == 0 && o.open%lot == 0 && o.display%lot == 0 && o.min%lot == 0 &&
		o.shown%lot == 0 && o.shown <= o.open && (o.shown != 0) == booked && (booked || o.ref == 0) &&
		(o.display == 0 && o.shown == o.open || o.shown <= o.display || !booked) &&
		(o.display == 0 || (o.size-1)/o.display < PartsMax) &&
		o.min <= o.size && (o.min == 0 || w == inHeld) &&
		(o.trigger != NoTrigger) == (w == inStops) && (o.stop != 0) == (w == inStops) &&
		(o.stop == 0 || s.onTick(o.stop)) &&
		(o.offset == 0 || o.peg != NoPeg) && (o.cap == 0 || o.peg != NoPeg) &&
		(o.kind == Market) == (limit == 0 && o.peg == NoPeg) && (limit == 0 || s.onTick(limit)) &&
		(!parked || o.price == 0) && (o.peg == NoPeg || o.kind == Limit && (booked || w == nowhere)) && (o.timer != 0) == (o.tif == GoodTillTime) &&
		(!o.cancelOnDisconnect || o.session != 0) && (o.ref != 0) == (booked && o.kind == Limit)
	if !ok {
		c.fail("order %d cannot be: %+v", o.id, *o)
		return
	}
	if booked && o.peg != NoPeg {
		if p, priced := s.pegPrice(o.side, o.peg, o.offset, o.cap); !priced || p != o.price {
			c.fail("peg %d stands at %d, its price is %d", o.id, o.price, p)
		}
	}
	if booked && s.state == Open && (o.kind == Market || o.tif == Immediate || o.tif == FillOrKill) ||
		w != inHeld && (o.tif == Immediate || o.tif == FillOrKill) ||
		w == inHeld && (s.state == PreOpen || s.WhenStale != HoldStale) {
		c.fail("order %d must not wait there: %+v", o.id, *o)
	}
	if t := c.timers.heap[o.timer]; o.timer != 0 && (t.owner != i || t.key != orderTimer|o.entry) {
		c.fail("order %d has the timer of another", o.id)
	}
}
