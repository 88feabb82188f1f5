package wire

import (
	"math"
	"math/bits"
	"strconv"

	"tidegate/market"
)

// A Decimal is a number that is not negative, as it was sent: 0.00120 is mantissa 120 and 5 decimals.
// The checksums of venues are made of the text, and the text can be made again from this.
type Decimal struct {
	Mantissa uint64
	// Decimals is how many decimals the mantissa has: the value is Mantissa / 10^Decimals.
	Decimals uint8
	// Zeros is how many zeros more were at the end of the text, after the point, than the mantissa could
	// take. Nearly always 0.
	Zeros uint8
}

// decimalsMax is the most decimals that a Decimal may have. It allows for exponents; a text that is made
// to cost memory ("1e-999999999") is refused.
const decimalsMax = 64

// pow10 holds all powers of ten below 2^64.
var pow10 = [20]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// price is Price for up to nine decimals; ok is false for all others too.
func (d Decimal) price() (p market.Price, ok bool) {
	hi, lo := bits.Mul64(d.Mantissa, priceUnit[d.Decimals&31])
	return market.Price(lo), hi == 0 && lo < math.MaxInt64 && d.Decimals <= 9
}

// priceUnit is what one of a mantissa with so many decimals is worth, in units of 1e-9.
var priceUnit = [32]uint64{1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1}

// Price returns d in units of 1e-9. ok is false where a Price cannot hold that exactly: for more than
// nine decimals that are not zero, and from about 9.2e9 on.
func (d Decimal) Price() (p market.Price, ok bool) {
	if p, ok := d.price(); ok {
		return p, true
	}
	return d.priceSlow()
}

func (d Decimal) priceSlow() (p market.Price, ok bool) {
	if d.Decimals <= 9 {
		return market.UndefPrice, false
	}
	n, exact := divPow10(d.Mantissa, int(d.Decimals)-9)
	if !exact || n >= math.MaxInt64 {
		return market.UndefPrice, false
	}
	return market.Price(n), true
}

// Size returns d in units of 10^-scale. exact is false where d is no whole number of these: it is then
// cut to one, but never to 0, because a size of 0 removes a level. ok is false where the result does not
// fit 64 bits.
func (d Decimal) Size(scale int) (n market.Size, exact, ok bool) {
	shift := scale - int(d.Decimals)
	if shift < 0 {
		n, exact := divPow10(d.Mantissa, -shift)
		if n == 0 && !exact {
			n = 1
		}
		return market.Size(n), exact, true
	}
	if shift >= len(pow10) {
		return 0, d.Mantissa == 0, d.Mantissa == 0
	}
	hi, lo := bits.Mul64(d.Mantissa, pow10[shift])
	return market.Size(lo), true, hi == 0
}

// divPow10 divides by a power of ten and says whether there is no rest.
func divPow10(n uint64, power int) (quotient uint64, exact bool) {
	if power >= len(pow10) {
		return 0, n == 0
	}
	q := n / pow10[power]
	return q, q*pow10[power] == n
}

// AppendText appends d as it was sent, if it was sent without an exponent.
func (d Decimal) AppendText(b []byte) []byte {
	if d.Decimals == 0 && d.Zeros == 0 {
		return strconv.AppendUint(b, d.Mantissa, 10)
	}
	start := len(b)
	b = strconv.AppendUint(b, d.Mantissa, 10)
	decimals := int(d.Decimals)
	for len(b)-start <= decimals { // at least one digit before the point
		b = append(b, 0)
		copy(b[start+1:], b[start:])
		b[start] = '0'
	}
	b = append(b, 0)
	point := len(b) - 1 - decimals
	copy(b[point+1:], b[point:])
	b[point] = '.'
	for range d.Zeros {
		b = append(b, '0')
	}
	return b
}

// AppendDigits appends the digits of d as they were sent, without the point and without the zeros before
// the first other digit: what Kraken makes checksums of.
func (d Decimal) AppendDigits(b []byte) []byte {
	b = strconv.AppendUint(b, d.Mantissa, 10)
	for range d.Zeros {
		b = append(b, '0')
	}
	return b
}

