package surge

import (
	"errors"
	"fmt"
	"time"
)

// Options say what is measured.
type Options struct {
	Binary    string        // of tidegate
	Rate      int           // normal orders a second, at 1x
	Multiples []int         // of it
	Urgent    int           // cancels a second, and as many orders of high notional
	Accounts  int           // that share the normal orders
	Duration  time.Duration // of each run
	Relaxed   []bool        // without and with waiting for the disk: false is journaled
	Loops     int           // matching loops of the gateway
	Progress  func(what string)
}

// Default returns a measurement of about a minute.
func Default(binary string) Options {
	return Options{
		Binary: binary, Rate: 500, Multiples: []int{1, 10, 100}, Urgent: 100, Accounts: 8, Duration: 5 * time.Second,
		Relaxed: []bool{false, true}, Progress: func(string) {},
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (o *Options) Validate() error {
	switch {
	case o.Binary == "":
		return errors.New("want the binary to measure")
	case o.Rate < 1 || o.Rate > 1_000_000:
		return fmt.Errorf("rate %d: want 1 to 1,000,000", o.Rate)
	case o.Urgent < 1 || o.Urgent > 100_000:
		return fmt.Errorf("urgent %d: want 1 to 100,000", o.Urgent)
	case o.Accounts < 1 || o.Accounts > 1000:
		return fmt.Errorf("accounts %d: want 1 to 1,000", o.Accounts)
	case o.Duration < 100*time.Millisecond || o.Duration > time.Hour:
		return fmt.Errorf("duration %v: want 100ms to 1h", o.Duration)
	case len(o.Multiples) == 0 || len(o.Relaxed) == 0:
		return errors.New("want at least one multiple, and one durability")
	}
	for _, m := range o.Multiples {
		if m < 1 || m > 10_000 {
			return fmt.Errorf("multiple %d: want 1 to 10,000", m)
		}
	}
	return nil
}
