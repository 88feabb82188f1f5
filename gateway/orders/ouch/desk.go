package ouch

import (
	"sync"

	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// A desk is what the port knows of a session, over all of its connections: which numbers are used up, and
// what clients said of orders that live. It is made of the session's reports, and of what was submitted and
// is not reported yet; after a restart of reports alone.
type desk struct {
	user        *User
	session     *orders.Session
	instruments map[ouch50.Symbol]market.InstrumentID // shared, and not changed
	firms       map[string]orders.AccountID           // the accounts of the session, by firm

	mu   sync.Mutex // of the rest: connections change over, sometimes between loops
	refs [256]ouch50.RefSequence
	live map[orders.ClientID]orders.Echo
	seen uint64                    // number of the first report that is not in refs and live
	held *connection               // who is attached; nil for nobody
	off  map[orders.AccountID]bool // accounts that the session has switched off
}

func newDesk(u *User, s *orders.Session, instruments map[ouch50.Symbol]market.InstrumentID, firms map[orders.AccountID]string) *desk {
	d := &desk{
		user: u, session: s, instruments: instruments, firms: make(map[string]orders.AccountID),
		live: make(map[orders.ClientID]orders.Echo), seen: 1, off: make(map[orders.AccountID]bool),
	}
	for _, a := range s.Accounts() {
		if firm, ok := firms[a]; ok {
			d.firms[firm] = a
		}
	}
	return d
}

// instrument returns the number of an instrument, 0 if there is none of that name.
func (d *desk) instrument(s ouch50.Symbol) market.InstrumentID { return d.instruments[s] }

// account returns the account that a firm is; without a name the session's first.
func (d *desk) account(firm []byte) (orders.AccountID, bool) {
	if len(firm) == 0 {
		return d.session.Accounts()[0], true
	}
	a, ok := d.firms[string(firm)]
	return a, ok
}

// fold takes in a report, if it is the next one. The caller holds mu.
func (d *desk) fold(r *orders.Report) {
	if r.Number != d.seen {
		return
	}
	d.seen++
	if idx, ref, ok := userRef(r.ID); ok && (r.Request == orders.New || r.Request == orders.Replace || r.Request == orders.MassCancel) {
		d.refs[idx].Take(ref)
	}
	if r.Kind != orders.FromEngine {
		if r.Request == orders.New || r.Request == orders.Replace {
			d.forget(r)
		}
		return
	}
	ev := &r.Event
	switch ev.Kind {
	case match.Accepted:
		d.live[r.ID] = r.Echo
	case match.Replaced:
		if r.PrevID != (orders.ClientID{}) && r.PrevID != r.ID {
			delete(d.live, r.PrevID)
		}
		if ev.Open > 0 {
			d.live[r.ID] = r.Echo
		} else {
			delete(d.live, r.ID)
		}
	case match.Executed, match.Canceled:
		if ev.Open == 0 {
			delete(d.live, r.ID)
		}
	case match.Rejected:
		d.forget(r)
	}
}

// forget lets go of what was submitted and came to nothing. A Repeated, and a replacement that was not
// done, are about an order that lives.
func (d *desk) forget(r *orders.Report) {
	if r.Kind == orders.Repeated || r.Request == orders.Cancel || r.Request == orders.Reduce || r.ID == r.PrevID {
		return
	}
	delete(d.live, r.ID)
}

// foldBatch is how many reports are read at a time.
const foldBatch = 64

// catchUp folds what can be read and was not. It reports whether there is more, on disk. The caller holds mu.
func (d *desk) catchUp(link *orders.Link, scratch []orders.Report) (more bool, err error) {
	for {
		n, err := link.Read(d.seen, scratch)
		if err == orders.ErrBehind {
			return true, nil
		}
		if err != nil || n == 0 {
			return false, err
		}
		for i := range scratch[:n] {
			d.fold(&scratch[i])
		}
	}
}

// foldHistory folds all that there is, also what is on disk. It may take its time.
func (d *desk) foldHistory(link *orders.Link) error {
	scratch := make([]orders.Report, 4*foldBatch)
	for {
		d.mu.Lock()
		more, err := d.catchUp(link, scratch)
		from := d.seen
		d.mu.Unlock()
		if err != nil || !more {
			return err
		}
		n, err := link.History(from, scratch)
		if err != nil {
			return err
		}
		d.mu.Lock()
		for i := range scratch[:n] {
			d.fold(&scratch[i])
		}
		d.mu.Unlock()
	}
}

// switched notes that the session has switched order entry of an account off, or on again.
func (d *desk) switched(a orders.AccountID, off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off {
		d.off[a] = true
		return
	}
	delete(d.off, a)
}

// switchedOff reports whether it has.
func (d *desk) switchedOff(a orders.AccountID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off[a]
}
