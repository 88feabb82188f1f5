//go:build !linux

package main

import "errors"

type orderCmd struct{}

// Run says that the client for orders is for Linux, as the gateway is.
func (orderCmd) Run() error { return errors.New("order: only on Linux") }
