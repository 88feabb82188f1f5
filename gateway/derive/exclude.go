package derive

import (
	"tidegate/codec/dbn"
	"tidegate/market"
)

// Exclude takes a publisher's quotes out of the market, because they are not to be relied on; they are kept up
// to date meanwhile. It appends what that changes to out: for cmbp-1 a record with action None for each
// instrument whose consolidated quote is another one now. Sampled schemas say it at the end of their interval.
func (m *Market) Exclude(out []byte, p market.PublisherID, at market.Nanos) []byte {
	m.changed = m.book.Exclude(p, m.changed[:0])
	return m.said(out, p, at)
}

// Include undoes Exclude, and appends what that changes to out like Exclude.
func (m *Market) Include(out []byte, p market.PublisherID, at market.Nanos) []byte {
	m.changed = m.book.Include(p, m.changed[:0])
	return m.said(out, p, at)
}

// said says what changed.
func (m *Market) said(out []byte, p market.PublisherID, at market.Nanos) []byte {
	if !m.served {
		return out
	}
	rtype, _ := m.schema.RType()
	e := market.Event{
		TsEvent: at, TsRecv: at, Publisher: p, Price: market.UndefPrice, Action: market.None, Side: market.NoSide,
		Flags: market.FlagLast | market.FlagBadTsRecv,
	}
	for _, i := range m.changed {
		number := market.InstrumentID(i)
		switch m.schema {
		case dbn.SchemaCMBP1:
			rec := dbn.CMBP1{
				Header: header(&e), Price: e.Price, Action: e.Action, Side: e.Side, Flags: e.Flags,
				TsRecv: e.TsRecv, Level: m.best(number),
			}
			rec.RType, rec.InstrumentID = rtype, number
			out = rec.Append(out)
		case dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
			m.mark(rtype, &e, number)
		}
	}
	return out
}
