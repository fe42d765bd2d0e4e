package models_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

func TestNameParts(t *testing.T) {
	for name, want := range map[string][]string{
		"orders":                 {"orders"},
		"public.orders":          {"public", "orders"},
		"db.public.orders":       {"db", "public", "orders"},
		`"we.ird"."Näme 🎉"`:      {"we.ird", "Näme 🎉"},
		`sales."2024.orders"`:    {"sales", "2024.orders"},
		`"sales".orders`:         {"sales", "orders"},
		`"say ""hi"".now".t`:     {`say "hi".now`, "t"},
		`"a.b`:                   {`"a`, "b"},
		`"a"b.c`:                 {`"a"b`, "c"},
		`a"b.c"d`:                {`a"b`, `c"d`},
		`""`:                     {`""`},
		"a.":                     {"a", ""},
		"orders_2024-01-01.v1.2": {"orders_2024-01-01", "v1", "2"},
	} {
		if got := models.NameParts(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestQuotedStreamName(t *testing.T) {
	p, problems := load(map[string]string{"millrace.yml": strings.Replace(head, "name: orders", `name: '"we.ird"."Näme 🎉"'`, 1)})
	if problems != "" || p.Nodes[0].Name() != "erp.Näme 🎉" {
		t.Errorf("%s %v", problems, p.Nodes)
	}
}
