package journal

import (
	"fmt"
	"time"
)

// A Notice is something that an operator should know.
type Notice struct {
	Kind NoticeKind
	Text string // a sentence
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// Kinds of notices.
const (
	Recovered  NoticeKind = iota // a journal was opened that had not been closed, or had a torn tail
	Damage                       // entries that were durable cannot be read
	SyncFailed                   // a write or sync failed: the segment is given up, its tail is written again
	Stalled                      // nothing can be written; entries wait in memory
	Resumed                      // it can again
	Spilling                     // the disk lags: more entries wait than the queue holds
	CaughtUp                     // it does not any more
	GapBegins                    // memory is full: entries are dropped
	GapEnds                      // they are kept again, behind an entry that says how many were not
	SpaceLow                     // free space is short: segments are packed and removed before their time
	HeldBack                     // retention cannot remove what it should: a reader needs it
	Upkeep                       // packing or removing a segment failed; it is tried again
)

var noticeNames = [...]string{
	"recovered", "damage", "sync failed", "stalled", "resumed", "spilling", "caught up", "gap begins", "gap ends",
	"space low", "held back", "upkeep failed",
}

// String returns the kind in words.
func (k NoticeKind) String() string { return noticeNames[k] }

// Alarm reports whether entries are lost or in danger.
func (k NoticeKind) Alarm() bool {
	switch k {
	case Recovered, Resumed, CaughtUp, GapEnds, Upkeep:
		return false
	default:
		return true
	}
}

// noticesMax is how many notices wait for somebody who is slow to take them.
const noticesMax = 256

// notify hands a notice to the herald, and never waits.
func (j *Journal) notify(kind NoticeKind, format string, args ...any) {
	if j.cfg.Notify == nil {
		return
	}
	n := Notice{Kind: kind, Text: fmt.Sprintf(format, args...)}
	if j.knobs.manual {
		j.cfg.Notify(n)
		return
	}
	select {
	case j.notices <- n:
	default:
		j.counts.noticesLost.Add(1)
	}
}

// heraldEvery is how often the herald looks while there is an alarm.
const heraldEvery = 50 * time.Millisecond

// herald calls Notify, so that nobody who works for the journal waits for it. It ends when the notices
// are closed.
type herald struct {
	j                  *Journal
	done               chan struct{} // closed at the end
	spilling, dropping bool
}

func (h *herald) run() {
	defer close(h.done)
	ticker := time.NewTicker(heraldEvery)
	defer ticker.Stop()
	for {
		var tick <-chan time.Time
		if h.spilling || h.dropping {
			tick = ticker.C
		}
		select {
		case n, ok := <-h.j.notices:
			if !ok {
				return
			}
			if h.j.cfg.Notify != nil {
				h.j.cfg.Notify(n)
			}
		case <-h.j.queue.notice:
			h.look()
		case <-tick:
			h.look()
		}
	}
}

// look says what has changed about the queue.
func (h *herald) look() {
	q := h.j.queue
	say := func(kind NoticeKind, format string, args ...any) {
		if h.j.cfg.Notify != nil {
			h.j.cfg.Notify(Notice{Kind: kind, Text: fmt.Sprintf(format, args...)})
		}
	}
	spilling, dropping := q.spilling(), q.dropping.Load()
	if spilling && !h.spilling {
		say(Spilling, "the disk lags: %d KiB wait in memory, the queue has %d", q.inUse()*q.chunkBytes>>10, q.usual*q.chunkBytes>>10)
	}
	if dropping && !h.dropping {
		say(GapBegins, "memory is full (%d MiB): entries are dropped: %v", len(q.chunks)*q.chunkBytes>>20, Reason(q.why.Load()))
	}
	if !dropping && h.dropping {
		say(GapEnds, "entries are kept again; %d were dropped since the start", q.dropped.Load())
	}
	if !spilling && h.spilling {
		say(CaughtUp, "the disk has caught up")
	}
	h.spilling, h.dropping = spilling, dropping
}
