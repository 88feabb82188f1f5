package doorman

import (
	"errors"
	"net/netip"
	"testing"

	"tidegate/market"
)

func at(ms int64) market.Nanos { return 1000*market.Second + market.Nanos(ms)*market.Millisecond }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func want(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLimits(t *testing.T) {
	d := New(Config{ConnectionsMax: 3, PerAddressMax: 2, PerSecondMax: 3, FailuresMax: 2})
	a, b, c := ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3")
	want(t, d.Enter(a, at(0)), nil)
	want(t, d.Enter(a, at(0)), nil)
	want(t, d.Enter(a, at(0)), ErrPerAddress)
	want(t, d.Enter(a, at(0)), ErrRate)
	want(t, d.Enter(b, at(0)), nil)
	want(t, d.Enter(c, at(0)), ErrConnections)
	d.Leave(a)
	want(t, d.Enter(a, at(999)), ErrRate)
	want(t, d.Enter(a, at(1000)), nil) // another second
	if s := d.Stats(); s.Open != 3 || s.Entered != 4 || s.Rate != 2 || s.PerAddress != 1 || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

func TestFailures(t *testing.T) {
	d := New(Config{ConnectionsMax: 9, PerAddressMax: 9, PerSecondMax: 9, FailuresMax: 2})
	a, b := ip("192.0.2.1"), ip("192.0.2.2")
	d.Failed(a, at(0))
	want(t, d.Enter(a, at(0)), nil)
	d.Failed(a, at(59_000))
	want(t, d.Enter(a, at(59_001)), ErrFailures)
	want(t, d.Enter(b, at(59_001)), nil)
	if !d.Barred(a, at(118_999)) || d.Barred(a, at(119_000)) || d.Barred(b, at(59_001)) {
		t.Error("barred for another time than a minute")
	}
	want(t, d.Enter(a, at(119_000)), nil)
	d.Failed(a, at(119_000)) // the first of another minute
	want(t, d.Enter(a, at(119_001)), nil)
}

// One customer has a whole /64 of IPv6, and an IPv4 address may come as one of IPv6.
func TestAddressesOfOneCustomer(t *testing.T) {
	d := New(Config{ConnectionsMax: 9, PerAddressMax: 1, PerSecondMax: 9, FailuresMax: 2})
	want(t, d.Enter(ip("2001:db8:0:1::1"), at(0)), nil)
	want(t, d.Enter(ip("2001:db8:0:1:ffff::9"), at(0)), ErrPerAddress)
	want(t, d.Enter(ip("2001:db8:0:2::1"), at(0)), nil)
	want(t, d.Enter(ip("192.0.2.1"), at(0)), nil)
	want(t, d.Enter(ip("::ffff:192.0.2.1"), at(0)), ErrPerAddress)
}

func TestMemoryIsBounded(t *testing.T) {
	d := New(Config{ConnectionsMax: 9, PerAddressMax: 9, PerSecondMax: 9, FailuresMax: 1, AddressesKeptMax: 3})
	a, b, c, e := ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3"), ip("192.0.2.4")
	want(t, d.Enter(a, at(0)), nil) // stays
	want(t, d.Enter(b, at(0)), nil)
	d.Leave(b)
	d.Failed(c, at(0))
	want(t, d.Enter(e, at(10)), ErrCrowd)
	want(t, d.Enter(e, at(1000)), ErrCrowd) // the last look was too short ago
	want(t, d.Enter(e, at(1010)), nil)      // in the place of b
	d.Leave(e)
	want(t, d.Enter(c, at(1010)), ErrFailures) // is still known
	d.Failed(b, at(1010))                      // nowhere to note it
	if n := len(d.addresses); n != 3 {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestValidate(t *testing.T) {
	good := Config{ConnectionsMax: 1, PerAddressMax: 1, PerSecondMax: 1, FailuresMax: 1}
	want(t, good.Validate(), nil)
	for i, change := range []func(*Config){
		func(c *Config) { c.ConnectionsMax = 0 }, func(c *Config) { c.PerAddressMax = 0 },
		func(c *Config) { c.PerSecondMax = 0 }, func(c *Config) { c.FailuresMax = 0 },
	} {
		c := good
		if change(&c); c.Validate() == nil {
			t.Errorf("%d: valid", i)
		}
	}
}
