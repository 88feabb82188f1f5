package egress

import (
	"context"
	"sync"
	"syscall"

	"tidegate/internal/clock"
)

// A turn is whose the loop is: that of its event loop's goroutine, or of a visitor.
//
// A visitor is the writer of a ring that finds the loop asleep. It does not wake it but makes the pass
// itself, if that is nothing but writing what is new to a few sessions: see loop.light. What would take a
// wake-up, 10 to 20 µs and two system calls, then takes none. Everything else is done on the event loop,
// for which a visitor never waits.
type turn struct {
	owner    sync.Mutex // of the loop, its sessions and their sockets
	depth    int        // of enter; only the event loop's goroutine touches it
	visiting bool       // the owner is a visitor
	retired  bool       // the loop is closed
	visits   uint64
}

// enter makes the loop the event loop's. Calls nest: to close a connection is to be told that it is closed.
func (t *turn) enter() {
	if t.depth == 0 {
		t.owner.Lock()
	}
	t.depth++
}

// leave ends enter.
func (t *turn) leave() {
	if t.depth--; t.depth == 0 {
		t.owner.Unlock()
	}
}

// visit is called by the writers of rings when the loop sleeps.
func (l *engineLoop) visit() {
	if !l.visited() {
		l.wake()
	}
}

// visited makes a pass on the caller's thread, if it may and nobody else has the loop.
func (l *engineLoop) visited() bool {
	most := l.loop.cfg.InlineSessions
	if most == 0 || !l.owner.TryLock() {
		return false
	}
	defer l.owner.Unlock()
	if l.retired || !l.loop.light(most) {
		return false
	}
	l.visiting = true
	l.visits++
	l.loop.pass(clock.Now())
	l.visiting = false
	return true
}

// retire closes the loop, when the engine has ended.
func (l *engineLoop) retire() {
	l.owner.Lock()
	defer l.owner.Unlock()
	l.retired = true
	l.loop.close()
}

// light reports whether a pass is nothing but writing what is new to sessions, at most so many: all are
// live, and none is compressed, closing or due something of its own.
func (l *loop) light(most int) bool {
	if l.stopping != "" || len(l.closing) > 0 {
		return false
	}
	n := 0
	for _, f := range l.followers {
		if n += f.following; n > most || len(f.solo) > 0 || len(f.replaying) > 0 {
			return false
		}
	}
	for _, f := range l.followers {
		for _, o := range f.outlets {
			for _, c := range o.order {
				for _, s := range c.live {
					if s.packer != nil {
						return false
					}
				}
			}
		}
	}
	return true
}

// writeInline writes from a visitor's thread. What the network does not take, the event loop sends.
func (k *socket) writeInline(p []byte) {
	if len(k.rest) == 0 && k.kept == 0 {
		n, err := syscall.Write(k.fd, p)
		for err == syscall.EINTR {
			n, err = syscall.Write(k.fd, p)
		}
		if err == nil {
			p = p[n:]
		} // else the engine tries again, and closes the connection if that is what it takes
	}
	if len(p) == 0 {
		return
	}
	if len(k.rest) == 0 {
		k.loop.execute(func(context.Context) error {
			k.loop.enter()
			defer k.loop.leave()
			k.flush()
			return nil
		})
	}
	k.rest = append(k.rest, p...)
}

// flush gives the engine what a visitor could not write.
func (k *socket) flush() {
	if len(k.rest) == 0 || k.session.state == closed {
		return
	}
	rest := k.rest
	k.rest = nil
	k.give(rest)
}

// give writes by the engine, which keeps what the network does not take.
func (k *socket) give(p []byte) {
	_, _ = k.conn.Write(p) // after an error the engine has closed the connection, and OnClose was called
	if k.session.state != closed {
		k.kept = k.conn.OutboundBuffered()
	}
}
