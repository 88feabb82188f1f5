package match_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tidegate/book/match"
	"tidegate/market"
)

var update = flag.Bool("update", false, "write what scenarios do into their files; read the difference before you keep it")

// Scenarios are files of inputs, each with the events that it causes on the lines below it, indented.
//
//	given [iN] [tick=0.01] [lot=1] [collar=BP] [hold] [age=NANOS] [open|pre-open]   says nothing
//	buy|sell ID SIZE @ PRICE | market | peg=primary|mid|market   [OPTIONS]
//	    OPTIONS  aN (account; else the order's id) iN (instrument; else 1) sN (session; its loss cancels)
//	             ioc fok until=T post slide show=N min=N stop=P quote-stop=P offset=P limit=P
//	             newest oldest both decrement
//	replace ID SIZE [@ PRICE] [as ID] [stop=P] [aN]
//	cancel ID [aN]; mass-cancel aN [iN] [buy|sell]; disconnect sN
//	reference BID ASK [stale] [at=T] [iN]; state NAME [iN]; indicate [iN]; time T
//
// They are run by the engine and its twin.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/matching/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := scenario{trial: newTrial(testConfig), accounts: map[uint64]uint32{}}
			got := s.run(t, string(want))
			if got == string(want) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("got\n%s\nwant\n%s", got, want)
		})
	}
}

type scenario struct {
	*trial
	now      market.Nanos
	accounts map[uint64]uint32 // by order id
}

// run returns the scenario with the events that it causes.
func (s *scenario) run(t *testing.T, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, " ") {
			continue // an event
		}
		out.WriteString(line)
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		inputs, err := s.parse(words)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, in := range inputs {
			if err := s.apply(in); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			for i := range s.events {
				if words[0] != "given" {
					out.WriteString("    " + describe(&s.events[i]) + "\n")
				}
			}
		}
	}
	return out.String()
}

func (s *scenario) parse(words []string) (inputs []match.Input, err error) {
	in := match.Input{Time: s.now, Instrument: 1, Side: market.NoSide}
	bare := func(n int) string { // the n-th word
		if n < len(words) {
			return words[n]
		}
		err = fmt.Errorf("word %d is missing", n)
		return ""
	}
	number := func(w string) uint64 {
		n, e := strconv.ParseUint(w, 10, 64)
		if e != nil {
			err = e
		}
		return n
	}
	price := func(w string) market.Price {
		if w == "none" {
			return market.UndefPrice
		}
		p, e := market.ParsePrice(w)
		if e != nil {
			err = e
		}
		return p
	}
	def := match.Instrument{TickSize: market.PriceScale / 100, LotSize: 1}
	from := 1
	switch words[0] {
	case "buy", "sell":
		in.Kind, in.OrderID, in.Size = match.New, number(bare(1)), market.Size(number(bare(2)))
		in.Account = uint32(in.OrderID)
		in.Side = side(words[0])
		from = 3
	case "replace":
		in.Kind, in.OrderID, in.Size = match.Replace, number(bare(1)), market.Size(number(bare(2)))
		in.Account, in.NewID = s.accounts[in.OrderID], in.OrderID
		from = 3
	case "cancel":
		in.Kind, in.OrderID = match.Cancel, number(bare(1))
		in.Account = s.accounts[in.OrderID]
		from = 2
	case "mass-cancel":
		in.Kind, in.Instrument = match.MassCancel, 0
	case "disconnect":
		in.Kind = match.Disconnect
	case "reference":
		in = match.ReferenceInput(s.now, 1, price(bare(1)), price(bare(2)), true, s.now)
		from = 3
	case "state":
		in.Kind, in.State = match.SetState, state(bare(1))
		from = 2
	case "indicate":
		in.Kind = match.Indicate
	case "time":
		s.now = market.Nanos(number(bare(1)))
		return []match.Input{{Kind: match.Tick, Time: s.now}}, err
	case "given":
		in.Kind = match.SetState
	default:
		return nil, fmt.Errorf("no such input")
	}
	for i := from; i < len(words); i++ {
		key, value, _ := strings.Cut(words[i], "=")
		switch key {
		case "@":
			i++
			in.Price = price(bare(i))
		case "as":
			i++
			in.NewID = number(bare(i))
		case "market":
			in.Type = match.Market
		case "ioc":
			in.TIF = match.Immediate
		case "fok":
			in.TIF = match.FillOrKill
		case "until":
			in.TIF, in.Until = match.GoodTillTime, market.Nanos(number(value))
		case "post":
			in.Post = match.RejectTaking
		case "slide":
			in.Post = match.SlideTaking
		case "newest":
			in.STP = match.CancelNewest
		case "oldest":
			in.STP = match.CancelOldest
		case "both":
			in.STP = match.CancelBoth
		case "decrement":
			in.STP = match.DecrementBoth
		case "show":
			in.Display = market.Size(number(value))
		case "min":
			in.MinSize = market.Size(number(value))
		case "stop":
			in.Stop = price(value)
			if in.Kind == match.New {
				in.Trigger = match.TriggerTrade
			}
		case "quote-stop":
			in.Trigger, in.Stop = match.TriggerQuote, price(value)
		case "peg":
			in.Peg = map[string]match.Peg{"primary": match.PegPrimary, "mid": match.PegMid, "market": match.PegMarket}[value]
		case "offset":
			in.Offset = price(value)
		case "limit":
			in.Price = price(value)
		case "stale":
			in.Fresh = false
		case "at":
			in.Until = market.Nanos(number(value))
		case "buy", "sell":
			in.Side = side(key)
		case "tick":
			def.TickSize = price(value)
		case "lot":
			def.LotSize = market.Size(number(value))
		case "collar":
			def.Collar = uint32(number(value))
		case "age":
			def.ReferenceAgeMax = market.Nanos(number(value))
		case "hold":
			def.WhenStale = match.HoldStale
		case "open", "pre-open":
			in.State = state(key)
		default:
			n := uint32(number(key[1:]))
			switch key[0] {
			case 'a':
				in.Account = n
			case 'i':
				in.Instrument = market.InstrumentID(n)
			case 's':
				in.Session = n
				in.CancelOnDisconnect = in.Kind == match.New
			default:
				return nil, fmt.Errorf("no such word: %s", words[i])
			}
		}
	}
	switch in.Kind {
	case match.New:
		s.accounts[in.OrderID] = in.Account
	case match.Replace:
		s.accounts[in.NewID] = in.Account
	}
	if words[0] == "given" {
		def.ID = in.Instrument
		inputs = append(inputs, match.DefineInput(s.now, def))
		if in.State == match.Closed {
			return inputs, err
		}
	}
	return append(inputs, in), err
}

