package snowfake

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// alterTable is ALTER TABLE: RENAME TO, SWAP WITH, ADD COLUMN and ALTER COLUMN SET DATA TYPE. All need OWNERSHIP
// (https://docs.snowflake.com/en/sql-reference/sql/alter-table).
func (s *Session) alterTable(ctx context.Context, p *parser) (*Answer, error) {
	quiet := p.accept("IF", "EXISTS")
	name := p.object()
	if p.err != nil {
		return nil, p.err
	}
	t, err := s.tableNamed(name)
	if e, ok := err.(*Error); ok && quiet && e.Code == "002003" {
		return said("Statement executed successfully."), s.commitOpen(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.tables = append(p.tables, t)
	switch {
	case p.accept("RENAME", "TO"):
		return s.rename(ctx, p, t)
	case p.accept("SWAP", "WITH"):
		return s.swap(ctx, p, t)
	case p.accept("ADD", "ROW", "ACCESS", "POLICY"):
		return s.addPolicy(ctx, p, t)
	case p.accept("ADD"):
		p.accept("COLUMN")
		return s.addColumns(ctx, p, t)
	case p.accept("ALTER"), p.accept("MODIFY"):
		p.accept("COLUMN")
		return s.alterColumn(ctx, p, t)
	}
	return nil, unknownf("ALTER TABLE ... %s", p.peek().raw)
}

// owned is what DDL on tables begins with: it has been read, the role owns them, nobody else has them locked, and the open transaction is
// committed.
func (s *Session) owned(ctx context.Context, p *parser, tables ...*table) error {
	if err := p.done(); err != nil {
		return err
	}
	for _, t := range tables {
		if !s.holds(t.owner) {
			return denied("table", t.Name)
		}
		if err := s.lock(t); err != nil {
			return err
		}
	}
	return s.commitOpen(ctx)
}

func (s *Session) rename(ctx context.Context, p *parser, t *table) (*Answer, error) {
	to := p.object()
	if p.err != nil {
		return nil, p.err
	}
	sch, err := s.schemaOf(to.Database, to.Schema)
	if err != nil {
		return nil, err
	}
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	if sch.tables[to.Name] != nil {
		return nil, exists(to.String())
	}
	if !s.may("CREATE TABLE", sch, sch.owner) {
		return nil, denied("schema", sch.name)
	}
	s.account.place(t, to)
	return said("Statement executed successfully."), nil
}

// place gives a table another name.
func (a *Account) place(t *table, to objectName) {
	delete(a.databases[t.Database].schemas[t.Schema].tables, t.Name)
	t.objectName = to
	a.databases[to.Database].schemas[to.Schema].tables[to.Name] = t
}

// swap exchanges the names of two tables; all else, comments, grants and load metadata too, stays with the rows. It is one act and cannot
// be had between permanent and transient or temporary tables.
func (s *Session) swap(ctx context.Context, p *parser, t *table) (*Answer, error) {
	other := p.target()
	if err := s.owned(ctx, p, t, other); err != nil {
		return nil, err
	}
	if t.kind != other.kind {
		return nil, failf("000002", "0A000", "Unsupported feature 'SWAP of a permanent with a transient or temporary table'.")
	}
	a, b := t.objectName, other.objectName
	s.account.place(t, b)
	other.objectName = a
	s.account.databases[a.Database].schemas[a.Schema].tables[a.Name] = other
	return said("Statement executed successfully."), nil
}

func (s *Session) addColumns(ctx context.Context, p *parser, t *table) (*Answer, error) {
	var added []column
	for more := true; more && p.err == nil; more = p.accept(",") {
		quiet := p.ifNotExists()
		c := p.columnDefinition()
		_, has := t.column(c.name)
		switch {
		case p.err != nil, has && quiet:
		case has:
			return nil, failf("001430", "42601", "SQL compilation error:\ncolumn '%s' already exists", c.name)
		case c.notNull:
			return nil, unknownf("ADD COLUMN ... NOT NULL")
		default:
			added = append(added, c)
		}
	}
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	if len(added) == 0 {
		return said("Statement executed successfully."), nil
	}
	n := newTable{table: table{columns: append(slices.Clone(t.columns), added...)}}
	if err := n.check(); err != nil {
		return nil, err
	}
	err := s.account.atomic(ctx, func() error {
		for _, c := range added {
			if _, err := s.account.exec(ctx, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.rows, quoteName(c.name), c.kind.duckdb())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.collate(n.columns[len(t.columns):])
	t.columns = n.columns
	return said("Statement executed successfully."), nil
}

func (s *Session) alterColumn(ctx context.Context, p *parser, t *table) (*Answer, error) {
	name := p.ident()
	if !p.accept("SET", "DATA", "TYPE") {
		p.expect("TYPE")
	}
	to := p.columnType()
	if err := p.done(); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return nil, invalidIdentifier(name)
	}
	if err := t.columns[i].kind.widens(name, to); err != nil {
		return nil, err
	}
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	if _, err := s.account.exec(ctx, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", t.rows, quoteName(name), to.duckdb())); err != nil {
		return nil, err
	}
	t.columns[i].kind = to
	return said("Statement executed successfully."), nil
}

// widens says whether ALTER COLUMN may turn t into to, and how Snowflake refuses it
// (https://docs.snowflake.com/en/sql-reference/sql/alter-table-column: a longer VARCHAR, a greater precision with the same scale).
func (t columnType) widens(column string, to columnType) error {
	change := fmt.Sprintf("SQL compilation error:\ncannot change column %s from type %s to %s", column, t, to)
	switch {
	case t == to:
		return nil
	case t.name != to.name, t.name == "NUMBER" && t.more != to.more:
		// The words: https://github.com/MeltanoLabs/target-snowflake/issues/276.
		return failf("002108", "22000", "%s", change)
	case t.name == "VARCHAR" && to.size < t.size:
		// The words: https://github.com/re-data/re-data/issues/324.
		return failf("040050", "22000", "%s because reducing the byte-length of a varchar is not supported.", change)
	case t.name == "VARCHAR", t.name == "NUMBER" && to.size > t.size:
		return nil
	case t.name == "NUMBER":
		return unknownf("ALTER COLUMN to a smaller precision (%s to %s): whether it succeeds depends on the rows", t, to)
	}
	return failf("002108", "22000", "%s", change)
}

// addPolicy records that a table has a row access policy: POLICY_REFERENCES tells of it. It hides no rows.
func (s *Session) addPolicy(ctx context.Context, p *parser, t *table) (*Answer, error) {
	name := p.ident()
	p.expect("ON")
	p.columnList()
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	t.policies = append(t.policies, name)
	return said("Statement executed successfully."), nil
}

// comment is COMMENT ON TABLE t IS 'text'.
func (s *Session) comment(ctx context.Context, p *parser) (*Answer, error) {
	p.expect("ON", "TABLE")
	t := p.target()
	p.expect("IS")
	text := p.stringValue()
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	t.comment = text
	return said("Statement executed successfully."), nil
}

// alterWarehouse is ALTER WAREHOUSE w SUSPEND or RESUME [IF SUSPENDED] (https://docs.snowflake.com/en/sql-reference/sql/alter-warehouse).
func (s *Session) alterWarehouse(ctx context.Context, p *parser) (*Answer, error) {
	name := p.ident()
	resume := p.accept("RESUME")
	quiet := resume && p.accept("IF", "SUSPENDED")
	if !resume {
		p.expect("SUSPEND")
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	w := s.account.warehouses[name]
	switch {
	case w == nil || !s.sees(w, w.owner):
		return nil, missing("Warehouse", name)
	case !s.may("OPERATE", w, w.owner):
		return nil, denied("warehouse", name)
	case resume && w.Monitor != "":
		return nil, w.exhausted()
	case w.Suspended != resume && !quiet:
		// The words: https://github.com/Snowflake-Labs/sf-samples/issues/51.
		return nil, failf("090063", "22000", "Invalid state. Warehouse '%s' cannot be %s.", name, map[bool]string{true: "resumed", false: "suspended"}[resume])
	}
	w.Suspended = !resume
	return said("Statement executed successfully."), s.commitOpen(ctx)
}

// exhausted says why a warehouse does not start.
func (w *warehouse) exhausted() error {
	return failf("090073", "22000", "Warehouse '%s' cannot be resumed because resource monitor '%s' has exceeded its quota.", w.Name, w.Monitor)
}

// createStream is CREATE STREAM s ON TABLE t. SHOW STREAMS tells of it, SHOW TABLES that the table's changes are tracked since
// (https://docs.snowflake.com/en/sql-reference/sql/create-stream), and nothing can be read from it.
func (s *Session) createStream(ctx context.Context, p *parser) (*Answer, error) {
	name := p.object()
	p.expect("ON", "TABLE")
	t := p.target("SELECT")
	if err := s.owned(ctx, p, t); err != nil {
		return nil, err
	}
	t.streams = append(t.streams, stream{name, s.role})
	slices.SortFunc(t.streams, func(a, b stream) int { return strings.Compare(a.String(), b.String()) })
	return said("Stream %s successfully created.", name.Name), nil
}
