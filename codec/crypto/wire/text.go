package wire

import (
	"unicode/utf16"
	"unicode/utf8"

	"tidegate/market"
)

// Text reads a text and returns it without quotes and escapes. It is valid until Reset; the caller must
// not change it.
func (s *Scanner) Text() []byte {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		if s.Peek() != '"' {
			s.unexpected()
			return nil
		}
	}
	start := s.i + 1
	i := start
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
			return s.b[start:i:i]
		case c == '\\' || c < ' ':
			return s.escapedText()
		}
	}
	s.Fail(market.Short)
	return nil
}

// escapedText is Text for a text with escapes: rare, for they are never needed in what venues send, but
// some write "BTC\/USD".
//
//go:noinline
func (s *Scanner) escapedText() []byte {
	start := s.i
	if s.skipText(); s.verdict != market.Applied {
		return nil
	}
	in := s.b[start+1 : s.i-1]
	from := len(s.unescaped)
	for len(in) > 0 {
		if in[0] != '\\' {
			s.unescaped = append(s.unescaped, in[0])
			in = in[1:]
			continue
		}
		if in[1] != 'u' {
			s.unescaped = append(s.unescaped, escapes[in[1]])
			in = in[2:]
			continue
		}
		r := hex4(in[2:])
		in = in[6:]
		if utf16.IsSurrogate(r) {
			second := rune(-1)
			if len(in) >= 6 && in[0] == '\\' && in[1] == 'u' {
				second = hex4(in[2:])
			}
			// A half without its other half is U+FFFD, and what follows it is looked at again.
			if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
				in = in[6:]
			}
		}
		s.unescaped = utf8.AppendRune(s.unescaped, r)
	}
	return s.unescaped[from:len(s.unescaped):len(s.unescaped)]
}

// escapes gives what stands for what after a backslash; 0 for what may not stand there, and 'u' for 'u'.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'u': 'u',
}

// escapeLen returns how many bytes the escape at the beginning of b has, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 || escapes[b[1]] == 0 {
		return 0
	}
	if b[1] != 'u' {
		return 2
	}
	if len(b) < 6 || hex4(b[2:]) < 0 {
		return 0
	}
	return 6
}

// hex4 returns the number that four hexadecimal digits stand for, -1 if they are not that.
func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
