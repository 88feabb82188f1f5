//go:build !linux

package main

import "errors"

type chaosCmd struct{}

// Run fails: drills need the live gateway, which is for Linux.
func (chaosCmd) Run() error { return errors.New("chaos: is for Linux") }
