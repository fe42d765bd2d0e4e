// Package local publishes to a folder: immutable Parquet files, a snapshot folder a version, and the one pointer,
// the symlink `current`, whose replacement makes everything that a run publishes visible at once.
//
//	data/<schema>/<table>/<sha256>.parquet     the bytes, written once, named by content
//	snapshots/<n>/manifest.json                what a snapshot consists of: the truth
//	snapshots/<n>/catalog.duckdb               a view per table, for readers with DuckDB
//	snapshots/<n>/<schema>/<table>/*.parquet   hard links, for readers of plain Parquet
//	current -> snapshots/<n>
//
// It never reads a row. Read Publish first, then Collect (collect.go).
package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// CatalogFunc writes a DuckDB database of views at path, one for each version, in the order given. The paths of
// the versions' files are absolute. Comments describe tables, by schema.table. A view that does not bind any more is
// left out and returned; everything else that goes wrong is an error.
type CatalogFunc func(ctx context.Context, path string, versions []warehouse.Version, comments map[string]string) (left map[warehouse.Name]error, err error)

// Config describes a local target.
type Config struct {
	Root      string        // absolute path of the folder
	KeepCount int           // snapshots to keep at least
	KeepFor   time.Duration // and any younger than this
	Catalog   CatalogFunc
	Clock     clock.Clock
}

// Loader is a local target. It implements load.Loader.
type Loader struct{ cfg Config }

var _ load.Loader = (*Loader)(nil)

// New returns the loader of a folder, which need not exist yet.
func New(cfg Config) *Loader {
	if cfg.KeepCount == 0 {
		cfg.KeepCount = 3
	}
	if cfg.KeepFor == 0 {
		cfg.KeepFor = 7 * 24 * time.Hour
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	return &Loader{cfg: cfg}
}

// Root is the target's folder.
func (l *Loader) Root() string { return l.cfg.Root }

// CurrentLink is the path of the pointer.
func (l *Loader) CurrentLink() string { return filepath.Join(l.cfg.Root, "current") }

func (l *Loader) snapshotDir(n int64) string {
	return filepath.Join(l.cfg.Root, "snapshots", strconv.FormatInt(n, 10))
}

// Prepare makes the folder and proves that it can be written: it is called before the first row is read. A target
// that was moved gets a catalog that names its new place.
func (l *Loader) Prepare(ctx context.Context) error {
	if strings.Contains(l.cfg.Root, "?") {
		return fmt.Errorf("write to target %s: DuckDB opens no database on a path with a question mark: move the project, or name another path for the target", l.cfg.Root)
	}
	for _, dir := range []string{l.cfg.Root, filepath.Join(l.cfg.Root, "data"), filepath.Join(l.cfg.Root, "snapshots")} {
		if err := fsx.MkdirAll("target", dir, 0o755); err != nil {
			return fmt.Errorf("prepare target %s: %w", l.cfg.Root, err)
		}
		probe, err := os.CreateTemp(dir, ".probe.*")
		if err != nil {
			return fmt.Errorf("write to target %s: %w", l.cfg.Root, err)
		}
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
			return fmt.Errorf("write to target %s: %w", l.cfg.Root, err)
		}
	}
	// A run that was cut off may have made a folder, or swapped the pointer, without living to sync the entry.
	for _, dir := range []string{filepath.Dir(l.cfg.Root), l.cfg.Root} {
		if err := fsx.SyncDir("target", dir); err != nil {
			return fmt.Errorf("prepare target %s: %w", l.cfg.Root, err)
		}
	}
	if _, err := l.Relink(ctx); err != nil && !errors.Is(err, load.ErrNothing) {
		return fmt.Errorf("prepare target %s: %w", l.cfg.Root, err)
	}
	return nil
}

// Current returns the published manifest with absolute paths.
func (l *Loader) Current(context.Context) (*load.Manifest, error) {
	n, err := l.currentNumber()
	if err != nil {
		return nil, err
	}
	return l.Manifest(n)
}

