package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/millrace/millrace/extract"
)

// querier is a session, or a pool of them.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tableColumns lists what can be read of a table, generated and invisible columns included. A column that the account
// may not read is not in it. COLUMN_TYPE, not DATA_TYPE, says "unsigned".
const tableColumns = `SELECT COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, COALESCE(NUMERIC_PRECISION, 0), COALESCE(NUMERIC_SCALE, 0), IS_NULLABLE = 'YES'
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
ORDER BY ORDINAL_POSITION`

// jsonChecks lists the columns of MariaDB whose own check is that they are JSON: what its type JSON stands for.
const jsonChecks = `SELECT CONSTRAINT_NAME
FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?
AND CHECK_CLAUSE = CONCAT('json_valid(` + "`', REPLACE(CONSTRAINT_NAME, '`', '``'), '`" + `)')`

// loadAttributes asks what columns a table or view has.
func loadAttributes(ctx context.Context, on querier, schema, table string) ([]attribute, error) {
	var attrs []attribute
	longtext := false
	err := each(ctx, on, tableColumns, []any{schema, table}, func(rows *sql.Rows) error {
		var a attribute
		if err := rows.Scan(&a.name, &a.dataType, &a.columnType, &a.precision, &a.scale, &a.nullable); err != nil {
			return err
		}
		a.columnType = strings.ToLower(a.columnType[:typeEnd(a.columnType)]) + a.columnType[typeEnd(a.columnType):]
		longtext = longtext || a.dataType == "longtext"
		attrs = append(attrs, a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the columns of %s.%s: %w", schema, table, err)
	}
	if len(attrs) == 0 {
		return nil, fmt.Errorf("table %s.%s is not there, or this account may read none of it: %w", schema, table, extract.ErrEmpty)
	}
	if !longtext {
		return attrs, nil
	}
	maria, err := isMariaDB(ctx, on)
	if err != nil || !maria {
		return attrs, err
	}
	err = each(ctx, on, jsonChecks, []any{schema, table}, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		for i := range attrs {
			if attrs[i].name == name && attrs[i].dataType == "longtext" {
				attrs[i].json = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the checks of %s.%s: %w", schema, table, err)
	}
	return attrs, nil
}

// typeEnd is where the arguments of a type begin: those of an enum keep their case.
func typeEnd(t string) int {
	if i := strings.IndexByte(t, '('); i >= 0 && (strings.HasPrefix(strings.ToLower(t), "enum") || strings.HasPrefix(strings.ToLower(t), "set")) {
		return i
	}
	return len(t)
}

func isMariaDB(ctx context.Context, on querier) (maria bool, err error) {
	err = each(ctx, on, "SELECT VERSION()", nil, func(rows *sql.Rows) error {
		var version string
		err := rows.Scan(&version)
		maria = strings.Contains(strings.ToLower(version), "mariadb")
		return err
	})
	return maria, err
}

// asTable is a query as a table expression; what it selects from must name its columns differently.
func asTable(query string) string {
	return "(\n" + strings.TrimRight(strings.TrimSpace(query), "; \t\r\n") + "\n) AS q"
}

// queryAttributes asks what columns a query has. The server does not run it for that. It says less of them than of a
// table's: JSON of MariaDB is text, and so are its UUID and INET6.
func queryAttributes(ctx context.Context, on querier, query string) ([]attribute, error) {
	rows, err := on.QueryContext(ctx, "SELECT * FROM "+asTable(query)+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	attrs := make([]attribute, len(types))
	for i, t := range types {
		name := strings.ToLower(t.DatabaseTypeName())
		a := attribute{name: t.Name(), dataType: name, columnType: name, nullable: true, loose: true}
		if base, ok := strings.CutPrefix(name, "unsigned "); ok {
			a.dataType, a.columnType = base, base+" unsigned"
		}
		if nullable, ok := t.Nullable(); ok {
			a.nullable = nullable
		}
		if precision, scale, ok := t.DecimalSize(); ok && name == "decimal" {
			a.precision, a.scale = int(precision), int(scale)
			a.columnType = fmt.Sprintf("decimal(%d,%d)", precision, scale)
		}
		attrs[i] = a
	}
	return attrs, rows.Err()
}

func each(ctx context.Context, on querier, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
