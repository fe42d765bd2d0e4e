package snowflake

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// keyed makes a version of a table from maps of key to value, and what its readers see.
func keyed(x *truth, base []map[int]string, upserts, deletes map[int]string) (load.Table, map[int]string) {
	x.Helper()
	values := func(rows map[int]string) string {
		var all []string
		for _, k := range slices.Sorted(maps.Keys(rows)) {
			all = append(all, fmt.Sprintf("(%d, %s, %d)", k, rows[k], k%3))
		}
		if len(all) == 0 {
			return "SELECT CAST(NULL AS INTEGER) AS id, CAST(NULL AS VARCHAR) AS name, CAST(NULL AS INTEGER) AS part WHERE 1 = 0"
		}
		return "SELECT CAST(id AS INTEGER) AS id, CAST(name AS VARCHAR) AS name, CAST(part AS INTEGER) AS part FROM (VALUES " + strings.Join(all, ", ") + ") AS v(id, name, part)"
	}
	queries, sees := []string{}, map[int]string{}
	for _, rows := range base {
		queries = append(queries, values(rows))
		maps.Copy(sees, rows)
	}
	t := x.table("t", []string{"id"}, queries...)
	if len(deletes) > 0 {
		t = x.delta(t, "", "SELECT id FROM ("+values(deletes)+")")
		for k := range deletes {
			delete(sees, k)
		}
	}
	if len(upserts) > 0 {
		t = x.delta(t, values(upserts), "")
		maps.Copy(sees, upserts)
	}
	return t, sees
}

// TestDifferenceOfVersions applies the difference of random versions to the older one, which gives the newer one, with no row more
// than differ.
func TestDifferenceOfVersions(t *testing.T) {
	x, r := newTruth(t), rand.New(rand.NewPCG(6, 1))
	d := warehouse.DuckDB
	some := func(n int) map[int]string {
		rows := map[int]string{}
		for range n {
			rows[r.IntN(40)] = []string{"'a'", "'b'", "NULL"}[r.IntN(3)]
		}
		return rows
	}
	for round := range 40 {
		base := []map[int]string{some(r.IntN(20))}
		a, before := keyed(x, base, some(r.IntN(4)), some(r.IntN(4)))
		if r.IntN(3) == 0 {
			base = []map[int]string{some(r.IntN(20))}
		}
		if r.IntN(2) == 0 { // a new file, with other keys
			more := some(5)
			maps.DeleteFunc(more, func(k int, _ string) bool { _, ok := base[0][k]; return ok })
			base = append(base, more)
		}
		b, after := keyed(x, base, some(r.IntN(4)), some(r.IntN(4)))
		got, rows := maps.Clone(before), 0
		for _, row := range x.rows("SELECT id, name, " + sf.OpColumn.Name + " FROM (" + difference(d, &a.Version, &b.Version, false) + ")") {
			k := int(row[0].(int64))
			rows++
			if row[2] == sf.OpDelete {
				delete(got, k)
				continue
			}
			if got[k] = "NULL"; row[1] != nil {
				got[k] = "'" + row[1].(string) + "'"
			}
		}
		if !maps.Equal(got, after) {
			t.Fatalf("round %d: %v with the difference is %v, want %v", round, before, got, after)
		}
		differ := 0
		for k := range 40 {
			if old, new := before[k], after[k]; old != new {
				differ++
			}
		}
		if rows != differ {
			t.Errorf("round %d: %d rows for %d that differ", round, rows, differ)
		}
		checkPartitions(x, round, &a, &b, before, after)
	}
}

// checkPartitions replaces the partitions that have changed.
func checkPartitions(x *truth, round int, a, b *load.Table, before, after map[int]string) {
	x.Helper()
	got := maps.Clone(before)
	by := []warehouse.Column{{Name: "part", Type: "INTEGER"}}
	for _, row := range x.rows(partitions(warehouse.DuckDB, &a.Version, &b.Version, by)) {
		maps.DeleteFunc(got, func(k int, _ string) bool { return int64(k%3) == row[0].(int64) })
	}
	for _, row := range x.rows(partitionRows(warehouse.DuckDB, &a.Version, &b.Version, by)) {
		k := int(row[0].(int64))
		if got[k] = "NULL"; row[1] != nil {
			got[k] = "'" + row[1].(string) + "'"
		}
	}
	if !maps.Equal(got, after) {
		x.Fatalf("round %d: %v with its partitions replaced is %v, want %v", round, before, got, after)
	}
}

// TestDifferenceWithAddedColumn: rows that the older version lacks the column of differ where it is not NULL.
func TestDifferenceWithAddedColumn(t *testing.T) {
	x := newTruth(t)
	a := x.table("t", []string{"id"}, "SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, 'b'")
	b := x.table("t", []string{"id"}, "SELECT 1 AS id, 'a' AS name, CAST(NULL AS DATE) AS since UNION ALL SELECT 2, 'b', DATE '2026-01-01'")
	got := fmt.Sprint(x.rows("SELECT id FROM (" + difference(warehouse.DuckDB, &a.Version, &b.Version, false) + ")"))
	if got != "[[2]]" {
		t.Errorf("rows %s differ", got)
	}
}
