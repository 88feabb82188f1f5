package egress

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

const subscribeAll = "schema=mbo|stype_in=raw_symbol|symbols=ALL_SYMBOLS"

func wantTold(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("told\n%s\n\nwant\n%s", got, want)
	}
}

func TestGreetingAndChallengeInOneWrite(t *testing.T) {
	c := standardBench(t, nil).dial()
	if want := "lsg_version=0.1.0\ncram=01020300000000000000000000000000\n"; string(c.got) != want || c.writes != 1 {
		t.Errorf("%d writes of %q, want one of %q", c.writes, c.got, want)
	}
}

func TestAuthentication(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"accepted", "auth=AUTH|dataset=" + dataset, "success=1|session_id=42"},
		{"any order, unknown keys", "zone=a|dataset=" + dataset + "|auth=AUTH|x=", "success=1|session_id=42"},
		{"everything", "auth=AUTH|dataset=" + dataset + "|encoding=dbn|compression=zstd|ts_out=1|heartbeat_interval_s=5|slow_reader_behavior=warn|client=x|details=y", "success=1|session_id=42"},
		{"old name of skip", "auth=AUTH|dataset=" + dataset + "|slow_reader_behavior=drop", "success=1|session_id=42"},
		{"wrong hash", "auth=" + strings.Repeat("0", 64) + "-0abcd|dataset=" + dataset, "success=0|error=authentication failed"},
		{"unknown bucket", "auth=" + strings.Repeat("0", 64) + "-zzzzz|dataset=" + dataset, "success=0|error=authentication failed"},
		{"unknown dataset", "auth=AUTH|dataset=XNAS.ITCH", "success=0|error=authentication failed: no access to dataset XNAS.ITCH: this key is good for XSIM.ITCH"},
		{"no auth", "dataset=" + dataset, "success=0|error=authentication line: auth: missing"},
		{"no dataset", "auth=AUTH", "success=0|error=authentication line: dataset: missing"},
		{"encoding", "auth=AUTH|encoding=csv|dataset=" + dataset, "success=0|error=encoding csv: this gateway sends dbn"},
		{"heartbeat", "auth=AUTH|heartbeat_interval_s=4|dataset=" + dataset, "success=0|error=authentication line: heartbeat_interval_s: 4: want 5 to 1800"},
		{"subscription", subscribeAll, "success=0|error=authentication line: auth: missing"},
		{"start", "start_session", "success=0|error=authentication line: auth: missing"},
		{"empty", "", "success=0|error=authentication line: auth: missing"},
		{"garbage", "\x00\xff\x15\x03\x01", "success=0|error=authentication line: control characters, or not UTF-8"},
		{"TLS", "\x16\x03\x01\x02\x00", "success=0|error=this port does not speak TLS"},
		{"disabled", "auth=OLD|dataset=" + dataset, "success=0|error=User or API key deactivated"},
		{"other dataset's", "auth=OTHER|dataset=" + dataset, "success=0|error=authentication failed: no access to dataset XSIM.ITCH: this key is good for none that this gateway has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, other := strings.Repeat("o", 32), strings.Repeat("t", 32)
			b := standardBench(t, func(cfg *Config) {
				cfg.Keys = append(cfg.Keys,
					Key{Name: "old", Key: testKey(old), Disabled: true},
					Key{Name: "other", Key: testKey(other), Datasets: []string{"XNAS.ITCH"}})
			})
			w := b.dial()
			w.line()
			challenge := strings.TrimPrefix(w.line(), "cram=")
			r := strings.NewReplacer(
				"AUTH", lsgtest.Answer(challenge, lsgtest.Key),
				"OLD", lsgtest.Answer(challenge, old),
				"OTHER", lsgtest.Answer(challenge, other))
			writes := w.writes
			w.say(r.Replace(c.line))
			if got := w.line(); got != c.want || len(w.got) != 0 || w.writes != writes+1 {
				t.Errorf("answer %q and %q in %d writes, want %q in one", got, w.got, w.writes-writes, c.want)
			}
			if refused := strings.HasPrefix(c.want, "success=0"); w.shut != refused || refused != (w.session.state == lingering) {
				t.Errorf("shut %t, state %s", w.shut, w.session.state)
			}
		})
	}
}

