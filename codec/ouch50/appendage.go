package ouch50

import (
	"fmt"
	"math"
)

// Tag says what an option is.
type Tag uint8

// Tags of options.
const (
	TagSecondaryOrdRefNum  Tag = 1  // uint64: number of the order in the market data, where it has another there
	TagFirm                Tag = 2  // text: in whose name the order is
	TagMinQty              Tag = 3  // uint32: shares that must be executed at once
	TagCustomerType        Tag = 4  // code: 'R' retail, 'N' not, ' ' as the port has it
	TagMaxFloor            Tag = 5  // uint32: shares that show at a time; 0 is all
	TagPriceType           Tag = 6  // code: Limit, MarketPeg, ...
	TagPegOffset           Tag = 7  // Offset
	TagDiscretionPrice     Tag = 9  // Price
	TagDiscretionPriceType Tag = 10 // code: Limit, MarketPeg, MidpointPeg, PrimaryPeg
	TagDiscretionPegOffset Tag = 11 // Offset
	TagPostOnly            Tag = 12 // code: PostOnly or No
	TagRandomReserves      Tag = 13 // uint32: shares by which the displayed size varies
	TagRoute               Tag = 14 // text: where else the order may go
	TagExpireTime          Tag = 15 // uint32: seconds that an order GoodTillTime lives, less than a day
	TagTradeNow            Tag = 16 // code: Yes, No, ' ' as the port has it
	TagHandleInst          Tag = 17 // code: 'I' imbalance only, 'O' and 'T' retail, 'Q' RPI, 'B' M-ELO too, 'D' listing
	TagBBOWeight           Tag = 18 // code
	TagDisplayQuantity     Tag = 22 // uint32: shares that show now
	TagDisplayPrice        Tag = 23 // Price: the price that shows now
	TagGroupID             Tag = 24 // uint16: customer group
	TagSharesLocated       Tag = 25 // code: Yes or No
	TagLocateBroker        Tag = 26 // text: with whom the shares are
	TagSide                Tag = 27 // code: Buy, Sell, SellShort, SellShortExempt
	TagUserRefIdx          Tag = 28 // uint8: which of the port's 256 sequences of UserRefNum
	TagAIQStrategy         Tag = 29 // code: self-match prevention
	TagAIQGroupID          Tag = 30 // text: two characters
)

// tagSet has bit t for Tag t.
type tagSet uint32

func tags(list ...Tag) tagSet {
	var s tagSet
	for _, t := range list {
		s |= 1 << t
	}
	return s
}

// orderTags are the options that EnterOrder and ReplaceOrder share.
var orderTags = tags(TagMinQty, TagCustomerType, TagMaxFloor, TagPriceType, TagPegOffset, TagDiscretionPrice,
	TagDiscretionPriceType, TagDiscretionPegOffset, TagPostOnly, TagRandomReserves, TagExpireTime, TagTradeNow,
	TagHandleInst, TagSharesLocated, TagLocateBroker, TagUserRefIdx, TagAIQStrategy, TagAIQGroupID)

// A kind says how the value of an option is to be read.
type kind uint8

const (
	unknown kind = iota // no tag of the protocol
	number
	price
	offset
	code
	text
)

// An optionType is what the options of a tag have in common.
type optionType struct {
	size   uint8 // of the value in bytes
	kind   kind
	codes  string       // that a client may send; empty if not judged
	reject RejectReason // what the venue says of a value that it does not allow
}

var optionTypes = [256]optionType{
	TagSecondaryOrdRefNum:  {size: 8, kind: number},
	TagFirm:                {size: 4, kind: text, reject: RejectFirmNotAuthorized},
	TagMinQty:              {size: 4, kind: number},
	TagCustomerType:        {size: 1, kind: code, codes: "RN ", reject: RejectOther},
	TagMaxFloor:            {size: 4, kind: number},
	TagPriceType:           {size: 1, kind: code, codes: "LPMRQm", reject: RejectInvalidPegType},
	TagPegOffset:           {size: 4, kind: offset},
	TagDiscretionPrice:     {size: 8, kind: price, reject: RejectInvalidPrice},
	TagDiscretionPriceType: {size: 1, kind: code, codes: "LPMR", reject: RejectInvalidPegType},
	TagDiscretionPegOffset: {size: 4, kind: offset},
	TagPostOnly:            {size: 1, kind: code, codes: "PN", reject: RejectOther},
	TagRandomReserves:      {size: 4, kind: number},
	TagRoute:               {size: 4, kind: text, reject: RejectInvalidDestination},
	TagExpireTime:          {size: 4, kind: number, reject: RejectOther},
	TagTradeNow:            {size: 1, kind: code, codes: "YN ", reject: RejectOther},
	TagHandleInst:          {size: 1, kind: code, codes: "IOTQBD ", reject: RejectOther},
	TagBBOWeight:           {size: 1, kind: code},
	TagDisplayQuantity:     {size: 4, kind: number},
	TagDisplayPrice:        {size: 8, kind: price},
	TagGroupID:             {size: 2, kind: number},
	TagSharesLocated:       {size: 1, kind: code, codes: yesNo, reject: RejectOther},
	TagLocateBroker:        {size: 4, kind: text, reject: RejectOther},
	TagSide:                {size: 1, kind: code, codes: sides, reject: RejectInvalidSide},
	TagUserRefIdx:          {size: 1, kind: number},
	TagAIQStrategy:         {size: 1, kind: code},
	TagAIQGroupID:          {size: 2, kind: text, reject: RejectInvalidAIQ},
}

const (
	optionHeaderLen = 2                       // length and tag
	appendageMax    = 26*optionHeaderLen + 79 // bytes of all options of the protocol

	secondsPerDay = 86_400
)

