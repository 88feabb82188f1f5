package postgres

import (
	"sync"
	"time"
)

// A meter tells the rate of a count over the last samples.
type meter struct {
	mu      sync.Mutex
	samples [11]sample // a ring
	n       int        // samples taken
}

type sample struct {
	at    time.Time
	count uint64
}

// sample is called now and then. Samples much closer than a look apart are left out.
func (m *meter) sample(at time.Time, count uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n > 0 && at.Sub(m.samples[(m.n-1)%len(m.samples)].at) < lookEvery/2 {
		return
	}
	m.samples[m.n%len(m.samples)] = sample{at, count}
	m.n++
}

// rate returns the count per second between the oldest sample and the latest.
func (m *meter) rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n < 2 {
		return 0
	}
	last, first := m.samples[(m.n-1)%len(m.samples)], m.samples[max(0, m.n-len(m.samples))%len(m.samples)]
	return float64(last.count-first.count) / last.at.Sub(first.at).Seconds()
}
