package recorded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// sample is a gateway with everything: two providers, one with retransmission, one by TCP and with snapshots.
func sample() *Layout {
	limits := arbiter.DefaultConfig()
	limits.Session, limits.GapDeadline = arbiter.SessionOf([]byte("TIDE000001")), market.Second
	other := arbiter.DefaultConfig()
	requests := arbiter.DefaultRequestConfig(1)
	choice := providers.DefaultConfig("venue", "vendor")
	choice.SameIDs, choice.StaleAfter = true, 60*market.Millisecond
	return &Layout{
		Consolidated: "TIDE.CONS",
		Feeds: []Feed{{
			Name: "sim", Number: 3, Choice: choice,
			Channels: []Channel{{
				Number: 24, Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:26402")},
				Pipeline: gateway.Config{
					Feed: gateway.ITCH, Publisher: market.Simulated, Midnight: 1_767_589_200 * market.Second, SymbolsMax: 1 << 16,
					Arbiter: &limits, Retransmit: &requests,
				},
				Lines: []Line{
					{arbiter.LineA, netip.MustParseAddrPort("233.252.0.1:26400")},
					{arbiter.LineR, netip.MustParseAddrPort("0.0.0.0:41000")},
				},
			}, {
				Number: 25,
				Pipeline: gateway.Config{
					Feed: gateway.ITCH, Publisher: market.Simulated, Midnight: 1_767_589_200 * market.Second, SymbolsMax: 1 << 16,
					Arbiter: &other, WithholdJoined: true,
				},
				Lines: []Line{{arbiter.LineB, LineAddr(25)}},
			}},
		}},
	}
}

// golden is the text of the sample, by hand. Whoever changes the text changes the version.
const golden = `{"feeds":[{"name":"sim","number":3,"protocol":"itch","dataset":"XSIM.ITCH","midnight":1767589200000000000,` +
	`"same_ids":true,"refresh_orders":4096,"stale_after":60000000,"silence":3000000000,"fail_back":5000000000,"providers":[` +
	`{"name":"venue","channel":24,"session":"TIDE000001","withhold_joined":false,"symbols_max":65536,` +
	`"arbiter":{"gap_deadline":1000000000,"window_packets_max":4096,"packet_bytes_max":2048,"join_gap_max":4096,"jump_max":10000,"fall_back_max":1024},` +
	`"retransmit":{"servers":["192.0.2.1:26402"],"request_after":2000000,"timeout":10000000,"messages_max":32,"in_flight_max":32,` +
	`"gap_max":10000,"requests_per_second":1000,"messages_per_second":32000,"failures_max":5,"rest_min":100000000,"rest_max":10000000000},` +
	`"lines":[{"line":"A","address":"233.252.0.1:26400"},{"line":"R","address":"0.0.0.0:41000"}]},` +
	`{"name":"vendor","channel":25,"withhold_joined":true,"symbols_max":65536,` +
	`"arbiter":{"gap_deadline":50000000,"window_packets_max":4096,"packet_bytes_max":2048,"join_gap_max":4096,"jump_max":10000,"fall_back_max":1024},` +
	`"lines":[{"line":"B","address":"0.0.0.0:26"}]}]}],"consolidated":"TIDE.CONS"}`

func TestGolden(t *testing.T) {
	records, err := Append(sample())
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 || string(records[0][headerLen:]) != golden {
		t.Errorf("%d records, text\n%s\nwant\n%s", len(records), records[0][headerLen:], golden)
	}
	if n, ok := Records(records[0]); n != 1 || !ok || !Is(records[0]) || !IsInput(Addr, records[0]) || Name(records[0]) != magic {
		t.Errorf("the record is not taken for one: %d, %t", n, ok)
	}
	head := []byte("TGLAYOUT\x02\x00\x00\x00\x01\x00\x00\x00")
	if !bytes.HasPrefix(records[0], head) {
		t.Errorf("header % x, want % x and a checksum", records[0][:headerLen], head)
	}
}

// pitch is a gateway with a feed that asks proxies.
func pitch() *Layout {
	l := sample()
	f := &l.Feeds[0]
	f.Choice = providers.DefaultConfig("venue")
	f.Channels = f.Channels[:1]
	c := &f.Channels[0]
	c.Pipeline.Feed, c.Pipeline.Arbiter.Session = gateway.PITCH, arbiter.Session{}
	c.Servers, c.Proxies = nil, []string{"gaps.example:17001"}
	return l
}

