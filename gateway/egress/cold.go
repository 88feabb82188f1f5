package egress

import "sync"

// cold runs what may wait for a disk, on a bounded number of goroutines beside the loops. They begin when
// there is work and end when there is none.
type cold struct {
	mu      sync.Mutex
	jobs    []func() // that nobody runs yet
	running int
	most    int
	ended   sync.WaitGroup
}

// do has a job run, soon. It does not wait.
func (c *cold) do(job func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, job)
	if c.running < c.most {
		c.running++
		c.ended.Go(c.run)
	}
}

func (c *cold) run() {
	for {
		c.mu.Lock()
		if len(c.jobs) == 0 {
			c.running--
			c.mu.Unlock()
			return
		}
		job := c.jobs[0]
		c.jobs[0] = nil
		c.jobs = c.jobs[1:]
		c.mu.Unlock()
		job()
	}
}

// wait returns when there is no work left. Nobody gives any more.
func (c *cold) wait() { c.ended.Wait() }
