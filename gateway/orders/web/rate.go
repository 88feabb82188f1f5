package web

import (
	"math"
	"sync"

	"tidegate/market"
)

// A rateLimit allows each key so many requests a second, and as many at once. It forgets nobody: keys
// are those of the configuration.
type rateLimit struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

// A bucket holds what a key may still do.
type bucket struct {
	tokens float64
	at     market.Nanos
}

func newRateLimit(perSecond int) *rateLimit {
	return &rateLimit{perSecond: float64(perSecond), buckets: make(map[string]*bucket)}
}

// take takes one request of a key, or says in how many seconds there is one.
func (r *rateLimit) take(key string, now market.Nanos) *problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key]
	if b == nil {
		b = &bucket{tokens: r.perSecond, at: now}
		r.buckets[key] = b
	}
	b.tokens = min(r.perSecond, b.tokens+float64(now-b.at)/float64(market.Second)*r.perSecond)
	b.at = now
	if b.tokens < 1 {
		p := problemf(429, CodeRate, "more than %.0f requests a second with this key", r.perSecond)
		p.retryAfterSeconds = int(math.Ceil((1 - b.tokens) / r.perSecond))
		return p
	}
	b.tokens--
	return nil
}
