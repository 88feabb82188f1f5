//go:build linux

package lines

import (
	"context"

	"tidegate/internal/netloop"
)

// Do has f run on the loop between two polls: it may touch what the loop owns, and must not wait. Do
// itself does not wait. Commands run in the order in which they are given. Those given before Run run
// when it starts. After Run the answer is ErrStopped, and f will not run.
func (l *Loop) Do(f func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrStopped
	}
	l.commands = append(l.commands, f)
	if !l.asked.Swap(true) {
		l.resting().Wake()
	}
	return nil
}

// resting is where the thread that runs commands rests.
func (l *Loop) resting() *netloop.Poller {
	if l.bell != nil {
		return l.bell
	}
	return l.in.poller
}

// Call is Do that waits until f has run, ctx has ended, or the loop has. It must not be called on the
// loop. If ctx ends first, f may still run.
func (l *Loop) Call(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	if err := l.Do(func() { f(); close(ran) }); err != nil {
		return err
	}
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
	}
	select { // the loop has ended: either f ran before, or it never will
	case <-ran:
		return nil
	default:
		return ErrStopped
	}
}

// obey runs the commands that wait.
func (l *Loop) obey() {
	l.asked.Store(false) // first: whoever comes later sets it again
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.mu.Unlock()
	if len(commands) == 0 {
		return
	}
	for _, f := range commands {
		f()
	}
	l.commanded += uint64(len(commands))
	l.publish()
}

// stop has the loop end. The pollers may be gone.
func (l *Loop) stop() {
	l.stopping.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.in.poller.Wake()
	if l.bell != nil {
		l.bell.Wake()
	}
}

// Close closes the sockets. Run must have returned, or never be called.
func (l *Loop) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if !l.ended {
		close(l.done) // it never ran
	}
	l.ended, l.closed = true, true
	for i := range l.lines {
		_ = l.lines[i].socket.Close()
	}
	for _, p := range []*netloop.Poller{l.in.poller, l.bell} {
		if p != nil {
			p.Close()
		}
	}
}
