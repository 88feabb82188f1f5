package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

// A script is what a gateway sends.
type script []byte

func (s *script) ack() *script {
	return s.system(dbn.SystemSubscriptionAck, "Subscription request 1 for mbp-1 data succeeded")
}

func (s *script) system(code dbn.SystemCode, text string) *script {
	*s = (&dbn.System{Text: text, Code: code}).Append(*s)
	return s
}

func (s *script) fault(code dbn.ErrorCode, text string) *script {
	*s = (&dbn.Error{Text: text, Code: code, IsLast: 1}).Append(*s)
	return s
}

func (s *script) mapping(id market.InstrumentID, in, out string) *script {
	m := dbn.SymbolMapping{Header: dbn.Header{InstrumentID: id}, SymbolIn: in, SymbolOut: out}
	*s = m.Append(*s)
	return s
}

func (s *script) trade(id market.InstrumentID, price market.Price) *script {
	r := dbn.Trade{Change: dbn.Change{
		Header: dbn.Header{InstrumentID: id}, Price: price, Size: 7, Action: market.Trade, Side: market.Ask,
		TsRecv: 3_600_000_001_000, Sequence: 5, Flags: market.FlagLast,
	}}
	*s = r.Append(*s)
	return s
}

// serveStream is a gateway whose sessions are all the same: it sends a script and closes, or, if it stays,
// waits for the client to close.
func serveStream(t *testing.T, s *script, stays bool) (addr string) {
	return lsgtest.Listen(t, nil, func(session *lsgtest.Session) {
		session.Authenticate()
		for line := ""; line != "start_session"; {
			if line = session.Line(); line == "" {
				return
			}
		}
		session.Send(append(lsgtest.Metadata("XSIM.ITCH", false), *s...), 0)
		if stays {
			session.Line()
		}
	})
}

// What the gateway says of symbols is told, and a subscription to nothing ends, unless that is wanted.
func TestSubscribeTellsWhatDoesNotResolve(t *testing.T) {
	unresolved := func(s *script, symbols ...string) *script {
		for _, symbol := range symbols {
			s.fault(dbn.ErrorSymbol, "Failed to resolve symbol: "+symbol)
		}
		return s
	}
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprint("S", i)
	}
	for _, c := range []struct {
		name   string
		args   string
		sent   *script
		stays  bool
		code   int
		want   []string
		wantNo []string
	}{
		{
			"one of one", "NOSUCH", unresolved(new(script).ack(), "NOSUCH"), true, exitFailure,
			[]string{"symbol NOSUCH does not resolve at this gateway, or not yet: --wait waits"},
			[]string{"warning"},
		},
		{
			"all of two, one given twice", "B A,B", unresolved(new(script).ack(), "B", "A"), true, exitFailure,
			[]string{"none of the 2 symbols resolves: B, A at this gateway"},
			nil,
		},
		{
			"many", strings.Join(many, " "), unresolved(new(script).ack(), many...), true, exitFailure,
			[]string{"none of the 12 symbols resolves: S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 and 2 more at this gateway"},
			nil,
		},
		{
			"one of two", "ALFA NOSUCH -n 1", unresolved(new(script).ack().mapping(1, "ALFA", "ALFA"), "NOSUCH").trade(1, 5e9), true, exitOK,
			[]string{"warning: 1 of 2 symbols do not resolve: NOSUCH; should that change, records follow", "1 data records, 3 others"},
			nil,
		},
		{
			"wait", "--wait NOSUCH -n 1", unresolved(new(script).ack(), "NOSUCH").mapping(1, "NOSUCH", "NOSUCH").trade(1, 5e9), true, exitOK,
			[]string{"warning: symbol NOSUCH does not resolve; should that change", "symbol NOSUCH resolves now"},
			nil,
		},
		{
			"all resolve", "ALFA 2 -n 1", new(script).ack().mapping(1, "ALFA", "ALFA").mapping(2, "2", "BRVO").trade(2, 5e9), true, exitOK,
			[]string{"1 data records"},
			[]string{"resolve"},
		},
		{
			"all symbols of none", "", new(script).ack(), false, exitFailure,
			[]string{"the gateway closed the session"},
			[]string{"resolve"},
		},
		{
			"closed for another reason", "ALFA NOSUCH",
			unresolved(new(script).ack().mapping(1, "ALFA", "ALFA"), "NOSUCH").fault(dbn.ErrorDeactivated, "User or API key deactivated"), false, exitFailure,
			[]string{"the gateway says: User or API key deactivated (code 2)"},
			nil,
		},
		{
			"skipped, and stopped", "ALFA",
			new(script).ack().mapping(1, "ALFA", "ALFA").fault(dbn.ErrorSkipped, "Slow client detected for mbp-1: 5 records were skipped").
				system(dbn.SystemUnset, "gateway is stopping: maintenance"), false, exitOK, // it said why
			[]string{"5 records were skipped (code 7)", "the gateway says: gateway is stopping: maintenance"},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := serveStream(t, c.sent, c.stays)
			args := append([]string{"subscribe", "--addr", addr, "-d", "XSIM.ITCH", "-k", lsgtest.Key, "-s", "trades"}, strings.Fields(c.args)...)
			code, stdout, stderr := tidegate(t, args...)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			wantContains(t, "stderr", stderr, c.want...)
			for _, no := range c.wantNo {
				if strings.Contains(stderr, no) {
					t.Errorf("stderr has %q:\n%s", no, stderr)
				}
			}
			if strings.Contains(stdout, "resolve") || strings.Contains(stdout, "Subscription") {
				t.Errorf("stdout has more than records:\n%s", stdout)
			}
		})
	}
}

// Records are shown below titles; what the gateway says beside them is not among them, but all of it is
// in the file.
func TestSubscribeShowsRecords(t *testing.T) {
	s := new(script).ack().mapping(1, "ALFA", "ALFA").mapping(2, "BRVO", "BRVO").system(dbn.SystemHeartbeat, "Heartbeat").
		trade(1, 1e9).trade(2, 2e9).trade(77, 3e9).trade(0, 4e9)
	file := filepath.Join(t.TempDir(), "session.dbn")
	code, stdout, stderr := tidegate(t, "subscribe", "--addr", serveStream(t, s, true), "-d", "XSIM.ITCH", "-k", lsgtest.Key,
		"-s", "trades", "-n", "4", "-o", file)
	const want = `time (UTC)       symbol    side      size       price    sequence  flags
01:00:00.000001  ALFA      ask          7        1.00           5  last
01:00:00.000001  BRVO      ask          7        2.00           5  last
01:00:00.000001  #77       ask          7        3.00           5  last
01:00:00.000001  (all)     ask          7        4.00           5  last
`
	if code != exitOK || stdout != want {
		t.Errorf("exit %d, shown\n%s\nwant\n%s", code, stdout, want)
	}
	if want := "session 5: trades of XSIM.ITCH\n4 data records, 4 others\n"; stderr != want {
		t.Errorf("said %q, want %q", stderr, want)
	}
	wantContains(t, "replay of the file", mustRun(t, "replay", "-q", file), "4")
}

// TestSubscribeOutName: what is written is DBN, whatever a name promises.
func TestSubscribeOutName(t *testing.T) {
	var out, said strings.Builder
	args := []string{"subscribe", "-d", "XSIM.ITCH", "-k", strings.Repeat("k", 32), "--out", filepath.Join(t.TempDir(), "x.csv")}
	if code := run(t.Context(), args, &console{Out: &out, Err: &said}); code != exitUsage || !strings.Contains(said.String(), "x.dbn") {
		t.Errorf("exit %d, %q", code, said.String())
	}
}