func TestLimitOfSessions(t *testing.T) {
	b := standardBench(t, func(c *Config) { c.Limits.SessionsPerKey = 2 })
	first := b.dial().auth("")
	b.dial().auth("")
	third := b.dial()
	third.line()
	challenge := strings.TrimPrefix(third.line(), "cram=")
	line := "auth=" + lsgtest.Answer(challenge, lsgtest.Key) + "|dataset=" + dataset
	third.say(line)
	if got := third.line(); got != "success=0|error=User has reached their open connection limit" {
		t.Errorf("third session: %q", got)
	}
	first.Close()
	b.dial().auth("") // there is room again
	if got := b.loop.admission.refusals.Sessions; got != 1 {
		t.Errorf("%d sessions refused, want 1", got)
	}
}

func TestLimitsOfConnections(t *testing.T) {
	w := standardBench(t, nil)
	cfg := w.config()
	cfg.Limits.Connections, cfg.Limits.ConnectionsPerSecond = 7, 5
	a := newAdmission(&cfg, 0)
	one, two := peerAddr("192.0.2.1:1"), peerAddr("192.0.2.2:1")
	try := func(p peer, now market.Nanos, want error) {
		t.Helper()
		tell, err := a.connect(p.addr.Addr(), now)
		if !errors.Is(err, want) || tell != (want == errTooFast || want == errConnections) {
			t.Errorf("got %v, which is told: %t; want %v", err, tell, want)
		}
	}
	for range 5 {
		try(one, 100, nil)
	}
	try(one, 100+market.Second-1, errTooFast)
	try(two, 100, nil)
	try(one, 100+market.Second, nil)
	try(one, 100+market.Second, errConnections)
	a.disconnect(false)
	try(one, 100+market.Second, nil)
	a.stop()
	try(one, 100+9*market.Second, errStopping)
	for i := range 3 * recentMax { // addresses are forgotten
		p := peerAddr(fmt.Sprintf("10.%d.%d.%d:1", i>>16&255, i>>8&255, i&255))
		a.arrive(p.addr.Addr(), market.Nanos(i)*market.Millisecond)
	}
	if len(a.recent) > recentMax {
		t.Errorf("%d addresses are remembered, at most %d should be", len(a.recent), recentMax)
	}
}

// The start line in its three spellings, and the metadata.
func TestStart(t *testing.T) {
	for _, line := range []string{"start_session", "start_session=0", "start_session="} {
		b := standardBench(t, nil)
		c := b.dial().auth("").say(line)
		m := c.metadata()
		if m.Dataset != dataset || m.Schema != dbn.SchemaMixed || m.Start != b.time || m.End.Defined() ||
			m.STypeIn != dbn.STypeMixed || m.STypeOut != dbn.STypeInstrumentID || m.TsOut || len(m.Symbols)+len(m.Mappings) != 0 {
			t.Errorf("%s: metadata %+v", line, m)
		}
		if len(c.got) != 0 || c.session.state != streaming {
			t.Errorf("%s: %d bytes after the metadata, state %s", line, len(c.got), c.session.state)
		}
	}
}