// currentNumber reads the pointer.
func (l *Loader) currentNumber() (int64, error) {
	target, err := os.Readlink(l.CurrentLink())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, l.neverPublished()
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %s is no symlink: %w", load.ErrDamaged, l.CurrentLink(), err)
	}
	n, err := strconv.ParseInt(filepath.Base(target), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s points to %q, which is no snapshot", load.ErrDamaged, l.CurrentLink(), target)
	}
	return n, nil
}

// neverPublished tells a new target, or one whose very first publish was cut off before the swap, from one that
// lost its pointer: a snapshot with a parent proves that the pointer once stood.
func (l *Loader) neverPublished() error {
	all, err := l.Snapshots()
	if err != nil {
		return err
	}
	for _, n := range all {
		if m, err := l.Manifest(n); err == nil && m.Parent != 0 {
			return fmt.Errorf("%w: %s is missing, but there are snapshots: point it at the right one (ln -s snapshots/%d %s)",
				load.ErrDamaged, l.CurrentLink(), all[len(all)-1], l.CurrentLink())
		}
	}
	return load.ErrNothing
}

// sealed is the file format of manifest.json: the manifest and the digest of its exact bytes, so that a flipped
// byte is found before anything is believed.
type sealed struct {
	SHA256   string          `json:"sha256"`
	Manifest json.RawMessage `json:"manifest"`
}

func seal(m *load.Manifest) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return json.Marshal(sealed{hex.EncodeToString(sum[:]), body})
}

// Manifest reads one snapshot's manifest.
func (l *Loader) Manifest(n int64) (*load.Manifest, error) {
	m, err := ReadManifest(filepath.Join(l.snapshotDir(n), "manifest.json"))
	if err != nil {
		return nil, err
	}
	eachFile(m.Tables, func(f *warehouse.File) { f.Path = filepath.Join(l.cfg.Root, f.Path) })
	return m, nil
}

// ReadManifest reads a manifest's file, whose files' paths stay relative to its target.
func ReadManifest(path string) (*load.Manifest, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: read manifest: %w", load.ErrDamaged, err)
	}
	var s sealed
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", load.ErrDamaged, path, err)
	}
	if sum := sha256.Sum256(s.Manifest); hex.EncodeToString(sum[:]) != s.SHA256 {
		return nil, fmt.Errorf("%w: %s does not match its checksum", load.ErrDamaged, path)
	}
	m := &load.Manifest{}
	var probe struct{ Format int }
	if err := json.Unmarshal(s.Manifest, &probe); err == nil && probe.Format > load.Format {
		return nil, fmt.Errorf("%w (format %d, this one knows %d): %s", load.ErrNewer, probe.Format, load.Format, path)
	}
	if err := json.Unmarshal(s.Manifest, m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", load.ErrDamaged, path, err)
	}
	return m, nil
}

// eachFile calls f for every file of the tables.
func eachFile(tables []load.Table, f func(*warehouse.File)) {
	for i := range tables {
		t := &tables[i]
		for _, files := range [][]warehouse.File{t.Base, t.Upserts, t.Deletes} {
			for k := range files {
				f(&files[k])
			}
		}
		for k := range t.Rejects {
			f(&t.Rejects[k].File)
		}
	}
}

// Snapshots lists the snapshots on disk, the oldest first, whether or not anything points to them.
func (l *Loader) Snapshots() ([]int64, error) {
	entries, err := os.ReadDir(filepath.Join(l.cfg.Root, "snapshots"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
			all = append(all, n)
		}
	}
	sort.Slice(all, func(i, k int) bool { return all[i] < all[k] })
	return all, nil
}

