package snowfake

import (
	"context"
	"fmt"
	"strings"
)

// merge is MERGE INTO t USING source ON ... WHEN ... THEN ...
type merge struct {
	table             *table
	alias, source, on string
	whens             []when
}

type when struct {
	matched bool
	cond    string // "": always
	action  string // UPDATE, DELETE or INSERT
	set     []assignment
}

func (p *parser) merge() *merge {
	p.expect("INTO")
	m := &merge{table: p.target()}
	m.alias = p.alias(m.table.Name)
	p.expect("USING")
	m.source = p.source()
	p.expect("ON")
	m.on = p.expr()
	for p.err == nil && (len(m.whens) == 0 || p.is("WHEN")) {
		m.whens = append(m.whens, p.when())
	}
	for _, w := range m.whens {
		if p.err == nil && !p.session.may(w.action, m.table, m.table.owner) {
			p.fail(denied("table", m.table.Name))
		}
	}
	return m
}

func (p *parser) when() when {
	p.expect("WHEN")
	w := when{matched: !p.accept("NOT")}
	p.expect("MATCHED")
	if p.accept("AND") {
		w.cond = p.expr()
	}
	p.expect("THEN")
	switch {
	case w.matched && p.accept("DELETE"):
		w.action = "DELETE"
	case w.matched && p.accept("UPDATE"):
		w.action = "UPDATE"
		p.expect("SET")
		w.set = p.assignments()
	case !w.matched && p.accept("INSERT"):
		w.action = "INSERT"
		columns := p.columnList()
		if columns == nil {
			p.fail(unknownf("MERGE ... INSERT without a list of columns"))
		}
		p.expect("VALUES", "(")
		for i := 0; p.err == nil && (i == 0 || p.accept(",")); i++ {
			value := p.expr()
			if i < len(columns) {
				w.set = append(w.set, assignment{columns[i], value})
			} else {
				w.set = append(w.set, assignment{"", value})
			}
		}
		if p.err == nil && len(w.set) != len(columns) {
			p.fail(failf("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list expecting %d but got %d", len(columns), len(w.set)))
		}
		p.expect(")")
	default:
		p.unexpected()
	}
	return w
}

func (s *Session) merge(ctx context.Context, p *parser) (*Answer, error) {
	m := p.merge()
	if err := s.claim(p, m.table); err != nil {
		return nil, err
	}
	n := map[string]int64{}
	err := s.atomic(ctx, func() error {
		rows, err := s.writing(ctx, m.table)
		if err != nil {
			return err
		}
		m = p.again().merge()
		if err := s.deterministic(ctx, m, rows); err != nil {
			return err
		}
		text, err := s.mergeText(ctx, m, rows)
		if err != nil {
			return err
		}
		return s.account.tally(ctx, text, n)
	})
	if err != nil {
		return nil, err
	}
	return m.answer(n), nil
}

// answer has a count for each action that the statement names.
func (m *merge) answer(n map[string]int64) *Answer {
	var pairs []any
	for _, a := range []struct{ action, name string }{{"INSERT", "inserted"}, {"UPDATE", "updated"}, {"DELETE", "deleted"}} {
		for _, w := range m.whens {
			if w.action == a.action {
				pairs = append(pairs, "number of rows "+a.name, n[a.action])
				break
			}
		}
	}
	return counts(TypeMerge, pairs...)
}

// deterministic refuses a row of the table that several rows of the source would update, or update and delete
// (ERROR_ON_NONDETERMINISTIC_MERGE, https://docs.snowflake.com/en/sql-reference/sql/merge#nondeterministic-results-for-update-and-delete). DuckDB
// would apply them one after the other.
func (s *Session) deterministic(ctx context.Context, m *merge, rows string) error {
	cases := ""
	for _, w := range m.whens {
		if w.matched {
			cond := w.cond
			if cond == "" {
				cond = "true"
			}
			cases += " WHEN " + cond + " THEN " + quoteText(w.action)
		}
	}
	if cases == "" {
		return nil
	}
	name := strings.TrimPrefix(m.alias, " AS ")
	met := "SELECT " + name + ".rowid AS r, CASE" + cases + " END AS act FROM " + rows + m.alias + " JOIN " + m.source + " ON " + m.on
	var row, updates, deletes, found int64
	err := s.account.scalars(ctx, "SELECT coalesce(min(r), 0), coalesce(max(u), 0), coalesce(max(d), 0), count(*) FROM (SELECT r, count_if(act = 'UPDATE') AS u, "+
		"count_if(act = 'DELETE') AS d FROM ("+met+") GROUP BY r HAVING u + d > 1)", &row, &updates, &deletes, &found)
	switch {
	case err != nil || found == 0:
		return err
	case updates == 0:
		return unknownf("MERGE that deletes one row for several rows of the source")
	}
	answer, err := s.account.answer(ctx, fmt.Sprintf("SELECT * FROM %s WHERE rowid = %d", rows, row))
	if err != nil {
		return err
	}
	values := make([]string, len(answer.Columns))
	for i, v := range answer.Rows[0] {
		switch {
		case v == nil:
			values[i] = "NULL"
		case answer.Columns[i].Type == "text":
			values[i] = `"` + *v + `"`
		default:
			values[i] = *v
		}
	}
	// The code and the words: https://github.com/dbt-labs/dbt-core/issues/10432.
	return failf("100090", "42P18", "Duplicate row detected during DML action\nRow Values: [%s]", strings.Join(values, ", "))
}

func (s *Session) mergeText(ctx context.Context, m *merge, rows string) (string, error) {
	text := "MERGE INTO " + rows + m.alias + " USING " + m.source + " ON " + m.on
	for _, w := range m.whens {
		text += " WHEN "
		if !w.matched {
			text += "NOT "
		}
		text += "MATCHED"
		if w.cond != "" {
			text += " AND " + w.cond
		}
		text += " THEN " + w.action
		from := m.source
		if w.matched {
			from = rows + m.alias + ", " + m.source
		}
		columns, values := make([]string, len(w.set)), make([]string, len(w.set))
		for i, a := range w.set {
			columns[i], values[i] = a.column, a.value
		}
		switch w.action {
		case "UPDATE":
			set, err := s.setList(ctx, m.table, w.set, from)
			if err != nil {
				return "", err
			}
			text += " SET " + set
		case "INSERT":
			fitted, err := s.fitValues(ctx, m.table, columns, values, from)
			if err != nil {
				return "", err
			}
			text += " (" + quoteNames(columns) + ") VALUES (" + strings.Join(fitted, ", ") + ")"
		}
	}
	return text + " RETURNING merge_action", nil
}

// tally runs a statement that returns a word for each row, and counts them.
func (a *Account) tally(ctx context.Context, statement string, n map[string]int64) error {
	rows, err := a.conn.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var word string
		if err := rows.Scan(&word); err != nil {
			return err
		}
		n[word]++
	}
	return rows.Err()
}
