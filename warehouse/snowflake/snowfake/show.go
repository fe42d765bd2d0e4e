package snowfake

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// listing is the answer of SHOW: columns, and rows in the order of their names.
type listing struct {
	columns []string
	rows    [][]any // text, numbers and times
}

// columns of SHOW, in the order and under the names of https://docs.snowflake.com/en/sql-reference/sql/show-tables and its siblings; those
// that nothing here has are left out.
var shows = map[string][]string{
	"TABLES":       {"created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "owner", "change_tracking"},
	"OBJECTS":      {"created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "owner"},
	"SCHEMAS":      {"created_on", "name", "is_default", "is_current", "database_name", "owner", "comment"},
	"DATABASES":    {"created_on", "name", "is_current", "owner", "comment"},
	"STAGES":       {"created_on", "name", "database_name", "schema_name", "url", "owner", "comment", "type"},
	"WAREHOUSES":   {"name", "state", "type", "size", "is_current", "auto_resume", "owner", "resource_constraint", "generation"},
	"STREAMS":      {"created_on", "name", "database_name", "schema_name", "owner", "comment", "table_name"},
	"TRANSACTIONS": {"id", "user", "session", "name", "started_on", "state"},
	"LOCKS":        {"resource", "type", "transaction", "transaction_started_on", "status", "acquired_on", "query_id"},
	"GRANTS":       {"created_on", "privilege", "granted_on", "name", "granted_to", "grantee_name", "grant_option"},
}

// show is SHOW TABLES and its siblings.
func (s *Session) show(ctx context.Context, p *parser) (*Answer, error) {
	p.accept("TERSE")
	kind := p.word()
	columns, ok := shows[kind]
	if p.err == nil && !ok {
		return nil, unknownf("SHOW %s", kind)
	}
	list := &listing{columns: columns}
	var err error
	switch kind {
	case "TRANSACTIONS", "LOCKS":
		everyone := p.accept("IN", "ACCOUNT")
		if err = p.done(); err == nil {
			s.listTransactions(list, kind, everyone)
		}
	case "GRANTS":
		err = s.listGrants(list, p)
	default:
		err = s.listObjects(ctx, list, kind, p)
	}
	if err != nil {
		return nil, err
	}
	return list.answer()
}

func (l *listing) answer() (*Answer, error) {
	answer := &Answer{Type: TypeSelect, Rows: [][]*string{}}
	for i, name := range l.columns {
		c := textColumn(name)
		for _, row := range l.rows {
			switch row[i].(type) {
			case int64:
				c = Column{Name: name, Type: "fixed", Precision: maxPrecision}
			case time.Time:
				c = Column{Name: name, Type: "timestamp_ltz", Scale: 3}
			}
		}
		answer.Columns = append(answer.Columns, c)
	}
	for _, row := range l.rows {
		texts := make([]*string, len(row))
		for i, v := range row {
			text, err := encode(v, "")
			if err != nil {
				return nil, err
			}
			texts[i] = text
		}
		answer.Rows = append(answer.Rows, texts)
	}
	return answer, nil
}

// filter is what may stand behind SHOW.
type filter struct {
	like             *regexp.Regexp
	startsWith       string
	limit            int
	database, schema string // "": all
}

// filter reads [LIKE 'pattern'] [IN ...] [STARTS WITH 'text'] [LIMIT n] (https://docs.snowflake.com/en/sql-reference/sql/show-tables).
func (p *parser) filter() filter {
	s := p.session
	f := filter{database: s.database, schema: s.schema}
	if p.accept("LIKE") {
		f.like = likePattern(p.stringValue())
	}
	if p.accept("IN") {
		switch {
		case p.accept("ACCOUNT"):
			f.database, f.schema = "", ""
		case p.accept("DATABASE"):
			f.schema = ""
			if p.peek().kind == nameToken || p.peek().kind == wordToken {
				f.database = p.ident()
			}
		default:
			p.accept("SCHEMA")
			parts := p.idents()
			f.schema = parts[len(parts)-1]
			if len(parts) == 2 {
				f.database = parts[0]
			}
			if _, err := s.schemaOf(f.database, f.schema); p.err == nil && err != nil {
				p.fail(err)
			}
		}
	}
	if p.accept("STARTS", "WITH") {
		f.startsWith = p.stringValue()
	}
	if p.accept("LIMIT") {
		f.limit = p.integer()
	}
	return f
}

// likePattern is a LIKE pattern of SHOW: case does not matter.
func likePattern(pattern string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteString(".")
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile("(?is)^" + b.String() + "$")
}

func (f filter) fits(name string) bool {
	return (f.like == nil || f.like.MatchString(name)) && strings.HasPrefix(name, f.startsWith)
}

func (s *Session) listObjects(ctx context.Context, list *listing, kind string, p *parser) error {
	f := p.filter()
	if err := p.done(); err != nil {
		return err
	}
	if kind == "WAREHOUSES" {
		s.listWarehouses(list, f)
		return nil
	}
	for _, db := range inOrder(s.account.databases) {
		if !s.sees(db, db.owner) {
			continue
		}
		if kind == "DATABASES" {
			if f.fits(db.name) {
				list.rows = append(list.rows, []any{db.created, db.name, yes(db.name == s.database), db.owner, db.comment})
			}
			continue
		}
		if f.database != "" && f.database != db.name {
			continue
		}
		for _, sch := range inOrder(db.schemas) {
			if err := s.listIn(ctx, list, kind, sch, f); err != nil {
				return err
			}
		}
	}
	if f.limit > 0 && len(list.rows) > f.limit {
		list.rows = list.rows[:f.limit]
	}
	return nil
}

// listIn adds a schema, or what of the kind is in it.
func (s *Session) listIn(ctx context.Context, list *listing, kind string, sch *schema, f filter) error {
	if !s.sees(sch, sch.owner) {
		return nil
	}
	if kind == "SCHEMAS" {
		if f.fits(sch.name) {
			list.rows = append(list.rows, []any{sch.created, sch.name, "N", yes(sch.database == s.database && sch.name == s.schema), sch.database, sch.owner, sch.comment})
		}
		return nil
	}
	if f.schema != "" && f.schema != sch.name {
		return nil
	}
	if kind == "STAGES" {
		for _, st := range inOrder(sch.stages) {
			if s.sees(st, st.owner) && f.fits(st.Name) {
				list.rows = append(list.rows, []any{st.created, st.Name, st.Database, st.Schema, "", st.owner, st.comment, "INTERNAL"})
			}
		}
		return nil
	}
	for _, t := range inOrder(sch.tables) {
		if kind == "STREAMS" {
			s.listStreams(list, t, f)
			continue
		}
		if !s.sees(t, t.owner) || !f.fits(t.Name) || t.session != 0 && t.session != s.id || kind == "TABLES" && t.kind == "VIEW" {
			continue
		}
		var rows int64
		if err := s.account.scalars(ctx, "SELECT count(*) FROM "+t.rows, &rows); err != nil {
			return err
		}
		what := cmp.Or(t.kind, "TABLE")
		if kind == "OBJECTS" {
			what = t.objectKind()
		}
		row := []any{t.created, t.Name, t.Database, t.Schema, what, t.comment, t.clusterBy, rows, t.owner}
		if kind == "TABLES" {
			row = append(row, map[bool]string{true: "ON", false: "OFF"}[len(t.streams) > 0])
		}
		list.rows = append(list.rows, row)
	}
	return nil
}

// listStreams lists those on which the role has a privilege: here their owner alone has any
// (https://docs.snowflake.com/en/sql-reference/sql/show-streams).
func (s *Session) listStreams(list *listing, t *table, f filter) {
	for _, stream := range t.streams {
		if s.holds(stream.owner) && f.fits(stream.Name) {
			list.rows = append(list.rows, []any{t.created, stream.Name, stream.Database, stream.Schema, stream.owner, "", t.String()})
		}
	}
}

func (s *Session) listWarehouses(list *listing, f filter) {
	for _, w := range inOrder(s.account.warehouses) {
		if !s.sees(w, w.owner) || !f.fits(w.Name) {
			continue
		}
		state := "STARTED"
		if w.Suspended {
			state = "SUSPENDED"
		}
		list.rows = append(list.rows, []any{w.Name, state, cmp.Or(w.Type, "STANDARD"), cmp.Or(w.Size, "X-Small"), yes(w.Name == s.warehouse), fmt.Sprint(!w.NoResume), w.owner,
			w.constraint(), cmp.Or(w.Generation, "1")})
	}
}

// constraint is STANDARD_GEN_1 and the like (https://docs.snowflake.com/en/user-guide/warehouses-gen2).
func (w *warehouse) constraint() string {
	if w.Type != "" {
		return "MEMORY_16X"
	}
	return "STANDARD_GEN_" + cmp.Or(w.Generation, "1")
}

// listTransactions lists open transactions, or the locks that they hold and those that statements wait for.
func (s *Session) listTransactions(list *listing, kind string, everyone bool) {
	a := s.account
	for _, tx := range a.transactions() {
		if tx.session.user != s.user && !(everyone && s.role == Admin) {
			continue
		}
		if kind == "TRANSACTIONS" {
			list.rows = append(list.rows, []any{tx.id, tx.session.user, tx.session.id, tx.name, tx.began, "running"})
			continue
		}
		for t, c := range tx.changes {
			if c.whole {
				list.rows = append(list.rows, []any{t.String(), "PARTITIONS", tx.id, tx.began, "HOLDING", c.since, c.query})
			}
		}
	}
	if kind != "LOCKS" {
		return
	}
	for _, other := range inOrder(a.sessions) {
		if w := other.waiting; w != nil {
			list.rows = append(list.rows, []any{w.table.String(), "PARTITIONS", nil, nil, "WAITING", nil, other.query})
		}
	}
}

func yes(is bool) string {
	if is {
		return "Y"
	}
	return "N"
}

func inOrder[K cmp.Ordered, V any](all map[K]V) []V {
	var values []V
	for _, k := range slices.Sorted(maps.Keys(all)) {
		values = append(values, all[k])
	}
	return values
}

// describe is DESCRIBE TABLE (https://docs.snowflake.com/en/sql-reference/sql/desc-table).
func (s *Session) describe(_ context.Context, p *parser) (*Answer, error) {
	name := p.object()
	if err := p.done(); err != nil {
		return nil, err
	}
	t, err := s.tableNamed(name)
	if err != nil {
		return nil, err
	}
	list := &listing{columns: []string{"name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment"}}
	for _, c := range t.columns {
		var comment any
		if c.comment != "" {
			comment = c.comment
		}
		kind := c.kind.String()
		if c.collation != "" {
			kind += " COLLATE " + quoteText(c.collation)
		}
		list.rows = append(list.rows, []any{c.name, kind, "COLUMN", yes(!c.notNull), nil, yes(c.key), "N", nil, nil, comment})
	}
	return list.answer()
}