// Publish links the files in, writes the snapshot beside the others and swaps the pointer. Killed before the swap
// it leaves a snapshot that nobody sees, which the next Collect removes; killed after it, everything is published.
func (l *Loader) Publish(ctx context.Context, p load.Publication) (*load.Manifest, error) {
	unlock, err := l.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	parent, err := l.Current(ctx)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return nil, err
	}
	if done, err := l.Published(ctx, p.Run, p.Attempt); done != nil || err != nil {
		return done, err
	}
	if parent != nil && parent.Project != p.Project {
		return nil, fmt.Errorf("publish: the target %s belongs to project %q, this is %q: give each project a target of its own", l.cfg.Root, parent.Project, p.Project)
	}
	if err := p.Overtaken(parent); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	next, err := l.nextNumber()
	if err != nil {
		return nil, err
	}
	m := l.compose(parent, p, next)
	if err := l.linkData(m, next); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := l.writeSnapshot(ctx, m); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := fsx.Swap("publish.pointer", filepath.Join("snapshots", strconv.FormatInt(next, 10)), l.CurrentLink()); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := fault.Point("publish.done"); err != nil {
		return nil, err
	}
	return m, nil
}

// Published looks for the attempt's own snapshot among the current one and its ancestors.
func (l *Loader) Published(ctx context.Context, run string, attempt int) (*load.Manifest, error) {
	m, err := l.Current(ctx)
	if errors.Is(err, load.ErrNothing) {
		return nil, nil
	}
	for err == nil {
		if m.Run == run && m.Attempt == attempt {
			return m, nil
		}
		if m.Parent == 0 {
			return nil, nil
		}
		if _, gone := os.Stat(l.snapshotDir(m.Parent)); errors.Is(gone, fs.ErrNotExist) {
			return nil, nil // collected: older than any run that still can ask
		}
		parent, damaged := l.Manifest(m.Parent)
		if damaged != nil {
			return nil, nil // a damaged ancestor is verify's matter; what readers see is whole
		}
		m = parent
	}
	return nil, err
}

func (l *Loader) nextNumber() (int64, error) {
	all, err := l.Snapshots()
	if err != nil || len(all) == 0 {
		return 1, err
	}
	return all[len(all)-1] + 1, nil
}

// compose merges the publication over what the parent has.
func (l *Loader) compose(parent *load.Manifest, p load.Publication, n int64) *load.Manifest {
	now := l.cfg.Clock()
	m := &load.Manifest{Format: load.Format, Snapshot: n, Run: p.Run, Attempt: p.Attempt, Pipeline: p.Pipeline, LogicalTime: p.LogicalTime,
		PublishedAt: now, Project: p.Project, Millrace: p.Millrace, Root: l.cfg.Root}
	if parent != nil {
		m.Parent, m.Target = parent.Snapshot, parent.Target
	}
	if m.Target == "" {
		m.Target = rand.Text()
	}
	renewed := map[warehouse.Name]bool{}
	for _, t := range p.Tables {
		renewed[t.Name] = true
		t.Snapshot, t.PublishedAt, t.Run, t.Pipeline, t.LogicalTime = n, now, p.Run, p.Pipeline, p.LogicalTime
		m.Tables = append(m.Tables, copyFiles(t))
	}
	if parent != nil {
		for _, t := range parent.Tables {
			if !renewed[t.Name] && !slices.Contains(p.Drop, t.Name) {
				m.Tables = append(m.Tables, copyFiles(t))
			}
		}
	}
	sort.Slice(m.Tables, func(i, k int) bool { return m.Tables[i].Name.String() < m.Tables[k].Name.String() })
	return m
}

// copyFiles gives the table file lists of its own, so that rewriting their paths leaves the caller's alone.
func copyFiles(t load.Table) load.Table {
	t.Base = append([]warehouse.File(nil), t.Base...)
	t.Upserts = append([]warehouse.File(nil), t.Upserts...)
	t.Deletes = append([]warehouse.File(nil), t.Deletes...)
	t.Rejects = append([]load.Rejects(nil), t.Rejects...)
	return t
}

