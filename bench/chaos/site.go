//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tidegate/gateway"
	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue/livevenue"
)

// Options says what to drill, and on which gateway.
type Options struct {
	// Gateway is the gateway's configuration: where it listens, and whom it asks.
	Gateway *config.Config
	// Command starts that gateway, in Dir, where its log goes to; without one it runs already.
	Command []string
	Dir     string
	Plan    Plan
	Seed    uint64       // of the market and of chances; 0 is 1
	Say     func(string) // is told what goes on; nil: nobody
}

// patience is how long anything may take that should take a moment: the machine may be busy.
const patience = 30 * time.Second

// A site is everything that surrounds a gateway, and how to reach it.
type site struct {
	cfg       *config.Config
	feed      *config.Feed
	client    http.Client
	adminURL  string
	token     string
	relay     *Relay
	venue     *livevenue.Venue
	resenders []*resender
	gateway   *gatewayProcess // nil: somebody else's
	follower  *follower
	quotes    *quotes // nil: no consolidated dataset
	timers    *timerWatch

	trading  sync.WaitGroup     // the venue
	stop     context.CancelFunc // of the venue
	truth    livevenue.Truth    // at its end
	failures chan error         // of what runs
	relaying bool

	instruments int
}

// feedOf returns the first feed that drills can be about.
func feedOf(c *config.Config) (*config.Feed, error) {
	i := slices.IndexFunc(c.Feeds, func(f config.Feed) bool { return len(f.Providers) > 1 })
	if i < 0 {
		return nil, errors.New("no feed has several providers")
	}
	f := &c.Feeds[i]
	if f.Protocol != gateway.ITCH {
		return nil, fmt.Errorf("feed %q: protocol %s: want itch", f.Name, f.Protocol)
	}
	snapshots := map[string]bool{}
	for _, p := range f.Providers {
		switch {
		case p.TCP.Address != "":
			return nil, fmt.Errorf("feed %q: provider %q: want no line by tcp", f.Name, p.Name)
		case len(p.Lines) < 2 || len(p.Retransmit.Servers) == 0 || len(p.Snapshots.Servers) == 0:
			return nil, fmt.Errorf("feed %q: provider %q: want two lines, a retransmit server and a snapshot server", f.Name, p.Name)
		}
		for _, s := range p.Snapshots.Servers {
			snapshots[s.Address] = true
		}
	}
	if len(snapshots) != 1 {
		return nil, fmt.Errorf("feed %q: %d snapshot servers: want the same one for all providers", f.Name, len(snapshots))
	}
	if c.Admin.Listen == "" {
		return nil, errors.New("admin.listen: want an address: the ledgers are there")
	}
	return f, nil
}

func (o *Options) open(ctx context.Context) (s *site, err error) {
	s = &site{cfg: o.Gateway, token: o.Gateway.Admin.Token, failures: make(chan error, 4), timers: watchTimers()}
	s.client.Timeout = patience
	if err = s.build(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("chaos: %w", err), s.close())
	}
	return s, nil
}

func (s *site) build(ctx context.Context, o *Options) (err error) {
	if s.feed, err = feedOf(s.cfg); err != nil {
		return fmt.Errorf("the gateway's configuration: %w", err)
	}
	s.adminURL = "http://" + reachable(s.cfg.Admin.Listen)
	if err = s.openRelay(o.Seed); err != nil {
		return err
	}
	if len(o.Command) > 0 {
		if s.gateway, err = startGateway(o.Command, o.Dir); err != nil {
			return err
		}
	}
	if err = s.wait(ctx, "the gateway", func() error { return s.get(ctx, "/health", nil) }); err != nil {
		return err
	}
	if err = s.openVenue(o.Seed); err != nil {
		return err
	}
	s.start()
	if err = s.wait(ctx, "the market", func() error { return s.traded(ctx) }); err != nil {
		return err
	}
	return s.subscribe(ctx)
}

