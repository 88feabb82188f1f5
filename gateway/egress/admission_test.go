package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tidegate/internal/bus"
	"tidegate/internal/lsgclient"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

// A client that connects too often is told so, in the way of the protocol.
func TestTooManyConnectionsAreTold(t *testing.T) {
	b := standardBench(t, func(c *Config) { c.Limits.ConnectionsPerSecond = 1 })
	b.dial().auth("")
	c := b.dial()
	c.line()
	challenge := strings.TrimPrefix(c.line(), "cram=")
	c.say("auth=" + lsgtest.Answer(challenge, lsgtest.Key) + "|dataset=" + dataset)
	const want = "success=0|error=too many new connections of this address: at most 1 a second"
	if got := c.line(); got != want || !c.shut {
		t.Errorf("told %q, shut %t; want %q", got, c.shut, want)
	}
	c.Close()

	b.time += market.Second
	b.dial()
	silent := b.dial() // says nothing, and is told all the same
	silent.line()
	silent.line()
	b.after(5 * market.Second)
	if got := silent.line(); got != want || !silent.shut {
		t.Errorf("told %q, shut %t; want %q", got, silent.shut, want)
	}
	silent.Close()
	if n := b.loop.counts; n.Opened != 2 || n.Timeouts != 0 || b.loop.admission.turnedAway != 0 || b.loop.admission.connections != 2 {
		t.Errorf("%+v, %d turned away, %d connections", n, b.loop.admission.turnedAway, b.loop.admission.connections)
	}
}

func TestConnectionLimitIsTold(t *testing.T) {
	s := newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), func(c *Config) { c.Limits.Connections = 1 })
	s.client(nil)
	_, err := lsgclient.Dial(t.Context(), lsgclient.Config{Addr: s.server.Addr().String(), Dataset: dataset, Key: testKey(lsgtest.Key)})
	if !errors.Is(err, lsgclient.ErrRefused) || !strings.Contains(err.Error(), string(errConnections)) {
		t.Errorf("second connection: %v", err)
	}
	s.until("the end of the second connection", func(st Stats) bool { return st.Connections == 1 && st.Closes["refused"] == 1 })
}

// To be told has bounds: twice the limit of an address, and turnedAwayMax at a time.
func TestTurningAwayIsBounded(t *testing.T) {
	b := standardBench(t, nil)
	a := b.loop.admission
	a.reload(nil, Limits{Connections: 10, ConnectionsPerSecond: 3})
	const now = 100
	count := func(addr string) (in, told, closed int) {
		for range 10 {
			switch tell, err := a.connect(netip.MustParseAddr(addr), now); {
			case err == nil:
				in++
			case tell:
				told++
			default:
				closed++
			}
		}
		return in, told, closed
	}
	if in, told, closed := count("192.0.2.1"); in != 3 || told != 3 || closed != 4 {
		t.Errorf("%d were let in, %d told, %d closed; want 3, 3, 4", in, told, closed)
	}
	for i := range 2 * turnedAwayMax {
		count(fmt.Sprintf("192.0.3.%d", i))
	}
	if a.turnedAway != turnedAwayMax || a.connections != 10 {
		t.Errorf("%d are being told, %d connected; want %d, 10", a.turnedAway, a.connections, turnedAwayMax)
	}
	a.disconnect(true)
	if tell, err := a.connect(netip.MustParseAddr("192.0.4.1"), now); !tell || !errors.Is(err, errConnections) {
		t.Errorf("after one was told: %t, %v", tell, err)
	}
}

// A key's holder learns what the key is good for, of what is served, and no more.
func TestRefusalNamesTheDatasetsOfTheKey(t *testing.T) {
	a := &admission{}
	for i := range 12 {
		a.datasets = append(a.datasets, fmt.Sprintf("SET%d", i))
	}
	for _, c := range []struct {
		good []string
		want string
	}{
		{nil, "SET0, SET1, SET2, SET3, SET4, SET5, SET6, SET7, SET8, SET9 and 2 more"},
		{[]string{"SET7", "OTHER", "SET2"}, "SET2, SET7"},
		{[]string{"OTHER"}, "none that this gateway has"},
		{[]string{}, "none that this gateway has"},
	} {
		if got := a.goodFor(&Key{Datasets: c.good}); got != c.want {
			t.Errorf("%v: %s, want %s", c.good, got, c.want)
		}
	}
}
