// Package fsx writes files so that a crash leaves the old or the new, never a mixture: every content is fsynced
// before a name points at it, and the folder is fsynced after. Each function takes the name of its fault point as
// first argument. It never retries a failed fsync: after one the file's pages may be gone, so the caller must
// write a new file. Read Write and Rename first.
package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/millrace/millrace/internal/fault"
)

// ErrInTheWay says that a file stands where a folder should be.
var ErrInTheWay = errors.New("a file is in the way")

// Write puts data under path by way of a temporary file beside it.
func Write(at, path string, data []byte, mode fs.FileMode) (err error) {
	if err := fault.Point(at + ".write"); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := SyncFile(at, tmp.Name()); err != nil {
		return err
	}
	return Rename(at, tmp.Name(), path)
}

// Sweep removes what a Write of path that was cut off has left beside it. The caller holds a lock, so that nobody writes it meanwhile.
func Sweep(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "."+filepath.Base(path)+".") && strings.HasSuffix(name, ".tmp") {
			errs = append(errs, os.Remove(filepath.Join(filepath.Dir(path), name)))
		}
	}
	return errors.Join(errs...)
}

// SyncFile forces a finished file's content to the disk.
func SyncFile(at, path string) error {
	if err := fault.Point(at + ".fsync"); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("fsync %s: %w", path, err)
	}
	fault.Record(fault.Op{Kind: "sync", Path: path})
	return nil
}

// SyncDir forces a folder's entries to the disk.
func SyncDir(at, dir string) error {
	if err := fault.Point(at + ".fsyncdir"); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("fsync folder %s: %w", dir, err)
	}
	fault.Record(fault.Op{Kind: "syncdir", Path: dir})
	return nil
}

// Rename moves old to path, replacing what is there, and syncs the folder of path.
func Rename(at, old, path string) error {
	if err := fault.Point(at + ".rename"); err != nil {
		return err
	}
	if err := os.Rename(old, path); err != nil {
		return err
	}
	fault.Record(fault.Op{Kind: "rename", Path: path, Other: old})
	return SyncDir(at, filepath.Dir(path))
}

// Link gives the file old a second name; where the file system cannot, it copies. A path that is already there
// is left alone: our linked files are named by their content. The caller syncs the folder, once for many links.
func Link(at, old, path string) error {
	if err := fault.Point(at + ".link"); err != nil {
		return err
	}
	err := os.Link(old, path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EACCES): // EPERM is what file systems without links say
		return err
	default: // another file system, or one without hard links
		if err := copyFile(at, old, path); err != nil {
			return err
		}
	}
	fault.Record(fault.Op{Kind: "link", Path: path, Other: old})
	return nil
}

func copyFile(at, old, path string) (err error) {
	in, err := os.Open(old)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		_ = out.Close()
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Chmod(0o644); err != nil {
		return err
	}
	if err := SyncFile(at, out.Name()); err != nil {
		return err
	}
	return Rename(at, out.Name(), path)
}

// Swap points the symlink at target, in one step, and syncs its folder.
func Swap(at, target, link string) error {
	if err := fault.Point(at + ".swap"); err != nil {
		return err
	}
	before, _ := os.Readlink(link)
	tmp := link + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		return err
	}
	fault.Record(fault.Op{Kind: "swap", Path: link, Other: before})
	return SyncDir(at, filepath.Dir(link))
}

// MkdirAll makes the folder, and those of its parents that are missing, with exactly this mode, whatever the umask is, and syncs
// each parent that got a new entry. Folders that are there keep their mode.
func MkdirAll(at, dir string, mode fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &os.PathError{Op: "mkdir", Path: dir, Err: ErrInTheWay}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(at, parent, mode); err != nil {
			return err
		}
	}
	if err := fault.Point(at + ".mkdir"); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, mode); {
	case errors.Is(err, fs.ErrExist): // somebody was faster
	case err != nil:
		return err
	default:
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	fault.Record(fault.Op{Kind: "mkdir", Path: dir})
	return SyncDir(at, parent)
}

// Remove deletes a file that may be gone already.
func Remove(at, path string) error {
	if err := fault.Point(at + ".remove"); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
