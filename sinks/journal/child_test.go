package journal

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childDir = "TIDEGATE_TEST_JOURNAL"

// childMain is what the test binary does as a child: it opens the journal in a directory, appends without end,
// and says what is durable whenever that has advanced. It reports whether this is a child.
func childMain() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	j, err := Open(Config{Dir: dir, SegmentBytes: segmentBytesMin, PlainSegments: -1, ReserveBytes: 1, CommitEvery: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("opened", j.DurableIndex())
	for before := uint64(0); ; {
		for range 20 {
			it := itemAt(j.queue.p.index)
			j.Append(it.Header, it.payload)
		}
		if d := j.DurableIndex(); d > before {
			fmt.Printf("durable %d.\n", d)
			before = d
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// A process that writes is killed, again and again: what it said was durable is there, in order, and what
// follows is what it appended. The next one goes on behind it.
func TestKilledProcess(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	var total uint64
	for round := range rounds {
		durable := killChild(t, dir, time.Duration(random.IntN(120))*time.Millisecond)
		if durable < total {
			t.Fatalf("round %d: opened with %d, %d were there", round, durable, total)
		}
		// First as a reader sees it while nobody writes: up to the mark.
		r, err := OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, last := readItems(t, r); last < durable {
			t.Fatalf("round %d: %d can be read, %d were durable", round, last, durable)
		}
		r.Close()
		j, err := Open(Config{Dir: dir, SegmentBytes: segmentBytesMin, ReserveBytes: 1, Notify: func(n Notice) { t.Logf("round %d: %v: %s", round, n.Kind, n.Text) }})
		if err != nil {
			t.Fatal(err)
		}
		total = j.DurableIndex()
		if total < durable {
			t.Fatalf("round %d: recovered %d, %d were durable", round, total, durable)
		}
		if r, err = j.NewReader(); err != nil {
			t.Fatal(err)
		}
		if first, last := readItems(t, r); total > 0 && (first != 1 || last != total) {
			t.Fatalf("round %d: read %d to %d, want 1 to %d", round, first, last, total)
		}
		r.Close()
		closeJournal(t, j)
	}
	report, err := Verify(t.Context(), dir, nil)
	if err != nil || len(report.Problems) != 0 || report.Last != total {
		t.Errorf("verify: %+v, %v", report, err)
	}
	t.Logf("%d entries in %d segments, %d rounds", total, len(report.Segments), rounds)
}

// killChild runs a child for a while after it has opened the journal and kills it. It returns what the child
// said last was durable.
func killChild(t *testing.T, dir string, after time.Duration) (durable uint64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(30*time.Second, func() { _ = child.Process.Kill() }).Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text := lines.Text()
		switch {
		case strings.HasPrefix(text, "opened "):
			fmt.Sscan(strings.TrimPrefix(text, "opened "), &durable)
			defer time.AfterFunc(after, func() { _ = child.Process.Kill() }).Stop()
		case strings.HasPrefix(text, "durable "):
			var d uint64
			if n, _ := fmt.Sscanf(text, "durable %d.", &d); n == 1 && strings.HasSuffix(text, ".") { // else the line is cut
				durable = d
			}
		default:
			t.Errorf("child: %s", text)
		}
	}
	_ = child.Wait() // killed
	return durable
}
