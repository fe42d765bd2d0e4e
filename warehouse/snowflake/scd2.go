package snowflake

import (
	"fmt"
	"time"
)

// SCD2Spec is a difference to bring into a table that keeps the history of each key. The staging table is as Merge's.
type SCD2Spec struct {
	Table, Staging Table
	Columns        []Column // without OpColumn, ValidFrom, ValidTo and IsCurrent
	Key            []string
	At             time.Time // when the difference holds from: the version's own time, so that a repeat writes the same
}

// SCD2 closes what has changed or is gone, then adds what is new. What began at the very same time never held: it is replaced, and
// so run again it changes nothing. A row that began later stays, and CurrentTwice finds its key.
func SCD2(s SCD2Spec) []Statement {
	at := s.At.UnixMicro()
	close := mergeInto(s.Table, s.Staging.String(), equal(s.Key)+` AND t."IS_CURRENT"`, []string{
		`WHEN MATCHED AND t."VALID_FROM" = ` + bindTime + ` THEN DELETE`,
		`WHEN MATCHED AND t."VALID_FROM" < ` + bindTime + ` THEN UPDATE SET "VALID_TO" = ` + bindTime + `, "IS_CURRENT" = FALSE`,
	})
	list := idents(names(s.Columns))
	add := fmt.Sprintf("INSERT INTO %s (%s, \"VALID_FROM\", \"VALID_TO\", \"IS_CURRENT\")\nSELECT %s, %s, NULL, TRUE FROM %s WHERE \"_MR_OP\" = 'U'",
		s.Table, list, list, bindTime, s.Staging)
	return []Statement{{close, []any{at, at, at}}, {add, []any{at}}}
}

// CurrentTwice counts the keys that have more than one current row: none, or the history is wrong.
func CurrentTwice(t Table, key []string) string { return twice(t, key, "\nWHERE \"IS_CURRENT\"") }
