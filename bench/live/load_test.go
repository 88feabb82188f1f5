//go:build linux

package live

import (
	"testing"

	"golang.org/x/sys/unix"

	"tidegate/codec/dbn"
)

// The load is a market: an order comes before it goes, goes once, and liveDepth of them live.
func TestLoad(t *testing.T) {
	l := load{Rate: 1000, Batch: 3}
	live := map[uint64]order{}
	sizes := map[int]bool{}
	for i := range 5 * liveDepth {
		o, add := message(i)
		was, lives := live[o.ref]
		switch {
		case add && lives:
			t.Fatalf("message %d adds order %d again", i, o.ref)
		case add:
			live[o.ref] = o
		case !lives || was != o:
			t.Fatalf("message %d deletes %+v, which is %+v", i, o, was)
		default:
			delete(live, o.ref)
		}
		if i >= liveDepth && (len(live) < liveDepth || len(live) > liveDepth+inARow) {
			t.Fatalf("%d orders live after message %d", len(live), i)
		}
		if o.locate < 1 || o.locate > symbols || o.shares == 0 || o.bid == (o.price >= 1_000_000) {
			t.Fatalf("message %d: %+v", i, o)
		}
		sizes[len(l.appendITCH(nil, i))] = true
		if indexOf(seqOf(i)) != i {
			t.Fatalf("sequence of message %d is that of %d", i, indexOf(seqOf(i)))
		}
	}
	if len(sizes) != 2 {
		t.Errorf("messages of %v bytes, want adds and deletes", sizes)
	}
	for i, want := range []int64{0, 0, 0, 3e6, 3e6, 3e6, 6e6} {
		if got := l.planned(i); got != want {
			t.Errorf("message %d is planned for %d ns, want %d", i, got, want)
		}
	}
}

// A record that differs in any field is found.
func TestCheckMBO(t *testing.T) {
	l := load{Rate: 1000, Batch: 1}
	for _, i := range []int{0, liveDepth, liveDepth + inARow} {
		r, err := dbn.ParseRecord(l.appendMBO(nil, i), dbn.Version, false)
		if err != nil {
			t.Fatal(err)
		}
		var m dbn.MBO
		if err := m.Parse(r); err != nil {
			t.Fatal(err)
		}
		if err := l.checkMBO(&m, i); err != nil {
			t.Error(err)
		}
		for name, change := range map[string]func(*dbn.MBO){
			"order": func(m *dbn.MBO) { m.OrderID++ }, "price": func(m *dbn.MBO) { m.Price++ },
			"size": func(m *dbn.MBO) { m.Size++ }, "action": func(m *dbn.MBO) { m.Action++ },
			"side": func(m *dbn.MBO) { m.Side++ }, "instrument": func(m *dbn.MBO) { m.InstrumentID++ },
			"time": func(m *dbn.MBO) { m.TsEvent++ },
		} {
			wrong := m
			change(&wrong)
			if l.checkMBO(&wrong, i) == nil {
				t.Errorf("message %d with another %s is accepted", i, name)
			}
		}
	}
}

// All processes read one clock.
func TestClock(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	const tolerance = 1e6 // of tying the clocks together; 100 ns on a quiet machine
	for range 100 {
		var before, after unix.Timespec
		err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
		now := c.now()
		err2 := unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
		if err != nil || err2 != nil || now < before.Nano()-tolerance || now > after.Nano()+tolerance {
			t.Fatalf("now is %d, the machine's clock went from %d to %d (%v, %v)", now, before.Nano(), after.Nano(), err, err2)
		}
	}
}

func TestHistogram(t *testing.T) {
	h := newHistogram()
	for _, v := range []int64{-5, 1, 1000, 2000, 1 << 62} {
		h.record(v)
	}
	text, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := text.decode()
	if err != nil || !back.Equals(h.Histogram) {
		t.Errorf("decoded: %v, equal %t", err, err == nil && back.Equals(h.Histogram))
	}
	if h.TotalCount() != 5 || h.Min() != 1 || h.ValueAtPercentile(50) != 1000 {
		t.Errorf("count %d, min %d, median %d", h.TotalCount(), h.Min(), h.ValueAtPercentile(50))
	}
	if _, err := encoded("?").decode(); err == nil {
		t.Error("nonsense is a histogram")
	}
}
