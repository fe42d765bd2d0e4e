package snowfake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// insert is INSERT [OVERWRITE] INTO t [(columns)] SELECT or VALUES.
func (s *Session) insert(ctx context.Context, p *parser) (*Answer, error) {
	overwrite := p.accept("OVERWRITE")
	p.expect("INTO")
	t, columns := p.target("INSERT"), p.columnList()
	query := p.rowsOf()
	if err := p.done(); err != nil {
		return nil, err
	}
	if columns == nil {
		columns = t.names()
	}
	if err := s.needsWarehouse(); err != nil {
		return nil, err
	}
	if overwrite {
		// It deletes too (https://docs.snowflake.com/en/sql-reference/sql/insert: requires DELETE as well).
		if !s.may("DELETE", t, t.owner) {
			return nil, denied("table", t.Name)
		}
		if err := s.lock(t); err != nil {
			return nil, err
		}
	}
	var n int64
	err := s.atomic(ctx, func() error {
		var err error
		n, err = s.insertRows(ctx, t, columns, source{query, p.nulls}, overwrite)
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts(TypeInsert, "number of rows inserted", n), nil
}

// rowsOf reads VALUES or a query.
func (p *parser) rowsOf() string {
	if p.is("VALUES") {
		return p.valueRows()
	}
	return p.query()
}

// target is the table that a statement changes.
func (p *parser) target(privileges ...string) *table {
	name := p.object()
	if p.err != nil {
		return &table{}
	}
	t, err := p.session.tableNamed(name, privileges...)
	if err != nil {
		p.fail(err)
		return &table{}
	}
	p.tables = append(p.tables, t)
	return t
}

func (s *Session) insertRows(ctx context.Context, t *table, columns []string, query source, overwrite bool) (int64, error) {
	a := s.account
	fitted, err := s.fitted(ctx, t, columns, query)
	if err != nil {
		return 0, err
	}
	into := "(" + quoteNames(columns) + ") "
	if overwrite {
		// The query may read what is about to go.
		if _, err := a.exec(ctx, "CREATE OR REPLACE TEMP TABLE overwrite AS "+fitted); err != nil {
			return 0, err
		}
		rows, err := s.writing(ctx, t)
		if err != nil {
			return 0, err
		}
		if _, err := a.exec(ctx, "DELETE FROM "+rows); err != nil {
			return 0, err
		}
		n, err := a.exec(ctx, "INSERT INTO "+rows+into+"SELECT * FROM overwrite")
		if err != nil {
			return 0, err
		}
		return n, a.dropRows(ctx, "overwrite")
	}
	all, err := s.adding(ctx, t)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, rows := range all {
		if n, err = a.exec(ctx, "INSERT INTO "+rows+into+fitted); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// fitted is the query with its values brought to the types of the columns, or Snowflake's error for what cannot be.
func (s *Session) fitted(ctx context.Context, t *table, columns []string, query source) (string, error) {
	_, kinds, err := s.account.columnsOf(ctx, query.text)
	if err != nil {
		return "", err
	}
	if len(kinds) != len(columns) {
		return "", failf("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list expecting %d but got %d", len(columns), len(kinds))
	}
	names, values := make([]string, len(columns)), make([]string, len(columns))
	for i := range columns {
		names[i] = "v" + strconv.Itoa(i)
		values[i] = names[i]
		if query.nulls[i] {
			values[i] = "NULL"
		}
	}
	from := "(" + query.text + ") AS v(" + strings.Join(names, ", ") + ")"
	if values, err = s.fitValues(ctx, t, columns, values, from); err != nil {
		return "", err
	}
	return "SELECT " + strings.Join(values, ", ") + " FROM " + from, nil
}

// source is a query, and which of its columns are NULL and nothing else: DuckDB would call them integers.
type source struct {
	text  string
	nulls map[int]bool
}

// assignable says how Snowflake refuses a value of that type.
func (c column) assignable(duckdb string) error {
	if c.kind.takes(duckdb) {
		return nil
	}
	return failf("002023", "22000", "SQL compilation error:\nExpression type does not match column data type, expecting %s but got %s for column %s", c.kind, duckdb, c.name)
}

// counts is the answer of DML: one row of numbers under Snowflake's names.
func counts(kind StatementType, pairs ...any) *Answer {
	answer := &Answer{Type: kind}
	var row []*string
	for pair := range slices.Chunk(pairs, 2) {
		answer.Columns = append(answer.Columns, Column{Name: pair[0].(string), Type: "fixed", Precision: 19})
		n := fmt.Sprint(pair[1])
		row = append(row, &n)
	}
	answer.Rows = [][]*string{row}
	return answer
}
