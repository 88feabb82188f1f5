package venue

import (
	"fmt"

	"tidegate/market"
)

// A LiveConfig describes a feed that is published while time passes.
type LiveConfig struct {
	// Feed is the market, its packets and its lines. Messages wait for each other no longer than from
	// one tick to the next, whatever the Linger. Lines begin without Down and Clogged spans: they are
	// taken down and clogged by hand.
	Feed FeedConfig
	// Speed is how many times faster than the caller's time the market's time passes.
	Speed float64
	// Endless lets a session follow each that ends: the next seed, the next day, the next session name,
	// sequence numbers from 1. The session name must end in a digit.
	Endless bool
	// History is how many of the latest messages can be asked for again.
	History int
	// RequestsPerSecond is how many retransmit requests are answered, in the caller's time.
	RequestsPerSecond int
}

// Limits of a LiveConfig.
const (
	SpeedMax    = 10_000
	historyMax  = 1 << 24 // messages; 50 bytes each are set aside
	requestsMax = 1_000_000
)

// DefaultLiveConfig returns the default market in real time on two perfect lines, day after day,
// opening two seconds after the start, with a halt of half a minute every five.
func DefaultLiveConfig(seed uint64) LiveConfig {
	c := LiveConfig{
		Feed: DefaultFeedConfig(seed), Speed: 1, Endless: true,
		History: 1 << 18, RequestsPerSecond: 5_000,
	}
	c.Feed.Protected = false
	for i := range c.Feed.Lines {
		c.Feed.Lines[i].Impairment = Impairment{}
	}
	m := &c.Feed.Market
	m.Open, m.PreOpen = 2*market.Second, 2*market.Second
	m.Trading = market.Day - 2*market.Minute
	m.Halts = LiveHalts(m.Listings, m.Trading)
	return c
}

// LiveHalts returns a halt of half a minute every five minutes, of one listing after the other.
func LiveHalts(listings []Listing, trading market.Nanos) []Halt {
	const every, length = 5 * market.Minute, 30 * market.Second
	var halts []Halt
	for at := every; at+length < trading; at += every {
		halts = append(halts, Halt{Symbol: listings[len(halts)%len(listings)].Symbol, At: at, For: length})
	}
	return halts
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c LiveConfig) Validate() error {
	if err := c.Feed.Validate(); err != nil {
		return err
	}
	for _, l := range c.Feed.Lines {
		if err := validateLive(l.Impairment); err != nil {
			return fmt.Errorf("line %q: %w", l.Name, err)
		}
	}
	if !(c.Speed >= 0.001 && c.Speed <= SpeedMax) { // so that NaN is refused
		return fmt.Errorf("speed %v: want 0.001 to %d", c.Speed, SpeedMax)
	}
	if name := c.Feed.Sender.Session; c.Endless && (name == "" || !digit(name[len(name)-1])) {
		return fmt.Errorf("session %q: want a name that ends in a digit, to number the sessions by", name)
	}
	if c.History < 1 || c.History > historyMax {
		return fmt.Errorf("history %d messages: want 1 to %d", c.History, historyMax)
	}
	if c.RequestsPerSecond < 1 || c.RequestsPerSecond > requestsMax {
		return fmt.Errorf("requests per second %d: want 1 to %d", c.RequestsPerSecond, requestsMax)
	}
	return nil
}

// validateLive refuses what a line that is switched by hand cannot have.
func validateLive(i Impairment) error {
	if len(i.Down) > 0 || len(i.Clogged) > 0 {
		return fmt.Errorf("down and clogged spans: want none, a live line is taken down and clogged by hand")
	}
	return i.Validate()
}

// nextSession counts up the number at the end of a session's name. After all nines it starts again.
func nextSession(name string) string {
	b := []byte(name)
	for i := len(b) - 1; i >= 0 && digit(b[i]); i-- {
		if b[i]++; b[i] <= '9' {
			break
		}
		b[i] = '0'
	}
	return string(b)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
