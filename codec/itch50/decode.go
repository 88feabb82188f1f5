package itch50

import "tidegate/market"

// A Decoder turns messages into the words of package market. It has settings and no state: it may be
// copied, and shared between goroutines that do not change it.
type Decoder struct {
	// Midnight is the start of the trading day in New York. Message timestamps are added to it.
	Midnight market.Nanos
	// Publisher goes into everything that is decoded.
	Publisher market.PublisherID
}

// dayNanos is the length of a day: timestamps are below it.
const dayNanos = 24 * 60 * 60 * 1_000_000_000

// Decode decodes one message about orders and trades (types A F E C X D U P Q B) into u, and
// returns Applied. b must be the whole message and nothing else; nothing of it is kept.
//
// It sets every field of u except Seq, TsRecv, TsInDelta and Channel, which are the caller's, and
// PrevPrice and PrevSize, which are the book's. By type:
//
//	A, F  Add      all fields
//	E     Execute  Price is UndefPrice: the execution is at the order's own price
//	C     Execute  Price is that of the execution; Unprintable if the message says so
//	X     Cancel   Size is what is removed
//	D     Delete
//	U     Replace  PrevOrderID goes; OrderID, Price and Size are the new order's
//	P     Trade    NoSide: the message has not said the side since 2014
//	Q     Trade    NoSide; Size may exceed 32 bits
//
// What a message leaves open is NoSide, UndefPrice or 0. Flags are always FlagLast.
//
// With every other verdict, u is as it was. They are Ignored for a Q of no shares (an auction that
// matched nothing) and for B (an execution became void; nothing that is published takes one back);
// Cold for the other types of the protocol, which are for DecodeCold and are not looked into; Short
// (also for an empty message), Long and UnknownType; BadTime for a timestamp of 24 hours or more;
// BadField for a side that is neither 'B' nor 'S' and a printable flag that is neither 'Y' nor 'N'.
func (d *Decoder) Decode(b []byte, u *market.Update) market.Verdict {
	// The comparison with a constant length in each case is the only check of the bytes: the loads
	// after it are at constant offsets, and the compiler knows that they are inside.
	if len(b) == 0 {
		return market.Short
	}
	switch b[0] {
	case TypeAddOrder:
		if len(b) != lenAddOrder {
			return misfit(b, lenAddOrder)
		}
		return d.decodeAdd((*[lenAddOrder]byte)(b), u)
	case TypeOrderDelete:
		if len(b) != lenOrderDelete {
			return misfit(b, lenOrderDelete)
		}
		return d.begin((*[orderLen]byte)(b), market.Delete, u)
	case TypeOrderReplace:
		if len(b) != lenOrderReplace {
			return misfit(b, lenOrderReplace)
		}
		v := d.begin((*[orderLen]byte)(b), market.Replace, u)
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
		v := d.begin((*[orderLen]byte)(b), market.Execute, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[19:]))
			u.Match = be.Uint64(b[23:])
		}
		return v
	case TypeOrderCancel:
		if len(b) != lenOrderCancel {
			return misfit(b, lenOrderCancel)
		}
		v := d.begin((*[orderLen]byte)(b), market.Cancel, u)
		if v == market.Applied {
			u.Size = market.Size(be.Uint32(b[19:]))
		}
		return v
	case TypeAddOrderMPID:
		if len(b) != lenAddOrderMPID {
			return misfit(b, lenAddOrderMPID)
		}
		return d.decodeAdd((*[lenAddOrder]byte)(b), u)
	case TypeOrderExecutedWithPrice:
		if len(b) != lenOrderExecutedWithPrice {
			return misfit(b, lenOrderExecutedWithPrice)
		}
		printable := b[31]
		if printable != 'Y' && printable != 'N' {
			return market.BadField
		}
		v := d.begin((*[orderLen]byte)(b), market.Execute, u)
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
		if b[19] != Buy && b[19] != Sell {
			return market.BadField
		}
		v := d.begin((*[orderLen]byte)(b), market.Trade, u)
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
		if shares == 0 {
			return market.Ignored
		}
		v := d.begin((*[orderLen]byte)(b), market.Trade, u)
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

// orderLen is the length of what all messages about an order begin with: the header and the order's
// number. It is all of an order delete.
const orderLen = lenOrderDelete

// begin sets what all messages have, and clears what some have not. It leaves u alone unless it
// returns Applied.
func (d *Decoder) begin(b *[orderLen]byte, action market.Action, u *market.Update) market.Verdict {
	ts := be.Uint64(b[3:]) & timestampMask
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

// decodeAdd decodes an add order, with or without the attribution that follows it.
func (d *Decoder) decodeAdd(b *[lenAddOrder]byte, u *market.Update) market.Verdict {
	ts := be.Uint64(b[3:]) & timestampMask
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
