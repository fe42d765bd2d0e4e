package snowflake

import (
	"fmt"
	"regexp"
	"strings"
)

// ShowSchemas lists the schemas of t's database whose names begin with that of t's.
func ShowSchemas(t Table) string {
	return fmt.Sprintf("SHOW SCHEMAS IN DATABASE %s STARTS WITH %s", quote(t.Database), literal(t.Schema))
}

// ShowTables lists the tables of t's schema whose names begin with t's, with their comments, kinds and owners. Names that
// begin so but go on are among them.
func ShowTables(t Table) string {
	return fmt.Sprintf("SHOW TABLES IN SCHEMA %s STARTS WITH %s", t.InSchema(), literal(t.Name))
}

// ShowObjects lists what has the name of a table of t's schema, views among it, with kinds and owners.
func ShowObjects(t Table) string {
	return fmt.Sprintf("SHOW OBJECTS IN SCHEMA %s STARTS WITH %s", t.InSchema(), literal(t.Name))
}

// ShowSchema lists the tables of t's schema: 10,000 of them at most.
func ShowSchema(t Table) string { return "SHOW TABLES IN SCHEMA " + t.InSchema() }

// ShowStaging lists the tables of t's schema that may be ones which loads have filled, or are filling: case does not matter to
// LIKE, so IsStaging has the last word.
func ShowStaging(t Table) string {
	return fmt.Sprintf("SHOW TABLES LIKE %s IN SCHEMA %s", literal("%"+strings.ReplaceAll(stagingMark, "_", `\_`)+"%"), t.InSchema())
}

// loadID is a ULID.
var loadID = regexp.MustCompile("^[0-7][0-9A-HJKMNP-TV-Z]{25}$")

// IsStaging says whether a table is named as Staging names those of a load, and of which. Whether there ever was such a load the ledger
// tells.
func IsStaging(name string) (load string, ok bool) {
	at := strings.LastIndex(name, stagingMark)
	if at < 0 {
		return "", false
	}
	load = strings.TrimSuffix(name[at+len(stagingMark):], listMark)
	return load, loadID.MatchString(load)
}

// Describe lists the columns of a table with their types.
func Describe(t Table) string { return "DESCRIBE TABLE " + t.String() }

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
