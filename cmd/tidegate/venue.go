package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

type venueCmd struct {
	Seed        uint64         `default:"1" help:"The same seed gives the same messages, whatever the lines do to them."`
	Instruments int            `default:"8" help:"How many instruments trade: 1 to 65535. The first, ALFA, is the busiest."`
	Rate        int            `default:"1600" help:"Messages per second of the market's time, on average: 1 to 10000000. Bursts exceed it many times over."`
	Speed       string         `default:"1x" help:"How many times faster than the clock the market's time passes: 0.001x to 10000x. Below 1x its clock runs slow: a gateway finds the feed later and later, and says that it is stale."`
	Trading     time.Duration  `placeholder:"TIME" help:"Close so long after the open, in the market's time, and end: 1s to 23h58m, such as 90s or 2h. Default: until stopped, with a new session each day of the market's time."`
	A           netip.AddrPort `name:"a" default:"127.0.0.1:26400" help:"Where line A sends: the address of a machine, or a multicast group, with UDP port."`
	B           netip.AddrPort `name:"b" default:"127.0.0.1:26401" help:"Where line B sends."`
	Interface   string         `short:"i" placeholder:"NAME" help:"Interface by which multicast leaves, such as eth1 or lo. Needed for groups, and for nothing else."`
	Hops        int            `default:"0" help:"How far multicast goes, 0 to 255 (its time to live): 0 stays on this machine, 1 on its network."`
	Retransmit  netip.AddrPort `default:"127.0.0.1:26402" help:"Where MoldUDP64 retransmit requests are taken, over UDP; with port 0 the system chooses one."`
	History     int            `default:"262144" help:"How many of the latest messages can be asked for again: 1 to 16777216."`
	Requests    int            `default:"5000" help:"How many retransmit requests are answered per second: 1 to 1000000. More get no answer."`
	Soup        netip.AddrPort `placeholder:"ADDR" help:"Serve the messages over TCP too, by SoupBinTCP, from the one that a client asks for, as far back as --history. Any username and password will do. With port 0 the system chooses one."`
	Glimpse     netip.AddrPort `placeholder:"ADDR" help:"Serve snapshots over TCP, by Nasdaq GLIMPSE 5.0, likewise."`
	Control     netip.AddrPort `default:"127.0.0.1:26480" help:"Where the control endpoint listens, over HTTP: a loopback address; with port 0 the system chooses one."`
	Imperfect   bool           `help:"Begin with lines that lose, repeat, delay and reorder about one packet in a thousand each. The control endpoint changes that."`
	Protected   bool           `help:"Never lose a packet on both lines, as long as one is up: a gateway that merges them misses nothing."`
	Quiet       bool           `short:"q" help:"No status line every 10 s. There is none where standard error is no terminal."`
}

// Help is shown below the flags' summary.
func (venueCmd) Help() string {
	return `Publishes an invented market as Nasdaq TotalView-ITCH 5.0 over MoldUDP64, in real time, on two lines. A gateway that fits it as it is, to be started first because the venue names its instruments at the start:

  tidegate run -c deploy/venue.example.yaml

Interrupt the venue (or send SIGTERM) and trading closes, the session ends, and the command exits with code 0.

The control endpoint changes the lines and shows the truth, in JSON:

  curl localhost:26480/lines
  curl localhost:26480/lines/a -d '{"loss": 0.01, "jitter": "200us"}'
  curl localhost:26480/lines/b -d '{"down": true}'
  curl -X POST localhost:26480/pause
  curl localhost:26480/truth
  curl -X POST localhost:26480/resume

A line has loss, duplicate and reorder, and burst {enter, leave, loss}, which are probabilities of a packet from 0 to 1; delay, jitter and reorder_by, which are times such as "200us"; and down and clogged, which are true or false. What a request does not name stays as it is. While the market is paused, the books of /truth are those after the message with the sequence number "sent".

With --soup and --glimpse it also changes what goes wrong with messages and snapshots over TCP:

  curl localhost:26480/soup -d '{"drop_after": 1000}'
  curl localhost:26480/glimpse -d '{"stale": true}'

Both have refuse (logins) and stalled (nothing is sent), which are true or false; drop_after, the messages after which a connection is closed; and drip, a limit in bytes per second. Snapshots also have stale, and truncate, the messages after which they end without an end.`
}

// venueTradingMax is the day from the open, two seconds after its start, less a minute for the close.
const venueTradingMax = 24*time.Hour - time.Minute - 2*time.Second

