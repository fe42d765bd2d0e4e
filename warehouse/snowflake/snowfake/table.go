package snowfake

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
)

// newTable is a table as CREATE TABLE describes it.
type newTable struct {
	table
	replace, quiet, copyGrants bool
	collated                   bool // it names a collation of its own
	like                       *table
	query                      source // of CREATE TABLE AS
}

// createTable is CREATE TABLE with columns, LIKE another table, or AS a query.
func (s *Session) createTable(ctx context.Context, p *parser, kind string, replace bool) (*Answer, error) {
	n := newTable{replace: replace, quiet: p.ifNotExists()}
	n.objectName, n.kind = p.object(), kind
	switch {
	case p.accept("LIKE"):
		n.like = p.target("SELECT")
	case p.is("("):
		n.columns = p.columnDefinitions()
	}
	p.tableOptions(&n)
	if n.like == nil && p.accept("AS") {
		n.query.text = p.query()
		n.query.nulls = p.nulls
	} else if n.like == nil && n.columns == nil {
		p.unexpected()
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	return s.addTable(ctx, &n)
}

func (n *newTable) check() error {
	if n.replace && n.quiet {
		return failf("001003", "42000", "SQL compilation error:\noptions IF NOT EXISTS and OR REPLACE are incompatible")
	}
	seen := map[string]bool{}
	for _, c := range n.columns {
		switch {
		case seen[c.name]:
			return failf("002025", "42S21", "SQL compilation error:\nduplicate column name '%s'", c.name)
		case seen[strings.ToLower(c.name)]:
			return unknownf("columns that differ only in case, such as %s: DuckDB cannot tell them apart", c.name)
		}
		seen[c.name], seen[strings.ToLower(c.name)] = true, true
	}
	return nil
}

func (p *parser) columnDefinitions() []column {
	p.expect("(")
	var all []column
	for p.err == nil && (len(all) == 0 || p.accept(",")) {
		if p.is("PRIMARY", "KEY") && len(all) > 0 {
			p.accept("PRIMARY", "KEY")
			for _, name := range p.columnList() {
				i := slices.IndexFunc(all, func(c column) bool { return c.name == name })
				if i < 0 {
					p.fail(invalidIdentifier(name))
					return nil
				}
				all[i].key, all[i].notNull = true, true
			}
			continue
		}
		all = append(all, p.columnDefinition())
	}
	p.expect(")")
	return all
}

func (p *parser) columnDefinition() column {
	c := column{name: p.ident(), kind: p.columnType()}
	for p.err == nil {
		switch {
		case p.accept("NOT", "NULL"):
			c.notNull = true
		case p.accept("PRIMARY", "KEY"):
			c.key, c.notNull = true, true
		case p.accept("COMMENT"):
			c.comment = p.stringValue()
		default:
			return c
		}
	}
	return c
}

func (p *parser) tableOptions(n *newTable) {
	for p.err == nil {
		switch {
		case p.comment(&n.comment):
		case p.accept("CLUSTER", "BY"):
			from := p.peek().from
			p.expect("(")
			p.exprs()
			p.expect(")")
			n.clusterBy = "LINEAR" + p.text[from:p.tokens[max(p.at-1, 0)].to]
		case p.accept("COPY", "GRANTS"):
			n.copyGrants = true
		case p.accept("DATA_RETENTION_TIME_IN_DAYS", "="):
			p.integer()
		case p.collation(&n.collation):
			n.collated = true
		default:
			return
		}
	}
}

func (s *Session) addTable(ctx context.Context, n *newTable) (*Answer, error) {
	sch, err := s.schemaOf(n.Database, n.Schema)
	if err != nil {
		return nil, err
	}
	have := sch.tables[n.Name]
	switch {
	case n.kind != "TEMPORARY" && !s.may("CREATE TABLE", sch, sch.owner): // before it is looked for, as for a schema
		return nil, denied("schema", sch.name)
	case have != nil && n.quiet:
		return already(n.Name), s.commitOpen(ctx)
	case have != nil && (!n.replace || have.kind == "VIEW"):
		return nil, exists(n.String())
	case have != nil && !s.holds(have.owner):
		return nil, denied("table", n.Name)
	}
	if n.query.text != "" {
		if err := s.needsWarehouse(); err != nil {
			return nil, err
		}
	}
	if have != nil {
		if err := s.lock(have); err != nil {
			return nil, err
		}
	}
	if err := s.commitOpen(ctx); err != nil {
		return nil, err
	}
	t := &n.table
	if !n.collated {
		t.collation = sch.collation
	}
	t.collate(t.columns)
	if n.like != nil {
		t.columns, t.clusterBy, t.collation = slices.Clone(n.like.columns), n.like.clusterBy, n.like.collation
	}
	t.owner, t.created, t.loaded = s.role, s.account.cfg.Clock(), map[string]bool{}
	if t.kind == "TEMPORARY" {
		t.session = s.id
	}
	if err := s.account.atomic(ctx, func() error { return s.fillTable(ctx, n) }); err != nil {
		return nil, err
	}
	s.account.moveGrants(n, have)
	if have != nil {
		if err := s.account.removeTable(ctx, have); err != nil {
			return nil, err
		}
	}
	sch.tables[n.Name] = t
	return said("Table %s successfully created.", n.Name), nil
}

// collate gives new columns the table's collation.
func (t *table) collate(columns []column) {
	for i := range columns {
		if columns[i].kind.name == "VARCHAR" {
			columns[i].collation = t.collation
		}
	}
}

// createView is CREATE VIEW v AS SELECT: a name that is taken, of which SHOW OBJECTS tells. Nothing can be read from it.
func (s *Session) createView(ctx context.Context, p *parser) (*Answer, error) {
	name := p.object()
	p.expect("AS")
	p.query()
	if err := p.done(); err != nil {
		return nil, err
	}
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return nil, err
	}
	switch {
	case !s.may("CREATE VIEW", sch, sch.owner):
		return nil, denied("schema", sch.name)
	case sch.tables[name.Name] != nil:
		return nil, exists(name.String())
	}
	t := &table{objectName: name, owner: s.role, kind: "VIEW", created: s.account.cfg.Clock()}
	if t.rows, err = s.account.makeRows(ctx, &table{columns: []column{{name: "NOTHING", kind: spellings["INT"]}}}); err != nil {
		return nil, err
	}
	sch.tables[name.Name] = t
	return said("View %s successfully created.", name.Name), s.commitOpen(ctx)
}

