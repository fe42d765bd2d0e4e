package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/internal/duckdb"
)

// manifest is what the matrix reads of a published manifest. It is spelt out here, and not imported, because the
// matrix is a reader like any other: it believes the files, not the code that wrote them.
type manifest struct {
	Snapshot int64   `json:"snapshot"`
	Parent   int64   `json:"parent"`
	Run      string  `json:"run"`
	Tables   []table `json:"tables"`
}

type table struct {
	Schema    string     `json:"schema"`
	Table     string     `json:"table"`
	Base      []file     `json:"base"`
	Upserts   []file     `json:"upserts"`
	Deletes   []file     `json:"deletes"`
	Rows      int64      `json:"rows"`
	View      string     `json:"view"`
	Pipeline  string     `json:"pipeline"`
	Cursor    string     `json:"cursor"`
	Equations []equation `json:"equations"`
	Rejects   []struct {
		File    file             `json:"file"`
		Reasons map[string]int64 `json:"reasons"`
	} `json:"rejects"`
}

type file struct {
	Path   string `json:"path"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

type equation struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Terms []struct {
		Name  string `json:"name"`
		Rows  int64  `json:"rows"`
		Minus bool   `json:"minus"`
	} `json:"terms"`
}

func (e equation) closes() bool {
	sum := int64(0)
	for _, t := range e.Terms {
		if t.Minus {
			sum -= t.Rows
		} else {
			sum += t.Rows
		}
	}
	return sum == e.Rows && len(e.Terms) > 0
}

func (t *table) name() string { return t.Schema + "." + t.Table }

func (t *table) files() []file {
	all := append(append(append([]file(nil), t.Base...), t.Upserts...), t.Deletes...)
	for _, r := range t.Rejects {
		all = append(all, r.File)
	}
	return all
}

// readManifest opens one snapshot's manifest and checks its seal.
func readManifest(dir string) (*manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	var sealed struct {
		SHA256   string          `json:"sha256"`
		Manifest json.RawMessage `json:"manifest"`
	}
	if err := json.Unmarshal(data, &sealed); err != nil {
		return nil, fmt.Errorf("%s/manifest.json: %w", dir, err)
	}
	if sum := sha256.Sum256(sealed.Manifest); hex.EncodeToString(sum[:]) != sealed.SHA256 {
		return nil, fmt.Errorf("%s/manifest.json does not match its checksum", dir)
	}
	m := &manifest{}
	return m, json.Unmarshal(sealed.Manifest, m)
}

// reader looks at a target through its pointer, over and over, from another folder than the project's, and believes
// nothing. The first wrong view is kept.
type reader struct {
	root      string
	published bool            // there was something at the start: from then on there always must be
	together  map[string]bool // pipelines whose tables must all be of one night

	mu       sync.Mutex
	checked  map[fileID]facts
	parsed   map[fileID]*manifest
	catalogs map[string]bool // snapshot folders whose catalog was opened
	highest  int64
	problem  error
	looks    int
	stopping chan struct{}
	stopped  chan struct{}
}

type fileID struct {
	inode uint64
	size  int64
	mtime int64
}

func idOf(info fs.FileInfo) fileID {
	return fileID{info.Sys().(*syscall.Stat_t).Ino, info.Size(), info.ModTime().UnixNano()}
}

// facts are what a file holds, read once per inode.
type facts struct {
	sha   string
	rows  int64
	night int64 // greatest value of the column night; -1 when there is none
}

func newReader(root string, together ...string) *reader {
	r := &reader{root: root, together: map[string]bool{}, checked: map[fileID]facts{}, parsed: map[fileID]*manifest{}, catalogs: map[string]bool{}}
	for _, p := range together {
		r.together[p] = true
	}
	_, err := os.Readlink(filepath.Join(root, "current"))
	r.published = err == nil
	return r
}

// watch looks every few milliseconds until stop.
func (r *reader) watch() {
	r.stopping, r.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(r.stopped)
		lastCatalog := time.Now()
		for {
			_ = r.look()
			if time.Since(lastCatalog) > 250*time.Millisecond {
				_ = r.openCatalog()
				lastCatalog = time.Now()
			}
			select {
			case <-r.stopping:
				return
			case <-time.After(4 * time.Millisecond):
			}
		}
	}()
}

// stop ends watch, looks once more and returns the first wrong view.
func (r *reader) stop() error {
	if r.stopping != nil {
		close(r.stopping)
		<-r.stopped
		r.stopping = nil
	}
	return r.look()
}

// resolve follows the pointer once: all that one observation reads is below the folder that it led to.
func (r *reader) resolve() (string, error) {
	target, err := os.Readlink(filepath.Join(r.root, "current"))
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(r.root, target)
	}
	return target, nil
}

// look makes one observation. Its error is the first that any observation of this reader met.
func (r *reader) look() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem != nil {
		return r.problem
	}
	r.looks++
	dir, err := r.resolve()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if r.published {
			r.problem = violation("a reader finds no %s/current any more", r.root)
		}
		return r.problem
	}
	if err == nil {
		err = r.view(dir)
	}
	if err != nil {
		r.problem = violation("wrong reader view of %s: %w", dir, err)
	}
	r.published = true
	return r.problem
}

// view checks everything that one snapshot promises.
func (r *reader) view(dir string) error {
	m, err := r.manifest(dir)
	if err != nil {
		return err
	}
	if m.Snapshot < r.highest {
		return fmt.Errorf("time runs backwards: snapshot %d after %d", m.Snapshot, r.highest)
	}
	r.highest = m.Snapshot
	nights := map[string]int64{}
	for i := range m.Tables {
		t := &m.Tables[i]
		night, err := r.table(dir, t)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.name(), err)
		}
		if night < 0 || strings.HasSuffix(t.name(), "__quarantine") || !r.together[pipelineOf(t)] {
			continue
		}
		if other, ok := nights[pipelineOf(t)]; ok && other != night {
			return fmt.Errorf("tables of pipeline %s are of nights %d and %d", pipelineOf(t), other, night)
		}
		nights[pipelineOf(t)] = night
	}
	return nil
}

// manifest reads a snapshot's manifest, once as long as its file stays the same one.
func (r *reader) manifest(dir string) (*manifest, error) {
	info, err := os.Stat(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	if m := r.parsed[idOf(info)]; m != nil {
		return m, nil
	}
	m, err := readManifest(dir)
	if err == nil {
		r.parsed[idOf(info)] = m
	}
	return m, err
}

// pipelineOf goes by the project, not by the manifest: a run of both pipelines at once carries both names there.
func pipelineOf(t *table) string {
	switch {
	case t.Schema == "web" || t.Table == "clicks_by_page":
		return "web"
	case t.Schema == "crm" || strings.HasPrefix(t.Table, "person_"):
		return "master"
	}
	return "sales"
}

// table checks a table's files, counts and links and returns the night that it is of.
func (r *reader) table(dir string, t *table) (int64, error) {
	night, rows := int64(-1), int64(0)
	for _, f := range t.files() {
		got, err := r.file(filepath.Join(r.root, f.Path), f)
		if err != nil {
			return 0, err
		}
		night = max(night, got.night)
	}
	for _, f := range t.Base {
		rows += f.Rows
	}
	if t.View == "" && len(t.Upserts)+len(t.Deletes) == 0 && rows != t.Rows {
		return 0, fmt.Errorf("the manifest says %d rows, its files have %d", t.Rows, rows)
	}
	for _, e := range t.Equations {
		if !e.closes() {
			return 0, fmt.Errorf("equation %q does not close", e.Name)
		}
	}
	return night, r.links(dir, t)
}

// links checks the folder that readers of plain Parquet use: exactly the base files.
func (r *reader) links(dir string, t *table) error {
	if t.View != "" || len(t.Upserts)+len(t.Deletes) > 0 {
		return nil
	}
	folder := filepath.Join(dir, t.Schema, t.Table)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	want := map[string]file{}
	for _, f := range t.Base {
		want[filepath.Base(f.Path)] = f
	}
	for _, e := range entries {
		f, ok := want[e.Name()]
		if !ok {
			return fmt.Errorf("%s holds %s, which the manifest does not name", folder, e.Name())
		}
		if _, err := r.file(filepath.Join(folder, e.Name()), f); err != nil {
			return err
		}
	}
	if len(entries) != len(want) {
		return fmt.Errorf("%s holds %d files, the manifest names %d", folder, len(entries), len(want))
	}
	return nil
}

// file checks size, digest and row count. What was found is kept by inode, so that looking often is cheap.
func (r *reader) file(path string, f file) (facts, error) {
	info, err := os.Stat(path)
	if err != nil {
		return facts{}, err
	}
	if info.Size() != f.Bytes {
		return facts{}, fmt.Errorf("%s has %d bytes, the manifest says %d", path, info.Size(), f.Bytes)
	}
	id := idOf(info)
	got, ok := r.checked[id]
	if !ok {
		if got, err = examine(path); err != nil {
			return got, fmt.Errorf("%s: %w", path, err)
		}
		r.checked[id] = got
	}
	if got.sha != f.SHA256 {
		return got, fmt.Errorf("%s does not match its checksum in the manifest", path)
	}
	if got.rows != f.Rows {
		return got, fmt.Errorf("%s has %d rows, the manifest says %d", path, got.rows, f.Rows)
	}
	return got, nil
}

// examine reads a whole Parquet file by a reader that is not DuckDB.
func examine(path string) (_ facts, err error) {
	defer func() {
		if p := recover(); p != nil { // parquet-go panics on some damaged files
			err = fmt.Errorf("unreadable: %v", p)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return facts{}, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return facts{}, err
	}
	got := facts{sha: hex.EncodeToString(hash.Sum(nil)), night: -1}
	p, err := parquet.OpenFile(f, size)
	if err != nil {
		return got, err
	}
	got.rows = p.NumRows()
	for i, column := range p.Schema().Columns() {
		if len(column) != 1 || column[0] != "night" {
			continue
		}
		for _, group := range p.RowGroups() {
			if err := eachValue(group.ColumnChunks()[i], func(v parquet.Value) { got.night = max(got.night, v.Int64()) }); err != nil {
				return got, err
			}
		}
	}
	return got, nil
}

func eachValue(chunk parquet.ColumnChunk, f func(parquet.Value)) error {
	pages := chunk.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 256)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		from := page.Values()
		for {
			n, err := from.ReadValues(values)
			for _, v := range values[:n] {
				if !v.IsNull() {
					f(v)
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}

// openCatalog counts every table through the snapshot's DuckDB catalog, once a snapshot: it costs tens of
// milliseconds.
func (r *reader) openCatalog() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	dir, err := r.resolve()
	if err != nil || r.problem != nil || r.catalogs[dir] {
		return r.problem
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil // look says so
	}
	path := filepath.Join(dir, "catalog.duckdb")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !hasCatalog(m) {
		return nil
	}
	err = withCatalog(path, r.root, func(db *duckdb.DB) error {
		for i := range m.Tables {
			t := &m.Tables[i]
			rows, err := db.Query(context.Background(), "SELECT count(*) FROM "+quoted(t))
			if err != nil {
				return fmt.Errorf("%s: %w", t.name(), err)
			}
			if n, _ := rows.Values[0][0].(int64); t.View == "" && n != t.Rows {
				return fmt.Errorf("%s has %d rows in the catalog and %d in the manifest", t.name(), n, t.Rows)
			}
		}
		return nil
	})
	if err != nil {
		r.problem = violation("wrong reader view of %s: %w", path, err)
	}
	r.catalogs[dir] = true
	return r.problem
}

// hasCatalog: the tiny writers of controls.go make none.
func hasCatalog(m *manifest) bool { return m.Run != controlRun }

// withCatalog opens a catalog as a reader does.
func withCatalog(path, root string, f func(*duckdb.DB) error) (err error) {
	db, err := duckdb.OpenFile(context.Background(), path, true, duckdb.Config{Memory: 128 << 20, Threads: 1, Dirs: []string{root}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(db)
}

func quoted(t *table) string {
	q := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	return q(t.Schema) + "." + q(t.Table)
}
