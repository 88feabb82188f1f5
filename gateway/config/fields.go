package config

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/codec/lsg"
	"tidegate/market"
)

// feedsMax bounds feeds and keysMax keys: more is a mistake of whoever generated the file.
const (
	feedsMax = 64
	keysMax  = 100_000
	nameMax  = 64
)

// config reads the whole file.
func (r *reader) config(c *Config, root value) {
	found := root.mapping(
		field{"feeds", func(v value) { r.feeds(c, v) }},
		field{"consolidated", func(v value) { r.consolidated(&c.Consolidated, v) }},
		field{"loop", func(v value) { r.loop(&c.Loop, v) }},
		field{"ring", func(v value) { r.ring(c, v) }},
		field{"subscribers", func(v value) { r.subscribers(c, v) }},
		field{"capture", func(v value) { r.capture(&c.Capture, v) }},
		field{"journal", func(v value) { r.journal(&c.Journal, v) }},
		field{"postgres", func(v value) { r.postgres(&c.Postgres, v) }},
		field{"orders", func(v value) { r.orders(&c.Orders, v) }},
		field{"admin", func(v value) { r.admin(&c.Admin, v) }},
		field{"log", func(v value) { r.log(&c.Log, v) }},
	)
	if _, ok := found["feeds"]; !ok {
		root.mistake("no feeds", "at least one")
	} else if len(c.Feeds) == 0 && len(r.mistakes) == 0 {
		found["feeds"].mistake("no feeds", "at least one")
	}
	if _, ok := found["subscribers"]; !ok {
		root.mistake("no subscribers", "them and their keys")
	}
	r.consolidatedDataset(c)
	r.keyDatasets(c)
	r.listeners(c, root)
	r.postgresFits(c)
}

func (r *reader) loop(l *Loop, v value) {
	found := v.mapping(
		field{"threading", choice(&l.Threading, []string{"auto", "inline", "shared", "split"}, []Threading{Auto, Inline, Shared, Split})},
		field{"idle", choice(&l.Idle, []string{"backoff", "park", "spin"}, []Idle{Backoff, Park, Spin})},
		field{"tick", duration(&l.Tick, 100*time.Microsecond, 100*time.Millisecond)},
		field{"cpu", integer(&l.CPU, 0, 1023)},
		field{"receive_cpu", integer(&l.ReceiveCPU, 0, 1023)},
	)
	switch receive, ok := found["receive_cpu"]; {
	case !ok:
	case l.Threading != Split:
		receive.mistake(receive.describe(), "none, but with threading split: only there another thread receives")
	case l.CPU == l.ReceiveCPU && l.CPU >= 0:
		receive.mistake(receive.describe(), "another processor than cpu")
	}
}

func (r *reader) ring(c *Config, v value) {
	power := func(v value, n int) {
		if bits.OnesCount(uint(n)) != 1 {
			v.mistake(v.describe(), "a power of two")
		}
	}
	found := v.mapping(
		field{"chunks", integer(&c.Ring.Chunks, 4, 1<<20)},
		field{"chunk_bytes", size(&c.Ring.ChunkBytes, 4<<10, 1<<30)},
	)
	if v, ok := found["chunks"]; ok {
		power(v, c.Ring.Chunks)
	}
	if v, ok := found["chunk_bytes"]; ok {
		power(v, c.Ring.ChunkBytes)
	}
	if most := 64 << 30; c.Ring.Chunks > most/c.Ring.ChunkBytes {
		v.mistake(fmt.Sprintf("%d chunks of %s", c.Ring.Chunks, FormatSize(c.Ring.ChunkBytes)), "at most "+FormatSize(most)+" in all")
	}
}

func (r *reader) subscribers(c *Config, v value) {
	s := &c.Subscribers
	found := v.mapping(
		field{"listen", parsed(&s.Listen, listenWant, parseListen)},
		field{"tls", func(v value) { r.tls(&s.TLS, v) }},
		field{"loops", integer(&s.Loops, 1, 32)},
		field{"heartbeat", duration(&s.Heartbeat, lsg.HeartbeatSecondsMin*time.Second, lsg.HeartbeatSecondsMax*time.Second)},
		field{"slow_after", duration(&s.SlowAfter, 10*time.Millisecond, time.Minute)},
		field{"limits", func(v value) { r.limits(&s.Limits, v) }},
		field{"keys", func(v value) { r.keys(s, v) }},
	)
	if beat, ok := found["heartbeat"]; ok && s.Heartbeat%time.Second != 0 {
		beat.mistake(beat.describe(), "whole seconds")
	}
	if _, ok := found["keys"]; !ok {
		v.mistake("no keys", "at least one")
	}
}

