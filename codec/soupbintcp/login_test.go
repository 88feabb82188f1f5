package soupbintcp

import (
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

func TestParseLogin(t *testing.T) {
	golden := func(session, number, more string) []byte {
		return unhex(userHex + passwordHex + session + number + more)
	}
	for _, tt := range []struct {
		name    string
		payload []byte
		want    Login
		err     error
	}{
		{"3.00", golden(blankHex, number1Hex, ""), Login{"tide", "sesame", Session([]byte("          ")), 1, 0}, nil},
		{"into a session", golden(sessionHex, number42Hex, ""), Login{"tide", "sesame", session, 42, 0}, nil},
		{"4.10", golden(blankHex, number1Hex, "30 30 37 35 30"), Login{"tide", "sesame", Session([]byte("          ")), 1, 750 * market.Millisecond}, nil},
		{
			"number padded on the right", append(golden(blankHex, "", ""), "42                  "...),
			Login{"tide", "sesame", Session([]byte("          ")), 42, 0},
			nil,
		},
		{"number with zeros", append(golden(sessionHex, "", ""), "00000000000000000042"...), Login{"tide", "sesame", session, 42, 0}, nil},
		{"largest number", append(golden(sessionHex, "", ""), "18446744073709551615"...), Login{"tide", "sesame", session, 1<<64 - 1, 0}, nil},
		{"number out of range", append(golden(sessionHex, "", ""), "18446744073709551616"...), Login{}, ErrField},
		{"number far out of range", append(golden(sessionHex, "", ""), "99999999999999999999"...), Login{}, ErrField},
		{"negative number", append(golden(sessionHex, "", ""), "                  -1"...), Login{}, ErrField},
		{"no number", append(golden(sessionHex, "", ""), "                    "...), Login{}, ErrField},
		{"number in two pieces", append(golden(sessionHex, "", ""), "                 4 2"...), Login{}, ErrField},
		{"no timeout", golden(sessionHex, number1Hex, "2020202020"), Login{}, ErrField},
		{"username not printable", append(unhex("01"), golden(sessionHex, number1Hex, "")[1:]...), Login{}, ErrField},
		{"session not printable", golden("20 20 20 54 49 07 45 30 30 31", number1Hex, ""), Login{}, ErrField},
		{"short", golden(sessionHex, number1Hex, "")[1:], Login{}, ErrLength},
		{"nothing", nil, Login{}, ErrLength},
	} {
		if got, err := ParseLogin(tt.payload); got != tt.want || err != tt.err {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestParseLoginAccepted(t *testing.T) {
	for _, tt := range []struct {
		name    string
		payload string
		next    uint64
		err     error
	}{
		{"padded on the left", "   TIDE001                  42", 42, nil},
		{"padded on the right", "TIDE001   42                  ", 42, nil},
		{"the last number", "   TIDE00118446744073709551615", 1<<64 - 1, nil},
		{"number 0", "   TIDE001                   0", 0, ErrField},
		{"no number", "   TIDE001                    ", 0, ErrField},
		{"session not printable", "   TID\x01001                   7", 0, ErrField},
		{"short", "   TIDE001                   7"[1:], 0, ErrLength},
	} {
		s, next, err := ParseLoginAccepted([]byte(tt.payload))
		if next != tt.next || err != tt.err || err == nil && !s.Is(session) {
			t.Errorf("%s: %q, %d, %v", tt.name, s, next, err)
		}
	}
}

func TestLoginRoundTrip(t *testing.T) {
	name := func(max int) *rapid.Generator[string] {
		return rapid.StringMatching(`([!-~]([ -~]*[!-~])?)?`).Filter(func(s string) bool { return len(s) <= max })
	}
	rapid.Check(t, func(t *rapid.T) {
		s, err := ParseSession(name(10).Draw(t, "session"))
		if err != nil {
			t.Fatal(err)
		}
		l := Login{
			Username: name(6).Draw(t, "username"), Password: name(10).Draw(t, "password"), Session: s,
			Next:             rapid.Uint64().Draw(t, "next"),
			HeartbeatTimeout: market.Nanos(rapid.IntRange(0, 99_999).Draw(t, "timeout")) * market.Millisecond,
		}
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		packet := AppendLoginRequest(nil, l)
		if got, err := ParseLogin(packet[HeaderLen:]); err != nil || got != l {
			t.Fatalf("%+v, %v, want %+v", got, err, l)
		}
	})
}

func TestLoginValidate(t *testing.T) {
	for name, l := range map[string]Login{
		"long username":   {Username: "1234567"},
		"long password":   {Password: "12345678901"},
		"username":        {Username: "Ä"},
		"space at end":    {Username: "a "},
		"session":         {Session: Session([]byte("ABC\x01      "))},
		"timeout":         {HeartbeatTimeout: 100 * market.Second},
		"broken ms":       {HeartbeatTimeout: 1},
		"negative":        {HeartbeatTimeout: -market.Millisecond},
		"only a new line": {Password: "\n"},
	} {
		if err := l.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
	}
	if err := (&Login{Username: "123456", Password: "1234567890", HeartbeatTimeout: heartbeatTimeoutMax}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestLoginIs(t *testing.T) {
	l := Login{Username: "Tide", Password: "Sesame"}
	if !l.Is("tide", "SESAME") || l.Is("tide", "") || l.Is("tid", "sesame") {
		t.Error("credentials are compared wrongly")
	}
}

func TestSession(t *testing.T) {
	for name, padded := range map[string]string{"": "          ", "TIDE": "      TIDE", "TIDE000001": "TIDE000001"} {
		s, err := ParseSession(name)
		if err != nil || string(s[:]) != padded || s.String() != name || s.Blank() != (name == "") {
			t.Errorf("session %q is %q, prints as %q: %v", name, s[:], s.String(), err)
		}
	}
	if _, err := ParseSession("TIDE0000012"); err == nil {
		t.Error("a long name is accepted")
	}
	if !session.Is(Session([]byte("TIDE001   "))) || session.Is(Session([]byte("TIDE002   "))) || !(Session{}).Is(Session([]byte("          "))) {
		t.Error("sessions are compared with their padding")
	}
}
