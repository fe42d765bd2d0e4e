package warehouse_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func engine(t testing.TB) (warehouse.Warehouse, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Temp: filepath.Join(dir, "tmp"), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, dir
}

const manyTypes = `SELECT (i - 3)::TINYINT AS a, i::USMALLINT AS b, i::INTEGER AS c, -i::BIGINT AS d, i::UBIGINT + 9223372036854775808 AS e, sum(i) OVER () AS hugeint,
	i::FLOAT / 3 AS f, -i::DOUBLE AS g, (i * 1.1)::DECIMAL(4,1) AS d4, (i - 5)::DECIMAL(9,2) AS d9, (i - 5)::DECIMAL(18,4) AS d18, ((i - 50) * 1e20)::DECIMAL(38,5) AS d38,
	CASE WHEN i %% 3 = 0 THEN 'é' || i END AS s, ('x' || i)::BLOB AS bl, uuid() AS uu, ('{"n":' || i || '}')::JSON AS js, DATE '1969-12-30' + i::INTEGER AS da, TIME '10:00:00' AS ti,
	TIMESTAMP '1969-12-31 23:59:59.5' + INTERVAL (i) SECOND AS ts, TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS tns, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS tz, i %% 2 = 0 AS bo,
	[i, NULL] AS l, {'a': i, 'b': [{'c': 'x' || i}]} AS st, MAP {'k': i} AS m, CASE WHEN i > 5 THEN [[i], NULL, []] END AS ll, NULL AS n, INTERVAL (i) MONTH AS iv, 'infinity'::TIMESTAMP AS inf
	FROM range(%d) t(i)`

