package lineage_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/transform/lineage"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

var update = flag.Bool("update", false, "write what is found into testdata; read the difference")

// tables are those that the queries of the tests read.
var tables = []warehouse.Version{
	{Name: warehouse.Name{Schema: "main", Table: "t"}, Columns: columns("id INTEGER, a INTEGER, b INTEGER, c VARCHAR, st STRUCT(f INTEGER, g INTEGER), l INTEGER[]")},
	{Name: warehouse.Name{Schema: "main", Table: "u"}, Columns: columns("id INTEGER, a INTEGER, k INTEGER, x INTEGER")},
	{Name: warehouse.Name{Schema: "s", Table: "w"}, Columns: columns("id INTEGER, z INTEGER")},
	{Name: warehouse.Name{Schema: "main", Table: "v"}, Columns: columns(`Id INTEGER, A b INTEGER`)},
}

func columns(text string) []warehouse.Column {
	var all []warehouse.Column
	depth, from := 0, 0
	for i, r := range text + "," {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				part := strings.TrimSpace(text[from:i])
				at := strings.LastIndexByte(strings.SplitN(part, "(", 2)[0], ' ')
				all = append(all, warehouse.Column{Name: part[:at], Type: part[at+1:]})
				from = i + 1
			}
		}
	}
	return all
}

// resolve knows the tables, and o and p as ones whose columns are not known.
func resolve(r lineage.Ref) (lineage.Table, bool) {
	if r.Schema == "" && (r.Table == "o" || r.Table == "p") {
		return lineage.Table{Name: r.Table}, true
	}
	for _, v := range tables {
		if strings.EqualFold(v.Table, r.Table) && (r.Schema == "" || strings.EqualFold(v.Schema, r.Schema)) {
			t := lineage.Table{Name: v.Table}
			for _, c := range v.Columns {
				t.Columns = append(t.Columns, c.Name)
			}
			return t, true
		}
	}
	return lineage.Table{}, false
}

// told writes lineage in short: "name = t.a" for a copy, "name ~ t.a t.b" for what is computed.
func told(q *lineage.Query) string {
	var b strings.Builder
	for _, c := range q.Columns {
		fmt.Fprintf(&b, "%s", c.Name)
		for _, in := range c.From {
			fmt.Fprintf(&b, " %s%s", map[lineage.How]string{lineage.Copied: "=", lineage.Computed: "~"}[in.How], in.Source)
		}
		for _, why := range c.Unresolved {
			fmt.Fprintf(&b, " ?%s", why)
		}
		b.WriteByte('\n')
	}
	for _, in := range q.Influences {
		fmt.Fprintf(&b, "by %s: %s\n", in.Source, strings.Join(in.By, " "))
	}
	for _, why := range q.Unresolved {
		fmt.Fprintf(&b, "unresolved: %s\n", why)
	}
	return b.String()
}

