package livevenue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tidegate/internal/venue"
	"tidegate/market"
)

// A LineStatus is a line as the control endpoint shows it.
type LineStatus struct {
	Name   string         `json:"name"`
	Source netip.AddrPort `json:"source"`
	Group  netip.AddrPort `json:"group"` // where datagrams go to, multicast or not
	LineSettings
	Held   int              `json:"held"` // datagrams that wait for a clogged line to be free
	Counts venue.LineCounts `json:"counts"`
}

// LineSettings are what can be changed of a line. See venue.Impairment.
type LineSettings struct {
	Loss      float64       `json:"loss"`
	Burst     BurstSettings `json:"burst"`
	Duplicate float64       `json:"duplicate"`
	Reorder   float64       `json:"reorder"`
	ReorderBy Span          `json:"reorder_by"`
	Delay     Span          `json:"delay"`
	Jitter    Span          `json:"jitter"`
	Down      bool          `json:"down"`
	Clogged   bool          `json:"clogged"`
}

// BurstSettings are those of venue.BurstLoss.
type BurstSettings struct {
	Enter float64 `json:"enter"`
	Leave float64 `json:"leave"`
	Loss  float64 `json:"loss"`
}

// A Span of time is text such as "250us" in JSON.
type Span market.Nanos

// MarshalText writes the span as time.Duration does.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*s = Span(d)
	return err
}

func settings(l venue.LiveLine) LineSettings {
	i := l.Impairment
	return LineSettings{
		Loss: i.Loss, Burst: BurstSettings(i.Burst), Duplicate: i.Duplicate,
		Reorder: i.Reorder, ReorderBy: Span(i.ReorderBy), Delay: Span(i.Delay), Jitter: Span(i.Jitter),
		Down: l.Down, Clogged: l.Clogged,
	}
}

func (s LineSettings) line() venue.LiveLine {
	return venue.LiveLine{
		Impairment: venue.Impairment{
			Loss: s.Loss, Burst: venue.BurstLoss(s.Burst), Duplicate: s.Duplicate,
			Reorder: s.Reorder, ReorderBy: market.Nanos(s.ReorderBy),
			Delay: market.Nanos(s.Delay), Jitter: market.Nanos(s.Jitter),
		},
		Down: s.Down, Clogged: s.Clogged,
	}
}

// A Truth is what is true of the venue so far, as the control endpoint shows it.
type Truth struct {
	venue.LiveTruth
	RequestsDropped uint64 `json:"requests_dropped"` // that came faster than they could be looked at
	Unsent          uint64 `json:"unsent"`           // datagrams that the system refused to send
}

// Truth returns what is true of the venue so far, or ErrEnded.
func (v *Venue) Truth() (t Truth, err error) {
	err = v.Do(func(*venue.LiveFeed) { t = v.truth() })
	return t, err
}

// truth is called by Run's goroutine.
func (v *Venue) truth() Truth {
	return Truth{LiveTruth: v.feed.Truth(), RequestsDropped: v.overflow.Load(), Unsent: v.unsent}
}

// Pause stops the market and returns where it stands, or ErrEnded.
func (v *Venue) Pause() (venue.LivePosition, error) { return v.turn((*venue.LiveFeed).Pause) }

// Resume lets the market go on and returns where it stands, or ErrEnded.
func (v *Venue) Resume() (venue.LivePosition, error) { return v.turn((*venue.LiveFeed).Resume) }

func (v *Venue) turn(to func(*venue.LiveFeed)) (p venue.LivePosition, err error) {
	err = v.Do(func(f *venue.LiveFeed) {
		to(f)
		p = f.Position()
	})
	return p, err
}

// Lines returns all lines, or ErrEnded.
func (v *Venue) Lines() (lines []LineStatus, err error) {
	err = v.Do(func(f *venue.LiveFeed) {
		for i := range v.lines {
			lines = append(lines, v.status(f, i))
		}
	})
	return lines, err
}

func (v *Venue) status(f *venue.LiveFeed, line int) LineStatus {
	l := v.cfg.Feed.Feed.Lines[line]
	return LineStatus{
		Name: l.Name, Source: l.Source, Group: l.Group,
		LineSettings: settings(f.Line(line)), Held: f.Held(line), Counts: f.Counts(line),
	}
}

// SetLine has change alter the settings of a line, from the next packet on, and returns the line as it
// is then. On an error of change, or for settings that make no sense, nothing is altered.
func (v *Venue) SetLine(name string, change func(*LineSettings) error) (status LineStatus, err error) {
	line := -1
	for i, l := range v.cfg.Feed.Feed.Lines {
		if strings.EqualFold(l.Name, name) {
			line = i
		}
	}
	if line < 0 {
		return LineStatus{}, errNoLine
	}
	if ended := v.Do(func(f *venue.LiveFeed) {
		s := settings(f.Line(line))
		if err = change(&s); err == nil {
			err = f.SetLine(line, s.line())
		}
		status = v.status(f, line)
	}); ended != nil {
		return LineStatus{}, ended
	}
	return status, err
}

