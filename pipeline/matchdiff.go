package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// MatchDiff is what became of an entity's clusters between two runs.
type MatchDiff struct {
	Entity string `json:"entity"`
	Before string `json:"before"` // run
	After  string `json:"after"`  // run
	// Records that only one of the two has.
	Added   int64 `json:"records_added"`
	Removed int64 `json:"records_removed"`
	Moved   int64 `json:"records_moved"` // that both have, under another golden id
	// Golden ids. Each new one is minted or split, and each that is gone is merged or retired, as in the merge log.
	Minted  int64 `json:"golden_minted"`  // new, of records that were not there before
	Split   int64 `json:"golden_split"`   // new, of records that had others
	Merged  int64 `json:"golden_merged"`  // gone, and records of theirs have others
	Retired int64 `json:"golden_retired"` // gone with all of their records
	Same    int64 `json:"golden_same"`    // with the same records
	// Pairs of records that both have, together in one of the two only.
	Joined int64         `json:"pairs_joined"`
	Parted int64         `json:"pairs_parted"`
	Moves  []MatchChange `json:"moves,omitempty"` // examples
}

// MatchChange is a record that went to another golden id.
type MatchChange struct {
	Source string `json:"source"`
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// MatchDiff compares what two runs have published of an entity. Each must still have its snapshot. Keys that are made of personal columns
// are masked in the examples.
func (e *Engine) MatchDiff(ctx context.Context, entity *models.Entity, before, after string, examples int) (found *MatchDiff, err error) {
	from, ids := [2]string{}, [2]string{}
	var files []string
	for i, run := range []string{before, after} {
		t, id, err := e.xrefOf(ctx, entity, run)
		if err != nil {
			return nil, err
		}
		ids[i], from[i] = id, warehouse.DuckDB.Select(t.Version)
		for _, f := range t.Version.Files() {
			files = append(files, f.Path)
		}
	}
	dir, remove, err := fsx.TempFolder("", "millrace-diff-")
	if err != nil {
		return nil, err
	}
	defer remove()
	w, err := e.Warehouse(ctx, e.looking(files, dir))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	found = &MatchDiff{Entity: entity.Name, Before: ids[0], After: ids[1]}
	if err := found.fill(ctx, w, from, filepath.Join(dir, "records.parquet"), examples); err != nil {
		return nil, err
	}
	for i := range found.Moves {
		m := &found.Moves[i]
		m.Key = keyOf(entity, m.Source, m.Key)
	}
	return found, nil
}

// xrefOf is the xref that a run has published, with the run's id, of which the beginning may be given.
func (e *Engine) xrefOf(ctx context.Context, entity *models.Entity, run string) (*load.Table, string, error) {
	r, err := e.Journal.Run(ctx, run)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, "", fmt.Errorf("run %q: %w: millrace runs lists them", run, journal.ErrNotFound)
	}
	if err != nil {
		return nil, "", fmt.Errorf("run %s: %w", run, err)
	}
	name := warehouse.Name{Schema: entity.Schema, Table: entity.Table(models.PartXref)}
	var m *load.Manifest
	for attempt := r.Attempt; m == nil && attempt > 0 && err == nil; attempt-- {
		m, err = e.Loader.Published(ctx, r.ID, attempt)
	}
	if err != nil {
		return nil, "", err
	}
	if m == nil {
		return nil, "", fmt.Errorf("run %s has published nothing, or its snapshot is gone: retention in millrace.yml says how long snapshots stay", r.ID)
	}
	t := m.Table(name)
	if t == nil {
		return nil, "", fmt.Errorf("run %s shows no %s", r.ID, name)
	}
	return t, r.ID, nil
}

func (d *MatchDiff) fill(ctx context.Context, w warehouse.Warehouse, from [2]string, path string, examples int) error {
	both, err := w.Write(ctx, "SELECT source, source_key, b.golden_id AS old, a.golden_id AS new\n"+
		"FROM (SELECT * FROM ("+from[0]+") WHERE valid_to IS NULL) AS b\n"+
		"FULL JOIN (SELECT * FROM ("+from[1]+") WHERE valid_to IS NULL) AS a USING (source, source_key)", path)
	if err != nil {
		return err
	}
	records := w.Dialect().Files([]string{both.Path})
	common := "(SELECT * FROM " + records + " WHERE old IS NOT NULL AND new IS NOT NULL)"
	pairs := func(by string) string {
		return "(SELECT CAST(coalesce(sum(n * (n - 1) // 2), 0) AS BIGINT) FROM (SELECT count(*) AS n FROM " + common + " GROUP BY " + by + "))"
	}
	count := func(condition string) string { return "(SELECT count(*) FROM " + records + " WHERE " + condition + ")" }
	ids := func(by, other, having string) string { // ids of one side that the other does not have
		return "(SELECT count(*) FROM (SELECT " + by + " FROM " + records + " WHERE " + by + " IS NOT NULL AND " + by + " NOT IN (SELECT " + other +
			" FROM " + records + " WHERE " + other + " IS NOT NULL) GROUP BY " + by + " HAVING count(" + other + ") " + having + "))"
	}
	same := "(SELECT count(*) FROM (SELECT old, new, count(*) AS n FROM " + records + " GROUP BY ALL) AS p\n" +
		"JOIN (SELECT old, count(*) AS n FROM " + records + " GROUP BY ALL) AS o USING (old)\n" +
		"JOIN (SELECT new, count(*) AS n FROM " + records + " GROUP BY ALL) AS a USING (new) WHERE p.old = p.new AND p.n = o.n AND p.n = a.n)"
	rows, err := w.Query(ctx, "SELECT "+count("old IS NULL")+", "+count("new IS NULL")+", "+count("old <> new")+", "+
		ids("new", "old", "= 0")+", "+ids("new", "old", "> 0")+", "+ids("old", "new", "> 0")+", "+ids("old", "new", "= 0")+", "+
		same+", "+
		pairs("new")+", "+pairs("old")+", "+pairs("old, new"))
	if err != nil {
		return err
	}
	n := func(i int) int64 { x, _ := rows.Rows[0][i].(int64); return x }
	d.Added, d.Removed, d.Moved, d.Minted, d.Split, d.Merged, d.Retired, d.Same = n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)
	d.Joined, d.Parted = n(8)-n(10), n(9)-n(10)
	if examples <= 0 {
		return nil
	}
	moved, err := w.Query(ctx, fmt.Sprintf("SELECT source, source_key, old, new FROM %s WHERE old <> new ORDER BY ALL LIMIT %d",
		records, examples))
	if err != nil {
		return err
	}
	for _, r := range moved.Rows {
		d.Moves = append(d.Moves, MatchChange{Source: fmt.Sprint(r[0]), Key: fmt.Sprint(r[1]), Before: fmt.Sprint(r[2]), After: fmt.Sprint(r[3])})
	}
	return nil
}
