package snowflake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// answerTime is the most that a statement may take beyond its timeout at the server before its answer is given up; one with a short timeout
// may take as long again.
const answerTime = 5 * time.Minute

// Exec runs DDL, DML and what controls a transaction. The result has counts and no rows.
func (s *Session) Exec(ctx context.Context, st Statement) (*Result, error) {
	r, err := s.run(ctx, st)
	if r != nil {
		r.Columns, r.Rows = nil, nil
	}
	return r, err
}

// Query runs a statement that answers with a few rows; COPY INTO, PUT, LIST and SHOW are of that kind. A large answer is refused.
func (s *Session) Query(ctx context.Context, st Statement) (*Result, error) {
	return s.run(ctx, st)
}

// run records a statement, sends it, and records what became of it.
func (s *Session) run(ctx context.Context, st Statement) (*Result, error) {
	if s.dead != nil {
		return nil, fmt.Errorf("%s: not sent: %w", st.name(), s.dead)
	}
	c := &call{s: s, ctx: ctx, verb: verb(st.SQL), id: sf.NewUUID()}
	c.sent = Sent{Statement: st, Begun: s.db.cfg.Clock()}
	if !c.transfer() {
		c.sent.RequestID = c.id.String()
	}
	if err := s.record(ctx, &c.sent); err != nil {
		return nil, fmt.Errorf("%s: not sent, since it could not be recorded: %w", st.name(), err)
	}
	result, err := c.send()
	if err != nil {
		err = s.db.failed(ctx, &c.sent, err)
	} else {
		s.follow(c.verb)
		result.QueryID, c.sent.Rows = c.sent.QueryID, result.Affected
	}
	now := s.db.cfg.Clock()
	c.sent.Ended, c.sent.Err = &now, err
	// It has happened, whether or not ctx has ended by now.
	c.unrecorded = errors.Join(c.unrecorded, s.record(context.WithoutCancel(ctx), &c.sent))
	if err == nil && c.unrecorded != nil {
		return nil, &Error{Kind: KindSQL, Step: st.name(), QueryID: c.sent.QueryID, Message: clean("the statement was run, but what became of it could not be recorded: " + c.unrecorded.Error()), Err: c.unrecorded, unsure: true}
	}
	return result, err
}

// follow keeps whether the session is inside a transaction.
func (s *Session) follow(verb string) {
	switch verb {
	case "BEGIN", "START":
		s.inside = true
	case "COMMIT", "ROLLBACK":
		s.inside = false
	}
}

// call is one statement on its way.
type call struct {
	s          *Session
	ctx        context.Context
	verb       string
	id         sf.UUID
	sent       Sent
	unrecorded error
}

type answer struct {
	result *Result
	err    error
}

// transfer says whether the driver moves a file for the statement.
func (c *call) transfer() bool { return c.verb == "PUT" || c.verb == "GET" }

// apart says whether the statement is sent asynchronously: see Session.
func (c *call) apart() bool { return c.sent.Bulk && !c.transfer() && !c.s.inside }

// send gives the statement to the driver, and waits for it until shortly after the end of the context.
func (c *call) send() (*Result, error) {
	ctx := c.ctx
	if limit := c.s.db.cfg.StatementTimeout; limit > 0 {
		var cancel context.CancelFunc
		beyond := min(limit, answerTime)
		ctx, cancel = context.WithTimeoutCause(ctx, limit+beyond, fmt.Errorf("no answer within %s: statement_timeout and %s beyond it", limit+beyond, beyond))
		defer cancel()
	}
	ids, done := make(chan string, 1), make(chan answer, 1)
	conn, prepared := c.s.conn, c.prepare(ctx, ids)
	go func() {
		result, err := guard(func() (*Result, error) { return query(prepared, conn, c.sent.Statement) })
		if err == nil && c.transfer() {
			err = result.moved()
		}
		done <- answer{result, err}
	}()
	got := c.wait(ctx, ids, done)
	if errors.Is(got.err, errPanic) {
		c.s.abandon() // it may hold locks of database/sql
	}
	if cause := context.Cause(ctx); got.err != nil && cause != nil && !errors.Is(got.err, cause) {
		got.err = fmt.Errorf("%w: %w", cause, got.err) // the driver may have lost what has ended it
	}
	return got.result, got.err
}

