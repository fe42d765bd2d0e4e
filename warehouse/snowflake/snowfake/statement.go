package snowfake

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Statement is one statement that the server was asked to execute, and what became of it.
type Statement struct {
	QueryID, RequestID, SQL string
	Tag                     string // QUERY_TAG of the request; "": the session's
	Session                 int64
	Requests                int // how many requests carried it: more than one were retries
	Running                 bool
	Err                     error // nil: it has succeeded, or runs
}

// run is a statement in execution or done. answer and err are there when done is closed.
type run struct {
	Statement
	client  *client
	begun   time.Time
	ended   time.Time
	binds   []Bind
	async   bool
	cancel  context.CancelFunc
	done    chan struct{}
	answer  *Answer
	err     error
	waiting int // how many answers still say that it is in progress; guarded by Server.mu, as is Requests
}

func (r *run) running() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// statement executes a statement and answers with its result, or with where that will be.
func (s *Server) statement(r *request) reply {
	c, no := s.authorize(r)
	if no != nil {
		return *no
	}
	q, err := s.begin(c, r)
	if err != nil {
		return failure("", err)
	}
	if r.after() { // what is to go wrong then does so after the execution, whoever waits for it
		<-q.done
	}
	if r.query.Async {
		return succeedWith(codeInProgressAsync, q.progress())
	}
	return s.await(r, q, codeInProgress)
}

// begin starts a statement, unless its request id has come before: then that execution is its own too. The driver repeats a request
// whose answer it missed under the same requestId, only the request_guid is new (retry.go, lines 361-363), and "Snowflake returns the
// cached result" (CHANGELOG.md, line 47; seen on an account, for an INSERT too:
// https://github.com/snowflakedb/snowflake-connector-nodejs/issues/740).
func (s *Server) begin(c *client, r *request) (*run, error) {
	binds, err := r.query.binds()
	if err != nil {
		return nil, err
	}
	id := r.URL.Query().Get("requestId")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ctx.Err(); err != nil {
		return nil, fmt.Errorf("the server ends: %w", err)
	}
	if q := s.requests[id]; q != nil && !s.cfg.Repeats {
		q.Requests++
		return q, nil
	}
	q := &run{client: c, async: r.query.Async, binds: binds, begun: s.cfg.Clock(), done: make(chan struct{})}
	q.Statement = Statement{
		QueryID: queryID(), RequestID: id, SQL: r.query.SQL, Tag: text(r.query.Parameters["QUERY_TAG"]), Session: c.id, Requests: 1,
	}
	if r.fault != nil && r.fault.fault.Do == Slow {
		q.waiting = r.fault.fault.Code
	}
	// A statement goes on without the client that sent it: ABORT_DETACHED_QUERY is off
	// (https://docs.snowflake.com/en/sql-reference/parameters#abort-detached-query).
	var ctx context.Context
	ctx, q.cancel = context.WithCancel(s.ctx)
	s.runs[q.QueryID], s.order = q, append(s.order, q)
	if id != "" {
		s.requests[id] = q
	}
	s.work.Go(func() { s.execute(ctx, q) })
	return q, nil
}

func (s *Server) execute(ctx context.Context, q *run) {
	defer close(q.done)
	defer q.cancel()
	q.client.run.Lock()
	defer q.client.run.Unlock()
	s.damage(q.client)
	q.answer, q.err = q.client.session.Run(withQueryID(ctx, q.QueryID), q.SQL, q.binds)
	if q.err != nil && ctx.Err() != nil {
		q.err = &Error{Code: codeCanceled, SQLState: "57014", Message: "SQL execution canceled"}
	}
	q.ended = s.cfg.Clock()
}

// await answers with a statement's result; with code, when that takes longer than the server's patience.
func (s *Server) await(r *request, q *run, code string) reply {
	s.mu.Lock()
	early := q.waiting > 0
	q.waiting = max(q.waiting-1, 0)
	s.mu.Unlock()
	if early {
		return succeedWith(code, q.progress())
	}
	patience := time.NewTimer(s.cfg.Patience)
	defer patience.Stop()
	select {
	case <-q.done:
		return s.outcome(r, q)
	case <-patience.C:
	case <-r.Context().Done(): // nobody hears the answer
	}
	return succeedWith(code, q.progress())
}

// result answers who asks for a result by query id (monitoring.go, rowsForRunningQuery; restful.go, lines 280-303).
func (s *Server) result(r *request, id string) reply {
	if _, no := s.authorize(r); no != nil {
		return *no
	}
	q := s.byID(id)
	if q == nil {
		return failure(id, unknownf("the query %s", id)) // what Snowflake says to that is not known here
	}
	code := codeInProgress
	if q.async {
		code = codeInProgressAsync
	}
	return s.await(r, q, code)
}

