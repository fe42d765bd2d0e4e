package testserver

import "syscall"

// withParent lets a process get a signal when its parent ends, and no Ctrl-C that is meant for the parent.
func withParent(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Setpgid = true
	attr.Pdeathsig = signal
}
