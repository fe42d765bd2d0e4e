package models_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/models"
)

func parser(t *testing.T) func(context.Context, []string) ([]string, error) {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Plain: true, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db.Trees
}

// TestFindFileReads: what reads files in a SELECT, spelled in one way, and what cannot be read.
func TestFindFileReads(t *testing.T) {
	trees := parser(t)
	for sql, want := range map[string]string{
		"select 1 from t": "",
		"select 'x.csv' as a, b from t where c in ('y.csv', 'z.csv')": "",
		"select * from READ_CSV_AUTO( 'a.csv' ,-- x\n header=true)":   "read_csv('a.csv', header = true) read_csv_auto [a.csv]",
		"from 'd/a.b.csv.gz'": "read_csv('d/a.b.csv.gz') a [d/a.b.csv.gz]",
		`select * from "it's.parquet" x join 'y/*.json' using (a)`:                                                 "read_parquet('it''s.parquet') (x) [it's.parquet]; read_json('y/*.json') y/*.json [y/*.json]",
		"with q as (select * from read_parquet(['a.parquet', 'b/' || 'c.parquet'], union_by_name := true)) from q": "read_parquet(['a.parquet', 'b/' || 'c.parquet'], union_by_name = true) read_parquet [a.parquet b/c.parquet]",
		"select * from t, read_csv(t.path)":                                                                        "read_csv(t.path) read_csv [] !which files are read must be plain to see: the path is not a constant",
		"select * from read_csv('a', delim = d)":                                                                   "read_csv('a', delim = d) read_csv [a] !how files are read must be plain to see: delim is not a constant",
		"select * from read_csv()":                                                                                 "read_csv() read_csv [] !read_csv() names no file",
		"select * from 'https://x.org/a.csv'":                                                                      "read_csv('https://x.org/a.csv') a [https://x.org/a.csv] !https://x.org/a.csv is on another machine",
		"select * from iceberg_scan('x')":                                                                          "iceberg_scan('x') iceberg_scan [] !iceberg_scan() is of an extension",
		"select from where join 'a.csv' x, read_csv('b.csv') as":                                                   "read_csv('a.csv') (a) [a.csv]; read_csv('b.csv') (read_csv) [b.csv]",
		"from query('select * from t where x = ''a.csv''')":                                                        "",
		"from query_table('t')":                                                                                    "",
		"select 1 from query('select * from ' || 'read_csv(''a.csv'')') q":                                         "query('select * from ' || 'read_csv(''a.csv'')') query [] !query() cannot read files",
		"from query_table(['t', 'a.csv'])":                                                                         "query_table(['t', 'a.csv']) query_table [] !query_table() cannot read a.csv",
		"pivot read_csv('b.csv') on k using sum(v)":                                                                "read_csv('b.csv') read_csv [b.csv]",
	} {
		found, err := models.FindFileReads(t.Context(), trees, []string{sql})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, r := range found[0] {
			alias := r.Alias
			if r.Aliased {
				alias = "(" + alias + ")"
			}
			one := fmt.Sprint(r.Call, " ", alias, " ", r.Paths)
			if r.Trouble != nil {
				one += " !" + r.Trouble.Why
			}
			all = append(all, one)
			if text := sql[r.At:r.End]; !strings.HasSuffix(text, ")") && !strings.HasSuffix(text, "'") && !strings.HasSuffix(text, `"`) {
				t.Errorf("%s: it ends at %s", sql, text)
			}
		}
		if got := strings.Join(all, "; "); got != want && (!strings.Contains(want, "!") || !strings.HasPrefix(got, want)) {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

// TestFileReads: each call becomes a stream, which those that call it read; what cannot be read fails its model alone.
func TestFileReads(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"dbt_project.yml":  "name: shop\nversion: '1.0'\nvars: {folder: data}\n",
		"models/a.sql":     "select * from read_csv('{{ var('folder') }}/orders.csv') o join {{ ref('b') }} using (id)",
		"models/b.sql":     "select id from read_csv_auto('data/orders.csv')",
		"models/c.sql":     "from read_csv('data/orders.csv', header = true)",
		"models/d.sql":     "from 's3://bucket/x.parquet'",
		"models/e.sql":     "select *\nfrom 'gone.csv'",
		"models/g.sql":     "select 1 as a,\n  2 as b from query('from ''data/orders.csv''')",
		"models/h.sql":     "from 'warehouse/objects/x.parquet'",
		"models/i.sql":     "from '.millrace/*/x.csv'",
		"models/s.yml":     "sources:\n  - name: ext\n    meta: {external_location: \"(select * from '{name}.csv' where x)\"}\n    tables: [{name: orders}, {name: two}]\n",
		"models/f.sql":     "select * from {{ source('ext', 'two') }}",
		"tests/t.sql":      "select * from read_csv('data/orders.csv') where id is null",
		"data/orders.csv":  "id\n1\n",
		"models/files.sql": "{{ config(schema='x', alias='y') }} select 1 as a",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type options struct {
		Read string `yaml:"read"`
	}
	spec := models.SourceSpec{Type: "scan", Options: func() any { return new(struct{}) }, StreamOptions: func() any { return new(options) }}
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Sources: []models.SourceSpec{spec}, Trees: parser(t), Env: func(string) (string, bool) { return "", false }})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	for model, want := range map[string][]string{"a": {"files.orders_", "main.b"}, "b": {"files.orders_"}, "c": {"files.orders_"}, "d": nil, "e": {"files.gone"}, "f": {"ext.two"}} {
		var got []string
		for _, n := range p.Model(model).Needs {
			got = append(got, n.Name())
		}
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s reads %v, want %v", model, got, want)
		}
	}
	if a, c := p.Model("a").Needs[0], p.Model("c").Needs[0]; a == c || a != p.FileTable("read_csv('data/orders.csv')") {
		t.Errorf("%s and %s", a.Name(), c.Name())
	}
	if d := p.Model("d").Model; d.Unbuildable == "" || d.UnbuildableAt.String() != "models/d.sql:1:6" {
		t.Errorf("d: %s at %s", d.Unbuildable, d.UnbuildableAt)
	}
	if check := p.Model("b").Needs[0].Check("t"); check == nil {
		t.Error("the test does not belong to the file's table")
	}
	said := problems.Error()
	for _, want := range []string{"models/e.sql:2:6: warning: there is no file gone.csv", "models/d.sql:1:6: warning: d cannot be built",
		"models/g.sql:2:15: warning: g cannot be built: query() cannot read files", "models/h.sql:1:6: warning: h cannot be built: warehouse/objects/x.parquet lies in a folder of Millrace's own",
		"models/i.sql:1:6: warning: i cannot be built: .millrace/*/x.csv lies in"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s is not said: %s", want, said)
		}
	}
}

// TestFileReadsByVariables: lint, which has no environment, does not miss files of which it does not know the name; a run says what is not
// set.
func TestFileReadsByVariables(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"dbt_project.yml": "name: shop\n",
		"models/a.sql": "from read_csv('{{ env_var('FOLDER') }}/a.csv')", "models/b.sql": "from 'b.csv'"} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	spec := models.SourceSpec{Type: "scan", Options: func() any { return new(struct{}) }, StreamOptions: func() any {
		return new(struct {
			Read string `yaml:"read"`
		})
	}}
	none := func(string) (string, bool) { return "", false }
	for want, env := range map[string]func(string) (string, bool){
		"models/b.sql:1:6: warning: there is no file b.csv":               nil,
		"models/a.sql:1:19: the environment variable 'FOLDER' is not set": none,
	} {
		_, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Sources: []models.SourceSpec{spec}, Trees: parser(t), Env: env})
		if text := problems.Error(); !strings.Contains(text, want) ||
			strings.Contains(text, "no file FOLDER") || strings.Contains(text, "cannot see") {
			t.Errorf("it is said that %s", text)
		}
	}
}