func (c *venueCmd) config() (livevenue.Config, error) {
	cfg := livevenue.DefaultConfig(c.Seed)
	cfg.Interface, cfg.Hops, cfg.Retransmit, cfg.Control = c.Interface, c.Hops, c.Retransmit, c.Control
	cfg.Soup, cfg.Glimpse = c.Soup, c.Glimpse
	live := &cfg.Feed
	live.History, live.RequestsPerSecond = c.History, c.Requests
	var err error
	if live.Speed, err = parseSpeed(c.Speed); err != nil || live.Speed == 0 {
		return cfg, fmt.Errorf("--speed %q: want a multiple from 0.001x to %dx", c.Speed, venue.SpeedMax)
	}
	trading := c.Trading
	if trading == 0 {
		trading = venueTradingMax // until stopped
	}
	if err := checkMarket(c.Instruments, c.Rate, trading, venueTradingMax); err != nil {
		return cfg, err
	}
	m := &live.Feed.Market
	m.Rate, m.Listings = c.Rate, venue.Listings(c.Instruments)
	if c.Trading != 0 {
		m.Trading, live.Endless = market.Nanos(c.Trading), false
	}
	m.Halts = venue.LiveHalts(m.Listings, m.Trading)
	lines := live.Feed.Lines
	lines[0].Group, lines[1].Group = c.A, c.B
	if c.Imperfect {
		for i, l := range venue.DefaultFeedConfig(c.Seed).Lines {
			lines[i].Impairment = l.Impairment
			lines[i].Down, lines[i].Clogged = nil, nil // by hand only
		}
	}
	live.Feed.Protected = c.Protected
	return cfg, cfg.Validate()
}

// Run publishes until it is interrupted or the market closes.
func (c *venueCmd) Run(ctx context.Context, con *console) error {
	cfg, err := c.config()
	if err != nil {
		return usageError{err}
	}
	v, err := livevenue.Open(cfg)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: another venue may be running; --retransmit and --control take other addresses", err)
	}
	if err != nil {
		return err
	}
	c.describe(con.Out, v)

	var status sync.WaitGroup
	defer status.Wait()
	if !c.Quiet && isTerminal(con.Err) {
		ended, stop := context.WithCancel(context.Background())
		defer stop()
		status.Go(func() { showStatus(ended, con.Err, v) })
	}
	truth, err := v.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.Out, "session %s ended after message %d; %d data packets, %d heartbeats in all\n",
		truth.Session, truth.Sent, truth.Packets.Data, truth.Packets.Heartbeats)
	for _, l := range truth.Lines {
		fmt.Fprintf(con.Out, "line %s: %d packets sent, %d lost, %d duplicated, %d reordered, %d clogged\n",
			l.Name, l.Packets, l.Lost, l.Duplicated, l.Reordered, l.Clogged)
	}
	r := truth.Retransmit
	fmt.Fprintf(con.Out, "retransmit: %d requests, %d answered with %d messages\n", r.Requests, r.Answered, r.Messages)
	return nil
}

// describe says what is published, and where.
func (c *venueCmd) describe(w io.Writer, v *livevenue.Venue) {
	until := "until stopped"
	if c.Trading != 0 {
		until = fmt.Sprintf("for %v of the market's time", c.Trading)
	}
	fmt.Fprintf(w, "simulated venue: seed %d, %d instruments, %d messages a second at %s, %s\n",
		c.Seed, c.Instruments, c.Rate, c.Speed, until)
	fmt.Fprintf(w, "line A      udp %s\n", c.A)
	fmt.Fprintf(w, "line B      udp %s\n", c.B)
	fmt.Fprintf(w, "retransmit  udp %s\n", v.RetransmitAddr())
	control := "/lines, /truth, /pause, /resume"
	if addr := v.SoupAddr(); addr.IsValid() {
		fmt.Fprintf(w, "messages    tcp %s, SoupBinTCP\n", addr)
		control += ", /soup"
	}
	if addr := v.GlimpseAddr(); addr.IsValid() {
		fmt.Fprintf(w, "snapshots   tcp %s, GLIMPSE\n", addr)
		control += ", /glimpse"
	}
	fmt.Fprintf(w, "control     %s%s\n", v.ControlURL(), control)
}

const statusEvery = 10 * time.Second

// showStatus prints a line now and then, until ctx ends.
func showStatus(ctx context.Context, w io.Writer, v *livevenue.Venue) {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	var before livevenue.Truth
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		truth, err := v.Truth()
		if err != nil {
			return
		}
		lines, err := v.Lines()
		if err != nil {
			return
		}
		fmt.Fprintln(w, statusLine(before, truth, lines))
		before = truth
	}
}

// statusLine says where the venue stands and how fast it got there.
func statusLine(before, now livevenue.Truth, lines []livevenue.LineStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s message %d", now.Session, now.Sent)
	switch {
	case now.Paused:
		b.WriteString(", paused")
	case now.Session == before.Session:
		fmt.Fprintf(&b, ", %.0f a second", float64(now.Sent-before.Sent)/statusEvery.Seconds())
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "; %s %d lost of %d", l.Name, l.Counts.Lost, l.Counts.Packets)
		if l.Down {
			b.WriteString(", down")
		}
		if l.Clogged {
			fmt.Fprintf(&b, ", clogged with %d", l.Held)
		}
	}
	if r := now.Retransmit; r.Requests > 0 {
		fmt.Fprintf(&b, "; %d of %d requests answered", r.Answered, r.Requests)
	}
	if now.Slipped > 0 {
		fmt.Fprintf(&b, "; behind, %v in all", time.Duration(now.Slipped).Round(time.Millisecond))
	}
	return b.String()
}