// Proxies are recorded by their names, and what is recorded without them is read whatever the version.
func TestProxies(t *testing.T) {
	records, err := Append(pitch())
	if err != nil {
		t.Fatal(err)
	}
	if want := `"retransmit":{"proxies":["gaps.example:17001"],"request_after":2000000,`; !bytes.Contains(records[0], []byte(want)) {
		t.Errorf("%s\nhas no %s", records[0][headerLen:], want)
	}
	if got, err := Parse(records); err != nil || !reflect.DeepEqual(got, pitch()) {
		t.Errorf("%+v, %v: want %+v", got, err, pitch())
	}
	if records, err = Append(sample()); err != nil {
		t.Fatal(err)
	}
	records[0][len(magic)] = 1
	if got, err := Parse(records); err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("version 1: %+v, %v: want %+v", got, err, sample())
	}
}

// A layout of any length comes back as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := sample()
		for i := range rapid.IntRange(0, 200).Draw(t, "feeds") {
			f := sample().Feeds[0]
			f.Name, f.Number = fmt.Sprintf("feed %d %s", i, rapid.StringMatching(`[a-z"\\é]*`).Draw(t, "name")), uint16(100+i)
			for k := range f.Channels {
				c := &f.Channels[k]
				c.Number = uint16(1000 + 2*i + k)
				c.Pipeline.Arbiter.JumpMax = rapid.Uint64Range(1, 1<<32).Draw(t, "jump")
				for n := range c.Lines {
					c.Lines[n].Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(k), byte(n)}), 5)
				}
			}
			l.Feeds = append(l.Feeds, f)
		}
		records, err := Append(l)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := Records(records[0]); n != len(records) || !ok {
			t.Fatalf("%d records, %t: want %d", n, ok, len(records))
		}
		for _, r := range records {
			if len(r) > 65_507 {
				t.Fatalf("a record of %d bytes does not fit in a datagram", len(r))
			}
		}
		got, err := Parse(records)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, l) {
			t.Fatalf("%+v, want %+v", got, l)
		}
	})
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(l *Layout){
		"0 feeds":                      func(l *Layout) { l.Feeds = nil },
		"number 3: want a name":        func(l *Layout) { l.Feeds = append(l.Feeds, l.Feeds[0]) },
		`feed ""`:                      func(l *Layout) { l.Feeds[0].Name = "" },
		"providers: none":              func(l *Layout) { l.Feeds[0].Choice.Names = nil },
		"orders per refresh":           func(l *Layout) { l.Feeds[0].Choice.RefreshOrders = 0 },
		"2 channels of 1 providers":    func(l *Layout) { l.Feeds[0].Choice.Names = []string{"one"} },
		"not of the protocol":          func(l *Layout) { l.Feeds[0].Channels[1].Pipeline.Midnight++ },
		"another one has the number":   func(l *Layout) { l.Feeds[0].Channels[1].Number = 24 },
		`protocol "mbo"`:               func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Feed = gateway.MBO },
		`protocol "feed?"`:             func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Feed = 99 },
		"no limits":                    func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Arbiter = nil },
		"midnight -1":                  func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Midnight = -1 },
		"symbols max 0":                func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.SymbolsMax = 0 },
		"is not known":                 func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Publisher.Dataset = "NONE" },
		"window packets max 0":         func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Arbiter.WindowPacketsMax = 0 },
		"a window of 2147483648 bytes": func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Arbiter.WindowPacketsMax = 1 << 20 },
		"printable": func(l *Layout) {
			l.Feeds[0].Channels[0].Pipeline.Arbiter.Session = arbiter.SessionOfNumbers(1, 2)
		},
		"servers without limits": func(l *Layout) { l.Feeds[0].Channels[1].Servers = l.Feeds[0].Channels[0].Servers },
		"limits for 1 servers":   func(l *Layout) { l.Feeds[0].Channels[0].Servers = nil },
		"has none by datagrams":  func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Feed = gateway.PITCH },
		"gap deadline":           func(l *Layout) { l.Feeds[0].Channels[0].Pipeline.Arbiter.GapDeadline = 0 },
		"line A, to":             func(l *Layout) { l.Feeds[0].Channels[0].Lines[1].ID = arbiter.LineA },
		"line R, to 0.0.0.0:0":   func(l *Layout) { l.Feeds[0].Channels[0].Lines[1].Addr = Addr },
		"line?, to":              func(l *Layout) { l.Feeds[0].Channels[0].Lines[1].ID = 8 },
		"line B, to":             func(l *Layout) { l.Feeds[0].Channels[1].Lines[0].Addr = l.Feeds[0].Channels[0].Lines[0].Addr },
		"has none by TCP": func(l *Layout) {
			c := &l.Feeds[0].Channels[0]
			c.Servers, c.Proxies = nil, []string{"gaps.example:17001"}
		},
		"but 2 are named": func(l *Layout) { l.Feeds[0].Channels[0].Proxies = []string{"gaps.example:17001"} },
	} {
		l := sample()
		change(l)
		if _, err := Append(l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	text, err := marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	parts := func() [][]byte { return split(text, 300) }
	with := func(old, to string) [][]byte { return split(bytes.Replace(text, []byte(old), []byte(to), 1), textMax) }
	newer := parts()
	binary.LittleEndian.PutUint16(newer[0][8:], Version+1)
	flipped := parts()
	flipped[1][headerLen+5] ^= 1
	twice := parts()
	twice[1] = twice[0]
	for name, c := range map[string]struct {
		records [][]byte
		is      error
		want    string
	}{
		"newer":     {newer, ErrNewer, "of a newer version, 3, and this program knows 2"},
		"nothing":   {nil, ErrDamaged, "0 of 0 records"},
		"header":    {[][]byte{parts()[0][:headerLen-1]}, ErrDamaged, "no header"},
		"version 0": {[][]byte{append([]byte(magic), make([]byte, 40)...)}, ErrDamaged, "version 0"},
		"no count":  {[][]byte{append([]byte(magic), append([]byte{1}, make([]byte, 40)...)...)}, ErrDamaged, "record 0 of 0"},
		"cut":       {parts()[:2], ErrDamaged, "2 of "},
		"begins":    {parts()[1:], ErrDamaged, "record 0 is not there"},
		"twice":     {twice, ErrDamaged, "record 1 is not there"},
		"flipped":   {flipped, ErrDamaged, "checksum"},
		"no text":   {split(nil, textMax), ErrDamaged, "EOF"},
		"field":     {with(`"number":3`, `"number":3,"colour":"red"`), ErrDamaged, "colour"},
		"more":      {with(`"TIDE.CONS"}`, `"TIDE.CONS"}{}`), ErrDamaged, "more after its end"},
		"line":      {with(`"line":"A"`, `"line":"Z"`), ErrDamaged, `line "Z"`},
		"protocol":  {with(`"itch"`, `"fix"`), ErrDamaged, `protocol "unknown"`},
		"invalid":   {with(`"number":3`, `"number":-3`), ErrDamaged, "-3"},
	} {
		if _, err := Parse(c.records); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v: want %q in it", name, err, c.want)
		}
	}
	if _, err := Parse(parts()); err != nil {
		t.Error(err)
	}
}

