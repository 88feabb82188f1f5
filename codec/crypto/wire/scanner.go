package wire

import (
	"math"

	"tidegate/market"
)

// DepthMax is how deep arrays and objects may be nested in a value that is skipped.
const DepthMax = 64

// A Scanner reads one JSON text from front to back. The zero value reads the empty text. It belongs to
// one loop.
type Scanner struct {
	b       []byte
	i       int // next byte
	verdict market.Verdict
	// unescaped holds texts that had escapes. Views of it stay right when it grows: the old memory is
	// left alone.
	unescaped []byte
	width     [3]int   // of the last numbers before the point: prices and others, sizes, skipped ones
	day       [11]byte // of the last Time: "2006-01-02T"
	dayStart  market.Nanos
}

// Reset begins with b, which must stay as it is until the next Reset: texts are views of it.
func (s *Scanner) Reset(b []byte) {
	s.b, s.i, s.verdict = b, 0, market.Applied
	s.unescaped = s.unescaped[:0]
}

// Verdict returns market.Applied while there was no fault, else the first fault: Short where the text
// ends too soon, BadField for everything that is not what was asked for.
func (s *Scanner) Verdict() market.Verdict { return s.verdict }

// Fail notes a fault, unless there was one before. It is for decoders that do not like a value.
func (s *Scanner) Fail(v market.Verdict) {
	if s.verdict == market.Applied {
		s.verdict = v
	}
	s.i = len(s.b) // everything ends
}

// unexpected notes that the byte at s.i is not what it should be.
func (s *Scanner) unexpected() {
	if s.i >= len(s.b) {
		s.Fail(market.Short)
		return
	}
	s.Fail(market.BadField)
}

// Peek returns the first byte of what comes next, after white space; 0 at the end. It tells a text ('"')
// from an array ('['), an object ('{') and so on.
func (s *Scanner) Peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take goes over c, which must come next.
func (s *Scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c || s.Peek() == c && s.i < len(s.b) {
		s.i++
		return true
	}
	s.unexpected()
	return false
}

// Literal goes over text if it is next, to the byte, and reports whether it was. It is for decoders that
// know in which shape a venue writes, and read by key what is not in it.
func (s *Scanner) Literal(text string) bool {
	if len(s.b)-s.i >= len(text) && string(s.b[s.i:s.i+len(text)]) == text {
		s.i += len(text)
		return true
	}
	return false
}

// Until returns what is next up to a quotation mark, and goes over that. It is for texts of which Literal
// has gone over the beginning. ok is false, and nothing is gone over, for texts with escapes.
func (s *Scanner) Until() (text []byte, ok bool) {
	b, i := s.b, s.i
	for i+8 <= len(b) {
		n := plain8(load8(b, i))
		if i += n; n < 8 {
			break
		}
	}
	for i < len(b) && b[i] != '"' {
		if b[i] == '\\' || b[i] < ' ' {
			return nil, false
		}
		i++
	}
	if i == len(b) {
		return nil, false
	}
	text = b[s.i:i:i]
	s.i = i + 1
	return text, true
}

// Done reports whether everything has been read, without a fault.
func (s *Scanner) Done() bool { return s.i == len(s.b) && s.verdict == market.Applied }

// End says that nothing but white space may follow.
func (s *Scanner) End() {
	s.Peek()
	if s.i < len(s.b) {
		s.unexpected()
	}
}

// FirstKey enters an object and returns its first key; ok is false if it has none. The value must be
// read or skipped before NextKey. The key is valid until Reset.
func (s *Scanner) FirstKey() (key []byte, ok bool) {
	if !s.take('{') {
		return nil, false
	}
	if s.Peek() == '}' {
		s.i++
		return nil, false
	}
	return s.key()
}

// NextKey returns the next key of the object that FirstKey has entered. ok is false where the object
// ends, and the scanner is then behind it.
func (s *Scanner) NextKey() (key []byte, ok bool) {
	if s.i < len(s.b) && s.b[s.i] == ',' {
		s.i++
		return s.key()
	}
	switch s.Peek() {
	case ',':
		s.i++
		return s.key()
	case '}':
		s.i++
	default:
		s.unexpected()
	}
	return nil, false
}

func (s *Scanner) key() (key []byte, ok bool) {
	key = s.Text()
	if s.i < len(s.b) && s.b[s.i] == ':' {
		s.i++
		return key, true
	}
	return key, s.take(':')
}

// FirstElem enters an array and reports whether it has an element. That must be read or skipped before
// NextElem.
func (s *Scanner) FirstElem() bool {
	if !s.take('[') {
		return false
	}
	if s.Peek() == ']' {
		s.i++
		return false
	}
	if s.i >= len(s.b) {
		s.unexpected()
		return false
	}
	return true
}

// NextElem goes to the next element of the array that FirstElem has entered, and reports whether there
// is one. Where there is none, the scanner is behind the array.
func (s *Scanner) NextElem() bool {
	if s.i < len(s.b) && s.b[s.i] == ',' {
		s.i++
		return true
	}
	switch s.Peek() {
	case ',':
		s.i++
		return true
	case ']':
		s.i++
	default:
		s.unexpected()
	}
	return false
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	if s.Peek() == 't' {
		s.literal("true")
		return s.verdict == market.Applied
	}
	s.literal("false")
	return false
}

// literal goes over a literal name.
func (s *Scanner) literal(name string) {
	for j := range len(name) {
		if s.i >= len(s.b) || s.b[s.i] != name[j] {
			s.unexpected()
			return
		}
		s.i++
	}
}

// Int reads a whole number that fits 64 bits with sign, as number or as text.
func (s *Scanner) Int() int64 {
	quoted := s.Peek() == '"'
	if quoted {
		s.i++
	}
	negative := s.i < len(s.b) && s.b[s.i] == '-'
	if negative {
		s.i++
	}
	start := s.i
	var n uint64
	if s.i+16 <= len(s.b) { // up to 15 digits at once
		var whole, more int
		n, whole = digits8(load8(s.b, s.i))
		if whole == 8 {
			var low uint64
			if low, more = digits8(load8(s.b, s.i+8)); more < 8 {
				n = n*pow10[more&15] + low
			} else {
				more = 0
			}
		}
		s.i += whole + more
	}
	for ; s.i < len(s.b); s.i++ {
		c := s.b[s.i] - '0'
		if c > 9 {
			break
		}
		if n > (math.MaxInt64-9)/10 && (n > math.MaxInt64/10 || n*10+uint64(c) > math.MaxInt64) {
			s.Fail(market.BadField)
			return 0
		}
		n = n*10 + uint64(c)
	}
	if s.i == start {
		s.unexpected()
		return 0
	}
	if s.b[start] == '0' && s.i > start+1 {
		s.Fail(market.BadField)
		return 0
	}
	if quoted && !s.take('"') || !quoted && !s.numberEnds() {
		return 0
	}
	if negative {
		return -int64(n)
	}
	return int64(n)
}

// numberEnds checks that a number without quotes ends here: "12x" and "1.5" are no whole numbers.
func (s *Scanner) numberEnds() bool {
	if s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r', ',', ']', '}':
		default:
			s.unexpected()
			return false
		}
	}
	return true
}
