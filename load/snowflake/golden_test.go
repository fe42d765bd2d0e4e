package snowflake

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/warehouse"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: what the local engine is asked for a load. A human reads the diff.
func TestGolden(t *testing.T) {
	columns := []warehouse.Column{{Name: "id", Type: "BIGINT"}, {Name: `odd "day`, Type: "DATE"}, {Name: "since", Type: "TIMESTAMP"}}
	file := func(name string, columns ...string) warehouse.File {
		f := warehouse.File{Path: "/wh/" + name + ".parquet", SHA256: name, Stats: map[string]warehouse.Stats{}}
		for _, c := range columns {
			f.Stats[c] = warehouse.Stats{}
		}
		return f
	}
	narrow, wide := []string{"id", `odd "day`}, []string{"id", `odd "day`, "since"}
	a := &warehouse.Version{Columns: columns[:2], Key: []string{"id"}, Base: []warehouse.File{file("both", narrow...)}, Upserts: []warehouse.File{file("old", narrow...)}}
	b := &warehouse.Version{Columns: columns, Key: []string{"id"}, Base: a.Base, Upserts: []warehouse.File{file("new", wide...)}, Deletes: []warehouse.File{file("gone", "id")}}
	keyless := func(files ...string) *warehouse.Version {
		v := &warehouse.Version{Columns: columns}
		for _, name := range files {
			v.Base = append(v.Base, file(name, wide...))
		}
		return v
	}
	d, by := warehouse.DuckDB, columns[1:2]
	for name, sql := range map[string]string{
		"difference":         difference(d, a, b, false),
		"shown":              shown(d, a, columns, all),
		"partitions":         partitions(d, a, b, by),
		"partitions-keyless": partitions(d, keyless("both", "old"), keyless("both", "new"), by),
		"partition-rows":     partitionRows(d, keyless("both", "old"), keyless("both", "new"), by),
		"current":            current(d, "SELECT 1 AS id", time.Date(2025, 3, 30, 3, 4, 5, 678901234, time.FixedZone("CEST", 7200))),
	} {
		golden.Check(t, filepath.Join("testdata", name+".duckdb.sql"), sql+"\n", *update)
	}
}
