package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tidegate/market"
)

// value reads any value in the way decoders do, numbers as json.Number.
func (s *Scanner) value() any {
	switch s.Peek() {
	case '{':
		m := map[string]any{}
		for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
			k := string(key)
			m[k] = s.value()
		}
		return m
	case '[':
		a := []any{}
		for ok := s.FirstElem(); ok; ok = s.NextElem() {
			a = append(a, s.value())
		}
		return a
	case '"':
		return string(s.Text())
	case 't', 'f':
		return s.Bool()
	case 'n':
		s.Skip()
		return nil
	default:
		from := s.i
		s.Skip()
		return json.Number(s.b[from:s.i])
	}
}

// twins reads b with the scanner, once value by value and once by skipping all of it, and with
// encoding/json.
func twins(t interface{ Fatalf(string, ...any) }, b []byte) {
	var s Scanner
	s.Reset(b)
	got := s.value()
	s.End()
	read := s.Verdict()
	s.Reset(b)
	s.Skip()
	s.End()
	skipped := s.Verdict()

	if valid := json.Valid(b); (skipped == market.Applied) != valid {
		t.Fatalf("%q: skipped with verdict %v, valid is %t", b, skipped, valid)
	}
	if read != skipped {
		t.Fatalf("%q: read with verdict %v, skipped with %v", b, read, skipped)
	}
	if read != market.Applied || !utf8.Valid(b) { // encoding/json replaces what is not UTF-8
		return
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: read %#v, want %#v", b, got, want)
	}
}

// document draws a JSON text with white space and escapes in all places.
func document(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		space := func() string { return rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r"}).Draw(t, "space") }
		text := func() string {
			part := rapid.SampledFrom([]string{
				"a", "BTC", "é", "\\n", "\\/", "\\\"", "\\\\", "\\u00e9", "\\u0000", "\\ud83d\\ude00", "\\ud83d", "\\ude00\\u0041", "日",
			})
			return `"` + strings.Join(rapid.SliceOfN(part, 0, 4).Draw(t, "text"), "") + `"`
		}
		kinds := 4
		if depth == 0 {
			kinds = 2
		}
		var out string
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			out = rapid.SampledFrom([]string{"true", "false", "null", "0", "-0", "12", "-3.50", "1e5", "0.1E-7", "1E+2"}).Draw(t, "scalar")
		case 1:
			out = text()
		case 2:
			var elems []string
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				elems = append(elems, document(depth-1).Draw(t, "element"))
			}
			out = "[" + strings.Join(elems, ",") + space() + "]"
		case 3:
			var fields []string
			for range rapid.IntRange(0, 3).Draw(t, "fields") {
				fields = append(fields, space()+text()+space()+":"+document(depth-1).Draw(t, "value"))
			}
			out = "{" + strings.Join(fields, ",") + space() + "}"
		}
		return space() + out + space()
	})
}

func TestScannerAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(document(3).Draw(t, "document"))
		twins(t, b)
		// The same with one byte changed, lost or doubled, which is mostly no JSON any more.
		if len(b) == 0 {
			return
		}
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		broken := bytes.Clone(b)
		broken[i] = rapid.SampledFrom([]byte("{}[],:\"\\0-.eE tn\x00\x1f")).Draw(t, "byte")
		twins(t, broken)
		twins(t, append(bytes.Clone(b[:i]), b[i+1:]...))
		twins(t, append(bytes.Clone(b[:i+1]), b[i:]...))
		twins(t, b[:i])
	})
}

func FuzzScanner(f *testing.F) {
	for _, b := range []string{"", `{"a":[1,"b\u00e9",null],"c":{}}`, `[[],{"":-0.1e+5}]`, `"\ud800\u0041"`, "[1,2", `{"a" 1}`, "\x00"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) <= DepthMax {
			twins(t, b)
		}
	})
}

func TestSkipHasADepth(t *testing.T) {
	for _, c := range []struct {
		depth int
		want  market.Verdict
	}{{DepthMax, market.Applied}, {DepthMax + 1, market.BadField}} {
		for _, brackets := range []string{"[]", "{}"} {
			open, shut := brackets[:1], brackets[1:]
			if open == "{" {
				open = `{"a":`
			}
			text := strings.Repeat(open, c.depth-1) + brackets + strings.Repeat(shut, c.depth-1)
			var s Scanner
			s.Reset([]byte(text))
			s.Skip()
			s.End()
			if s.Verdict() != c.want {
				t.Errorf("%d times %s: %v, want %v", c.depth, brackets, s.Verdict(), c.want)
			}
		}
	}
}

func TestInt(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		v    market.Verdict
	}{
		{"0", 0, market.Applied},
		{"-1", -1, market.Applied},
		{` "1641343691244908" `, 1641343691244908, market.Applied},
		{"9223372036854775807", 9223372036854775807, market.Applied},
		{"-9223372036854775807", -9223372036854775807, market.Applied},
		{"9223372036854775808", 0, market.BadField},
		{"92233720368547758070", 0, market.BadField},
		{"01", 0, market.BadField},
		{"1.0", 0, market.BadField},
		{"1e3", 0, market.BadField},
		{`"1`, 0, market.Short},
		{`"1x"`, 0, market.BadField},
		{`""`, 0, market.BadField},
		{"-", 0, market.Short},
		{"", 0, market.Short},
		{"null", 0, market.BadField},
	} {
		var s Scanner
		s.Reset([]byte(c.text))
		got := s.Int()
		s.End()
		if got != c.want || s.Verdict() != c.v {
			t.Errorf("%q: %d, %v, want %d, %v", c.text, got, s.Verdict(), c.want, c.v)
		}
	}
}

// A fault ends every loop, and the first one stands.
func TestFaultsStick(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a":[1,2,x,4],"b":5}`))
	keys, elems := 0, 0
	for _, ok := s.FirstKey(); ok; _, ok = s.NextKey() {
		keys++
		for more := s.FirstElem(); more; more = s.NextElem() {
			elems++
			s.Int()
		}
	}
	s.Fail(market.Short)
	if keys != 1 || elems != 3 || s.Verdict() != market.BadField {
		t.Errorf("%d keys, %d elements, %v", keys, elems, s.Verdict())
	}
	for _, read := range []func() any{
		func() any { return s.Int() },
		func() any { return s.Bool() },
		func() any { return s.Decimal() },
		func() any { return string(s.Text()) },
		func() any { return s.Peek() },
	} {
		if got := read(); !reflect.ValueOf(got).IsZero() {
			t.Errorf("after a fault: %v", got)
		}
	}
}

// Texts with escapes stay valid when more of them follow.
func TestTextsLastUntilReset(t *testing.T) {
	var s Scanner
	var in strings.Builder
	in.WriteString("[")
	for i := range 100 {
		fmt.Fprintf(&in, `%s"\u0041%d"`, strings.Repeat(",", min(i, 1)), i)
	}
	in.WriteString("]")
	s.Reset([]byte(in.String()))
	var texts [][]byte
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		texts = append(texts, s.Text())
	}
	if len(texts) != 100 {
		t.Fatalf("%d texts: %v", len(texts), s.Verdict())
	}
	for i, text := range texts {
		if want := fmt.Sprint("A", i); string(text) != want {
			t.Errorf("text %d is %q, want %q", i, text, want)
		}
	}
}
