package ouch50

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"tidegate/market"
)

// Price is a price in units of 1e-4.
type Price uint64

// Prices that are no limits, and the highest one that is.
const (
	// LimitMax is the highest limit price: 199,999.99.
	LimitMax Price = 1_999_999_900
	// MarketPrice is the price of a market order: 200,000.
	MarketPrice Price = 2_000_000_000
	// MarketCrossPrice is the price of a market order that waits for a cross.
	MarketCrossPrice Price = math.MaxInt32
)

// priceUnit is what one unit of a Price is worth in units of market.Price.
const priceUnit = market.PriceScale / 10_000

// Market reports whether p says that an order has no limit.
func (p Price) Market() bool { return p == MarketPrice || p == MarketCrossPrice }

// enterable reports whether an order can have the price.
func (p Price) enterable() bool { return p != 0 && p <= LimitMax || p.Market() }

// Price returns p in the units of market; ok is false when it is no limit or does not fit.
func (p Price) Price() (_ market.Price, ok bool) {
	if p.Market() || p > math.MaxInt64/priceUnit {
		return market.UndefPrice, false
	}
	return market.Price(p) * priceUnit, true
}

// PriceOf returns p as the wire has it; ok is false when p is negative, undefined or no multiple of
// 1e-4, or would say "market": nothing is rounded.
func PriceOf(p market.Price) (_ Price, ok bool) {
	q := Price(p / priceUnit)
	if p < 0 || !p.Defined() || p%priceUnit != 0 || q.Market() {
		return 0, false
	}
	return q, true
}

// Offset is a difference of prices in units of 1e-4: "signed price" of the specification.
type Offset int32

// Price returns o in the units of market. It always fits.
func (o Offset) Price() market.Price { return market.Price(o) * priceUnit }

// OffsetOf returns p as the wire has it; ok is false when p is undefined, no multiple of 1e-4 or does
// not fit.
func OffsetOf(p market.Price) (_ Offset, ok bool) {
	q := p / priceUnit
	if !p.Defined() || p%priceUnit != 0 || q < math.MinInt32 || q > math.MaxInt32 {
		return 0, false
	}
	return Offset(q), true
}

// QuantityMax is the largest number of shares of an order.
const QuantityMax = 999_999

func quantityOK(shares uint32) bool { return shares != 0 && shares <= QuantityMax }

// Symbol is a security's name, left-justified and padded with spaces.
type Symbol [8]byte

// ParseSymbol returns the symbol with a name of at most eight printable ASCII characters.
func ParseSymbol(name string) (Symbol, error) {
	var s Symbol
	return s, pad(s[:], "symbol", name)
}

// Blank reports whether s has no name.
func (s Symbol) Blank() bool { return len(trim(s[:])) == 0 }

// String returns the name without padding.
func (s Symbol) String() string { return string(trim(s[:])) }

// Firm is the name of a market participant (MPID), left-justified and padded with spaces.
type Firm [4]byte

// ParseFirm returns the firm with a name of at most four printable ASCII characters.
func ParseFirm(name string) (Firm, error) {
	var f Firm
	return f, pad(f[:], "firm", name)
}

// Blank reports whether f has no name.
func (f Firm) Blank() bool { return len(trim(f[:])) == 0 }

// String returns the name without padding.
func (f Firm) String() string { return string(trim(f[:])) }

// ClOrdID is the client's own name for an order, left-justified and padded with spaces. The venue
// sends it back and looks no further.
type ClOrdID [14]byte

// ParseClOrdID returns the id with a text of at most fourteen printable ASCII characters.
func ParseClOrdID(text string) (ClOrdID, error) {
	var id ClOrdID
	return id, pad(id[:], "client order id", text)
}

// String returns the text without padding.
func (id ClOrdID) String() string { return string(trim(id[:])) }

// pad puts text into a field. On an error the field is all zeros.
func pad(field []byte, what, text string) error {
	if len(text) > len(field) {
		return fmt.Errorf("%s %q: %d bytes, want at most %d", what, text, len(text), len(field))
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("%s %q: byte %#02x at %d, want printable ASCII", what, text, text[i], i)
	}
	for i := copy(field, text); i < len(field); i++ {
		field[i] = ' '
	}
	return nil
}

func trim(field []byte) []byte { return bytes.TrimRight(field, " ") }

// printable reports whether a text field has only printable ASCII characters.
func printable(field []byte) bool {
	for _, c := range field {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
