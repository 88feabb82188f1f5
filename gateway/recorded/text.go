package recorded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// The types below are a layout as its text has it. Times are in nanoseconds.

type layoutText struct {
	Feeds        []feedText `json:"feeds"`
	Consolidated string     `json:"consolidated,omitempty"`
}

type feedText struct {
	Name          string         `json:"name"`
	Number        uint16         `json:"number"`
	Protocol      string         `json:"protocol"`
	Dataset       string         `json:"dataset"`
	Midnight      market.Nanos   `json:"midnight"`
	SameIDs       bool           `json:"same_ids"`
	RefreshOrders int            `json:"refresh_orders"`
	StaleAfter    market.Nanos   `json:"stale_after"`
	Silence       market.Nanos   `json:"silence"`
	FailBack      market.Nanos   `json:"fail_back"`
	Providers     []providerText `json:"providers"`
}

type providerText struct {
	Name           string          `json:"name"`
	Channel        uint16          `json:"channel"`
	Session        string          `json:"session,omitempty"`
	WithholdJoined bool            `json:"withhold_joined"`
	SymbolsMax     int             `json:"symbols_max"`
	Arbiter        arbiterText     `json:"arbiter"`
	Retransmit     *retransmitText `json:"retransmit,omitempty"`
	Lines          []lineText      `json:"lines"`
}

type arbiterText struct {
	GapDeadline      market.Nanos `json:"gap_deadline"`
	WindowPacketsMax int          `json:"window_packets_max"`
	PacketBytesMax   int          `json:"packet_bytes_max"`
	JoinGapMax       uint64       `json:"join_gap_max"`
	JumpMax          uint64       `json:"jump_max"`
	FallBackMax      uint64       `json:"fall_back_max"`
}

type retransmitText struct {
	Servers           []netip.AddrPort `json:"servers,omitempty"`
	Proxies           []string         `json:"proxies,omitempty"`
	RequestAfter      market.Nanos     `json:"request_after"`
	Timeout           market.Nanos     `json:"timeout"`
	MessagesMax       uint32           `json:"messages_max"`
	InFlightMax       int              `json:"in_flight_max"`
	GapMax            uint64           `json:"gap_max"`
	RequestsPerSecond int              `json:"requests_per_second"`
	MessagesPerSecond int              `json:"messages_per_second"`
	FailuresMax       int              `json:"failures_max"`
	RestMin           market.Nanos     `json:"rest_min"`
	RestMax           market.Nanos     `json:"rest_max"`
}

type lineText struct {
	Line string         `json:"line"` // its letter
	Addr netip.AddrPort `json:"address"`
}

// sessionText returns a session as a layout names it, "" for none.
func sessionText(s arbiter.Session) string {
	if s == (arbiter.Session{}) {
		return ""
	}
	return s.String()
}

func sessionOf(text string) arbiter.Session {
	if text == "" {
		return arbiter.Session{}
	}
	return arbiter.SessionOf([]byte(text))
}

// marshal returns the text of a layout that is valid.
func marshal(l *Layout) ([]byte, error) {
	t := layoutText{Consolidated: l.Consolidated}
	for i := range l.Feeds {
		t.Feeds = append(t.Feeds, textOf(&l.Feeds[i]))
	}
	return json.Marshal(&t)
}

func textOf(f *Feed) feedText {
	first := &f.Channels[0].Pipeline
	t := feedText{
		Name: f.Name, Number: f.Number, Protocol: first.Feed.String(), Dataset: first.Publisher.Dataset, Midnight: first.Midnight,
		SameIDs: f.Choice.SameIDs, RefreshOrders: f.Choice.RefreshOrders,
		StaleAfter: f.Choice.StaleAfter, Silence: f.Choice.Silence, FailBack: f.Choice.FailBack,
	}
	for i := range f.Channels {
		c := &f.Channels[i]
		a := c.Pipeline.Arbiter
		p := providerText{
			Name: f.Choice.Names[i], Channel: c.Number, Session: sessionText(a.Session),
			WithholdJoined: c.Pipeline.WithholdJoined, SymbolsMax: c.Pipeline.SymbolsMax,
			Arbiter: arbiterText{
				GapDeadline: a.GapDeadline, WindowPacketsMax: a.WindowPacketsMax, PacketBytesMax: a.PacketBytesMax,
				JoinGapMax: a.JoinGapMax, JumpMax: a.JumpMax, FallBackMax: a.FallBackMax,
			},
		}
		if r := c.Pipeline.Retransmit; r != nil {
			p.Retransmit = &retransmitText{
				Servers: c.Servers, Proxies: c.Proxies, RequestAfter: r.RequestAfter, Timeout: r.Timeout, MessagesMax: r.MessagesMax,
				InFlightMax: r.InFlightMax, GapMax: r.GapMax, RequestsPerSecond: r.RequestsPerSecond,
				MessagesPerSecond: r.MessagesPerSecond, FailuresMax: r.FailuresMax, RestMin: r.RestMin, RestMax: r.RestMax,
			}
		}
		for _, l := range c.Lines {
			p.Lines = append(p.Lines, lineText{l.ID.String(), l.Addr})
		}
		t.Providers = append(t.Providers, p)
	}
	return t
}

