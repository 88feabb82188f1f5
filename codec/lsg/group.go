package lsg

import (
	"errors"
	"fmt"
)

// A Group puts requests together that come on several lines: clients split a request of more than
// 500 symbols into lines that repeat every other key, and only the last says is_last=1. The zero
// value is empty and ready. A session has one Group and gives it every line in order.
type Group struct {
	whole Subscription // what is there so far
	open  bool
}

// Open reports whether the last line of a request is still to come. The session must not start
// then.
func (g *Group) Open() bool { return g.open }

// Add takes the next line. When it completes a request, the request is returned with the symbols of
// all its lines. Errors: the line is about something else than the lines before it, or the request
// has too many symbols; the group is then empty again. Add keeps s.Symbols.
func (g *Group) Add(s Subscription) (whole Subscription, complete bool, err error) {
	if !g.open {
		if s.IsLast {
			return s, true, nil
		}
		g.whole, g.open = s, true
		return Subscription{}, false, nil
	}
	w := &g.whole
	if key := w.differs(&s); key >= 0 {
		err = fmt.Errorf("%s: %s: other than on the line before, which has is_last=0", subscriptionWhat, subscriptionKeys[key])
	} else if n := len(w.Symbols) + len(s.Symbols); n > SymbolsMax {
		err = fmt.Errorf("%s: symbols: %d in one request, want at most %d", subscriptionWhat, n, SymbolsMax)
	} else if w.All() || s.All() {
		err = errors.New(subscriptionWhat + ": symbols: " + AllSymbols + " beside other symbols")
	}
	if err != nil {
		*g = Group{}
		return Subscription{}, false, err
	}
	w.Symbols = append(w.Symbols, s.Symbols...)
	w.Unknown += s.Unknown
	if !s.IsLast {
		return Subscription{}, false, nil
	}
	whole = *w
	whole.IsLast = true
	*g = Group{}
	return whole, true, nil
}

// differs returns the place in subscriptionKeys of a key that two lines of one request do not have
// in common, or -1.
func (s *Subscription) differs(t *Subscription) int {
	switch {
	case s.Schema != t.Schema:
		return subscriptionSchema
	case s.STypeIn != t.STypeIn:
		return subscriptionSTypeIn
	case s.ID != t.ID || s.HasID != t.HasID:
		return subscriptionID
	case s.Start != t.Start || s.HasStart != t.HasStart:
		return subscriptionStart
	case s.Snapshot != t.Snapshot:
		return subscriptionSnapshot
	default:
		return -1
	}
}
