package main

import "syscall"

// childAttributes makes a process that an interrupt at the terminal does not reach, and that is told
// to stop when this one has ended, however it has: by a second interrupt, or a closed terminal or pipe.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
