package snowflake_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake/snowfaketest"
	"github.com/millrace/millrace/warehouse/snowflake/snowflaketest"
)

// unproven are the cases whose text the stand-in refuses, and what it does not know of them: only an account can prove these. All are
// listed in docs/snowflake-dialect.md.
var unproven = map[string]string{
	"NullKeyRejects":            "OBJECT_CONSTRUCT_KEEP_NULL",
	"Matches all":               "REGEXP_LIKE",
	"Matches all, a backslash":  "REGEXP_LIKE",
	"Matches all, alternatives": "REGEXP_LIKE",
	"Matches a part":            "REGEXP_INSTR",
	"Matches a part, the end":   "REGEXP_INSTR",
	"Length of a list":          "ARRAY_SIZE",
	"Epoch of a date":           "division",
	"Epoch of a time":           "division",
	"TrueNames and Includes":    "ARRAY_CONTAINS",
	"RowHash":                   "HASH",
	"XorAll":                    "BITXOR_AGG",
	"CountDistinctIf of pairs":  "','",
	"Quantile":                  "APPROX_PERCENTILE",
	"Crowded":                   "FLOOR",
	"UUID":                      "UUID_STRING",
	"Best":                      "ARRAY_AGG",
	"Best of the least text":    "ARRAY_AGG",
	"Best of a NULL":            "ARRAY_AGG",
	"Best of no rows":           "ARRAY_AGG",
	"Entries":                   "ARRAY_SIZE",
	"Entries, all of them":      "ARRAY_SIZE",

	"Jaro-Winkler":                  "JAROWINKLER_SIMILARITY",
	"Jaro-Winkler at the bound":     "JAROWINKLER_SIMILARITY",
	"Jaro-Winkler beyond the bound": "JAROWINKLER_SIMILARITY",
	"Levenshtein":                   "EDITDISTANCE",
	"OSA of one":                    "EDITDISTANCE",
	"Words":                         "ARRAY_SIZE",
	"Days":                          "DATEDIFF",

	"Best by places":                                   "ARRAY_AGG",
	"Best by the least place, a NULL":                  "ARRAY_AGG",
	"Best of the least text, one beginning as another": "ARRAY_AGG",
}

// TestBuilders: what builders give in Snowflake is what they give in DuckDB, as far as the stand-in can tell.
func TestBuilders(t *testing.T) { snowflaketest.Builders(t, snowfaketest.Ask(t), unproven) }

// TestNoFiles: what only the local engine is asked is refused, in words that say so.
func TestNoFiles(t *testing.T) {
	ask, d := snowfaketest.Ask(t), snowflake.Dialect
	columns, files := []warehouse.Column{{Name: "id", Type: "BIGINT"}}, []warehouse.File{{Path: "/wh/1.parquet", Stats: map[string]warehouse.Stats{"id": {}}}}
	for _, sql := range []string{d.Scan(files, columns), d.ScanAt(files, columns), "SELECT " + d.FirstRows("true", 1)} {
		if _, err := ask(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "snowflake reads no local files") {
			t.Errorf("%v: %s", err, sql)
		}
	}
}
