package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// op is a line of the log that a faults build writes (internal/fault.Op).
type op struct {
	Kind  string `json:"kind"` // sync, syncdir, rename, link, swap, mkdir
	Path  string `json:"path"`
	Other string `json:"other,omitempty"`
	Inode uint64 `json:"inode,omitempty"`
}

// disk is what a power loss may keep of a project's folders, as the log of durable operations tells it. A name that
// was made, moved or removed is only safe once its folder was synced after it; bytes only once their file was. Files
// that were there when the disk began to be watched are safe.
type disk struct {
	roots   []string
	before  map[fileID]bool            // files at the start
	synced  map[uint64]map[string]bool // inode → names under which its synced bytes are known
	pending []op                       // name changes whose folder was not synced since, oldest first
}

// watchDisk takes the state of the roots as safe.
func watchDisk(roots ...string) (*disk, error) {
	d := &disk{roots: roots, before: map[fileID]bool{}}
	err := d.files(func(path string, info fs.FileInfo) error {
		d.before[idOf(info)] = true
		return nil
	})
	return d, err
}

// files visits every file that a power loss may hurt. SQLite's files and locks are left out: SQLite does its own
// syncing, past our log, and a lock has no content.
func (d *disk) files(visit func(path string, info fs.FileInfo) error) error {
	for _, root := range d.roots {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			name := e.Name()
			if strings.HasPrefix(name, "state.db") || strings.HasSuffix(name, ".lock") {
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			return visit(path, info)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replay reads the log from its beginning.
func (d *disk) replay(log string) error {
	d.synced, d.pending = map[uint64]map[string]bool{}, nil
	f, err := os.Open(log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o op
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("operations log %s: %w", log, err)
		}
		d.apply(o)
	}
	return lines.Err()
}

func (d *disk) apply(o op) {
	switch o.Kind {
	case "sync":
		d.synced[o.Inode] = map[string]bool{o.Path: true}
	case "syncdir":
		kept := d.pending[:0]
		for _, p := range d.pending {
			if filepath.Dir(p.Path) != o.Path {
				kept = append(kept, p)
			}
		}
		d.pending = kept
	case "rename":
		d.moved(o.Other, o.Path)
		d.pending = append(d.pending, o)
	case "link":
		for _, names := range d.synced {
			if names[o.Other] {
				names[o.Path] = true
			}
		}
		d.pending = append(d.pending, o)
	default:
		d.pending = append(d.pending, o)
	}
}

// moved follows a file or a whole folder to its new name.
func (d *disk) moved(from, to string) {
	follow := func(path string) (string, bool) {
		if path == from {
			return to, true
		}
		if rest, ok := strings.CutPrefix(path, from+"/"); ok {
			return to + "/" + rest, true
		}
		return path, false
	}
	for _, names := range d.synced {
		for name := range names {
			if moved, ok := follow(name); ok {
				delete(names, name)
				names[moved] = true
			}
		}
	}
	for i := range d.pending {
		d.pending[i].Path, _ = follow(d.pending[i].Path)
	}
}

// safe says whether the bytes of a file must survive.
func (d *disk) safe(path string, info fs.FileInfo) bool {
	if d.before[idOf(info)] {
		return true
	}
	return d.synced[idOf(info).inode][path]
}

// powerLoss does to the folders what a power loss may do: every file whose bytes were not synced is emptied, cut or
// garbled, and every name change whose folder was not synced is undone, all of them or each with probability ½. It
// returns what it did.
func (d *disk) powerLoss(log string, r *rand.Rand, all bool) ([]string, error) {
	if err := d.replay(log); err != nil {
		return nil, err
	}
	var did []string
	unsafe := map[fileID]string{} // one name is enough: the inode is what gets hurt
	keep := map[fileID]bool{}
	err := d.files(func(path string, info fs.FileInfo) error {
		id := idOf(info)
		if d.safe(path, info) {
			keep[id] = true
		} else if _, ok := unsafe[id]; !ok {
			unsafe[id] = path
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var paths []string
	for id, path := range unsafe {
		if !keep[id] { // a link of ours that the log knows under another name only
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	for _, path := range paths {
		what, err := hurt(path, r)
		if err != nil {
			return nil, err
		}
		did = append(did, what+" "+path)
	}
	for i := len(d.pending) - 1; i >= 0; i-- {
		if !all && r.IntN(2) == 0 {
			continue
		}
		o := d.pending[i]
		if err := undo(o); err != nil {
			return did, err
		}
		did = append(did, fmt.Sprintf("undid %s %s", o.Kind, o.Path))
	}
	return did, nil
}

// hurt empties, cuts or garbles a file in place.
func hurt(path string, r *rand.Rand) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	what := "emptied"
	switch choice := r.IntN(3); {
	case choice == 0 || len(data) == 0:
		data = nil
	case choice == 1:
		what, data = "cut", data[:r.IntN(len(data))]
	default:
		what = "garbled"
		for range 1 + len(data)/64 {
			data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		}
	}
	return what, os.WriteFile(path, data, 0o644)
}

func undo(o op) error {
	switch o.Kind {
	case "rename":
		if _, err := os.Lstat(o.Other); err == nil {
			return nil // the old name was taken again
		}
		return ignoreMissing(os.Rename(o.Path, o.Other))
	case "link":
		return ignoreMissing(os.Remove(o.Path))
	case "mkdir":
		return os.RemoveAll(o.Path)
	case "swap":
		if err := ignoreMissing(os.Remove(o.Path)); err != nil || o.Other == "" {
			return err
		}
		return os.Symlink(o.Other, o.Path)
	}
	return fmt.Errorf("operations log: unknown kind %q", o.Kind)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