// fillTable makes the rows of a new table.
func (s *Session) fillTable(ctx context.Context, n *newTable) error {
	t := &n.table
	if n.query.text != "" {
		if err := s.deriveColumns(ctx, n); err != nil {
			return err
		}
	}
	var err error
	if t.rows, err = s.account.makeRows(ctx, t); err != nil {
		return err
	}
	if n.query.text != "" {
		fitted, err := s.fitted(ctx, t, t.names(), n.query)
		if err != nil {
			return err
		}
		if _, err := s.account.exec(ctx, "INSERT INTO "+t.rows+" "+fitted); err != nil {
			return err
		}
	}
	return nil
}

// deriveColumns gives a table made by a query the query's columns, with the widest type of each kind.
func (s *Session) deriveColumns(ctx context.Context, n *newTable) error {
	names, kinds, err := s.account.columnsOf(ctx, n.query.text)
	if err != nil || n.columns != nil {
		return err
	}
	for i, name := range names {
		c, err := columnFor(name, kinds[i])
		if err != nil {
			return err
		}
		kind := columnType{"NUMBER", c.Precision, c.Scale}
		switch c.Type {
		case "real":
			kind = spellings["FLOAT"]
		case "text":
			kind = spellings["VARCHAR"]
		case "boolean", "date", "time", "timestamp_ntz", "timestamp_ltz", "binary", "variant":
			kind = spellings[strings.ToUpper(c.Type)]
		}
		n.columns = append(n.columns, column{name: name, kind: kind})
	}
	return n.check()
}

// moveGrants gives a table made with COPY GRANTS the privileges of the one that it replaces or is like
// (https://docs.snowflake.com/en/sql-reference/sql/create-table: all but OWNERSHIP).
func (a *Account) moveGrants(n *newTable, have *table) {
	from := n.like
	if from == nil {
		from = have
	}
	for g := range maps.Clone(a.grants) {
		if n.copyGrants && from != nil && g.on == any(from) {
			a.grants[grant{g.role, g.privilege, &n.table}] = true
		}
		if have != nil && g.on == any(have) {
			delete(a.grants, g)
		}
	}
}

