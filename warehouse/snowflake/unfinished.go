package snowflake

import (
	"fmt"
	"strings"
	"time"
)

// Unfinished reads the rows of loads into the target that were begun and neither committed nor given up.
func (l Ledger) Unfinished(t Target) Statement {
	return Statement{whole(fmt.Sprintf("SELECT %s\nFROM %s\nWHERE %s AND \"STATE\" = 'started'", entryColumns, l.loads(), ofTarget),
		`"LOAD_ID" NULLS LAST, `+byNode), []any{t.Project, t.Schema}}
}

// Load reads whose load it is, and the states of its rows.
func (l Ledger) Load(load string) Statement {
	return Statement{"SELECT DISTINCT \"PROJECT\", \"STATE\"\nFROM " + l.loads() + "\nWHERE \"LOAD_ID\" = ?", []any{load}}
}

// GiveUp notes that what was begun under an earlier epoch, and not committed, never will be.
func (l Ledger) GiveUp(t Target, epoch int64) Statement {
	return Statement{`UPDATE ` + l.loads() + `
SET "STATE" = 'failed'
WHERE ` + ofTarget + ` AND "STATE" = 'started' AND "EPOCH" < ?`, []any{t.Project, t.Schema, epoch}}
}

// BeginNamed begins a transaction that SHOW TRANSACTIONS tells by its name, of letters, digits and underscores.
func BeginNamed(name string) string { return "BEGIN TRANSACTION NAME " + quote(name) }

// NoAutocommit has the session's statements begin a transaction where none is open. So no statement of one that was aborted from outside stands by itself.
const NoAutocommit = "ALTER SESSION SET AUTOCOMMIT = FALSE"

// CurrentTransaction reads the id of the session's open transaction; NULL when there is none.
const CurrentTransaction = `SELECT CURRENT_TRANSACTION() AS "ID"`

// LockTimeout says how long the session's statements wait for a lock, in whole seconds.
func LockTimeout(most time.Duration) string {
	return fmt.Sprintf("ALTER SESSION SET LOCK_TIMEOUT = %d", max(1, int64(most.Seconds())))
}

// Live is a table expression: the rows of a table that its node has, without those that are marked as deleted, or past.
func Live(t Table, marks, history bool) string {
	switch {
	case marks:
		return "(SELECT * FROM " + t.String() + ` WHERE "_DELETED_AT" IS NULL)`
	case history:
		return "(SELECT * FROM " + t.String() + ` WHERE "IS_CURRENT")`
	}
	return t.String()
}

// CountLive counts the rows of such an expression.
func CountLive(from string) string { return `SELECT COUNT(*) AS "N" FROM ` + from }

// CountValues counts the rows of such an expression in which one of the columns is not NULL.
func CountValues(from string, columns []Column) string {
	conditions := make([]string, len(columns))
	for i, c := range columns {
		conditions[i] = quote(c.Name) + " IS NOT NULL"
	}
	return CountLive(from) + " WHERE " + strings.Join(conditions, " OR ")
}
