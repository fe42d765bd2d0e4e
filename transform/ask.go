package transform

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// This file is what templates ask of the engine: run_query, adapter.get_columns_in_relation and their like. They see what is exposed, and
// what is published.

var pragma = regexp.MustCompile(`(?is)^\s*PRAGMA\s+(table_info|storage_info|show_tables|database_list)\s*(?:\((.*?)\))?\s*;?\s*$`)

// Query implements jinja.Engine: whatever DuckDB takes for a SELECT runs, and the PRAGMAs that tell of tables.
func (s *session) Query(sql string) (*jinja.Table, error) {
	if s.unasked {
		return nil, errUnasked
	}
	if m := pragma.FindStringSubmatch(sql); m != nil {
		sql = "SELECT * FROM pragma_" + strings.ToLower(m[1]) + "(" + m[2] + ")"
	}
	if changes, err := s.job.own.asked(s.ctx, s.Builder, sql, s.quiet); changes && err != nil {
		return nil, asked(sql, err)
	} else if changes {
		return jinja.NewTable(nil, nil)
	}
	if s.Published != nil && catalogs.MatchString(sql) {
		s.Published.Demand(s.ctx, "", "")
	}
	sql, err := s.inTables(s.job.own.meant(s.Builder, sql))
	if err != nil {
		return nil, err
	}
	answer, err := s.Warehouse.Query(s.ctx, sql)
	if s.missing(err, sql) {
		answer, err = s.Warehouse.Query(s.ctx, sql)
	}
	if err != nil {
		return nil, asked(sql, err)
	}
	return jinja.NewTable(columnsOf(answer.Columns), answer.Rows)
}

// catalogs are queries about what is there.
var catalogs = regexp.MustCompile(`(?i)information_schema|pg_catalog|duckdb_(tables|views|columns)|sqlite_master|` +
	`pragma_(show_tables|table_info)|^\s*show\s`)

// missing says whether a query failed for want of a table that is there now.
func (s *session) missing(err error, sql string) bool {
	var e *warehouse.SQLError
	return s.Published != nil && errors.As(err, &e) && strings.Contains(e.Message, "does not exist") && s.Published.DemandNamed(s.ctx, sql)
}

// asked says of which query an error is, and what a template may ask.
func asked(sql string, err error) error {
	var e *warehouse.SQLError
	if !errors.As(err, &e) {
		return err
	}
	short := strings.Join(strings.Fields(sql), " ")
	if r := []rune(short); len(r) > 200 {
		short = string(r[:200]) + "…"
	}
	out := &jinja.Error{Msg: fmt.Sprintf("the query %q: %s", short, e.Message), Err: err}
	if strings.Contains(e.Message, "SELECT statement") {
		out.Hint = "a template only reads: tables are made by models, and replaced as a whole when they are published"
	}
	return out
}

func columnsOf(columns []warehouse.Column) []jinja.Column {
	all := make([]jinja.Column, len(columns))
	for i, c := range columns {
		all[i] = jinja.NewColumn(c.Name, c.Type)
	}
	return all
}

// QueryColumns implements jinja.Engine.
func (s *session) QueryColumns(sql string) ([]jinja.Column, error) {
	if s.unasked {
		return nil, errUnasked
	}
	sql, err := s.inTables(sql)
	if err != nil {
		return nil, err
	}
	columns, err := s.Warehouse.Describe(s.ctx, sql)
	if s.missing(err, sql) {
		columns, err = s.Warehouse.Describe(s.ctx, sql)
	}
	if err != nil {
		return nil, asked(sql, err)
	}
	return columnsOf(columns), nil
}

// inTables is the query with the tables of files in the place of what reads them.
func (s *session) inTables(sql string) (string, error) {
	edits, err := s.fileEdits(s.ctx, sql)
	var at *misplaced
	if errors.As(err, &at) {
		return "", &jinja.Error{Msg: at.why, Hint: at.hint}
	}
	for _, e := range slices.Backward(edits) {
		sql = sql[:e.From] + e.Text + sql[e.To:]
	}
	return sql, err
}