// linkData brings files that are not in data/ yet there, under their content's name, and rewrites m to those paths.
func (l *Loader) linkData(m *load.Manifest, snapshot int64) error {
	data := filepath.Join(l.cfg.Root, "data")
	dirty := map[string]bool{}
	var firstErr error
	for i := range m.Tables {
		t := m.Tables[i : i+1]
		folder := filepath.Join(data, load.Folder(t[0].Name))
		eachFile(t, func(f *warehouse.File) {
			if firstErr != nil || t[0].Snapshot != snapshot || filepath.Dir(f.Path) == folder {
				return
			}
			if len(f.SHA256) != 64 {
				firstErr = fmt.Errorf("%s: file %s has no checksum", t[0].Name, f.Path)
				return
			}
			path := filepath.Join(folder, f.SHA256+".parquet")
			if firstErr = fsx.MkdirAll("publish.data", folder, 0o755); firstErr != nil {
				return
			}
			if firstErr = l.linkFile(f, path); firstErr != nil {
				return
			}
			// With its parents: a run that was cut off may have made them without syncing their entries.
			for dir := folder; dir != l.cfg.Root; dir = filepath.Dir(dir) {
				dirty[dir] = true
			}
			f.Path = path
		})
	}
	if firstErr != nil {
		return firstErr
	}
	return syncDirs("publish.data", dirty)
}

// linkFile gives the file its name in data/. A file of that name has the same content, unless it was damaged since:
// then the sound one takes its place.
func (l *Loader) linkFile(f *warehouse.File, path string) error {
	if info, err := os.Stat(path); err == nil {
		if own, err := os.Stat(f.Path); err == nil && os.SameFile(info, own) {
			return nil
		}
		if sum, _, err := warehouse.Hash(path); err == nil && sum == f.SHA256 {
			return nil
		}
		if err := os.Chmod(f.Path, 0o644); err != nil { // those who read the warehouse are other users
			return err
		}
		tmp := path + ".tmp"
		if err := fsx.Remove("publish.data", tmp); err != nil {
			return err
		}
		if err := fsx.Link("publish.data", f.Path, tmp); err != nil {
			return err
		}
		return fsx.Rename("publish.data", tmp, path)
	}
	if err := os.Chmod(f.Path, 0o644); err != nil {
		return err
	}
	return fsx.Link("publish.data", f.Path, path)
}

func syncDirs(at string, dirs map[string]bool) error {
	for dir := range dirs {
		if err := fsx.SyncDir(at, dir); err != nil {
			return err
		}
	}
	return nil
}

// writeSnapshot builds snapshots/.<n>.tmp and renames it to snapshots/<n>.
func (l *Loader) writeSnapshot(ctx context.Context, m *load.Manifest) error {
	final := l.snapshotDir(m.Snapshot)
	tmp := filepath.Join(filepath.Dir(final), "."+filepath.Base(final)+".tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := fsx.MkdirAll("publish.snapshot", tmp, 0o755); err != nil {
		return err
	}
	if err := l.linkTables(m, tmp); err != nil {
		return err
	}
	if err := l.writeCatalog(ctx, m, tmp); err != nil {
		return err
	}
	relative := *m
	relative.Tables = make([]load.Table, len(m.Tables))
	for i, t := range m.Tables {
		relative.Tables[i] = copyFiles(t)
	}
	var outside error
	eachFile(relative.Tables, func(f *warehouse.File) {
		rel, err := filepath.Rel(l.cfg.Root, f.Path)
		if err != nil || strings.HasPrefix(rel, "..") {
			outside = errors.Join(outside, fmt.Errorf("file %s is outside of the target", f.Path))
		}
		f.Path = rel
	})
	if outside != nil {
		return outside
	}
	data, err := seal(&relative)
	if err != nil {
		return err
	}
	if err := fsx.Write("publish.manifest", filepath.Join(tmp, "manifest.json"), data, 0o644); err != nil {
		return err
	}
	return fsx.Rename("publish.snapshot", tmp, final)
}

// linkTables gives every table a folder of hard links. A table that has upserts or deletes is not the sum of its
// files: those go into folders whose names begin with an underscore, which Spark, Hive and pyarrow do not read, so
// that a reader of plain Parquet finds nothing rather than wrong rows.
func (l *Loader) linkTables(m *load.Manifest, tmp string) error {
	for _, t := range m.Tables {
		if t.View != "" {
			continue
		}
		folder := filepath.Join(tmp, load.Folder(t.Name))
		places := map[string][]warehouse.File{"": t.Base}
		if len(t.Upserts)+len(t.Deletes) > 0 {
			places = map[string][]warehouse.File{"_base": t.Base, "_upserts": t.Upserts, "_deletes": t.Deletes}
		}
		for place, files := range places {
			dir := filepath.Join(folder, place)
			if err := makeReadable(filepath.Dir(folder), folder, dir); err != nil {
				return err
			}
			for _, f := range files {
				if err := fsx.Link("publish.snapshot", f.Path, filepath.Join(dir, filepath.Base(f.Path))); err != nil {
					return err
				}
			}
		}
	}
	return syncTree("publish.snapshot", tmp)
}

