package snowflake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// closing bounds how long a Close waits for the driver, and how long a call waits for it after its context has ended: the driver has
// no deadline of its own there (gosnowflake#1806). What it still does then, it does alone.
const closing = 10 * time.Second

// leaving bounds a log-out when its session has been told to stop: who is stopped has several of them, and not long.
const leaving = 2 * time.Second

// DB opens sessions. It is safe for concurrent use.
type DB struct {
	cfg   Config
	pool  *sql.DB
	grace time.Duration // closing, but for tests
	leave time.Duration // leaving, but for tests
}

// Open checks cfg and returns a DB; nothing is connected to before the first Session.
//
// The driver's habits that a data pipeline cannot have are off: telemetry, the search for the cloud that it runs in (which asks
// metadata servers, and AWS with the credentials of the machine), its logging configuration from the home directory, its
// temporary credentials there. Two of them can be switched by the environment of the process only, which Open sets.
func Open(cfg Config) (*DB, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open snowflake: %w", err)
	}
	cfg.complete()
	quieten(&cfg)
	pool := sql.OpenDB(connector{driverConfig(&cfg), cfg.Temp})
	pool.SetMaxIdleConns(-1) // a session that is closed logs out
	return &DB{cfg: cfg, pool: pool, grace: closing, leave: leaving}, nil
}

// Close closes what sessions have left, within its own deadline.
func (db *DB) Close() error {
	return within(db.grace, "close connections to snowflake", db.pool.Close)
}

// Session is one login: its statements see the session's settings and stand in its transaction. It is used by one goroutine.
//
// Every statement carries a request id of its own, which the driver keeps when it sends the statement again, so that the server
// runs it once. PUT and GET carry none: on some clouds the driver sends them a second time for an address or new credentials
// (gosnowflake file_transfer_agent.go:590 and 1075). That must not be answered from the first, and would use the channel that the
// query id comes by twice, which panics.
//
// The query id is known when the server's first answer comes: at once for what is quick, after 45 seconds for what is not. A Bulk
// statement is sent asynchronously: its query id comes before its work is waited for. The driver then asks for the result again and
// again, which is what keeps Snowflake from aborting it under ABORT_DETACHED_QUERY (documentation of JDBC, "Performing an
// asynchronous query", as quoted in snowflake-jdbc#2072; not proven against an account). Nothing says that an asynchronous
// statement stands in the transaction of its session, so within one a Bulk statement is sent like the others.
//
// When ctx ends, the server is told to abort the statement, and the call returns within ten seconds even if the driver does not;
// the session is then of no more use, and says so. What became of the statement is Unsure.
type Session struct {
	db     *DB
	conn   *sql.Conn
	tag    map[string]string
	record Recorder
	inside bool // a transaction
	dead   error
	over   func() error // of the context of the login: it has ended when the session is told to stop
	left   bool         // a statement is still with the driver, which would keep Close waiting
}

// Session logs in. The tag is in the query tag of every statement; rec may be nil.
func (db *DB) Session(ctx context.Context, tag map[string]string, rec Recorder) (*Session, error) {
	s := &Session{db: db, tag: map[string]string{}, record: rec, over: ctx.Err}
	maps.Copy(s.tag, db.cfg.Tag)
	maps.Copy(s.tag, tag)
	if rec == nil {
		s.record = func(context.Context, *Sent) error { return nil }
	}
	if err := db.cfg.Auth.readToken(); err != nil {
		return nil, &Error{Kind: KindLogin, Step: loginStep, Message: err.Error(), Advice: db.loginAdvice()}
	}
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Exec(ctx, Statement{SQL: db.settings(), Step: "session"}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// login waits for the driver no longer than LoginTimeout; its own counts its waits only, not what the network takes.
func (s *Session) login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.db.cfg.LoginTimeout)
	defer cancel()
	type outcome struct {
		conn *sql.Conn
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		conn, err := guard(func() (*sql.Conn, error) { return s.db.pool.Conn(ctx) })
		done <- outcome{conn, err}
	}()
	got, ok := await(ctx, s.db.grace, done)
	if !ok {
		go func() { // a connection that comes too late is closed
			if late := <-done; late.conn != nil {
				_ = late.conn.Close()
			}
		}()
		got.err = ctx.Err()
	}
	if got.err != nil {
		return s.db.refused(ctx, got.err)
	}
	s.conn = got.conn
	return nil
}

// settings is the statement that a session begins with. ABORT_DETACHED_QUERY ends a statement whose client has vanished after
// five minutes; its transaction, when it then holds a lock that another waits for, ends after five more. ROWS_PER_RESULTSET, which an
// account or a user may have set, would cut answers without a word.
func (db *DB) settings() string {
	var b strings.Builder
	b.WriteString("ALTER SESSION SET TIMEZONE = 'UTC' ABORT_DETACHED_QUERY = TRUE AUTOCOMMIT = TRUE ROWS_PER_RESULTSET = 0")
	b.WriteString(" ERROR_ON_NONDETERMINISTIC_MERGE = TRUE ERROR_ON_NONDETERMINISTIC_UPDATE = TRUE")
	for _, p := range []struct {
		name string
		is   time.Duration
	}{{"STATEMENT_TIMEOUT_IN_SECONDS", db.cfg.StatementTimeout}, {"LOCK_TIMEOUT", db.cfg.LockTimeout}} {
		if p.is > 0 {
			fmt.Fprintf(&b, " %s = %d", p.name, max(1, int64(p.is.Seconds())))
		}
	}
	return b.String()
}

// Close logs out, within its own deadline. A transaction that is open is rolled back by the server.
func (s *Session) Close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn, s.dead = nil, errors.New("the session is closed")
	if s.left {
		go conn.Close()
		return nil
	}
	grace := s.db.grace
	if s.over() != nil {
		grace = min(grace, s.db.leave)
	}
	return within(grace, "log out of snowflake", conn.Close)
}

// within runs a close that may hang.
func within(limit time.Duration, act string, close func() error) error {
	done := make(chan error, 1)
	go func() { done <- close() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, sql.ErrConnDone) {
			return fmt.Errorf("%s: %w", act, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s: no answer within %s; the server ends the session by itself", act, limit)
	}
}

// await waits for done until grace after the end of ctx.
func await[T any](ctx context.Context, grace time.Duration, done <-chan T) (got T, ok bool) {
	select {
	case got = <-done:
		return got, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case got = <-done:
		return got, true
	case <-timer.C:
		return got, false
	}
}
