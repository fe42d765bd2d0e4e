package snowfake

import (
	"context"
	"strings"
)

// assignment is column = expression.
type assignment struct{ column, value string }

// update is UPDATE t SET c = e, ... [FROM ...] [WHERE ...], or DELETE FROM t [USING ...] [WHERE ...], which sets nothing.
type update struct {
	table             *table
	alias, from, cond string
	set               []assignment
}

func (p *parser) update() *update {
	u := &update{table: p.target("UPDATE")}
	u.alias = p.alias(u.table.Name)
	p.expect("SET")
	u.set = p.assignments()
	if p.accept("FROM") {
		u.from = ", " + p.from()
	}
	u.where(p)
	return u
}

func (p *parser) delete() *update {
	p.expect("FROM")
	u := &update{table: p.target("DELETE")}
	u.alias = p.alias(u.table.Name)
	if p.accept("USING") {
		u.from = ", " + p.from()
	}
	u.where(p)
	return u
}

func (u *update) where(p *parser) {
	if p.accept("WHERE") {
		u.cond = " WHERE " + p.expr()
	}
}

func (p *parser) assignments() []assignment {
	var all []assignment
	for p.err == nil && (len(all) == 0 || p.accept(",")) {
		parts := p.idents()
		p.expect("=")
		all = append(all, assignment{parts[len(parts)-1], p.expr()})
	}
	return all
}

// again reads a statement a second time: once its table is locked and copied, the tables that it reads are others.
func (p *parser) again() *parser {
	again := &parser{session: p.session, text: p.text, tokens: p.tokens, binds: p.binds, spelling: map[string]string{}}
	again.next() // the word that the statement begins with
	return again
}

func (s *Session) update(ctx context.Context, p *parser) (*Answer, error) {
	n, multi, err := s.change(ctx, p, (*parser).update, func(u *update, rows string) (string, error) {
		set, err := s.setList(ctx, u.table, u.set, rows+u.alias+u.from)
		return "UPDATE " + rows + u.alias + " SET " + set + strings.Replace(u.from, ", ", " FROM ", 1) + u.cond, err
	})
	if err != nil {
		return nil, err
	}
	return counts(TypeUpdate, "number of rows updated", n, "number of multi-joined rows updated", multi), nil
}

func (s *Session) delete(ctx context.Context, p *parser) (*Answer, error) {
	n, _, err := s.change(ctx, p, (*parser).delete, func(u *update, rows string) (string, error) {
		return "DELETE FROM " + rows + u.alias + strings.Replace(u.from, ", ", " USING ", 1) + u.cond, nil
	})
	if err != nil {
		return nil, err
	}
	return counts(TypeDelete, "number of rows deleted", n), nil
}

// claim is what a statement that changes rows in place needs: it has been read to its end, a warehouse runs, and the table is locked.
func (s *Session) claim(p *parser, t *table) error {
	if err := p.done(); err != nil {
		return err
	}
	if err := s.needsWarehouse(); err != nil {
		return err
	}
	return s.lock(t)
}

// change locks a table, counts the rows that a statement is about, each once, and those that meet several rows of other tables, and runs
// what text gives for the table's rows.
func (s *Session) change(ctx context.Context, p *parser, read func(*parser) *update, text func(u *update, rows string) (string, error)) (n, multi int64, err error) {
	u := read(p)
	if err := s.claim(p, u.table); err != nil {
		return 0, 0, err
	}
	err = s.atomic(ctx, func() error {
		rows, err := s.writing(ctx, u.table)
		if err != nil {
			return err
		}
		u = read(p.again())
		statement, err := text(u, rows)
		if err != nil {
			return err
		}
		met := "SELECT count(*) AS n FROM " + rows + u.alias + u.from + u.cond + " GROUP BY " + strings.TrimPrefix(u.alias, " AS ") + ".rowid"
		if err := s.account.scalars(ctx, "SELECT count(*), count(CASE WHEN n > 1 THEN 1 END) FROM ("+met+")", &n, &multi); err != nil {
			return err
		}
		// (https://docs.snowflake.com/en/sql-reference/parameters#error-on-nondeterministic-update, FALSE by default)
		if len(u.set) > 0 && multi > 0 && strings.EqualFold(s.parameters["ERROR_ON_NONDETERMINISTIC_UPDATE"], "true") {
			return failf("100090", "42P18", "Duplicate row detected during DML action")
		}
		_, err = s.account.exec(ctx, statement)
		return err
	})
	return n, multi, err
}

// setList is the SET of an UPDATE: each value fits its column, or the error is Snowflake's. from says where the values come from.
func (s *Session) setList(ctx context.Context, t *table, set []assignment, from string) (string, error) {
	columns, values := make([]string, len(set)), make([]string, len(set))
	for i, a := range set {
		columns[i], values[i] = a.column, a.value
	}
	fitted, err := s.fitValues(ctx, t, columns, values, from)
	if err != nil {
		return "", err
	}
	for i := range fitted {
		fitted[i] = quoteName(columns[i]) + " = " + fitted[i]
	}
	return strings.Join(fitted, ", "), nil
}

// fitValues brings expressions to the types of the columns that they go to.
func (s *Session) fitValues(ctx context.Context, t *table, columns, values []string, from string) ([]string, error) {
	if len(columns) != len(values) {
		return nil, failf("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list expecting %d but got %d", len(columns), len(values))
	}
	_, kinds, err := s.account.columnsOf(ctx, "SELECT "+strings.Join(values, ", ")+" FROM "+from)
	if err != nil {
		return nil, err
	}
	fitted := make([]string, len(columns))
	for i, name := range columns {
		c, ok := t.column(name)
		if !ok {
			return nil, invalidIdentifier(name)
		}
		if err := c.assignable(kinds[i]); err != nil && values[i] != "NULL" {
			return nil, err
		}
		fitted[i] = c.kind.fit(values[i])
	}
	return fitted, nil
}

// truncate is TRUNCATE TABLE, which belongs to a transaction like DELETE and takes the load metadata with it
// (https://docs.snowflake.com/en/sql-reference/sql/truncate-table).
func (s *Session) truncate(ctx context.Context, p *parser) (*Answer, error) {
	p.accept("TABLE")
	t := p.target("TRUNCATE")
	if err := p.done(); err != nil {
		return nil, err
	}
	if err := s.lock(t); err != nil {
		return nil, err
	}
	err := s.atomic(ctx, func() error {
		rows, err := s.writing(ctx, t)
		if err != nil {
			return err
		}
		_, err = s.account.exec(ctx, "DELETE FROM "+rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.transaction == nil {
		clear(t.loaded)
	} else {
		c := s.transaction.changes[t]
		c.truncated = true
		clear(c.loaded)
	}
	return said("Statement executed successfully."), nil
}
