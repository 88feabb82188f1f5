package lsg

import (
	"reflect"
	"strings"
	"testing"

	"tidegate/market"
)

// The test vector of the protocol.
const (
	vectorChallenge = "Zk3vQ9pLw7Xr2TbN8sYhJ4mD6fGcAe1U"
	vectorKey       = "db-ExampleKeyForTests0000000abcd"
	vectorAuth      = "6c95e3cbe68eb70367d36d58344b6f6b83096fd78e5ab608eb9710877530d109-0abcd"
)

func mustKey(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustAuth(t testing.TB, text string) Auth {
	t.Helper()
	a, err := ParseAuth([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestGatewayLines(t *testing.T) {
	greeting := Greeting{Version: "0.1.0"}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{greeting.Append(nil), "lsg_version=0.1.0\n"},
		{Challenge(vectorChallenge).Append(greeting.Append(nil)), "lsg_version=0.1.0\ncram=" + vectorChallenge + "\n"},
		{(&AuthResponse{Accepted: true, SessionID: 5}).Append(nil), "success=1|session_id=5\n"},
		{(&AuthResponse{Accepted: true, SessionID: 1<<64 - 1, Error: "no"}).Append(nil), "success=1|session_id=18446744073709551615\n"},
		{(&AuthResponse{Error: "unknown key"}).Append(nil), "success=0|error=unknown key\n"},
		{(&AuthResponse{Error: "a|b\r\nc=d\x00\xff"}).Append(nil), "success=0|error=a/b  c=d  \n"},
		{(&AuthResponse{Error: strings.Repeat("é", 200)}).Append(nil), "success=0|error=" + strings.Repeat("é", 150) + "\n"},
		{(&AuthResponse{Error: "x" + strings.Repeat("é", 200)}).Append(nil), "success=0|error=x" + strings.Repeat("é", 149) + " \n"},
		{(&AuthResponse{}).Append([]byte("before\n")), "before\nsuccess=0|error=\n"},
		{AppendStart(nil), "start_session\n"},
	} {
		if string(c.got) != c.want {
			t.Errorf("wrote %q, want %q", c.got, c.want)
		}
	}
}

// What the clients in use send, as observed.
func TestAuthRequestsOfClients(t *testing.T) {
	auth := mustAuth(t, vectorAuth)
	for _, c := range []struct {
		name, line string
		want       AuthRequest
	}{
		{
			"C++", "auth=" + vectorAuth + "|dataset=XNAS.ITCH|encoding=dbn|ts_out=0|compression=none|client=C++ 0.65.0",
			AuthRequest{Auth: auth, Dataset: "XNAS.ITCH", Client: "C++ 0.65.0"},
		},
		{
			"C++ with all", "auth=" + vectorAuth + "|dataset=XNAS.ITCH|encoding=dbn|ts_out=1|compression=zstd|client=C++|heartbeat_interval_s=10|slow_reader_behavior=warn",
			AuthRequest{Auth: auth, Dataset: "XNAS.ITCH", TsOut: true, Compression: CompressionZstd, Client: "C++", HeartbeatSeconds: 10, SlowReader: SlowReaderWarn},
		},
		{
			"Python", "auth=" + vectorAuth + "|dataset=GLBX.MDP3|encoding=dbn|details=x|ts_out=0|compression=none|heartbeat_interval_s=30|client=Databento/0.82.0 (a=b)",
			AuthRequest{Auth: auth, Dataset: "GLBX.MDP3", Details: "x", HeartbeatSeconds: 30, Client: "Databento/0.82.0 (a=b)"},
		},
		{
			"Rust, old", "auth=" + vectorAuth + "|dataset=XNAS.ITCH|encoding=dbn|ts_out=0|client=Rust|slow_reader_behavior=drop",
			AuthRequest{Auth: auth, Dataset: "XNAS.ITCH", Client: "Rust"},
		},
		{
			"dbn-go", "auth=" + vectorAuth + "|dataset=XNAS.ITCH|client=dbn-go_1",
			AuthRequest{Auth: auth, Dataset: "XNAS.ITCH", Client: "dbn-go_1"},
		},
		{
			"dbn-go, json", "auth=" + vectorAuth + "|dataset=XNAS.ITCH|client=|encoding=json|ts_out=1|pretty_px=1|pretty_ts=1|slow_reader_behavior=skip",
			AuthRequest{Auth: auth, Dataset: "XNAS.ITCH", Encoding: EncodingJSON, TsOut: true, PrettyPx: true, PrettyTs: true},
		},
		{
			"any order, unknown keys", "|new=1|dataset=D|new=2|flag|auth=" + vectorAuth + "|",
			AuthRequest{Auth: auth, Dataset: "D", Unknown: 5},
		},
		{
			"limits", "auth=" + vectorAuth + "|dataset=" + strings.Repeat("D", DatasetMax) + "|heartbeat_interval_s=1800|encoding=csv",
			AuthRequest{Auth: auth, Dataset: strings.Repeat("D", DatasetMax), HeartbeatSeconds: 1800, Encoding: EncodingCSV},
		},
	} {
		got, err := ParseAuthRequest([]byte(c.line))
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	full := AuthRequest{
		Auth: auth, Dataset: "XNAS.ITCH", Encoding: EncodingCSV, Compression: CompressionZstd, TsOut: true,
		HeartbeatSeconds: 5, SlowReader: SlowReaderWarn, Client: "c", Details: "d", PrettyPx: true, PrettyTs: true,
	}
	const want = "auth=" + vectorAuth + "|dataset=XNAS.ITCH|encoding=csv|ts_out=1|compression=zstd|client=c|details=d|heartbeat_interval_s=5|slow_reader_behavior=warn|pretty_px=1|pretty_ts=1\n"
	if got, err := full.Append(nil); err != nil || string(got) != want {
		t.Errorf("wrote %q, %v, want %q", got, err, want)
	}
}

func TestAuthRequestRefusals(t *testing.T) {
	const ok = "auth=" + vectorAuth + "|dataset=XNAS.ITCH"
	for _, c := range []struct{ line, want string }{
		{"", "authentication line: auth: missing"},
		{"dataset=XNAS.ITCH", "authentication line: auth: missing"},
		{"auth=" + vectorAuth, "authentication line: dataset: missing"},
		{"auth|dataset=X", "authentication line: auth: want 64 hexadecimal"},
		{"auth=" + vectorAuth[1:] + "|dataset=X", "auth: want 64 hexadecimal digits, a dash and the last 5 characters of the key"},
		{"auth=" + vectorAuth + "x|dataset=X", "auth: "},
		{"auth=" + strings.Replace(vectorAuth, "-", "0", 1) + "|dataset=X", "auth: "},
		{"auth=x" + vectorAuth[1:] + "|dataset=X", "want 64 hexadecimal digits before the dash"},
		{"auth=" + vectorAuth[:69] + "é|dataset=X", "auth: "},
		{"auth=" + vectorAuth + "|dataset=", `dataset: "": want 1 to 15`},
		{"auth=" + vectorAuth + "|dataset=ABCDEFGHIJKLMNOP", `dataset: "ABCDEFGHIJKLMNOP": want 1 to 15`},
		{"auth=" + vectorAuth + "|dataset=X Y", `dataset: "X Y": want`},
		{"auth=" + vectorAuth + "|dataset=Ünter", `dataset: "\u00dcnter": want`},
		{ok + "|dataset=XNAS.ITCH", "dataset: given twice"},
		{ok + "|encoding=xml", `encoding: "xml": want one of [dbn csv json]`},
		{ok + "|encoding=DBN", "encoding: "},
		{ok + "|compression=gzip", `compression: "gzip": want one of [none zstd]`},
		{ok + "|ts_out=2", `ts_out: "2": want 0 or 1`},
		{ok + "|ts_out=", "ts_out: "},
		{ok + "|heartbeat_interval_s=4", "heartbeat_interval_s: 4: want 5 to 1800"},
		{ok + "|heartbeat_interval_s=1801", "heartbeat_interval_s: 1801: want 5 to 1800"},
		{ok + "|heartbeat_interval_s=0", "heartbeat_interval_s: 0: want"},
		{ok + "|heartbeat_interval_s=-5", `heartbeat_interval_s: "-5": want a decimal`},
		{ok + "|heartbeat_interval_s=99999999999999999999", "heartbeat_interval_s: "},
		{ok + "|slow_reader_behavior=block", "slow_reader_behavior: "},
		{ok + "|pretty_px=yes", "pretty_px: "},
		{ok + "|pretty_ts=yes", "pretty_ts: "},
		{ok + "\r", "authentication line: control characters"},
		{ok + "|client=\x00", "control characters"},
		{ok + "|client=\xff", "not UTF-8"},
		{ok + "|client=\u009b31m", "control characters"},
	} {
		got, err := ParseAuthRequest([]byte(c.line))
		wantRefusal(t, c.line, err, c.want)
		if got != (AuthRequest{}) {
			t.Errorf("%q: refused, but returned %+v", c.line, got)
		}
	}
}

// wantRefusal checks an error text, also for what the other side must be able to take.
func wantRefusal(t *testing.T, line string, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%q: no error, want %q", line, want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%q: error %q, want %q", line, err, want)
	default:
		checkErrorText(t, err)
	}
}

func checkErrorText(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if r := (AuthResponse{Error: text}); string(r.Append(nil)) != "success=0|error="+text+"\n" {
		t.Errorf("error text cannot be sent as it is: %q", text)
	}
	if len(text) > ErrorTextMax || !isGraphic(text, ' ') {
		t.Errorf("error text is long or not ASCII: %q", text)
	}
}

func TestSubscriptionsOfClients(t *testing.T) {
	for _, c := range []struct {
		line string
		want Subscription
	}{
		{
			"schema=mbo|stype_in=raw_symbol|id=1|symbols=AAPL,MSFT|snapshot=0|is_last=1", // C++
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", ID: 1, HasID: true, Symbols: []string{"AAPL", "MSFT"}, IsLast: true},
		},
		{
			"schema=mbo|stype_in=raw_symbol|start=1|symbols=AAPL", // dbn-go
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", Start: 1, HasStart: true, Symbols: []string{"AAPL"}, IsLast: true},
		},
		{
			"schema=trades|stype_in=parent|symbols=ES.FUT|start=0|snapshot=0|id=0|is_last=0", // Python
			Subscription{Schema: "trades", STypeIn: "parent", Start: 0, HasStart: true, ID: 0, HasID: true, Symbols: []string{"ES.FUT"}},
		},
		{
			"symbols=ALL_SYMBOLS|schema=mbo|snapshot=1|id=4294967295|more=",
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", Snapshot: true, ID: 1<<32 - 1, HasID: true, Symbols: []string{AllSymbols}, IsLast: true, Unknown: 1},
		},
		{
			"schema=mbo|symbols=BRK A,A=B,12345|start=2024-03-01T09:30:00.5-05:00",
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", Start: 1709303400500000000, HasStart: true, Symbols: []string{"BRK A", "A=B", "12345"}, IsLast: true},
		},
	} {
		got, err := ParseSubscription([]byte(c.line))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, %v, want %+v", c.line, got, err, c.want)
		}
		if got.All() != (c.want.Symbols[0] == AllSymbols) {
			t.Errorf("%q: All() = %t", c.line, got.All())
		}
	}
	for _, c := range []struct {
		s    Subscription
		want string
	}{
		{
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", ID: 1, HasID: true, Symbols: []string{"AAPL", "MSFT"}},
			"schema=mbo|stype_in=raw_symbol|id=1|symbols=AAPL,MSFT|snapshot=0|is_last=1\n",
		},
		{
			Subscription{Schema: "mbp-1", STypeIn: "parent", Start: 7, HasStart: true, Symbols: []string{AllSymbols}},
			"schema=mbp-1|stype_in=parent|start=7|symbols=ALL_SYMBOLS|snapshot=0|is_last=1\n",
		},
		{
			Subscription{Schema: "mbo", STypeIn: "raw_symbol", Snapshot: true, Symbols: []string{"A"}},
			"schema=mbo|stype_in=raw_symbol|symbols=A|snapshot=1|is_last=1\n",
		},
	} {
		if got, err := c.s.Append([]byte("before\n")); err != nil || string(got) != "before\n"+c.want {
			t.Errorf("wrote %q, %v, want %q", got, err, c.want)
		}
	}
}

func TestSubscriptionRefusals(t *testing.T) {
	const ok = "schema=mbo|symbols=A"
	list := strings.Repeat("A,", SymbolsMax) + "A"
	for _, c := range []struct{ line, want string }{
		{"", "subscription line: schema: missing"},
		{"symbols=A", "subscription line: schema: missing"},
		{"schema=mbo", "subscription line: symbols: missing"},
		{"schema=|symbols=A", `schema: "": want 1 to 32`},
		{"schema=" + strings.Repeat("m", 33) + "|symbols=A", "schema: "},
		{"schema=m o|symbols=A", "schema: "},
		{ok + "|stype_in=", "stype_in: "},
		{ok + "|schema=mbo", "schema: given twice"},
		{"schema=mbo|symbols=", `symbols: symbol 1, "": want 1 to 70`},
		{"schema=mbo|symbols=A,,B", `symbols: symbol 2, "": want`},
		{"schema=mbo|symbols=A,B,", `symbols: symbol 3, "": want`},
		{"schema=mbo|symbols=" + strings.Repeat("A", 71), "symbol 1, "},
		{"schema=mbo|symbols=Ä", `symbol 1, "\u00c4": want`},
		{"schema=mbo|symbols=" + list, "symbols: 2001 symbols, want at most 2000"},
		{"schema=mbo|symbols=A,ALL_SYMBOLS", "symbols: ALL_SYMBOLS beside other symbols"},
		{ok + "|snapshot=2", "snapshot: "},
		{ok + "|snapshot=1|start=0", "subscription line: snapshot: not together with start"},
		{"schema=trades|symbols=A|snapshot=1", `snapshot: schema "trades" has none, only mbo has`},
		{ok + "|id=-1", "id: "},
		{ok + "|id=4294967296", `id: "4294967296": want a decimal number of at most 32 bits`},
		{ok + "|is_last=", "is_last: "},
		{ok + "|start=", `start: "": want nanoseconds since the epoch, or an ISO 8601 time`},
		{ok + "|start=9223372036854775808", "start: "},
		{ok + "\x7f", "control characters"},
	} {
		got, err := ParseSubscription([]byte(c.line))
		wantRefusal(t, c.line, err, c.want)
		if !reflect.DeepEqual(got, Subscription{}) {
			t.Errorf("%q: refused, but returned %+v", c.line, got)
		}
	}
}

func TestParseStart(t *testing.T) {
	const day, half = 1709251200 * market.Second, market.Second / 2
	for _, c := range []struct {
		text string
		want market.Nanos
	}{
		{"0", 0},
		{"1709251200000000000", day},
		{"2024", 2024}, // digits alone are nanoseconds, not a year
		{"9223372036854775807", 1<<63 - 1},
		{"2024-03-01", day},
		{"2024-03-01T00:00", day},
		{"2024-03-01T01:02Z", day + 62*market.Minute},
		{"2024-03-01T00:00:00", day},
		{"2024-03-01T00:00:00Z", day},
		{"2024-03-01T00:00:00.5", day + half},
		{"2024-03-01T00:00:00.000000001Z", day + 1},
		{"2024-03-01T02:00:00+02:00", day},
		{"2024-02-29T19:00:00.5-05:00", day + half},
		{"1970-01-01", 0},
		{"2262-01-01", 9214646400 * market.Second},
	} {
		if got, err := ParseStart([]byte(c.text)); err != nil || got != c.want {
			t.Errorf("ParseStart(%q) = %d, %v, want %d", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"", " 1", "-1", "+1", "1e9", "0x10", "1_000", "2024-03", "2024-03-01 00:00:00", "2024-02-30",
		"2024-03-01T24:00:01", "1969-12-31", "2263-01-01", "2262-04-12", "9999-12-31", "now", "None",
		"2024-03-01T00:00:00." + strings.Repeat("0", 60),
	} {
		got, err := ParseStart([]byte(text))
		if err == nil || got != market.UndefTime {
			t.Errorf("ParseStart(%q) = %d, %v, want an error", text, got, err)
			continue
		}
		checkErrorText(t, err)
	}
}

func TestIsStart(t *testing.T) {
	for line, want := range map[string]bool{
		"start_session":          true, // Rust, C++
		"start_session=0":        true, // Python
		"start_session=":         true, // dbn-go
		"start_session=0|x=1":    true,
		"x=1|start_session":      true,
		"":                       false,
		"start_sessions":         false,
		"start_session ":         false,
		"x=start_session":        false,
		"schema=mbo|symbols=A":   false,
		"schema=start_session|x": false,
	} {
		if got := IsStart([]byte(line)); got != want {
			t.Errorf("IsStart(%q) = %t, want %t", line, got, want)
		}
	}
	if line, size, err := CutLine(AppendStart(nil), LineMax); err != nil || size != 14 || !IsStart(line) {
		t.Errorf("AppendStart does not make a start line: %q, %v", line, err)
	}
}

func TestParseGatewayLines(t *testing.T) {
	if g, err := ParseGreeting([]byte("lsg_version=0.1 a=b|new=1")); err != nil || g.Version != "0.1 a=b" {
		t.Errorf("greeting: %+v, %v", g, err)
	}
	for _, line := range []string{"", "version=1", "lsg_version=1|lsg_version=2", "lsg_version=1\r"} {
		_, err := ParseGreeting([]byte(line))
		wantRefusal(t, line, err, "greeting line: ")
	}
	if c, err := ParseChallenge([]byte("x|cram=a=b")); err != nil || c != "a=b" {
		t.Errorf("challenge: %q, %v", c, err)
	}
	for _, line := range []string{"", "cram", "cram=", "crammed=x", "cram=a|cram=a", "cram=\t"} {
		_, err := ParseChallenge([]byte(line))
		wantRefusal(t, line, err, "challenge line: ")
	}
	for _, c := range []struct {
		line string
		want AuthResponse
	}{
		{"success=1|session_id=18446744073709551615", AuthResponse{Accepted: true, SessionID: 1<<64 - 1}},
		{"session_id=7|zone=a|success=1|", AuthResponse{Accepted: true, SessionID: 7}},
		{"success=0|error=no=way", AuthResponse{Error: "no=way"}},
		{"success=0", AuthResponse{}},
	} {
		if got, err := ParseAuthResponse([]byte(c.line)); err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v, want %+v", c.line, got, err, c.want)
		}
	}
	for _, line := range []string{
		"", "session_id=5", "success=|session_id=5", "success=1", "success=1|session_id=x", "success=1|session_id=-1",
		"success=1|session_id=18446744073709551616", "success=1|session_id=5|error=no", "success=2|session_id=5", "success=1|session_id=5\x00",
	} {
		_, err := ParseAuthResponse([]byte(line))
		wantRefusal(t, line, err, "authentication response: ")
	}
}
