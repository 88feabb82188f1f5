package bench

import "tidegate/codec/itch50"

// The messages of a generated day.

func (g *generator) header(locate uint16) itch50.Header {
	g.ts += g.rand.Uint64() % (2*g.meanStep + 1)
	return itch50.Header{Locate: locate, Timestamp: min(g.ts, lastNanos)}
}

// lastNanos is the last timestamp of a day.
const lastNanos = 24*3600*1_000_000_000 - 1

// emit writes the message in g.b.
func (g *generator) emit() {
	g.frame = itch50.AppendFramed(g.frame[:0], g.b)
	g.write(g.frame)
	g.messages++
	g.byType[g.b[0]]++
}

func (g *generator) write(b []byte) {
	n, err := g.w.Write(b)
	g.truth.Bytes += int64(n)
	if g.err == nil {
		g.err = err
	}
}

func (g *generator) systemEvent(code byte) {
	m := itch50.SystemEvent{Header: g.header(0), Event: code}
	g.b = m.Append(g.b[:0])
	g.emit()
}

func side(buy bool) byte {
	if buy {
		return itch50.Buy
	}
	return itch50.Sell
}

func (g *generator) newID() uint64 {
	g.id += 1 + uint64(g.below(4))
	return g.id
}

func (g *generator) add(s *genSymbol) {
	o := genOrder{id: g.newID(), shares: g.shares(), buy: g.below(2) == 0}
	o.price = g.price(s, o.buy)
	m := itch50.AddOrder{
		Header: g.header(s.locate), OrderRef: o.id, Side: side(o.buy), Shares: o.shares,
		Stock: s.stock, Price: itch50.Price4(o.price),
	}
	if g.below(16) == 0 {
		f := itch50.AddOrderMPID{AddOrder: m, Attribution: itch50.MPID{'T', 'I', 'D', 'E'}}
		g.b = f.Append(g.b[:0])
	} else {
		g.b = m.Append(g.b[:0])
	}
	g.emit()
	g.come(s, o)
}

func (g *generator) delete(s *genSymbol) {
	i := g.pick(s)
	m := itch50.OrderDelete{Header: g.header(s.locate), OrderRef: s.orders[i].id}
	g.b = m.Append(g.b[:0])
	g.emit()
	g.leave(s, i)
}

// replace changes the price in two of three cases, else only the size.
func (g *generator) replace(s *genSymbol) {
	i := g.pick(s)
	old := s.orders[i]
	o := genOrder{id: g.newID(), price: old.price, shares: g.shares(), buy: old.buy}
	if g.below(3) != 0 {
		o.price = g.price(s, o.buy)
	}
	m := itch50.OrderReplace{
		Header: g.header(s.locate), OrderRef: old.id, NewOrderRef: o.id, Shares: o.shares,
		Price: itch50.Price4(o.price),
	}
	g.b = m.Append(g.b[:0])
	g.emit()
	g.leave(s, i)
	g.come(s, o)
}

func (g *generator) execute(s *genSymbol, otherPrice bool) {
	i := g.pick(s)
	o := s.orders[i]
	shares := o.shares
	if g.below(3) == 0 {
		shares = 1 + uint32(g.below(int(o.shares)))
	}
	g.match++
	m := itch50.OrderExecuted{Header: g.header(s.locate), OrderRef: o.id, Shares: shares, Match: g.match}
	if otherPrice {
		c := itch50.OrderExecutedWithPrice{OrderExecuted: m, Printable: 'Y', Price: itch50.Price4(o.price + 1)}
		g.b = c.Append(g.b[:0])
	} else {
		g.b = m.Append(g.b[:0])
	}
	g.emit()
	g.reduce(s, i, shares)
}

// cancel takes a part off an order; an order of one share is deleted instead.
func (g *generator) cancel(s *genSymbol) {
	i := g.pick(s)
	o := s.orders[i]
	if o.shares == 1 {
		g.delete(s)
		return
	}
	shares := 1 + uint32(g.below(int(o.shares-1)))
	m := itch50.OrderCancel{Header: g.header(s.locate), OrderRef: o.id, Shares: shares}
	g.b = m.Append(g.b[:0])
	g.emit()
	g.reduce(s, i, shares)
}

func (g *generator) trade(s *genSymbol) {
	g.match++
	m := itch50.Trade{
		Header: g.header(s.locate), Side: itch50.Buy, Shares: g.shares(), Stock: s.stock,
		Price: itch50.Price4(uint32(s.mid * s.tick)), Match: g.match,
	}
	g.b = m.Append(g.b[:0])
	g.emit()
}
