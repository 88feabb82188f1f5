package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"tidegate/book/match"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// An operation is something that can be asked for.
type operation struct {
	method, path string // {id} at its end is what rest holds
	status       int    // of an answer that is no error
	public       bool   // without a key
	answer       func(*Server, *request) (any, *problem)
}

// operations are all of them. The document that is served says the same: see the tests.
var operations = []operation{
	{"POST", "/v1/orders", 201, false, (*Server).place},
	{"GET", "/v1/orders", 200, false, (*Server).openOrders},
	{"DELETE", "/v1/orders", 200, false, (*Server).cancelAll},
	{"GET", "/v1/orders/{id}", 200, false, (*Server).order},
	{"PUT", "/v1/orders/{id}", 200, false, (*Server).replace},
	{"DELETE", "/v1/orders/{id}", 200, false, (*Server).cancel1},
	{"GET", "/v1/executions", 200, false, (*Server).executions},
	{"GET", "/v1/history", 200, false, (*Server).history},
	{"GET", "/v1/balances", 200, false, (*Server).balances},
	{"GET", "/v1/events", 200, false, (*Server).events},
	{"GET", "/v1/instruments", 200, true, (*Server).instruments},
	{"GET", "/v1/time", 200, true, (*Server).clock},
	{"GET", "/openapi.json", 200, true, (*Server).document},
}

// find returns the operation of a method and a path, and what the path has in the place of {id}.
func find(method, path string) (op *operation, rest string, p *problem) {
	var allowed []string
	for i := range operations {
		o := &operations[i]
		rest, fits := o.path, o.path == path
		if before, ok := strings.CutSuffix(o.path, "{id}"); ok {
			rest, fits = strings.CutPrefix(path, before)
			fits = fits && rest != "" && !strings.Contains(rest, "/")
		}
		if !fits {
			continue
		}
		if o.method == method {
			return o, rest, nil
		}
		allowed = append(allowed, o.method)
	}
	if allowed != nil {
		list := strings.Join(allowed, ", ")
		p = problemf(405, CodeMethod, "want %s", list)
		p.reason = list
		return nil, "", p
	}
	return nil, "", problemf(404, CodeNotFound, "there is no such path: /openapi.json lists them")
}

// A request is one that was found to be whose it says.
type request struct {
	ctx  *fasthttp.RequestCtx
	desk *desk // nil for those without a key
	rest string
	now  market.Nanos
}

// query returns a parameter of the query.
func (q *request) query(name string) string { return string(q.ctx.QueryArgs().Peek(name)) }

// number reads a parameter from least to most, otherwise without one.
func (q *request) number(name string, least, most, otherwise uint64) (uint64, *problem) {
	text := q.query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badField(name, "found %q, want a number from %d to %d", text, least, most)
	}
	return n, nil
}

// only refuses parameters that the operation does not have.
func (q *request) only(names ...string) (p *problem) {
	q.ctx.QueryArgs().All()(func(key, _ []byte) bool {
		if !slices.Contains(names, string(key)) {
			p = badField(string(key), "there is no such parameter")
		}
		return p == nil
	})
	return p
}

// account returns the account with a name, of those of the key; the first one without a name.
func (s *Server) account(d *desk, name string) (orders.AccountID, *problem) {
	for _, id := range d.session.Accounts() {
		if name == "" || s.accounts[id] == name {
			return id, nil
		}
	}
	return 0, badField("account", "found %q, want one of the key's", name)
}

func (s *Server) instrument(symbol string) (market.InstrumentID, *problem) {
	if in, ok := s.gate.Instrument(symbol); ok {
		return in.ID, nil
	}
	return 0, badField("symbol", "found %q, want an instrument: /v1/instruments lists them", symbol)
}

// identify gives a request its id and fingerprint.
func (q *request) identify(r *orders.Request) *problem {
	key := q.ctx.Request.Header.Peek(HeaderIdempotency)
	if len(key) > 64 || !printable(string(key)) {
		return badField(HeaderIdempotency, "want at most 64 printable characters")
	}
	if len(key) > 0 {
		sum := sha256.Sum256(key)
		copy(r.ID[1:], sum[:])
	} else {
		_, _ = rand.Read(r.ID[1:]) // does not fail
	}
	r.ID[0] = clientIDMark
	h := sha256.New()
	h.Write(q.ctx.Method())
	h.Write(q.ctx.Request.Header.RequestURI())
	h.Write([]byte{0})
	h.Write(q.ctx.Request.Body())
	copy(r.Echo[:fingerprintLen], h.Sum(nil))
	return nil
}

// ask submits a request and returns what it was answered, now or the first time it was sent.
func (s *Server) ask(q *request, r *orders.Request) (reports []orders.Report, more bool, p *problem) {
	fingerprint := r.Echo
	reports, more, p = q.desk.ask(r, s.cfg.Limits.Answer)
	if p != nil {
		return nil, false, p
	}
	last := &reports[len(reports)-1]
	if last.Kind == orders.Repeated {
		if reports, more, p = q.desk.first(last); p != nil {
			return nil, false, p
		}
	}
	for i := range reports {
		if reports[i].ID == r.ID && !sameRequest(&reports[i].Echo, &fingerprint) {
			return nil, false, problemf(409, CodeIdempotency, "this %s was used before for another request", HeaderIdempotency)
		}
	}
	return reports, more, rejection(reports)
}