var errNoLine = errors.New("venue: no line of this name")

// control serves the control endpoint.
type control struct {
	venue    *Venue
	listener net.Listener
	server   fasthttp.Server
}

const bodyMax = 4096 // bytes of a request

func listenControl(addr netip.AddrPort, v *Venue) (*control, error) {
	listener, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	c := &control{venue: v, listener: listener}
	c.server = fasthttp.Server{
		Handler: c.handle, Concurrency: 64, MaxRequestBodySize: bodyMax,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		NoDefaultServerHeader: true, NoDefaultDate: true, CloseOnShutdown: true,
		MaxIdleWorkerDuration: time.Second, Logger: silence{},
	}
	return c, nil
}

// silence is the server's log: whoever sends nonsense is told, and nobody else.
type silence struct{}

func (silence) Printf(string, ...any) {}

func (c *control) addr() net.Addr { return c.listener.Addr() }

func (c *control) serve() error {
	if err := c.server.Serve(c.listener); err != nil {
		return fmt.Errorf("venue: control: %w", err)
	}
	return nil
}

func (c *control) close() {
	c.listener.Close() // first, for a server that has not begun
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.server.ShutdownWithContext(ctx) // that the listener is closed is no news
}

func (c *control) handle(ctx *fasthttp.RequestCtx) {
	body, err := c.route(string(ctx.Method()), string(ctx.Path()), ctx.PostBody())
	status := fasthttp.StatusOK
	if err != nil {
		body = struct {
			Error string `json:"error"`
		}{err.Error()}
		switch {
		case errors.Is(err, errNoPage), errors.Is(err, errNoLine), errors.Is(err, errNoSoup):
			status = fasthttp.StatusNotFound
		case errors.Is(err, errMethod):
			status = fasthttp.StatusMethodNotAllowed
		case errors.Is(err, ErrEnded):
			status = fasthttp.StatusServiceUnavailable
		default:
			status = fasthttp.StatusBadRequest
		}
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	enc := json.NewEncoder(ctx)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // into memory
}

var (
	errNoPage = errors.New("no such page: there are /lines, /lines/{name}, /soup, /glimpse, /gaps, /spin, /truth, /pause and /resume")
	errMethod = errors.New("method not allowed")
)

// route does what a request asks for and returns the answer.
func (c *control) route(method, path string, body []byte) (any, error) {
	name, line := strings.CutPrefix(path, "/lines/")
	switch {
	case path == "/lines" && method == fasthttp.MethodGet:
		return c.venue.Lines()
	case line && method == fasthttp.MethodGet:
		return c.venue.SetLine(name, func(*LineSettings) error { return nil })
	case line && method == fasthttp.MethodPost:
		return c.venue.SetLine(name, func(s *LineSettings) error { return decode(body, s) })
	case path == "/soup" && (method == fasthttp.MethodGet || method == fasthttp.MethodPost):
		return c.venue.SetSoup(func(s *venue.SoupSettings) error { return decodePosted(method, body, s) })
	case path == "/glimpse" && (method == fasthttp.MethodGet || method == fasthttp.MethodPost):
		return c.venue.SetGlimpse(func(s *venue.SoupSettings) error { return decodePosted(method, body, s) })
	case path == "/gaps" && (method == fasthttp.MethodGet || method == fasthttp.MethodPost):
		return c.venue.SetGaps(func(s *venue.PitchSettings) error { return decodePosted(method, body, s) })
	case path == "/spin" && (method == fasthttp.MethodGet || method == fasthttp.MethodPost):
		return c.venue.SetSpin(func(s *venue.PitchSettings) error { return decodePosted(method, body, s) })
	case path == "/truth" && method == fasthttp.MethodGet:
		return c.venue.Truth()
	case path == "/pause" && method == fasthttp.MethodPost:
		return c.venue.Pause()
	case path == "/resume" && method == fasthttp.MethodPost:
		return c.venue.Resume()
	case path == "/lines", line, path == "/soup", path == "/glimpse", path == "/gaps", path == "/spin", path == "/truth", path == "/pause", path == "/resume":
		return nil, errMethod
	default:
		return nil, errNoPage
	}
}

// decodePosted reads the body of a request that changes something.
func decodePosted(method string, body []byte, into any) error {
	if method != fasthttp.MethodPost {
		return nil
	}
	return decode(body, into)
}

// decode reads one JSON object over what is there already, so that what it does not name stays.
func decode(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("read the settings: more follows the object")
	}
	return nil
}
