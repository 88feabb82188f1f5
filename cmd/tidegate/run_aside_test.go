//go:build linux

package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tidegate/gateway/breaker"
	"tidegate/gateway/config"
	"tidegate/gateway/providers"
)

// bare returns a log without times.
func bare(out *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// Lines keep their order, nobody waits for a log that is not read, and what it lacks is said.
func TestAside(t *testing.T) {
	var out bytes.Buffer
	log := bare(&out)
	a := newAside(log)
	begun, read := make(chan struct{}), make(chan struct{})
	a.do(func() { close(begun); <-read })
	<-begun
	for i := range asideLines + 7 {
		a.do(func() { log.Info("line", "i", i) })
	}
	close(read)
	a.close()
	var want strings.Builder
	want.WriteString("level=WARN msg=\"log lines were left out: the log was not read\" lines=7\n")
	for i := range asideLines {
		fmt.Fprintf(&want, "level=INFO msg=line i=%d\n", i)
	}
	if out.String() != want.String() {
		t.Errorf("got\n%s", out.String())
	}
}

// A verdict is logged when the state changes. A provider whose reason is another one in each tick writes nothing.
func TestVerdictsInLog(t *testing.T) {
	var out bytes.Buffer
	f := &liveFeed{
		log: bare(&out), cfg: &config.Feed{Providers: []config.Provider{{Name: "near"}, {Name: "far"}}},
		aside: newAside(bare(&out)), tell: func() {}, judged: []breaker.State{breaker.Closed, breaker.Closed},
	}
	f.onVerdict(providers.Verdict{Provider: 0, State: breaker.Closed, Reason: providers.Fresh})
	for range 100 {
		f.onVerdict(providers.Verdict{Provider: 1, State: breaker.Open, Reason: providers.Lagging, By: 60e6})
		f.onVerdict(providers.Verdict{Provider: 1, State: breaker.Open, Reason: providers.Behind, By: 60e6})
	}
	f.onVerdict(providers.Verdict{Provider: 1, State: breaker.HalfOpen, Reason: providers.Behind, By: 60e6})
	f.onVerdict(providers.Verdict{Provider: 1, State: breaker.Closed, Reason: providers.Fresh})
	f.aside.close()
	by := time.Duration(60e6).String()
	want := `level=WARN msg="provider judged" provider=far state=DOWN reason=lagging by=` + by + `
level=INFO msg="provider judged" provider=far state=SUSPECT reason=behind by=` + by + `
level=INFO msg="provider judged" provider=far state=OK reason=fresh
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
