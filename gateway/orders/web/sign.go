package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"time"

	"tidegate/market"
)

// Headers of a request.
const (
	HeaderKey         = "Tidegate-Key"       // id of the API key
	HeaderTime        = "Tidegate-Time"      // when it was signed, in nanoseconds since the Unix epoch
	HeaderSignature   = "Tidegate-Signature" // see Sign, in lower-case hexadecimal digits
	HeaderIdempotency = "Idempotency-Key"
)

// Sign returns the signature of a request: HMAC-SHA256 over five lines, in hexadecimal digits.
//
//	the time, in nanoseconds since the Unix epoch, as in HeaderTime
//	the method: GET, POST, PUT, DELETE
//	the path with its query, as it is sent: /v1/orders?limit=10
//	the idempotency key, empty if there is none
//	the body, which may be empty and have lines of its own; nothing follows it
func Sign(secret []byte, at market.Nanos, method, target, idempotency string, body []byte) string {
	sum := signature(secret, []byte(strconv.FormatInt(int64(at), 10)), []byte(method), []byte(target), []byte(idempotency), body)
	return hex.EncodeToString(sum[:])
}

func signature(secret, at, method, target, idempotency, body []byte) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, secret)
	for _, line := range [][]byte{at, method, target, idempotency} {
		mac.Write(line)
		mac.Write([]byte{'\n'})
	}
	mac.Write(body)
	mac.Sum(sum[:0])
	return sum
}

// A replayGuard refuses signatures of another time, and those that were there before. It has to remember
// them only as long as their time is good, so its memory is what a key may send in that time.
//
// After a restart it knows nothing of what was there before; so it takes nothing that was signed before
// the start, or so shortly after it that a clock that is fast may have signed it before.
type replayGuard struct {
	behindMax, aheadMax market.Nanos // how far from our time a signature's may be
	signaturesMax       int          // of a key, in each of its two generations
	startedAt           market.Nanos

	mu   sync.Mutex // of keys
	keys map[string]*generations
}

// generations are the signatures of a key: those that came since a time, and those of the time before that.
type generations struct {
	since        market.Nanos
	young, older map[[sha256.Size]byte]struct{}
}

func newReplayGuard(window, ahead time.Duration, signaturesMax int, startedAt market.Nanos) *replayGuard {
	return &replayGuard{
		behindMax: market.Nanos(window), aheadMax: market.Nanos(ahead), signaturesMax: signaturesMax,
		startedAt: startedAt, keys: make(map[string]*generations),
	}
}

// fits says what is wrong with the time of a signature, or nothing.
func (g *replayGuard) fits(at, now market.Nanos) *problem {
	switch {
	case at > now+g.aheadMax:
		return problemf(401, CodeClock, "signed %v from now, which is more than %v: the clocks differ", time.Duration(at-now), time.Duration(g.aheadMax))
	case at < now-g.behindMax:
		return problemf(401, CodeClock, "signed %v ago, which is more than %v: sign it anew, or the clocks differ", time.Duration(now-at), time.Duration(g.behindMax))
	case at < g.startedAt+g.aheadMax:
		return problemf(401, CodeClock, "signed before the gateway started, or within %v of it: sign it anew", time.Duration(g.aheadMax))
	}
	return nil
}

// take remembers a signature of a key that is right, or says why it is not taken.
func (g *replayGuard) take(key string, sum [sha256.Size]byte, now market.Nanos) *problem {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := g.keys[key]
	if k == nil {
		k = &generations{since: now, young: make(map[[sha256.Size]byte]struct{})}
		g.keys[key] = k
	}
	// What came before a generation that is as old as the longest life of a signature is good for nothing.
	if life := g.behindMax + g.aheadMax; now-k.since >= life {
		k.older = k.young
		if now-k.since >= 2*life {
			k.older = nil
		}
		k.young, k.since = make(map[[sha256.Size]byte]struct{}), now
	}
	if _, there := k.young[sum]; there {
		return replayed
	}
	if _, there := k.older[sum]; there {
		return replayed
	}
	if len(k.young) >= g.signaturesMax {
		return problemf(429, CodeRate, "more than %d requests within %v", g.signaturesMax, time.Duration(g.behindMax+g.aheadMax))
	}
	k.young[sum] = struct{}{}
	return nil
}

var replayed = problemf(401, CodeReplayed, "this signature was here before: a request that is sent again needs a new time")
