//go:build !linux

package main

// benchLiveCmds are for Linux: they are about its sockets.
type benchLiveCmds struct{}
