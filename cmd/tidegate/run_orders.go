//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"tidegate/book/match"
	"tidegate/gateway/config"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/marketdata"
	"tidegate/gateway/orders/ouch"
	"tidegate/gateway/orders/web"
	"tidegate/market"
)

// A liveOrders is the market that the gateway runs itself, and the ports that lead to it.
type liveOrders struct {
	log  *slog.Logger
	gate *orders.Gate
	ouch *ouch.Server // nil: does not listen
	web  *web.Server  // nil: does not listen
	refs *references  // nil: no instrument follows a quote
	data *marketdata.Publisher

	endRefs context.CancelFunc
}

// ordersConfigs are what the parts are made of.
type ordersConfigs struct {
	gate orders.Config
	ouch ouch.Config
	web  web.Config
	refs map[string][]market.InstrumentID // by symbol of the consolidated dataset
}

var (
	orderStates    = map[string]match.State{"closed": match.Closed, "pre-open": match.PreOpen, "open": match.Open, "halted": match.Halted}
	orderSelfTrade = map[string]match.SelfTrade{
		"allow": match.AllowSelf, "cancel_newest": match.CancelNewest, "cancel_oldest": match.CancelOldest,
		"cancel_both": match.CancelBoth, "decrement": match.DecrementBoth,
	}
	orderStale = map[string]match.StalePolicy{"refuse": match.RefuseStale, "hold": match.HoldStale}
)

// configureOrders makes what the parts want of what the configuration says.
func configureOrders(cfg *config.Config) (c ordersConfigs, err error) {
	o := &cfg.Orders
	c.gate = orders.Config{
		Dir: o.Dir, Relaxed: o.Relaxed, CommitEvery: o.CommitEvery, SnapshotEvery: uint64(o.SnapshotEvery), MatchingLoops: o.MatchingLoops,
		Engine: match.Config{OrdersMax: o.Memory.Orders}, IDsMax: o.Memory.IDs, RecentMax: o.Memory.Reports,
		Lanes:           [3]int{o.Lanes.Cancels, o.Lanes.HighNotional, o.Lanes.Normal},
		PatienceMax:     [3]int{0, o.Lanes.PatienceHighNotional, o.Lanes.PatienceNormal},
		SessionQueueMax: o.Lanes.Session, Queries: o.Lanes.Queries, QueriesWaitingMax: o.Lanes.QueriesWaiting, InFlightMax: o.Lanes.InFlight,
	}
	c.ouch = ouch.Config{
		Addr: o.OUCH.Listen, TLSAddr: o.OUCH.TLS.Listen, Loops: o.OUCH.Loops, Session: o.OUCH.Session,
		Firms: make(map[orders.AccountID]string), Limits: ouch.Limits(o.OUCH.Limits),
	}
	c.web = web.Config{Addr: o.HTTP.Listen, Assets: make(map[orders.AssetID]string), Limits: web.Limits(o.HTTP.Limits)}
	if o.HTTP.TLS {
		c.web.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{o.HTTP.Certificate}}
	}
	assets := make(map[string]orders.AssetID)
	for _, a := range o.Assets {
		assets[a.Name], c.web.Assets[orders.AssetID(a.ID)] = orders.AssetID(a.ID), a.Name
	}
	if err := c.instruments(cfg, assets); err != nil {
		return c, err
	}
	accounts := make(map[string]orders.AccountID)
	for i := range o.Accounts {
		a, err := accountOf(&o.Accounts[i], assets)
		if err != nil {
			return c, fmt.Errorf("account %q: %w", a.Name, err)
		}
		accounts[a.Name] = a.ID
		if firm := o.Accounts[i].Firm; firm != "" {
			c.ouch.Firms[a.ID] = firm
		}
		c.gate.Accounts = append(c.gate.Accounts, a)
	}
	c.web.Accounts = c.gate.Accounts
	for i := range o.Sessions {
		if err := c.session(&o.Sessions[i], accounts); err != nil {
			return c, fmt.Errorf("session %q: %w", o.Sessions[i].Name, err)
		}
	}
	return c, nil
}

func (c *ordersConfigs) instruments(cfg *config.Config, assets map[string]orders.AssetID) error {
	c.refs = make(map[string][]market.InstrumentID)
	for _, in := range cfg.Orders.Instruments {
		high, err := moneyOf(in.HighNotional)
		if err != nil {
			return fmt.Errorf("instrument %q: %w", in.Symbol, err)
		}
		id := market.InstrumentID(in.ID)
		c.gate.Instruments = append(c.gate.Instruments, orders.Instrument{
			Instrument: match.Instrument{
				ID: id, TickSize: in.TickSize, LotSize: market.Size(in.LotSize), Collar: uint32(in.Collar),
				ReferenceAgeMax: market.Nanos(in.ReferenceAge), WhenStale: orderStale[in.WhenStale],
			},
			Symbol: in.Symbol, Base: assets[in.Base], Quote: assets[in.Quote], BaseUnit: uint64(in.BaseUnit), PriceFor: uint64(in.PriceFor),
			HighNotional: high, SizeMax: market.Size(in.SizeMax), Open: orderStates[in.State],
		})
		if in.Reference == "" {
			continue
		}
		if cfg.Consolidated.Dataset == "" {
			return fmt.Errorf("instrument %q: its reference is a consolidated quote, and consolidated.dataset is not set", in.Symbol)
		}
		c.refs[in.Reference] = append(c.refs[in.Reference], id)
	}
	c.web.Instruments = c.gate.Instruments
	return nil
}

