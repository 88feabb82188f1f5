package main

import (
	"fmt"
	"slices"
	"strings"
)

// A resolution follows what the gateway says of the symbols that were asked for: for each a mapping, or
// that it does not resolve, which may change later. The zero value is for all symbols: nothing is
// said of those.
type resolution struct {
	asked   int
	open    map[string]bool // not answered yet
	missing []string        // do not resolve
	verdict bool            // everything was answered
}

// unresolvedText is how the gateway begins to say that a symbol does not resolve.
const unresolvedText = "Failed to resolve symbol"

func newResolution(symbols []string) resolution {
	r := resolution{asked: len(symbols), open: make(map[string]bool)}
	for _, symbol := range symbols {
		r.open[symbol] = true
	}
	return r
}

// onMapping takes a symbol that resolves. It reports whether it did not before.
func (r *resolution) onMapping(symbol string) (late bool) {
	delete(r.open, symbol)
	i := slices.Index(r.missing, symbol)
	if i >= 0 {
		r.missing = slices.Delete(r.missing, i, i+1)
	}
	return i >= 0
}

// onUnresolved takes the gateway's text about a symbol that does not resolve.
func (r *resolution) onUnresolved(text string) {
	symbol := strings.TrimLeft(strings.TrimPrefix(text, unresolvedText), ": ")
	delete(r.open, symbol)
	if !slices.Contains(r.missing, symbol) {
		r.missing = append(r.missing, symbol)
	}
}

// complete reports, once, that everything was answered.
func (r *resolution) complete() bool {
	if r.asked == 0 || r.verdict || len(r.open) > 0 {
		return false
	}
	r.verdict = true
	return true
}

func (r *resolution) none() bool { return len(r.missing) == r.asked }

// symbolsNamed is how many symbols a sentence names.
const symbolsNamed = 10

// String says what does not resolve.
func (r *resolution) String() string {
	list := strings.Join(r.missing[:min(len(r.missing), symbolsNamed)], ", ")
	if more := len(r.missing) - symbolsNamed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case r.asked == 1:
		return fmt.Sprintf("symbol %s does not resolve", list)
	case r.none():
		return fmt.Sprintf("none of the %d symbols resolves: %s", r.asked, list)
	default:
		return fmt.Sprintf("%d of %d symbols do not resolve: %s", len(r.missing), r.asked, list)
	}
}
