package wire

import "tidegate/market"

// A Level is a price level as it was sent: its total size, or 0 where it is removed.
type Level struct {
	PriceText Decimal
	SizeText  Decimal
	// What the texts mean is for the decoder to say, who knows the instrument.
	Price    market.Price
	Size     market.Size // lots
	Side     market.Side
	Narrowed bool // Size is not to the last digit what SizeText says, or more than 32 bits hold
}

// shapeMax is how many bytes a level has at most that Levels reads on the short road:
// ["1234567.12345678","1234567.12345678"], and eight bytes more that are looked at.
const shapeMax = 2*(1+7+1+8+1) + 4 + 8

// Levels reads an array of arrays that begin with a price and a size, as most venues send the levels of a
// side, and appends them to dst, without Price and Size.
func (s *Scanner) Levels(dst []Level, side market.Side) []Level {
	for more := s.FirstElem(); more; {
		n := len(dst)
		if n == cap(dst) {
			dst = append(dst, Level{})
		}
		dst = dst[:n+1]
		l := &dst[n]
		l.Side, l.Narrowed = side, false
		// The shape that venues send: ["1.20","3"],
		b, i := s.b, s.i
		if i+shapeMax > len(b) || b[i] != '[' || b[i+1] != '"' {
			more = s.Pair(&l.PriceText, &l.SizeText)
			continue
		}
		var next int
		if next = quoted(b, i+2, &s.width[0], &l.PriceText); next == 0 || b[next] != ',' || b[next+1] != '"' {
			more = s.Pair(&l.PriceText, &l.SizeText)
			continue
		}
		if next = quoted(b, next+2, &s.width[1], &l.SizeText); next == 0 {
			more = s.Pair(&l.PriceText, &l.SizeText)
			continue
		}
		switch {
		case b[next] == ']' && b[next+1] == ',':
			s.i = next + 2
		case b[next] == ']':
			s.i = next + 1
			more = s.NextElem()
		default:
			s.i = next
			s.rest()
			more = s.NextElem()
		}
	}
	return dst
}

// Pair reads an array that begins with a price and a size, as the levels of nearly all venues do, goes
// over what else is in it, and then does what NextElem does.
func (s *Scanner) Pair(price, size *Decimal) (more bool) {
	if s.i < len(s.b) && s.b[s.i] == '[' {
		s.i++
	} else if !s.take('[') {
		return false
	}
	return s.PairRest(price, size)
}

// PairRest is Pair for an array that has been entered.
func (s *Scanner) PairRest(price, size *Decimal) (more bool) {
	// The shape that venues send: "1.20","3"],
	if b, i := s.b, s.i; i < len(b) && b[i] == '"' {
		m, decimals, next := number(b, i+1, &s.width[0])
		if next == 0 || next+3 >= len(b) || b[next] != '"' || b[next+1] != ',' || b[next+2] != '"' {
			return s.pairPlain(price, size)
		}
		price.Mantissa, price.Decimals, price.Zeros = m, uint8(decimals), 0
		m, decimals, next = number(b, next+3, &s.width[1])
		if next == 0 || next+2 >= len(b) || b[next] != '"' {
			return s.pairPlain(price, size)
		}
		size.Mantissa, size.Decimals, size.Zeros = m, uint8(decimals), 0
		s.i = next + 1
		if b[s.i] != ']' {
			s.rest()
			return s.NextElem()
		}
		s.i++
		if b[s.i] == ',' {
			s.i++
			return true
		}
		return s.NextElem()
	}
	return s.pairPlain(price, size)
}

// pairPlain is PairRest for any array.
func (s *Scanner) pairPlain(price, size *Decimal) (more bool) {
	*price = s.Decimal()
	s.second(size)
	return s.NextElem()
}

// second reads the second element of an array, which must be there, and goes over the rest.
func (s *Scanner) second(size *Decimal) {
	if !s.NextElem() {
		s.Fail(market.BadField)
		return
	}
	*size = s.Decimal()
	s.rest()
}

// rest goes over the elements that follow, and the end of the array.
func (s *Scanner) rest() {
	// Texts of one character, as OKX writes them.
	b, i := s.b, s.i
	for i+4 < len(b) && b[i] == ',' && b[i+1] == '"' && b[i+3] == '"' && b[i+2] >= ' ' && b[i+2] != '"' && b[i+2] != '\\' {
		i += 4
	}
	if s.i = i; i < len(b) && b[i] == ']' {
		s.i++
		return
	}
	for s.NextElem() {
		s.Skip()
	}
}

// Triple enters an array that begins with a price, a size and a time in seconds, reads these, and reports
// whether they were there. The caller goes on with NextElem.
func (s *Scanner) Triple(price, size *Decimal) (at market.Nanos, ok bool) {
	// The shape that venues send: ["1.20","3","1618678133.365913"
	var widths [2]int // levels come one by one, each of another instrument: their widths say nothing
	if b, i := s.b, s.i; i+shapeMax+20 <= len(b) && b[i] == '[' && b[i+1] == '"' {
		next := quoted(b, i+2, &widths[0], price)
		if next == 0 || b[next] != ',' || b[next+1] != '"' {
			return s.triplePlain(price, size)
		}
		next = quoted(b, next+2, &widths[1], size)
		if next == 0 || b[next] != ',' {
			return s.triplePlain(price, size)
		}
		if at, ok = micros(b[next+1:]); ok {
			s.i = next + 20
			return at, true
		}
	}
	return s.triplePlain(price, size)
}

// micros reads a time in seconds with ten digits before the point and six after it, in quotation marks.
func micros(b []byte) (at market.Nanos, ok bool) {
	if len(b) < 20 || b[0] != '"' || b[11] != '.' || b[18] != '"' {
		return 0, false
	}
	high, n1 := digits8(load8(b, 1))
	low, n2 := digits8(load8(b, 9))
	fraction, n3 := digits8(load8(b, 12))
	if n1 != 8 || n2 != 2 || n3 != 6 || high > 92_233_719 || b[1] == '0' {
		return 0, false
	}
	return market.Nanos(high*100+low)*market.Second + market.Nanos(fraction)*market.Microsecond, true
}

// triplePlain is Triple for any array.
func (s *Scanner) triplePlain(price, size *Decimal) (at market.Nanos, ok bool) {
	if !s.FirstElem() {
		s.Fail(market.BadField)
		return 0, false
	}
	*price = s.Decimal()
	if !s.NextElem() {
		s.Fail(market.BadField)
		return 0, false
	}
	*size = s.Decimal()
	if !s.NextElem() {
		s.Fail(market.BadField)
		return 0, false
	}
	at = s.Seconds()
	return at, s.verdict == market.Applied
}
