package web

import (
	"context"
	"encoding/json"
	"errors"
	"math"

	"tidegate/book/match"
	"tidegate/gateway/orders"
)

func (s *Server) open(o *orders.OrderState) OpenOrder {
	return OpenOrder{
		OrderID: formatID(o.Order.ID), ClientOrderID: clientOrderID(&o.ID, &o.Echo), Account: s.accounts[orders.AccountID(o.Account)],
		Symbol: s.symbols[o.Instrument], Side: name(sides, o.Side), Price: formatPrice(o.Price), Size: uint64(o.Size),
		Open: uint64(o.Open), Displayed: uint64(o.Displayed), Entered: formatTime(o.Entered),
	}
}

func (s *Server) order(q *request) (any, *problem) {
	if p := q.only(); p != nil {
		return nil, p
	}
	id, p := orderID(q.rest)
	if p != nil {
		return nil, p
	}
	o, found, p := s.find(q, id)
	if p != nil {
		return nil, p
	}
	if found {
		return s.open(&o), nil
	}
	return nil, problemf(404, CodeNotFound, "no order of the key's accounts that lives has this number: /v1/history has what became of it")
}

// problemOfQuery says why a query was not answered.
func problemOfQuery(err error) *problem {
	var p *problem
	switch {
	case errors.Is(err, orders.ErrBusy):
		p = problemf(503, CodeBusy, "too many queries wait")
		p.retryAfterSeconds = 1
	case errors.Is(err, context.DeadlineExceeded):
		p = problemf(503, CodeBusy, "the query took too long")
		p.retryAfterSeconds = 1
	case errors.Is(err, orders.ErrClosed), errors.Is(err, context.Canceled):
		return stopping
	default:
		p = problemf(500, CodeInternal, "the query could not be answered")
	}
	return p
}

// Pages have up to pageMax elements, pageDefault where nothing is said.
const (
	pageDefault = 100
	pageMax     = 1000
)

func (s *Server) openOrders(q *request) (any, *problem) {
	if p := q.only("account", "limit", "after"); p != nil {
		return nil, p
	}
	account, p := s.account(q.desk, q.query("account"))
	if p != nil {
		return nil, p
	}
	limit, p := q.number("limit", 1, pageMax, pageDefault)
	if p != nil {
		return nil, p
	}
	after, p := q.number("after", 0, math.MaxUint64, 0)
	if p != nil {
		return nil, p
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Limits.Answer)
	defer cancel()
	live, index, err := s.gate.OpenOrders(ctx, account, after, make([]orders.OrderState, 0, limit))
	if err != nil {
		return nil, problemOfQuery(err)
	}
	page := OrderPage{Orders: make([]OpenOrder, 0, len(live)), Index: index}
	for i := range live {
		page.Orders = append(page.Orders, s.open(&live[i]))
	}
	if n := len(page.Orders); n == int(limit) {
		page.After = page.Orders[n-1].OrderID
	}
	return page, nil
}

func (s *Server) history(q *request) (any, *problem) {
	return s.reports(q, func(*orders.Report) bool { return true })
}

func (s *Server) executions(q *request) (any, *problem) {
	return s.reports(q, func(r *orders.Report) bool {
		return r.Kind == orders.FromEngine && r.Event.Kind == match.Executed
	})
}

// scanMax is how many reports are looked at for one page, so that a page of rare ones does not take long.
const scanMax = 10_000

// reports answers with a part of an account's history.
func (s *Server) reports(q *request, wanted func(*orders.Report) bool) (any, *problem) {
	if p := q.only("account", "limit", "from"); p != nil {
		return nil, p
	}
	account, p := s.account(q.desk, q.query("account"))
	if p != nil {
		return nil, p
	}
	limit, p := q.number("limit", 1, pageMax, pageDefault)
	if p != nil {
		return nil, p
	}
	from, p := q.number("from", 1, math.MaxUint64, 1)
	if p != nil {
		return nil, p
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Limits.Answer)
	defer cancel()
	page := ReportPage{Reports: []Report{}, Next: from}
	batch := make([]orders.Report, 256)
	for scanned := 0; scanned < scanMax; {
		n, total, err := s.gate.AccountHistory(ctx, account, page.Next, batch)
		if err != nil {
			return nil, problemOfQuery(err)
		}
		page.Total = total
		for i := range batch[:n] {
			if len(page.Reports) == int(limit) {
				return page, nil
			}
			if wanted(&batch[i]) {
				page.Reports = append(page.Reports, s.report(&batch[i], page.Next))
			}
			page.Next++
		}
		scanned += n
		if n == 0 || len(page.Reports) == int(limit) {
			break
		}
	}
	return page, nil
}

func (s *Server) balances(q *request) (any, *problem) {
	if p := q.only("account"); p != nil {
		return nil, p
	}
	account, p := s.account(q.desk, q.query("account"))
	if p != nil {
		return nil, p
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Limits.Answer)
	defer cancel()
	list, index, err := s.gate.Balances(ctx, account, nil)
	if err != nil {
		return nil, problemOfQuery(err)
	}
	out := Balances{Account: s.accounts[account], Balances: make([]Balance, 0, len(list)), Index: index}
	for _, b := range list {
		out.Balances = append(out.Balances, Balance{
			Asset: s.cfg.Assets[b.Asset], Total: b.Total.String(), Reserved: b.Reserved.String(), Credit: b.Credit.String(),
			Available: b.Total.Add(b.Credit).Sub(b.Reserved).String(),
		})
	}
	return out, nil
}

func (s *Server) instruments(*request) (any, *problem) {
	out := Instruments{Instruments: make([]Instrument, 0, len(s.cfg.Instruments))}
	for i := range s.cfg.Instruments {
		in := &s.cfg.Instruments[i]
		out.Instruments = append(out.Instruments, Instrument{
			Symbol: in.Symbol, TickSize: in.TickSize.String(), LotSize: uint64(in.LotSize),
			Base: s.cfg.Assets[in.Base], Quote: s.cfg.Assets[in.Quote], Collar: in.Collar,
		})
	}
	return out, nil
}

func (s *Server) clock(q *request) (any, *problem) { return Clock{Time: int64(q.now)}, nil }

func (s *Server) document(*request) (any, *problem) { return json.RawMessage(openAPI), nil }
