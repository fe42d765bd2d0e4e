package fsx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// TempFolder makes a folder for the files of one act below parent ("": the system's temporary folder), and removes those
// that killed processes left there. A process holds the flock of its folder, and the kernel lets go of it however it ends.
func TempFolder(parent, prefix string) (dir string, remove func(), err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweepFolders(parent, prefix)
	const unlocked = ".new" // nobody sweeps it
	made, err := os.MkdirTemp(parent, prefix+"*"+unlocked)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	held, err := os.Open(made)
	if err == nil {
		err = syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	dir = strings.TrimSuffix(made, unlocked)
	if err == nil {
		err = os.Rename(made, dir)
	}
	if err != nil {
		_ = held.Close()
		_ = os.RemoveAll(made)
		return "", nil, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		_ = held.Close()
	}, nil
}

// sweepFolders removes folders whose process is gone. Those of other users cannot be opened.
func sweepFolders(parent, prefix string) {
	left, _ := filepath.Glob(filepath.Join(parent, prefix+"*[0-9]"))
	for _, dir := range left {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close()
	}
}
