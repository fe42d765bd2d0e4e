package snowflake

import (
	"fmt"
	"strings"
)

// OpColumn is a column of the staging tables of Merge and SCD2: OpUpsert in rows that are new or have changed, OpDelete in rows of
// which only the key is filled and that are gone.
var OpColumn = Column{Name: "_MR_OP", Source: "_MR_OP", DuckDB: "VARCHAR", Type: "VARCHAR(1)"}

// The values of OpColumn.
const (
	OpUpsert = "U"
	OpDelete = "D"
)

// Columns that a table has beyond those of its node: by soft deletes the first, by SCD2 the others. Times are UTC.
var (
	DeletedAt = Column{Name: "_DELETED_AT", Source: "_DELETED_AT", DuckDB: "TIMESTAMP", Type: "TIMESTAMP_NTZ(6)"}
	ValidFrom = Column{Name: "VALID_FROM", Source: "VALID_FROM", DuckDB: "TIMESTAMP", Type: "TIMESTAMP_NTZ(6)"}
	ValidTo   = Column{Name: "VALID_TO", Source: "VALID_TO", DuckDB: "TIMESTAMP", Type: "TIMESTAMP_NTZ(6)"}
	IsCurrent = Column{Name: "IS_CURRENT", Source: "IS_CURRENT", DuckDB: "BOOLEAN", Type: "BOOLEAN"}
)

// NewTable is a table to create. It has no primary key: its columns could never hold a NULL again, when another is the key one day.
type NewTable struct {
	Table
	Columns   []Column
	ClusterBy []string
	Transient bool
	Passing   bool // its rows only go on to another: transient, and nothing is kept of it once it is dropped
	Comment   string
}

// CreateStaging makes a table empty, with no memory of what was loaded into it: COPY skips files that it remembers.
func CreateStaging(t NewTable) string {
	kind := "TABLE"
	if t.Transient || t.Passing {
		kind = "TRANSIENT TABLE"
	}
	lines := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		lines[i] = "  " + c.define()
	}
	sql := fmt.Sprintf("CREATE OR REPLACE %s %s (\n%s\n)", kind, t.Table, strings.Join(lines, ",\n"))
	if len(t.ClusterBy) > 0 {
		sql += "\nCLUSTER BY (" + idents(t.ClusterBy) + ")"
	}
	if t.Passing {
		sql += "\nDATA_RETENTION_TIME_IN_DAYS = 0"
	}
	sql += "\n" + plainText
	if t.Comment != "" {
		sql += "\nCOMMENT = " + literal(t.Comment)
	}
	return sql
}

// plainText makes texts that differ in a byte differ, whatever collation the account, the database or the schema gives to new tables.
// The empty one means none, for columns that are added later too (estuary/connectors#2847).
const plainText = "DEFAULT_DDL_COLLATION = ''"

func (c Column) define() string { return quote(c.Name) + " " + c.Type }

// CreateLike makes the table that is swapped for t: its columns, clustering and, by COPY GRANTS, rights. Only two permanent or two
// transient tables can be swapped.
func CreateLike(like, t Table, transient bool) string {
	kind := "TABLE"
	if transient {
		kind = "TRANSIENT TABLE"
	}
	return fmt.Sprintf("CREATE OR REPLACE %s %s LIKE %s COPY GRANTS", kind, like, t)
}

// CreateSchema makes the table's schema unless it is there. The role needs the privilege to make one even where it is
// (dbt-labs/dbt-external-tables#214): look by ShowSchemas first.
func CreateSchema(t Table) string { return "CREATE SCHEMA IF NOT EXISTS " + t.InSchema() }

// AddColumns are statements, each to add a column unless it is there. Its rows have NULL in it.
func AddColumns(t Table, columns []Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s", t, c.define())
	}
	return out
}

// AlterType gives a column the type that Widen has found.
func AlterType(t Table, column, typ string) string {
	return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET DATA TYPE %s", t, quote(column), typ)
}

// Swap exchanges two tables in one act. It ends an open transaction.
func Swap(a, b Table) string { return fmt.Sprintf("ALTER TABLE %s SWAP WITH %s", a, b) }

// Rename gives a table another name. It ends an open transaction.
func Rename(from, to Table) string { return fmt.Sprintf("ALTER TABLE %s RENAME TO %s", from, to) }

// Drop removes a table if it is there.
func Drop(t Table) string { return DropNamed(t.String()) }

// DropNamed does so by the quoted name, as the ledger has it.
func DropNamed(as string) string { return "DROP TABLE IF EXISTS " + as }

// Comment says of a table which load made it. The comment moves with the table when it is swapped or renamed.
func Comment(t Table, load string) string {
	return fmt.Sprintf("COMMENT ON TABLE %s IS %s", t, literal(CommentOf(load)))
}

// CommentOf is the comment that Comment gives.
func CommentOf(load string) string { return "mr:" + load }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

func names(columns []Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}
