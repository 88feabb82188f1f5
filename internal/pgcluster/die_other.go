//go:build !linux

package pgcluster

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}