// drop is DROP TABLE, VIEW, STAGE or SCHEMA.
func (s *Session) drop(ctx context.Context, p *parser) (*Answer, error) {
	kind := p.word()
	if p.err == nil && kind != "TABLE" && kind != "VIEW" && kind != "STAGE" && kind != "SCHEMA" {
		return nil, unknownf("DROP %s", kind)
	}
	quiet := p.accept("IF", "EXISTS")
	parts := p.idents()
	if err := p.done(); err != nil {
		return nil, err
	}
	if kind == "SCHEMA" {
		parts = append(parts, "")
		if len(parts) == 2 {
			parts = append([]string{s.database}, parts...)
		}
	}
	name, err := s.qualify(parts)
	if err != nil {
		return nil, err
	}
	what := name.Name
	switch kind {
	case "TABLE":
		err = s.dropTable(ctx, name)
	case "VIEW":
		err = s.dropView(ctx, name)
	case "STAGE":
		err = s.dropStage(ctx, name)
	default:
		what = name.Schema
		err = s.dropSchema(ctx, name)
	}
	if known, ok := err.(*Error); ok && quiet && known.Code == "002003" {
		return said("Drop statement executed successfully (%s already dropped).", what), s.commitOpen(ctx)
	}
	if err != nil {
		return nil, err
	}
	return said("%s successfully dropped.", what), nil
}

func (s *Session) dropTable(ctx context.Context, name objectName) error {
	t, err := s.tableNamed(name)
	if err != nil {
		return err
	}
	if !s.holds(t.owner) {
		return denied("table", t.Name)
	}
	if err := s.lock(t); err != nil {
		return err
	}
	if err := s.commitOpen(ctx); err != nil {
		return err
	}
	return s.account.removeTable(ctx, t)
}

func (s *Session) dropView(ctx context.Context, name objectName) error {
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return err
	}
	t := sch.tables[name.Name]
	switch {
	case t == nil || t.kind != "VIEW" || !s.sees(t, t.owner):
		return missing("Object", name.String())
	case !s.holds(t.owner):
		return denied("view", t.Name)
	}
	if err := s.commitOpen(ctx); err != nil {
		return err
	}
	return s.account.removeTable(ctx, t)
}

// removeTable forgets a table and what others have added to it without having committed.
func (a *Account) removeTable(ctx context.Context, t *table) error {
	err := a.atomic(ctx, func() error {
		for _, tx := range a.open {
			if c := tx.changes[t]; c != nil {
				if err := a.dropRows(ctx, c.rows); err != nil {
					return err
				}
			}
		}
		return a.dropRows(ctx, t.rows)
	})
	if err != nil {
		return err
	}
	for _, tx := range a.open {
		delete(tx.changes, t)
	}
	delete(a.databases[t.Database].schemas[t.Schema].tables, t.Name)
	return nil
}

func (s *Session) dropStage(ctx context.Context, name objectName) error {
	st, err := s.stageOf(name, "READ")
	if err != nil {
		return err
	}
	if !s.holds(st.owner) {
		return denied("stage", st.Name)
	}
	if err := s.commitOpen(ctx); err != nil {
		return err
	}
	delete(s.account.databases[name.Database].schemas[name.Schema].stages, name.Name)
	return os.RemoveAll(st.dir)
}

func (s *Session) dropSchema(ctx context.Context, name objectName) error {
	sch, err := s.schemaOf(name.Database, name.Schema)
	if err != nil {
		return err
	}
	if !s.holds(sch.owner) {
		return denied("schema", sch.name)
	}
	for _, t := range sch.tables {
		if err := s.lock(t); err != nil {
			return err
		}
	}
	if err := s.commitOpen(ctx); err != nil {
		return err
	}
	for _, t := range sch.tables {
		err = errors.Join(err, s.account.removeTable(ctx, t))
	}
	for _, st := range sch.stages {
		err = errors.Join(err, os.RemoveAll(st.dir))
	}
	delete(s.account.databases[name.Database].schemas, name.Schema)
	return err
}
