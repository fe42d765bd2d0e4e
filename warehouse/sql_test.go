package warehouse_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: a human reads the diff.
func TestGolden(t *testing.T) {
	file := func(path string, columns ...string) warehouse.File {
		f := warehouse.File{Path: path, Stats: map[string]warehouse.Stats{}}
		for _, c := range columns {
			f.Stats[c] = warehouse.Stats{}
		}
		return f
	}
	columns := []warehouse.Column{{Name: "id", Type: "BIGINT"}, {Name: "odd \"name", Type: "VARCHAR"}, {Name: "at", Type: "TIMESTAMP"}}
	all := []string{"id", `odd "name`, "at"}
	base, more := file("/wh/data/it's [1].parquet", all...), file("/wh/data/2.parquet", all...)
	up, del := file("/wh/data/up.parquet", all...), file("/wh/data/del.parquet", "id")
	old := file("/wh/data/old.parquet", "id", "at")
	v := warehouse.Version{Name: warehouse.Name{Schema: "erp", Table: "orders"}, Columns: columns}
	with := func(change func(*warehouse.Version)) warehouse.Version {
		next := v
		change(&next)
		return next
	}
	d, key := warehouse.DuckDB, []string{"id"}
	for name, sql := range map[string]string{ // of local files
		"select/base": d.Select(with(func(v *warehouse.Version) { v.Base = []warehouse.File{base, more} })),
		"select/upserts": d.Select(with(func(v *warehouse.Version) {
			v.Base, v.Upserts, v.Key = []warehouse.File{base}, []warehouse.File{up}, key
		})),
		"select/deletes": d.Select(with(func(v *warehouse.Version) {
			v.Base, v.Deletes, v.Key = []warehouse.File{base}, []warehouse.File{del}, key
		})),
		"select/both": d.Select(with(func(v *warehouse.Version) {
			v.Base, v.Upserts, v.Deletes, v.Key = []warehouse.File{base}, []warehouse.File{up}, []warehouse.File{del}, []string{"id", "at"}
		})),
		"select/where": d.SelectWhere(with(func(v *warehouse.Version) {
			v.Base, v.Upserts, v.Key = []warehouse.File{base}, []warehouse.File{up}, key
		}), func(rows string) string { return d.Among(rows, "SELECT * FROM keys", key) }),
		"select/at":         d.ScanAt([]warehouse.File{base, old}, columns),
		"select/first":      "SELECT " + d.FirstRows(`"id" > 2`, 5) + " AS first FROM " + d.Positions([]string{base.Path}),
		"select/new-column": d.Select(with(func(v *warehouse.Version) { v.Base = []warehouse.File{old} })),
	} {
		spelled(t, d, name, sql)
	}
	for _, d := range []*warehouse.Dialect{warehouse.DuckDB, snowflake.Dialect} {
		for name, sql := range map[string]string{
			"select/empty":    d.Select(v),
			"select/view":     d.Select(with(func(v *warehouse.Version) { v.View = "SELECT 1 AS x" })),
			"keystats/one":    d.KeyStats("SELECT * FROM landed", key),
			"keystats/two":    d.KeyStats("SELECT * FROM landed", []string{"id", "at"}),
			"winners/cursor":  d.Winners("SELECT * FROM landed", columns, key, "at"),
			"winners/none":    d.Winners("SELECT * FROM landed", columns, []string{"id", "at"}, ""),
			"classify/cursor": d.Classify("SELECT id, at FROM landed", "SELECT id, at FROM published", columns[:1], key, warehouse.Order{Cursor: "at"}),
			"classify/none":   d.Classify("SELECT * FROM landed", "SELECT * FROM published", columns, key, warehouse.Order{}),
			"ties/cursor":     d.Ties("SELECT * FROM landed", "SELECT * FROM published", "SELECT * FROM decisions", columns, key, warehouse.Order{Cursor: "at"}),
			"classify/latest": d.Classify("SELECT id, at FROM landed", "SELECT id, at FROM published", columns[:1], key, warehouse.Order{Cursor: "at", Latest: true}),
			"classify/mark":   d.Classify("SELECT id, at, gone FROM landed", "SELECT id, at, gone FROM published", columns[:1], key, warehouse.Order{Cursor: "at", Mark: "gone"}),
			"ties/latest":     d.Ties("SELECT * FROM landed", "SELECT * FROM published", "SELECT * FROM decisions", columns, key, warehouse.Order{Cursor: "at", Latest: true}),
			"marked/all":      d.Marked("SELECT * FROM published", `the "mark`),
			"marked/none":     d.Unmarked("SELECT * FROM published", `the "mark`),
			"setmark/all": d.SetMark("SELECT * FROM published", "SELECT id FROM gone", append(columns[:2:2], warehouse.Column{Name: "gone", Type: "TIMESTAMP WITH TIME ZONE"}), key, "gone",
				time.Date(2025, 3, 30, 3, 4, 5, 678901234, time.FixedZone("CEST", 7200))),
			"rejects/keyless": d.Keyless("SELECT * FROM landed", []string{"id", "at"}),
			"outcomes/all":    d.Outcomes("SELECT * FROM decisions"),
			"among/changes":   d.Among("SELECT * FROM landed", d.Having("SELECT * FROM decisions", "inserted", "updated"), key),
			"without/keys":    d.Union(d.Without("SELECT * FROM published", "SELECT id, at FROM landed", []string{"id", "at"}), "SELECT * FROM landed"),
			"count/all":       d.Count("SELECT * FROM landed"),
			"rejects/bad":     d.NullKeyRejects("SELECT * FROM landed", []string{"id", "at"}, "in/a.parquet"),
			"rejects/good":    d.WithKey("SELECT * FROM landed", []string{"id", "at"}),
			"having/two":      d.Having("SELECT * FROM decisions", "inserted", "it's"),
			"texts/all":       d.Texts("SELECT * FROM landed", columns),
			"casts/all":       d.Casts(columns) + " FROM landed",
			"between/number":  "SELECT * FROM landed WHERE " + warehouse.Between{Column: columns[0], From: "1", To: "2.5"}.SQL(d),
			"between/time":    "SELECT * FROM landed WHERE " + warehouse.Between{Column: columns[2], From: "2025-01-01", To: "2025-01-02 12:00:00"}.SQL(d),
		} {
			spelled(t, d, name, sql)
		}
	}
}

