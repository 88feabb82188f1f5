//go:build linux

package chaos

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	d, ok := builtIn("stall")
	if !ok {
		t.Fatal("no drill called stall")
	}
	drill := newDrillReport(&d)
	for i := range 4 {
		one := &RunReport{
			Timed:    &Timing{Decided: time.Duration(i+1) * time.Millisecond, Seen: time.Duration(i+1) * 2 * time.Millisecond},
			Channels: map[string]ChannelReport{"north": {Lost: 2, Filled: 3, Retransmitted: 1}},
			Noticed:  Experience{Records: 100, Marked: 1, Notices: []Notice{{Text: saysLeft}}}, Levels: 10,
		}
		switch i {
		case 2:
			one.Broken = []string{"the feed did not switch"}
		case 3:
			one.Disturbed = []string{"this machine was 40 ms late"}
		}
		drill.add(one)
	}
	calm, _ := builtIn("calm")
	never := newDrillReport(&calm)
	never.add(&RunReport{Disturbed: []string{"this machine was 40 ms late"}})
	r := &Report{Limits: Limits{Tick: time.Millisecond}, Drills: []*DrillReport{drill, never}}
	r.promise()

	if got := r.Broken(); len(got) != 1 || got[0] != "stall, repetition 3: the feed did not switch" {
		t.Errorf("broken: %q", got)
	}
	if got := r.Undecided(); len(got) != 1 || got[0] != "calm" {
		t.Errorf("undecided: %q", got)
	}
	if drill.Seen.Count != 3 || drill.Seen.Max < 6*time.Millisecond || drill.Seen.Max > 6010*time.Microsecond {
		t.Errorf("seen: %+v", drill.Seen)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"stall: the active provider stalls", `injected    0s: active/* {"stalled":true}`,
		"said        3 times: switched from provider north to south: behind",
		"300 records, 3 of them marked", "6 announced as lost, 9 filled, 3 of them by retransmission",
		"2 of 3 repetitions right; 30 levels compared; 1 more were disturbed",
		"BROKEN   books are the venue's", ": 2 of 3 repetitions",
		"not met  stall: subscribers read of it within the limit + 3ms at p99: p99 6.0",
		"BROKEN   stall, repetition 3: the feed did not switch", "UNDECIDED calm",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || len(got.Drills) != 2 || len(got.Drills[0].Runs) != 4 {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestQuiet(t *testing.T) {
	var q quiet
	for _, ms := range []int{10, 20, 90, 100} {
		q.sent(at(ms))
	}
	q.begin()
	if from := q.look(at(120)); from != at(100) {
		t.Errorf("quiet from %d", from)
	}
	q.sent(at(130))
	q.sent(at(140))
	if from := q.look(at(141)); from != at(100) {
		t.Errorf("quiet from %d, want 100 ms", from)
	}
	if from := q.look(at(200)); from != at(140) {
		t.Errorf("quiet from %d, want 140 ms", from)
	}
}
