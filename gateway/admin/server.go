//go:build linux

package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"

	"tidegate/gateway/history"
)

// Config says where and how a Server answers.
type Config struct {
	Addr    string // host:port
	Token   string // "" for none, on loopback addresses only
	Pprof   bool   // serve profiles
	Version string
	Monitor *Monitor
	History *history.History // nil: none is kept
	Archive Archive          // of the same; nil: there is none
	Log     *slog.Logger     // of what operators do; nil for nobody
}

// Limits of requests.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = time.Minute
	headerMax    = 8 << 10
	bodyMax      = 4 << 10
	connections  = 256
)

// A Server answers requests of HTTP. Its methods may be called by any goroutine.
type Server struct {
	cfg      Config
	started  time.Time
	token    [sha256.Size]byte
	registry *prometheus.Registry
	// histories has a place for each question for history that may be answered at a time.
	histories chan struct{}
	http      *fasthttp.Server
	listener  net.Listener
	served    chan error
}

// New returns a server that does nothing yet.
func New(cfg Config) (*Server, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("admin: address: %w", err)
	}
	if ip := net.ParseIP(host); cfg.Token == "" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("admin: address %s: others than loopback addresses need a token", cfg.Addr)
	}
	s := &Server{
		cfg: cfg, started: time.Now(), token: sha256.Sum256([]byte(cfg.Token)),
		registry: newRegistry(cfg.Monitor), served: make(chan error, 1), histories: make(chan struct{}, historyAtATime),
	}
	s.http = &fasthttp.Server{
		Handler: s.handle, ErrorHandler: s.onBadRequest, Name: "tidegate",
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ReadBufferSize: headerMax, MaxRequestBodySize: bodyMax, Concurrency: connections,
		CloseOnShutdown: true, NoDefaultContentType: true, Logger: quiet{},
	}
	return s, nil
}

// quiet drops what fasthttp has to say about connections: clients see it as an answer.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Start opens the port and returns. It may be called once.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	s.listener = l
	go func() { s.served <- s.http.Serve(l) }()
	return nil
}

// Addr returns the address that requests go to. It is for after Start.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stop answers the requests that are under way, until ctx ends, and closes the port. It may be called
// once, after Start.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.ShutdownWithContext(ctx)
	if err == nil {
		err = <-s.served
	}
	if err != nil {
		return fmt.Errorf("admin: stop: %w", err)
	}
	return nil
}

// A page is something that can be asked for.
type page struct {
	path, about string
	answer      func(*Server, context.Context, *fasthttp.Args) (any, error)
}

// pages are answered in JSON. The index, metrics and profiles are not here: they differ.
var pages = []page{
	{"/health", "Is the gateway at work? 200 or 503.", (*Server).health},
	{"/ready", "Does a feed receive, and is it fresh? 200 or 503.", (*Server).ready},
	{"/feeds", "Feeds, lines, ledgers, gaps, epochs, providers, the consolidated dataset, loop, ring, recording, journal, PostgreSQL.", func(s *Server, ctx context.Context, _ *fasthttp.Args) (any, error) {
		return s.cfg.Monitor.Feeds(ctx)
	}},
	{"/providers", "Which provider of each feed is believed, and why. POST /providers/FEED/PROVIDER with {\"force\": \"open\"}, \"closed\" or \"none\", or {\"prefer\": true} or false.", func(s *Server, ctx context.Context, _ *fasthttp.Args) (any, error) {
		return s.cfg.Monitor.Providers(ctx)
	}},
	{"/subscribers", "Who is connected, and what they got.", func(s *Server, ctx context.Context, _ *fasthttp.Args) (any, error) {
		return s.cfg.Monitor.Subscribers(ctx)
	}},
	{"/orders", "The gateway's own market: lanes, verdicts, ports. POST /orders/kill with {\"account\": \"alice\", \"on\": true} (no account: all), /orders/state with {\"symbol\": ..., \"state\": \"halted\"}, /orders/adjust with {\"account\", \"asset\", \"amount\", \"reference\"}.", (*Server).market},
	{"/instruments", "The instruments: ?feed= (a feed's name, or a dataset), &prefix= of the symbol, &limit=100, &offset=0.", (*Server).instruments},
	{"/latency", "Wire to publish, in percentiles: since the start, and since it was last asked for.", func(s *Server, ctx context.Context, _ *fasthttp.Args) (any, error) {
		return s.cfg.Monitor.Latency(ctx)
	}},
	{"/books", "A book: ?symbol=AAPL&depth=10, and &dataset=XNAS.ITCH where there are several.", (*Server).book},
	{"/bbo", "Best bids and offers: ?symbol=AAPL,MSFT, and &dataset= as above.", (*Server).bbo},
}

