//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

// This file is the venue's side of a site: the relay, the market, and the servers that a gateway asks.

// openRelay opens a path to each line of the gateway.
func (s *site) openRelay(seed uint64) (err error) {
	var paths []PathConfig
	for _, p := range s.feed.Providers {
		for _, l := range p.Lines {
			paths = append(paths, PathConfig{Name: p.Name + "/" + l.ID.String(), To: reachablePort(l.Addr), Interface: l.Interface})
		}
	}
	s.relay, err = OpenRelay(max(seed, 1), paths)
	return err
}

// openVenue opens the market and its servers.
func (s *site) openVenue(seed uint64) (err error) {
	servers := map[netip.AddrPort]bool{}
	for _, p := range s.feed.Providers {
		for _, server := range p.Retransmit.Servers {
			servers[server] = true
		}
	}
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	cfg := livevenue.DefaultConfig(max(seed, 1))
	live := &cfg.Feed
	live.Feed.Lines = live.Feed.Lines[:1] // the relay makes the others
	live.Feed.Lines[0].Group = s.relay.Addr()
	s.instruments = len(live.Feed.Market.Listings)
	// A session of its own, so that a gateway that runs already does not take it for one that goes on.
	live.Feed.Sender.Session = fmt.Sprintf("C%09d", time.Now().Unix()%1_000_000_000)
	live.Feed.Sender.Heartbeat = market.Nanos(min(time.Second, s.feed.Silence/4))
	cfg.Retransmit, cfg.Control = loopback, loopback
	if cfg.Glimpse, err = netip.ParseAddrPort(s.feed.Providers[0].Snapshots.Servers[0].Address); err != nil {
		return fmt.Errorf("snapshot server: %w", err)
	}
	setClock(&live.Feed.Market, time.Now())
	if s.venue, err = livevenue.Open(cfg); err != nil {
		return err
	}
	for server := range servers {
		r, err := openResender(server, s.venue.RetransmitAddr())
		if err != nil {
			return err
		}
		s.resenders = append(s.resenders, r)
	}
	return nil
}

// dayHalf is how far back the venue's midnight lies at most: the market then has half a day to go.
const dayHalf = 12 * time.Hour

// setClock has the market begin now, by a clock that shows the same for all runs of half a day: a gateway that runs
// already has learned by how much the venue's differs from its own.
func setClock(m *venue.Config, now time.Time) {
	midnight := now.Truncate(dayHalf)
	m.Midnight = market.Nanos(midnight.UnixNano())
	m.Open = market.Nanos(now.Sub(midnight)) + m.PreOpen
	m.Trading = market.Day - market.Minute - m.Open
	m.Halts = venue.LiveHalts(m.Listings, m.Trading)
}

// start lets the market begin.
func (s *site) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.relaying = stop, true
	go func() {
		if err := s.relay.Run(); err != nil {
			s.failures <- err
		}
	}()
	s.trading.Go(func() {
		var err error
		if s.truth, err = s.venue.Run(ctx); err != nil {
			s.failures <- err
		}
	})
}

// end closes the market, waits until the gateway has heard of it, and returns the venue's books as they then are.
func (s *site) end(ctx context.Context) ([]venue.BookTruth, error) {
	s.stop()
	s.trading.Wait()
	err := s.wait(ctx, "the end of the market", func() error {
		channels, err := s.channels(ctx)
		if err != nil {
			return err
		}
		for name := range channels {
			for _, l := range channels[name].Lines {
				if l.Name != "R" && l.HighWater <= s.truth.Messages {
					return fmt.Errorf("line %s of %s has come to %d of %d", l.Name, name, l.HighWater, s.truth.Messages)
				}
			}
		}
		return nil
	})
	return s.truth.Books, err
}

// setSnapshots changes what is wrong with snapshots.
func (s *site) setSnapshots(to venue.SoupSettings) (livevenue.SoupStatus, error) {
	return s.venue.SetGlimpse(func(settings *venue.SoupSettings) error { *settings = to; return nil })
}

// snapshotCounts returns what the snapshot server did.
func (s *site) snapshotCounts() (livevenue.SoupStatus, error) {
	return s.venue.SetGlimpse(func(*venue.SoupSettings) error { return nil })
}

// traded reports an error until every instrument trades.
func (s *site) traded(context.Context) error {
	truth, err := s.venue.Truth()
	if err != nil {
		return err
	}
	for _, b := range truth.Books {
		if len(b.Bids) == 0 || len(b.Asks) == 0 || b.Trades.Count == 0 {
			return fmt.Errorf("%s does not trade yet", b.Symbol)
		}
	}
	return nil
}
