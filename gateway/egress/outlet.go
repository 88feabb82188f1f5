package egress

import (
	"crypto/sha256"
	"slices"

	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// An outlet is a feed as a loop serves it.
type outlet struct {
	loop     *loop
	follower *follower
	feed     *Feed
	schemas  schemaSet
	lookup   *stream.Lookup
	seen     int // directory entries in lookup
	passed   int // directory entries whose announcement in the ring the loop has read, at least
	settled  int // the same, as of the end of the pass before

	cohorts map[[sha256.Size]byte]*cohort
	order   []*cohort // the same in order of creation
	touched []*cohort // those with bytes to be written
	index   [schemaCount]cohortIndex
	wanted  [schemaCount]int // by how many sessions
	refused schemaSet        // wanted, but not derived; only the feed's ingest loop touches it
}

// A cohort is the sessions of an outlet whose interests are equal.
type cohort struct {
	*interest
	key     [sha256.Size]byte
	members int        // live or not
	live    []*session // those that are

	span    []byte                // bytes of this pass for each of them
	records int                   // data records in span
	late    []market.InstrumentID // whose snapshots they want, because they became known in this pass
}

// A cohortIndex finds the cohorts that want a record of a schema without looking at the others.
type cohortIndex struct {
	all   []*cohort   // want every instrument
	dense [][]*cohort // want one, by its id
	far   map[market.InstrumentID][]*cohort
}

func (x *cohortIndex) add(id market.InstrumentID, c *cohort) {
	if id >= denseMax {
		if x.far == nil {
			x.far = make(map[market.InstrumentID][]*cohort)
		}
		x.far[id] = append(x.far[id], c)
		return
	}
	if int(id) >= len(x.dense) {
		x.dense = append(x.dense, make([][]*cohort, int(id)+1-len(x.dense))...)
	}
	x.dense[id] = append(x.dense[id], c)
}

func (x *cohortIndex) remove(id market.InstrumentID, c *cohort) {
	if id >= denseMax {
		if x.far[id] = drop(x.far[id], c); len(x.far[id]) == 0 {
			delete(x.far, id)
		}
		return
	}
	x.dense[id] = drop(x.dense[id], c)
}

// one returns the cohorts that want one instrument in particular.
func (x *cohortIndex) one(id market.InstrumentID) []*cohort {
	if int(id) < len(x.dense) {
		return x.dense[id]
	}
	return x.far[id] // of nil too
}

func drop(list []*cohort, c *cohort) []*cohort {
	i := slices.Index(list, c)
	return slices.Delete(list, i, i+1)
}

func newOutlet(l *loop, f *follower, feed *Feed) *outlet {
	return &outlet{
		loop: l, follower: f, feed: feed, schemas: setOf(feed.Schemas...),
		lookup: stream.NewLookup(feed.Directory), cohorts: make(map[[sha256.Size]byte]*cohort),
	}
}

// take adds an entry to the spans of the cohorts that want it, and returns roughly how many bytes
// that made a span longer beyond the entry's own.
func (o *outlet) take(e *bus.Entry, now market.Nanos) (grown int) {
	switch e.Kind {
	case stream.Record:
		o.record(e, now)
	case stream.IntervalEnd:
		for _, c := range o.order {
			if c.any.has(dbn.Schema(e.Schema)) {
				grown = max(grown, c.intervalEnd(o, e, now))
			}
		}
	case stream.Notice:
		for _, c := range o.order {
			grown = max(grown, c.notice(o, e, now))
		}
	case stream.Instrument:
		o.sync()
		o.pass(e.Instrument)
		symbol, _ := o.lookup.Symbol(e.Instrument)
		for _, c := range o.order {
			grown = max(grown, c.meet(o, e.Instrument, symbol, now))
		}
	}
	return grown
}

// record is the way of nearly every entry.
func (o *outlet) record(e *bus.Entry, now market.Nanos) {
	o.follower.latest = max(o.follower.latest, e.At)
	x := &o.index[e.Schema]
	for _, c := range x.all {
		c.record(o, e.Payload, now)
	}
	for _, c := range x.one(e.Instrument) {
		c.record(o, e.Payload, now)
	}
}

func (c *cohort) record(o *outlet, payload []byte, now market.Nanos) {
	if len(c.live) == 0 {
		return
	}
	before := len(c.span)
	c.span = c.appendRecords(c.span, payload, now)
	c.records++
	o.grew(c, before)
}

func (c *cohort) intervalEnd(o *outlet, e *bus.Entry, now market.Nanos) (grown int) {
	if len(c.live) == 0 {
		return 0
	}
	before := len(c.span)
	c.span = c.appendIntervalEnd(c.span, e, now)
	return o.grew(c, before)
}

// notice tells the sessions of a cohort what an entry says of their feed.
func (c *cohort) notice(o *outlet, e *bus.Entry, now market.Nanos) (grown int) {
	if len(c.live) == 0 {
		return 0
	}
	before := len(c.span)
	c.span = c.appendNotice(c.span, e, now)
	return o.grew(c, before)
}

// appendNotice appends what an entry of that kind says.
func (x *interest) appendNotice(b []byte, e *bus.Entry, now market.Nanos) []byte {
	return x.appendSystem(b, dbn.SystemUnset, e.At, string(e.Payload), now)
}

// appendIntervalEnd appends what an entry of that kind says.
func (x *interest) appendIntervalEnd(b []byte, e *bus.Entry, now market.Nanos) []byte {
	return x.appendSystem(b, dbn.SystemEndOfInterval, e.At, textIntervalEnd(dbn.Schema(e.Schema)), now)
}

// meet tells the sessions of a cohort of an instrument that became known, if they want it.
func (c *cohort) meet(o *outlet, id market.InstrumentID, symbol string, now market.Nanos) (grown int) {
	if len(c.live) == 0 {
		return 0
	}
	before := len(c.span)
	c.span = c.appendMappings(c.span, id, symbol, now)
	if c.wantsSnapshot(id, symbol) {
		c.late = append(c.late, id)
	}
	return o.grew(c, before)
}

// grew notes that a span grew from a length, and returns by how much.
func (o *outlet) grew(c *cohort, before int) int {
	if before == 0 && len(c.span) > 0 {
		o.touched = append(o.touched, c)
	}
	return len(c.span) - before
}

// flush writes the spans of a pass, which began at from. Sessions that do not take theirs go solo.
func (o *outlet) flush(from bus.Cursor, now market.Nanos) {
	for _, c := range o.touched {
		for i := len(c.live) - 1; i >= 0; i-- { // backwards: a session may leave, the last one takes its place
			if i < len(c.live) && len(c.span) > 0 {
				c.live[i].take(c, from, now)
			}
		}
		c.span, c.records, c.late = c.span[:0], 0, c.late[:0]
	}
	clear(o.touched)
	o.touched = o.touched[:0]
	o.settled = o.passed
}

// leaveAll makes every live session solo.
func (o *outlet) leaveAll(at bus.Cursor) {
	for _, c := range o.order {
		for len(c.live) > 0 {
			c.live[len(c.live)-1].goSolo(at)
		}
	}
}

// sync takes in what the directory learned, so that cohorts want it. Nobody is told: the ring says
// when.
func (o *outlet) sync() {
	fresh := o.lookup.Sync()
	o.seen += len(fresh)
	for i := range fresh {
		for _, c := range o.order {
			o.learn(c, &fresh[i])
		}
	}
}

// known returns the instruments that were taken in, in order of appearance.
func (o *outlet) known() []market.Instrument { return o.feed.Directory.All()[:o.seen] }

func (o *outlet) learn(c *cohort, in *market.Instrument) {
	fresh := c.learn(in)
	for schema := range o.index {
		if fresh.has(dbn.Schema(schema)) {
			o.index[schema].add(in.ID, c)
		}
	}
}

// pass notes that the loop read that an instrument became known.
func (o *outlet) pass(id market.InstrumentID) {
	known := o.known()
	for i := o.passed; i < len(known); i++ {
		if known[i].ID == id {
			o.passed = i + 1
			return
		}
	}
}

// join makes a session a member of the cohort of its interest.
func (o *outlet) join(s *session) {
	subs := s.direct()
	key := interestKey(s.form, subs)
	c := o.cohorts[key]
	if c == nil {
		c = &cohort{interest: newInterest(s.form, subs), key: key}
		o.cohorts[key] = c
		o.order = append(o.order, c)
		for schema := range o.index {
			if c.all.schemas.has(dbn.Schema(schema)) {
				o.index[schema].all = append(o.index[schema].all, c)
			}
		}
		known := o.known()
		for i := range known {
			o.learn(c, &known[i])
		}
	}
	c.members++
	s.cohort = c
	o.want(c.any, 1)
}

// part takes a session that is not live out of a cohort.
func (o *outlet) part(c *cohort) {
	o.want(c.any, -1)
	if c.members--; c.members > 0 {
		return
	}
	delete(o.cohorts, c.key)
	o.order = drop(o.order, c)
	for schema := range o.index {
		x := &o.index[schema]
		if c.all.schemas.has(dbn.Schema(schema)) {
			x.all = drop(x.all, c)
		}
		c.resolved[schema].each(func(id market.InstrumentID) { x.remove(id, c) })
	}
}

// want tells the feed which schemas the loop's sessions began or ceased to want.
func (o *outlet) want(schemas schemaSet, n int) {
	for i := range o.wanted {
		schema := dbn.Schema(i)
		if !schemas.has(schema) {
			continue
		}
		before := o.wanted[i]
		o.wanted[i] += n
		switch {
		case before == 0:
			o.feed.Do(func(u Upstream) {
				if err := u.Want(schema); err != nil {
					o.refused |= setOf(schema)
					o.loop.cfg.Log.Error("a feed cannot derive a schema that it was said to have", "dataset", o.feed.Dataset, "error", err)
				}
			})
		case o.wanted[i] == 0:
			o.feed.Do(func(u Upstream) {
				if o.refused.has(schema) {
					o.refused &^= setOf(schema)
					return
				}
				u.Unwant(schema)
			})
		}
	}
}
