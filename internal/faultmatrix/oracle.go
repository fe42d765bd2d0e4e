package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	_ "modernc.org/sqlite" // the journal's driver

	"github.com/millrace/millrace/internal/duckdb"
)

// result is what readers find in a target: every table's rows, and how many records each rejected.
type result struct {
	snapshot int64
	tables   map[string]content
}

type content struct {
	rows    map[string]int // row as text → how often
	count   int
	rejects map[string]int64
}

// readResult reads all tables of the current snapshot, through the catalog where there is one.
func readResult(root string) (*result, error) {
	dir, err := newReader(root).resolve()
	if err != nil {
		return nil, err
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	res := &result{snapshot: m.Snapshot, tables: map[string]content{}}
	read := func(db *duckdb.DB, from func(*table) string) error {
		for i := range m.Tables {
			t := &m.Tables[i]
			c, err := readTable(db, selected(t.name(), from(t)))
			if err != nil {
				return fmt.Errorf("read %s: %w", t.name(), err)
			}
			for _, r := range t.Rejects {
				for reason, n := range r.Reasons {
					c.rejects[reason] += n
				}
			}
			res.tables[t.name()] = c
		}
		return nil
	}
	if hasCatalog(m) {
		return res, withCatalog(filepath.Join(dir, "catalog.duckdb"), root, func(db *duckdb.DB) error { return read(db, quoted) })
	}
	db, err := duckdb.Open(context.Background(), duckdb.Config{Memory: 128 << 20, Threads: 1, Dirs: []string{root}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return res, read(db, func(t *table) string {
		var paths []string
		for _, f := range t.Base {
			paths = append(paths, "'"+filepath.Join(root, f.Path)+"'")
		}
		return "read_parquet([" + strings.Join(paths, ", ") + "])"
	})
}

// selected reads all of a table that does not tell one run from its repetition.
func selected(name, from string) string {
	_, table, _ := strings.Cut(name, ".")
	switch {
	case strings.HasSuffix(table, "__quarantine"):
		return "SELECT * EXCLUDE (_quarantined_run, _quarantined_at, _quarantined_from, _quarantined_id) FROM " + from
	case table == "person_golden":
		return "SELECT * EXCLUDE (first_seen, last_changed) FROM " + from
	case table == "person_xref":
		return "SELECT source, source_key, golden_id, valid_to IS NULL AS open, record_hash FROM " + from
	case table == "person_review":
		return "SELECT * EXCLUDE (first_run, first_at) FROM " + from
	case table == "person_merge_log":
		return `SELECT * EXCLUDE (run_id, "at") FROM ` + from
	case table == "person_quality": // a run that found nothing to do adds figures of its own
		return "SELECT metric, value, detail FROM " + from + " WHERE metric IN ('records', 'golden', 'edges', 'plan', 'review') AND \"at\" = (SELECT max(\"at\") FROM " + from + ")"
	}
	return "SELECT * FROM " + from
}

func readTable(db *duckdb.DB, from string) (content, error) {
	c := content{rows: map[string]int{}, rejects: map[string]int64{}}
	rows, err := db.Query(context.Background(), from)
	if err != nil {
		return c, err
	}
	for _, row := range rows.Values {
		c.rows[fmt.Sprint(row...)]++
		c.count++
	}
	return c, nil
}

// difference compares two results as EXCEPT ALL would, both ways; "" when there is none.
func difference(got, want *result) string {
	var all []string
	for name := range want.tables {
		if _, ok := got.tables[name]; !ok {
			all = append(all, fmt.Sprintf("table %s is missing", name))
		}
	}
	for name, g := range got.tables {
		w, ok := want.tables[name]
		if !ok {
			all = append(all, fmt.Sprintf("there is a table %s too many", name))
			continue
		}
		lost, extra := except(w.rows, g.rows), except(g.rows, w.rows)
		if len(lost)+len(extra) > 0 {
			all = append(all, fmt.Sprintf("%s has %d rows, golden %d: %d lost%s, %d too many%s", name, g.count, w.count, len(lost), example(lost), len(extra), example(extra)))
		}
		if fmt.Sprint(g.rejects) != fmt.Sprint(w.rejects) {
			all = append(all, fmt.Sprintf("%s has rejects %v, golden %v", name, g.rejects, w.rejects))
		}
	}
	sort.Strings(all)
	return strings.Join(all, "; ")
}

func except(a, b map[string]int) []string {
	var all []string
	for row, n := range a {
		for range n - b[row] {
			all = append(all, row)
		}
	}
	sort.Strings(all)
	return all
}

func example(rows []string) string {
	if len(rows) == 0 {
		return ""
	}
	return fmt.Sprintf(" (such as [%s])", rows[0])
}

// journalRun is a row of the journal's table run.
type journalRun struct {
	id, pipeline, status string
	snapshot             sql.NullInt64
}

// checkJournal holds the journal against the manifests: nothing runs, what is published is called published, what
// is called published is, and the index of cursors agrees.
func checkJournal(project string) error {
	runs, cursors, err := readJournal(filepath.Join(project, ".millrace", "state.db"), filepath.Dir(project))
	if err != nil {
		return violation("read the journal after recovery: %w", err)
	}
	root := filepath.Join(project, "warehouse")
	dir, err := newReader(root).resolve()
	if err != nil {
		return violation("after recovery: %w", err)
	}
	current, err := readManifest(dir)
	if err != nil {
		return violation("after recovery: %w", err)
	}
	published := map[string]int64{} // run → newest snapshot that it made, among those that readers saw
	manifests := map[int64]*manifest{}
	for m := current; m != nil; {
		manifests[m.Snapshot] = m
		published[m.Run] = max(published[m.Run], m.Snapshot)
		if m.Parent == 0 {
			break
		}
		parent, err := readManifest(filepath.Join(root, "snapshots", fmt.Sprint(m.Parent)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return violation("after recovery: %w", err)
		}
		m = parent
	}
	known := map[string]bool{}
	for _, r := range runs {
		known[r.id] = true
		snapshot, isPublished := published[r.id]
		done := r.status == "succeeded" || r.status == "partial"
		switch {
		case r.status == "running":
			return violation("the journal says that run %s is running; nothing runs", r.id)
		case isPublished && !done:
			return violation("the journal says that run %s has %s, but readers see its snapshot %d", r.id, r.status, snapshot)
		case isPublished && r.snapshot.Int64 != snapshot:
			return violation("the journal says that run %s published snapshot %d, but it was %d", r.id, r.snapshot.Int64, snapshot)
		case done && r.snapshot.Valid && !isPublished && r.snapshot.Int64 > oldest(manifests):
			return violation("the journal says that run %s published snapshot %d, which readers never saw", r.id, r.snapshot.Int64)
		}
	}
	for run, snapshot := range published {
		if !known[run] {
			return violation("snapshot %d is of run %s, which the journal does not know", snapshot, run)
		}
	}
	for i := range current.Tables {
		t := &current.Tables[i]
		if t.Cursor != "" && cursors[t.name()] != t.Cursor {
			return violation("the journal's cursor of %s is not the published one", t.name())
		}
	}
	return nil
}

func oldest(manifests map[int64]*manifest) int64 {
	least := int64(1 << 62)
	for n := range manifests {
		least = min(least, n)
	}
	return least
}

// readJournal reads a copy: a reader of ours must not change the file, not even its -shm.
func readJournal(path, temp string) ([]journalRun, map[string]string, error) {
	dir, err := os.MkdirTemp(temp, "journal")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "state.db"+suffix), data, 0o600); err != nil {
			return nil, nil, err
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	var runs []journalRun
	rows, err := db.Query("SELECT id, pipeline, status, snapshot FROM run ORDER BY started, id")
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r journalRun
		if err := rows.Scan(&r.id, &r.pipeline, &r.status, &r.snapshot); err != nil {
			return nil, nil, err
		}
		runs = append(runs, r)
	}
	cursors := map[string]string{}
	list, err := db.Query("SELECT node, value FROM cursor")
	if err != nil {
		return nil, nil, err
	}
	defer list.Close()
	for list.Next() {
		var node, value string
		if err := list.Scan(&node, &value); err != nil {
			return nil, nil, err
		}
		cursors[node] = value
	}
	return runs, cursors, errors.Join(rows.Err(), list.Err())
}

// leftovers lists what lies in a target and belongs to no manifest: after gc there must be nothing.
func leftovers(root string) ([]string, error) {
	named := map[string]bool{}
	entries, err := os.ReadDir(filepath.Join(root, "snapshots"))
	if err != nil {
		return nil, err
	}
	var left []string
	for _, e := range entries {
		m, err := readManifest(filepath.Join(root, "snapshots", e.Name()))
		if err != nil || fmt.Sprint(m.Snapshot) != e.Name() {
			left = append(left, filepath.Join("snapshots", e.Name()))
			continue
		}
		for i := range m.Tables {
			for _, f := range m.Tables[i].files() {
				named[filepath.Join(root, f.Path)] = true
			}
		}
	}
	err = filepath.WalkDir(filepath.Join(root, "data"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !named[path] {
			left = append(left, path)
		}
		return err
	})
	return left, err
}