func (s *Server) index() any {
	type entry struct {
		Path  string `json:"path"`
		About string `json:"about"`
	}
	list := []entry{{"/", "This list."}}
	for _, p := range pages {
		list = append(list, entry{p.path, p.about})
	}
	for _, p := range historyPages {
		list = append(list, entry{p.path, p.about})
	}
	list = append(list, entry{"/metrics", "Metrics for Prometheus."})
	if s.cfg.Pprof {
		list = append(list, entry{"/debug/pprof", "Profiles of the Go runtime: /debug/pprof/heap, /debug/pprof/profile?seconds=10, ..."})
	}
	return map[string]any{"version": s.cfg.Version, "started": s.started, "pages": list}
}

// problem is an error with a status code.
type problem struct {
	status int
	error
}

// Unwrap returns the error without its status code.
func (p problem) Unwrap() error { return p.error }

func (s *Server) handle(c *fasthttp.RequestCtx) {
	c.Response.Header.Set("Cache-Control", "no-store")
	c.Response.Header.Set("X-Content-Type-Options", "nosniff")
	if !s.authorized(c) {
		c.Response.Header.Set("WWW-Authenticate", "Bearer")
		refuse(c, fasthttp.StatusUnauthorized, "want the header Authorization: Bearer TOKEN")
		return
	}
	if strings.HasPrefix(string(c.Path()), actionPrefix) {
		s.act(c)
		return
	}
	if strings.HasPrefix(string(c.Path()), marketPrefix) {
		s.actOnMarket(c)
		return
	}
	if !c.IsGet() && !c.IsHead() {
		c.Response.Header.Set("Allow", "GET, HEAD")
		refuse(c, fasthttp.StatusMethodNotAllowed, "want GET or HEAD")
		return
	}
	path := string(c.Path())
	switch {
	case path == "/":
		reply(c, s.index())
		return
	case path == "/metrics":
		s.metrics(c)
		return
	case path == historyPrefix || strings.HasPrefix(path, historyPrefix+"/"):
		s.history(c)
		return
	case s.cfg.Pprof && (path == "/debug/pprof" || strings.HasPrefix(path, "/debug/pprof/")):
		pprofhandler.PprofHandler(c)
		return
	}
	for _, p := range pages {
		if p.path != path {
			continue
		}
		v, err := p.answer(s, context.Background(), c.QueryArgs())
		if err != nil {
			refuse(c, statusOf(err), err.Error())
			return
		}
		reply(c, v)
		return
	}
	refuse(c, fasthttp.StatusNotFound, "no such page: / lists them")
}

// authorized compares hashes, so that the time it takes tells nothing about the token.
func (s *Server) authorized(c *fasthttp.RequestCtx) bool {
	if s.cfg.Token == "" {
		return true
	}
	given, _ := bytes.CutPrefix(c.Request.Header.Peek("Authorization"), []byte("Bearer "))
	sum := sha256.Sum256(given)
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// onBadRequest answers what is no request.
func (s *Server) onBadRequest(c *fasthttp.RequestCtx, err error) {
	status := fasthttp.StatusBadRequest
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		status = fasthttp.StatusRequestEntityTooLarge
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		status = fasthttp.StatusRequestHeaderFieldsTooLarge
	}
	refuse(c, status, "request cannot be read")
}

func statusOf(err error) int {
	var p problem
	switch {
	case errors.As(err, &p):
		return p.status
	case errors.Is(err, ErrWish):
		return fasthttp.StatusBadRequest
	case errors.Is(err, ErrUnknown):
		return fasthttp.StatusNotFound
	case errors.Is(err, ErrTooMany):
		return fasthttp.StatusTooManyRequests
	default: // a loop does not answer
		return fasthttp.StatusServiceUnavailable
	}
}

func refuse(c *fasthttp.RequestCtx, status int, reason string) {
	reply(c, map[string]string{"error": reason})
	c.SetStatusCode(status)
}