func TestVerify(t *testing.T) {
	w, dir := engine(t)
	for _, rows := range []int{0, 1, 100, 300000} {
		query := fmt.Sprintf(manyTypes, rows)
		if rows == 300000 { // several row groups
			query = "SELECT i::BIGINT AS c, 'x' || (i % 1000) AS s, CASE WHEN i % 7 > 0 THEN i / 3 END AS f, [i, i] AS l, (i % 100)::DECIMAL(9,2) AS d, i % 2 = 0 AS bo FROM range(300000) t(i)"
		}
		columns, err := w.Describe(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("v%d.parquet", rows))
		f, err := w.Write(t.Context(), query, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, full := range []bool{false, true} {
			if err := warehouse.Verify(path, f, columns, full); err != nil {
				t.Errorf("%d rows, full %v: %v", rows, full, err)
			}
		}
		if rows == 0 {
			continue
		}
		// one wrong fact at a time
		for name, change := range map[string]func(*warehouse.File, []warehouse.Column){
			"rows":  func(f *warehouse.File, _ []warehouse.Column) { f.Rows++ },
			"bytes": func(f *warehouse.File, _ []warehouse.Column) { f.Bytes-- },
			"nulls": func(f *warehouse.File, _ []warehouse.Column) { s := f.Stats["s"]; s.Nulls++; f.Stats["s"] = s },
			"max": func(f *warehouse.File, _ []warehouse.Column) {
				s := f.Stats["c"]
				x := "-77"
				s.Max = &x
				f.Stats["c"] = s
			},
			"min": func(f *warehouse.File, _ []warehouse.Column) {
				s := f.Stats["bo"]
				x := "7"
				s.Min = &x
				f.Stats["bo"] = s
			},
			"name":     func(_ *warehouse.File, c []warehouse.Column) { c[0].Name = "z" },
			"order":    func(_ *warehouse.File, c []warehouse.Column) { c[0], c[1] = c[1], c[0] },
			"type":     func(_ *warehouse.File, c []warehouse.Column) { c[1].Type = "DOUBLE" },
			"sha full": func(f *warehouse.File, _ []warehouse.Column) { f.SHA256 = strings.Repeat("0", 64) },
		} {
			g, c := f, slices.Clone(columns)
			g.Stats = maps.Clone(f.Stats)
			change(&g, c)
			if err := warehouse.Verify(path, g, c, strings.Contains(name, "full")); !errors.Is(err, warehouse.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("%d rows, wrong %s: %v", rows, name, err)
			}
		}
	}
}

// TestVerifyRefusesHugeintAsDouble: what DuckDB writes of a HUGEINT when nobody casts.
func TestVerifyRefusesHugeintAsDouble(t *testing.T) {
	w, dir := engine(t)
	path := filepath.Join(dir, "a.parquet")
	f, err := w.Write(t.Context(), "SELECT 1::DOUBLE AS total", path)
	if err != nil {
		t.Fatal(err)
	}
	err = warehouse.Verify(path, f, []warehouse.Column{{Name: "total", Type: "HUGEINT"}}, false)
	if err == nil || !strings.Contains(err.Error(), `column "total" is DOUBLE, HUGEINT was written`) {
		t.Error(err)
	}
}

// small gives the bytes of a small file of many types, and its facts.
func small(t testing.TB) ([]byte, warehouse.File, []warehouse.Column) {
	w, dir := engine(t)
	path := filepath.Join(dir, "small.parquet")
	query := fmt.Sprintf(manyTypes, 20)
	columns, err := w.Describe(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.Write(t.Context(), query, path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, f, columns
}

// TestVerifyFindsAnyFlippedByte flips each byte in turn: full refuses all of them, and without the checksum nothing
// panics or runs away.
func TestVerifyFindsAnyFlippedByte(t *testing.T) {
	data, f, columns := small(t)
	path := filepath.Join(t.TempDir(), "x.parquet")
	step := 23
	if testing.Short() {
		step = 101
	}
	rng := rand.New(rand.NewPCG(1, 2))
	missed := 0
	for i := 0; i < len(data); i += step {
		bad := slices.Clone(data)
		bad[i] ^= byte(1 + rng.IntN(255))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := warehouse.Verify(path, f, columns, true); !errors.Is(err, warehouse.ErrCorrupt) {
			t.Errorf("byte %d: %v", i, err)
		}
		blind := f
		blind.SHA256 = ""
		if err := warehouse.Verify(path, blind, columns, true); err == nil {
			missed++
		}
	}
	t.Logf("without the sha256, %d of %d flips pass", missed, (len(data)+step-1)/step)
}

func TestVerifyTruncated(t *testing.T) {
	data, f, columns := small(t)
	path := filepath.Join(t.TempDir(), "x.parquet")
	for _, n := range []int{0, 1, 4, 8, 11, 12, 100, len(data) / 2, len(data) - 1} {
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		g := f
		g.Bytes, g.SHA256 = int64(n), ""
		for _, full := range []bool{false, true} {
			if err := warehouse.Verify(path, g, columns, full); !errors.Is(err, warehouse.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
	if err := warehouse.Verify(filepath.Join(t.TempDir(), "none"), f, columns, false); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	data, facts, columns := small(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Add([]byte{})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		g := facts
		g.Bytes, g.SHA256 = int64(len(data)), ""
		bounded(t, path, g, columns)
	})
}

// TestVerifyCorpus: files that once made a decoder run for ever or ask for gigabytes.
func TestVerifyCorpus(t *testing.T) {
	files, _ := filepath.Glob("testdata/corrupt/*.parquet")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		bounded(t, path, warehouse.File{Rows: 20, Bytes: info.Size()}, nil)
	}
}

// TestVerifyMutated: some bytes changed at random and no checksum to tell.
func TestVerifyMutated(t *testing.T) {
	data, f, columns := small(t)
	f.SHA256 = ""
	path := filepath.Join(t.TempDir(), "x.parquet")
	rng := rand.New(rand.NewPCG(9, 2))
	for range 300 {
		bad := slices.Clone(data)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.IntN(256))
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		bounded(t, path, f, columns)
	}
}

// bounded fails when Verify does not end over a small file, or takes gigabytes.
func bounded(t *testing.T, path string, f warehouse.File, columns []warehouse.Column) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = warehouse.Verify(path, f, columns, true)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s: Verify does not end", path)
	}
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.Sys > 3<<30 {
		t.Fatalf("%s: Verify took %d MB", path, m.Sys>>20)
	}
}