// monitor tells the state of a statement (monitoring.go, checkQueryStatus).
func (s *Server) monitor(r *request, id string) reply {
	if _, no := s.authorize(r); no != nil {
		return *no
	}
	q := s.byID(id)
	if q == nil {
		return succeed(monitoringData{Queries: []monitored{}})
	}
	m := monitored{ID: id, SQL: q.SQL, StartTime: q.begun.UnixMilli(), Status: "RUNNING"}
	switch {
	case q.running():
	case q.err != nil:
		e := asError(q.err)
		m.EndTime, m.Status, m.ErrorCode, m.ErrorMessage = q.ended.UnixMilli(), "FAILED_WITH_ERROR", e.Code, e.Message
	default:
		m.EndTime, m.Status = q.ended.UnixMilli(), "SUCCESS"
	}
	return succeed(monitoringData{Queries: []monitored{m}})
}

// abort cancels the statement of a request id (restful.go, cancelQuery). The driver asks again, up to five times, when there is none.
func (s *Server) abort(r *request) reply {
	if _, no := s.authorize(r); no != nil {
		return *no
	}
	var body struct {
		RequestID string `json:"requestId"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		return refuse("390400", "read the request: "+err.Error())
	}
	s.mu.Lock()
	q := s.requests[body.RequestID]
	s.mu.Unlock()
	if q == nil || !q.running() {
		return refuse(codeNotExecuting, "Identified SQL statement is not currently executing.")
	}
	q.cancel()
	<-q.done
	return succeed(nil)
}

func (s *Server) byID(id string) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[id]
}

// outcome is the final answer to a statement.
func (s *Server) outcome(r *request, q *run) reply {
	if q.err != nil {
		return failure(q.QueryID, q.err)
	}
	if q.answer.Upload != nil {
		data, err := s.upload(r, q)
		if err != nil {
			return failure(q.QueryID, err)
		}
		return succeed(data)
	}
	a := q.answer
	data := resultData{
		RowType: make([]resultColumn, len(a.Columns)), RowSet: a.Rows, Total: len(a.Rows), Returned: len(a.Rows), QueryID: q.QueryID,
		Database: a.Database, Schema: a.Schema, Warehouse: a.Warehouse, Role: a.Role,
		StatementTypeID: int64(a.Type), Version: 1, Format: "json",
	}
	if data.RowSet == nil {
		data.RowSet = [][]*string{}
	}
	for i, c := range a.Columns {
		data.RowType[i] = resultColumn(c)
	}
	return succeed(data)
}

func (r *run) progress() progressData {
	return progressData{QueryID: r.QueryID, ResultURL: "/queries/" + r.QueryID + "/result", Aborts: 300}
}

func succeedWith(code string, data any) reply {
	return reply{Data: data, Code: code, Message: "Query execution in progress.", Success: true}
}

// failure answers with a statement's error: HTTP 200, as all that is not the transport's.
func failure(queryID string, err error) reply {
	e := asError(err)
	return reply{Data: errorData{QueryID: queryID, SQLState: e.SQLState, ErrorCode: e.Code}, Code: e.Code, Message: e.Message}
}

// asError makes an error of ours one of Snowflake's. Its code is none of theirs, so that no test takes it for one.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: "999998", SQLState: "XX000", Message: "snowfake: " + err.Error()}
}

// binds are a statement's values in the order of their question marks: the driver numbers them from 1 (bind_uploader.go, bindingName).
func (b *queryBody) binds() ([]Bind, error) {
	for name, value := range b.Parameters {
		if name != "QUERY_TAG" && !(name == "MULTI_STATEMENT_COUNT" && text(value) == "1") {
			return nil, unknownf("the request's parameter %s = %v", name, value)
		}
	}
	if b.DescribeOnly || b.BindStage != "" {
		return nil, unknownf("statements that are only described, and values bound by way of a stage")
	}
	binds := make([]Bind, len(b.Bindings))
	for name, bound := range b.Bindings {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 || i > len(binds) {
			return nil, unknownf("the bound value %q: only ? is", name)
		}
		binds[i-1].Type = bound.Type
		if err := json.Unmarshal(bound.Value, &binds[i-1].Value); err != nil {
			return nil, unknownf("the bound value %q, which is not a text: arrays are not bound here", name)
		}
	}
	return binds, nil
}

// text is a value of a request as text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

type queryIDKey struct{}

// withQueryID says under which id a client knows what is run.
func withQueryID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, queryIDKey{}, id)
}

// queryIDOf is the id of what is run; a new one, when no server has said.
func queryIDOf(ctx context.Context) string {
	if id, ok := ctx.Value(queryIDKey{}).(string); ok {
		return id
	}
	return queryID()
}

// queryID makes an id that looks like Snowflake's, such as 01ba13b4-0104-e9fd-0000-0111029ca00e.
func queryID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	b[0] = 1
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
