package duckdb

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/fileread"
)

// TestPivotWithoutIn: it is one SELECT, its places are those of what is written, and its rows can be had.
func TestPivotWithoutIn(t *testing.T) {
	db, err := Open(t.Context(), Config{Plain: true, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const query = "WITH x AS (FROM (VALUES ('b', 1), ('a', 2), ('a', 3)) t(k, v)) SELECT * FROM (PIVOT x ON k USING sum(v)) -- all"
	settled, release, err := db.Settle(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(t.Context(), settled)
	if err != nil || len(rows.Columns) != 2 || rows.Columns[0].Name != "a" || rows.Values[0][0] != int64(5) {
		t.Errorf("%v %v", rows, err)
	}
	release()
	if _, err := db.Query(t.Context(), settled); err == nil {
		t.Error("the rows are kept for ever")
	}
	if same, _, err := db.Settle(t.Context(), "SELECT 1"); same != "SELECT 1" || err != nil {
		t.Error(same, err)
	}
	for _, bad := range []string{"PIVOT x ON k; SELECT 2", "DROP TABLE x; PIVOT x ON k", "PIVOT x ON k ON"} {
		if err := db.CheckSelect(t.Context(), bad); err == nil {
			t.Errorf("%s passes for one SELECT", bad)
		}
		if _, _, err := db.Settle(t.Context(), bad); err == nil {
			t.Errorf("%s is run", bad)
		}
	}
	const reads = "WITH p AS (PIVOT x ON k USING sum(v)) SELECT * FROM p JOIN read_csv('a.csv') USING (k)"
	tree, err := db.Tree(t.Context(), reads)
	if err != nil {
		t.Fatal(err)
	}
	found, err := fileread.Find(tree)
	if err != nil || len(found) != 1 || found[0].At != strings.Index(reads, "read_csv") {
		t.Errorf("%v %v", found, err)
	}
}
