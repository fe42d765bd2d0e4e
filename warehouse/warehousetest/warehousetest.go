// Package warehousetest is what every engine must do: Run it from the engine's own tests. It knows nothing of any
// engine but its Dialect.
package warehousetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// Run runs the whole suite.
func Run(t *testing.T, open warehouse.Open) {
	t.Run("Warehouse", func(t *testing.T) { runWarehouse(t, open) })
	t.Run("Types", func(t *testing.T) { runTypes(t, open) })
	t.Run("Builders", func(t *testing.T) { runBuilders(t, open) })
	t.Run("Merge", func(t *testing.T) { runMerge(t, open) })
	t.Run("MergeLosesNothing", func(t *testing.T) { runNegativeControl(t, open) })
	t.Run("MergeSchemas", func(t *testing.T) { runSchemas(t, open) })
	t.Run("DeleteInsert", func(t *testing.T) { runDeleteInsert(t, open) })
	t.Run("Deletes", func(t *testing.T) { runDeletes(t, open) })
	t.Run("Latest", func(t *testing.T) { runLatest(t, open) })
	t.Run("KeySets", func(t *testing.T) { runKeySets(t, open) })
	t.Run("Marks", func(t *testing.T) { runMarks(t, open) })
	t.Run("GoneLosesNothing", func(t *testing.T) { runGoneLosesNothing(t, open) })
	t.Run("MergeModel", func(t *testing.T) { runModel(t, open) })
	t.Run("RejectNullKeys", func(t *testing.T) { runRejects(t, open) })
}

type bench struct {
	testing.TB
	w   warehouse.Warehouse
	dir string
	n   int
}

func start(t testing.TB, open warehouse.Open) *bench {
	t.Helper()
	dir := t.TempDir()
	w, err := open(t.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Temp: filepath.Join(dir, "tmp"), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{TB: t, w: w, dir: dir}
}

// path is a new one.
func (b *bench) path() string {
	b.n++
	return filepath.Join(b.dir, fmt.Sprintf("f%d.parquet", b.n))
}

// folder makes a new one.
func (b *bench) folder() string {
	b.Helper()
	b.n++
	dir := filepath.Join(b.dir, fmt.Sprintf("d%d", b.n))
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	return dir
}

func (b *bench) write(query string) warehouse.File {
	b.Helper()
	f, err := b.w.Write(b.Context(), query, b.path())
	if err != nil {
		b.Fatalf("%.200s: %v", query, err)
	}
	return f
}

func (b *bench) text(query string) string {
	b.Helper()
	r, err := b.w.Query(b.Context(), query)
	if err != nil {
		b.Fatalf("%.200s: %v", query, err)
	}
	return fmt.Sprint(r.Rows)
}

func (b *bench) columns(query string) []warehouse.Column {
	b.Helper()
	c, err := b.w.Describe(b.Context(), query)
	if err != nil {
		b.Fatalf("%.200s: %v", query, err)
	}
	return c
}
