//go:build linux

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

// actionPrefix begins the path of what an operator does: /providers/FEED/PROVIDER, each escaped.
const actionPrefix = "/providers/"

// act does what an operator wants of a provider, and answers with its feed as it then is. The log gets who
// wanted it, and what came of it.
func (s *Server) act(c *fasthttp.RequestCtx) {
	if !c.IsPost() {
		c.Response.Header.Set("Allow", "POST")
		refuse(c, fasthttp.StatusMethodNotAllowed, "want POST")
		return
	}
	feed, provider, wish, err := s.wished(c)
	var report *ChoiceReport
	if err == nil {
		report, err = s.cfg.Monitor.Act(context.Background(), feed, provider, wish)
	}
	if log := s.cfg.Log; log != nil {
		log = log.With("feed", feed, "provider", provider, "wish", wish.String(), "remote", c.RemoteAddr().String())
		if err != nil {
			log.Warn("an operator's wish was refused", slog.Any("error", err))
		} else {
			log.Info("an operator's wish was followed", "active", report.Active)
		}
	}
	if err != nil {
		refuse(c, statusOf(err), err.Error())
		return
	}
	reply(c, report)
}

// wished reads a request.
func (s *Server) wished(c *fasthttp.RequestCtx) (feed, provider string, w Wish, err error) {
	bad := func(status int, reason string) error { return problem{status, errors.New(reason)} }
	rest, _ := strings.CutPrefix(string(c.URI().PathOriginal()), actionPrefix)
	first, second, _ := strings.Cut(rest, "/")
	feed, err = url.PathUnescape(first)
	if err == nil {
		provider, err = url.PathUnescape(second)
	}
	if err != nil || feed == "" || provider == "" || strings.Contains(second, "/") {
		return feed, provider, w, bad(fasthttp.StatusNotFound, "want /providers/FEED/PROVIDER")
	}
	// A page in a browser can send requests to this machine, but neither this type without being asked about
	// it first, nor another host than its own.
	if kind, _, _ := mime.ParseMediaType(string(c.Request.Header.ContentType())); kind != "application/json" {
		return feed, provider, w, bad(fasthttp.StatusUnsupportedMediaType, "want the header Content-Type: application/json")
	}
	if s.cfg.Token == "" && !loopback(string(c.Host())) {
		return feed, provider, w, bad(fasthttp.StatusForbidden, "without a token, want a loopback address as the host")
	}
	d := json.NewDecoder(bytes.NewReader(c.PostBody()))
	d.DisallowUnknownFields()
	if d.Decode(&w) != nil || !errors.Is(d.Decode(&struct{}{}), io.EOF) {
		return feed, provider, Wish{}, ErrWish
	}
	return feed, provider, w, nil
}

// loopback reports whether a host, with or without a port, is this machine by name or address.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
