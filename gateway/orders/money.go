package orders

import (
	"fmt"
	"math/bits"

	"tidegate/market"
)

// Money is an amount of an asset: a signed 128-bit integer in units of 1e-9. It is exact; the largest
// notional of one order, 2^61 by 2^32, leaves room for a billion of them.
type Money struct {
	Hi int64
	Lo uint64
}

// MoneyOf returns n units of 1e-9.
func MoneyOf(n int64) Money { return Money{Hi: n >> 63, Lo: uint64(n)} }

// Units returns n whole units of an asset.
func Units(n int64) Money { return MoneyOf(n).times(market.PriceScale) }

// Add returns m + n.
func (m Money) Add(n Money) Money {
	lo, carry := bits.Add64(m.Lo, n.Lo, 0)
	hi, _ := bits.Add64(uint64(m.Hi), uint64(n.Hi), carry)
	return Money{int64(hi), lo}
}

// Sub returns m - n.
func (m Money) Sub(n Money) Money {
	lo, borrow := bits.Sub64(m.Lo, n.Lo, 0)
	hi, _ := bits.Sub64(uint64(m.Hi), uint64(n.Hi), borrow)
	return Money{int64(hi), lo}
}

// Neg returns -m.
func (m Money) Neg() Money { return Money{}.Sub(m) }

// Cmp returns -1, 0 or 1 as m is less than, equal to or greater than n.
func (m Money) Cmp(n Money) int {
	switch {
	case m.Hi < n.Hi || m.Hi == n.Hi && m.Lo < n.Lo:
		return -1
	case m == n:
		return 0
	}
	return 1
}

// Negative reports whether m is less than 0.
func (m Money) Negative() bool { return m.Hi < 0 }

// times returns m * n, for an m that is not negative and a product that fits.
func (m Money) times(n uint64) Money {
	negative := m.Negative()
	if negative {
		m = m.Neg()
	}
	hi, lo := bits.Mul64(m.Lo, n)
	r := Money{int64(hi + uint64(m.Hi)*n), lo}
	if negative {
		return r.Neg()
	}
	return r
}

// over returns m / n, rounded up, for an m that is not negative.
func (m Money) over(n uint64) Money {
	if n == 1 {
		return m
	}
	hi, rem := bits.Div64(0, uint64(m.Hi), n)
	lo, rem := bits.Div64(rem, m.Lo, n)
	r := Money{int64(hi), lo}
	if rem != 0 {
		r = r.Add(Money{Lo: 1})
	}
	return r
}

// String returns a plain decimal with nine decimals at most and two at least.
func (m Money) String() string {
	sign := ""
	if m.Negative() {
		sign, m = "-", m.Neg()
	}
	// Groups of nine digits, from the right.
	var groups [5]uint64
	n := 0
	for hi, lo := uint64(m.Hi), m.Lo; ; n++ {
		var rem uint64
		hi, rem = hi/market.PriceScale, hi%market.PriceScale
		lo, rem = bits.Div64(rem, lo, market.PriceScale)
		groups[n] = rem
		if hi == 0 && lo == 0 {
			break
		}
	}
	s := sign
	if n == 0 {
		s += "0"
	}
	for i := n; i > 0; i-- {
		if i == n {
			s += fmt.Sprint(groups[i])
		} else {
			s += fmt.Sprintf("%09d", groups[i])
		}
	}
	frac := fmt.Sprintf("%09d", groups[0])
	end := 9
	for end > 2 && frac[end-1] == '0' {
		end--
	}
	return s + "." + frac[:end]
}

// ParseMoney reads a plain decimal number of at most nine decimals.
func ParseMoney(s string) (Money, error) {
	bad := func() (Money, error) { return Money{}, fmt.Errorf("amount %q: want a decimal number", s) }
	rest, negative := s, false
	if len(rest) > 0 && rest[0] == '-' {
		rest, negative = rest[1:], true
	}
	var m Money
	digits, decimals, point := 0, 0, false
	for _, c := range []byte(rest) {
		switch {
		case c == '.' && !point:
			point = true
		case c < '0' || c > '9':
			return bad()
		case decimals == 9:
			return Money{}, fmt.Errorf("amount %q: more than nine decimals", s)
		default:
			digits++
			if point {
				decimals++
			}
			if digits-decimals > 28 {
				return Money{}, fmt.Errorf("amount %q: too large", s)
			}
			m = m.times(10).Add(MoneyOf(int64(c - '0')))
		}
	}
	if digits == 0 {
		return bad()
	}
	for ; decimals < 9; decimals++ {
		m = m.times(10)
	}
	if negative {
		m = m.Neg()
	}
	return m, nil
}

// MarshalText returns String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMoney.
func (m *Money) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMoney(string(b))
	return err
}
