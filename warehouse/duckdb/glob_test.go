package duckdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// TestGlobMatchesAsRegex: a pattern that is spelled as GLOB finds what the regular expression finds.
func TestGlobMatchesAsRegex(t *testing.T) {
	w := open(t, t.TempDir())
	texts := []string{"", "0", "12345", "1234", "123456", "1234a", "ORD-0123456789", "ORD-012345678", "ord-0123456789", "DE", "De", "D", "DEU", "D\n", "DE\n", "ÄÖ", "[0-9]", "a.b", "axb",
		"a b", "+49123", "49123", "x-y", "x_y", "A1b2", "a@b#c,d:e/f", "1234５", "*", "?", "ab", "abab", "\\", "!", "[!a]"}
	for _, pattern := range []string{"[0-9]{5}", "ORD-[0-9]{10}", "[A-Z]{2}", "", "a\\.b", "a.b", "\\+49[0-9]{3}", "[a-z]-[a-z]", "[a-z]_[a-z]", "[A-Za-z0-9]{4}", "(ab){2}", "(?i)de", "[^a]", "\\*", "\\?",
		"a@b#c,d:e/f", "[!a]", "[a-z]{1,2}", "\\d{5}", "\\w", "[0-Z]", "a b", "[[]0-9]", "^[A-Z]{2}$", "x|y", "[[:alpha:]]{2}"} {
		var values []string
		for _, s := range texts {
			values = append(values, "("+warehouse.DuckDB.QuoteLiteral(s)+")")
		}
		got := rows(t, w, fmt.Sprintf("SELECT x FROM (VALUES %s) AS v(x) WHERE %s", strings.Join(values, ", "), warehouse.DuckDB.Matches("x", pattern, true)))
		want := rows(t, w, fmt.Sprintf("SELECT x FROM (VALUES %s) AS v(x) WHERE regexp_full_match(x, %s)", strings.Join(values, ", "), warehouse.DuckDB.QuoteLiteral(pattern)))
		if got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	if sql := warehouse.DuckDB.Matches("x", "[0-9]{3}", true); !strings.Contains(sql, "GLOB") {
		t.Errorf("not spelled as GLOB: %s", sql)
	}
}
