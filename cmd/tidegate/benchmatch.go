package main

import (
	"context"
	"encoding/json"

	"tidegate/bench"
)

type benchMatchCmd struct {
	Operations int  `default:"1000000" help:"Operations of each program."`
	Resting    int  `default:"100000" help:"Orders in the book when the mix begins."`
	Runs       int  `default:"5" help:"Runs of each program."`
	Plain      bool `help:"Plain limit orders only: what simple engines have."`
	Twin       int  `default:"3000" help:"So many operations of each program are compared with the plain twin."`
	JSON       bool `name:"json" help:"Print the report as JSON."`
}

// Run measures the matching engine.
func (c *benchMatchCmd) Run(ctx context.Context, con *console) error {
	r, err := bench.RunMatch(ctx, bench.MatchOptions{
		Operations: c.Operations, Resting: c.Resting, Runs: c.Runs, Plain: c.Plain, Twin: c.Twin,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(con.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.WriteText(con.Out)
}