// makeReadable makes the folders, each in the one before, for other users to read, whatever the umask is. Nothing is synced yet.
func makeReadable(dirs ...string) error {
	for _, dir := range dirs {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// syncTree syncs every folder below root, and root.
func syncTree(at, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return fsx.SyncDir(at, path)
	})
}

// writeCatalog builds catalog.duckdb in dir. Its views name the files in data/ by absolute path: those outlive
// the snapshot folder's temporary name.
func (l *Loader) writeCatalog(ctx context.Context, m *load.Manifest, dir string) error {
	if l.cfg.Catalog == nil {
		return nil
	}
	versions, err := viewOrder(m.Tables)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "catalog.duckdb")
	if err := fault.Point("publish.catalog.write"); err != nil {
		return err
	}
	comments := map[string]string{}
	for _, t := range m.Tables {
		if t.Description != "" {
			comments[t.Name.String()] = t.Description
		}
	}
	left, err := l.cfg.Catalog(ctx, path, versions, comments)
	if err != nil {
		return fmt.Errorf("write catalog: %w", err)
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		why := left[t.Name]
		if t.Broken = ""; why == nil {
			continue
		}
		if t.Snapshot == m.Snapshot { // its run has just bound it: what it reads was withheld from the same publish
			return fmt.Errorf("write catalog: view %s: %w", t.Name, why)
		}
		t.Broken = why.Error()
	}
	return nil
}

// viewOrder puts tables first and then the views, each after the views that it reads.
func viewOrder(tables []load.Table) ([]warehouse.Version, error) {
	var order []warehouse.Version
	waiting := map[string]load.Table{}
	for _, t := range tables {
		if t.View == "" {
			order = append(order, t.Version)
		} else {
			waiting[t.Name.String()] = t
		}
	}
	for len(waiting) > 0 {
		var ready []string
		for name, t := range waiting {
			blocked := false
			for _, need := range t.Needs {
				if _, ok := waiting[need]; ok && need != name {
					blocked = true
				}
			}
			if !blocked {
				ready = append(ready, name)
			}
		}
		if len(ready) == 0 {
			return nil, fmt.Errorf("the published views read each other in a circle")
		}
		sort.Strings(ready)
		for _, name := range ready {
			order = append(order, waiting[name].Version)
			delete(waiting, name)
		}
	}
	return order, nil
}

// Relink rewrites the current snapshot's catalog when the target was moved since it was written, and reports
// whether it was.
func (l *Loader) Relink(ctx context.Context) (bool, error) {
	if m, err := l.Current(ctx); err != nil || l.linkedHere(m) {
		return false, err
	}
	unlock, err := l.Lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	m, err := l.Current(ctx)
	if err != nil {
		return false, err
	}
	if l.linkedHere(m) {
		return false, nil
	}
	dir := l.snapshotDir(m.Snapshot)
	if err := l.writeCatalog(ctx, m, dir); err != nil {
		return false, err
	}
	return true, fsx.Write("relink", filepath.Join(dir, "root"), []byte(l.cfg.Root), 0o644)
}

// Moved says whether the current snapshot's catalog names another place than this.
func (l *Loader) Moved(ctx context.Context) (from string, moved bool) {
	m, err := l.Current(ctx)
	if err != nil || l.linkedHere(m) {
		return "", false
	}
	return m.Root, true
}

func (l *Loader) linkedHere(m *load.Manifest) bool {
	if data, err := os.ReadFile(filepath.Join(l.snapshotDir(m.Snapshot), "root")); err == nil {
		return string(data) == l.cfg.Root
	}
	return m.Root == l.cfg.Root
}