// Columns implements jinja.Engine.
func (s *session) Columns(r jinja.Relation) ([]jinja.Column, error) {
	from := r.SQL // of an ephemeral model: its query
	if r.Kind != "cte" || from == "" {
		if !s.ours(r.Database) {
			return nil, nil
		}
		from = s.spelled(r.Schema, r.Name)
	}
	columns, err := s.QueryColumns("SELECT * FROM " + from)
	if err == nil || r.Kind == "cte" {
		return columns, err
	}
	if _, there, wrong := s.Lookup(r.Database, r.Schema, r.Name); wrong != nil || there {
		return nil, errors.Join(err, wrong)
	}
	return nil, nil
}

func (s *session) spelled(schema, table string) string {
	if schema == "" {
		return s.Warehouse.Dialect().QuoteIdent(table)
	}
	return s.Warehouse.Dialect().Table(warehouse.Name{Schema: schema, Table: table})
}

// ours says whether a database is the target's: the engine has no other.
func (s *session) ours(database string) bool {
	return database == "" || s.Project.Database == "" || strings.EqualFold(database, s.Project.Database)
}

// Lookup implements jinja.Engine.
func (s *session) Lookup(database, schema, name string) (jinja.Relation, bool, error) {
	found, err := s.exposed(database, schema, name)
	if err != nil || len(found) == 0 {
		return jinja.Relation{}, false, err
	}
	return found[0], true, nil
}

// Relations implements jinja.Engine.
func (s *session) Relations(database, schema string) ([]jinja.Relation, error) {
	return s.exposed(database, schema, "")
}

// exposed are the tables and views that the engine has; "" is any schema or name.
func (s *session) exposed(database, schema, name string) ([]jinja.Relation, error) {
	if s.unasked {
		return nil, errUnasked
	}
	if !s.ours(database) {
		return nil, nil
	}
	if s.Published != nil {
		s.Published.Demand(s.ctx, schema, name)
	}
	d := s.Warehouse.Dialect()
	query := "SELECT table_schema, table_name FROM information_schema.tables" +
		" WHERE lower(table_schema) NOT IN ('information_schema', 'pg_catalog')"
	if schema != "" {
		query += " AND lower(table_schema) = " + d.QuoteLiteral(strings.ToLower(schema))
	}
	if name != "" {
		query += " AND lower(table_name) = " + d.QuoteLiteral(strings.ToLower(name))
	}
	answer, err := s.Warehouse.Query(s.ctx, query+" ORDER BY table_schema, table_name")
	if err != nil {
		return nil, err
	}
	found := make([]jinja.Relation, len(answer.Rows))
	for i, row := range answer.Rows {
		in, _ := row[0].(string)
		table, _ := row[1].(string)
		found[i] = s.named(in, table)
	}
	return found, nil
}

// named is the relation of a table that is exposed: in the engine all are views, the project knows what they are to readers.
func (s *session) named(schema, table string) jinja.Relation {
	n := s.Project.Node(schema + "." + table)
	if n == nil {
		n = &models.Node{Schema: schema, Table: table}
	}
	return s.relation(n)
}

// Doc implements jinja.Engine: only descriptions have docs blocks put in.
func (s *session) Doc(_, name string) (string, error) {
	return "", &jinja.Error{Msg: fmt.Sprintf("doc(%q) stands in a description of a properties file, not in a model", name)}
}

// Graph implements jinja.Engine.
func (s *session) Graph() (any, error) { return s.Project.Graph(), nil }

// Model implements jinja.Engine.
func (s *session) Model() (any, error) {
	if s.hook != nil {
		return s.Project.OperationFacts(*s.hook), nil
	}
	facts := s.Project.ModelFacts(s.job.Node)
	if s.job.batch == nil {
		return facts, nil
	}
	return facts, facts.Set("batch", s.job.batch.Facts(s.job.Node.Model.Batches.Size))
}

// name is what is rendered: a node, or a hook of the run.
func (s *session) name() string {
	if s.hook != nil {
		return s.hook.Name
	}
	return s.job.Node.Name()
}

// Log implements jinja.Engine.
func (s *session) Log(_ jinja.Position, message string) {
	if s.Builder.Log != nil && !s.quiet {
		s.Builder.Log(s.name(), message)
	}
}
