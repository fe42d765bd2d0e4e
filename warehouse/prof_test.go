//go:build unix

package warehouse_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/warehouse"
)

type timed struct{ warehouse.Warehouse }

func (t timed) Write(ctx context.Context, q, p string) (warehouse.File, error) {
	a, c := time.Now(), cpuSeconds()
	f, err := t.Warehouse.Write(ctx, q, p)
	fmt.Printf("write %-40s %7.3f wall %7.3f cpu %d rows\n", p[len(p)-30:], time.Since(a).Seconds(), cpuSeconds()-c, f.Rows)
	return f, err
}
func (t timed) Query(ctx context.Context, q string) (*warehouse.Result, error) {
	a, c := time.Now(), cpuSeconds()
	f, err := t.Warehouse.Query(ctx, q)
	fmt.Printf("query %-40.40q %7.3f wall %7.3f cpu\n", q, time.Since(a).Seconds(), cpuSeconds()-c)
	return f, err
}

func TestProf(t *testing.T) {
	w, dir := engine(t)
	_ = dir
	os.Remove("/tmp/d/prof/x")
	base, err := w.Write(t.Context(), "SELECT i AS id, TIMESTAMP '2025-01-01' + INTERVAL (i) SECOND AS updated_at, 'comment about row ' || hash(i+11)::VARCHAR AS comment, hash(i) % 1000 AS a, hash(i+1) % 1000 AS b, hash(i+2) % 1000 AS c, random() AS r FROM range(10000000) t(i)", dir+"/base.parquet")
	if err != nil {
		t.Fatal(err)
	}
	delta, err := w.Write(t.Context(), "SELECT id, updated_at + INTERVAL 500 DAY AS updated_at, comment, a + 1 AS a, b, c, r FROM '"+dir+"/base.parquet' WHERE hash(id) % 1000 = 0", dir+"/delta.parquet")
	if err != nil {
		t.Fatal(err)
	}
	prev := &warehouse.Version{Key: []string{"id"}, Base: []warehouse.File{base}, Rows: base.Rows}
	prev.Columns, _ = w.Describe(t.Context(), "SELECT * FROM "+w.Dialect().Files([]string{base.Path}))
	for _, cursor := range []string{"updated_at", "", "updated_at"} {
		fmt.Println("cursor", cursor)
		a, c := time.Now(), cpuSeconds()
		_, err := warehouse.Merge(t.Context(), timed{w}, warehouse.MergeInput{Name: warehouse.Name{Schema: "erp", Table: "t"}, Prev: prev, Landed: []warehouse.File{delta}, Key: []string{"id"}, Cursor: cursor, Dir: dir})
		fmt.Printf("all %.3f wall %.3f cpu %v\n", time.Since(a).Seconds(), cpuSeconds()-c, err)
	}
}