func side(w string) market.Side {
	if w == "buy" {
		return market.Bid
	}
	return market.Ask
}

var stateNames = []string{"closed", "pre-open", "open", "halted"}

func state(w string) match.State {
	for i, name := range stateNames {
		if name == w {
			return match.State(i)
		}
	}
	return 255
}

// describe returns an event as scenarios have it.
func describe(ev *match.Event) string {
	at := func(size market.Size) string {
		if !ev.Price.Defined() {
			return fmt.Sprintf("%d", size)
		}
		return fmt.Sprintf("%d @ %v", size, ev.Price)
	}
	word := "buy"
	if ev.Side == market.Ask {
		word = "sell"
	}
	reason := strings.ReplaceAll(ev.Reason.String(), "-", " ")
	shows := func() string {
		switch {
		case ev.Ref == 0:
			return ""
		case ev.Displayed != ev.Open:
			return fmt.Sprintf(", ref %d shows %d", ev.Ref, ev.Displayed)
		}
		return fmt.Sprintf(", ref %d", ev.Ref)
	}
	switch ev.Kind {
	case match.Accepted:
		return fmt.Sprintf("accepted %d: %s %s", ev.OrderID, word, at(ev.Size))
	case match.Rejected:
		return "rejected: " + reason
	case match.Booked:
		return fmt.Sprintf("booked %d: %s %s%s", ev.OrderID, word, at(ev.Open), shows())
	case match.Executed:
		return fmt.Sprintf("executed %d: %s %s, trade %d %s, %d left", ev.OrderID, word, at(ev.Size), ev.Match,
			[]string{"?", "added", "removed", "crossed"}[ev.Liquidity], ev.Open)
	case match.Canceled:
		return fmt.Sprintf("canceled %d: %d, %s, %d left", ev.OrderID, ev.Size, reason, ev.Open)
	case match.Replaced:
		return fmt.Sprintf("replaced %d by %d: %s, %s%s", ev.PrevID, ev.OrderID, at(ev.Open), reason, shows())
	case match.Restated:
		return fmt.Sprintf("restated %d: %s, %s%s", ev.OrderID, reason, at(ev.Open), shows())
	case match.StateChanged:
		return "state " + stateNames[ev.State]
	case match.Indicated:
		if ev.Side == market.NoSide {
			return fmt.Sprintf("indicated %s", at(ev.Size))
		}
		return fmt.Sprintf("indicated %s, %d to %s left", at(ev.Size), ev.Open, word)
	case match.MassCanceled:
		return fmt.Sprintf("canceled %d orders", ev.Size)
	default:
		return ev.Kind.String()
	}
}
