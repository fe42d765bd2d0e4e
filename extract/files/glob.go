package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/extract"
)

// fileID names one file as it was when the window was fixed.
type fileID struct {
	Name  string `json:"name"` // relative to the root, with slashes
	Size  int64  `json:"size"`
	MTime int64  `json:"mtime"` // nanoseconds
	Inode uint64 `json:"inode,omitempty"`
	Hash  string `json:"hash,omitempty"` // xxh3-128 of the stored bytes; "" when not computed

	changed int64 // see fsx.Changed
}

func (f fileID) modified() time.Time { return time.Unix(0, f.MTime) }

// statesOf are the files as they lie there.
func statesOf(files []fileID) extract.FileStates {
	var states extract.FileStates
	for _, f := range files {
		states = append(states, extract.FileState{Name: f.Name, Size: f.Size, MTime: f.MTime, Changed: f.changed, Inode: f.Inode})
	}
	return states
}

// stat looks at one file below root; anything but a regular file is refused.
func stat(root *os.Root, name string) (fileID, error) {
	info, err := root.Stat(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes") {
			return fileID{}, fmt.Errorf("%s is a link that leads out of the root folder %s: refused; copy the file in, or set root to the folder it lives in", name, root.Name())
		}
		return fileID{}, err
	}
	if !info.Mode().IsRegular() {
		return fileID{}, fmt.Errorf("%s is %s, not a regular file: refused", name, kindOf(info.Mode()))
	}
	f := extract.StateOfFile(name, info)
	return fileID{Name: name, Size: f.Size, MTime: f.MTime, Inode: f.Inode, changed: f.Changed}, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// checkGlob says what is wrong with a pattern; "" when nothing is.
func checkGlob(glob string) string {
	switch {
	case glob == "":
		return "the path is empty"
	case path.IsAbs(glob):
		return "the path must be relative to root"
	case strings.Contains(glob, `\`):
		return `a path is written with "/", never with "\"`
	}
	for _, part := range strings.Split(glob, "/") {
		if part == ".." {
			return `".." is not allowed in a path; set root instead`
		}
		if strings.Contains(part, "**") && part != "**" {
			return `"**" stands alone between slashes`
		}
		if _, err := path.Match(part, "x"); err != nil {
			return "bad pattern: " + part
		}
	}
	return ""
}

// list gives the files that match glob, sorted by name. A match that may not be read is an error: silently
// passing over it would lose records.
func list(root *os.Root, glob string) ([]fileID, error) {
	l := &lister{root: root, fsys: root.FS(), seen: map[string]bool{}}
	if err := l.walk(".", strings.Split(path.Clean(glob), "/")); err != nil {
		return nil, err
	}
	sort.Slice(l.out, func(i, k int) bool { return l.out[i].Name < l.out[k].Name })
	return l.out, nil
}

type lister struct {
	root *os.Root
	fsys fs.FS
	seen map[string]bool
	out  []fileID
}

func (l *lister) walk(dir string, parts []string) error {
	part, rest := parts[0], parts[1:]
	if part == "**" && len(rest) == 0 {
		rest = []string{"*"}
	}
	if part != "**" && !strings.ContainsAny(part, `*?[`) {
		name := path.Join(dir, part)
		if len(rest) > 0 {
			return l.walk(name, rest)
		}
		if _, err := l.root.Lstat(name); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		return l.add(name)
	}
	entries, err := fs.ReadDir(l.fsys, dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list folder %s: %w", dir, err)
	}
	if part == "**" {
		if err := l.walk(dir, rest); err != nil {
			return err
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		hidden := strings.HasPrefix(e.Name(), ".")
		if part == "**" {
			if e.IsDir() && !hidden { // links to folders are not followed by **: they may form a circle
				if err := l.walk(name, parts); err != nil {
					return err
				}
			}
			continue
		}
		if ok, _ := path.Match(part, e.Name()); !ok || hidden && !strings.HasPrefix(part, ".") {
			continue
		}
		if len(rest) > 0 {
			err = l.walk(name, rest)
		} else {
			err = l.add(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) add(name string) error {
	if l.seen[name] {
		return nil
	}
	l.seen[name] = true
	id, err := stat(l.root, name)
	if errors.Is(err, fs.ErrNotExist) {
		if info, lerr := l.root.Lstat(name); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a link to nothing", name)
		}
		return nil // removed between the listing and now
	}
	if err != nil {
		return err
	}
	l.out = append(l.out, id)
	return nil
}
