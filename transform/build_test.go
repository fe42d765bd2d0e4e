package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// bench is a project of models only, with a warehouse to build them in.
func bench(t *testing.T, files map[string]string) (*Builder, string) {
	t.Helper()
	fs := fstest.MapFS{"millrace.yml": &fstest.MapFile{Data: []byte("name: p\nvars: { top: 2 }\n")}}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	dir := t.TempDir()
	p, problems := models.Load(models.Loading{Dir: dir, Files: fs})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 256 << 20, Threads: 1, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return &Builder{Project: p, Warehouse: w}, dir
}

func (b *Builder) must(t *testing.T, model, dir string, before *warehouse.Version) *Built {
	t.Helper()
	built, err := b.Build(t.Context(), Job{Node: b.Project.Model(model), Before: before, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func (b *Builder) rows(t *testing.T, sql string) [][]any {
	t.Helper()
	r, err := b.Warehouse.Query(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows
}

// Parquet has no HUGEINT, and a sum of integers is one: who reads the table divides it as it was.
func TestSumsStayWhole(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/sums.sql": "{{ config(materialized='table') }} select sum(range) as n from range(4)",
		"models/half.sql": "select n // 4 as n, typeof(n) as type from {{ ref('sums') }}",
	})
	if got := b.must(t, "sums", dir, nil).Version.Columns[0].Type; got != "HUGEINT" {
		t.Errorf("n is %s", got)
	}
	b.must(t, "half", dir, nil)
	if got := fmt.Sprint(b.rows(t, "select n::text, type from main.half")); got != "[[1 HUGEINT]]" {
		t.Errorf("half is %s", got)
	}
}

// An ENUM and an INTERVAL are texts in Parquet, and sort by what they mean for who reads the table.
func TestMeaningSorts(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/base.sql": "{{ config(materialized='table') }} select n, sev::enum('low', 'mid', 'high') as sev, n * interval 9 days as dur " +
			"from (values (1, 'low'), (12, 'high'), (2, 'mid')) t(n, sev)",
		"models/most.sql": "select max(sev)::text as sev, max(dur)::text as dur, string_agg(n::text, ' ' order by sev) as n from {{ ref('base') }}",
	})
	b.must(t, "base", dir, nil)
	b.must(t, "most", dir, nil)
	if got := fmt.Sprint(b.rows(t, "select * from main.most")); got != "[[high 108 days 1 2 12]]" {
		t.Errorf("the greatest are %s", got)
	}
}

func TestMaterializations(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/numbers.sql": "{{ config(materialized='table') }} select range as n from range(5)",
		"models/small.sql":   "{{ config(materialized='ephemeral') }} select n from {{ ref('numbers') }} where n < {{ var('top') }} -- a comment at the end",
		"models/seen.sql":    "select count(*) as c from {{ ref('small') }} as s join {{ ref('small') }} as o using (n)",
	})
	if built := b.must(t, "numbers", dir, nil); built.Version.Rows != 5 || len(built.Written) != 1 || !built.Equations[0].Closes() {
		t.Errorf("%+v", built)
	}
	if built := b.must(t, "seen", dir, nil); built.Version.View == "" || len(built.Version.Files()) != 0 {
		t.Errorf("%+v", built)
	}
	if got := b.rows(t, "select c from main.seen")[0][0]; got != int64(2) {
		t.Errorf("the view says %v", got)
	}
}

// TestCleaningInViews: a view is read by DuckDBs that do not have our functions, so it may not call them, nor through an ephemeral model.
func TestCleaningInViews(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/v.sql":      "select 'Ä' as a,\n  clean_fold('Ä') as b",
		"models/e.sql":      "{{ config(materialized='ephemeral') }} select clean_name('Dr. Ä') as a",
		"models/over.sql":   "select a from {{ ref('e') }}",
		"models/named.sql":  "select 'clean_fold(x)' as clean_fold -- clean_fold(x)",
		"models/stored.sql": "{{ config(materialized='table') }} select a, clean_fold('Ä') as b from {{ ref('e') }}",
	})
	for model, pos := range map[string]string{"v": "models/v.sql:2:3", "over": "models/over.sql:1:15"} {
		job := Job{Node: b.Project.Model(model), Dir: dir}
		_, built := b.Build(t.Context(), job)
		_, _, described := b.Describe(t.Context(), job)
		for act, err := range map[string]error{"lint": b.Check(t.Context(), job), "plan": described, "build": built} {
			var te *Error
			if !errors.As(err, &te) || te.Pos != pos || !strings.Contains(te.Error(), "a view cannot call clean_") || !strings.Contains(te.Hint, "materialized='table'") {
				t.Errorf("%s %s: %v at %+v", act, model, err, te)
			}
		}
	}
	b.must(t, "named", dir, nil)
	b.must(t, "stored", dir, nil)
	if got := b.rows(t, "select a, b from main.stored")[0]; got[0] != "a" || got[1] != "a" {
		t.Errorf("the table has %v", got)
	}
}

func TestIncrementalModel(t *testing.T) {
	const sql = "{{ config(materialized='incremental', unique_key='id', incremental_strategy='STRATEGY') }}\n" +
		"select 1 as id, 'first' as what {% if is_incremental() %} where false union all select 2, (select max(what) from {{ this }}) {% endif %}"
	for strategy, want := range map[string]int64{"append": 2, "merge": 2, "delete+insert": 2} {
		t.Run(strategy, func(t *testing.T) {
			b, dir := bench(t, map[string]string{"models/m.sql": strings.ReplaceAll(sql, "STRATEGY", strategy)})
			first := b.must(t, "m", dir, nil)
			if first.Version.Rows != 1 {
				t.Fatalf("%+v", first)
			}
			next := filepath.Join(dir, "second")
			if err := os.Mkdir(next, 0o755); err != nil {
				t.Fatal(err)
			}
			second := b.must(t, "m", next, &first.Version)
			if second.Version.Rows != want {
				t.Errorf("%d rows, want %d", second.Version.Rows, want)
			}
			if got := b.rows(t, "select what from main.m where id = 2")[0][0]; got != "first" {
				t.Errorf("{{ this }} gave %v", got)
			}
		})
	}
}

// TestErrorsNameTheModelsLine: what the engine says of the SQL is told at the place of the template that wrote it.
func TestErrorsNameTheModelsLine(t *testing.T) {
	for name, c := range map[string]struct{ sql, pos, want string }{
		"unknown column":   {"select\n  1 as a,\n  nonsense", "models/m.sql:3:3", "nonsense"},
		"behind a loop":    {"select {% for i in [1, 2] %}{{ i }} as c{{ i }}, {% endfor %}\nnonsense", "models/m.sql:2:1", "nonsense"},
		"syntax":           {"select 1,\nfrom where", "models/m.sql:2:", "syntax"},
		"one column twice": {"select 1 as x, 2 as X", "models/m.sql:1:1", "two columns"},
		"two statements":   {"select 1;\nselect 2", "models/m.sql:", "statement"},
		"a write":          {"create table x as select 1", "models/m.sql:", "SELECT"},
		"a file outside":   {"select * from read_text('/etc/passwd')", "models/m.sql:", "/etc/passwd"},
		"a copy":           {"copy (select 1) to '/tmp/x'", "models/m.sql:", "SELECT"},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := bench(t, map[string]string{"models/m.sql": c.sql})
			_, err := b.Build(t.Context(), Job{Node: b.Project.Model("m"), Dir: dir})
			var te *Error
			if !errors.As(err, &te) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(te.Pos, c.pos) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want %s and %q", te.Pos, err, c.pos, c.want)
			}
		})
	}
}
