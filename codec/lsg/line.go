package lsg

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Limits of lines, in bytes without the newline.
const (
	// AuthLineMax is for the first line of a client. It is small because nobody knows yet who the
	// client is; an authentication line has a few hundred bytes.
	AuthLineMax = 8 << 10
	// LineMax is for all later lines: 2,000 symbols of 70 bytes, their commas and the other keys.
	LineMax = 160 << 10
)

// ErrLineTooLong is what CutLine returns for a line above its limit.
var ErrLineTooLong = errors.New("control line is too long")

// CutLine returns the first line of b, without its newline, and how many bytes of b it takes with
// its newline. size is 0 while the line is not complete. The error is ErrLineTooLong if the line has
// more than limit bytes, complete or not; there is no way to go on from there. line is a view of b.
func CutLine(b []byte, limit int) (line []byte, size int, err error) {
	i := bytes.IndexByte(b[:min(len(b), limit+1)], '\n')
	switch {
	case i >= 0:
		return b[:i], i + 1, nil
	case len(b) > limit:
		return nil, 0, ErrLineTooLong
	default:
		return nil, 0, nil
	}
}

// errMissing is wrapped with the key that a line must have and does not.
var errMissing = errors.New("missing")

// A fieldSet tells which keys of a list a line had: bit i stands for keys[i].
type fieldSet uint32

func (s fieldSet) has(i int) bool { return s&(1<<i) != 0 }

// parsePairs calls set for each pair of a line whose key is in keys, with the key's place there, and
// counts the other pairs. A known key that comes twice is an error: two readers could believe
// different ones. what names the line in errors. The value is a view of the line.
func parsePairs(what string, line []byte, keys []string, set func(key int, value []byte) error) (seen fieldSet, unknown int, err error) {
	if !isText(line) {
		return 0, 0, fmt.Errorf("%s: control characters, or not UTF-8", what)
	}
	for more := true; more; {
		var pair []byte
		pair, line, more = bytes.Cut(line, []byte{'|'})
		name, value, _ := bytes.Cut(pair, []byte{'='})
		key := find(keys, name)
		if key < 0 {
			unknown++
			continue
		}
		if seen.has(key) {
			return 0, 0, fmt.Errorf("%s: %s: given twice", what, keys[key])
		}
		seen |= 1 << key
		if err := set(key, value); err != nil {
			return 0, 0, fmt.Errorf("%s: %s: %w", what, keys[key], err)
		}
	}
	return seen, unknown, nil
}

// require returns an error that names the first of the wanted keys that is not in seen.
func require(what string, seen fieldSet, keys []string, wanted ...int) error {
	for _, key := range wanted {
		if !seen.has(key) {
			return fmt.Errorf("%s: %s: %w", what, keys[key], errMissing)
		}
	}
	return nil
}

// find returns where name is in list, or -1.
func find(list []string, name []byte) int {
	for i, s := range list {
		if s == string(name) {
			return i
		}
	}
	return -1
}

// isText reports whether b is UTF-8 without control characters.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) { // the compiler does not copy b
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// isGraphic reports whether s is printable ASCII; low is ' ' to allow spaces, else '!'.
func isGraphic[T string | []byte](s T, low byte) bool {
	for i := range len(s) {
		if s[i] < low || s[i] > '~' {
			return false
		}
	}
	return true
}

// quote returns a value of the other side for an error text: short, ASCII and without "|".
func quote[T string | []byte](value T) string {
	const most = 40
	text := string(value)
	if len(text) > most {
		text = text[:most] + "..."
	}
	return string(bytes.ReplaceAll([]byte(strconv.QuoteToASCII(text)), []byte{'|'}, []byte(`\x7c`)))
}

// parseBool reads 0 or 1.
func parseBool(value []byte) (bool, error) {
	switch string(value) {
	case "0":
		return false, nil
	case "1":
		return true, nil
	default:
		return false, fmt.Errorf("%s: want 0 or 1", quote(value))
	}
}

// parseChoice returns where a value is in the list of allowed texts.
func parseChoice(value []byte, names []string) (int, error) {
	i := find(names, value)
	if i < 0 {
		return 0, fmt.Errorf("%s: want one of %v", quote(value), names)
	}
	return i, nil
}

// parseUint reads a decimal number of at most bits bits.
func parseUint(value []byte, bits int) (uint64, error) {
	n, err := strconv.ParseUint(string(value), 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s: want a decimal number of at most %d bits", quote(value), bits)
	}
	return n, nil
}

// checkText reports why a text cannot be a value of a line.
func checkText(value string) error {
	if !isText([]byte(value)) || bytes.IndexByte([]byte(value), '|') >= 0 {
		return fmt.Errorf("%s: want UTF-8 without control characters and pipes", quote(value))
	}
	return nil
}

// appendPair adds "|key=value", without the "|" at the start of a line that began at b[start].
func appendPair[T string | []byte](b []byte, start int, key string, value T) []byte {
	if len(b) > start {
		b = append(b, '|')
	}
	b = append(b, key...)
	b = append(b, '=')
	return append(b, value...)
}

// bit returns a flag as lines spell it.
func bit(v bool) string {
	if v {
		return "1"
	}
	return "0"
}