func (s *site) subscribe(ctx context.Context) (err error) {
	c := lsgclient.Config{Addr: reachable(s.cfg.Subscribers.Listen), Dataset: s.feed.Publisher.Dataset, Client: "tidegate-chaos"}
	key := slices.IndexFunc(s.cfg.Subscribers.Keys, func(k config.Key) bool { return !k.Disabled })
	if key < 0 {
		return errors.New("the gateway's configuration: no key is enabled")
	}
	c.Key = s.cfg.Subscribers.Keys[key].Key
	if s.follower, err = follow(ctx, c, s.relay.cameAt); err != nil {
		return err
	}
	if c.Dataset = s.cfg.Consolidated.Dataset; c.Dataset == "" {
		return nil
	}
	s.quotes, err = followQuotes(ctx, c)
	return err
}

// close ends what was started, the gateway last, and reports what failed meanwhile.
func (s *site) close() error {
	var errs []error
	s.endTimers()
	if s.follower != nil {
		s.follower.close()
	}
	if s.quotes != nil {
		s.quotes.close()
	}
	if s.stop != nil {
		s.stop()
	}
	s.trading.Wait()
	if s.relay != nil {
		s.relay.Close(s.relaying)
	}
	if s.venue != nil && s.stop == nil { // it never ran, and only that closes its sockets
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.venue.Run(ctx)
		errs = append(errs, err)
	}
	for _, r := range s.resenders {
		r.close()
	}
	if s.gateway != nil {
		errs = append(errs, s.gateway.stop())
	}
	select {
	case err := <-s.failures:
		errs = append(errs, err)
	default:
	}
	return errors.Join(errs...)
}

// endTimers returns what the watch over the machine's timers saw.
func (s *site) endTimers() Distribution {
	if s.timers == nil {
		return Distribution{}
	}
	seen, err := s.timers.end()
	s.timers = nil
	if err != nil {
		s.failures <- err
	}
	return seen
}

// failed returns why something that runs has ended, nil if nothing has.
func (s *site) failed() error {
	select {
	case err := <-s.failures:
		return err
	default:
	}
	if s.gateway != nil {
		return s.gateway.ended()
	}
	return nil
}

// wait tries until try succeeds.
func (s *site) wait(ctx context.Context, what string, try func() error) error {
	return s.waitFor(ctx, patience, what, try)
}

func (s *site) waitFor(ctx context.Context, most time.Duration, what string, try func() error) error {
	deadline := time.Now().Add(most)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if failed := s.failed(); failed != nil {
			return failed
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s: %w", most, what, err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// get asks the admin interface.
func (s *site) get(ctx context.Context, page string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.adminURL+page, http.NoBody)
	if err != nil {
		return err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", req.URL, resp.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// channels returns what the gateway says of the channels of the feed, by provider.
func (s *site) channels(ctx context.Context) (map[string]admin.FeedReport, error) {
	var all admin.FeedsReport
	if err := s.get(ctx, "/feeds", &all); err != nil {
		return nil, err
	}
	found := map[string]admin.FeedReport{}
	for i := range all.Feeds {
		if name, ok := strings.CutPrefix(all.Feeds[i].Name, s.feed.Name+"/"); ok {
			found[name] = all.Feeds[i]
		}
	}
	for _, p := range s.feed.Providers {
		if _, ok := found[p.Name]; !ok {
			return nil, fmt.Errorf("the gateway has no channel %s/%s: does it run with this configuration?", s.feed.Name, p.Name)
		}
	}
	return found, nil
}

// choice returns what the gateway says of the choice among the providers of the feed.
func (s *site) choice(ctx context.Context) (*admin.ChoiceReport, error) {
	var all admin.ProvidersReport
	if err := s.get(ctx, "/providers", &all); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all.Feeds, func(c admin.ChoiceReport) bool { return c.Feed == s.feed.Name })
	if i < 0 {
		return nil, fmt.Errorf("the gateway has no feed %s: does it run with this configuration?", s.feed.Name)
	}
	return &all.Feeds[i], nil
}

// reachable makes the address of a listener one that can be connected to.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func reachablePort(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return addr
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, t time.Duration) error {
	if t <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
