package lsg

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestCutLine(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		line  string
		size  int
		err   error
	}{
		{"", 4, "", 0, nil},
		{"abcd", 4, "", 0, nil},
		{"abcde", 4, "", 0, ErrLineTooLong},
		{"abcd\n", 4, "abcd", 5, nil},
		{"abcde\n", 4, "", 0, ErrLineTooLong},
		{"\nrest", 4, "", 1, nil},
		{"a\nb\n", 4, "a", 2, nil},
		{"\n", 0, "", 1, nil},
		{"a", 0, "", 0, ErrLineTooLong},
	} {
		line, size, err := CutLine([]byte(c.in), c.limit)
		if string(line) != c.line || size != c.size || !errors.Is(err, c.err) {
			t.Errorf("CutLine(%q, %d) = %q, %d, %v, want %q, %d, %v", c.in, c.limit, line, size, err, c.line, c.size, c.err)
		}
	}
}

// The longest request that the limits allow fits on a line, and on the lines of Append.
func TestLimitsFitLines(t *testing.T) {
	symbols := make([]string, SymbolsMax)
	for i := range symbols {
		symbols[i] = strings.Repeat("S", SymbolMax)
	}
	line := []byte("schema=definition|stype_in=instrument_id|id=4294967295|start=1709251200000000000|snapshot=0|is_last=1|symbols=" + strings.Join(symbols, ","))
	if len(line) > LineMax {
		t.Fatalf("the longest line has %d bytes, limit %d", len(line), LineMax)
	}
	s, err := ParseSubscription(line)
	if err != nil || len(s.Symbols) != SymbolsMax {
		t.Fatalf("%d symbols, %v", len(s.Symbols), err)
	}
	lines, err := s.Append(nil)
	if err != nil || bytes.Count(lines, []byte{'\n'}) != 4 {
		t.Errorf("%d lines, %v, want 4", bytes.Count(lines, []byte{'\n'}), err)
	}
}

// A hostile line costs time in proportion to its length and memory in proportion to what it says.
func TestHostileLines(t *testing.T) {
	for name, line := range map[string]string{
		"pipes":        strings.Repeat("|", LineMax),
		"equals":       strings.Repeat("=", LineMax),
		"one key":      strings.Repeat("k", LineMax),
		"commas":       "schema=mbo|symbols=" + strings.Repeat(",", LineMax-20),
		"same key":     strings.Repeat("x=1|", LineMax/4),
		"long value":   "schema=" + strings.Repeat("m", LineMax-10),
		"long start":   "schema=mbo|symbols=A|start=" + strings.Repeat("1", LineMax-50),
		"long id":      "schema=mbo|symbols=A|id=" + strings.Repeat("0", LineMax-50) + "x",
		"long symbol":  "schema=mbo|symbols=" + strings.Repeat("A", LineMax-20),
		"bad encoding": strings.Repeat("\xc3", LineMax),
	} {
		for kind, parse := range map[string]func([]byte) error{
			"authentication": func(b []byte) error { _, err := ParseAuthRequest(b); return err },
			"subscription":   func(b []byte) error { _, err := ParseSubscription(b); return err },
			"response":       func(b []byte) error { _, err := ParseAuthResponse(b); return err },
		} {
			err := parse([]byte(line))
			if err == nil {
				t.Errorf("%s as %s: no error", name, kind)
				continue
			}
			checkErrorText(t, err)
		}
	}
}

func TestParsedSharesNothingWithLine(t *testing.T) {
	line := []byte("auth=" + vectorAuth + "|dataset=XNAS.ITCH|client=me|details=more")
	r, err := ParseAuthRequest(line)
	if err != nil {
		t.Fatal(err)
	}
	sub := []byte("schema=mbo|stype_in=parent|symbols=AAPL,MSFT")
	s, err := ParseSubscription(sub)
	if err != nil {
		t.Fatal(err)
	}
	clear(line)
	clear(sub)
	if r.Dataset != "XNAS.ITCH" || r.Client != "me" || r.Details != "more" {
		t.Errorf("changed with its line: %+v", r)
	}
	if s.Schema != "mbo" || s.STypeIn != "parent" || s.Symbols[0] != "AAPL" || s.Symbols[1] != "MSFT" {
		t.Errorf("changed with its line: %+v", s)
	}
}

// The symbols of a line take one text and one list, however many they are.
func TestSymbolsDoNotAllocateEach(t *testing.T) {
	line := []byte("schema=mbo|symbols=A" + strings.Repeat(",SYMBOL", 499))
	n := testing.AllocsPerRun(100, func() {
		if _, err := ParseSubscription(line); err != nil {
			t.Fatal(err)
		}
	})
	if n > 4 { // and the schema, and the receiver of set
		t.Errorf("%v allocations for 500 symbols, want at most 4", n)
	}
}
