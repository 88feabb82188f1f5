package egress

import (
	"log/slog"
	"sync"

	"tidegate/market"
)

// sparingLinesMax is how many lines of one kind are logged in a second.
const sparingLinesMax = 5

// A sparingLog logs what strangers can make happen as often as they like: a few lines a second, and
// then how many were left out. Any goroutine may use it.
type sparingLog struct {
	log  *slog.Logger
	text string

	mu      sync.Mutex // of the rest
	since   market.Nanos
	n       int // lines since then
	leftOut int // lines that were not written, and not told of yet
}

// info logs the text with attributes, unless that was done too often in this second.
func (l *sparingLog) info(now market.Nanos, attributes ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now-l.since >= market.Second {
		l.since, l.n = now, 0
	}
	if l.n++; l.n > sparingLinesMax {
		l.leftOut++
		return
	}
	if l.leftOut > 0 {
		attributes = append(attributes, "left_out_before", l.leftOut)
		l.leftOut = 0
	}
	l.log.Info(l.text, attributes...)
}