// wait is for the answer, and for the query id until then.
func (c *call) wait(ctx context.Context, told <-chan string, done <-chan answer) answer {
	for {
		select {
		case id := <-told:
			told = nil // the driver tells it once, and closes the channel
			c.known(id)
		case got := <-done:
			c.lastTold(told)
			return got
		case <-ctx.Done():
			c.lastTold(told)
			return c.giveUp(ctx, done)
		}
	}
}

// lastTold takes a query id that has come together with something else.
func (c *call) lastTold(told <-chan string) {
	select {
	case id := <-told:
		c.known(id)
	default:
	}
}

var errPanic = errors.New("the driver has panicked on the server's answer")

// guard makes an error of a panic: the driver takes the shape of some answers for granted (connection_util.go:344).
func guard[T any](work func() (T, error)) (got T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return work()
}

// known records the query id.
func (c *call) known(id string) {
	if id == "" {
		return
	}
	c.sent.QueryID = id
	c.unrecorded = errors.Join(c.unrecorded, c.s.record(context.WithoutCancel(c.ctx), &c.sent))
}

// prepare puts into ctx what the driver takes from there.
func (c *call) prepare(ctx context.Context, ids chan<- string) context.Context {
	ctx = sf.WithQueryTag(ctx, c.tag())
	if c.transfer() {
		return ctx
	}
	ctx = sf.WithQueryIDChan(sf.WithRequestID(ctx, c.id), ids)
	if c.apart() {
		ctx = sf.WithAsyncMode(ctx)
	}
	return ctx
}

// tag is the query tag: {"run": …, "load": …, "table": …, "step": …} and what the target adds.
func (c *call) tag() string {
	tag := maps.Clone(c.s.tag)
	for name, value := range map[string]string{"step": c.sent.Step, "table": c.sent.Table} {
		if value != "" {
			tag[name] = value
		}
	}
	text, err := json.Marshal(tag)
	if err != nil || len(text) > longestTag {
		return ""
	}
	return string(text)
}

// giveUp has the server abort the statement, and leaves a driver that does not return.
func (c *call) giveUp(ctx context.Context, done <-chan answer) answer {
	if c.apart() && c.sent.QueryID != "" {
		c.abort(ctx)
	}
	got, ok := await(ctx, c.s.db.grace, done)
	if !ok {
		c.s.abandon()
		got.err = ctx.Err()
	}
	return got
}

// abandon leaves a session whose driver does not come back, or not in a state to go on from.
func (s *Session) abandon() {
	s.left, s.dead = true, errors.New("an earlier statement was given up without an answer: open another session")
}

// abort ends an asynchronous statement at the server: the driver does that of itself for what it waits for only (restful.go:207).
func (c *call) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.s.db.grace)
	conn, id := c.s.conn, c.sent.QueryID
	go func() {
		defer cancel()
		_, _ = query(ctx, conn, Statement{SQL: "SELECT SYSTEM$CANCEL_QUERY(?)", Args: []any{id}})
	}()
	<-ctx.Done()
}

// verb is the first word of a statement, in upper case.
func verb(sql string) string {
	fields := strings.FieldsFunc(sql, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == ';' || r == '(' })
	if len(fields) == 0 {
		return ""
	}
	return strings.ToUpper(fields[0])
}

// name says which statement it is, in errors.
func (st *Statement) name() string {
	name := st.Step
	if name == "" {
		name = strings.ToLower(verb(st.SQL))
	}
	if st.Table != "" {
		name += " " + st.Table
	}
	return name
}

// query runs one statement through the driver. Every statement goes through QueryContext: its counts come as a row with a
// column for each, of which ExecContext gives the sum alone, that of the rows joined more than once among them (connection_util.go:325).
func query(ctx context.Context, conn *sql.Conn, st Statement) (*Result, error) {
	rows, err := conn.QueryContext(ctx, st.SQL, st.Args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return read(rows)
}
