package snowfake

import (
	"strings"
	"time"
)

// The catalog lives in Go; DuckDB holds rows only, in tables named t1, t2 and so on. So a rename or a swap moves names, never rows, and names
// that differ in case stay apart.

type database struct {
	name, owner, comment string
	created              time.Time
	schemas              map[string]*schema
}

type schema struct {
	database, name, owner, comment string
	collation                      string // of the tables that are made in it: DEFAULT_DDL_COLLATION
	created                        time.Time
	tables                         map[string]*table
	stages                         map[string]*stage
}

type stage struct {
	objectName
	owner, comment string
	created        time.Time
	dir            string
}

type column struct {
	name    string
	kind    columnType
	notNull bool
	// collation is told by DESCRIBE. Here texts are compared byte by byte all the same.
	collation string
	key       bool // told by DESCRIBE, never enforced (https://docs.snowflake.com/en/sql-reference/constraints-overview)
	comment   string
}

// table is one table, whatever its name is just now.
type table struct {
	objectName
	owner     string
	kind      string // "", TRANSIENT, TEMPORARY or VIEW
	collation string // of columns that are added
	created   time.Time
	columns   []column
	clusterBy string
	comment   string
	// loaded is the load metadata: which files COPY has brought. It belongs to the table, moves with SWAP WITH, and is gone with the table
	// (https://docs.snowflake.com/en/user-guide/data-load-considerations-load#load-metadata).
	loaded  map[string]bool
	rows    string // DuckDB's table of the committed rows
	session int64  // that a temporary table belongs to
	// streams and row access policies are only told of.
	streams  []stream
	policies []string
}

type stream struct {
	objectName
	owner string
}

// objectKind is what SHOW OBJECTS and SHOW GRANTS call it.
func (t *table) objectKind() string {
	if t.kind == "VIEW" {
		return t.kind
	}
	return "TABLE"
}

func (t *table) column(name string) (column, bool) {
	for _, c := range t.columns {
		if c.name == name {
			return c, true
		}
	}
	return column{}, false
}

func (t *table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// definition is the column list that DuckDB's tables of t have.
func (t *table) definition() string {
	defs := make([]string, len(t.columns))
	for i, c := range t.columns {
		defs[i] = quoteName(c.name) + " " + c.kind.duckdb()
		if c.notNull {
			defs[i] += " NOT NULL"
		}
	}
	return "(" + strings.Join(defs, ", ") + ")"
}

// objectName is the full name of something in a schema.
type objectName struct{ Database, Schema, Name string }

func (n objectName) String() string { return n.Database + "." + n.Schema + "." + n.Name }

// qualify completes a name with the database and the schema of the session.
func (s *Session) qualify(parts []string) (objectName, error) {
	n := objectName{s.database, s.schema, parts[len(parts)-1]}
	switch len(parts) {
	case 1:
	case 2:
		n.Schema = parts[0]
	case 3:
		n.Database, n.Schema = parts[0], parts[1]
	default:
		return n, invalidIdentifier(strings.Join(parts, "."))
	}
	switch {
	case n.Database == "":
		return n, failf("090105", "22000", "Cannot perform operation. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.")
	case n.Schema == "":
		return n, failf("090106", "22000", "Cannot perform operation. This session does not have a current schema. Call 'USE SCHEMA', or use a qualified name.")
	}
	return n, nil
}

func (s *Session) databaseOf(name string) (*database, error) {
	db := s.account.databases[name]
	if db == nil || !s.sees(db, db.owner) {
		return nil, missing("Database", name)
	}
	return db, nil
}

func (s *Session) schemaOf(db, name string) (*schema, error) {
	d, err := s.databaseOf(db)
	if err != nil {
		return nil, err
	}
	sch := d.schemas[name]
	if sch == nil || !s.sees(sch, sch.owner) {
		return nil, missing("Schema", db+"."+name)
	}
	return sch, nil
}

// tableOf finds a table that the role holds one of the privileges on. Without any privilege the role does not learn that it is there.
func (s *Session) tableOf(parts []string, privileges ...string) (*table, error) {
	name, err := s.qualify(parts)
	if err != nil {
		return nil, err
	}
	return s.tableNamed(name, privileges...)
}

func (s *Session) tableNamed(name objectName, privileges ...string) (*table, error) {
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return nil, err
	}
	t := sch.tables[name.Name]
	if t == nil || t.session != 0 && t.session != s.id || !s.sees(t, t.owner) {
		return nil, missing("Object", name.String())
	}
	if t.kind == "VIEW" {
		return nil, unknownf("what is to be done with the view %s", name)
	}
	for _, p := range privileges {
		if !s.may(p, t, t.owner) {
			return nil, denied("table", name.Name)
		}
	}
	return t, nil
}

func (s *Session) stageOf(name objectName, privilege string) (*stage, error) {
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return nil, err
	}
	st := sch.stages[name.Name]
	if st == nil || !s.sees(st, st.owner) {
		return nil, missing("Stage", name.String())
	}
	if !s.may(privilege, st, st.owner) {
		return nil, denied("stage", name.Name)
	}
	return st, nil
}