// moneyOf returns an amount of the configuration, zero where nothing is said.
func moneyOf(text string) (orders.Money, error) {
	if text == "" {
		return orders.Money{}, nil
	}
	return orders.ParseMoney(text)
}

func accountOf(from *config.OrdersAccount, assets map[string]orders.AssetID) (orders.Account, error) {
	a := orders.Account{
		ID: orders.AccountID(from.ID), Name: from.Name, Disabled: from.Disabled, Unchecked: from.Unchecked,
		OrdersMax: uint32(from.OrdersMax), RateMax: from.RateMax,
		Credit: make(map[orders.AssetID]orders.Money), Deposit: make(map[orders.AssetID]orders.Money),
	}
	var err error
	if a.NotionalMax, err = moneyOf(from.NotionalMax); err != nil {
		return a, err
	}
	for _, list := range []struct {
		from map[string]string
		to   map[orders.AssetID]orders.Money
	}{{from.Credit, a.Credit}, {from.Deposit, a.Deposit}} {
		for asset, text := range list.from {
			if list.to[assets[asset]], err = moneyOf(text); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

func (c *ordersConfigs) session(from *config.OrdersSession, accounts map[string]orders.AccountID) error {
	s := orders.SessionConfig{ID: orders.SessionID(from.ID), Name: from.Name, OrdersMax: uint32(from.OrdersMax), RateMax: from.RateMax}
	for _, name := range from.Accounts {
		s.Accounts = append(s.Accounts, accounts[name])
	}
	c.gate.Sessions = append(c.gate.Sessions, s)
	if from.Username == "" {
		c.web.Keys = append(c.web.Keys, web.Key{ID: from.Key, Secret: []byte(from.Secret), Session: s.ID})
		return nil
	}
	hash, err := ouch.ParsePasswordHash(from.PasswordHash)
	if err != nil {
		return fmt.Errorf("password_hash: %w", err)
	}
	c.ouch.Users = append(c.ouch.Users, ouch.User{
		Username: from.Username, Password: hash, Session: s.ID, CancelOnDisconnect: from.CancelOnDisconnect,
		SelfTrade: orderSelfTrade[from.SelfTrade],
	})
	return nil
}

// openOrders opens the market, if one is wanted, and the ports. The ingest loop runs.
func (g *liveGateway) openOrders() error {
	if g.cfg.Orders.Dir == "" {
		return nil
	}
	c, err := configureOrders(g.cfg)
	if err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	o := &liveOrders{log: g.log, data: g.marketData}
	c.gate.MarketData, c.gate.MarketDataSync = o.data.Message, o.data.Sync
	c.gate.Notify = func(text string, alarm bool) {
		if alarm {
			o.log.Error("orders: " + text)
			return
		}
		o.log.Info("orders: " + text)
	}
	if o.gate, err = orders.Open(c.gate); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	g.orders = o
	if err := o.data.Serve(o.gate.Messages()); err != nil {
		return fmt.Errorf("market data: %w", err)
	}
	g.log.Info("orders", "dir", g.cfg.Orders.Dir, "instruments", len(c.gate.Instruments), "accounts", len(c.gate.Accounts), "durable", !c.gate.Relaxed)
	if err := o.follow(g, c.refs); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	if err := o.listen(g.cfg, &c); err != nil {
		return err
	}
	g.desk.orders.Store(o)
	return nil
}

// listen opens the ports.
func (o *liveOrders) listen(cfg *config.Config, c *ordersConfigs) error {
	if c.ouch.Addr != "" {
		c.ouch.Log = o.log
		if c.ouch.TLSAddr != "" {
			c.ouch.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cfg.Orders.OUCH.TLS.Certificate}}
		}
		server, err := ouch.New(c.ouch, o.gate, c.gate.Instruments)
		if err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		if err := server.Start(); err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		o.ouch = server
		o.log.Info("orders by ouch", "address", server.Addr().String(), "users", len(c.ouch.Users))
		if addr := server.TLSAddr(); addr != nil {
			o.log.Info("orders by ouch with tls", "address", addr.String())
		}
	}
	if c.web.Addr != "" {
		c.web.Log = o.log
		server, err := web.New(c.web, o.gate)
		if err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		if err := server.Start(); err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		o.web = server
		scheme := "http"
		if c.web.TLS != nil {
			scheme = "https"
		}
		o.log.Info("orders by http", "url", fmt.Sprintf("%s://%s/", scheme, server.Addr()), "keys", len(c.web.Keys))
	}
	return nil
}

// stop ends the market: clients first, and then, when all that was taken is durable, the gate and its data.
func (o *liveOrders) stop(ctx context.Context) error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.ouch != nil {
		errs = append(errs, o.ouch.Stop(ctx))
	}
	if o.web != nil {
		errs = append(errs, o.web.Stop(ctx))
	}
	if o.refs != nil {
		o.endRefs()
		<-o.refs.ended
	}
	errs = append(errs, o.gate.Close(ctx))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}
