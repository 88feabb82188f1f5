package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tidegate/book/match"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// What travels in JSON. Prices and amounts are text, because they are exact decimals; numbers of orders are
// text, because they have 64 bits; sizes are numbers.

// An OrderRequest asks for an order. Symbol, Side and Size are needed, Price for limit orders without a peg.
type OrderRequest struct {
	Account       string `json:"account,omitempty"` // of the key's; its first where none is named
	ClientOrderID string `json:"client_order_id,omitempty"`
	Symbol        string `json:"symbol"`
	Side          string `json:"side"`           // buy, sell
	Type          string `json:"type,omitempty"` // limit (default), market
	Price         string `json:"price,omitempty"`
	Size          uint64 `json:"size"`
	TimeInForce   string `json:"time_in_force,omitempty"` // day (default), ioc, fok, gtt
	Expires       string `json:"expires,omitempty"`       // of gtt: RFC 3339
	MinSize       uint64 `json:"min_size,omitempty"`
	DisplaySize   uint64 `json:"display_size,omitempty"`
	PostOnly      string `json:"post_only,omitempty"` // reject, slide
	Peg           string `json:"peg,omitempty"`       // primary, mid, market
	PegOffset     string `json:"peg_offset,omitempty"`
	StopPrice     string `json:"stop_price,omitempty"`
	Trigger       string `json:"trigger,omitempty"`    // of a stop order: trade (default), quote
	SelfTrade     string `json:"self_trade,omitempty"` // allow, cancel_newest, cancel_oldest, cancel_both, decrement
}

// A ReplaceRequest asks for another price or size. What is left out stays.
type ReplaceRequest struct {
	Price     string `json:"price,omitempty"`
	StopPrice string `json:"stop_price,omitempty"`
	Size      uint64 `json:"size"` // of the whole order, with what was executed
}

// An OrderAnswer says what became of a request about an order.
type OrderAnswer struct {
	OrderID string   `json:"order_id"`
	Status  string   `json:"status"` // open, filled, canceled
	Size    uint64   `json:"size"`
	Open    uint64   `json:"open"`
	Price   string   `json:"price,omitempty"` // as it stands in the book
	Reports []Report `json:"reports"`
	More    bool     `json:"more"` // there were more reports than are here: the history has them
}

// A CancelAnswer says how many orders a mass cancel has ended.
type CancelAnswer struct {
	Canceled uint64 `json:"canceled"`
}

// A Report is one thing that happened to an order.
type Report struct {
	Number        uint64 `json:"number"` // in the session of the key; in a history, of the account
	Index         uint64 `json:"index"`  // of the entry of the input log that caused it
	Time          string `json:"time"`
	Kind          string `json:"kind"` // accepted, rejected, booked, executed, canceled, replaced, restated, mass-canceled, refused, repeated
	OrderID       string `json:"order_id,omitempty"`
	ClientOrderID string `json:"client_order_id,omitempty"`
	Account       string `json:"account,omitempty"`
	Symbol        string `json:"symbol,omitempty"`
	Side          string `json:"side,omitempty"`
	Price         string `json:"price,omitempty"`
	Size          uint64 `json:"size"`
	Open          uint64 `json:"open"`
	Match         string `json:"match,omitempty"`     // of executed: the same for both sides
	Liquidity     string `json:"liquidity,omitempty"` // of executed: added, removed, crossed
	Reason        string `json:"reason,omitempty"`
}

// An OpenOrder is an order that lives.
type OpenOrder struct {
	OrderID       string `json:"order_id"`
	ClientOrderID string `json:"client_order_id,omitempty"`
	Account       string `json:"account"`
	Symbol        string `json:"symbol"`
	Side          string `json:"side"`
	Price         string `json:"price,omitempty"`
	Size          uint64 `json:"size"`
	Open          uint64 `json:"open"`
	Displayed     uint64 `json:"displayed"`
	Entered       string `json:"entered"`
}

// An OrderPage is a part of the open orders of an account.
type OrderPage struct {
	Orders []OpenOrder `json:"orders"`
	Index  uint64      `json:"index"`           // of the last entry of the input log that counts
	After  string      `json:"after,omitempty"` // for the next page; none: there is none
}

// A ReportPage is a part of an account's history, oldest first.
type ReportPage struct {
	Reports []Report `json:"reports"`
	Total   uint64   `json:"total"` // reports of the account
	Next    uint64   `json:"next"`  // from: for the next page, which is empty as long as Next is above Total
}

