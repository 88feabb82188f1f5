//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/ouch"
	"tidegate/gateway/orders/web"
)

// An orderDesk is the market as those who run the gateway see it.
type orderDesk struct {
	cfg    *config.Config
	orders atomic.Pointer[liveOrders] // nil before the market is open

	mu    sync.Mutex // of waits
	waits map[int]*hdrhistogram.Histogram
}

// A marketReport is what /orders answers.
type marketReport struct {
	Lanes    []laneReport      `json:"lanes"`
	Verdicts map[string]uint64 `json:"verdicts"` // on requests, since the start
	Index    uint64            `json:"index"`    // last entry of the input log that queries see
	Messages uint64            `json:"messages"` // of market data
	OUCH     *ouch.Stats       `json:"ouch,omitempty"`
	HTTP     *web.Stats        `json:"http,omitempty"`
}

// A laneReport says how long requests have waited, since the start, in nanoseconds.
type laneReport struct {
	Lane  string `json:"lane"`
	Count int64  `json:"count"`
	P50   int64  `json:"p50_ns"`
	P99   int64  `json:"p99_ns"`
	Max   int64  `json:"max_ns"`
}

// laneNames are what lanes are called, by number.
var laneNames = [...]string{1: "cancels", 2: "high_notional", 3: "normal", 4: "queries"}

var errMarketClosed = errors.New("the market is not open yet")

// market returns what the monitor is to be told.
func (d *orderDesk) market() *admin.Market {
	return &admin.Market{
		Report:  func(ctx context.Context) (any, error) { return d.report(ctx) },
		Metrics: d.metrics, Act: d.act,
	}
}

func (d *orderDesk) report(ctx context.Context) (*marketReport, error) {
	o := d.orders.Load()
	if o == nil {
		return nil, errMarketClosed
	}
	r := &marketReport{Verdicts: make(map[string]uint64), Index: o.gate.Following(), Messages: o.gate.Messages(), Lanes: d.lanes(o.gate)}
	for v := orders.Taken; v.String() != "verdict?"; v++ {
		r.Verdicts[v.String()] = o.gate.Verdicts(v)
	}
	if o.ouch != nil {
		st, err := o.ouch.Stats(ctx)
		if err != nil {
			return nil, err
		}
		r.OUCH = &st
	}
	if o.web != nil {
		st := o.web.Stats()
		r.HTTP = &st
	}
	return r, nil
}

// lanes adds up how long requests have waited since the last time.
func (d *orderDesk) lanes(gate *orders.Gate) (all []laneReport) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waits == nil {
		d.waits = make(map[int]*hdrhistogram.Histogram)
	}
	for _, w := range gate.LaneWaits() {
		h := d.waits[w.Lane]
		if h == nil {
			h = w.Histogram
			d.waits[w.Lane] = h
		} else {
			h.Merge(w.Histogram)
		}
		all = append(all, laneReport{
			Lane: laneNames[w.Lane], Count: h.TotalCount(), P50: h.ValueAtQuantile(50), P99: h.ValueAtQuantile(99), Max: h.Max(),
		})
	}
	return all
}

