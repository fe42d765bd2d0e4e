package models_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// loadTables reads a checks file. A path that ends in .fake is read by the fake source, one that ends in .no by nothing.
func loadTables(text string, env map[string]string) (*models.Project, string) {
	in := models.Loading{Dir: "/d", Sources: []models.SourceSpec{fakeSource}}
	if env != nil {
		in.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	}
	p, problems := models.LoadTables(in, models.TablesFile{Name: "d/t.yml", Source: []byte(text), Path: func(path string) (models.PathMeaning, error) {
		switch {
		case strings.HasSuffix(path, ".no"):
			return models.PathMeaning{}, errors.New("no table")
		case strings.HasSuffix(path, ".fake"):
			return models.PathMeaning{Type: "fake", Set: func(_, stream any) { stream.(*fakeStream).Table = path }}, nil
		}
		return models.PathMeaning{}, nil
	}})
	if problems != nil {
		return p, problems.Error()
	}
	return p, ""
}

func TestTables(t *testing.T) {
	p, problems := loadTables(`
vars: { least: 3 }
tables:
  - name: s.orders
    from: ${PLACE}/o.parquet
    tags: [money]
    checks:
      - range: { column: amount, min: "${var:least}" }
      - relationships: { column: customer_id, to: customers, field: id, severity: quarantine }
      - sql: "select 1 from {{ ref('lines') }} where {{ var('least') }} > 2"
  - name: lines
    from: x.fake
  - name: customers
    from: { type: fake, table: t1, max_rejects: 5 }
    columns: [{ name: id, data_tests: [unique] }]
    checks: [{ relationships: { column: id, to: orders, field: customer_id } }]
`, map[string]string{"PLACE": "/data"})
	if problems != "" {
		t.Fatal(problems)
	}
	var names []string
	for _, n := range p.Nodes {
		names = append(names, n.Name())
	}
	if got := strings.Join(names, " "); got != "s.orders main.lines main.customers" {
		t.Errorf("tables are %s", got)
	}
	orders, lines, customers := p.Nodes[0], p.Nodes[1], p.Nodes[2]
	if orders.From != "/data/o.parquet" || orders.Stream != nil || orders.Kind != models.KindTable {
		t.Errorf("orders: %+v", orders)
	}
	if lines.Stream == nil || lines.Stream.Options.(*fakeStream).Table != "x.fake" {
		t.Errorf("lines: %+v", lines.Stream)
	}
	if s := customers.Stream; s.Name != "t1" || s.Mode != "full" || s.MaxRejects.String() != "5" || len(customers.Checks) != 2 {
		t.Errorf("customers: %+v", s)
	}
	if c := orders.Checks[1]; c.Args.(*models.Relationships).Node != customers || c.Deferred {
		t.Errorf("a circle of relationships is no reason to wait: %+v", c)
	}
	if c := orders.Checks[2]; len(c.Reads) != 1 || c.Reads[0] != lines {
		t.Errorf("the query reads %v", c.Reads)
	}
	if chosen, err := p.Select([]string{"tag:money"}, nil); err != nil || len(chosen) != 1 {
		t.Errorf("tag: %v, %v", chosen, err)
	}
}

func TestTablesMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no tables":       {"tables: []\n", []string{"d/t.yml:1:9: there are no tables"}},
		"empty name":      {"tables:\n  - { name: \"\", from: x }\n", []string{"d/t.yml:2:13: a table needs a name"}},
		"no from":         {"tables:\n  - name: a\n", []string{`d/t.yml:2:5: missing key "from"`}},
		"unknown key":     {"tables:\n  - { name: a, from: x, chekcs: [] }\n", []string{`unknown key "chekcs"`, `did you mean "checks"?`}},
		"three parts":     {"tables:\n  - { name: a.b.c, from: x }\n", []string{`d/t.yml:2:13: "a.b.c" cannot be a table's name`}},
		"twice":           {"tables:\n  - { name: a, from: x }\n  - { name: main.A, from: x }\n", []string{"d/t.yml:3:13: two nodes are named main.A", "give the table another name"}},
		"no such path":    {"tables:\n  - { name: a, from: x.no }\n", []string{"d/t.yml:2:22: from: no table"}},
		"no type":         {"tables:\n  - { name: a, from: { table: x } }\n", []string{"from: needs a type"}},
		"unknown type":    {"tables:\n  - { name: a, from: { type: fakee } }\n", []string{"d/t.yml:2:30", `did you mean "fake"?`}},
		"the source's":    {"tables:\n  - { name: a, from: { type: fake, table: forbidden } }\n", []string{"that table is forbidden"}},
		"mode has no use": {"tables:\n  - { name: a, from: { type: fake, mode: append } }\n", []string{`unknown key "mode"`}},
		"unknown ref":     {"tables:\n  - { name: abc, from: x, checks: [{ sql: \"select 1 from {{ ref('abd') }}\" }] }\n", []string{`ref("abd"): no table is named so`, `did you mean "abc"?`}},
		"ambiguous ref":   {"tables:\n  - { name: s.a, from: x }\n  - { name: t.a, from: x, checks: [{ relationships: { column: i, to: a } }] }\n", []string{"a may be s.a or t.a"}},
		"Soda's kind":     {"tables:\n  - { name: a, from: x, checks: [{ duplicate_count: id }] }\n", []string{`the kind "unique" can say the same`}},
		"GX' kind":        {"tables:\n  - { name: a, from: x, checks: [{ expect_column_values_to_not_be_null: id }] }\n", []string{`the kind "not_null" can say the same`}},
		"unset variable":  {"tables:\n  - { name: a, from: \"${NONE}/x\" }\n", []string{"NONE"}},
	} {
		_, problems := loadTables(c.text, map[string]string{})
		for _, want := range c.want {
			if !strings.Contains(problems, want) {
				t.Errorf("%s: no %q in\n%s", name, want, problems)
			}
		}
	}
	if _, problems := loadTables("tables:\n  - { name: a, from: \"${NONE}.no\", checks: [{ range: { column: a, min: \"${NONE}\" } }] }\n", nil); problems != "" {
		t.Errorf("lint needs no variable:\n%s", problems)
	}
}
