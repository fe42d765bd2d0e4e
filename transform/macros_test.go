package transform

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/millrace/millrace/models/jinja"
)

// macroCases is testdata/macros.json: what the SQL of dbt's macros gives on DuckDB, by models/jinja/testdata/gen_context.py.
type macroCases struct {
	Orders string
	Cases  []struct {
		Src   string
		Types []string
		Rows  [][]*string
	}
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
	data, err := os.ReadFile("testdata/macros.json")
	if err != nil {
		t.Fatal(err)
	}
	var file macroCases
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 40 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	b, dir := bench(t, map[string]string{"models/orders.sql": file.Orders, "models/m.sql": "select 1 as x"})
	b.must(t, "orders", dir, nil)
	for _, c := range file.Cases {
		sql, err := b.asking(t, c.Src)
		if err != nil {
			t.Errorf("%s\n %v", c.Src, err)
			continue
		}
		columns, err := b.Warehouse.Describe(t.Context(), sql)
		if err != nil {
			t.Errorf("%s\n%s\n %v", c.Src, sql, err)
			continue
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
			continue
		}
		var rows [][]*string
		for _, row := range answer.Rows {
			var texts []*string
			for _, v := range row {
				s, ok := v.(string)
				if !ok {
					texts = append(texts, nil)
					continue
				}
				texts = append(texts, &s)
			}
			rows = append(rows, texts)
		}
		got, want := asJSON(t, rows), asJSON(t, c.Rows)
		if got != want && !(len(rows) == 0 && len(c.Rows) == 0) {
			t.Errorf("%s\n%s\n got %s\nwant %s", c.Src, sql, got, want)
		}
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
