package duckdb

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	driverdb "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/internal/sqltoken"
)

// pin is what a PIVOT without IN gets for the parser, which takes it for one SELECT then.
const pin = " IN ('x')"

// pinned gives each PIVOT of a query an IN; "" where none lacks it.
func pinned(query string, open []int) string {
	var b strings.Builder
	at := 0
	for _, next := range open {
		b.WriteString(query[at:next] + pin)
		at = next
	}
	return b.String() + query[at:]
}

var location = regexp.MustCompile(`"query_location":[0-9]+`)

// unpinned is the tree of a pinned query with the places of the query as it is written.
func unpinned(tree string, open []int) string {
	return location.ReplaceAllStringFunc(tree, func(s string) string {
		head, digits, _ := strings.Cut(s, ":")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n > 1<<31 { // there is none
			return s
		}
		before := 0
		for i, at := range open {
			if int(n) >= at+(i+1)*len(pin) {
				before = (i + 1) * len(pin)
			}
		}
		return fmt.Sprintf("%s:%d", head, int(n)-before)
	})
}

// Settle gives a SELECT that one statement can run, of one whose PIVOT has no IN: over a table that holds its rows, until release. Any
// other SELECT it gives back.
func (db *DB) Settle(ctx context.Context, query string) (settled string, release func(), err error) {
	release = func() {}
	if len(sqltoken.OpenPivots(query)) == 0 {
		return query, release, nil
	}
	if err := db.CheckSelect(ctx, query); err != nil {
		return "", release, err
	}
	name := fmt.Sprintf("_millrace_pivot_%d", db.views.Add(1))
	prefix := "CREATE TABLE memory.main." + name + " AS (\n"
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		_, err := conn.ExecContext(ctx, prefix+Trim(query)+"\n)", nil)
		return shift(problem(ctx, err), len(prefix), len(query))
	})
	if err != nil {
		return "", release, err
	}
	return "SELECT * FROM memory.main." + name, func() { _ = db.Exec(context.WithoutCancel(ctx), "DROP TABLE memory.main."+name) }, nil
}