// Decimal reads a number, as number or as text. A number below zero is BadField, and so is one that has
// more digits than 64 bits hold, but for zeros at its end.
func (s *Scanner) Decimal() (d Decimal) {
	if s.Peek() != '"' {
		s.decimal(&d)
		s.numberEnds()
		return d
	}
	s.i++
	s.decimal(&d)
	if s.i < len(s.b) && s.b[s.i] == '"' {
		s.i++
		return d
	}
	s.unexpected()
	return d
}

// decimal reads the digits of a number.
func (s *Scanner) decimal(d *Decimal) {
	if m, decimals, next := number(s.b, s.i, &s.width[0]); next > 0 {
		s.i = next
		d.Mantissa, d.Decimals, d.Zeros = m, uint8(decimals), 0
		return
	}
	s.decimalPlain(d)
}

// decimalPlain is decimal byte by byte.
func (s *Scanner) decimalPlain(d *Decimal) {
	b, i := s.b, s.i
	start := i
	var m uint64
	for i < len(b) && b[i]-'0' <= 9 {
		m = m*10 + uint64(b[i]-'0')
		i++
	}
	whole := i - start
	decimals := 0
	if i < len(b) && b[i] == '.' {
		i++
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			m = m*10 + uint64(b[i]-'0')
			i++
		}
		if decimals = i - from; decimals == 0 {
			s.i = i
			s.unexpected()
			return
		}
	}
	if whole == 0 || whole > 1 && b[start] == '0' || whole+decimals > 19 || i < len(b) && b[i]|0x20 == 'e' {
		s.decimalSlow(d)
		return
	}
	s.i = i
	d.Mantissa, d.Decimals, d.Zeros = m, uint8(decimals), 0
}

// decimalSlow reads numbers that are long or have an exponent, and finds the fault in others.
//
//go:noinline
func (s *Scanner) decimalSlow(d *Decimal) {
	b, start := s.b, s.i
	s.skipNumber() // checks the grammar
	if s.verdict != market.Applied {
		return
	}
	b = b[start:s.i]
	if b[0] == '-' {
		s.Fail(market.BadField)
		return
	}
	var m uint64
	decimals, zeros, exponent := 0, 0, 0
	point := false
	for i, c := range b {
		switch {
		case c == '.':
			point = true
			continue
		case c|0x20 == 'e':
			n, err := strconv.Atoi(string(b[i+1:]))
			if err != nil || n < -decimalsMax || n > decimalsMax {
				s.Fail(market.BadField)
				return
			}
			exponent = n
		default:
			hi, lo := bits.Mul64(m, 10)
			sum, carry := bits.Add64(lo, uint64(c-'0'), 0)
			switch {
			case hi == 0 && carry == 0 && zeros == 0:
				m = sum
				if point {
					decimals++
				}
			case c == '0' && point:
				zeros++
			default:
				s.Fail(market.BadField)
				return
			}
			continue
		}
		break
	}
	for decimals -= exponent; decimals < 0; decimals++ {
		hi, lo := bits.Mul64(m, 10)
		if hi != 0 {
			s.Fail(market.BadField)
			return
		}
		m = lo
	}
	if decimals+zeros > decimalsMax {
		s.Fail(market.BadField)
		return
	}
	d.Mantissa, d.Decimals, d.Zeros = m, uint8(decimals), uint8(zeros)
}

// ParseDecimal reads a number from a text of its own. ok is false for all that Scanner.Decimal refuses.
func ParseDecimal(text string) (d Decimal, ok bool) {
	var s Scanner
	s.Reset([]byte(text))
	if s.Peek() == '"' {
		return d, false
	}
	d = s.Decimal()
	s.End()
	return d, s.Verdict() == market.Applied
}

// OptionalDecimal is Decimal where the empty text stands for no number: it is then 0.
func (s *Scanner) OptionalDecimal() (d Decimal) {
	if s.Peek() == '"' && s.i+1 < len(s.b) && s.b[s.i+1] == '"' {
		s.i += 2
		return d
	}
	return s.Decimal()
}
