//go:build linux

package main

import (
	"encoding/json"
	"os/exec"
	"testing"

	"tidegate/bench/surge"
)

// TestBenchOrders measures a little: what is sent is answered, and a kill loses nothing.
func TestBenchOrders(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), buildTidegate(t), "bench", "orders", "--duration", "500ms", "--multiple", "1,5", "--rate", "100",
		"--urgent", "40", "--accounts", "2", "--only", "journaled", "--json", "-q").Output()
	if err != nil {
		t.Fatal(err)
	}
	var r surge.Result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(r.Runs) != 2 {
		t.Fatalf("%d runs", len(r.Runs))
	}
	for _, run := range r.Runs {
		if run.Lost != 0 || run.MemoryBytes == 0 || len(run.Lanes) != 3 {
			t.Errorf("%+v", run)
		}
		for _, l := range run.Lanes {
			if l.Sent == 0 || l.Silent != 0 || l.Accepted.Count+l.Refused.Count != l.Sent || l.Accepted.P50 <= 0 {
				t.Errorf("%dx %+v", run.Multiple, l)
			}
		}
	}
	if r.Ratio("journaled", "cancels", 5) <= 0 || r.Ratio("journaled", "cancels", 7) != 0 {
		t.Error("ratios")
	}
}
