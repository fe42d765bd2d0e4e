package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestCopyBy(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dirs: []string{dir}, Memory: 256 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	paths := []string{filepath.Join(dir, "good.parquet"), filepath.Join(dir, "bad.parquet"), filepath.Join(dir, "none.parquet")}
	cast := func(c Column) (string, error) {
		if c.Type == "HUGEINT" {
			return "DECIMAL(38,0)", nil
		}
		return c.Type, nil
	}
	// More rows than one thread holds before it writes.
	all, err := db.CopyBy(t.Context(), "SELECT i, i::HUGEINT AS h, 'x' || i AS s FROM range(700000) t(i); -- done", "CASE WHEN i % 1000 = 7 OR h = 9 THEN 1 ELSE 0 END", paths, cast)
	if err != nil {
		t.Fatal(err)
	}
	if all[0] == nil || all[1] == nil || all[2] != nil || all[0].Rows != 699299 || all[1].Rows != 701 || all[1].Stats["i"].Min == nil || *all[1].Stats["i"].Min != "7" {
		t.Fatalf("%+v %+v %+v", all[0], all[1], all[2])
	}
	r, err := db.Query(t.Context(), fmt.Sprintf("SELECT count(*), sum(i), max(typeof(h)) FROM read_parquet('%s')", paths[1]))
	if err != nil || r.Values[0][0] != int64(701) || r.Values[0][2] != "DECIMAL(38,0)" {
		t.Fatalf("%v %v", r, err)
	}
	if _, err := db.CopyBy(t.Context(), "SELECT error('no') AS i", "i", paths[:1], nil); err == nil {
		t.Error("a failing query is copied")
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if _, err := os.Stat(paths[0]); err == nil || len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
