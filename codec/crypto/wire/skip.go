package wire

import "tidegate/market"

// Skip goes over a value of any kind and checks it. Arrays and objects may be nested DepthMax deep.
func (s *Scanner) Skip() {
	// A bit says of each level whether it is an object: 1, or an array: 0.
	var objects uint64
	depth := 0
	for {
		switch c := s.Peek(); {
		case c == '"':
			s.skipText()
		case c == '{' || c == '[':
			if depth == DepthMax {
				s.Fail(market.BadField)
				return
			}
			s.i++
			depth++
			objects <<= 1
			if s.Peek() == c+2 { // the bracket that closes it
				s.i++
				depth--
				objects >>= 1
				break
			}
			if c == '{' {
				objects |= 1
				s.skipKey()
			}
			if s.verdict != market.Applied {
				return
			}
			continue // to the first value in it
		case c == 't':
			s.literal("true")
		case c == 'f':
			s.literal("false")
		case c == 'n':
			s.literal("null")
		default:
			s.skipNumber()
		}
		// A value has ended; so may what it is in.
		for {
			if s.verdict != market.Applied || depth == 0 {
				return
			}
			c := s.Peek()
			inObject := objects&1 != 0
			if c == ',' {
				s.i++
				if inObject {
					s.skipKey()
				}
				break
			}
			if c == ']' && !inObject || c == '}' && inObject {
				s.i++
				depth--
				objects >>= 1
				continue
			}
			s.unexpected()
		}
		if s.verdict != market.Applied {
			return
		}
	}
}

func (s *Scanner) skipKey() {
	s.Peek()
	s.skipText()
	s.take(':')
}

// skipText goes over a text without unescaping it.
func (s *Scanner) skipText() {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		s.unexpected()
		return
	}
	i := s.i + 1
	for i+8 <= len(s.b) {
		n := plain8(load8(s.b, i))
		if i += n; n < 8 {
			break
		}
	}
	for ; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return
		case c == '\\':
			n := escapeLen(s.b[i:])
			if n == 0 {
				s.i = i
				s.Fail(market.BadField)
				return
			}
			i += n - 1
		case c < ' ':
			s.i = i
			s.unexpected()
			return
		}
	}
	s.Fail(market.Short)
}

func (s *Scanner) skipNumber() {
	if _, _, next := number(s.b, s.i, &s.width[2]); next > 0 {
		s.i = next
		return
	}
	b, i := s.b, s.i
	digits := func() bool {
		start := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > start
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	ok := digits()
	if ok && b[start] == '0' && i > start+1 {
		s.Fail(market.BadField)
		return
	}
	if ok && i < len(b) && b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits()
	}
	s.i = i
	if !ok {
		s.unexpected()
	}
}
