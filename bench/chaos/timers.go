//go:build linux

package chaos

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// A histogram holds nanoseconds, 1 ns to a minute, to three digits.
type histogram struct{ *hdrhistogram.Histogram }

const spanMax = 60_000_000_000

func newHistogram() histogram { return histogram{hdrhistogram.New(1, spanMax, 3)} }

// record takes a time. What cannot be is cut: the clocks of two processes may differ by a little.
func (h histogram) record(nanos int64) {
	_ = h.RecordValue(min(max(nanos, 1), spanMax)) // in range, so no error
}

// A Distribution sums up times.
type Distribution struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p99_9_ns"`
	Max   time.Duration `json:"max_ns"`
}

func (h histogram) sum() Distribution {
	at := func(p float64) time.Duration { return time.Duration(h.ValueAtPercentile(p)) }
	return Distribution{
		Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max()),
	}
}

// sharpenTimers asks the kernel not to gather wake-ups of this thread: by default it delays them by up to 50 µs.
func sharpenTimers() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	return nil
}

// timerEvery is how often the machine's timers are tried: like the tick of a gateway.
const timerEvery = time.Millisecond

// A timerWatch measures how late this machine wakes a thread that has nothing else to do.
type timerWatch struct {
	lateness histogram
	worst    atomic.Int64 // since it was last taken
	stop     atomic.Bool
	done     chan error
}

func watchTimers() *timerWatch {
	w := &timerWatch{lateness: newHistogram(), done: make(chan error, 1)}
	go func() { w.done <- w.run() }()
	return w
}

func (w *timerWatch) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := sharpenTimers(); err != nil {
		return err
	}
	at, err := monotonic()
	for err == nil && !w.stop.Load() {
		at += int64(timerEvery)
		ts := unix.NsecToTimespec(at)
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
		}
		var now int64
		if now, err = monotonic(); err == nil {
			w.lateness.record(now - at)
			if now-at > w.worst.Load() {
				w.worst.Store(now - at)
			}
			at += (now - at) / int64(timerEvery) * int64(timerEvery) // leave out what was slept through
		}
	}
	return err
}

func monotonic() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return ts.Nano(), nil
}

// takeWorst returns how late the worst wake-up was since it was last asked.
func (w *timerWatch) takeWorst() time.Duration { return time.Duration(w.worst.Swap(0)) }

// end stops the watch and returns what it saw.
func (w *timerWatch) end() (Distribution, error) {
	w.stop.Store(true)
	err := <-w.done
	return w.lateness.sum(), err
}
