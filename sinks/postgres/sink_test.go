package postgres

import (
	"testing"
	"time"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	dsn := migrated(t)
	p := newProducer(t, t.TempDir())
	p.append(20_000)
	for _, workers := range []int{1, 3, 8, 2} {
		c := testConfig(t, p, dsn)
		c.Workers = workers
		p.append(5000)
		drain(t, p, c)
		if got := verify(t, p, dsn); got.Rows != p.index || got.Position != [2]uint64{p.index + 1, p.index + 1} {
			t.Errorf("%d workers: %+v, want %d rows", workers, got, p.index)
		}
	}
}

// When the journal of this process is closed, everything is committed and Run returns.
func TestJournalClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.BatchRows, w.cfg.BatchWait = 700, 50*time.Millisecond
	s, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	w.p.append(10_000)
	if err := w.p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not return")
	}
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	if got := s.Stats(); got.Rows != 10_000 || got.Unreadable != 100 || got.Next != 10_001 || got.Batches < 14 || got.Failures != 0 || got.Server != "closed" {
		t.Errorf("%+v", got)
	}
}
