// Package doorman decides which connections are let in: so many in all, so many of one address at a time and
// in a second, and none for a while of an address that failed to log in too often.
//
//	if err := door.Enter(addr, now); err != nil {
//		// close the connection
//	}
//	...
//	door.Leave(addr)
//
// IPv6 addresses are counted by their /64, which is what one customer of a network has. What is remembered
// of addresses is bounded.
package doorman

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"tidegate/market"
)

// A Config has the limits of a Doorman. All of them are above 0.
type Config struct {
	ConnectionsMax   int // open at a time
	PerAddressMax    int // of one address
	PerSecondMax     int // new ones of one address in a second
	FailuresMax      int // logins of one address that failed in a minute; then it is closed out for a minute
	AddressesKeptMax int // addresses that are remembered; 0 means 65,536
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name string
		n    int
	}{
		{"connections max", c.ConnectionsMax},
		{"connections max per address", c.PerAddressMax},
		{"connections per second and address", c.PerSecondMax},
		{"failed logins max", c.FailuresMax},
	} {
		if f.n < 1 {
			return fmt.Errorf("%s %d: want 1 at least", f.name, f.n)
		}
	}
	return nil
}

// Reasons not to let a connection in.
var (
	ErrConnections = errors.New("doorman: too many connections are open")
	ErrPerAddress  = errors.New("doorman: too many connections of the address are open")
	ErrRate        = errors.New("doorman: too many new connections of the address")
	ErrFailures    = errors.New("doorman: too many logins of the address failed")
	ErrCrowd       = errors.New("doorman: too many addresses")
)

// Stats counts what a Doorman did.
type Stats struct {
	Open        int    `json:"open"`         // now
	Entered     uint64 `json:"entered"`      // were let in
	Connections uint64 `json:"connections"`  // refused: too many were open
	PerAddress  uint64 `json:"per_address"`  // refused: too many of the address were open
	Rate        uint64 `json:"rate"`         // refused: too many of the address came within a second
	Failures    uint64 `json:"failures"`     // refused: too many logins of the address failed
	Crowd       uint64 `json:"crowd"`        // refused: too many addresses are remembered
	FailedTimes uint64 `json:"failed_times"` // calls of Failed
}

// A Doorman counts connections. Its methods may be called by any goroutine.
type Doorman struct {
	cfg Config

	mu        sync.Mutex // of the rest
	addresses map[netip.Prefix]*address
	sweptAt   market.Nanos
	stats     Stats
}

// An address is what is known of one.
type address struct {
	open         int
	arrivedSince market.Nanos // a second of arrivals begins
	arrivals     int
	failedSince  market.Nanos // a minute of failures begins
	failures     int
}

// New returns a Doorman who knows nobody. The configuration must be valid.
func New(cfg Config) *Doorman {
	if cfg.AddressesKeptMax == 0 {
		cfg.AddressesKeptMax = 1 << 16
	}
	return &Doorman{cfg: cfg, addresses: make(map[netip.Prefix]*address)}
}

// Enter lets a connection in, or says why not. Who was let in has to Leave.
func (d *Doorman) Enter(addr netip.Addr, now market.Nanos) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.address(addr, now)
	if a == nil {
		d.stats.Crowd++
		return ErrCrowd
	}
	if now-a.arrivedSince >= market.Second {
		a.arrivedSince, a.arrivals = now, 0
	}
	a.arrivals++
	switch {
	case a.barred(d.cfg.FailuresMax, now):
		d.stats.Failures++
		return ErrFailures
	case a.arrivals > d.cfg.PerSecondMax:
		d.stats.Rate++
		return ErrRate
	case a.open >= d.cfg.PerAddressMax:
		d.stats.PerAddress++
		return ErrPerAddress
	case d.stats.Open >= d.cfg.ConnectionsMax:
		d.stats.Connections++
		return ErrConnections
	}
	a.open++
	d.stats.Open++
	d.stats.Entered++
	return nil
}

// Leave forgets a connection that was let in.
func (d *Doorman) Leave(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addresses[prefix(addr)].open--
	d.stats.Open--
}

// Failed notes that a login from an address was not good.
func (d *Doorman) Failed(addr netip.Addr, now market.Nanos) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.FailedTimes++
	a := d.address(addr, now)
	if a == nil {
		return
	}
	if now-a.failedSince >= market.Minute {
		a.failedSince, a.failures = now, 0
	}
	a.failures++
	if a.failures == d.cfg.FailuresMax {
		a.failedSince = now // barred for a minute from now
	}
}

// Barred reports whether too many logins of an address have failed.
func (d *Doorman) Barred(addr netip.Addr, now market.Nanos) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.addresses[prefix(addr)]
	return a != nil && a.barred(d.cfg.FailuresMax, now)
}

// Stats returns a copy of the counters.
func (d *Doorman) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

func (a *address) barred(max int, now market.Nanos) bool {
	return a.failures >= max && now-a.failedSince < market.Minute
}

// prefix returns what an address is counted by.
func prefix(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // of the zero Addr, which is one like any other here, the zero Prefix
	return p
}

// address returns what is known of an address, or nil where there is no room for another.
func (d *Doorman) address(addr netip.Addr, now market.Nanos) *address {
	p := prefix(addr)
	a := d.addresses[p]
	if a != nil {
		return a
	}
	if len(d.addresses) >= d.cfg.AddressesKeptMax {
		d.sweep(now)
	}
	if len(d.addresses) >= d.cfg.AddressesKeptMax {
		return nil
	}
	a = &address{arrivedSince: now, failedSince: now}
	d.addresses[p] = a
	return a
}

// sweep forgets addresses of which there is nothing to remember, at most once a second.
func (d *Doorman) sweep(now market.Nanos) {
	if now-d.sweptAt < market.Second {
		return
	}
	d.sweptAt = now
	for p, a := range d.addresses {
		if a.open == 0 && now-a.arrivedSince >= market.Second && (a.failures == 0 || now-a.failedSince >= market.Minute) {
			delete(d.addresses, p)
		}
	}
}
