package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// reconcile compares 10 million rows of 16 columns with as many, of which 0.1 % differ, with the full outer join that a hand would
// write; and the same file with itself.
func (b *bench) reconcile() error {
	n := b.rows * 10 / 6
	dir, err := os.MkdirTemp(b.data, "reconcile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	left, right := filepath.Join(dir, "left.parquet"), filepath.Join(dir, "right.parquet")
	rows := lineitemSQL(n, 0)
	changed := fmt.Sprintf("SELECT * REPLACE (CASE WHEN l_id %% 1000 = 7 THEN l_quantity + 1 ELSE l_quantity END AS l_quantity) FROM (%s) WHERE l_id <> 5 UNION ALL BY NAME SELECT * REPLACE (-1 AS l_id) FROM (%s) WHERE l_id = 5", rows, rows)
	for path, sql := range map[string]string{left: rows, right: changed} {
		if _, err := b.reference(fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)", sql, path)); err != nil {
			return err
		}
	}
	var ours, theirs, equal []float64
	var rss float64
	for range b.runs {
		ref, err := b.reference(outerJoin(left, right))
		if err != nil {
			return err
		}
		u, err := b.reconciled(dir, left, right, int64(n)/1000+2)
		if err != nil {
			return err
		}
		same, err := b.reconciled(dir, left, left, 0)
		if err != nil {
			return err
		}
		ours, theirs, equal, rss = append(ours, u.wall), append(theirs, ref.wall), append(equal, same.wall), max(rss, u.rss)
	}
	b.add(fmt.Sprintf("reconcile: wall, full outer join of 2 x %d rows x 16 columns", n), median(theirs), "s", 0)
	b.add("reconcile: wall, millrace reconcile / that", median(ours)/median(theirs), "x", 0)
	b.add("reconcile: wall, of equal files / that", median(equal)/median(theirs), "x", 0)
	b.add("reconcile: peak RSS with 1 GB", rss, "MiB", 1024)
	return nil
}

// reconciled compares two files and makes sure that as much was found as is there.
func (b *bench) reconciled(dir, left, right string, failing int64) (usage, error) {
	u, err := measure(dir, b.bin, "reconcile", left, right, "--key", "l_id", "--tolerance", "1%", "--json")
	if err != nil {
		return u, err
	}
	var found struct{ Failing int64 }
	if err := json.Unmarshal(u.stdout, &found); err != nil {
		return u, err
	}
	if found.Failing != failing {
		return u, fmt.Errorf("%d differences were found, %d are there", found.Failing, failing)
	}
	return u, nil
}

// outerJoin counts the same by hand.
func outerJoin(left, right string) string {
	var differ []string
	for _, c := range strings.Fields("l_orderkey l_partkey l_suppkey l_linenumber l_quantity l_extendedprice l_discount l_returnflag l_linestatus l_shipdate l_commitdate l_updated_at l_shipinstruct l_shipmode l_comment") {
		differ = append(differ, fmt.Sprintf("count_if(a.l_id IS NOT NULL AND b.l_id IS NOT NULL AND a.%s IS DISTINCT FROM b.%[1]s)", c))
	}
	return fmt.Sprintf("CREATE TABLE found AS SELECT count_if(b.l_id IS NULL), count_if(a.l_id IS NULL), %s FROM read_parquet('%s') AS a FULL JOIN read_parquet('%s') AS b ON a.l_id = b.l_id", strings.Join(differ, ", "), left, right)
}
