package duckdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	driverdb "github.com/duckdb/duckdb-go/v2"
)

// pinOf is the key of a context's connection.
type pinOf struct{ db *DB }

// Pin gives a context whose statements all run in one connection: they see its variables and its temporary tables. Release closes it, so
// that nobody else does. One goroutine at a time may use the context.
func (db *DB) Pin(ctx context.Context) (pinned context.Context, release func(), err error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, nil, problem(ctx, err)
	}
	release = func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool throws it away
		_ = conn.Close()
	}
	return context.WithValue(ctx, pinOf{db}, conn), release, nil
}

// sessionTypes are the statements that Session runs: with the lock-down they change nothing but the engine's memory.
var sessionTypes = []driverdb.StmtType{driverdb.STATEMENT_TYPE_SELECT, driverdb.STATEMENT_TYPE_SET, driverdb.STATEMENT_TYPE_VARIABLE_SET,
	driverdb.STATEMENT_TYPE_CREATE, driverdb.STATEMENT_TYPE_CREATE_FUNC, driverdb.STATEMENT_TYPE_INSERT, driverdb.STATEMENT_TYPE_UPDATE,
	driverdb.STATEMENT_TYPE_DELETE}

// Session runs one statement of a user's, which the caller has looked at: a SELECT, SET VARIABLE, what makes a macro or something
// temporary, or what changes the rows of something temporary. Its answer is thrown away.
func (db *DB) Session(ctx context.Context, statement string) error {
	return db.with(ctx, func(conn *driverdb.Conn) error {
		stmt, err := conn.Prepare(statement)
		if err != nil {
			return err
		}
		defer stmt.Close()
		s := stmt.(*driverdb.Stmt)
		typ, err := s.StatementType()
		if err != nil {
			return err
		}
		if !slices.Contains(sessionTypes, typ) {
			return &Error{Kind: "Permission", Message: fmt.Sprintf("a statement of this kind (%d) may not run here", typ), Offset: -1}
		}
		rows, err := s.QueryContext(ctx, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		return drain(ctx, rows, func([]driver.Value) error { return nil })
	})
}