// spelled compares SQL with the golden file of its dialect.
func spelled(t *testing.T, d *warehouse.Dialect, name, sql string) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", "golden", filepath.FromSlash(name)+"."+d.Name+".sql"), sql+"\n", *update)
}

func TestParseType(t *testing.T) {
	for in, want := range map[string]string{
		"int": "INTEGER", "numeric(9, 2)": "DECIMAL(9,2)", "decimal": "DECIMAL(18,3)", "text[]": "VARCHAR[]", "INTEGER[3][]": "INTEGER[3][]",
		"timestamp with time zone": "TIMESTAMP WITH TIME ZONE", "timestamptz": "TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE[]": "TIME WITH TIME ZONE[]", "timestamp": "TIMESTAMP",
		`STRUCT(a INTEGER, "b c" STRUCT(x TIMESTAMP WITH TIME ZONE)[])`: `STRUCT("a" INTEGER, "b c" STRUCT("x" TIMESTAMP WITH TIME ZONE)[])`,
		"STRUCT(INTEGER, VARCHAR)":                                      "STRUCT(INTEGER, VARCHAR)", "STRUCT(DECIMAL(4,1), INTEGER[])": "STRUCT(DECIMAL(4,1), INTEGER[])",
		"MAP(VARCHAR, DECIMAL(4,1)[])": "MAP(VARCHAR, DECIMAL(4,1)[])", "ENUM('a', 'b)''c')": "ENUM('a', 'b)''c')", `"NULL"`: `"NULL"`, "varchar(10)": "VARCHAR",
		`UNION(a INTEGER, "b""q" VARCHAR)`: `UNION("a" INTEGER, "b""q" VARCHAR)`,
	} {
		got, err := warehouse.ParseType(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "INTEGER[", "DECIMAL(", "DECIMAL(40,1)", "DECIMAL(2,3)", "STRUCT", "STRUCT(a)x", "MAP(a)", "INTEGER x", "STRUCT(a INTEGER", strings.Repeat("STRUCT(a ", 500), `"`} {
		if got, err := warehouse.ParseType(in); err == nil {
			t.Errorf("%q is %v", in, got)
		}
	}
}

func FuzzParseType(f *testing.F) {
	for _, s := range []string{"INTEGER", "STRUCT(a INTEGER, \"b\" MAP(VARCHAR, X[3])[])", "ENUM('a')", "DECIMAL(1,1)", "TIME WITH"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := warehouse.ParseType(s)
		if err != nil {
			return
		}
		again, err := warehouse.ParseType(parsed.String())
		if err != nil || again.String() != parsed.String() {
			t.Errorf("%q became %q, then %v %v", s, parsed, again, err)
		}
	})
}

