//go:build !linux

package testserver

import "syscall"

// withParent does nothing where the kernel has no signal for a parent's end: a killed test leaves its servers there.
func withParent(*syscall.SysProcAttr, syscall.Signal) {}