// A Balance is what an account has of an asset.
type Balance struct {
	Asset     string `json:"asset"`
	Total     string `json:"total"`
	Reserved  string `json:"reserved"`
	Credit    string `json:"credit"`
	Available string `json:"available"` // total and credit, less what is reserved
}

// Balances are those of an account.
type Balances struct {
	Account  string    `json:"account"`
	Balances []Balance `json:"balances"`
	Index    uint64    `json:"index"`
}

// An Instrument is something to trade.
type Instrument struct {
	Symbol   string `json:"symbol"`
	TickSize string `json:"tick_size"`
	LotSize  uint64 `json:"lot_size"`
	Base     string `json:"base"`
	Quote    string `json:"quote"`
	Collar   uint32 `json:"collar_bps"` // 0 is none
}

// Instruments are all of them.
type Instruments struct {
	Instruments []Instrument `json:"instruments"`
}

// Clock is the time of the gateway.
type Clock struct {
	Time int64 `json:"time"` // nanoseconds since the Unix epoch
}

// decode reads a body: one JSON object, with nothing in it that is not known.
func decode(body []byte, to any) *problem {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &kind):
			return badField(kind.Field, "found a %s, want a %s", kind.Value, kind.Type)
		case errors.Is(err, io.EOF):
			return problemf(400, CodeRequest, "no body: want an object of JSON")
		default:
			return problemf(400, CodeRequest, "the body is not the object of JSON that is wanted: %s", strings.TrimPrefix(err.Error(), "json: "))
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return problemf(400, CodeRequest, "the body goes on after the object")
	}
	return nil
}

// word is one of the words that a field may have.
type word[T any] struct {
	name string
	is   T
}

var (
	sides      = []word[market.Side]{{"buy", market.Bid}, {"sell", market.Ask}}
	types      = []word[match.OrderType]{{"limit", match.Limit}, {"market", match.Market}}
	lives      = []word[match.TimeInForce]{{"day", match.Day}, {"ioc", match.Immediate}, {"fok", match.FillOrKill}, {"gtt", match.GoodTillTime}}
	postOnlys  = []word[match.PostOnly]{{"reject", match.RejectTaking}, {"slide", match.SlideTaking}}
	pegs       = []word[match.Peg]{{"primary", match.PegPrimary}, {"mid", match.PegMid}, {"market", match.PegMarket}}
	triggers   = []word[match.Trigger]{{"trade", match.TriggerTrade}, {"quote", match.TriggerQuote}}
	selfTrades = []word[match.SelfTrade]{
		{"allow", match.AllowSelf},
		{"cancel_newest", match.CancelNewest},
		{"cancel_oldest", match.CancelOldest},
		{"cancel_both", match.CancelBoth},
		{"decrement", match.DecrementBoth},
	}
)

// choose reads a word. Without one, otherwise stays.
func choose[T any](field, text string, words []word[T], to *T) *problem {
	if text == "" {
		return nil
	}
	var names []string
	for _, w := range words {
		if w.name == text {
			*to = w.is
			return nil
		}
		names = append(names, w.name)
	}
	return badField(field, "found %q, want one of %s", text, strings.Join(names, ", "))
}

// name returns the word of a value, "" where there is none.
func name[T comparable](words []word[T], v T) string {
	for _, w := range words {
		if w.is == v {
			return w.name
		}
	}
	return ""
}

// price reads a price above 0. Without text it stays as it is.
func price(field, text string, to *market.Price) *problem {
	if text == "" {
		return nil
	}
	p, err := market.ParsePrice(text)
	if err != nil || p <= 0 || p > match.PriceMax {
		return badField(field, "found %q, want a decimal number above 0, up to %s, with nine decimals at most", text, match.PriceMax)
	}
	*to = p
	return nil
}

func size(field string, n uint64, to *market.Size) *problem {
	if n > uint64(match.SizeMax) {
		return badField(field, "found %d, want at most %d", n, match.SizeMax)
	}
	*to = market.Size(n)
	return nil
}

