package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tidegate/internal/venue"
)

// Captures of a venue that publishes PITCH are made, recognised and replayed into the venue's books.
func TestPitchCaptures(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "generate", "capture", dir, "--protocol", "pitch", "--trading", "2s", "--instruments", "2", "--seed", "3")
	b, err := os.ReadFile(filepath.Join(dir, truthName))
	if err != nil {
		t.Fatal(err)
	}
	var truth venue.Truth
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(dir, "a.pcap"), filepath.Join(dir, "b.pcap")}
	doc := parseDocument(t, mustRun(t, "replay", "--json", files[0], files[1], "-b", busiest, "--publisher", "XSIM.PITCH", "--strict"))
	if len(doc.Channels) != 1 || doc.Messages != truth.Messages || truth.ByType["0x22"] == 0 {
		t.Fatalf("%d channels, %d messages, want one with %d: %v", len(doc.Channels), doc.Messages, truth.Messages, truth.ByType)
	}
	c := doc.Channels[0]
	if c.Feed != "pitch" || c.Publisher != "XSIM.PITCH" {
		t.Errorf("feed %s of %s", c.Feed, c.Publisher)
	}
	for _, n := range c.Types {
		if n.Count != truth.ByType[n.Type] {
			t.Errorf("%d messages of type %s, want %d", n.Count, n.Type, truth.ByType[n.Type])
		}
	}
	var got, want []string
	for _, l := range doc.Book[0].Bids {
		got = append(got, fmt.Sprint(l.Price, l.Size))
	}
	for _, l := range truth.Books[0].Bids[:len(got)] {
		want = append(want, fmt.Sprint(l.Price.String(), l.Size))
	}
	if len(got) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("bids %v, want %v", got, want)
	}
}