func TestIsInput(t *testing.T) {
	for _, c := range []struct {
		dst  netip.AddrPort
		b    string
		want bool
	}{
		{Addr, "TGDECIDE and more", true},
		{Addr, "TGFUTURE", true},
		{Addr, "TGFUTUR", false},
		{Addr, "TGfuture", false},
		{Addr, "XXFUTURE", false},
		{LineAddr(0), "TGDECIDE", false},
	} {
		if got := IsInput(c.dst, []byte(c.b)); got != c.want {
			t.Errorf("%s %q: %t", c.dst, c.b, got)
		}
	}
	if n, ok := Records([]byte("TGDECIDE")); n != 0 || ok {
		t.Errorf("a decision begins a layout of %d records", n)
	}
}

// FuzzParse takes any text for that of a layout: no panic, and what is understood comes back.
func FuzzParse(f *testing.F) {
	f.Add([]byte(golden), 3)
	f.Add([]byte(`{"feeds":[{"name":"a","providers":[{}]}]}`), 1)
	f.Add([]byte("{}"), 1)
	f.Fuzz(func(t *testing.T, text []byte, parts int) {
		if len(text) > 1<<16 {
			return
		}
		records := split(text, len(text)/(1+parts&15)+1)
		l, err := Parse(records)
		if err != nil {
			return
		}
		again, err := Append(l)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(again)
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%+v, %v: want %+v", got, err, l)
		}
	})
}

// FuzzRecords takes any bytes for records.
func FuzzRecords(f *testing.F) {
	records, err := Append(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(records[0], []byte{})
	f.Add(split([]byte(golden), 700)[0], split([]byte(golden), 700)[1])
	f.Fuzz(func(t *testing.T, one, two []byte) {
		n, ok := Records(one)
		if ok && n < 1 || n > recordsMax {
			t.Fatalf("%d records", n)
		}
		_, _ = Parse([][]byte{one})
		_, _ = Parse([][]byte{one, two})
	})
}
