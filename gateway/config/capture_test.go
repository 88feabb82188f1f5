package config

import (
	"strings"
	"testing"
	"time"
)

func TestCaptureInSegments(t *testing.T) {
	c, err := parse(small + "capture: {dir: rec, queue: 1 MiB, spill: 2 MiB, retain_age: 24h, retain_bytes: 1 GiB}\n")
	want := Capture{Dir: "etc/rec", QueueBytes: 1 << 20, SpillBytes: 2 << 20, RetainAge: 24 * time.Hour, RetainBytes: 1 << 30}
	if err != nil || c.Capture != want || !c.Capture.Wanted() {
		t.Errorf("%+v, %v, want %+v", c.Capture, err, want)
	}
	if c, err = parse(small + "capture: {file: a.pcap}\n"); err != nil || c.Capture.File != "etc/a.pcap" || c.Capture.Dir != "" || !c.Capture.Wanted() {
		t.Errorf("%+v, %v", c.Capture, err)
	}
	if c, err = parse(small); err != nil || c.Capture.Wanted() {
		t.Errorf("%+v, %v, want nothing to be recorded", c.Capture, err)
	}
	for _, with := range []string{"dir: rec", "spill: 1 MiB", "retain_age: 1h", "retain_bytes: 1 GiB"} {
		name, _, _ := strings.Cut(with, ":")
		_, err := parse(small + "capture: {file: a.pcap, " + with + "}\n")
		if want := "capture." + name + ": found " + name + " beside a file, want a file, or a directory with its limits"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
}