func (r *reader) tls(t *TLS, v value) {
	var cert, key []byte
	read := func(to *[]byte) func(value) {
		return func(v value) { *to, _ = v.file() }
	}
	found := v.mapping(
		field{"listen", parsed(&t.Listen, listenWant, parseListen)},
		field{"cert", read(&cert)},
		field{"key", read(&key)},
	)
	if len(found) == 0 {
		return
	}
	for _, name := range []string{"listen", "cert", "key"} {
		if _, ok := found[name]; !ok {
			v.mistake("no "+name, "listen, cert and key, or none of them")
		}
	}
	if cert == nil || key == nil {
		return
	}
	var err error
	if t.Certificate, err = tls.X509KeyPair(cert, key); err != nil {
		v.mistake("a certificate and a key that cannot be used: "+err.Error(), "PEM files that belong together")
	}
}

func (r *reader) limits(l *Limits, v value) {
	v.mapping(
		field{"connections", integer(&l.Connections, 1, 1_000_000)},
		field{"connections_per_second", integer(&l.ConnectionsPerSecond, 1, 1_000_000)},
		field{"sessions_per_key", integer(&l.SessionsPerKey, 1, 1_000_000)},
		field{"subscriptions_per_second", integer(&l.SubscriptionsPerSecond, 1, 1_000_000)},
		field{"subscriptions", integer(&l.SubscriptionsMax, 1, 1_000_000)},
		field{"symbols", integer(&l.SymbolsMax, 1, 10_000_000)},
		field{"input_bytes", size(&l.InputBytesMax, lsg.LineMax, 1<<30)},
		field{"handshakes", integer(&l.HandshakesMax, 1, 1_000_000)},
	)
}

func (r *reader) keys(s *Subscribers, v value) {
	named, used := map[string]bool{}, map[lsg.Key]string{}
	v.sequence(func(v value) {
		var k Key
		found := r.key(&k, v)
		if name, ok := found["name"]; !ok {
			v.mistake("no name", "one, by which the log calls the key")
		} else if named[k.Name] {
			name.mistake(strconv.Quote(k.Name)+" again", "another name for each key")
		}
		named[k.Name] = true
		if other := used[k.Key]; other != "" && k.Key != (lsg.Key{}) {
			v.mistake("the key that "+strconv.Quote(other)+" has", "another one")
		}
		used[k.Key] = k.Name
		s.Keys = append(s.Keys, k)
	})
	switch n := len(s.Keys); {
	case n > keysMax:
		v.mistake(fmt.Sprintf("%d keys", n), fmt.Sprintf("at most %d", keysMax))
	case n == 0:
		v.mistake("no keys", "at least one")
	}
}

var keyWant = fmt.Sprintf("%d printable characters without spaces and pipes", lsg.KeySize)

// key reads a key. Its text is in the file, in a file of its own, or in the environment.
func (r *reader) key(k *Key, v value) map[string]value {
	sources := 0
	take := func(v value, secret string) {
		sources++
		var err error
		if k.Key, err = lsg.ParseKey(secret); err != nil {
			v.mistake(fmt.Sprintf("%d characters that are no key", len(secret)), keyWant)
		}
	}
	found := v.mapping(
		field{"name", text(&k.Name, 1, nameMax)},
		field{"key", func(v value) {
			secret, ok := v.scalar()
			if !ok {
				sources++
				v.mistake("something that is no text", keyWant)
				return
			}
			take(v, secret)
		}},
		field{"key_file", func(v value) {
			if b, ok := v.file(); ok {
				take(v, string(bytes.TrimSpace(b)))
			} else {
				sources++
			}
		}},
		field{"key_env", func(v value) {
			name, ok := v.scalar()
			if secret, set := r.env.LookupEnv(name); ok && set {
				take(v, strings.TrimSpace(secret))
				return
			}
			sources++
			v.mistake(v.describe(), "the name of an environment variable that is set")
		}},
		field{"datasets", func(v value) {
			v.sequence(func(v value) {
				dataset, _ := v.scalar()
				k.Datasets = append(k.Datasets, dataset)
				r.datasets = append(r.datasets, v)
			})
		}},
		field{"disabled", boolean(&k.Disabled)},
	)
	if sources != 1 {
		v.mistake(fmt.Sprintf("%d of key, key_file and key_env", sources), "one of them")
	}
	return found
}

