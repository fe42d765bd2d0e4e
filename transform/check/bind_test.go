package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// refused says whether the loader takes a pattern for wrong.
func refused(t *testing.T, pattern string) bool {
	t.Helper()
	yml := fmt.Sprintf("models:\n  - name: t\n    checks:\n      - regex: { column: c, pattern: '%s' }\n", strings.ReplaceAll(pattern, "'", "''"))
	_, problems := models.Load(models.Loading{Dir: "/nowhere", Files: fstest.MapFS{
		"millrace.yml": {Data: []byte("name: p\n")}, "models/t.sql": {Data: []byte("select 1")}, "models/t.yml": {Data: []byte(yml)}}})
	if problems.HasErrors() && !strings.Contains(problems.Error(), "the pattern is wrong") {
		t.Fatal(problems)
	}
	return problems.HasErrors()
}

// TestRefusedPatternsAreWrong: what the loader refuses without an engine, the engine refuses too, of patterns made by chance as well.
func TestRefusedPatternsAreWrong(t *testing.T) {
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 256 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, wrong := range []string{"(", "a)", "[a", "*a", "(?=a)", "(?<!a)b", `(a)\1`, "[z-a]", `a\`, `\Z`} {
		if !refused(t, wrong) {
			t.Errorf("%s is not refused", wrong)
		}
	}
	for _, right := range []string{"[A-Z]{2}[0-9]+", `(?i)^\w+@\w+\.[a-z]{2,}$`, `\pL+`, `\Ca`, `\Q*\E`, "(?P<n>a)", "(?<n>a)", "a{,2}", "é|日"} {
		if refused(t, right) {
			t.Errorf("%s is refused", right)
		}
	}
	random, count := rand.New(rand.NewPCG(1, 2)), 0
	pieces := []string{"a", "b", "0", "(", ")", "[", "]", "^", "$", "-", "*", "+", "?", "{2}", "{2,1}", "{", "}", "|", ".", "\\", "d", "C", "Q", "E", "p", "L", "?:", "?=", "?P<n>", "?i", ":alpha:", ",", " "}
	for range 2_000 {
		pattern := ""
		for range 1 + random.IntN(7) {
			pattern += pieces[random.IntN(len(pieces))]
		}
		if strings.Contains(pattern, "${") || !refused(t, pattern) { // which is a reference
			continue
		}
		count++
		if _, err := w.Query(t.Context(), "SELECT regexp_full_match('a', "+warehouse.DuckDB.QuoteLiteral(pattern)+")"); err == nil {
			t.Errorf("the loader refuses %q, the engine does not", pattern)
		}
	}
	if count < 200 {
		t.Errorf("%d patterns were refused: the test says little", count)
	}
}

func TestBind(t *testing.T) {
	right := []string{"not_null: c", "unique: [c, n]", "range: { column: n, min: 1 }", "regex: { column: c, pattern: 'a+' }", "expression: n > 1", "row_count: { min: 1 }",
		"freshness: { column: at, error_after: 1h }", "distribution: { column: n, metric: mean }", "volume", `sql: "select * from {{ this }}"`, `sql: "select * from read_csv('/etc/passwd')"`, "accepted_values: { column: n, values: [1, 2] }",
		"distribution: { column: C, metric: drift, where: n > 1 }", "volume: { new: true }", "reconcile: { with: previous, key: [c], columns: [n], where: n > 1 }", "reconcile: { with: ref('parent'), key: [n], ignore: [p], columns: [n] }"}
	wrong := map[string]string{
		"distribution: { column: n, metric: drift, where: mm = 1 }": `"mm"`,
		"not_null: cc":                                        `did you mean "c"?`,
		"unique: [c, m]":                                      `no column "m"`,
		"range: { column: c, min: 1 }":                        "c is VARCHAR",
		"expression: nn > 1":                                  "nn",
		"expression: n >":                                     "syntax error",
		"not_null: { column: c, where: m = 1 }":               `"m"`,
		"accepted_values: { column: n, values: [many] }":      "Conversion Error",
		"freshness: { column: n, error_after: 1h }":           "it has no age",
		`sql: "select m from {{ this }}"`:                     `"m"`,
		"reconcile: { with: previous, key: [cc] }":            `did you mean "c"?`,
		"reconcile: { with: previous, columns: [m] }":         `no column "m"`,
		"reconcile: { with: previous, where: nn > 1 }":        "nn",
		"reconcile: { with: ref('parent'), key: [c] }":        `main.parent has no key column "c"`,
		"reconcile: { with: ref('parent'), ignore: [nm] }":    `no column to ignore "nm"`,
		"reconcile: { with: ref('parent'), columns: [n, c] }": `main.parent has no column "c"`,
		`regex: { column: c, pattern: 'a{1001}' }`:            "repetition",
	}
	for text := range wrong {
		right = append(right, text)
	}
	l := open(t, right...)
	l.Dir = "/nowhere"
	l.Parent = func(*models.Node) (string, error) { return "(SELECT 1 AS n, 2 AS p) AS p", nil }
	empty := Table{From: `(SELECT NULL::VARCHAR AS c, NULL::BIGINT AS n, NULL::TIMESTAMP AS "at" WHERE false)`,
		Columns: []warehouse.Column{{Name: "c", Type: "VARCHAR"}, {Name: "n", Type: "BIGINT"}, {Name: "at", Type: "TIMESTAMP"}}}
	l.Query = func(_ context.Context, c *models.Check) (string, error) {
		return strings.ReplaceAll(c.Args.(*models.SQL).Query, "{{ this }}", empty.From+" AS t"), nil
	}
	found, err := l.Bind(t.Context(), empty, l.node.Checks)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for _, r := range found {
		at[r.Pos] = r.Message
	}
	for i, text := range right {
		message, isWrong := at[fmt.Sprintf("models/t.yml:%d:9", 6+i)], wrong[text] != ""
		if isWrong != (message != "") || !strings.Contains(message, wrong[text]) {
			t.Errorf("%s: %q, want %q", text, message, wrong[text])
		}
	}
}

// TestRowKey: what tells rows apart for sure.
func TestRowKey(t *testing.T) {
	columns := []warehouse.Column{{Name: "a"}, {Name: "b"}}
	for want, checks := range map[string][]string{
		"[a]":   {"unique: a"},
		"[A b]": {"unique: { column: a, severity: warn }", "unique: { column: a, where: b > 1 }", "unique: { column: a, error_if: '> 5' }", "unique: { column: a, severity: quarantine }", "unique: lower(a)", "unique: [A, b]"},
		"[]":    {"not_null: a"},
	} {
		if got := fmt.Sprint(RowKey(open(t, checks...).node, columns)); got != want {
			t.Errorf("%s: %s", want, got)
		}
	}
}
