//go:build linux

package lines

import (
	"runtime"
	"time"
)

// runSplit is Run of a split loop, but for the end.
func (l *Loop) runSplit() error {
	received := make(chan error, 1)
	go func() { received <- l.receive() }() // ends when stop is called; see below
	var err error
	for err == nil && !l.stopping.Load() {
		err = l.turnSplit()
	}
	l.stop()
	for ended := false; !ended; { // what was received is handled to the last
		select {
		case receiveErr := <-received:
			ended = true
			if err == nil {
				err = receiveErr
			}
		default:
			runtime.Gosched()
		}
		for n := 1; n > 0; {
			n, _ = l.drain()
		}
	}
	l.wakeReaders()
	return err
}

// receive is the receiving thread.
func (l *Loop) receive() error {
	runtime.LockOSThread() // for good: Begin may have changed the thread
	defer l.stop()
	defer l.in.report()
	if err := l.cfg.begin(Sockets); err != nil {
		return err
	}
	for !l.stopping.Load() {
		if err := l.receiveTurn(); err != nil {
			return err
		}
	}
	return nil
}

// crowdedRest is how long the receiving thread rests when the other one is so far behind that there is no
// room: about as long as that takes for some batches. The kernel keeps what comes.
const crowdedRest = 50 * time.Microsecond

// receiveTurn is one round of the receiving thread: sockets, time, rest.
func (l *Loop) receiveTurn() error {
	before := l.in.ticked
	now, busy := l.in.look()
	l.queue.ring()
	if l.in.ticked != before {
		l.in.report()
	}
	if l.in.crowded {
		time.Sleep(crowdedRest)
		return nil
	}
	return l.in.poller.Idle(now, busy)
}

// turnSplit is one round of the other thread: commands, what was received, rest.
func (l *Loop) turnSplit() error {
	if l.asked.Load() {
		l.obey()
	}
	_, datagrams := l.drain() // ticks alone do not keep it awake
	l.wakeReaders()
	if !l.bell.Tired(l.idle.now(), datagrams > 0) || !l.queue.sleep() {
		return nil
	}
	err := l.bell.Park() // commands, and the end, ring whether it sleeps or not
	l.queue.asleep.Store(false)
	return err
}

// drain handles what was received, up to pollMax entries, and returns how many there were, and how many
// of them were datagrams.
func (l *Loop) drain() (entries, datagrams int) {
	for ; entries < pollMax; entries++ {
		e, ok := l.queue.take()
		if !ok {
			break
		}
		if e.line == entryTick {
			l.onTick(e.at)
			continue
		}
		line := &l.lines[e.line]
		l.onDatagram(line, int(e.slot), e.at)
		line.handled++
		datagrams++
	}
	if entries == 0 {
		return 0, 0
	}
	for i := range l.lines {
		if line := &l.lines[i]; line.freed.Load() != line.handled {
			line.freed.Store(line.handled)
		}
	}
	l.queue.free()
	return entries, datagrams
}
