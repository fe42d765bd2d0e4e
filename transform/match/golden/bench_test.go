package golden

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// BenchmarkGolden makes golden records of a million records with twelve fields, and then again with one record in a hundred moved:
// MILLRACE_BENCH_RECORDS says how many.
func BenchmarkGolden(b *testing.B) {
	n := 1_000_000
	if s := os.Getenv("MILLRACE_BENCH_RECORDS"); s != "" {
		_, _ = fmt.Sscan(s, &n)
	}
	dir := b.TempDir()
	w, err := duckdb.Open(b.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Dirs: []string{dir}, Temp: filepath.Join(dir, "tmp")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	e := &models.Entity{Name: "customer", Schema: "mdm", Sources: []*models.EntitySource{{Name: "crm", Trust: 90,
		HalfLife: 365 * 24 * time.Hour, Floor: 10}, {Name: "shop", Trust: 70}, {Name: "pay", Trust: 50}},
		Survive: models.Survivorship{Groups: []models.SurviveGroup{{Name: "address", Fields: []string{"street", "city", "postcode",
			"country"}, By: []models.SurviveRule{models.MostComplete, models.MostRecent}}},
			Fields: []models.SurviveField{{Name: "email", By: []models.SurviveRule{models.MostTrusted}, Require: "valid"}, {Name: "first_name",
				By: []models.SurviveRule{models.MostFrequent, models.Longest}}, {Name: "phones", From: "phone", Collect: "distinct"}}}}
	p := &match.Plan{Entity: "customer", Sources: []match.Source{{Name: "crm"}, {Name: "shop"}, {Name: "pay"}}, Columns: []match.Column{{Name: "email"}}}
	g := &Golden{Entity: e, Plan: p, Dialect: w.Dialect(), Fields: text("first_name", "last_name", "email", "phone", "street", "city",
		"postcode", "country", "birth_date DATE", "company", "title", "language")}
	write := func(name, query string) string {
		f, err := w.Write(b.Context(), query, filepath.Join(dir, name+".parquet"))
		if err != nil {
			b.Fatal(err)
		}
		return w.Dialect().Files([]string{f.Path})
	}
	records := fmt.Sprintf("SELECT i AS _rec, CAST(i * 3 // %d AS SMALLINT) AS _source, lpad(CAST(i AS VARCHAR), 9, '0') AS _key, TIMESTAMP '2025-01-01' + to_seconds(hash(i) %% 30000000) AS _updated_at, hash(i, 1) AS _hash, 'user' || i || '@example.org' AS email FROM range(%[1]d) AS r(i)", n)
	raw := fmt.Sprintf(`SELECT i AS _rec, CASE WHEN i %% 50 > 0 THEN 'first' || i %% 997 END AS first_name, 'last' || i %% 9973 AS last_name, 'user' || i || '@example.org' AS email, '+49 30 ' || hash(i) %% 10000000 AS phone,
CASE WHEN i %% 20 > 0 THEN hash(i) %% 300 || ' Some Street' END AS street, 'City ' || i %% 2003 AS city, lpad(CAST(i %% 99999 AS VARCHAR), 5, '0') AS postcode, 'DE' AS country, DATE '1950-01-01' + CAST(i %% 20000 AS INTEGER) AS birth_date,
CASE WHEN i %% 3 = 0 THEN 'Company ' || i %% 5003 END AS company, CASE WHEN i %% 30 = 0 THEN 'Dr' END AS title, 'de' AS language FROM range(%d) AS r(i)`, n)
	// Every fifth of the records above the first four fifths is of a cluster below.
	labels := func(moved int) string {
		return fmt.Sprintf("SELECT i AS _rec, CASE WHEN i < %d * 4 // 5 THEN i ELSE CAST((hash(i) + CASE WHEN i %% 100 < %d THEN 1 ELSE 0 END) %% (%[1]d * 4 // 5) AS BIGINT) END AS cluster FROM range(%[1]d) AS r(i)", n, moved)
	}
	edges := fmt.Sprintf("SELECT i AS b, CAST(hash(i) %% (%d * 4 // 5) AS BIGINT) AS a, 12.5 AS weight, 0.99 AS probability, CASE WHEN i %% 50 = 0 THEN 'unsure' ELSE 'match' END AS verdict, 'email' AS rules, 77 AS pattern FROM range(%[1]d * 4 // 5, %[1]d) AS r(i)", n)
	g.From = Relations{Records: write("records", records), Raw: write("raw", raw), Edges: write("edges", edges)}
	for b.Loop() {
		prev := Tables{}
		for run, moved := range []int{0, 5} {
			g.Run, g.At = fmt.Sprint("run-", run), time.Date(2026, 1, 1+run, 0, 0, 0, 0, time.UTC)
			g.From.Labels = write(fmt.Sprint("labels", run), labels(moved))
			out, err := os.MkdirTemp(dir, "run")
			if err != nil {
				b.Fatal(err)
			}
			began, cpu := time.Now(), spent()
			built, err := g.Build(b.Context(), &timed{w, b}, out, prev, []Figure{{FigureUnlinkable, 0, ""}})
			if err != nil {
				b.Fatal(err)
			}
			b.Logf("run %d: %d MB at most, %v, %v of processors, %v", run, usage().Maxrss>>10, time.Since(began).Round(time.Millisecond), (spent() - cpu).Round(time.Millisecond),
				built.Equations[models.PartXref])
			prev = built.Tables
		}
	}
}

// timed tells how long statements take.
type timed struct {
	warehouse.Warehouse
	b *testing.B
}

func (w *timed) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.Write(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms %6d ms of processors", filepath.Base(path), f.Rows, time.Since(began).Milliseconds(),
		(spent() - cpu).Milliseconds())
	return f, err
}

func (w *timed) WriteAnew(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.WriteAnew(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms %6d ms of processors", filepath.Base(path), f.Rows, time.Since(began).Milliseconds(),
		(spent() - cpu).Milliseconds())
	return f, err
}

func (w *timed) Scratch(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.Scratch(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms %6d ms of processors", filepath.Base(path), f.Rows, time.Since(began).Milliseconds(),
		(spent() - cpu).Milliseconds())
	return f, err
}

func (w *timed) Query(ctx context.Context, query string) (*warehouse.Result, error) {
	began, cpu := time.Now(), spent()
	r, err := w.Warehouse.Query(ctx, query)
	if took := time.Since(began); took > 50*time.Millisecond {
		w.b.Logf("  %-28.28q %13s %6d ms %6d ms of processors", query, "", took.Milliseconds(), (spent() - cpu).Milliseconds())
	}
	return r, err
}

// spent is the processors' time of this process.
func spent() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// usage is what the process has used so far; Maxrss is the most memory, in kB.
func usage() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u
}