// keyDatasets checks that keys are good for datasets that there are.
func (r *reader) keyDatasets(c *Config) {
	var served []string
	for _, f := range c.Feeds {
		served = append(served, f.Publisher.Dataset)
	}
	if c.Consolidated.Dataset != "" {
		served = append(served, c.Consolidated.Dataset)
	}
	if c.Orders.Dir != "" && c.Orders.Publish {
		served = append(served, market.Own.Dataset)
	}
	for _, v := range r.datasets {
		if dataset, _ := v.scalar(); !slices.Contains(served, dataset) {
			v.mistake(v.describe(), "a dataset that is served: "+strings.Join(served, ", "))
		}
	}
}

func (r *reader) capture(c *Capture, v value) {
	found := v.mapping(
		field{"file", text(&c.File, 1, 4096)},
		field{"dir", text(&c.Dir, 1, 4096)},
		field{"queue", size(&c.QueueBytes, 128<<10, 1<<30)},
		field{"spill", size(&c.SpillBytes, 0, 1<<36)},
		field{"retain_age", duration(&c.RetainAge, 0, 10*365*24*time.Hour)},
		field{"retain_bytes", size(&c.RetainBytes, 0, 1<<50)},
	)
	if file, ok := found["file"]; ok && strings.ContainsAny(strings.ReplaceAll(c.File, startMark, ""), "{}") {
		file.mistake(file.describe(), "no braces but those of "+startMark)
	}
	if c.File != "" {
		c.File = r.path(c.File)
		for _, name := range []string{"dir", "spill", "retain_age", "retain_bytes"} {
			if v, ok := found[name]; ok {
				v.mistake(name+" beside a file", "a file, or a directory with its limits")
			}
		}
	}
	if c.Dir != "" {
		c.Dir = r.path(c.Dir)
	}
}

func (r *reader) admin(a *Admin, v value) {
	found := v.mapping(
		field{"listen", parsed(&a.Listen, listenWant+`, or "" for none`, func(s string) (string, error) {
			if s == "" {
				return "", nil
			}
			return parseListen(s)
		})},
		field{"token", func(v value) {
			secret, ok := v.scalar()
			if !ok || len(secret) < tokenMin || len(secret) > 256 || !printable(secret) {
				v.mistake("something else", fmt.Sprintf("%d to 256 printable characters without spaces", tokenMin))
			}
			a.Token = secret
		}},
		field{"pprof", boolean(&a.Pprof)},
	)
	if listen, ok := found["listen"]; ok && a.Listen != "" && a.Token == "" && !loopback(a.Listen) {
		listen.mistake(strconv.Quote(a.Listen)+" without a token", "a token, or a loopback address")
	}
}

const tokenMin = 16

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (r *reader) log(l *Log, v value) {
	v.mapping(
		field{"level", choice(&l.Level, []string{"debug", "info", "warn", "error"},
			[]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError})},
		field{"format", choice(&l.JSON, []string{"text", "json"}, []bool{false, true})},
	)
}

const listenWant = "an address and a port, like 127.0.0.1:13000, or :13000 for all addresses"

func parseListen(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", err
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", err
		}
	}
	return s, nil
}

// loopback reports whether only this machine reaches an address to listen on.
func loopback(listen string) bool {
	a, err := netip.ParseAddrPort(listen)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// listeners checks that no two of them want the same port.
func (r *reader) listeners(c *Config, root value) {
	list := []struct{ path, address string }{
		{"subscribers.listen", c.Subscribers.Listen},
		{"subscribers.tls.listen", c.Subscribers.TLS.Listen},
		{"orders.ouch.listen", c.Orders.OUCH.Listen},
		{"orders.ouch.tls.listen", c.Orders.OUCH.TLS.Listen},
		{"orders.http.listen", c.Orders.HTTP.Listen},
		{"admin.listen", c.Admin.Listen},
	}
	for i, a := range list {
		for _, b := range list[:i] {
			if !clash(a.address, b.address) {
				continue
			}
			v, ok := r.at[a.path]
			if !ok { // a default: the other one was chosen
				a, b = b, a
				v, ok = r.at[a.path]
			}
			if !ok {
				v = root
			}
			v.mistake(fmt.Sprintf("%q, which %s has (%q)", a.address, b.path, b.address), "another port")
		}
	}
}

// clash reports whether two listeners cannot both have their addresses.
func clash(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	ahost, aport, _ := net.SplitHostPort(a)
	bhost, bport, _ := net.SplitHostPort(b)
	any := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return aport == bport && aport != "0" && (ahost == bhost || any(ahost) || any(bhost))
}
