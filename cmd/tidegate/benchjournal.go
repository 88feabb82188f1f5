//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	benchlive "tidegate/bench/live"
)

type benchJournalCmd struct {
	Rounds  int           `default:"9" placeholder:"N" help:"How often journal and bare loop are measured, in turn."`
	Entries int           `default:"4000000" placeholder:"N" help:"Entries of each round."`
	Payload int           `default:"56" placeholder:"BYTES" help:"Bytes of an entry: 56 is an mbo record, 360 one of mbp-10."`
	Base    int           `default:"200000" placeholder:"N" help:"Usual entries per second, of which a burst has ten times as many; 0 leaves the bursts out."`
	Burst   time.Duration `default:"2s" placeholder:"TIME" help:"Length of a burst."`
	Dir     string        `placeholder:"DIR" help:"Directory on the disk to measure. Default: where temporary files go."`
	JSON    bool          `name:"json" help:"Print the result as JSON."`
	Save    string        `placeholder:"DIR" help:"Also keep the result there, as JSON."`
	Quiet   bool          `short:"q" help:"Do not say what is being measured."`
}

// Run measures the journal.
func (c *benchJournalCmd) Run(ctx context.Context, con *console) error {
	o := benchlive.JournalOptions{
		Rounds: c.Rounds, Entries: c.Entries, Payload: c.Payload, BurstBase: c.Base, Burst: c.Burst, Dir: c.Dir,
	}
	if !c.Quiet {
		o.Progress = func(what string) { fmt.Fprintln(con.Err, what) }
	}
	if err := o.Validate(); err != nil {
		return usageError{err}
	}
	r, err := benchlive.RunJournal(ctx, o)
	if err != nil {
		return err
	}
	return (&liveOptions{JSON: c.JSON, Save: c.Save}).show(con, r)
}
