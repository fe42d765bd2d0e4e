package fsx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// heldFolder ends the names of folders whose process holds their flock. Nothing else is swept: earlier versions locked theirs not.
const heldFolder = ".held"

// swept are the places that this process has looked through for what others have left: one look at a crowded folder is enough.
var swept sync.Map

// TempFolder makes a folder for the files of one act below parent ("": the system's temporary folder). The first of a process
// removes those that killed processes left there. A process holds the flock of its folder, and the kernel lets go of it however it ends.
func TempFolder(parent, prefix string) (dir string, remove func(), err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if _, before := swept.LoadOrStore(filepath.Join(parent, prefix), true); !before {
		SweepFolders(parent, prefix)
	}
	const unlocked = ".new" // nobody sweeps it
	made, err := os.MkdirTemp(parent, prefix+"*"+unlocked)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	held, err := lockFolder(made)
	dir = strings.TrimSuffix(made, unlocked) + heldFolder
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

// SweepFolders removes folders of TempFolder whose process is gone.
func SweepFolders(parent, prefix string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), heldFolder) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if held, err := lockFolder(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = held.Close()
		}
	}
}

// lockFolder takes the flock of a folder of this user that nobody holds. Whoever may write beside it can give its name to anything: a
// link is not followed, and a pipe not waited for.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		err = errors.New("it belongs to another user")
	}
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
