package ouch

import (
	"net/netip"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"

	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// A loop serves the connections of an event loop of the engine. Everything but what mu guards belongs to
// that event loop.
type loop struct {
	runner
	server      *Server
	limits      Limits
	connections []*connection
	next        []*connection // those that need the next pass, whatever happens until then
	serving     []*connection // next, during a pass
	pace        time.Duration // in which the next pass is asked for; 0: it is not

	// Scratch, of one connection at a time.
	reports    []orders.Report
	request    orders.Request
	message    []byte
	translator translator

	counts   Counts
	verdicts [verdictsMax]uint64
	closes   [closeReasons]uint64

	wakeMu   sync.Mutex // of woken, and of the connections' dirty
	woken    []*connection
	wokenOld []*connection // memory of woken, during a pass
}

// loopOf returns the loop on an event loop. The engine tells of its event loops by their connections.
func (s *Server) loopOf(events gnet.EventLoop) (*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		if l.events == events {
			return l, nil
		}
	}
	if s.stopped {
		return nil, errStopping
	}
	l := &loop{
		runner: runner{events: events, log: s.cfg.Log}, server: s, limits: s.cfg.Limits,
		reports: make([]orders.Report, foldBatch), translator: s.newTranslator(),
	}
	l.rearm = time.AfterFunc(time.Hour, l.ask)
	l.rearm.Stop()
	l.ticker = time.AfterFunc(tickEvery, func() { l.execute(l.onTick) })
	s.loops = append(s.loops, l)
	return l, nil
}

// open begins a connection.
func (l *loop) open(t transport, client netip.AddrPort, now market.Nanos) *connection {
	c := &connection{loop: l, conn: t, client: client, place: len(l.connections), opened: now}
	cfg := soupbintcp.ServerConfig{
		Heartbeat: market.Second, SilenceMax: market.Nanos(l.limits.Silence), LoginMax: market.Nanos(l.limits.Login),
		PayloadMax: payloadMax,
	}
	c.soup = soupbintcp.NewServer(cfg, func(login *soupbintcp.Login) (soupbintcp.Offer, error) {
		return soupbintcp.Offer{}, l.server.judge(c, login)
	})
	c.soup.Connect(now)
	l.connections = append(l.connections, c)
	l.counts.Opened++
	return c
}

// closed forgets a connection that is closed: for a reason, unless there was one before.
func (l *loop) closed(c *connection, r closeReason, now market.Nanos) {
	if c.gone {
		return
	}
	c.gone = true
	if c.closing == notClosing {
		c.closing = r
	}
	c.detach()
	last := len(l.connections) - 1
	l.connections[c.place] = l.connections[last]
	l.connections[c.place].place = c.place
	l.connections[last] = nil
	l.connections = l.connections[:last]
	l.closes[c.closing]++
	c.logClosed(now)
	if c.closing == closedRefused {
		l.server.door.Failed(c.client.Addr(), now)
	}
	l.server.door.Leave(c.client.Addr())
}

// wake has a connection served, because there is more for it. Anybody may call it.
func (l *loop) wake(c *connection) {
	l.wakeMu.Lock()
	if c.dirty {
		l.wakeMu.Unlock()
		return
	}
	c.dirty = true
	l.woken = append(l.woken, c)
	l.wakeMu.Unlock()
	l.ask()
}

// ask asks for a pass, once until it has begun. Anybody may call it.
func (l *loop) ask() {
	if l.pending.CompareAndSwap(false, true) {
		l.execute(l.pass)
	}
}

// again has a connection served soon: it has more to write.
func (l *loop) again(c *connection) { l.await(c, soonDelay) }

// later has a connection served after a while: the network does not take its bytes.
func (l *loop) later(c *connection) { l.await(c, laterDelay) }

func (l *loop) await(c *connection, d time.Duration) {
	if !c.waiting {
		c.waiting = true
		l.next = append(l.next, c)
	}
	if l.pace == 0 || d < l.pace {
		l.pace = d
	}
}

// armed makes sure that who waits for another pass gets one. It is called when the loop is left.
func (l *loop) armed() {
	if l.pace != 0 {
		l.rearm.Reset(l.pace)
		l.pace = 0
	}
}

// pass serves those for whom there is something to do.
func (l *loop) pass(now market.Nanos) {
	l.pending.Store(false) // before looking, so that what comes meanwhile is not missed
	l.counts.Passes++
	l.wakeMu.Lock()
	l.woken, l.wokenOld = l.wokenOld[:0], l.woken
	for _, c := range l.wokenOld {
		c.dirty = false
	}
	l.wakeMu.Unlock()
	l.serving, l.next = l.next, l.serving[:0]
	for _, c := range l.serving {
		c.waiting = false
		c.serve(now)
	}
	clear(l.serving)
	for _, c := range l.wokenOld {
		c.serve(now)
	}
	clear(l.wokenOld)
	l.armed()
}

// onTick does what is due because time passed.
func (l *loop) onTick(now market.Nanos) {
	for i := len(l.connections) - 1; i >= 0; i-- { // backwards: one may leave, the last one takes its place
		if i < len(l.connections) {
			l.connections[i].onTick(now)
		}
	}
	l.armed()
	l.ticker.Reset(tickEvery)
}

// stopAll tells all clients that the day is over for now, and closes them.
func (l *loop) stopAll(now market.Nanos) {
	for i := len(l.connections) - 1; i >= 0; i-- {
		if i < len(l.connections) {
			l.connections[i].sayGoodbye(now)
		}
	}
	l.armed()
}
