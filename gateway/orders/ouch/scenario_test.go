package ouch

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/market"
)

var update = flag.Bool("update", false, "write what was said into the scenarios; look at the difference before it is kept")

// TestScenarios plays the files of testdata/sessions: lines without indent are what happens, indented ones what
// is said to whom because of it.
//
//	alice enter 1 buy 100 AAA 10.00 min=5 id=mine   also: peg=primary offset=-0.01 show=10 post expire=60 firm=BOB
//	                                                immediate, gtt, hidden, market, iso, idx=2, stp=...
//	alice replace 1 2 50 10.01                      old number, new number, quantity, price
//	alice cancel 1 [quantity]
//	alice modify 1 buy 30
//	alice mass-cancel 9 firm=ALI [AAA] [side=buy]
//	alice disable 10 ALI, alice enable 11 ALI, alice query
//	alice raw 4f00                                  bytes in hexadecimal digits
//	reference AAA 9.99 10.01 fresh|stale
//	state AAA open
//	kill alice on
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	heard := make(map[byte]bool)
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { playFile(t, f, heard) })
	}
	if t.Failed() {
		return
	}
	// The venue cancels at once and breaks no trades.
	for _, typ := range []byte("SAUCDEJITMRXGKQ") {
		if !heard[typ] {
			t.Errorf("no scenario has a message of type %q", typ)
		}
	}
}

// A play is a scenario that runs.
type play struct {
	*world
	users map[string]*user
	heard map[byte]bool
	at    string // file and line
}

func playFile(t *testing.T, file string, heard map[byte]bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &play{users: make(map[string]*user), heard: heard}
	p.world = newWorld(t, func(g *orders.Config, _ *Config) {
		for i := range g.Instruments {
			g.Instruments[i].Collar = 500
			g.Instruments[i].WhenStale = match.HoldStale
		}
		g.Sessions[0].Accounts = append(g.Sessions[0].Accounts, 2) // alice may act for bob
	})
	var out []string
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		out = append(out, line)
		i++
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		p.at = fmt.Sprintf("%s:%d: %s", file, i, line)
		var want []string
		for ; i < len(lines) && strings.HasPrefix(lines[i], "    "); i++ {
			want = append(want, strings.TrimSpace(lines[i]))
		}
		p.do(strings.Fields(line))
		if *update {
			out = append(out, p.listen()...)
			continue
		}
		for _, w := range want {
			name, _, _ := strings.Cut(w, " ")
			u := p.users[name]
			if u == nil {
				t.Fatalf("%s: nobody is %q", p.at, name)
			}
			m := u.next()
			heard[m.Body[0]] = true
			if got := name + " " + said(m); got != w {
				t.Fatalf("%s\ngot  %s\nwant %s", p.at, got, w)
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.nothingMore()
}

// listen returns what everybody hears within a while.
func (p *play) listen() (lines []string) {
	for _, name := range []string{"alice", "bob", "carol"} {
		u := p.users[name]
		for u != nil {
			ctx, cancel := context.WithTimeout(p.t.Context(), 300*time.Millisecond)
			m, err := u.Next(ctx)
			cancel()
			if err != nil {
				break
			}
			p.heard[m.Body[0]] = true
			lines = append(lines, "    "+name+" "+said(m))
		}
	}
	return lines
}

// nothingMore checks that nobody has heard more than the scenario has.
func (p *play) nothingMore() {
	for name, u := range p.users {
		u.send((&ouch50.AccountQuery{}).Append(nil))
		if m := u.next(); m.Body[0] != ouch50.TypeAccountQueryResponse {
			p.t.Errorf("at the end %s hears %s", name, said(m))
		}
	}
}

func (p *play) do(words []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatalf("%s: %v", p.at, err)
		}
	}
	instrument := func(symbol string) market.InstrumentID {
		in, ok := p.gate.Instrument(symbol)
		if !ok {
			p.t.Fatalf("%s: no instrument", p.at)
		}
		return in.ID
	}
	switch words[0] {
	case "reference":
		bid, err := market.ParsePrice(words[2])
		must(err)
		ask, err := market.ParsePrice(words[3])
		must(err)
		before := p.gate.Following()
		p.gate.Reference(instrument(words[1]), bid, ask, words[4] == "fresh", market.Nanos(time.Now().UnixNano()))
		eventually(p.t, "the reference", func() bool { return p.gate.Following() > before })
		return
	case "state":
		states := map[string]match.State{"closed": match.Closed, "pre-open": match.PreOpen, "open": match.Open, "halted": match.Halted}
		must(p.gate.SetState(ctx, instrument(words[1]), states[words[2]]))
		return
	case "kill":
		accounts := map[string]orders.AccountID{"alice": 1, "bob": 2, "carol": 3, "all": 0}
		must(p.gate.Kill(ctx, accounts[words[1]], words[2] == "on"))
		return
	}
	u := p.users[words[0]]
	if words[1] == "login" {
		p.users[words[0]] = p.login(words[0], 1)
		p.heard[ouch50.TypeSystemEvent] = true
		return
	}
	if u == nil {
		p.t.Fatalf("%s: who is that?", p.at)
	}
	msg, err := message(words[1], words[2:])
	must(err)
	u.send(msg)
}

