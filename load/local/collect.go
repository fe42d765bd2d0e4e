package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// Collect removes snapshots past retention and data files that no remaining manifest names. It removes nothing at
// all when it cannot read the current manifest, or any that is to stay: an empty list must never mean "delete
// everything".
func (l *Loader) Collect(ctx context.Context, dryRun bool) (*load.Collection, error) {
	c := &load.Collection{DryRun: dryRun, Snapshots: []int64{}, Files: []string{}, Kept: []int64{}}
	if _, err := l.currentNumber(); errors.Is(err, load.ErrNothing) {
		return c, nil
	}
	unlock, err := l.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	named, err := l.retained(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := l.unnamed(named, c); err != nil {
		return nil, err
	}
	if dryRun {
		return c, nil
	}
	return c, l.remove(c)
}

// retained decides which snapshots stay and returns the files that they name.
func (l *Loader) retained(ctx context.Context, c *load.Collection) (map[string]bool, error) {
	m, err := l.Current(ctx)
	if err != nil {
		return nil, err
	}
	all, err := l.Snapshots()
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	stays := map[int64]bool{}
	oldest := l.cfg.Clock().Add(-l.cfg.KeepFor)
	for m != nil {
		eachFile(m.Tables, func(f *warehouse.File) { named[f.Path] = true })
		stays[m.Snapshot] = true
		c.Kept = append(c.Kept, m.Snapshot)
		if m.Parent == 0 {
			break
		}
		if _, err := os.Stat(l.snapshotDir(m.Parent)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		// A snapshot is past retention by the time since it was superseded: until then readers may have opened it.
		expired := len(stays) >= l.cfg.KeepCount && m.PublishedAt.Before(oldest)
		if expired {
			break
		}
		parent, err := l.Manifest(m.Parent)
		if err != nil {
			return nil, err
		}
		m = parent
	}
	for _, n := range all {
		if !stays[n] {
			c.Snapshots = append(c.Snapshots, n)
		}
	}
	return named, nil
}

// unnamed lists what lies in data/ and is named by nothing.
func (l *Loader) unnamed(named map[string]bool, c *load.Collection) error {
	return filepath.WalkDir(filepath.Join(l.cfg.Root, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || named[path] {
			return err
		}
		if !strings.HasSuffix(path, ".parquet") && !strings.HasSuffix(path, ".tmp") {
			return nil // not ours
		}
		if info, err := d.Info(); err == nil {
			c.Bytes += info.Size()
		}
		c.Files = append(c.Files, path)
		return nil
	})
}

func (l *Loader) remove(c *load.Collection) error {
	for _, n := range c.Snapshots {
		if err := fault.Point("gc.snapshot.remove"); err != nil {
			return err
		}
		// The manifest goes last: a half-removed snapshot is still one that nothing points to, and is found again.
		dir := l.snapshotDir(n)
		trash := filepath.Join(filepath.Dir(dir), "."+strconv.FormatInt(n, 10)+".gone")
		if err := os.Rename(dir, trash); err != nil {
			return err
		}
		if err := os.RemoveAll(trash); err != nil {
			return err
		}
	}
	for _, path := range c.Files {
		if err := fsx.Remove("gc.file", path); err != nil {
			return err
		}
	}
	return l.sweep()
}

// sweep removes what cut-off publishes and collections left in snapshots/.
func (l *Loader) sweep() error {
	dir := filepath.Join(l.cfg.Root, "snapshots")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && (strings.HasSuffix(e.Name(), ".tmp") || strings.HasSuffix(e.Name(), ".gone")) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