func open(t testing.TB) warehouse.Warehouse {
	t.Helper()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 256 << 20, Threads: 1, Temp: filepath.Join(t.TempDir(), "spill")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	for _, v := range tables {
		if err := w.Expose(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestQueries holds what is found for each query of testdata/queries.sql against what stands below it, which was written by hand, and
// the columns against those that the engine finds.
func TestQueries(t *testing.T) {
	w := open(t)
	file := filepath.Join("testdata", "queries.sql")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		query, want, _ := strings.Cut(block, "\n-- ")
		got := found(t, w, query)
		var commented strings.Builder
		for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
			commented.WriteString("\n-- " + line)
		}
		out = append(out, query+commented.String())
		if !*update && strings.TrimPrefix(commented.String(), "\n-- ") != want {
			t.Errorf("%s\nfound\n%s\nwanted\n-- %s", query, strings.TrimPrefix(commented.String(), "\n"), want)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 100 {
		t.Errorf("only %d queries", len(out))
	}
}

// found is the lineage of a query. Where it reads only tables with known columns the engine's own names must be those that lineage finds.
func found(t *testing.T, w warehouse.Warehouse, query string) string {
	t.Helper()
	tree, err := w.Tree(t.Context(), query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return ""
	}
	blind, err := lineage.Of(tree, resolve, nil)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return ""
	}
	if slices.ContainsFunc(blind.Tables, func(name string) bool { return name == "o" || name == "p" || name == "nowhere" }) {
		return told(blind)
	}
	names, err := names(t.Context(), w, query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return ""
	}
	q, err := lineage.Of(tree, resolve, names)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return ""
	}
	var have []string
	for _, c := range q.Columns {
		have = append(have, c.Name)
	}
	if !slices.Equal(have, names) {
		t.Errorf("%s: columns %q, the engine has %q", query, have, names)
	}
	if len(blind.Unresolved) == 0 && len(blind.Columns) == len(names) {
		for i, c := range blind.Columns {
			if c.Name != "" && c.Name != names[i] {
				t.Errorf("%s: column %d is called %q, the engine calls it %q", query, i, c.Name, names[i])
			}
		}
	}
	return told(q)
}

func names(ctx context.Context, w warehouse.Warehouse, query string) ([]string, error) {
	columns, err := w.Describe(ctx, query)
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names, err
}

// TestKnowsTheEnginesFunctions fails when an engine has aggregates, or functions that take lambdas, which the package does not know.
func TestKnowsTheEnginesFunctions(t *testing.T) {
	w := open(t)
	for query, known := range map[string][]string{
		`SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate' AND function_name NOT IN
('cume_dist', 'dense_rank', 'fill', 'first_value', 'lag', 'last_value', 'lead', 'nth_value', 'ntile', 'percent_rank', 'rank', 'rank_dense', 'row_number')`: lineage.Aggregates,
		`SELECT DISTINCT function_name FROM duckdb_functions() WHERE list_contains(parameter_types::VARCHAR[], 'LAMBDA')`: lineage.Lambdas,
	} {
		rows, err := w.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows.Rows {
			if !slices.Contains(known, row[0].(string)) {
				t.Errorf("%v is not known", row[0])
			}
		}
		if len(rows.Rows) < 5 {
			t.Errorf("%d functions", len(rows.Rows))
		}
	}
}

func TestRefuses(t *testing.T) {
	w := open(t)
	tree, err := w.Tree(t.Context(), "SELECT a, b FROM t")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"no tree": func() error { _, err := lineage.Of([]byte("{"), resolve, nil); return err },
		"an error": func() error {
			_, err := lineage.Of([]byte(`{"error":true,"error_message":"no"}`), resolve, nil)
			return err
		},
		"no statement":   func() error { _, err := lineage.Of([]byte(`{"statements":[]}`), resolve, nil); return err },
		"fewer columns":  func() error { _, err := lineage.Of(tree, resolve, []string{"a"}); return err },
		"other columns":  func() error { _, err := lineage.Of(tree, resolve, []string{"a", "z"}); return err },
		"not one SELECT": func() error { _, err := w.Tree(t.Context(), "DROP TABLE t"); return err },
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzOf gives trees that no parser wrote: nothing panics or runs for ever.
func FuzzOf(f *testing.F) {
	f.Add([]byte(`{"statements":[{"node":{"type":"SELECT_NODE","select_list":[{"class":"STAR","type":"STAR"}],"from_table":{"type":"BASE_TABLE","table_name":"t"}}}]}`))
	f.Add([]byte(`{"statements":[{"node":{"type":"RECURSIVE_CTE_NODE","cte_name":"r","left":{"type":"SELECT_NODE"},"right":{"type":"SELECT_NODE","from_table":{"type":"BASE_TABLE","table_name":"r"}}}}]}`))
	f.Add([]byte(`{"statements":[{"node":{"type":"SELECT_NODE","select_list":[{"class":"COLUMN_REF","type":"COLUMN_REF"}],"from_table":{"type":"PIVOT","unpivot_names":["v"],"pivots":[{"entries":[{"values":[{}]}]}]}}}]}`))
	f.Fuzz(func(t *testing.T, tree []byte) {
		_, _ = lineage.Of(tree, resolve, nil)
		_, _ = lineage.Of(tree, resolve, []string{"a", "b"})
	})
}

func BenchmarkOf(b *testing.B) {
	w := open(b)
	query := "with source as (select * from t), renamed as (select id as t_id, lower(c) as name, a + b as total, st.f as f from source), " +
		"joined as (select r.*, u.k, row_number() over (partition by u.k order by r.total desc) as rn from renamed r left join u on u.id = r.t_id where u.x > 0) " +
		"select * exclude (rn), case when total > 3 then 'big' else 'small' end as size from joined where rn = 1"
	tree, err := w.Tree(b.Context(), query)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Tree(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("of", func(b *testing.B) {
		for b.Loop() {
			if _, err := lineage.Of(tree, resolve, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("describe", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Describe(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
	})
}
