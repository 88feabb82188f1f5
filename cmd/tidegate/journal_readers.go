package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"tidegate/sinks/journal"
)

type journalReadersCmd struct {
	Dir  string `arg:"" help:"Directory of the journal."`
	Drop string `placeholder:"NAME" help:"Unregister this reader: retention does not wait for it any more."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is shown below the flags' summary.
func (journalReadersCmd) Help() string {
	return `A registered reader keeps retention from removing what it has not read: that of PostgreSQL, say, while the database is down. One that is gone for good has to be unregistered, or the journal grows until its disk is full.

A reader that is at work registers again within a second; end it first. Without its position it begins where its database says, if the journal still has that.`
}

// Run lists the readers, or drops one of them.
func (c *journalReadersCmd) Run(con *console) error {
	s, err := journal.Stat(c.Dir) // also makes sure that it is a journal
	if err != nil {
		return err
	}
	if c.Drop != "" {
		return c.drop(s, con)
	}
	if c.JSON {
		return json.NewEncoder(con.Out).Encode(s.Readers)
	}
	if len(s.Readers) == 0 {
		_, err := fmt.Fprintln(con.Out, "no reader is registered: retention waits for nobody")
		return err
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "reader\tnext\tas of (UTC)\tneeds\t")
	for _, p := range s.Readers {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t\n", p.Name, p.Next, moment(p.At), s.Needs(p))
	}
	return w.Flush()
}

func (c *journalReadersCmd) drop(s *journal.State, con *console) error {
	switch err := journal.Unregister(c.Dir, c.Drop); {
	case errors.Is(err, fs.ErrNotExist):
		var names []string
		for _, p := range s.Readers {
			names = append(names, p.Name)
		}
		if len(names) == 0 {
			names = []string{"none"}
		}
		return fmt.Errorf("%s: no reader %s is registered; there is %s", c.Dir, c.Drop, strings.Join(names, ", "))
	case errors.Is(err, journal.ErrReaderName):
		return usageError{err}
	case err != nil:
		return err
	}
	_, err := fmt.Fprintf(con.Out, "dropped  %s\n", c.Drop)
	return err
}
