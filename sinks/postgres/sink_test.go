package postgres

import (
	"testing"
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