func TestWiden(t *testing.T) {
	for _, c := range [][3]string{
		{"INTEGER", "BIGINT", "BIGINT"}, {"UTINYINT", "TINYINT", "SMALLINT"}, {"UINTEGER", "INTEGER", "BIGINT"}, {"UBIGINT", "BIGINT", "DECIMAL(20,0)"}, {"UTINYINT", "UBIGINT", "UBIGINT"}, {"UTINYINT", "BIGINT", "BIGINT"},
		{"INTEGER", "DECIMAL(9,2)", "DECIMAL(12,2)"}, {"DECIMAL(5,1)", "DECIMAL(4,3)", "DECIMAL(7,3)"}, {"DECIMAL(38,0)", "DECIMAL(38,1)", ""}, {"BIGINT", "DECIMAL(38,30)", ""},
		{"HUGEINT", "HUGEINT", "HUGEINT"}, {"HUGEINT", "BIGINT", "DECIMAL(38,0)"}, {"HUGEINT", "DECIMAL(38,0)", "DECIMAL(38,0)"}, {"HUGEINT", "DECIMAL(9,2)", ""},
		{"FLOAT", "DOUBLE", "DOUBLE"}, {"INTEGER", "DOUBLE", "DOUBLE"}, {"BIGINT", "DOUBLE", ""}, {"SMALLINT", "FLOAT", "FLOAT"}, {"INTEGER", "FLOAT", "DOUBLE"}, {"BIGINT", "FLOAT", ""},
		{"VARCHAR", "JSON", "VARCHAR"}, {"VARCHAR", "INTEGER", ""}, {"DATE", "TIMESTAMP", ""}, {"DECIMAL(9,2)", "DOUBLE", ""}, {"BOOLEAN", "INTEGER", ""},
		{"INTEGER[]", "BIGINT[]", "BIGINT[]"}, {"INTEGER[]", "INTEGER", ""}, {"MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, BIGINT)", "MAP(VARCHAR, BIGINT)"},
		{"STRUCT(a INTEGER)", "STRUCT(b VARCHAR, A BIGINT)", `STRUCT("a" BIGINT, "b" VARCHAR)`}, {"STRUCT(a DATE)", "STRUCT(a TIME)", ""},
	} {
		for _, swap := range []bool{false, true} {
			a, b := c[0], c[1]
			if swap {
				a, b = b, a
			}
			got, err := warehouse.Widen(a, b)
			if strings.HasPrefix(a, "STRUCT") && swap {
				continue // the order of the fields differs
			}
			if got != c[2] || (err == nil) != (c[2] != "") {
				t.Errorf("%s, %s: %q %v, want %q", a, b, got, err, c[2])
			}
		}
	}
}
