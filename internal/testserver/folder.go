package testserver

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/millrace/millrace/internal/fsx"
)

// prefix begins the names of the folders of processes.
const prefix = "millrace-test-"

// base is the folder of this process, which no other sweeps while this one lives. It is not under TMPDIR: sockets have short names, and
// PostgreSQL, which refuses root, must reach it as another user.
var base = sync.OnceValues(func() (dir string, err error) {
	sweep()
	if dir, removeBase, err = fsx.TempFolder(parent(), prefix); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
})

var removeBase func() // nil before base

// memory is a file system in memory, where Linux has it. Servers write there twice as fast, and a crash of theirs leaves it as it was.
const memory = "/dev/shm"

// parent is where folders are made: in memory while there is plenty. The rule is that of .ci/temp.
func parent() string {
	var fs syscall.Statfs_t
	if syscall.Statfs(memory, &fs) == nil && fs.Bavail > 4<<30/uint64(fs.Bsize) && available() > 8<<30 && syscall.Access(memory, 2) == nil {
		return memory
	}
	return "/tmp"
}

// available is how much memory is: the file system may be larger. 0 where Linux does not tell.
func available() (bytes int64) {
	told, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(told)) {
		if kilobytes, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			_, _ = fmt.Sscan(kilobytes, &bytes)
		}
	}
	return bytes << 10
}

// sweep removes the folders of processes that have ended, in memory and on disk: which of them has one hung on what was free.
func sweep() {
	fsx.SweepFolders(memory, prefix)
	fsx.SweepFolders("/tmp", prefix)
}

// flock opens a file and waits for its lock; closing it, or the end of the process, unlocks it.
func flock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return f, nil
	}
}

// cache is the folder of what outlives the process: templates of data folders, and the password in them.
func cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil { // no HOME
		dir = filepath.Join("/tmp", fmt.Sprintf("cache-%d", os.Getuid()))
	}
	dir = filepath.Join(dir, "millrace-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		err = fmt.Errorf("%s belongs to another user", dir)
	}
	return dir, err
}

// lock makes processes take turns.
func lock(name string) (unlock func(), err error) {
	dir, err := cache()
	if err != nil {
		return nil, err
	}
	held, err := flock(filepath.Join(dir, name+".lock"))
	if err != nil {
		return nil, err
	}
	return func() { _ = held.Close() }, nil
}

// password is the superuser's on every server here. It is drawn once per user of the machine, not written in the code:
// a superuser of PostgreSQL may run programs, and whoever is on this machine reaches the port.
func password() (string, error) {
	unlock, err := lock("password")
	if err != nil {
		return "", err
	}
	defer unlock()
	dir, err := cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "password")
	if known, err := os.ReadFile(path); err == nil && len(known) > 0 {
		return string(known), nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	drawn := rand.Text()
	if err := os.WriteFile(path+".tmp", []byte(drawn), 0o600); err != nil {
		return "", err
	}
	return drawn, os.Rename(path+".tmp", path)
}

// template copies a fresh data folder to path. It is made by build, once for each key, in the folder that build is
// given and may fill under any user; what is in the key is all that may make a difference.
func template(key []string, path string, build func(dir string) error) error {
	root, err := cache()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	name := fmt.Sprintf("%s-%x", filepath.Base(strings.Fields(key[0])[0]), sum[:8])
	made := filepath.Join(root, name)
	if _, err := os.Stat(made); err != nil {
		if err := makeTemplate(name, made, path, build); err != nil {
			return err
		}
	}
	return copyTree(made, path)
}

func makeTemplate(name, made, path string, build func(dir string) error) error {
	unlock, err := lock(name)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(made); err == nil { // by another process meanwhile
		return nil
	}
	// Built beside path, because the cache is the user's own and a server may run as another.
	fresh := path + ".template"
	defer os.RemoveAll(fresh)
	if err := build(fresh); err != nil {
		return err
	}
	_ = os.RemoveAll(made + ".tmp")
	if err := copyTree(fresh, made+".tmp"); err != nil {
		return err
	}
	return os.Rename(made+".tmp", made)
}

// copyTree copies with owners, modes and times; cp shares the blocks where the file system can.
func copyTree(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}
