package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"tidegate/codec/lsg"
	"tidegate/market"
)

// admission decides who comes in. All loops share it, so it has a lock; nobody takes it on the path
// of records.
type admission struct {
	mu          sync.Mutex
	limits      Limits
	keys        []Key
	secrets     []lsg.Key // of keys, in the same order
	connections int
	sessions    map[holder]int
	recent      map[netip.Addr]arrivals
	lastID      uint64 // of a session
	lastTarget  uint32 // of a snapshot request; they are unique among the readers of a ring
	stopping    bool
	refusals    Refusals
}

// A holder is who uses up sessions.
type holder struct{ key, dataset string }

// arrivals are the connections of an address in a second.
type arrivals struct {
	since market.Nanos
	n     int
}

// recentMax is how many addresses are remembered before those of past seconds are forgotten.
const recentMax = 4096

// A refusal is why somebody may not come in, in the words that the client is told.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errStopping     refusal = "gateway is stopping"
	errConnections  refusal = "gateway has reached its connection limit"
	errTooFast      refusal = "too many connections of this address in a second"
	errAuth         refusal = "authentication failed"
	errDeactivated  refusal = textDeactivated
	errSessionLimit refusal = textLimit
)

func newAdmission(cfg *Config, firstID uint64) *admission {
	a := &admission{sessions: make(map[holder]int), recent: make(map[netip.Addr]arrivals), lastID: firstID}
	a.reload(cfg.Keys, cfg.Limits)
	return a
}

func (a *admission) reload(keys []Key, limits Limits) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys, a.limits = slices.Clone(keys), limits
	a.secrets = make([]lsg.Key, len(keys))
	for i := range keys {
		a.secrets[i] = keys[i].Key
	}
}

func (a *admission) currentLimits() Limits {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limits
}

// connect admits a connection, or says why not. Every connection that was admitted must disconnect.
func (a *admission) connect(addr netip.Addr, now market.Nanos) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopping:
		a.refusals.Stopping++
		return errStopping
	case a.tooFast(addr, now):
		a.refusals.Rate++
		return errTooFast
	case a.connections >= a.limits.Connections:
		a.refusals.Connections++
		return errConnections
	}
	a.connections++
	return nil
}

func (a *admission) tooFast(addr netip.Addr, now market.Nanos) bool {
	r, ok := a.recent[addr]
	if !ok || now-r.since >= market.Second {
		if len(a.recent) >= recentMax {
			for other, old := range a.recent {
				if now-old.since >= market.Second {
					delete(a.recent, other)
				}
			}
		}
		r = arrivals{since: now}
	}
	if r.n >= a.limits.ConnectionsPerSecond {
		return true
	}
	r.n++
	a.recent[addr] = r
	return false
}

func (a *admission) disconnect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections--
}

// authenticate admits a session, or says why not. Every session that was admitted must release its
// holder.
func (a *admission) authenticate(c lsg.Challenge, r *lsg.AuthRequest, known bool) (h holder, id uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping {
		a.refusals.Stopping++
		return holder{}, 0, errStopping
	}
	i, ok := c.Verify(r.Auth, a.secrets)
	if !ok {
		a.refusals.Auth++
		return holder{}, 0, errAuth
	}
	k := &a.keys[i]
	h = holder{k.Name, r.Dataset}
	switch {
	case k.Disabled:
		a.refusals.Deactivated++
		return holder{}, 0, errDeactivated
	case !known || k.Datasets != nil && !slices.Contains(k.Datasets, r.Dataset):
		a.refusals.Auth++
		return holder{}, 0, fmt.Errorf("%w: no access to dataset %s", errAuth, r.Dataset)
	case a.sessions[h] >= a.limits.SessionsPerKey:
		a.refusals.Sessions++
		return holder{}, 0, errSessionLimit
	}
	a.sessions[h]++
	a.lastID++
	return h, a.lastID, nil
}

func (a *admission) release(h holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[h]--; a.sessions[h] == 0 {
		delete(a.sessions, h)
	}
}

// valid reports whether a session of a holder may go on.
func (a *admission) valid(h holder) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.keys, func(k Key) bool { return k.Name == h.key })
	return i >= 0 && !a.keys[i].Disabled &&
		(a.keys[i].Datasets == nil || slices.Contains(a.keys[i].Datasets, h.dataset))
}

// target returns a number for a snapshot request.
func (a *admission) target() uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastTarget++
	return a.lastTarget
}

// stop refuses everybody from now on.
func (a *admission) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = true
}