func (d *orderDesk) metrics(ctx context.Context, emit func(admin.Metric)) {
	r, err := d.report(ctx)
	if err != nil {
		return
	}
	counter := func(name, help string, n uint64, labels ...string) {
		emit(admin.Metric{Name: name, Help: help, Value: float64(n), Counter: true, Labels: labels})
	}
	gauge := func(name, help string, v float64, labels ...string) {
		emit(admin.Metric{Name: name, Help: help, Value: v, Labels: labels})
	}
	for _, l := range r.Lanes {
		counter("orders_lane_requests", "Requests that were taken out of a lane.", uint64(l.Count), "lane", l.Lane)
		for quantile, ns := range map[string]int64{"0.5": l.P50, "0.99": l.P99, "1": l.Max} {
			gauge("orders_lane_wait_seconds", "How long requests have waited in a lane, since the start.", float64(ns)/1e9, "lane", l.Lane, "quantile", quantile)
		}
	}
	for v, n := range r.Verdicts {
		counter("orders_verdicts", "Requests by what became of them at the door.", n, "verdict", v)
	}
	gauge("orders_index", "Last entry of the input log that queries see.", float64(r.Index))
	counter("orders_messages", "Messages of market data.", r.Messages)
	if r.OUCH != nil {
		gauge("orders_ouch_sessions", "Sessions that are logged in by OUCH.", float64(r.OUCH.Sessions))
		counter("orders_ouch_requests", "Messages of OUCH clients.", r.OUCH.Counts.Requests)
		counter("orders_ouch_messages", "Numbered messages sent to OUCH clients, each time they were.", r.OUCH.Counts.Messages)
		counter("orders_ouch_garbage", "Messages of OUCH clients that could not be read.", r.OUCH.Counts.Garbage)
		counter("orders_ouch_refused_logins", "Logins by OUCH that were refused.", r.OUCH.Counts.Refused)
		for reason, n := range r.OUCH.Closes {
			counter("orders_ouch_closes", "OUCH connections that were closed, by reason.", n, "reason", reason)
		}
	}
	if r.HTTP != nil {
		counter("orders_http_requests", "Requests by HTTP.", r.HTTP.Requests)
		gauge("orders_http_streams", "Streams of events that are open.", float64(r.HTTP.Streams))
		for code, n := range r.HTTP.Problems {
			counter("orders_http_problems", "Requests by HTTP that were answered with an error, by code.", n, "code", string(code))
		}
	}
}

// act does what an operator wants.
func (d *orderDesk) act(ctx context.Context, what string, body []byte) (any, error) {
	o := d.orders.Load()
	if o == nil {
		return nil, errMarketClosed
	}
	ctx, cancel := context.WithTimeout(ctx, stopMax)
	defer cancel()
	var w struct {
		Account, Symbol, State, Asset, Amount string
		On                                    *bool
		Reference                             uint64
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w); err != nil {
		return nil, fmt.Errorf("%w: %w", admin.ErrWish, err)
	}
	var err error
	switch what {
	case "kill":
		err = d.kill(ctx, o.gate, w.Account, w.On)
	case "state":
		err = d.state(ctx, o.gate, w.Symbol, w.State)
	case "adjust":
		err = d.adjust(ctx, o.gate, w.Account, w.Asset, w.Amount, w.Reference)
	default:
		err = fmt.Errorf("%q: %w", what, admin.ErrUnknown)
	}
	if err != nil {
		return nil, err
	}
	return map[string]bool{"done": true}, nil
}

// account returns the account with a name.
func (d *orderDesk) account(name string) (orders.AccountID, error) {
	for _, a := range d.cfg.Orders.Accounts {
		if a.Name == name {
			return orders.AccountID(a.ID), nil
		}
	}
	return 0, fmt.Errorf("account %q: %w", name, admin.ErrUnknown)
}

// kill turns the kill switch of an account, or of all, on or off.
func (d *orderDesk) kill(ctx context.Context, gate *orders.Gate, name string, on *bool) error {
	if on == nil {
		return fmt.Errorf("%w: want on, true or false", admin.ErrWish)
	}
	if name == "" {
		return gate.Kill(ctx, 0, *on)
	}
	account, err := d.account(name)
	if err != nil {
		return err
	}
	return gate.Kill(ctx, account, *on)
}

func (d *orderDesk) state(ctx context.Context, gate *orders.Gate, symbol, name string) error {
	state, ok := orderStates[name]
	if !ok {
		return fmt.Errorf("%w: state %q: want closed, pre-open, open or halted", admin.ErrWish, name)
	}
	in, ok := gate.Instrument(symbol)
	if !ok {
		return fmt.Errorf("instrument %q: %w", symbol, admin.ErrUnknown)
	}
	return gate.SetState(ctx, in.ID, state)
}

func (d *orderDesk) adjust(ctx context.Context, gate *orders.Gate, name, asset, text string, reference uint64) error {
	account, err := d.account(name)
	if err != nil {
		return err
	}
	amount, err := orders.ParseMoney(text)
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrWish, err)
	}
	if reference == 0 {
		return fmt.Errorf("%w: want a reference, higher for each adjustment of an account", admin.ErrWish)
	}
	for _, a := range d.cfg.Orders.Assets {
		if a.Name == asset {
			return gate.Adjust(ctx, account, orders.AssetID(a.ID), amount, reference)
		}
	}
	return fmt.Errorf("asset %q: %w", asset, admin.ErrUnknown)
}
