package lsg

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A story of lines, one row each; the answer is what Add says.
func TestGroup(t *testing.T) {
	const head = "schema=mbo|stype_in=raw_symbol|id=1|start=5|"
	type step struct{ line, want string }
	for name, story := range map[string][]step{
		"one line":          {{head + "symbols=A,B", "1: A,B"}},
		"two requests":      {{head + "symbols=A", "1: A"}, {"schema=trades|symbols=B", "0: B"}},
		"three lines":       {{head + "symbols=A|is_last=0", "..."}, {"is_last=0|symbols=B,C|" + head + "new=1", "..."}, {head + "symbols=A|is_last=1", "1: A,B,C,A"}},
		"absent is last":    {{head + "symbols=A|is_last=0", "..."}, {head + "symbols=B", "1: A,B"}},
		"default repeated":  {{"schema=mbo|symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=B|stype_in=raw_symbol|snapshot=0", "0: A,B"}},
		"all in one line":   {{"schema=mbo|symbols=ALL_SYMBOLS", "0: ALL_SYMBOLS"}},
		"other schema":      {{head + "symbols=A|is_last=0", "..."}, {strings.Replace(head, "mbo", "trades", 1) + "symbols=B", "schema: other than on the line before"}},
		"other stype":       {{head + "symbols=A|is_last=0", "..."}, {strings.Replace(head, "raw_symbol", "parent", 1) + "symbols=B", "stype_in: other than"}},
		"other id":          {{head + "symbols=A|is_last=0", "..."}, {strings.Replace(head, "id=1", "id=2", 1) + "symbols=B", "id: other than"}},
		"no id":             {{"schema=mbo|id=0|symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=B", "id: other than"}},
		"other start":       {{head + "symbols=A|is_last=0", "..."}, {strings.Replace(head, "start=5", "start=6", 1) + "symbols=B", "start: other than"}},
		"no start":          {{"schema=mbo|start=0|symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=B", "start: other than"}},
		"other snapshot":    {{"schema=mbo|symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=B|snapshot=1", "snapshot: other than"}},
		"all beside":        {{"schema=mbo|symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=ALL_SYMBOLS", "symbols: ALL_SYMBOLS beside other symbols"}},
		"beside all":        {{"schema=mbo|symbols=ALL_SYMBOLS|is_last=0", "..."}, {"schema=mbo|symbols=A", "symbols: ALL_SYMBOLS beside other symbols"}},
		"usable after that": {{head + "symbols=A|is_last=0", "..."}, {"schema=mbo|symbols=B", "id: other than"}, {"schema=mbo|symbols=C", "0: C"}},
	} {
		var g Group
		for i, step := range story {
			s, err := ParseSubscription([]byte(step.line))
			if err != nil {
				t.Fatal(err)
			}
			whole, complete, err := g.Add(s)
			got := "..."
			switch {
			case err != nil:
				got = err.Error()
				checkErrorText(t, err)
			case complete:
				got = fmt.Sprintf("%d: %s", whole.ID, strings.Join(whole.Symbols, ","))
				if !whole.IsLast {
					t.Errorf("%s: the whole request says is_last=0", name)
				}
			}
			if !strings.Contains(got, step.want) {
				t.Errorf("%s, line %d: got %q, want %q", name, i+1, got, step.want)
			}
			if g.Open() != (step.want == "...") {
				t.Errorf("%s, line %d: Open() = %t", name, i+1, g.Open())
			}
			if !complete && !reflect.DeepEqual(whole, Subscription{}) {
				t.Errorf("%s, line %d: a part was returned: %+v", name, i+1, whole)
			}
		}
	}
}

func TestGroupCountsUnknownAndSymbols(t *testing.T) {
	part := Subscription{Schema: "mbo", Symbols: make([]string, 500), Unknown: 1}
	for i := range part.Symbols {
		part.Symbols[i] = "A"
	}
	var g Group
	for range 3 {
		if _, complete, err := g.Add(part); complete || err != nil {
			t.Fatal(complete, err)
		}
	}
	last := part
	last.IsLast = true
	whole, complete, err := g.Add(last)
	if !complete || err != nil || len(whole.Symbols) != 2000 || whole.Unknown != 4 {
		t.Errorf("%d symbols, %d unknown, %t, %v", len(whole.Symbols), whole.Unknown, complete, err)
	}
	for range 4 {
		_, _, err = g.Add(part)
	}
	if err != nil {
		t.Fatal(err)
	}
	last.Symbols = []string{"A"}
	if _, _, err = g.Add(last); err == nil || !strings.Contains(err.Error(), "symbols: 2001 in one request, want at most 2000") {
		t.Errorf("2,001 symbols: %v", err)
	}
}

// The official clients send 1,001 symbols on three lines.
func TestWholeRequestComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anySubscription(t)
		lines, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var g Group
		for n := 0; ; n++ {
			line, size, err := CutLine(lines, LineMax)
			if err != nil || size == 0 {
				t.Fatalf("line %d: size %d, %v", n, size, err)
			}
			lines = lines[size:]
			part, err := ParseSubscription(line)
			if err != nil {
				t.Fatal(err)
			}
			whole, complete, err := g.Add(part)
			if err != nil {
				t.Fatal(err)
			}
			if complete != (len(lines) == 0) {
				t.Fatalf("complete = %t with %d bytes left", complete, len(lines))
			}
			if !complete {
				continue
			}
			if wantLines := (len(want.Symbols) + 499) / 500; n+1 != wantLines {
				t.Fatalf("%d symbols on %d lines, want %d", len(want.Symbols), n+1, wantLines)
			}
			if !reflect.DeepEqual(whole, want) {
				t.Fatalf("got %+v, want %+v", whole, want)
			}
			return
		}
	})
}