// rejection says why a request was rejected, if it was.
func rejection(reports []orders.Report) *problem {
	for i := range reports {
		r := &reports[i]
		reason := ""
		switch {
		case r.Kind == orders.Refused:
			reason = r.Refusal.String()
		case r.Kind == orders.FromEngine && r.Event.Kind == match.Rejected:
			reason = r.Event.Reason.String()
		default:
			continue
		}
		p := problemf(422, CodeRejected, "rejected: %s", strings.ReplaceAll(reason, "-", " "))
		if reason == "order-unknown" || reason == "unknown-order" {
			p = problemf(404, CodeNotFound, "no order of the key's accounts that lives has this number")
		}
		p.reason = reason
		return p
	}
	return nil
}

// answer makes an answer of the reports of a request about one order.
func (s *Server) answer(reports []orders.Report, more bool) OrderAnswer {
	a := OrderAnswer{Status: "open", More: more, Reports: make([]Report, 0, len(reports))}
	id := reports[0].Event.OrderID
	a.OrderID = formatID(id)
	for i := range reports {
		r := &reports[i]
		a.Reports = append(a.Reports, s.report(r, r.Number))
		ev := &r.Event
		if ev.OrderID != id && ev.PrevID != id {
			continue // the other side of a trade with oneself
		}
		a.Open = uint64(ev.Open)
		switch ev.Kind {
		case match.Accepted, match.Replaced:
			a.Size, a.Price = uint64(ev.Size), formatPrice(ev.Price)
		case match.Booked, match.Restated:
			a.Price = formatPrice(ev.Price)
		}
		if ev.Open == 0 {
			a.Status = "canceled"
			if ev.Kind == match.Executed {
				a.Status = "filled"
			}
		}
	}
	return a
}

func (s *Server) place(q *request) (any, *problem) {
	var in OrderRequest
	if p := decode(q.ctx.Request.Body(), &in); p != nil {
		return nil, p
	}
	o, p := in.input(q.now)
	if p != nil {
		return nil, p
	}
	account, p := s.account(q.desk, in.Account)
	if p != nil {
		return nil, p
	}
	if o.Instrument, p = s.instrument(in.Symbol); p != nil {
		return nil, p
	}
	if len(in.ClientOrderID) > clientOrderIDMax || !printable(in.ClientOrderID) {
		return nil, badField("client_order_id", "want at most %d printable characters", clientOrderIDMax)
	}
	o.Account = uint32(account)
	r := orders.Request{Kind: orders.New, Order: o}
	if p := q.identify(&r); p != nil {
		return nil, p
	}
	copy(r.Echo[fingerprintLen:], in.ClientOrderID)
	reports, more, p := s.ask(q, &r)
	if p != nil {
		return nil, p
	}
	return s.answer(reports, more), nil
}

func (s *Server) replace(q *request) (any, *problem) {
	id, p := orderID(q.rest)
	if p != nil {
		return nil, p
	}
	var in ReplaceRequest
	if p := decode(q.ctx.Request.Body(), &in); p != nil {
		return nil, p
	}
	r := orders.Request{Kind: orders.Replace, Order: match.Input{OrderID: id}}
	for _, p := range []*problem{
		price("price", in.Price, &r.Order.Price),
		price("stop_price", in.StopPrice, &r.Order.Stop),
		size("size", in.Size, &r.Order.Size),
	} {
		if p != nil {
			return nil, p
		}
	}
	if in.Size == 0 {
		return nil, badField("size", "found 0 or none, want the size of the whole order")
	}
	if p := q.identify(&r); p != nil {
		return nil, p
	}
	// The order keeps its name.
	o, found, p := s.find(q, id)
	if p != nil {
		return nil, p
	}
	if found {
		copy(r.Echo[fingerprintLen:], o.Echo[fingerprintLen:])
		r.Order.Account = o.Account
	}
	reports, more, p := s.ask(q, &r)
	if p != nil {
		return nil, p
	}
	return s.answer(reports, more), nil
}

// find looks for a live order among the key's accounts.
func (s *Server) find(q *request, id uint64) (orders.OrderState, bool, *problem) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Limits.Answer)
	defer cancel()
	for _, account := range q.desk.session.Accounts() {
		o, ok, err := s.gate.Order(ctx, account, id)
		if err != nil {
			return o, false, problemOfQuery(err)
		}
		if ok {
			return o, true, nil
		}
	}
	return orders.OrderState{}, false, nil
}

func (s *Server) cancel1(q *request) (any, *problem) {
	if p := q.only(); p != nil {
		return nil, p
	}
	id, p := orderID(q.rest)
	if p != nil {
		return nil, p
	}
	// Whose it is, the gate knows: of several accounts each is asked.
	var reports []orders.Report
	var more bool
	for _, account := range q.desk.session.Accounts() {
		r := orders.Request{Kind: orders.Cancel, Order: match.Input{OrderID: id, Account: uint32(account)}}
		if reports, more, p = s.ask(q, &r); p == nil || p.code != CodeNotFound {
			break
		}
	}
	if p != nil {
		return nil, p
	}
	return s.answer(reports, more), nil
}

func (s *Server) cancelAll(q *request) (any, *problem) {
	if p := q.only("account", "symbol", "side"); p != nil {
		return nil, p
	}
	account, p := s.account(q.desk, q.query("account"))
	if p != nil {
		return nil, p
	}
	r := orders.Request{Kind: orders.MassCancel, Order: match.Input{Account: uint32(account)}}
	if p := choose("side", q.query("side"), sides, &r.Order.Side); p != nil {
		return nil, p
	}
	if symbol := q.query("symbol"); symbol != "" {
		if r.Order.Instrument, p = s.instrument(symbol); p != nil {
			return nil, p
		}
	}
	reports, _, p := s.ask(q, &r)
	if p != nil {
		return nil, p
	}
	return CancelAnswer{Canceled: uint64(reports[len(reports)-1].Event.Size)}, nil
}
