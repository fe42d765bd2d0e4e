package snowflake

import (
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// TestRowsPerResultset: an account that cuts answers does not make a load take a part of the ledger for all of it.
func TestRowsPerResultset(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) { c.Parameters = map[string]string{"ROWS_PER_RESULTSET": "2"} })
	f := p.follower(x)
	m := x.publish("r1", x.table("a", nil, "SELECT 1 AS id"), x.table("b", nil, "SELECT 2 AS id"), x.table("c", nil, "SELECT 3 AS id"))
	p.follows(x, f, m, "a new, b new, c new")
	standing, err := f.Standing(t.Context())
	if err != nil || len(standing.Tables) != 3 {
		t.Errorf("of three tables, %+v stand, %v", standing, err)
	}
	if l := p.brought(f, m); len(l.Tables) > 0 {
		t.Errorf("the same snapshot brings %s", modes(l))
	}
	err = uncut([]map[string]string{{"rows_in_all": "3"}, {"rows_in_all": "3"}})
	if err == nil || !strings.Contains(err.Error(), "ROWS_PER_RESULTSET") {
		t.Errorf("of a ledger that was cut it says %v", err)
	}
}

// TestNamesOfFiles: only local files that are sent as they are, under names of another case, are matched without regard to case.
func TestNamesOfFiles(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	p.follows(x, f, x.publish("r1", x.table("as_is", nil, "SELECT 1 AS id"), x.table("same", nil, `SELECT 1 AS "ID"`), x.table("written", nil, "SELECT CAST(1 AS FLOAT) AS id")),
		"as_is new, same new, written new")
	matched := regexp.MustCompile(`(?s)^COPY INTO "[^"]+"\."[^"]+"\."([A-Z_]+?)__MR_.*MATCH_BY_COLUMN_NAME = (\w+)`)
	got := map[string]string{}
	for _, s := range p.server.Statements() {
		if m := matched.FindStringSubmatch(s.SQL); m != nil {
			got[m[1]] = m[2]
		}
	}
	if got["AS_IS"] != "CASE_INSENSITIVE" || got["SAME"] != "CASE_SENSITIVE" || got["WRITTEN"] != "CASE_SENSITIVE" {
		t.Errorf("columns are matched: %v", got)
	}
}