// unmarshal reads a text. What it says that we do not know is an error: it would be left out.
func unmarshal(text []byte) (*Layout, error) {
	var t layoutText
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after its end")
	}
	l := &Layout{Consolidated: t.Consolidated}
	for i := range t.Feeds {
		f, err := t.Feeds[i].feed()
		if err != nil {
			return nil, fmt.Errorf("feed %q: %w", t.Feeds[i].Name, err)
		}
		l.Feeds = append(l.Feeds, f)
	}
	return l, l.Validate()
}

func (t *feedText) feed() (f Feed, err error) {
	protocol := gateway.UnknownFeed
	for _, p := range []gateway.Feed{gateway.ITCH, gateway.PITCH, gateway.DEEP, gateway.TOPS} {
		if p.String() == t.Protocol {
			protocol = p
		}
	}
	publisher, _ := market.PublisherByDataset(t.Dataset) // none that is not known is valid
	f = Feed{Name: t.Name, Number: t.Number, Choice: providers.DefaultConfig()}
	f.Choice.SameIDs, f.Choice.RefreshOrders = t.SameIDs, t.RefreshOrders
	f.Choice.StaleAfter, f.Choice.Silence, f.Choice.FailBack = t.StaleAfter, t.Silence, t.FailBack
	for i := range t.Providers {
		p := &t.Providers[i]
		f.Choice.Names = append(f.Choice.Names, p.Name)
		c := p.channel()
		c.Pipeline.Feed, c.Pipeline.Publisher, c.Pipeline.Midnight = protocol, publisher, t.Midnight
		for _, l := range p.Lines {
			id := arbiter.LineID(0)
			for id < arbiter.LinesMax && id.String() != l.Line {
				id++
			}
			if id == arbiter.LinesMax {
				return f, fmt.Errorf("line %q: want a letter of a line", l.Line)
			}
			c.Lines = append(c.Lines, Line{id, l.Addr})
		}
		f.Channels = append(f.Channels, c)
	}
	return f, nil
}

func (t *providerText) channel() Channel {
	a := &t.Arbiter
	c := Channel{Number: t.Channel, Pipeline: gateway.Config{
		WithholdJoined: t.WithholdJoined, SymbolsMax: t.SymbolsMax,
		Arbiter: &arbiter.Config{
			Session: sessionOf(t.Session), GapDeadline: a.GapDeadline, WindowPacketsMax: a.WindowPacketsMax,
			PacketBytesMax: a.PacketBytesMax, JoinGapMax: a.JoinGapMax, JumpMax: a.JumpMax, FallBackMax: a.FallBackMax,
		},
	}}
	if r := t.Retransmit; r != nil {
		c.Servers, c.Proxies = r.Servers, r.Proxies
		c.Pipeline.Retransmit = &arbiter.RequestConfig{
			Servers: len(r.Servers) + len(r.Proxies), RequestAfter: r.RequestAfter, Timeout: r.Timeout, MessagesMax: r.MessagesMax,
			InFlightMax: r.InFlightMax, GapMax: r.GapMax, RequestsPerSecond: r.RequestsPerSecond,
			MessagesPerSecond: r.MessagesPerSecond, FailuresMax: r.FailuresMax, RestMin: r.RestMin, RestMax: r.RestMax,
		}
	}
	return c
}
