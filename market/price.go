package market

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Price is a price in units of 1e-9. The largest representable price is about 9.2e9.
type Price int64

// PriceScale is the number of Price units in 1.
const PriceScale = 1_000_000_000

// ErrPriceRange is returned (wrapped) for a price that Price cannot hold.
var ErrPriceRange = errors.New("price out of range")

// Defined reports whether p is a price at all.
func (p Price) Defined() bool { return p != UndefPrice }

// ScalePrice converts a venue price of raw units, each worth unit 1e-9ths, to a Price. ok is false
// when the result would not fit or would collide with UndefPrice.
func ScalePrice(raw, unit int64) (p Price, ok bool) {
	if unit <= 0 {
		return UndefPrice, false
	}
	if raw > (math.MaxInt64-1)/unit || raw < math.MinInt64/unit {
		return UndefPrice, false
	}
	return Price(raw * unit), true
}

// Mid returns the middle of a bid and an ask, rounded towards the bid. Both must be defined. It
// subtracts first so that two large prices are never added.
func Mid(bid, ask Price) Price { return bid + (ask-bid)/2 }

// String returns the shortest plain decimal form with at least two decimals ("4810.25", "0.7467"),
// and "-" for UndefPrice.
func (p Price) String() string {
	if !p.Defined() {
		return "-"
	}
	return string(p.AppendDecimal(make([]byte, 0, 24)))
}

// AppendDecimal appends the text that String returns for a defined price to b.
func (p Price) AppendDecimal(b []byte) []byte {
	u := uint64(p)
	if p < 0 {
		b = append(b, '-')
		u = -u // two's complement: right for the most negative value too
	}
	b = strconv.AppendUint(b, u/PriceScale, 10)
	frac := u % PriceScale
	b = append(b, '.')
	digits := 9
	for digits > 2 && frac%10 == 0 {
		frac /= 10
		digits--
	}
	var d [9]byte
	for i := digits - 1; i >= 0; i-- {
		d[i] = byte('0' + frac%10)
		frac /= 10
	}
	return append(b, d[:digits]...)
}

// ParsePrice reads a plain decimal number. It refuses exponents, more than nine decimals that are
// not zero, and what Price cannot hold: nothing is rounded.
func ParsePrice(s string) (Price, error) {
	rest, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(rest, ".")
	if whole == "" && frac == "" {
		return UndefPrice, fmt.Errorf("price %q: want a decimal number", s)
	}
	var u uint64
	for _, c := range []byte(whole) {
		if c < '0' || c > '9' {
			return UndefPrice, fmt.Errorf("price %q: want a decimal number", s)
		}
		if u > math.MaxInt64/PriceScale {
			return UndefPrice, fmt.Errorf("price %q: %w", s, ErrPriceRange)
		}
		u = u*10 + uint64(c-'0')
	}
	if u > math.MaxInt64/PriceScale {
		return UndefPrice, fmt.Errorf("price %q: %w", s, ErrPriceRange)
	}
	u *= PriceScale
	unit := uint64(PriceScale)
	for _, c := range []byte(frac) {
		if c < '0' || c > '9' {
			return UndefPrice, fmt.Errorf("price %q: want a decimal number", s)
		}
		unit /= 10
		if unit == 0 && c != '0' {
			return UndefPrice, fmt.Errorf("price %q: more than nine decimals", s)
		}
		u += uint64(c-'0') * unit
	}
	if u >= math.MaxInt64 {
		return UndefPrice, fmt.Errorf("price %q: %w", s, ErrPriceRange)
	}
	if negative {
		return -Price(u), nil
	}
	return Price(u), nil
}
