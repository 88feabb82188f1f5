//go:build linux

package chaos

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestBuiltDrillsAreValid(t *testing.T) {
	p, err := Built("all", 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Drills) != len(Names()) || p.Drills[0].Repeat != 3 {
		t.Errorf("%d drills, repeated %d times", len(p.Drills), p.Drills[0].Repeat)
	}
	seen := map[string]bool{}
	for _, d := range p.Drills {
		if seen[d.Name] || d.Says == "" {
			t.Errorf("drill %q again, or it says nothing", d.Name)
		}
		seen[d.Name] = true
	}
	if _, err := Built("nothing", 1); err == nil || !strings.Contains(err.Error(), "stall") {
		t.Errorf("an unknown drill: %v", err)
	}
}

// A plan that was written as JSON is read as it was.
func TestPlanRoundTrip(t *testing.T) {
	p, err := Built("all", 2)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePlan(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != string(b) {
		t.Errorf("%v\n%s\n%s", err, b, again)
	}
}

func TestParsePlan(t *testing.T) {
	p, err := ParsePlan([]byte(`{"drills": [{"name": "stall", "repeat": 7}, {
		"name": "mine", "for": "1s", "steps": [{"at": "10ms", "paths": "standby/*", "set": {"delay": "70ms", "loss": 0.1}}],
		"expect": {"switch": ["behind"], "since": "behind"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Drills[0]; d.Repeat != 7 || len(d.Steps) != 1 || !d.Steps[0].Set.Stalled {
		t.Errorf("%+v", d)
	}
	if s := p.Drills[1].Steps[0]; s.At != ms(10) || s.Set.Delay != Span(70*time.Millisecond) || s.Set.Loss != 0.1 {
		t.Errorf("%+v", s)
	}
	step := func(s string) string {
		return `{"drills": [{"name": "x", "for": "1s", "steps": [` + s + `], "expect": {}}]}`
	}
	for text, want := range map[string]string{
		`{}`:                                "0 drills",
		`{"drills": [{"name": "nothing"}]}`: `none is built in that is called "nothing"`,
		`{"drills": [{"name": "stall"}], "x": 1}`:            "unknown field",
		`{"drills": [{"name": "stall"}]} {}`:                 "more follows",
		`{"drills": [{"name": "stall", "repeat": -1}]}`:      "repeat -1",
		step(`{"paths": "north", "set": {}}`):                `paths "north"`,
		step(`{"paths": "*/*"}`):                             "want set or lose",
		step(`{}`):                                           "nothing is done",
		step(`{"retransmit": "asleep"}`):                     `retransmit "asleep"`,
		step(`{"at": "2s", "retransmit": "dead"}`):           "before the end at 1s",
		step(`{"paths": "*/*", "set": {"loss": 2}}`):         "loss 2: want a probability",
		step(`{"paths": "*/*", "set": {"reorder": 1}}`):      "want both or neither",
		step(`{"paths": "*/*", "set": {"delay": "1h"}}`):     "delay 1h0m0s",
		step(`{"paths": "*/*", "set": {"clock": "broken"}}`): `clock "broken"`,
		step(`{"paths": "*/*", "lose": -1}`):                 "lose -1",
		strings.Replace(step(`{"retransmit": "dead"}`), `"expect": {}`, `"expect": {"since": "then"}`, 1): `since "then"`,
		strings.Replace(step(`{"retransmit": "dead"}`), `"for": "1s"`, `"for": "0s"`, 1):                  "for 0s",
	} {
		if _, err := ParsePlan([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"north/A", "north/A", true},
		{"north/*", "north/B", true},
		{"*/*", "south/A", true},
		{"*/A", "south/A", true},
		{"north/A", "north/B", false},
		{"north/*", "south/A", false},
		{"north", "north/A", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%s of %s: %t", c.name, c.pattern, got)
		}
	}
}
