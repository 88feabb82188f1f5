package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"tidegate/codec/lsg"
	"tidegate/market"
)

// admission decides who comes in. All loops share it, so it has a lock; nobody takes it on the path
// of records.
type admission struct {
	datasets []string // that are served, in the order of the configuration
	log      *sparingLog

	mu          sync.Mutex // of the rest
	limits      Limits
	keys        []Key
	secrets     []lsg.Key // of keys, in the same order
	connections int       // that were admitted
	turnedAway  int       // that were not, and are being told why
	sessions    map[holder]int
	recent      map[netip.Addr]arrivals
	lastID      uint64 // of a session
	lastTarget  uint32 // of a snapshot request; they are unique among the readers of a ring
	replays     int    // that are under way
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

const (
	// recentMax is how many addresses are remembered before those of past seconds are forgotten.
	recentMax = 4096
	// turnedAwayMax is how many connections are told at a time that they are not let in.
	turnedAwayMax = 64
)

// A refusal is why somebody may not come in, in the words that the client is told.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errStopping     refusal = "gateway is stopping"
	errConnections  refusal = "gateway has reached its connection limit"
	errTooFast      refusal = "too many new connections of this address"
	errAuth         refusal = "authentication failed"
	errDeactivated  refusal = textDeactivated
	errSessionLimit refusal = textLimit
)

func newAdmission(cfg *Config, firstID uint64) *admission {
	a := &admission{
		sessions: make(map[holder]int), recent: make(map[netip.Addr]arrivals), lastID: firstID,
		log: &sparingLog{log: cfg.Log, text: "connection refused"},
	}
	for i := range cfg.Feeds {
		a.datasets = append(a.datasets, cfg.Feeds[i].Dataset)
	}
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

// connect admits a connection, or says why not. One that is not let in may still be told why: its
// session answers the authentication with the reason. tell says so. There is a bound to that, of an
// address and of all, so that being turned away costs little; who is beyond it is closed at once.
//
// Every connection that was admitted, or is told why not, must disconnect.
func (a *admission) connect(addr netip.Addr, now market.Nanos) (tell bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.arrive(addr, now)
	limit := a.limits.ConnectionsPerSecond
	switch {
	case a.stopping:
		a.refusals.Stopping++
		return false, errStopping
	case n > limit:
		a.refusals.Rate++
		err = fmt.Errorf("%w: at most %d a second", errTooFast, limit)
	case a.connections >= a.limits.Connections:
		a.refusals.Connections++
		err = errConnections
	default:
		a.connections++
		return false, nil
	}
	if n > 2*limit || a.turnedAway == turnedAwayMax {
		return false, err
	}
	a.turnedAway++
	return true, err
}

// arrive returns how many connections of an address have come within a second, with this one.
func (a *admission) arrive(addr netip.Addr, now market.Nanos) int {
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
	r.n++
	a.recent[addr] = r
	return r.n
}

// disconnect forgets a connection; turnedAway is whether it was only told why it was not let in.
func (a *admission) disconnect(turnedAway bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if turnedAway {
		a.turnedAway--
		return
	}
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
		return holder{}, 0, fmt.Errorf("%w: no access to dataset %s: this key is good for %s", errAuth, r.Dataset, a.goodFor(k))
	case a.sessions[h] >= a.limits.SessionsPerKey:
		a.refusals.Sessions++
		return holder{}, 0, errSessionLimit
	}
	a.sessions[h]++
	a.lastID++
	return h, a.lastID, nil
}

// datasetsNamed is how many datasets a refusal names.
const datasetsNamed = 10

// goodFor names the datasets that a key opens and that are served: what somebody who has proved to have
// the key may know.
func (a *admission) goodFor(k *Key) string {
	var names []string
	for _, dataset := range a.datasets {
		if k.Datasets == nil || slices.Contains(k.Datasets, dataset) {
			names = append(names, dataset)
		}
	}
	switch n := len(names); {
	case n == 0:
		return "none that this gateway has"
	case n > datasetsNamed:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:datasetsNamed], ", "), n-datasetsNamed)
	}
	return strings.Join(names, ", ")
}

func (a *admission) release(h holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[h]--; a.sessions[h] == 0 {
		delete(a.sessions, h)
	}
}

func (a *admission) sessionsOfDatasets() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	sessions := make(map[string]int)
	for h, n := range a.sessions {
		sessions[h.dataset] += n
	}
	return sessions
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

// enterReplay lets a replay begin unless so many are under way. Every one that was let in must leave.
func (a *admission) enterReplay(most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.replays >= most {
		return false
	}
	a.replays++
	return true
}

func (a *admission) leaveReplay() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replays--
}

// stop refuses everybody from now on.
func (a *admission) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = true
}
