package transform

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models/jinja"
)

// macroCases is testdata/macros.json: what the SQL of dbt's macros gives on DuckDB, by models/jinja/testdata/gen_context.py.
type macroCases struct {
	Orders string
	Cases  []macroCase
}

type macroCase struct {
	Src   string
	Types []string
	Rows  [][]*string
}

// asking renders templates as the model m does.
func (b *Builder) asking(t *testing.T, src string) (string, error) {
	t.Helper()
	tpl, err := jinja.Parse("models/m.sql", src)
	if err != nil {
		t.Fatal(err)
	}
	n := b.Project.Model("m")
	s := &session{Builder: b, ctx: t.Context(), job: Job{Node: n}}
	out, err := tpl.Render(t.Context(), jinja.ModelGlobals(s, b.facts(s.relation(n))), b.options(n))
	if err != nil {
		return "", err
	}
	return out.Text, nil
}

// TestMacros: the SQL is ours, the values and their types are dbt's.
func TestMacros(t *testing.T) {
	file := readMacroCases(t, "testdata/macros.json", 40)
	b := file.bench(t)
	for _, c := range file.Cases {
		b.asInDBT(t, c)
	}
}

// TestPackages: the macros of public packages give what they give in dbt. The folder holds dbt_utils, dbt_expectations and dbt_date.
func TestPackages(t *testing.T) {
	folder := os.Getenv("MILLRACE_DBT_PACKAGES")
	if folder == "" {
		t.Skip("MILLRACE_DBT_PACKAGES names no folder with the packages dbt_utils, dbt_expectations and dbt_date")
	}
	file := readMacroCases(t, "testdata/packages.json", 50)
	b := file.bench(t)
	packages := []jinja.Package{{Name: "p"}}
	for _, name := range []string{"dbt_utils", "dbt_expectations", "dbt_date"} {
		packages = append(packages, readPackage(t, name, filepath.Join(folder, name)))
	}
	var err error
	if b.Project.Macros, err = jinja.NewLibrary(append(packages, jinja.BuiltinPackage())...); err != nil {
		t.Fatal(err)
	}
	b.Project.Vars["dbt_date:time_zone"] = "UTC"
	for _, c := range file.Cases {
		b.asInDBT(t, c)
	}
}

func readPackage(t *testing.T, name, dir string) jinja.Package {
	t.Helper()
	p := jinja.Package{Name: name}
	files := os.DirFS(dir)
	err := fs.WalkDir(files, "macros", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".sql" {
			return err
		}
		src, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		tpl, err := jinja.Parse(name+"/"+path, string(src))
		p.Macros = append(p.Macros, tpl)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readMacroCases(t *testing.T, path string, least int) macroCases {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file macroCases
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < least {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	return file
}

// bench builds the tables that the cases read.
func (f macroCases) bench(t *testing.T) *Builder {
	t.Helper()
	b, dir := bench(t, map[string]string{"models/orders.sql": f.Orders, "models/m.sql": "select 1 as x"})
	b.must(t, "orders", dir, nil)
	b.must(t, "m", dir, nil)
	return b
}

// asInDBT runs a case and wants dbt's types and values, as text.
func (b *Builder) asInDBT(t *testing.T, c macroCase) {
	t.Helper()
	sql, err := b.asking(t, c.Src)
	if err != nil {
		t.Errorf("%s\n %v", c.Src, err)
		return
	}
	columns, err := b.Warehouse.Describe(t.Context(), sql)
	if err != nil {
		t.Errorf("%s\n%s\n %v", c.Src, sql, err)
		return
	}
	var types []string
	for _, col := range columns {
		types = append(types, col.Type)
	}
	if !slices.Equal(types, c.Types) {
		t.Errorf("%s\n%s\n has types %v\nwant %v", c.Src, sql, types, c.Types)
	}
	answer, err := b.Warehouse.Query(t.Context(), "SELECT COLUMNS(*)::VARCHAR FROM (\n"+sql+"\n)")
	if err != nil {
		t.Errorf("%s\n%s\n %v", c.Src, sql, err)
		return
	}
	if len(answer.Rows) == 0 && len(c.Rows) == 0 {
		return
	}
	// The database of the script has a name, ours has none that is printed.
	if got, want := asJSON(t, answer.Rows), strings.ReplaceAll(asJSON(t, c.Rows), `\"shop\".`, ""); got != want {
		t.Errorf("%s\n%s\n got %s\nwant %s", c.Src, sql, got, want)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
