package egress

import (
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// What a feed has to say reaches its subscribers as a system message: those who follow and those who catch
// up, whatever they subscribed to.
func TestNotices(t *testing.T) {
	p := newPair(t)
	consolidated := p.subscribe(dbn.SchemaCMBP1, "raw_symbol", "ALL_SYMBOLS")
	for range 6 {
		p.play(50)
	}
	one := p.dial().auth("").say("schema=trades|stype_in=raw_symbol|symbols=ALFA", "start_session")
	p.stream.Notify(p.now, "switched from provider venue to vendor: behind by 51.0 ms")
	p.stream.Notify(p.now, strings.Repeat("x", 1000))
	p.ring.Publish()
	p.ring.Wake()
	p.settle()
	one.metadata()
	told := one.told()
	if !strings.Contains(told, "system 255: switched from provider venue to vendor: behind by 51.0 ms") || !strings.Contains(told, strings.Repeat("x", 300)) {
		t.Errorf("told %q", told)
	}
	consolidated.metadata()
	if told := consolidated.told(); strings.Contains(told, "switched") {
		t.Errorf("another dataset was told %q", told)
	}
}

// A stale feed leaves the consolidated quotes in the same publication, and comes back.
func TestStaleFeedLeavesTheConsolidatedDataset(t *testing.T) {
	p := newPair(t)
	tape := p.newTape()
	if err := p.consolidated.Want(dbn.SchemaCMBP1); err != nil {
		t.Fatal(err)
	}
	p.play(400)
	quoting := func(publisher market.PublisherID) (n int) {
		tape.roll(nil)
		for _, r := range parseAll(t, tape.records[dbn.SchemaCMBP1]) {
			var m dbn.CMBP1
			if err := m.Parse(r); err != nil {
				t.Fatal(err)
			}
			if m.Level.BidPublisher == publisher || m.Level.AskPublisher == publisher {
				n++
			}
		}
		tape.records[dbn.SchemaCMBP1] = nil
		return n
	}
	publisher := p.pipeline.Config().Publisher.ID
	if n := quoting(publisher); n == 0 {
		t.Fatal("the publisher quotes nothing")
	}
	p.stream.SetStale(p.now, true)
	p.ring.Publish()
	tape.roll(nil)
	if len(tape.records[dbn.SchemaCMBP1]) == 0 {
		t.Error("nothing was said as the publisher went")
	}
	p.play(100)
	if n := quoting(publisher); n != 0 {
		t.Errorf("%d quotes of the stale publisher", n)
	}
	p.stream.SetStale(p.now, false)
	p.ring.Publish()
	p.play(100)
	if n := quoting(publisher); n == 0 {
		t.Error("no quote of the publisher that came back")
	}
}
