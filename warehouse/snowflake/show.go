package snowflake

import (
	"fmt"
	"strings"
)

// ShowTables lists the tables of t's schema whose names begin with t's, with their comments, kinds and owners. Names that
// begin so but go on are among them.
func ShowTables(t Table) string {
	return fmt.Sprintf("SHOW TABLES IN SCHEMA %s STARTS WITH %s", t.InSchema(), literal(t.Name))
}

// ShowStaging lists the tables of t's schema that loads have filled, or are filling. An underscore of the pattern stands for any
// character, so IsStaging has the last word.
func ShowStaging(t Table) string {
	return fmt.Sprintf("SHOW TABLES LIKE %s IN SCHEMA %s", literal("%"+stagingMark+"%"), t.InSchema())
}

// IsStaging says whether a table is one that Staging has named, and by which load.
func IsStaging(name string) (load string, ok bool) {
	at := strings.LastIndex(name, stagingMark)
	if at < 0 {
		return "", false
	}
	return strings.TrimSuffix(name[at+len(stagingMark):], listMark), true
}

// Describe lists the columns of a table with their types.
func Describe(t Table) string { return "DESCRIBE TABLE " + t.String() }

// Count counts the rows of a table.
func Count(t Table) string { return "SELECT COUNT(*) AS \"N\" FROM " + t.String() }

// ShowGrants lists who may do what with a table.
func ShowGrants(t Table) string { return "SHOW GRANTS ON TABLE " + t.String() }

// ShowGrantsTo lists what a role may do.
func ShowGrantsTo(role string) string { return "SHOW GRANTS TO ROLE " + quote(strings.ToUpper(role)) }

// ShowStreams lists the streams of a database: one on a table does not follow it through a swap.
func ShowStreams(database string) string {
	return "SHOW STREAMS IN DATABASE " + quote(strings.ToUpper(database))
}

// Policies lists the policies on a table: LIKE does not copy them.
func Policies(t Table) string {
	return fmt.Sprintf("SELECT POLICY_NAME, POLICY_KIND FROM TABLE(%s.INFORMATION_SCHEMA.POLICY_REFERENCES(REF_ENTITY_NAME => %s, REF_ENTITY_DOMAIN => 'TABLE'))",
		quote(t.Database), literal(t.String()))
}

// ShowTransactions lists the open transactions of the session's user.
func ShowTransactions() string { return "SHOW TRANSACTIONS" }

// AbortTransaction ends a transaction that its client has left behind.
func AbortTransaction(id int64) string { return fmt.Sprintf("SELECT SYSTEM$ABORT_TRANSACTION(%d)", id) }

// ShowWarehouse lists the warehouses with that name, by case or not: size, state.
func ShowWarehouse(name string) string { return "SHOW WAREHOUSES LIKE " + literal(name) }

// SuspendWarehouse stops a warehouse when its statements have ended.
func SuspendWarehouse(name string) string {
	return "ALTER WAREHOUSE " + quote(strings.ToUpper(name)) + " SUSPEND"
}
