package web

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"tidegate/gateway/orders"
)

// A desk is a key's session of the gate. It is attached as long as the server runs: requests come and go,
// and each waits for the reports with its ticket.
type desk struct {
	key     *Key
	session *orders.Session
	link    *orders.Link
	woken   chan struct{} // has a value when there may be more to read

	mu      sync.Mutex // of the rest
	waiting map[orders.Ticket]*waiter
	streams map[*stream]struct{}
	next    uint64 // number of the next report to be read
	ended   bool
}

// A waiter waits for the answer to a request.
type waiter struct {
	reports []orders.Report
	more    bool // than are kept
	done    chan struct{}
}

// reportsMax is how many reports an answer has; a large order can lead to very many.
const reportsMax = 100

func newDesk(k *Key, s *orders.Session) (*desk, error) {
	d := &desk{
		key: k, session: s, woken: make(chan struct{}, 1), next: s.Next(),
		waiting: make(map[orders.Ticket]*waiter), streams: make(map[*stream]struct{}),
	}
	var err error
	d.link, err = s.Attach(d.wake)
	return d, err
}

// wake is called by the gate when there is more to read.
func (d *desk) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// run reads reports, until ctx or the gate ends.
func (d *desk) run(ctx context.Context) {
	batch := make([]orders.Report, 64)
	for {
		select {
		case <-ctx.Done():
			d.end()
			return
		case <-d.woken:
		}
		for {
			n, err := d.read(d.next, batch)
			if err != nil {
				d.end()
				return
			}
			if n == 0 {
				break
			}
			d.hand(batch[:n])
		}
	}
}

// read reads reports from wherever they are.
func (d *desk) read(from uint64, dst []orders.Report) (int, error) {
	n, err := d.link.Read(from, dst)
	if errors.Is(err, orders.ErrBehind) {
		n, err = d.link.History(from, dst)
		if n == 0 && err == nil { // memory begins there
			n, err = d.link.Read(from, dst)
		}
	}
	return n, err
}

// hand gives reports to those who wait for them.
func (d *desk) hand(batch []orders.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		d.next = r.Number + 1
		w := d.waiting[r.Ticket]
		if w == nil {
			continue
		}
		if w.reports, w.more = keep(w.reports, r); r.Last {
			delete(d.waiting, r.Ticket)
			close(w.done)
		}
	}
	for s := range d.streams {
		s.wake()
	}
}

// keep appends a report, if there is room. The last one always has a place.
func keep(kept []orders.Report, r *orders.Report) (_ []orders.Report, more bool) {
	if len(kept) < reportsMax {
		return append(kept, *r), false
	}
	kept[reportsMax-1] = *r
	return kept, true
}

// end lets nobody wait any more.
func (d *desk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for t, w := range d.waiting {
		delete(d.waiting, t)
		close(w.done)
	}
	for s := range d.streams {
		s.wake()
	}
}

// ask submits a request and waits for its answer, the last report with its ticket.
func (d *desk) ask(r *orders.Request, patience time.Duration) (reports []orders.Report, more bool, p *problem) {
	w := &waiter{done: make(chan struct{})}
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return nil, false, stopping
	}
	ticket, v := d.link.Submit(r) // does not wait; under mu, so that the answer finds who waits for it
	if v == orders.Taken {
		d.waiting[ticket] = w
	}
	d.mu.Unlock()
	if v != orders.Taken {
		return nil, false, problemOfVerdict(v)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, ticket)
	if n := len(w.reports); n == 0 || !w.reports[n-1].Last {
		return nil, false, problemf(504, CodeUnknown, "no answer within %v: the request may still be done; send it again with the same %s to learn more", patience, HeaderIdempotency)
	}
	return w.reports, w.more, nil
}

// first returns what the first request with an id was answered. It is there as long as the gate keeps it.
func (d *desk) first(repeated *orders.Report) (reports []orders.Report, more bool, p *problem) {
	batch := make([]orders.Report, 64)
	ticket := orders.Ticket(0)
	for from := repeated.First; from != 0 && from < repeated.Number; {
		n, err := d.read(from, batch)
		if err != nil || n == 0 {
			break
		}
		for i := range batch[:n] {
			r := &batch[i]
			if ticket == 0 {
				ticket = r.Ticket
			}
			if r.Ticket != ticket {
				continue
			}
			var full bool
			reports, full = keep(reports, r)
			if more = more || full; r.Last {
				return reports, more, nil
			}
		}
		from = batch[n-1].Number + 1
	}
	return nil, false, problemf(409, CodeIdempotency, "the request with this %s was answered before by report %d, which cannot be read", HeaderIdempotency, repeated.First)
}

// sameRequest reports whether two echoes have the fingerprint of the same request.
func sameRequest(a, b *orders.Echo) bool {
	return bytes.Equal(a[:fingerprintLen], b[:fingerprintLen])
}

var stopping = problemf(503, CodeStopping, "the gateway is stopping")

// problemOfVerdict says why the gate did not take a request. Nothing of it was done.
func problemOfVerdict(v orders.Verdict) *problem {
	var p *problem
	switch v {
	case orders.Busy, orders.SessionBusy:
		p = problemf(503, CodeBusy, "the gateway is busy: nothing was done")
		p.retryAfterSeconds = 1
	case orders.TooFast, orders.AccountFast:
		p = problemf(429, CodeRate, "too many requests of this key or account: nothing was done")
		p.retryAfterSeconds = 1
	case orders.AccountKilled:
		p = problemf(403, CodeRejected, "order entry of the account is switched off")
	case orders.AccountOther:
		p = problemf(403, CodeRejected, "the account is not one of the key's")
	case orders.Closing, orders.Detached:
		return stopping
	default:
		p = problemf(500, CodeInternal, "the gateway did not take the request: %s", v)
	}
	p.reason = v.String()
	return p
}
