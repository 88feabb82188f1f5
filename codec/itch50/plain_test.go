package itch50

import "tidegate/market"

// decodePlain is the plain twin of Decode: a switch over the message type. Tests compare the two.
func decodePlain(d *Decoder, b []byte, u *market.Update) market.Verdict {
	if len(b) == 0 {
		return market.Short
	}
	switch b[0] {
	case TypeAddOrder:
		if len(b) != lenAddOrder {
			return misfit(b, lenAddOrder)
		}
		return plainAdd(d, (*[lenAddOrder]byte)(b), u)
	case TypeOrderDelete:
		if len(b) != lenOrderDelete {
			return misfit(b, lenOrderDelete)
		}
		return plainBegin(d, (*[orderLen]byte)(b), market.Delete, u)
	case TypeOrderReplace:
		if len(b) != lenOrderReplace {
			return misfit(b, lenOrderReplace)
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Replace, u)
		if v == market.Applied {
			u.PrevOrderID = u.OrderID
			u.OrderID = be.Uint64(b[19:])
			u.Size = market.Size(be.Uint32(b[27:]))
			u.Price = price4(b[31:])
		}
		return v
	case TypeOrderExecuted:
		if len(b) != lenOrderExecuted {
			return misfit(b, lenOrderExecuted)
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Execute, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[19:]))
			u.Match = be.Uint64(b[23:])
		}
		return v
	case TypeOrderCancel:
		if len(b) != lenOrderCancel {
			return misfit(b, lenOrderCancel)
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Cancel, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[19:]))
		}
		return v
	case TypeAddOrderMPID:
		if len(b) != lenAddOrderMPID {
			return misfit(b, lenAddOrderMPID)
		}
		return plainAdd(d, (*[lenAddOrder]byte)(b), u)
	case TypeOrderExecutedWithPrice:
		if len(b) != lenOrderExecutedWithPrice {
			return misfit(b, lenOrderExecutedWithPrice)
		}
		if timestamp(b) >= dayNanos {
			return market.BadTime
		}
		printable := b[31]
		if printable != 'Y' && printable != 'N' {
			return market.BadField
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Execute, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[19:]))
			u.Match = be.Uint64(b[23:])
			u.Price = price4(b[32:])
			u.Unprintable = printable == 'N'
		}
		return v
	case TypeTrade:
		if len(b) != lenTrade {
			return misfit(b, lenTrade)
		}
		if timestamp(b) >= dayNanos {
			return market.BadTime
		}
		if b[19] != Buy && b[19] != Sell {
			return market.BadField
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Trade, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[20:]))
			u.Price = price4(b[32:])
			u.Match = be.Uint64(b[36:])
		}
		return v
	case TypeCrossTrade:
		if len(b) != lenCrossTrade {
			return misfit(b, lenCrossTrade)
		}
		shares := be.Uint64(b[11:])
		if timestamp(b) >= dayNanos {
			return market.BadTime
		}
		if shares == 0 {
			return market.Ignored
		}
		v := plainBegin(d, (*[orderLen]byte)(b), market.Trade, u)
		if v == market.Applied {
			u.OrderID = 0 // begin took the shares for it
			u.Size = market.Size(shares)
			u.Price = price4(b[27:])
			u.Match = be.Uint64(b[31:])
		}
		return v
	case TypeBrokenTrade:
		if len(b) != lenBrokenTrade {
			return misfit(b, lenBrokenTrade)
		}
		if timestamp(b) >= dayNanos {
			return market.BadTime
		}
		return market.Ignored
	}
	want := Length(b[0])
	switch {
	case want == 0:
		return market.UnknownType
	case len(b) != want:
		return misfit(b, want)
	}
	return market.Cold
}

// plainBegin sets what all messages have, and clears what some have not. It leaves u alone unless it
// returns Applied.
func plainBegin(d *Decoder, b *[orderLen]byte, action market.Action, u *market.Update) market.Verdict {
	ts := timestamp(b[:])
	if ts >= dayNanos {
		return market.BadTime
	}
	u.TsEvent = d.Midnight + market.Nanos(ts)
	u.OrderID = be.Uint64(b[11:])
	u.Price = market.UndefPrice
	u.Size = 0
	u.Instrument = market.InstrumentID(be.Uint16(b[1:]))
	u.Publisher = d.Publisher
	u.Action = action
	u.Side = market.NoSide
	u.Flags = market.FlagLast
	u.PrevOrderID = 0
	u.Match = 0
	u.Unprintable = false
	return market.Applied
}

// plainAdd decodes an add order, with or without the attribution that follows it.
func plainAdd(d *Decoder, b *[lenAddOrder]byte, u *market.Update) market.Verdict {
	ts := timestamp(b[:])
	if ts >= dayNanos {
		return market.BadTime
	}
	side := market.Bid
	if b[19] != Buy {
		if b[19] != Sell {
			return market.BadField
		}
		side = market.Ask
	}
	u.TsEvent = d.Midnight + market.Nanos(ts)
	u.OrderID = be.Uint64(b[11:])
	u.Price = price4(b[32:])
	u.Size = market.Size(be.Uint32(b[20:]))
	u.Instrument = market.InstrumentID(be.Uint16(b[1:]))
	u.Publisher = d.Publisher
	u.Action = market.Add
	u.Side = side
	u.Flags = market.FlagLast
	u.PrevOrderID = 0
	u.Match = 0
	u.Unprintable = false
	return market.Applied
}

func price4(b []byte) market.Price { return Price4(be.Uint32(b)).Price() }

// misfit says how a message has not the length of its type.
func misfit(b []byte, want int) market.Verdict {
	if len(b) < want {
		return market.Short
	}
	return market.Long
}
