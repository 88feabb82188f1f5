//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"tidegate/bench/surge"
	"tidegate/gateway/orders/ouch"
)

type benchOrdersCmd struct {
	Rate     int           `default:"500" placeholder:"N" help:"Normal orders a second, at 1x."`
	Multiple []int         `default:"1,10,100" placeholder:"N" help:"How many times that, one after the other."`
	Urgent   int           `default:"100" placeholder:"N" help:"Cancels a second, and as many orders of high notional, always."`
	Accounts int           `default:"8" placeholder:"N" help:"Accounts that share the normal orders."`
	Duration time.Duration `default:"5s" placeholder:"TIME" help:"Length of each run."`
	Only     string        `default:"" enum:",journaled,relaxed" placeholder:"DURABILITY" help:"Only with the journal (journaled), or only without waiting for it (relaxed)."`
	Loops    int           `default:"0" placeholder:"N" help:"Matching loops of the gateway."`
	JSON     bool          `name:"json" help:"Print the result as JSON."`
	Quiet    bool          `short:"q" help:"Do not say what is being measured."`
}

// Run measures orders.
func (c *benchOrdersCmd) Run(ctx context.Context, con *console) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	o := surge.Default(binary)
	o.Rate, o.Multiples, o.Urgent, o.Accounts, o.Duration, o.Loops = c.Rate, c.Multiple, c.Urgent, c.Accounts, c.Duration, c.Loops
	if c.Only != "" {
		o.Relaxed = []bool{c.Only == "relaxed"}
	}
	if !c.Quiet {
		o.Progress = func(what string) { fmt.Fprintln(con.Err, what) }
	}
	if err := o.Validate(); err != nil {
		return usageError{err}
	}
	hash, err := ouch.HashPassword(surge.Password)
	if err != nil {
		return err
	}
	r, err := surge.Run(ctx, o, hash)
	if err != nil {
		return err
	}
	if c.JSON {
		return r.WriteJSON(con.Out)
	}
	return r.WriteText(con.Out)
}
