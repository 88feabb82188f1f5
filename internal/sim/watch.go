package sim

import (
	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/market"
)

// A watch stands between a provider's pipeline and the feed, and checks what is published while it passes.
type watch struct {
	gateway.Sink
	w        *World
	exchange *exchange
	feed     uint8
	who      string
	pipeline *gateway.Pipeline

	epochs    int
	start     int           // of the publisher, that the present epoch is of
	epoch     arbiter.Epoch // the last one
	epochAt   market.Nanos  // when it began
	last      uint64        // sequence of the last message that had an event, or that was announced as lost
	marked    bool          // an announced gap lies behind what is published
	withheld  bool          // nothing may be published before there are books
	rebuilt   market.Nanos  // when the books were made anew
	newest    market.Nanos  // venue time of the newest event, 0 in an epoch without
	gaps      uint64
	announced uint64 // messages
	lateness  lateness
}

func (o *watch) OnEvents(events []market.Event, books gateway.Books) {
	e := &events[0]
	if e.Action != market.Clear { // of what was before an epoch
		if o.withheld {
			o.w.violate("%s: message %d is published, and there are no books yet", o.who, e.Seq)
		}
		if e.Seq <= o.last {
			o.w.violate("%s: message %d is published after %d", o.who, e.Seq, o.last)
		}
		o.last = e.Seq
		for i := range events {
			if o.marked && events[i].Flags&market.FlagMaybeBadBook == 0 {
				o.w.violate("%s: message %d comes after a gap and is not marked", o.who, e.Seq)
				break
			}
		}
		if e.TsEvent > o.newest && e.TsEvent < midnight+o.w.now-o.exchange.origin+market.Minute {
			o.newest = e.TsEvent
			o.w.feeds[o.feed].check.delivered(o.w, o, e.TsRecv)
		}
		o.lateness.add(e.TsRecv-o.exchange.sentAt(e.TsEvent), e.TsRecv)
	}
	o.Sink.OnEvents(events, books)
}

func (o *watch) OnGap(g arbiter.Gap) {
	if g.From <= o.last {
		o.w.violate("%s: messages from %d on are announced as lost, and %d was published", o.who, g.From, o.last)
	}
	// The first packet of an epoch may have waited for another one to be believed.
	if late := o.w.now - g.Seen - gapDeadline; late > grain && o.w.now-o.epochAt > gapDeadline {
		o.w.violate("%s: a gap is announced %d us after its deadline", o.who, late/1000)
	}
	o.last = g.To - 1
	o.marked = true
	o.gaps++
	o.announced += g.Messages()
	o.Sink.OnGap(g)
}

func (o *watch) OnEpoch(e arbiter.Epoch) {
	o.w.publish()
	o.w.gate.auditor.restart(o.feed)
	o.epochs++
	o.epoch, o.epochAt, o.start = e, o.w.now, o.w.starting
	o.last, o.newest, o.marked = e.From-1, 0, false
	o.withheld = e.From > 1
	o.Sink.OnEpoch(e)
}

// OnRebuild passes rebuilds on. See gateway.Rebuilder.
func (o *watch) OnRebuild(ids []market.InstrumentID, now market.Nanos) {
	o.withheld, o.rebuilt = false, now
	o.marked = o.pipeline.Suspect() // what was withheld for too long is published without a snapshot
	o.Sink.(gateway.Rebuilder).OnRebuild(ids, now)
}

// lateness is how long the events of a provider were on the way.
type lateness struct {
	last  market.Nanos
	at    market.Nanos // when the last one came; 0 before
	least [leastMax]market.Nanos
	of    [leastMax]int64 // what part of time the least is of
	ever  market.Nanos    // the least of all
}

const (
	leastSpan = 100 * market.Millisecond
	leastMax  = 128
)

func (l *lateness) add(late, at market.Nanos) {
	l.last, l.at = late, at
	l.ever = min(l.ever, late)
	part := int64(at / leastSpan)
	i := part % leastMax
	if l.of[i] != part || late < l.least[i] {
		l.of[i], l.least[i] = part, late
	}
}

// forget forgets how long events were on the way.
func (l *lateness) forget() { *l = lateness{ever: l.last, last: l.last, at: l.at} }

// over returns by how much the last event was later than the fastest one of a stretch of time before it.
func (l *lateness) over(stretch market.Nanos) market.Nanos {
	fastest := l.last
	now := int64(l.at / leastSpan)
	for part := now; part > now-int64(stretch/leastSpan); part-- {
		if i := part % leastMax; l.of[i] == part {
			fastest = min(fastest, l.least[i])
		}
	}
	return l.last - fastest
}