// What a subscription leads to. Nothing is answered before the start line.
func TestSubscription(t *testing.T) {
	ack := "system 1: Subscription request 9 for mbo data succeeded"
	for _, c := range []struct{ name, lines, want string }{
		{"symbols", "schema=mbo|stype_in=raw_symbol|id=9|symbols=BRVO,ALFA|snapshot=0|is_last=1", ack + `
			mapping 2: raw_symbol BRVO is BRVO
			mapping 1: raw_symbol ALFA is ALFA`},
		{"defaults", "schema=mbo|symbols=ALFA", `
			system 1: Subscription request 0 for mbo data succeeded
			mapping 1: raw_symbol ALFA is ALFA`},
		{"alias", "schema=mbo|stype_in=native|symbols=ALFA|id=9", ack + "\nmapping 1: raw_symbol ALFA is ALFA"},
		{"ids", "schema=mbo|stype_in=instrument_id|id=9|symbols=2,1,77,x", ack + `
			mapping 2: instrument_id 2 is BRVO
			mapping 1: instrument_id 1 is ALFA
			error 4 (0): Failed to resolve symbol: 77
			error 4 (1): Failed to resolve symbol: x`},
		{"unresolved", "schema=mbo|id=9|symbols=NONE,ALFA,NADA", ack + `
			error 4 (0): Failed to resolve symbol: NONE
			mapping 1: raw_symbol ALFA is ALFA
			error 4 (1): Failed to resolve symbol: NADA`},
		{"parent", "schema=mbo|stype_in=parent|id=9|symbols=ES.FUT", ack + "\nerror 4 (1): Failed to resolve symbol: ES.FUT"},
		{"continuous", "schema=mbo|stype_in=continuous|id=9|symbols=ES.c.0", ack + "\nerror 4 (1): Failed to resolve symbol: ES.c.0"},
		{"group", "schema=mbo|id=9|symbols=ALFA|is_last=0\nschema=mbo|id=9|symbols=BRVO|is_last=0\nschema=mbo|id=9|symbols=CHRL|is_last=1", ack + `
			mapping 1: raw_symbol ALFA is ALFA
			mapping 2: raw_symbol BRVO is BRVO
			mapping 3: raw_symbol CHRL is CHRL`},
		{"two with one id", "schema=mbo|id=9|symbols=ALFA\nschema=mbo|id=9|symbols=BRVO", ack + "\nmapping 1: raw_symbol ALFA is ALFA\n" + ack + "\nmapping 2: raw_symbol BRVO is BRVO"},
		{"unknown schema", "schema=mbo-2|symbols=ALFA", `error 5 (1): unknown schema "mbo-2"`},
		{"schema of other feeds", "schema=cmbp-1|symbols=ALFA", "error 5 (1): dataset XSIM.ITCH has no schema cmbp-1: it has mbo, mbp-1, mbp-10, tbbo, trades, ohlcv-1s, ohlcv-1m, ohlcv-1h, ohlcv-1d, definition, statistics, status, imbalance, bbo-1s, bbo-1m"},
		{"unknown symbology", "schema=mbo|stype_in=ric|symbols=ALFA", `error 5 (1): unknown stype_in "ric"`},
		{"symbology of other services", "schema=mbo|stype_in=isin|symbols=ALFA", "error 5 (1): stype_in isin: want raw_symbol, instrument_id, parent or continuous"},
		{"snapshot of another schema", "schema=trades|symbols=ALFA|snapshot=1", `error 5 (1): subscription line: snapshot: schema "trades" has none, only mbo has`},
		{"start, and snapshot", "schema=mbo|symbols=ALFA|snapshot=1|start=0", "error 5 (1): subscription line: snapshot: together with a start"},
		{"start", "schema=mbo|symbols=ALFA|start=0", "error 8 (1): start: this gateway keeps no history of XSIM.ITCH: journal.dir in its configuration says where to keep it"},
		{"start as text", "schema=mbo|symbols=ALFA|start=2020-01-01T00:00:00Z", "error 8 (1): start: this gateway keeps no history of XSIM.ITCH: journal.dir in its configuration says where to keep it"},
		{"start in the future", "schema=mbo|symbols=ALFA|start=1700000000000000001", "error 5 (1): start: 1700000000000000001 is in the future"},
		{"no symbols", "schema=mbo", "error 5 (1): subscription line: symbols: missing"},
		{"nonsense", "hello", "error 5 (1): subscription line: schema: missing"},
		{"group without its end", "schema=mbo|symbols=ALFA|is_last=0", "error 5 (1): subscription without its last line"},
		{"group of different lines", "schema=mbo|symbols=ALFA|is_last=0\nschema=trades|symbols=ALFA", "error 5 (1): subscription line: schema: other than on the line before, which has is_last=0"},
		{"the first fault counts", "schema=x|symbols=ALFA\nschema=mbo|symbols=ALFA|start=0\nschema=mbo|symbols=ALFA", `error 5 (1): unknown schema "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := standardBench(t, nil)
			b.steps(20) // the directory
			w := b.dial().auth("")
			w.say(strings.Split(c.lines, "\n")...)
			if len(w.got) != 0 || w.session.state != ready {
				t.Fatalf("before the start line: %q, state %s", w.got, w.session.state)
			}
			w.say("start_session")
			w.metadata()
			want := strings.ReplaceAll(strings.TrimSpace(c.want), "\t", "")
			got := w.told()
			if c.name == "start, and snapshot" { // the wording is package lsg's
				got, want = got[:12], want[:12]
			}
			wantTold(t, got, want)
			fault := !strings.Contains(c.want, "system 1")
			if w.shut != fault {
				t.Errorf("shut %t, want %t", w.shut, fault)
			}
		})
	}
}

func TestSecondStartLine(t *testing.T) {
	c := standardBench(t, nil).dial().auth("").say("start_session")
	c.metadata()
	c.say("start_session")
	wantTold(t, c.told(), "error 5 (1): the session has started already")
	if !c.shut {
		t.Error("not shut")
	}
}

func TestStartOfASubscriptionWhileStreaming(t *testing.T) {
	c := standardBench(t, nil).dial().auth("").say("start_session")
	c.metadata()
	c.say("schema=mbo|symbols=ALFA|start=0")
	wantTold(t, c.told(), "error 5 (1): start: not possible after the session has started")
}

// A fault before the start line is kept for it, but not for long.
func TestFaultWithoutStartLine(t *testing.T) {
	b := standardBench(t, nil)
	c := b.dial().auth("").say("hello")
	b.after(5*market.Second - 1)
	if c.shut {
		t.Error("shut before its time")
	}
	b.after(1)
	if !c.shut || len(c.got) != 0 {
		t.Errorf("shut %t with %q", c.shut, c.got)
	}
	b.after(5 * market.Second) // and the client does not close either
	if !c.closed || len(b.loop.sessions) != 0 {
		t.Error("not closed")
	}
}

func TestTimeouts(t *testing.T) {
	b := standardBench(t, nil)
	silent, half, idle := b.dial(), b.dial(), b.dial().auth("")
	half.session.onBytes([]byte("auth="), b.time)
	for _, c := range []*wire{silent, half} {
		c.line()
		c.line()
	}
	b.after(30*market.Second - 1)
	if silent.shut || half.shut {
		t.Error("shut before their time")
	}
	b.after(1)
	for _, c := range []*wire{silent, half} {
		if got := c.line(); !c.shut || got != "success=0|error=authentication takes too long" {
			t.Errorf("shut %t with %q", c.shut, got)
		}
	}
	b.after(market.Hour)
	if !idle.shut || b.loop.counts.Timeouts != 3 {
		t.Errorf("shut %t, %d time-outs", idle.shut, b.loop.counts.Timeouts)
	}
}

func TestHeartbeats(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(20)
	c := b.dial().auth("|heartbeat_interval_s=5|ts_out=1").say("start_session")
	c.metadata()
	b.after(5*market.Second - 1)
	if got := c.told(); got != "" {
		t.Errorf("told %q before a heartbeat was due", got)
	}
	b.after(1)
	records := c.records()
	if len(records) != 1 || describe(records[0]) != "system 0: Heartbeat" {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if ts, ok := r.TsOut(); r.TsEvent != b.time || ts != b.time || !ok || r.PublisherID != 0 || r.InstrumentID != 0 {
		t.Errorf("heartbeat %+v, ts_out %d, %t", r.Header, ts, ok)
	}
	b.after(3 * market.Second)
	c.say("schema=status|symbols=ALFA|id=9") // something else is sent
	c.records()
	b.after(5*market.Second - 1)
	if got := c.told(); got != "" {
		t.Errorf("told %q though something was sent", got)
	}
	b.after(1)
	wantTold(t, c.told(), "system 0: Heartbeat")
	if quiet := b.dial().auth(""); true {
		b.after(30 * market.Second)
		if len(quiet.got) != 0 {
			t.Errorf("heartbeat before the start line: %q", quiet.got)
		}
	}
}

func TestLinesInPieces(t *testing.T) {
	for _, size := range []int{1, 7, 777} {
		b := standardBench(t, nil)
		b.steps(20)
		c := b.dial().auth("")
		input := []byte("schema=mbo|symbols=ALFA|id=9\nschema=trades|symbols=BRVO|id=1\nstart_session\n")
		for len(input) > 0 {
			n := min(size, len(input))
			c.session.onBytes(input[:n], b.time)
			b.settle()
			input = input[n:]
		}
		c.metadata()
		wantTold(t, c.told(), "system 1: Subscription request 9 for mbo data succeeded\nmapping 1: raw_symbol ALFA is ALFA\n"+
			"system 1: Subscription request 1 for trades data succeeded\nmapping 2: raw_symbol BRVO is BRVO")
	}
}

func TestTooLongLines(t *testing.T) {
	piece := []byte(strings.Repeat("x", 60<<10))
	b := standardBench(t, nil)
	c := b.dial()
	c.line()
	c.line()
	for range 170 { // 10 MB
		c.session.onBytes(piece, b.time)
		b.settle()
		if n := len(c.session.in); n > lsg.AuthLineMax+len(piece) {
			t.Fatalf("%d bytes of a line are kept", n)
		}
	}
	if got := c.line(); got != "success=0|error=control line is too long" || !c.shut {
		t.Errorf("answer %q, shut %t", got, c.shut)
	}
	c = b.dial().auth("")
	for range 170 {
		c.session.onBytes(piece, b.time)
		if n := len(c.session.in); n > lsg.LineMax+len(piece) {
			t.Fatalf("%d bytes of a line are kept", n)
		}
	}
	b.after(5 * market.Second)
	if !c.shut {
		t.Error("not shut")
	}
}

// More subscriptions than allowed wait, with all that is behind them.
func TestSubscriptionsAreDelayed(t *testing.T) {
	b := standardBench(t, func(c *Config) { c.Limits.SubscriptionsPerSecond = 10 })
	b.steps(20)
	c := b.dial().auth("")
	for i := range 25 {
		c.say(fmt.Sprintf("schema=status|symbols=ALFA|id=%d", i))
	}
	c.say("start_session")
	for _, want := range []int{10, 20} {
		if n := len(c.session.subscriptions); n != want || c.session.state != ready {
			t.Errorf("%d subscriptions, want %d; state %s", n, want, c.session.state)
		}
		b.after(market.Second)
	}
	c.metadata()
	if n := strings.Count(c.told(), "succeeded"); n != 25 || c.session.state != streaming {
		t.Errorf("%d acknowledgements, want 25; state %s", n, c.session.state)
	}
	if b.loop.counts.Delayed != 2 {
		t.Errorf("%d delays, want 2", b.loop.counts.Delayed)
	}
}

// A client who subscribes for ever and reads nothing makes the gateway keep little.
func TestSubscriptionFlood(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(20)
	c := b.dial().auth("").say("start_session")
	c.window = 10_000
	line := "schema=status|symbols=" + strings.TrimSuffix(strings.Repeat("NONE,", 2000), ",")
	for range 3000 {
		c.say(line)
		if c.session.state != streaming {
			break
		}
	}
	limits := DefaultLimits()
	if n := len(c.session.in); n > limits.InputBytesMax {
		t.Errorf("%d bytes of input are kept", n)
	}
	if c.most > 2*(256<<10) || len(c.session.out) > 1<<20 {
		t.Errorf("%d bytes of output were held by the connection, and %d by the session", c.most, len(c.session.out))
	}
	if c.session.state != closing {
		t.Errorf("state %s, want closing", c.session.state)
	}
	b.after(5 * market.Second)
	if !c.closed {
		t.Error("not closed")
	}
}

func TestLimitsOfSubscriptions(t *testing.T) {
	for name, change := range map[string]func(*Limits){
		"error 5 (1): more than 2 subscriptions in a session": func(l *Limits) { l.SubscriptionsMax = 2 },
		"error 5 (1): more than 5 symbols in a session":       func(l *Limits) { l.SymbolsMax = 5 },
	} {
		b := standardBench(t, func(c *Config) { change(&c.Limits) })
		c := b.dial().auth("")
		for range 3 {
			c.say("schema=mbo|symbols=A,B")
		}
		c.say("start_session")
		c.metadata()
		wantTold(t, c.told(), name)
	}
}

func TestReloadEndsSessionsOfKeysThatAreGone(t *testing.T) {
	b := standardBench(t, nil)
	c, early := b.dial().auth("").say("start_session"), b.dial().auth("")
	c.metadata()
	b.loop.admission.reload(nil, DefaultLimits())
	b.loop.reload(b.time)
	b.settle()
	wantTold(t, c.told(), "error 2 (1): User or API key deactivated")
	early.say("start_session")
	early.metadata()
	wantTold(t, early.told(), "error 2 (1): User or API key deactivated")
	if !c.shut || !early.shut {
		t.Error("not shut")
	}
}

func TestDrain(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(20)
	auth, idle, live := b.dial(), b.dial().auth(""), b.dial().auth("").say(subscribeAll, "start_session")
	stalled := b.dial().auth("").say(subscribeAll, "start_session")
	stalled.window = 0
	b.play(50)
	live.metadata()
	live.records()
	b.steps(5) // not read yet
	done := false
	b.loop.drain("maintenance", func() { done = true }, b.time)
	b.settle()
	auth.line()
	auth.line()
	if got := auth.line(); got != "success=0|error=gateway is stopping: maintenance" {
		t.Errorf("told %q before authentication", got)
	}
	if !idle.shut || len(idle.got) != 0 {
		t.Errorf("told %q before the start line", idle.got)
	}
	told := live.told()
	if !strings.HasPrefix(told, "mbo x") || !strings.HasSuffix(told, "\nsystem 255: gateway is stopping: maintenance") {
		t.Errorf("told %s", told)
	}
	for _, c := range []*wire{auth, idle, live} {
		c.Close()
	}
	if done {
		t.Error("done before the last session closed")
	}
	b.after(5 * market.Second)
	if !stalled.closed || !done {
		t.Errorf("closed %t, done %t", stalled.closed, done)
	}
}
