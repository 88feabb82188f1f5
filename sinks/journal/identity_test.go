package journal

import (
	"os"
	"path/filepath"
	"testing"
)

func TestID(t *testing.T) {
	dir := t.TempDir()
	id := func() uint64 {
		t.Helper()
		j, err := Open(Config{Dir: dir, ReserveBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := j.NewReader()
		if err != nil {
			t.Fatal(err)
		}
		defer closeJournal(t, j)
		defer r.Close()
		got, err := r.ID()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, markName)); err != nil {
			t.Fatal(err)
		}
		if again, err := r.ID(); again != got || err != nil {
			t.Errorf("without a mark: %x, %v, want %x", again, err, got)
		}
		return got
	}
	first := id()
	if second := id(); second != first || first == 0 {
		t.Errorf("id %x, opened again %x", first, second)
	}
	if dir = t.TempDir(); id() == first {
		t.Error("two journals have the same id")
	}
}
