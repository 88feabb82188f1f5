//go:build !linux

package main

import "errors"

type runCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration."`
	Check  bool   `help:"Only say whether the configuration is right."`
}

// Run says why it does not.
func (runCmd) Run() error { return errors.New("run: needs Linux") }
