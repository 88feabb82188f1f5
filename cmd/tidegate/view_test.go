package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A tickedView tells of each tick.
type tickedView struct {
	noView
	ticks chan struct{}
	err   error
}

func (v *tickedView) tick() error {
	v.ticks <- struct{}{}
	return v.err
}

// What is shown must not wait for the record after it: there may be none for long.
func TestViewTicksWithoutRecords(t *testing.T) {
	v := newTickingView(&tickedView{ticks: make(chan struct{})}, time.Millisecond)
	ticks := v.of.(*tickedView).ticks
	<-ticks
	<-ticks
	go func() { // a tick may be under way
		for range ticks {
		}
	}()
	if err := v.close(); err != nil {
		t.Error(err)
	}
	close(ticks)
}

func TestViewSaysThatItCannotShow(t *testing.T) {
	broken := errors.New("broken pipe")
	v := newTickingView(&tickedView{ticks: make(chan struct{}, 1), err: broken}, time.Hour)
	if err := v.tick(); !errors.Is(err, broken) {
		t.Errorf("tick: %v", err)
	}
	if err := v.show(dbn.Record{}); !errors.Is(err, broken) {
		t.Errorf("show after it: %v", err)
	}
	if err := v.close(); !errors.Is(err, broken) {
		t.Errorf("close after it: %v", err)
	}
}

func TestTableIsDrawnOnTicks(t *testing.T) {
	var out bytes.Buffer
	v := &tableView{
		w:       &out,
		symbols: map[market.InstrumentID]string{1: "ALFA"},
		rows:    map[market.InstrumentID]string{1: "a row of ALFA"},
		records: 5,
	}
	if err := v.tick(); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "table", out.String(), "5 records, 20 a second", "a row of ALFA")
	out.Reset()
	if err := v.close(); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "last table", out.String(), "5 records\x1b", "a row of ALFA")
	if strings.Contains(out.String(), "a second") {
		t.Errorf("the last table has a rate of a moment:\n%q", out.String())
	}
}