func reply(c *fasthttp.RequestCtx, v any) {
	if r, ok := v.(StatusReport); ok && !r.OK {
		c.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		c.Error("admin: "+err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	c.SetContentType("application/json")
	c.SetBody(b.Bytes())
}

// health is whether the ingest loop answers.
func (s *Server) health(ctx context.Context, _ *fasthttp.Args) (any, error) {
	r := StatusReport{OK: true, Version: s.cfg.Version, Started: s.started.UTC().Format(time.RFC3339)}
	if _, err := s.cfg.Monitor.state(ctx); err != nil {
		r.OK, r.Reason = false, err.Error()
	}
	if c := s.cfg.Monitor.capture(); c != nil {
		r.Capture = "recording"
		if c.Failed {
			r.Capture = "stopped"
		}
	}
	return r, nil
}

// ready is whether a feed receives and is fresh.
func (s *Server) ready(ctx context.Context, _ *fasthttp.Args) (any, error) {
	r, err := s.cfg.Monitor.Feeds(ctx)
	if err != nil {
		return StatusReport{Reason: err.Error()}, nil
	}
	return readiness(r), nil
}

func readiness(r *FeedsReport) StatusReport {
	receiving := make(map[string]bool) // by channel
	for i := range r.Feeds {
		receiving[r.Feeds[i].Name] = r.Feeds[i].Receiving
	}
	var reasons []string
	for i := range r.Providers {
		f := &r.Providers[i]
		hears := slices.ContainsFunc(f.Providers, func(p ProviderReport) bool { return receiving[p.Channel] })
		switch {
		case !hears:
			reasons = append(reasons, fmt.Sprintf("feed %s had no datagram for %v", f.Feed, SilenceMax))
		case f.Stale:
			reasons = append(reasons, fmt.Sprintf("feed %s is stale", f.Feed))
		default:
			return StatusReport{OK: true}
		}
	}
	return StatusReport{Reason: strings.Join(reasons, "; ")}
}

func (s *Server) book(ctx context.Context, args *fasthttp.Args) (any, error) {
	if !args.Has("symbol") {
		return nil, problem{fasthttp.StatusBadRequest, errors.New("want ?symbol=")}
	}
	depth := depthDefault
	if args.Has("depth") {
		text := string(args.Peek("depth"))
		var err error
		if depth, err = strconv.Atoi(text); err != nil || depth < 1 || depth > depthMax {
			return nil, problem{fasthttp.StatusBadRequest, fmt.Errorf("depth %q: want 1 to %d", text, depthMax)}
		}
	}
	return s.cfg.Monitor.Book(ctx, string(args.Peek("dataset")), string(args.Peek("symbol")), depth)
}

func (s *Server) instruments(_ context.Context, args *fasthttp.Args) (any, error) {
	limit, offset := instrumentsDefault, 0
	for _, number := range []struct {
		name     string
		to       *int
		min, max int
	}{{"limit", &limit, 1, instrumentsMax}, {"offset", &offset, 0, math.MaxInt32}} {
		if !args.Has(number.name) {
			continue
		}
		text := string(args.Peek(number.name))
		n, err := strconv.Atoi(text)
		if err != nil || n < number.min || n > number.max {
			return nil, problem{fasthttp.StatusBadRequest, fmt.Errorf("%s %q: want %d to %d", number.name, text, number.min, number.max)}
		}
		*number.to = n
	}
	return s.cfg.Monitor.Instruments(string(args.Peek("feed")), string(args.Peek("prefix")), offset, limit)
}

func (s *Server) bbo(ctx context.Context, args *fasthttp.Args) (any, error) {
	symbols := strings.Split(string(args.Peek("symbol")), ",")
	if !args.Has("symbol") || len(symbols) > symbolsMax {
		return nil, problem{fasthttp.StatusBadRequest, fmt.Errorf("want ?symbol= with 1 to %d symbols", symbolsMax)}
	}
	return s.cfg.Monitor.BBOs(ctx, string(args.Peek("dataset")), symbols)
}

func (s *Server) metrics(c *fasthttp.RequestCtx) {
	families, err := s.registry.Gather()
	if err != nil {
		refuse(c, fasthttp.StatusInternalServerError, err.Error())
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			refuse(c, fasthttp.StatusInternalServerError, err.Error())
			return
		}
	}
	c.SetContentType(string(format))
	c.SetBody(b.Bytes())
}
