package snowfake

import (
	"context"
	"fmt"
)

// What follows holds the place of the Account that executes SQL, until it is there: it knows SELECT 1.

// Account is a Snowflake account.
type Account struct{ dir string }

// Session is one login of an Account.
type Session struct{}

// Login is who logs in, and what for.
type Login struct {
	User, Role, Warehouse, Database, Schema string
	Parameters                              map[string]string
}

// Bind is a value for a question mark of a statement.
type Bind struct {
	Type  string
	Value *string
}

// Login opens a session.
func (a *Account) Login(context.Context, Login) (*Session, error) { return &Session{}, nil }

// Run executes a statement.
func (s *Session) Run(_ context.Context, sql string, _ []Bind) (*Answer, error) {
	if sql != "SELECT 1" {
		return nil, unknownf("%s", sql)
	}
	one := "1"
	return &Answer{Type: TypeSelect, Columns: []Column{{Name: "1", Type: "fixed", Precision: 1}}, Rows: [][]*string{{&one}}}, nil
}

// Close ends a session.
func (s *Session) Close() error { return nil }

// Abandon leaves a session as a client that vanished.
func (s *Session) Abandon() {}

// StageDir is where a stage's files are.
func (a *Account) StageDir(string) (string, error) { return a.dir, nil }

func unknownf(format string, args ...any) *Error {
	return &Error{Code: "999999", SQLState: "0A000", Message: "snowfake does not know " + fmt.Sprintf(format, args...)}
}
