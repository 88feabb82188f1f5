package orders

import (
	"context"
	"fmt"
	"time"

	"tidegate/sinks/journal"
)

// EventReport is the kind of the entries of the events journal: a Report each, see Report.AppendBinary, in the
// order in which they were made. Its index is the number of the report among all. Who keeps orders,
// executions and balances elsewhere follows this journal.
const EventReport uint8 = 1

// A recorder writes reports into the events journal, when their input is durable, whatever the publisher is allowed
// to do before: this journal is never ahead of the input log.
type recorder struct {
	log, events *journal.Journal
	in          *ring[Report]
	told        uint64 // reports so far
	before      uint64 // reports that the journal has from before the start
	payload     []byte
	wake        chan struct{}
	stop        chan struct{}
	ended       chan struct{}
	ctx         context.Context // ends when nobody waits for the disk any longer
}

const (
	// eventsBehindMax is how many reports may wait to be durable in the events journal. Its queue holds more.
	eventsBehindMax = 1 << 15
	// commitEvents is how often the events journal is synced: what a crash takes of it is made again.
	commitEvents = 50 * time.Millisecond
	recorderRing = 1 << 13
)

func newRecorder(ctx context.Context, log, events *journal.Journal, told uint64) *recorder {
	return &recorder{
		log: log, events: events, told: told, before: events.DurableIndex(), ctx: ctx, in: newRing[Report](recorderRing),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
}

// hand gives a report to the recorder. It waits when the disk does not keep up.
func (r *recorder) hand(report *Report) {
	for !r.in.push(report) {
		select {
		case <-r.ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run records until it is stopped and everything is recorded, or ctx ends.
func (r *recorder) run() {
	defer close(r.ended)
	for {
		report := r.in.first()
		if report == nil {
			select {
			case <-r.wake:
				continue
			case <-r.ctx.Done():
				return
			case <-r.stop:
				if r.in.first() == nil {
					return
				}
				continue
			}
		}
		if r.log.WaitDurable(r.ctx, report.Index) != nil {
			return
		}
		if r.told >= r.events.DurableIndex()+eventsBehindMax && r.events.WaitDurable(r.ctx, r.told-eventsBehindMax+1) != nil {
			return
		}
		r.record(report)
		r.in.pop()
	}
}

// record writes a report, if it is not there from before the start.
func (r *recorder) record(report *Report) {
	if r.told++; r.told <= r.before {
		return
	}
	r.payload, _ = report.AppendBinary(r.payload[:0])
	index, kept := r.events.Append(journal.Header{At: report.Event.Time, Kind: EventReport}, r.payload)
	if !kept || index != r.told {
		panic(fmt.Sprintf("orders: the events journal dropped report %d", r.told)) // eventsBehindMax is far less than its queue
	}
}
