package gateway

import (
	"fmt"

	"tidegate/arbiter"
	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// Retransmits reports whether messages of a feed can be asked for again by datagrams: what comes back
// is then framed like the feed itself, and is given to OnDatagram as line R.
func (f Feed) Retransmits() bool { return f == ITCH }

// SendRequests has send called with every request for retransmission, on the pipeline's owner, while a
// datagram or a tick is handled. send must not wait, and the pipeline does not learn what becomes of the
// request: one that cannot be sent will not be answered. Without it, as in a replay, requests go nowhere,
// and what comes in as answers to them is taken all the same.
func (p *Pipeline) SendRequests(send func(arbiter.Request)) { p.sendRequest = send }

// AppendRequest appends a request to b as the retransmit servers of a feed that Retransmits read it.
func (p *Pipeline) AppendRequest(b []byte, q arbiter.Request) []byte {
	var session [moldudp64.SessionLen]byte
	q.Session.AppendBytes(session[:0])
	return moldudp64.AppendRequest(b, moldudp64.Request{Session: session, Seq: q.Seq, Count: uint16(q.Count)})
}

// Requests returns the account of requests for retransmission. ok is false where none are made.
func (p *Pipeline) Requests() (l arbiter.RequestLedger, ok bool) {
	if p.requester == nil {
		return l, false
	}
	return p.requester.Ledger(), true
}

// plan makes the pipeline ask for what its lines have lost.
func (p *Pipeline) plan() (err error) {
	if !p.cfg.Feed.Retransmits() && p.cfg.Feed != PITCH { // whose proxies are asked by TCP
		return fmt.Errorf("pipeline: retransmission: feed %s: has none by datagrams", p.cfg.Feed)
	}
	if p.requester, err = arbiter.NewRequester(*p.cfg.Retransmit, p.arb); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	return nil
}

// onPacket hands a packet to the arbiter where requests are made, and asks for what it shows to be
// missing.
func (p *Pipeline) onPacket(k *arbiter.Packet) {
	if k.Line == arbiter.LineR {
		p.requester.OnPacket(k)
	} else {
		p.arb.OnPacket(k)
	}
	if p.requester.Missing() {
		p.request(k.TsRecv)
	}
}

// request sends the requests that are due.
func (p *Pipeline) request(now market.Nanos) {
	for q, ok := p.requester.Next(now); ok; q, ok = p.requester.Next(now) {
		if p.sendRequest != nil {
			p.sendRequest(q)
		}
	}
}

// requestUntil sends the requests that are due before the next gap is given up, if that is by now.
func (p *Pipeline) requestUntil(now market.Nanos) {
	for {
		due, gap := p.requester.Due(), p.arb.Deadline()
		if !due.Defined() || due > now || gap.Defined() && gap <= due {
			return
		}
		p.request(due)
	}
}

// Session returns the channel's present session, the zero value where there is none yet.
func (p *Pipeline) Session() arbiter.Session {
	if p.arb == nil {
		return arbiter.Session{}
	}
	return p.arb.Epoch().Session
}
