package capture

import (
	"testing"

	"tidegate/market"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		kind Kind
		url  string
		time market.Nanos
		text string
	}{
		{"", Blank, "", 0, ""},
		{" \r\n", Blank, "", 0, ""},
		{"wss://v.example:9443/s?a=b: <-> 1.5", Opened, "wss://v.example:9443/s?a=b:", 1_500_000_000, ""},
		{`wss://v.example <- 2: {"op":"x: y"}`, Sent, "wss://v.example", 2_000_000_000, `{"op":"x: y"}`},
		{`3.25: {"e": 1}`, Received, "", 3_250_000_000, `{"e": 1}`},
		{`https://v.example/a -> 4.0: [1] header: {"h":1}`, Answered, "https://v.example/a", 4_000_000_000, "[1]"},
		{`configuration: {"l2_book":[]}`, Configuration, "", 0, `{"l2_book":[]}`},
	} {
		l, err := Parse([]byte(c.line))
		if err != nil || l.Kind != c.kind || string(l.URL) != c.url || l.Time != c.time || string(l.Text) != c.text {
			t.Errorf("%q: %d %q %d %q, %v", c.line, l.Kind, l.URL, l.Time, l.Text, err)
		}
	}
	for _, line := range []string{"x", "1.5x: {}", "wss://v.example -- 1: {}", "wss://v.example <- x: {}", "-1: {}"} {
		if l, err := Parse([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, l)
		}
	}
}

func TestParseReceived(t *testing.T) {
	l, err := ParseReceived([]byte("1723161253937085768 {\"a\": 1}\n"))
	if err != nil || l.Kind != Received || l.Time != 1723161253937085768 || string(l.Text) != `{"a": 1}` {
		t.Errorf("%+v, %v", l, err)
	}
	for _, line := range []string{"", "1", "x {}", "-1 {}"} {
		if l, err := ParseReceived([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, l)
		}
	}
}
