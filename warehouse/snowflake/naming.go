// Package snowflake writes the SQL that brings tables to Snowflake: names, types, statements and proofs, all as text. It opens no
// connection and runs nothing; load/snowflake does. No value of the data ever stands in a text: values are bound, so that the
// text can be kept. Read Naming, then Columns, then Merge.
package snowflake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/warehouse"
)

// maxName is the most characters that a name may have (docs.snowflake.com/en/sql-reference/identifiers-syntax).
const maxName = 255

// stagingMark stands in the names of staging tables, and in no other's: they are swept by it.
const stagingMark = "__MR_"

// listMark ends what belongs to a list of partitions: behind the load, where no other table's name goes on.
const listMark = "_PARTITIONS"

// reservedSchemas are Snowflake's own and the ledger's.
var reservedSchemas = []string{"INFORMATION_SCHEMA", metaSchema}

// Naming says where the tables of a target lie.
type Naming struct {
	Database string
	Schema   string // where nodes of DefaultSchema go; "" is DefaultSchema itself
	Prefix   string // before the names of all schemas
	// DefaultSchema is the schema of nodes that name none.
	DefaultSchema string
	As            map[warehouse.Name]string // TABLE or SCHEMA.TABLE, instead of the node's own
}

// Table is a table's, a stage's or a view's place, its names as Snowflake stores them.
type Table struct{ Database, Schema, Name string }

// String is the quoted name, as it stands in SQL.
func (t Table) String() string { return t.InSchema() + "." + quote(t.Name) }

// ParseTable reads what String has written.
func ParseTable(s string) (Table, error) {
	parts, err := splitName(s)
	if err != nil || len(parts) != 3 {
		return Table{}, fmt.Errorf("%q is not the full name of a table", s)
	}
	return Table{parts[0], parts[1], parts[2]}, nil
}

// InSchema is the quoted name of the schema.
func (t Table) InSchema() string { return quote(t.Database) + "." + quote(t.Schema) }

// Table is where a node's rows go. Names become upper case: as Snowflake takes a name that nobody quotes, so that people need not.
func (n Naming) Table(name warehouse.Name) (Table, error) {
	schema, table := n.schema(name.Schema), name.Table
	if as := n.As[name]; as != "" {
		parts, err := splitName(as)
		if err != nil || len(parts) > 2 {
			return Table{}, fmt.Errorf("%s: as: %q is not TABLE or SCHEMA.TABLE: put a part with odd characters in double quotes", name, as)
		}
		if table = parts[len(parts)-1]; len(parts) == 2 {
			schema = parts[0]
		}
	}
	t := n.table(schema, table)
	if err := t.check(); err != nil {
		return Table{}, fmt.Errorf("%s: %w; give it another one with as: under tables of the target", name, err)
	}
	return t, nil
}

// In is a place in the schema of nodes that have this one, which no node's as: changes.
func (n Naming) In(schema, table string) (Table, error) {
	t := n.table(n.schema(schema), table)
	return t, t.check()
}

func (n Naming) schema(of string) string {
	if of == n.DefaultSchema && n.Schema != "" {
		return n.Schema
	}
	return of
}

func (n Naming) table(schema, table string) Table {
	return Table{strings.ToUpper(n.Database), strings.ToUpper(n.Prefix + schema), strings.ToUpper(table)}
}

func (t Table) check() error {
	for _, part := range []string{t.Database, t.Schema, t.Name} {
		if err := checkName(part); err != nil {
			return err
		}
	}
	switch {
	case slices.Contains(reservedSchemas, t.Schema):
		return fmt.Errorf("schema %s is not one for tables", t.Schema)
	case strings.Contains(t.Name, stagingMark):
		return fmt.Errorf("%s is named as staging tables are, which are removed", t.Name)
	}
	return nil
}

// checkName refuses what Snowflake takes for no name, even between quotes.
func checkName(s string) error {
	switch n := utf8.RuneCountInString(s); {
	case s == "":
		return fmt.Errorf("a name is empty")
	case strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }):
		return fmt.Errorf("%q has characters that no name in Snowflake has", s)
	case n > maxName:
		return fmt.Errorf("%q has %d characters, and Snowflake's names at most %d", s, n, maxName)
	}
	return nil
}

// Staging is the table that a load fills before it touches t.
func (t Table) Staging(load string) Table { return t.staging(load, "") }

// StagingList is the one for the partitions that change, beside that of their rows.
func (t Table) StagingList(load string) Table { return t.staging(load, listMark) }

func (t Table) staging(load, part string) Table {
	end := stagingMark + strings.ToUpper(load) + part
	t.Name = shorten(t.Name, maxName-utf8.RuneCountInString(end)) + end
	return t
}

// shorten cuts a name and puts a hash of all of it behind, so that two long names stay two.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	end := "_" + digest(s)
	return string(runes[:most-len(end)]) + end
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToUpper(hex.EncodeToString(sum[:8]))
}

// Collisions refuses two nodes that would be one table.
func Collisions(names map[warehouse.Name]Table) error {
	taken := map[Table]warehouse.Name{}
	nodes := make([]warehouse.Name, 0, len(names))
	for n := range names {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b warehouse.Name) int { return strings.Compare(a.String(), b.String()) })
	for _, n := range nodes {
		if other, ok := taken[names[n]]; ok {
			return fmt.Errorf("%s and %s would both be %s in Snowflake: name one of them with as: under tables of the target", other, n, names[n])
		}
		taken[names[n]] = n
	}
	return nil
}

// splitName takes a name apart at its points, but for those between double quotes.
func splitName(s string) ([]string, error) {
	var parts []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte(c)
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return nil, fmt.Errorf("a double quote is not closed")
	}
	return append(parts, b.String()), nil
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// literal quotes a text. A backslash begins an escape in Snowflake's texts.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}
