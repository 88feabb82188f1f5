package pgcluster

import "syscall"

// dieWithParent has the kernel stop the server as in a crash when the thread that started it is gone,
// even if it was killed: a test that is killed leaves no server behind.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
