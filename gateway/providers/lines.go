package providers

import (
	"errors"
	"fmt"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// LinesConfig says which lines of a channel are judged, and when one is stale.
type LinesConfig struct {
	Channel string // for the names of breakers
	// IDs are the lines of the channel. Line R is not judged: it brings what it is asked for.
	IDs []arbiter.LineID
	// StaleAfter is how long another line may have had what this one has not.
	StaleAfter market.Nanos
	// Silence is how long nothing at all may come on it, heartbeats included, while another line is heard.
	Silence market.Nanos
}

// Lines judges the lines of one channel, each with a breaker. It belongs to the owner of the channel's
// pipeline.
//
// It tells those who run the gateway, and nobody else: the arbiter takes each message from the line that
// brings it first, however that line is ranked, and a Requester does not wait for a line that is behind. So
// what Lines says is no input of a replay.
type Lines struct {
	cfg   LinesConfig
	p     *gateway.Pipeline
	of    []judgedLine
	watch func(LineVerdict)
	start market.Nanos // first tick; 0 before
}

// judgedLine is a line and what was said of it.
type judgedLine struct {
	breaker *breaker.Breaker
	told    LineVerdict
}

// A LineVerdict says how far a line is to be relied on. Reasons are Fresh, Unheard, Behind and Silent.
type LineVerdict struct {
	At     market.Nanos
	By     market.Nanos // how long behind or silent; 0 if that says nothing
	Line   arbiter.LineID
	State  breaker.State
	Reason Reason
}

// A LineLedger accounts for one line.
type LineLedger struct {
	LineVerdict
	Since  market.Nanos // when its breaker came into its state; 0 from the start
	Opened uint64       // times that its breaker opened
}

// NewLines returns a judge of lines. configure, if not nil, changes a breaker's configuration; watch, if not
// nil, is called with each verdict, on the pipeline's owner.
func NewLines(cfg LinesConfig, p *gateway.Pipeline, configure func(*breaker.Config), watch func(LineVerdict)) (*Lines, error) {
	if cfg.StaleAfter <= 0 || cfg.Silence <= cfg.StaleAfter {
		return nil, errors.New("providers: lines: silence: want more than stale after, and that more than 0")
	}
	l := &Lines{cfg: cfg, p: p, watch: watch}
	for _, id := range cfg.IDs {
		if _, ok := p.LineHealth(id); !ok {
			return nil, fmt.Errorf("providers: line %s of %s: the pipeline has no such line", id, cfg.Channel)
		}
		if id == arbiter.LineR {
			continue
		}
		config := breaker.DefaultConfig(fmt.Sprintf("line %s of %s", id, cfg.Channel))
		if configure != nil {
			configure(&config)
		}
		b, err := breaker.New(config)
		if err != nil {
			return nil, fmt.Errorf("providers: %w", err)
		}
		l.of = append(l.of, judgedLine{b, LineVerdict{At: market.UndefTime, Line: id, State: breaker.Closed, Reason: Unheard}})
	}
	return l, nil
}

// OnTick looks at every line. Call it after the pipeline's own tick of the same time.
func (l *Lines) OnTick(now market.Nanos) {
	if l.start == 0 {
		l.start = now
	}
	for i := range l.of {
		line := &l.of[i]
		reason, by := l.assess(line.told.Line, now)
		state := line.breaker.OnTick(now, reason == Fresh || reason == Unheard)
		if state != breaker.Closed && reason == Fresh {
			reason, by = line.told.Reason, line.told.By // on probation, what opened it stays the reason
		}
		if told := &line.told; state == told.State && reason == told.Reason {
			continue
		}
		line.told = LineVerdict{At: now, By: by, Line: line.told.Line, State: state, Reason: reason}
		if l.watch != nil {
			l.watch(line.told)
		}
	}
}

// assess says what is wrong with a line right now.
func (l *Lines) assess(id arbiter.LineID, now market.Nanos) (Reason, market.Nanos) {
	h, _ := l.p.LineHealth(id)
	if h.Behind > 0 && h.BehindSince.Defined() && now-h.BehindSince > l.cfg.StaleAfter {
		return Behind, now - h.BehindSince
	}
	last := l.start
	if h.LastRecv.Defined() {
		last = max(last, h.LastRecv)
	}
	if silent := now - last; silent > l.cfg.Silence && l.anotherHeard(id, now) {
		return Silent, silent
	}
	if !h.LastRecv.Defined() {
		return Unheard, 0
	}
	return Fresh, 0
}

// anotherHeard reports whether another line had something within the silence limit: if none had, no line is
// to blame.
func (l *Lines) anotherHeard(id arbiter.LineID, now market.Nanos) bool {
	for i := range l.of {
		other := l.of[i].told.Line
		if h, _ := l.p.LineHealth(other); other != id && h.LastRecv.Defined() && now-h.LastRecv <= l.cfg.Silence {
			return true
		}
	}
	return false
}

// Ledger returns the accounts as of now, in the order of the configuration, without line R.
func (l *Lines) Ledger() []LineLedger {
	ledger := make([]LineLedger, len(l.of))
	for i := range l.of {
		line := &l.of[i]
		ledger[i] = LineLedger{LineVerdict: line.told, Since: line.breaker.Since(), Opened: line.breaker.Opened()}
	}
	return ledger
}
