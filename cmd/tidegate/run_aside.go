//go:build linux

package main

import (
	"log/slog"
	"sync/atomic"
)

// asideLines is how many lines of an aside wait at most.
const asideLines = 256

// An aside writes log lines for the ingest loop, which does not wait for whoever reads the log. Lines keep their
// order. What there is no room for is left out, and counted in the log.
type aside struct {
	lines   chan func()
	leftOut atomic.Uint64
	ended   chan struct{}
}

// newAside returns an aside that runs until close.
func newAside(log *slog.Logger) *aside {
	a := &aside{lines: make(chan func(), asideLines), ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		for line := range a.lines {
			line()
			if n := a.leftOut.Swap(0); n > 0 {
				log.Warn("log lines were left out: the log was not read", "lines", n)
			}
		}
	}()
	return a
}

// do has a line written soon. It does not wait.
func (a *aside) do(line func()) {
	select {
	case a.lines <- line:
	default:
		a.leftOut.Add(1)
	}
}

// close writes what waits. Nobody may call do any more.
func (a *aside) close() {
	close(a.lines)
	<-a.ended
}
