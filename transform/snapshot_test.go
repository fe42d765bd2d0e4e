package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// days builds one model again and again, each time with another SELECT, in one warehouse.
type days struct {
	*Builder
	t      *testing.T
	node   *models.Node
	before *warehouse.Version
	dir    string
	n      int
}

func (b *Builder) days(t *testing.T, dir, name string, m models.Model) *days {
	m.Name, m.Path = name, "models/"+name+".sql"
	n := &models.Node{Schema: "main", Table: name, Kind: models.KindModel, Model: &m, Path: m.Path}
	n.Pos.File, n.Pos.Line, n.Pos.Column = m.Path, 1, 1
	return &days{Builder: b, t: t, node: n, dir: filepath.Join(dir, name)}
}

// build builds the next day's version; what is published stays as it is when that fails.
func (d *days) build(sql string, now time.Time) (*Built, error) {
	t, err := jinja.Parse(d.node.Path, sql)
	if err != nil {
		d.t.Fatal(err)
	}
	d.node.Model.Template = t
	d.n++
	dir := filepath.Join(d.dir, fmt.Sprint(d.n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	built, err := d.Build(d.t.Context(), Job{Node: d.node, Before: d.before, Now: now, Dir: dir})
	if err != nil {
		return nil, err
	}
	for _, e := range built.Equations {
		if !e.Closes() {
			d.t.Errorf("%s day %d: %s", d.node.Table, d.n, e)
		}
	}
	for _, f := range built.Written { // the second reader finds what the writer counted
		if err := warehouse.Verify(f.Path, f, built.Version.Columns, true); err != nil {
			d.t.Errorf("%s day %d: %v", d.node.Table, d.n, err)
		}
	}
	d.before = &built.Version
	return built, nil
}

// table is what a reader sees, as texts, ordered.
func (d *days) table() (columns []string, rows [][]string) {
	dialect := d.Warehouse.Dialect()
	v := d.before
	items := make([]string, len(v.Columns))
	for i, c := range v.Columns {
		columns = append(columns, c.Name)
		items[i] = "CAST(" + dialect.QuoteIdent(c.Name) + " AS VARCHAR)"
	}
	for _, r := range d.rows(d.t, "SELECT "+strings.Join(items, ", ")+" FROM "+dialect.Table(v.Name)) {
		var row []string
		for _, value := range r {
			row = append(row, fmt.Sprint(value))
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, slices.Compare[[]string])
	return columns, rows
}

// dbtCase is a snapshot of testdata/snapshots.json: what real dbt made of it, day by day.
type dbtCase struct {
	Config struct {
		Strategy   string            `json:"strategy"`
		UniqueKey  any               `json:"unique_key"`
		UpdatedAt  string            `json:"updated_at"`
		CheckCols  any               `json:"check_cols"`
		Deletes    string            `json:"hard_deletes"`
		Invalidate bool              `json:"invalidate_hard_deletes"`
		ValidTo    string            `json:"dbt_valid_to_current"`
		Names      map[string]string `json:"snapshot_meta_column_names"`
	} `json:"config"`
	Days []struct {
		Now     string      `json:"now"`
		SQL     string      `json:"sql"`
		Columns []string    `json:"columns"`
		Rows    [][]*string `json:"rows"`
	} `json:"days"`
}

func (c *dbtCase) slowly() *models.Slowly {
	s := &models.Slowly{Strategy: c.Config.Strategy, UpdatedAt: c.Config.UpdatedAt, HardDeletes: c.Config.Deletes, ValidTo: c.Config.ValidTo, Columns: c.Config.Names}
	list := func(v any) (all []string) {
		switch v := v.(type) {
		case string:
			return []string{v}
		case []any:
			for _, item := range v {
				all = append(all, fmt.Sprint(item))
			}
		}
		return all
	}
	s.UniqueKey, s.CheckAll = list(c.Config.UniqueKey), c.Config.CheckCols == "all"
	if !s.CheckAll {
		s.CheckCols = list(c.Config.CheckCols)
	}
	if c.Config.Invalidate {
		s.HardDeletes = "invalidate"
	}
	return s
}

// TestSnapshotsAreDBTs: each day's table is what real dbt makes of the same rows, row for row, hash for hash.
func TestSnapshotsAreDBTs(t *testing.T) {
	data, err := os.ReadFile("testdata/snapshots.json")
	if err != nil {
		t.Fatal(err)
	}
	var oracle struct {
		Cases map[string]*dbtCase `json:"cases"`
	}
	if err := json.Unmarshal(data, &oracle); err != nil {
		t.Fatal(err)
	}
	if len(oracle.Cases) < 13 {
		t.Fatalf("%d cases", len(oracle.Cases))
	}
	b, dir := bench(t, nil)
	for name, c := range oracle.Cases {
		t.Run(name, func(t *testing.T) {
			d := b.days(t, dir, name, models.Model{Materialized: models.Snapshot, Slowly: c.slowly()})
			for i, day := range c.Days {
				now, err := time.Parse("2006-01-02 15:04:05.999999", day.Now)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := d.build(day.SQL, now); err != nil {
					t.Fatalf("day %d: %v", i+1, err)
				}
				var want [][]string
				for _, r := range day.Rows {
					row := make([]string, len(r))
					for k, v := range r {
						if row[k] = "<nil>"; v != nil {
							row[k] = *v
						}
					}
					want = append(want, row)
				}
				slices.SortFunc(want, slices.Compare[[]string])
				columns, rows := d.table()
				if got, want := fmt.Sprint(columns), fmt.Sprint(day.Columns); got != want {
					t.Errorf("day %d: columns %s, dbt has %s", i+1, got, want)
				}
				if got, want := lines(rows), lines(want); got != want {
					t.Errorf("day %d:\n%sdbt has\n%s", i+1, got, want)
				}
			}
		})
	}
}

func lines(rows [][]string) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintln(&b, strings.Join(r, " | "))
	}
	return b.String()
}

// TestSnapshotRefuses: what dbt would make odd history of.
func TestSnapshotRefuses(t *testing.T) {
	b, dir := bench(t, nil)
	check := &models.Slowly{Strategy: "check", UniqueKey: []string{"id"}, CheckAll: true}
	noon := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		how         *models.Slowly
		first, then string
		now         time.Time
		want        string
	}{
		"repeated":  {check, "select 1 as id", "select 1 as id union all select 1", noon, "1 rows of the SELECT repeat a unique_key (id)"},
		"at_first":  {check, "select 1 as id union all select 1", "", noon, "1 rows of the SELECT repeat a unique_key (id)"},
		"null":      {check, "select 1 as id", "select null::integer as id", noon, "1 rows without a unique_key"},
		"taken":     {check, "select 1 as id, 2 as dbt_valid_to", "", noon, "dbt_valid_to, which the snapshot makes"},
		"no_column": {&models.Slowly{Strategy: "check", UniqueKey: []string{"id"}, CheckCols: []string{"x"}}, "select 1 as id", "", noon, `no column "x"`},
		"earlier":   {check, "select 1 as id", "select 1 as id", noon.Add(-time.Hour), "of a later time"},
		"no_how":    {nil, "select 1 as id", "", noon, "does not say how a change is found out"},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.days(t, dir, name, models.Model{Materialized: models.Snapshot, Slowly: c.how})
			_, err := d.build(c.first, noon)
			if c.then != "" {
				if err != nil {
					t.Fatal(err)
				}
				_, err = d.build(c.then, c.now)
			}
			var te *Error
			if !errors.As(err, &te) || !strings.Contains(te.Error(), c.want) || te.Pos != "models/"+name+".sql:1:1" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSnapshotLeavesHistoryAlone: files of states that are over are not written again, and a day without a change writes nothing.
func TestSnapshotLeavesHistoryAlone(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "s", models.Model{Materialized: models.Snapshot, Slowly: &models.Slowly{Strategy: "check", UniqueKey: []string{"id"}, CheckAll: true}})
	day := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	build := func(sql string) *Built {
		day = day.Add(24 * time.Hour)
		built, err := d.build(sql, day)
		if err != nil {
			t.Fatal(err)
		}
		return built
	}
	build("select 1 as id, 'a' as v union all select 2, 'b'")
	second := build("select 1 as id, 'A' as v union all select 2, 'b'")
	if same := build("select 1 as id, 'A' as v union all select 2, 'b'"); len(same.Written) != 0 || same.Version.Rows != 3 {
		t.Errorf("a day without a change: %+v", same)
	}
	third := build("select 1 as id, 'A' as v union all select 2, 'B'")
	over := second.Version.Base[0]
	if !strings.Contains(over.Path, "closed") || !slices.ContainsFunc(third.Version.Base, func(f warehouse.File) bool { return f.Path == over.Path }) {
		t.Errorf("what was over on day 2 (%s) is not in %+v", over.Path, third.Version.Base)
	}
	for range 9 { // and the files do not grow without end
		build(fmt.Sprintf("select 1 as id, '%d' as v", d.n))
	}
	if n := len(d.before.Base); n > 9 || d.before.Rows != 13 {
		t.Errorf("%d files, %d rows", n, d.before.Rows)
	}
}
