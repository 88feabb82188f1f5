package ouch

import (
	"strings"

	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// loginsWaitingMax is how many logins may wait for judgement. Who comes then is told that there is no
// such session, now.
const loginsWaitingMax = 64

// judge has a login judged beside the event loops: passwords take milliseconds, and what a session's
// reports say is read before its first request is taken. The answer comes to the connection's loop.
func (s *Server) judge(c *connection, login *soupbintcp.Login) error {
	l := *login
	select {
	case s.logins <- func() { s.judgeNow(c, &l) }:
		return soupbintcp.ErrLater
	default:
		return soupbintcp.ErrNoSession
	}
}

// runLogins judges until Stop.
func (s *Server) runLogins() {
	for {
		select {
		case judge := <-s.logins:
			judge()
		case <-s.stopping:
			return
		}
	}
}

func (s *Server) judgeNow(c *connection, login *soupbintcp.Login) {
	refuse := func(err error) {
		c.loop.execute(func(now market.Nanos) {
			c.refused(err, now)
			c.loop.armed()
		})
	}
	d := s.desks[strings.ToUpper(login.Username)]
	if d == nil {
		s.nobody.Is(login.Password) // so that it takes as long as for a user
		refuse(soupbintcp.ErrNotAuthorized)
		return
	}
	if !d.user.Password.Is(login.Password) {
		refuse(soupbintcp.ErrNotAuthorized)
		return
	}
	// A login that asks for what there is not does not push anybody aside.
	if !login.Session.Blank() && !login.Session.Is(s.session) || login.Next > d.session.Next() {
		refuse(soupbintcp.ErrNoSession)
		return
	}
	link, _ := d.session.Takeover(func() { c.loop.wake(c) })
	d.mu.Lock()
	before := d.held
	d.held = c
	d.mu.Unlock()
	if before != nil && before != c {
		before.loop.execute(func(now market.Nanos) {
			before.lost(orders.ErrDetached, now)
			before.loop.armed()
		})
	}
	if err := d.foldHistory(link); err != nil {
		s.cfg.Log.Error("ouch: a session's messages cannot be read", "user", d.user.Username, "error", err)
		link.Detach()
		refuse(soupbintcp.ErrNoSession)
		return
	}
	offer := soupbintcp.Offer{Session: s.session, First: 1, Next: d.session.Next()}
	delivered := c.loop.execute(func(now market.Nanos) {
		if c.gone || !c.soup.Judging() { // it did not wait
			link.Detach()
			return
		}
		c.admitted(d, link, offer, now)
		c.logOpened(offer.Next, login.Next)
		c.loop.armed()
	})
	if !delivered {
		link.Detach()
	}
}

// nobodyHash is the hash of no password, to be compared with.
func nobodyHash() PasswordHash {
	h := PasswordHash{iterations: iterationsDefault, salt: make([]byte, saltLen)}
	h.sum = make([]byte, 32)
	return h
}
