//go:build !linux

package main

import "syscall"

// childAttributes makes a process that an interrupt at the terminal does not reach.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
