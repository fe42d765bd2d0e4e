package live_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	loader "github.com/millrace/millrace/load/snowflake"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	sf "github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowflaketest"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

// TestPublishing holds what the loader's statements do against the one table that says what they must do.
func TestPublishing(t *testing.T) {
	everywhere(t, func(p *place) {
		exec := func(ctx context.Context, st sf.Statement) (*snowflake.Result, error) {
			var args []any
			for _, a := range st.Args {
				if _, ok := a.([]byte); ok { // else the driver takes them for a list
					args = append(args, gosnowflake.DataTypeBinary)
				}
				args = append(args, a)
			}
			return p.session.Query(ctx, snowflake.Statement{SQL: st.SQL, Args: args, Step: "test"})
		}
		snowflaketest.Run(p.T, exec, p.database, p.schema)
		snowflaketest.Prove(p.T, exec, p.database, p.schema, p.local)
	})
}

// TestBuilders holds what each builder of SQL gives in Snowflake against the values that it gives in DuckDB.
func TestBuilders(t *testing.T) {
	everywhere(t, func(p *place) {
		ask := func(ctx context.Context, sql string) ([][]*string, error) {
			r, err := p.session.Query(ctx, snowflake.Statement{SQL: sql, Step: "test"})
			if err != nil {
				return nil, err
			}
			return r.Rows, nil
		}
		for _, c := range warehousetest.Cases() {
			p.Run(c.Name, func(t *testing.T) {
				err := warehousetest.RunCase(t.Context(), c, sf.Dialect, ask)
				if err != nil && p.standIn && (strings.Contains(err.Error(), "snowfake does not know") || strings.Contains(err.Error(), "syntax error")) {
					t.Skip("needs an account: the stand-in does not read all of it, and the test of the dialect lists what")
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestFollowing publishes two versions here, brings both, and compares.
func TestFollowing(t *testing.T) {
	everywhere(t, func(p *place) {
		target, now := newTarget(p), time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
		f := target.follower()
		if err := f.Prepare(p.Context()); err != nil {
			p.Fatal(err)
		}
		first := target.publish(now, map[string]string{
			"keyed":   "SELECT i AS id, 'row ' || i AS name, CAST(i AS DECIMAL(12,2)) AS amount FROM range(1000) AS r(i)",
			"prices":  "SELECT * FROM (VALUES (1, 'tea', 4.90), (2, 'pot', 24.50)) AS v(id, name, amount)",
			"keyless": "SELECT i % 7 AS day, i AS n FROM range(500) AS r(i)",
		})
		target.bring(f, first, "keyed=new keyless=new prices=new")
		second := target.publish(now.Add(24*time.Hour), map[string]string{
			"keyed":   "SELECT i AS id, CASE i WHEN 7 THEN 'changed' ELSE 'row ' || i END AS name, CAST(i AS DECIMAL(12,2)) AS amount FROM range(10, 1010) AS r(i) UNION ALL SELECT 7, 'changed', 7",
			"prices":  "SELECT * FROM (VALUES (1, 'tea', 4.90), (2, 'pot', 22.00)) AS v(id, name, amount)",
			"keyless": "SELECT i % 7 AS day, i AS n FROM range(500) AS r(i) WHERE i % 7 <> 3",
		})
		target.bring(f, second, "keyed=merge keyless=partition prices=scd2")
		target.bring(f, second, "")
		if got := p.values(p.session, `SELECT COUNT(*) FROM `+p.table("PRICES").String()); got != "3" {
			p.Errorf("the history has %s rows", got)
		}
	})
}

// target is a local target that the place follows.
type target struct {
	*place
	root, project string
	loader        *local.Loader
	loads         int
}

func newTarget(p *place) *target {
	p.Helper()
	t := &target{place: p, root: p.dir, project: "live " + rand.Text()[:12]}
	t.loader = local.New(local.Config{Root: t.root})
	if err := t.loader.Prepare(p.Context()); err != nil {
		p.Fatal(err)
	}
	p.forget(t.project)
	return t
}

func (t *target) follower() *loader.Follower {
	t.Helper()
	keep := map[string]loader.Keep{"prices": {Mode: "scd2"}, "keyless": {Mode: "partition", PartitionBy: []string{"day"}}}
	f, err := loader.New(loader.Config{Project: t.project, Conn: t.conn, Naming: sf.Naming{Database: t.database, Schema: t.schema, DefaultSchema: "main"},
		Keep: func(n warehouse.Name) loader.Keep { return keep[n.Table] }, Root: t.root, Temp: t.TempDir(), Warehouse: duckdb.Open, Memory: 256 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { t.check(f.Close()) })
	return f
}

// publish makes a version of all tables. Those with an id have it as their key.
func (t *target) publish(at time.Time, selects map[string]string) *load.Manifest {
	t.Helper()
	t.loads++
	out := load.Publication{Run: fmt.Sprintf("run-%d", t.loads), Attempt: 1, Pipeline: "live", Project: t.project, LogicalTime: at}
	for _, name := range slices.Sorted(maps.Keys(selects)) {
		columns, err := t.local.Describe(t.Context(), selects[name])
		if err != nil {
			t.Fatal(err)
		}
		file, err := t.local.Write(t.Context(), selects[name], filepath.Join(t.dir, fmt.Sprintf("%s-%d.parquet", name, t.loads)))
		if err != nil {
			t.Fatal(err)
		}
		table := load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: "main", Table: name}, Columns: columns, Base: []warehouse.File{file}, Rows: file.Rows}, Kind: "model", LogicalTime: at}
		if columns[0].Name == "id" {
			table.Key = []string{"id"}
		}
		out.Tables = append(out.Tables, table)
	}
	m, err := t.loader.Publish(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (t *target) bring(f *loader.Follower, m *load.Manifest, want string) {
	t.Helper()
	l, err := f.Bring(t.Context(), m, load.Bringing{Load: "01J" + rand.Text()[:23], Run: m.Run, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	var modes []string
	for _, table := range l.Tables {
		modes = append(modes, table.Table+"="+string(table.Mode))
	}
	slices.Sort(modes)
	if got := strings.Join(modes, " "); got != want {
		t.Errorf("brought by %q, not %q", got, want)
	}
	compared, err := f.Verify(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range compared {
		if !c.Equal || c.Behind {
			t.Errorf("%s: %v", c.Name, c.Problems)
		}
	}
	if len(compared) != len(m.Tables) {
		t.Errorf("%d of %d tables compared", len(compared), len(m.Tables))
	}
}
