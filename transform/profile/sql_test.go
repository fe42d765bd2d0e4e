package profile

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSQL shows every statement of a profile, for each dialect.
func TestSQL(t *testing.T) {
	const rows = `SELECT * FROM "erp"."orders"`
	for _, d := range []*warehouse.Dialect{warehouse.DuckDB} {
		amount := &column{Column: &Column{Name: `am"ount`, Type: "DOUBLE", Kind: Number}, lo: 0, hi: 10, bounded: true}
		id := &column{Column: &Column{Name: "id", Type: "BIGINT", Kind: Number}, lo: 1, hi: 5, bounded: true}
		status := &column{Column: &Column{Name: "status", Type: "VARCHAR", Kind: Text}}
		day := &column{Column: &Column{Name: "day", Type: "DATE", Kind: Time}, lo: 0, hi: 86400, bounded: true}
		note := &column{Column: &Column{Name: "note", Type: "VARCHAR", Kind: Text}, long: true}
		pair := [2]*column{id, day}
		statements := []string{
			scanSQL(d, rows, []*column{amount, status, day, {Column: &Column{Name: "blob", Type: "BLOB", Kind: Blob}}, {Column: &Column{Name: "list", Type: "INTEGER[]", Kind: Nested}}}),
			valuesSQL(d, rows, amount), valuesSQL(d, rows, status), valuesSQL(d, rows, note), valuesSQL(d, rows, day),
			sketchSQL(d, rows, amount), sketchSQL(d, rows, status), topSQL(d, rows, status, []string{"a", "it's"}),
			distinctSQL(d, rows, "id"), pairsSQL(d, rows, [][2]*column{pair}), repeatedSQL(d, rows, pair),
			failingSQL(rows, []string{"false", `"id" IS NULL`}), sampleSQL(rows, 100, 1000), sampleSQL(rows, 20_000, 100_000),
		}
		got := strings.Join(statements, ";\n\n") + ";\n"
		path := filepath.Join("testdata", d.Name+".sql")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s differs from what is generated (%v): run with -update and read the difference", path, err)
		}
	}
}