// arguments are the words of a line: some by place, some by name.
type arguments struct {
	words []string
	named map[string]string
	err   error
}

func newArguments(words []string) *arguments {
	a := &arguments{named: make(map[string]string)}
	for _, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok {
			a.named[name] = value
		} else {
			a.words = append(a.words, w)
		}
	}
	return a
}

// has takes a word that may be there.
func (a *arguments) has(word string) bool {
	for i, w := range a.words {
		if w == word {
			a.words = append(a.words[:i:i], a.words[i+1:]...)
			return true
		}
	}
	return false
}

func (a *arguments) text() string {
	if len(a.words) == 0 {
		a.err = fmt.Errorf("a word is missing")
		return ""
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

func (a *arguments) number() uint32 {
	n, err := strconv.ParseUint(a.text(), 10, 32)
	if err != nil {
		a.err = err
	}
	return uint32(n)
}

func (a *arguments) side() byte {
	return map[string]byte{"buy": ouch50.Buy, "sell": ouch50.Sell, "short": ouch50.SellShort}[a.text()]
}

// message makes a message of the words of a scenario.
func message(what string, words []string) ([]byte, error) {
	a := newArguments(words)
	var options ouch50.Appendage
	if idx, ok := a.named["idx"]; ok {
		n, err := strconv.ParseUint(idx, 10, 8)
		if err != nil {
			return nil, err
		}
		options = options.AppendUint(ouch50.TagUserRefIdx, n)
	}
	var msg []byte
	switch what {
	case "enter":
		msg = enterMessage(a, options)
	case "replace":
		m := ouch50.ReplaceOrder{
			TimeInForce: ouch50.Day, Display: ouch50.Visible, ISO: ouch50.No, ClOrdID: blankClOrdID, Appendage: options,
		}
		if a.has("gtt") {
			m.TimeInForce = ouch50.GoodTillTime
		}
		m.OrigUserRefNum, m.UserRefNum, m.Quantity, m.Price = a.number(), a.number(), a.number(), wire(a.text())
		msg = m.Append(nil)
	case "cancel":
		m := ouch50.CancelOrder{UserRefNum: a.number(), Appendage: options}
		if len(a.words) > 0 {
			m.Quantity = a.number()
		}
		msg = m.Append(nil)
	case "modify":
		m := ouch50.ModifyOrder{UserRefNum: a.number(), Side: a.side(), Quantity: a.number(), Appendage: options}
		msg = m.Append(nil)
	case "mass-cancel":
		m := ouch50.MassCancel{UserRefNum: a.number(), Symbol: blankSymbol, Appendage: options}
		m.Firm, _ = ouch50.ParseFirm(a.named["firm"])
		if side := a.named["side"]; side != "" {
			m.Appendage = m.Appendage.AppendCode(ouch50.TagSide, newArguments([]string{side}).side())
		}
		if len(a.words) > 0 {
			m.Symbol, _ = ouch50.ParseSymbol(a.text())
		}
		msg = m.Append(nil)
	case "disable", "enable":
		c := ouch50.OrderEntryControl{UserRefNum: a.number(), Appendage: options}
		c.Firm, _ = ouch50.ParseFirm(a.text())
		if what == "disable" {
			msg = (&ouch50.DisableOrderEntry{OrderEntryControl: c}).Append(nil)
		} else {
			msg = (&ouch50.EnableOrderEntry{OrderEntryControl: c}).Append(nil)
		}
	case "query":
		msg = (&ouch50.AccountQuery{Appendage: options}).Append(nil)
	case "raw":
		if _, err := fmt.Sscanf(a.text(), "%x", &msg); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%q is nothing to do", what)
	}
	if a.err == nil && len(a.words) > 0 {
		a.err = fmt.Errorf("%v is too much", a.words)
	}
	return msg, a.err
}

func enterMessage(a *arguments, options ouch50.Appendage) []byte {
	m := ouch50.EnterOrder{
		TimeInForce: ouch50.Day, Display: ouch50.Visible, Capacity: ouch50.Agency, ISO: ouch50.No, CrossType: ouch50.ContinuousMarket,
		ClOrdID: blankClOrdID, Appendage: options,
	}
	switch {
	case a.has("immediate"):
		m.TimeInForce = ouch50.Immediate
	case a.has("gtt"):
		m.TimeInForce = ouch50.GoodTillTime
	case a.has("gtx"):
		m.TimeInForce = ouch50.ExtendedHours
	}
	if a.has("hidden") {
		m.Display = ouch50.Hidden
	}
	if a.has("iso") {
		m.ISO = ouch50.Yes
	}
	if a.has("post") {
		m.Appendage = m.Appendage.AppendCode(ouch50.TagPostOnly, ouch50.PostOnly)
	}
	for _, o := range []struct {
		name string
		tag  ouch50.Tag
	}{{"min", ouch50.TagMinQty}, {"show", ouch50.TagMaxFloor}, {"expire", ouch50.TagExpireTime}, {"reserve", ouch50.TagRandomReserves}} {
		if text := a.named[o.name]; text != "" {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				a.err = err
			}
			m.Appendage = m.Appendage.AppendUint(o.tag, n)
		}
	}
	if peg := a.named["peg"]; peg != "" {
		m.Appendage = m.Appendage.AppendCode(ouch50.TagPriceType, map[string]byte{
			"primary": ouch50.PrimaryPeg, "mid": ouch50.MidpointPeg, "market": ouch50.MarketPeg, "maker": ouch50.MarketMakerPeg,
		}[peg])
	}
	if text := a.named["offset"]; text != "" {
		p, err := market.ParsePrice(text)
		if err != nil {
			a.err = err
		}
		o, _ := ouch50.OffsetOf(p)
		m.Appendage = m.Appendage.AppendOffset(ouch50.TagPegOffset, o)
	}
	if route := a.named["route"]; route != "" {
		m.Appendage = m.Appendage.AppendText(ouch50.TagRoute, route)
	}
	if firm := a.named["firm"]; firm != "" {
		m.Appendage = m.Appendage.AppendText(ouch50.TagFirm, firm)
	}
	if id := a.named["id"]; id != "" {
		m.ClOrdID, _ = ouch50.ParseClOrdID(id)
	}
	m.UserRefNum, m.Side, m.Quantity = a.number(), a.side(), a.number()
	m.Symbol, _ = ouch50.ParseSymbol(a.text())
	if price := a.text(); price == "market" {
		m.Price = ouch50.MarketPrice
	} else if price != "" {
		m.Price = wire(price)
	}
	return m.Append(nil)
}