// An Option is a tag with its value.
type Option struct {
	Tag   Tag
	Value []byte // a view of the Appendage
}

// Uint returns a number of up to eight bytes.
func (o Option) Uint() uint64 {
	var u uint64
	for _, c := range o.Value {
		u = u<<8 | uint64(c)
	}
	return u
}

// Price returns a price.
func (o Option) Price() Price { return Price(o.Uint()) }

// Offset returns a difference of prices.
func (o Option) Offset() Offset { return Offset(o.Uint()) }

// Code returns a code; 0 if the option has no value.
func (o Option) Code() byte {
	if len(o.Value) == 0 {
		return 0
	}
	return o.Value[0]
}

// Text returns a text without its padding, a view of the Appendage.
func (o Option) Text() []byte { return trim(o.Value) }

// An Appendage is the row of options at the end of a message, without its length: nil for none.
//
// Parse checks that it is one, and that each value has the size of its tag. The values are read when
// they are asked for. An Appendage from Parse is a view of the message and as long valid as that.
//
// One for a message to send is made of nothing, with the Append methods:
//
//	var a ouch50.Appendage
//	a = a.AppendUint(ouch50.TagMinQty, 100)
//	a = a.AppendCode(ouch50.TagPriceType, ouch50.MidpointPeg)
type Appendage []byte

// Next returns the first option and what follows it; ok is false when there is none or a is broken,
// which one from Parse is not.
func (a Appendage) Next() (o Option, rest Appendage, ok bool) {
	if len(a) < optionHeaderLen {
		return Option{}, nil, false
	}
	end := 1 + int(a[0]) // the length counts the tag
	if end < optionHeaderLen || end > len(a) {
		return Option{}, nil, false
	}
	return Option{Tag: Tag(a[1]), Value: a[optionHeaderLen:end:end]}, a[end:], true
}

// Find returns the option with a tag.
func (a Appendage) Find(tag Tag) (o Option, ok bool) {
	for o, rest, ok := a.Next(); ok; o, rest, ok = rest.Next() {
		if o.Tag == tag {
			return o, true
		}
	}
	return Option{}, false
}

// UserRefIdx returns the value of TagUserRefIdx, and 0, its default, if there is none.
func (a Appendage) UserRefIdx() uint8 {
	o, _ := a.Find(TagUserRefIdx)
	return uint8(o.Uint())
}

// wellFormed reports whether a is a row of options that a message of the format can have.
func (a Appendage) wellFormed(f *format) bool {
	var seen tagSet
	for len(a) > 0 {
		o, rest, ok := a.Next()
		if !ok {
			return false
		}
		a = rest
		t := optionTypes[o.Tag]
		if t.kind == unknown {
			if f.fromClient {
				return false
			}
			continue
		}
		bit := tagSet(1) << o.Tag
		if len(o.Value) != int(t.size) || seen&bit != 0 || f.fromClient && f.tags&bit == 0 {
			return false
		}
		seen |= bit
	}
	return true
}

// check returns why the venue rejects the value of an option, and 0 if it does not. It judges the
// options of a client.
func (a Appendage) check() RejectReason {
	for o, rest, ok := a.Next(); ok; o, rest, ok = rest.Next() {
		t := &optionTypes[o.Tag]
		good := true
		switch {
		case t.kind == text:
			good = printable(o.Value)
		case t.codes != "":
			good = oneOf(o.Code(), t.codes)
		case o.Tag == TagDiscretionPrice:
			good = o.Price() <= LimitMax
		case o.Tag == TagExpireTime:
			good = o.Uint() < secondsPerDay
		}
		if !good {
			return t.reject
		}
	}
	return 0
}

// AppendUint appends an option whose value is a number. Like the other Append methods it panics if the
// tag's values are of another kind, or the value does not fit the tag's size.
func (a Appendage) AppendUint(tag Tag, v uint64) Appendage {
	a, size := a.begin(tag, number)
	if v > math.MaxUint64>>(64-8*size) {
		panic(fmt.Sprintf("ouch50: option %d: value %d, want one of %d bytes", tag, v, size))
	}
	return a.appendUint(size, v)
}

// AppendPrice appends an option whose value is a price.
func (a Appendage) AppendPrice(tag Tag, p Price) Appendage {
	a, size := a.begin(tag, price)
	return a.appendUint(size, uint64(p))
}

// AppendOffset appends an option whose value is a difference of prices.
func (a Appendage) AppendOffset(tag Tag, o Offset) Appendage {
	a, size := a.begin(tag, offset)
	return a.appendUint(size, uint64(uint32(o)))
}

// AppendCode appends an option whose value is a code.
func (a Appendage) AppendCode(tag Tag, c byte) Appendage {
	a, _ = a.begin(tag, code)
	return append(a, c)
}

// AppendText appends an option whose value is a text of printable ASCII characters, and pads it.
func (a Appendage) AppendText(tag Tag, s string) Appendage {
	a, size := a.begin(tag, text)
	var field [8]byte
	if err := pad(field[:size], "option", s); err != nil {
		panic(fmt.Sprintf("ouch50: option %d: %v", tag, err))
	}
	return append(a, field[:size]...)
}

// begin appends an option without its value, and returns the size of that.
func (a Appendage) begin(tag Tag, k kind) (Appendage, uint) {
	t := &optionTypes[tag]
	if t.kind != k {
		panic(fmt.Sprintf("ouch50: option %d: its values are of another kind", tag))
	}
	return append(a, t.size+1, byte(tag)), uint(t.size)
}

func (a Appendage) appendUint(size uint, v uint64) Appendage {
	for shift := 8 * size; shift > 0; shift -= 8 {
		a = append(a, byte(v>>(shift-8)))
	}
	return a
}
