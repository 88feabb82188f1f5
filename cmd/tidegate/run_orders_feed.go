//go:build linux

package main

import (
	"crypto/rand"
	"fmt"
	"net/netip"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/config"
	"tidegate/gateway/orders/marketdata"
	"tidegate/market"
)

// The gateway's own market is a feed like others: ITCH 5.0, which the gateway hears by SoupBinTCP from itself,
// from the first message on. So its books are rebuilt, and subscribers served, as those of any venue, after a
// restart too.

// ownFeedName is what the feed of the gateway's own market is called.
const ownFeedName = "orders"

// openMarketData opens the sockets of the market's data, if there is a market, and adds its feed to the
// configuration.
func (g *liveGateway) openMarketData() error {
	o := &g.cfg.Orders
	if o.Dir == "" {
		return nil
	}
	from := &o.MarketData
	c := marketdata.Config{
		Dir: o.Dir, Session: from.Session, Lines: from.Lines, From: from.From, Retransmit: from.Retransmit, Soup: from.Soup,
		Notify: func(text string) { g.log.Info("market data: " + text) },
	}
	var login config.Login
	if o.Publish && !c.Soup.IsValid() {
		c.Soup = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
		login = config.Login{Username: "OWN", Password: rand.Text()[:10]} // nobody else's port
	}
	if len(from.Users) > 0 || login.Username != "" {
		c.Users = make(map[string]string)
		if login.Username != "" {
			c.Users[login.Username] = login.Password
		}
		for _, u := range from.Users {
			c.Users[u.Username], login = u.Password, u
		}
	}
	var err error
	if g.marketData, err = marketdata.New(c); err != nil {
		return fmt.Errorf("market data: %w", err)
	}
	if from.Soup.IsValid() {
		g.log.Info("market data by soupbintcp", "address", g.marketData.SoupAddr().String())
	}
	if o.Publish {
		g.cfg = withOwnFeed(g.cfg, g.marketData.SoupAddr(), login)
	}
	return nil
}

// withOwnFeed adds the feed of the gateway's own market to a configuration.
func withOwnFeed(cfg *config.Config, addr netip.AddrPort, login config.Login) *config.Config {
	if ip := addr.Addr(); ip.IsUnspecified() {
		loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if ip.Is6() {
			loopback = netip.IPv6Loopback()
		}
		addr = netip.AddrPortFrom(loopback, addr.Port())
	}
	c := *cfg
	c.Feeds = append(append([]config.Feed(nil), cfg.Feeds...), config.Feed{
		Name: ownFeedName, Protocol: gateway.ITCH, Publisher: market.Own, GapDeadline: config.GapDeadlineDefault,
		StaleAfter: config.StaleAfterDefault, Silence: config.SilenceDefault, FailBack: config.FailBackDefault,
		Providers: []config.Provider{{
			Name: ownFeedName, TCP: config.TCPLine{ID: arbiter.LineA, Address: addr.String(), Login: login},
		}},
	})
	return &c
}

// own reports whether this is the feed of the gateway's own market.
func (g *liveGateway) own(f *liveFeed) bool {
	return g.marketData != nil && f.cfg.Name == ownFeedName && f.cfg.Publisher == market.Own
}
