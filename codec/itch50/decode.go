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
// (also for an empty message), Long and UnknownType; BadTime for a timestamp of 24 hours or more; and
// BadField for a side that is neither 'B' nor 'S' and a printable flag that is neither 'Y' nor 'N'.
func (d *Decoder) Decode(b []byte, u *market.Update) market.Verdict {
	// A switch over the message type is the plain way to write this; it is the twin in plain_test.go.
	// But the types of successive messages are close to random, and a jump on the type is mispredicted
	// again and again. Here no branch depends on the type: the offsets come from a table, and what a
	// type has not is loaded from offset 0 and masked off. BenchmarkDecode over 262,144 messages, the
	// walk over the block included: switch 17.1 ns a message, table 8.5 ns (Xeon, family 6 model 207,
	// Go 1.26.8, 2026-11). Whoever branches on the Action next pays for one misprediction after all;
	// with three functions called by action the two were 19.3 and 17.9 ns.
	if len(b) < orderLen {
		return d.decodeOther(b, u)
	}
	l := &layouts[b[0]]
	if len(b) != int(l.length) {
		return d.decodeOther(b, u)
	}
	ts := timestamp(b)
	if ts >= dayNanos {
		return market.BadTime
	}
	choice := l.choices[b[l.choiceAt]]
	if choice == notAllowed {
		return market.BadField
	}
	u.TsEvent = d.Midnight + market.Nanos(ts)
	u.OrderID = load64(b, l.orderAt)
	u.Price = market.Price(load32(b, l.priceAt)*price4Unit&l.price | uint64(market.UndefPrice)&^l.price)
	u.Size = market.Size(load32(b, l.sizeAt) & l.size)
	u.Instrument = market.InstrumentID(be.Uint16(b[1:]))
	u.Publisher = d.Publisher
	u.Action = l.action
	u.Side = market.Side(choice &^ unprintable)
	u.Flags = market.FlagLast
	u.PrevOrderID = be.Uint64(b[11:]) & l.prevOrder
	u.Match = load64(b, l.matchAt) & l.match
	u.Unprintable = choice&unprintable != 0
	return market.Applied
}

// decodeOther does what Decode does for the rare types, and finds the verdict on a message of the
// wrong length.
func (d *Decoder) decodeOther(b []byte, u *market.Update) market.Verdict {
	if v := fits(b); v != market.Applied {
		return v
	}
	switch b[0] {
	case TypeCrossTrade, TypeBrokenTrade:
	default:
		return market.Cold
	}
	ts := timestamp(b)
	if ts >= dayNanos {
		return market.BadTime
	}
	if b[0] == TypeBrokenTrade {
		return market.Ignored
	}
	shares := be.Uint64(b[11:])
	if shares == 0 {
		return market.Ignored
	}
	u.TsEvent = d.Midnight + market.Nanos(ts)
	u.OrderID = 0
	u.Price = Price4(be.Uint32(b[27:])).Price()
	u.Size = market.Size(shares)
	u.Instrument = market.InstrumentID(be.Uint16(b[1:]))
	u.Publisher = d.Publisher
	u.Action = market.Trade
	u.Side = market.NoSide
	u.Flags = market.FlagLast
	u.PrevOrderID = 0
	u.Match = be.Uint64(b[31:])
	u.Unprintable = false
	return market.Applied
}

// fits returns Applied for a message that has the length of its type, else what is wrong with it.
func fits(b []byte) market.Verdict {
	if len(b) == 0 {
		return market.Short
	}
	switch want := Length(b[0]); {
	case want == 0:
		return market.UnknownType
	case len(b) < want:
		return market.Short
	case len(b) > want:
		return market.Long
	}
	return market.Applied
}

// orderLen is the length of what messages about an order have in common: the header and the order's
// number. It is all of an order delete.
const orderLen = lenOrderDelete

// A layout says where a message type has the fields of an Update. Offsets and masks of fields that it
// has not are 0: the bytes from offset 0 on are in every message.
type layout struct {
	length    uint8
	orderAt   uint8 // offset of OrderID
	priceAt   uint8
	sizeAt    uint8
	matchAt   uint8
	choiceAt  uint8 // offset of the byte of which only some values are allowed
	action    market.Action
	prevOrder uint64 // all ones where the field exists; its offset is 11
	price     uint64
	size      uint64
	match     uint64
	choices   *[256]uint8 // what the values of that byte mean
}

// has is the mask of a field that exists.
const has = ^uint64(0)

// layouts has a layout for the types that Decode meets all the time.
var layouts = [256]layout{
	TypeAddOrder: {
		length: lenAddOrder, action: market.Add, orderAt: 11,
		choiceAt: 19, choices: &orderSides, sizeAt: 20, size: has, priceAt: 32, price: has,
	},
	TypeAddOrderMPID: {
		length: lenAddOrderMPID, action: market.Add, orderAt: 11,
		choiceAt: 19, choices: &orderSides, sizeAt: 20, size: has, priceAt: 32, price: has,
	},
	TypeOrderExecuted: {
		length: lenOrderExecuted, action: market.Execute, orderAt: 11,
		choices: &noChoice, sizeAt: 19, size: has, matchAt: 23, match: has,
	},
	TypeOrderExecutedWithPrice: {
		length: lenOrderExecutedWithPrice, action: market.Execute, orderAt: 11,
		choiceAt: 31, choices: &printables, sizeAt: 19, size: has, matchAt: 23, match: has, priceAt: 32, price: has,
	},
	TypeOrderCancel: {
		length: lenOrderCancel, action: market.Cancel, orderAt: 11,
		choices: &noChoice, sizeAt: 19, size: has,
	},
	TypeOrderDelete: {
		length: lenOrderDelete, action: market.Delete, orderAt: 11,
		choices: &noChoice,
	},
	TypeOrderReplace: {
		length: lenOrderReplace, action: market.Replace, orderAt: 19, prevOrder: has,
		choices: &noChoice, sizeAt: 27, size: has, priceAt: 31, price: has,
	},
	TypeTrade: {
		length: lenTrade, action: market.Trade, orderAt: 11,
		choiceAt: 19, choices: &tradeSides, sizeAt: 20, size: has, priceAt: 32, price: has, matchAt: 36, match: has,
	},
}

// A message type has at most one byte whose value must be one of few. What a value means is the
// update's side, which may be marked as unprintable; notAllowed for all other values.
const (
	notAllowed  = 0
	noSide      = uint8(market.NoSide)
	unprintable = 0x80
)

var (
	orderSides = [256]uint8{Buy: uint8(market.Bid), Sell: uint8(market.Ask)}
	tradeSides = [256]uint8{Buy: noSide, Sell: noSide}
	printables = [256]uint8{'Y': noSide, 'N': noSide | unprintable}
	// Types without such a byte use the type itself.
	noChoice = [256]uint8{
		TypeOrderExecuted: noSide, TypeOrderCancel: noSide, TypeOrderDelete: noSide, TypeOrderReplace: noSide,
	}
)

// timestamp returns the nanoseconds since midnight of a message of at least eleven bytes.
func timestamp(b []byte) uint64 { return be.Uint64(b[3:]) & timestampMask }

// load64 and load32 name both ends of what they load: the compiler then needs one comparison, where
// for b[i:] it needs two and keeps the pointer from running past the end besides.
func load64(b []byte, at uint8) uint64 {
	i := int(at)
	return be.Uint64(b[i : i+8])
}

func load32(b []byte, at uint8) uint64 {
	i := int(at)
	return uint64(be.Uint32(b[i : i+4]))
}
