// Package realdata finds the recorded exchange feeds that tests check against.
//
// The feeds are not part of this project (their licences differ). Tests look for them in
// ../shared/data beside the checkout, or in the directory that TIDEGATE_DATA names, and are skipped
// with a message that names the missing path where they are absent. Expected values come from
// truth.json in that directory, which other decoders than ours made.
package realdata

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Dir returns the data directory, or skips the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TIDEGATE_DATA")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "truth.json")); err != nil {
		t.Skipf("SKIPPED: no recorded feeds: %v (set TIDEGATE_DATA)", err)
	}
	return dir
}

// Path returns the path of one data file, or skips the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Dir(t), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: no recorded feed: %v", err)
	}
	return path
}

var truth struct {
	once  sync.Once
	files map[string]struct {
		Facts json.RawMessage `json:"facts"`
	}
	err error
}

// Facts decodes what truth.json knows of one data file into v.
func Facts(t testing.TB, name string, v any) {
	t.Helper()
	truth.once.Do(func() {
		var b []byte
		if b, truth.err = os.ReadFile(filepath.Join(Dir(t), "truth.json")); truth.err != nil {
			return
		}
		var doc struct {
			Files json.RawMessage `json:"files"`
		}
		if truth.err = json.Unmarshal(b, &doc); truth.err == nil {
			truth.err = json.Unmarshal(doc.Files, &truth.files)
		}
	})
	if truth.err != nil {
		t.Fatalf("truth.json: %v", truth.err)
	}
	file, ok := truth.files[name]
	if !ok {
		t.Fatalf("truth.json says nothing of %s", name)
	}
	if err := json.Unmarshal(file.Facts, v); err != nil {
		t.Fatalf("truth.json: facts of %s: %v", name, err)
	}
}

// Glob returns the data files that match a pattern below the data directory, as names with
// forward slashes, or skips the test.
func Glob(t testing.TB, pattern string) []string {
	t.Helper()
	dir := Dir(t)
	paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(paths))
	for i, p := range paths {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		names[i] = filepath.ToSlash(rel)
	}
	return names
}

func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