// input makes an order of the request, for an instrument and an account that were found.
func (r *OrderRequest) input(now market.Nanos) (o match.Input, p *problem) {
	o.STP = match.CancelOldest
	for _, p := range []*problem{
		choose("side", r.Side, sides, &o.Side),
		choose("type", r.Type, types, &o.Type),
		choose("time_in_force", r.TimeInForce, lives, &o.TIF),
		choose("post_only", r.PostOnly, postOnlys, &o.Post),
		choose("peg", r.Peg, pegs, &o.Peg),
		choose("trigger", r.Trigger, triggers, &o.Trigger),
		choose("self_trade", r.SelfTrade, selfTrades, &o.STP),
		price("price", r.Price, &o.Price),
		price("stop_price", r.StopPrice, &o.Stop),
		size("size", r.Size, &o.Size),
		size("min_size", r.MinSize, &o.MinSize),
		size("display_size", r.DisplaySize, &o.Display),
	} {
		if p != nil {
			return o, p
		}
	}
	switch {
	case r.Side == "":
		return o, badField("side", "found none, want buy or sell")
	case r.Size == 0:
		return o, badField("size", "found 0 or none, want at least 1")
	case o.Stop != 0 && o.Trigger == match.NoTrigger:
		o.Trigger = match.TriggerTrade
	case o.Stop == 0 && o.Trigger != match.NoTrigger:
		return o, badField("stop_price", "found none, want the price that triggers the order")
	}
	if r.PegOffset != "" {
		p, err := market.ParsePrice(r.PegOffset)
		if err != nil || p < 0 {
			return o, badField("peg_offset", "found %q, want a decimal number of 0 or more", r.PegOffset)
		}
		o.Offset = p
	}
	return o, r.expires(&o, now)
}

func (r *OrderRequest) expires(o *match.Input, now market.Nanos) *problem {
	if (o.TIF == match.GoodTillTime) != (r.Expires != "") {
		return badField("expires", "want a time with time_in_force gtt, and none without")
	}
	if r.Expires == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, r.Expires)
	if err != nil || t.Year() > 2200 {
		return badField("expires", "found %q, want a time like 2026-11-02T15:04:05Z", r.Expires)
	}
	if o.Until = market.Nanos(t.UnixNano()); o.Until <= now {
		return badField("expires", "found %q, which is over", r.Expires)
	}
	return nil
}

// An echo is what the gate gives back with the reports of an order.
//
//	offset  0             12                32
//	        +-------------+-----------------+
//	        | fingerprint | client order id |
//	        | of the      | padded with     |
//	        | request     | zeros           |
//	        +-------------+-----------------+
const (
	fingerprintLen   = 12
	clientOrderIDMax = orders.EchoLen - fingerprintLen
)

// clientIDMark is the first byte of the ids of requests that came by HTTP.
const clientIDMark = 'H'

// clientOrderID returns the client's own name of an order, "" if it came another way.
func clientOrderID(id *orders.ClientID, e *orders.Echo) string {
	if id[0] != clientIDMark {
		return ""
	}
	return strings.TrimRight(string(e[fingerprintLen:]), "\x00")
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// orderID reads the number of an order.
func orderID(text string) (uint64, *problem) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, problemf(404, CodeNotFound, "there is no order %q", text)
	}
	return id, nil
}

func formatTime(t market.Nanos) string {
	if t == 0 {
		return ""
	}
	return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano)
}

func formatPrice(p market.Price) string {
	if !p.Defined() || p == 0 {
		return ""
	}
	return p.String()
}

func formatID(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 10)
}

// report makes a report what travels. number is that under which it is read.
func (s *Server) report(r *orders.Report, number uint64) Report {
	ev := &r.Event
	out := Report{
		Number: number, Index: r.Index, Time: formatTime(ev.Time), OrderID: formatID(ev.OrderID),
		ClientOrderID: clientOrderID(&r.ID, &r.Echo), Account: s.accounts[orders.AccountID(ev.Account)],
		Symbol: s.symbols[ev.Instrument], Side: name(sides, ev.Side), Price: formatPrice(ev.Price),
		Size: uint64(ev.Size), Open: uint64(ev.Open), Match: formatID(ev.Match),
	}
	switch r.Kind {
	case orders.Refused:
		out.Kind, out.Reason = "refused", r.Refusal.String()
		return out
	case orders.Repeated:
		out.Kind, out.Reason = "repeated", fmt.Sprintf("answered by report %d", r.First)
		return out
	}
	out.Kind = ev.Kind.String()
	if ev.Reason != match.ReasonNone {
		out.Reason = ev.Reason.String()
	}
	switch ev.Liquidity {
	case match.Added:
		out.Liquidity = "added"
	case match.Removed:
		out.Liquidity = "removed"
	case match.Crossed:
		out.Liquidity = "crossed"
	}
	return out
}
