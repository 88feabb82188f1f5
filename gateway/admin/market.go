//go:build linux

package admin

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/valyala/fasthttp"
)

// A Market is what the monitor is told of the market that the gateway runs itself.
type Market struct {
	// Report answers /orders.
	Report func(context.Context) (any, error)
	// Metrics gives its figures to emit.
	Metrics func(ctx context.Context, emit func(Metric))
	// Act does what an operator wants: the body of POST /orders/WHAT. Errors that wrap ErrWish say that the wish
	// makes no sense, those that wrap ErrUnknown that there is no such thing.
	Act func(ctx context.Context, what string, body []byte) (any, error)
}

// A Metric is one figure.
type Metric struct {
	Name, Help string // the name without the prefix of the gateway's, and without _total
	Value      float64
	Counter    bool
	Labels     []string // names and values in turn
}

var errNoMarket = errors.New("the gateway runs no market")

// market answers /orders.
func (s *Server) market(ctx context.Context, _ *fasthttp.Args) (any, error) {
	m := s.cfg.Monitor.src.Market
	if m == nil {
		return nil, problem{fasthttp.StatusNotFound, errNoMarket}
	}
	return m.Report(ctx)
}

// marketPrefix begins the path of what an operator does to the market.
const marketPrefix = "/orders/"

// actOnMarket does what an operator wants of the market. The log gets who wanted what, and what came of it.
func (s *Server) actOnMarket(c *fasthttp.RequestCtx) {
	if !c.IsPost() {
		c.Response.Header.Set("Allow", "POST")
		refuse(c, fasthttp.StatusMethodNotAllowed, "want POST")
		return
	}
	m := s.cfg.Monitor.src.Market
	if m == nil {
		refuse(c, fasthttp.StatusNotFound, errNoMarket.Error())
		return
	}
	what := strings.TrimPrefix(string(c.Path()), marketPrefix)
	answer, err := m.Act(context.Background(), what, c.PostBody())
	if log := s.cfg.Log; log != nil {
		log = log.With("wish", what, "body", string(c.PostBody()), "remote", c.RemoteAddr().String())
		if err != nil {
			log.Warn("an operator's wish for the market was refused", slog.Any("error", err))
		} else {
			log.Info("an operator's wish for the market was followed")
		}
	}
	if err != nil {
		refuse(c, statusOf(err), err.Error())
		return
	}
	reply(c, answer)
}

// market emits the figures of the market.
func (c collector) market(ctx context.Context, e emitter) {
	m := c.monitor.src.Market
	if m == nil {
		return
	}
	m.Metrics(ctx, func(f Metric) {
		if f.Counter {
			e.counter(f.Name, f.Help, uint64(f.Value), f.Labels...)
			return
		}
		e.gauge(f.Name, f.Help, f.Value, f.Labels...)
	})
}
