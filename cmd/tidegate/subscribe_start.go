package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/market"
)

// startOf reads --start: when what is asked for begins. now is the time that -10m counts from.
func startOf(text string, now time.Time) (market.Nanos, error) {
	switch text {
	case "":
		return market.UndefTime, nil
	case "0":
		return 0, nil
	}
	// A shell's user writes --start=-10m, or --start 10m, which says the same.
	if ago, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil && ago >= 0 && ago < now.Sub(time.Unix(0, 0)) {
		return market.Nanos(now.Add(-ago).UnixNano()), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Unix() >= 0 {
		if at.After(now) {
			return 0, fmt.Errorf("--start %s is in the future", text)
		}
		return market.Nanos(at.UnixNano()), nil
	}
	return 0, fmt.Errorf("--start %q: want a time like 2026-01-02T15:04:05Z, how long ago, like -10m, or 0 for all there is", text)
}

// A replaying shows how far a replay is, until it is finished. The zero value is for a subscription without one.
type replaying struct {
	w       io.Writer
	bar     *bar // nil where nobody looks
	start   market.Nanos
	now     market.Nanos // when it was asked for
	records uint64
	begun   time.Time
	said    time.Time
}

// replayEvery is how often somebody who reads lines is told how far a replay is.
const replayEvery = 5 * time.Second

func newReplaying(w io.Writer, start market.Nanos, now time.Time) *replaying {
	r := &replaying{w: w, start: start, now: market.Nanos(now.UnixNano()), begun: now, said: now}
	if start > 0 {
		r.bar = newBar(w, int64((r.now-start)/market.Second), "replay, seconds", false)
	}
	return r
}

// take takes a record of data.
func (r *replaying) take(rec dbn.Record) {
	if r == nil {
		return
	}
	r.records++
	at := history.IndexTime(rec.Raw())
	if r.records%1024 != 0 || !at.Defined() {
		return
	}
	if r.bar != nil {
		r.bar.set(int64((min(at, r.now) - r.start) / market.Second))
		return
	}
	if now := time.Now(); now.Sub(r.said) >= replayEvery {
		r.said = now
		fmt.Fprintf(r.w, "replay: %d records, at %s\n", r.records, moment(at))
	}
}

// end ends it, because the gateway says that it is finished or the session has ended. It returns what there is
// to say.
func (r *replaying) end() string {
	if r == nil {
		return "the gateway says that a replay is finished"
	}
	r.bar.finish()
	return fmt.Sprintf("replay finished: %d records in %v; live from here on", r.records, time.Since(r.begun).Round(time.Millisecond))
}
