package duckdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// TestRowHash compares the hashes of small values pairwise with what the engine takes for the same, for values that a hash may
// confuse: NULL, nothing and a list of NULL, 0 and what is not there, lists in lists.
func TestRowHash(t *testing.T) {
	w := open(t, t.TempDir())
	for _, c := range []struct{ typ, values string }{
		{"INTEGER", "NULL; 0; 1; 2; -1"},
		{"DOUBLE", "NULL; 0.0; '-0.0'; 1; 'nan'; '-nan'; 'inf'"},
		{"VARCHAR", "NULL; ''; 'NULL'; '0'; '[]'"},
		{"INTEGER[]", "NULL; []; [NULL]; [NULL, NULL]; [0]; [1]; [0, 1]; [1, 0]; [0, 0]; [1, NULL]; [NULL, 1]; [0, 0, 1]"},
		{"DOUBLE[]", "NULL; [0.0]; ['-0.0'::DOUBLE]; ['nan'::DOUBLE]; [NULL]; [0.0, 0.0]"},
		{"VARCHAR[]", "NULL; []; ['']; [NULL]; ['NULL']; ['a, b']; ['a', 'b']; ['ab']; ['a', 'b', NULL]; ['''']; ['['']']"},
		{"INTEGER[][]", "NULL; []; [NULL]; [[]]; [[], []]; [[NULL]]; [[0]]; [[0, 1]]; [[0], [1]]; [[1]]; [[0, 1], []]; [[], [0, 1]]; [[1], [0]]"},
		{"STRUCT(a INTEGER)", "NULL; {'a': NULL}; {'a': 0}; {'a': 1}"},
		{"STRUCT(a INTEGER, b INTEGER)", "NULL; {'a': NULL, 'b': NULL}; {'a': 0, 'b': NULL}; {'a': NULL, 'b': 0}; {'a': 0, 'b': 1}; {'a': 1, 'b': 0}"},
		{"STRUCT(a INTEGER[], b STRUCT(a VARCHAR))", "NULL; {'a': NULL, 'b': NULL}; {'a': [], 'b': NULL}; {'a': NULL, 'b': {'a': NULL}}; {'a': [0], 'b': {'a': NULL}}; {'a': NULL, 'b': {'a': '0'}}"},
		{"STRUCT(a INTEGER)[]", "NULL; []; [NULL]; [{'a': NULL}]; [{'a': 0}]; [{'a': 0}, {'a': 1}]; [{'a': 1}]; [{'a': NULL}, NULL]; [NULL, {'a': NULL}]"},
		{"MAP(VARCHAR, INTEGER)", "NULL; MAP {}; MAP {'a': NULL}; MAP {'a': 0}; MAP {'a': 1}; MAP {'a': 0, 'b': 1}; MAP {'b': 1, 'a': 0}; MAP {'b': 0, 'a': 1}"},
		{"TIMESTAMP WITH TIME ZONE[]", "NULL; ['2020-01-01 00:00:00+00'::TIMESTAMPTZ]; ['2020-01-01 01:00:00+01'::TIMESTAMPTZ]; ['2020-01-01 01:00:00+00'::TIMESTAMPTZ]"},
	} {
		typ, err := warehouse.ParseType(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		bigint := warehouse.Type{Name: "BIGINT"}
		var rows []string
		for _, v := range strings.Split(c.values, "; ") {
			rows = append(rows, fmt.Sprintf("SELECT CAST(%s AS %s) AS v, CAST(%d AS BIGINT) AS id", v, c.typ, len(rows)))
		}
		all := "(" + strings.Join(rows, " UNION ALL ") + ")"
		for _, hash := range []string{
			w.Dialect().RowHash([]string{"%[1]s.v"}, []warehouse.Type{typ}),
			w.Dialect().RowHash([]string{"%[1]s.v", "0::BIGINT"}, []warehouse.Type{typ, bigint}),
			w.Dialect().RowHash([]string{"0::BIGINT", "%[1]s.v"}, []warehouse.Type{bigint, typ}),
		} {
			a, b := fmt.Sprintf(hash, "a"), fmt.Sprintf(hash, "b")
			wrong, err := w.Query(t.Context(), fmt.Sprintf("SELECT CAST(a.v AS VARCHAR) AS a, CAST(b.v AS VARCHAR) AS b FROM %s AS a, %[1]s AS b WHERE (%s = %s) <> (%s)", all, a, b, w.Dialect().Same("a.v", "b.v")))
			if err != nil {
				t.Fatal(err)
			}
			if len(wrong.Rows) > 0 {
				t.Errorf("%s: %s confuses, or tells apart, %v", c.typ, hash, wrong.Rows)
			}
		}
	}
}
