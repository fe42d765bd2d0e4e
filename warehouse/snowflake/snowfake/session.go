package snowfake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Login is what a client says of itself.
type Login struct {
	User, Role, Warehouse, Database, Schema string
	Parameters                              map[string]string // of the session, such as TIMEZONE
}

// Session runs statements for one client, one after the other.
type Session struct {
	account                                 *Account
	id                                      int64
	user, role, warehouse, database, schema string
	parameters                              map[string]string
	transaction                             *transaction
	lastQuery                               string
	query                                   string // that runs now
	waiting                                 *lockedError
	closed                                  bool
}

// Login begins a session. Whether the user is who they say is not asked here.
func (a *Account) Login(_ context.Context, l Login) (*Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	user, ok := a.cfg.Users[strings.ToUpper(l.User)]
	if !ok {
		return nil, failf("390100", "08004", "Incorrect username or password was specified.")
	}
	s := &Session{account: a, id: a.number(), user: strings.ToUpper(l.User), role: fold(l.Role), warehouse: fold(l.Warehouse),
		database: fold(l.Database), schema: fold(l.Schema), parameters: map[string]string{}}
	maps.Copy(s.parameters, a.cfg.Parameters)
	if s.role == "" {
		s.role = user.DefaultRole
	}
	if s.warehouse == "" {
		s.warehouse = user.DefaultWarehouse
	}
	if !slices.Contains(user.Roles, s.role) {
		return nil, failf("390189", "08004", "Role '%s' specified in the connect string does not exist or not authorized. Contact your local system administrator, "+
			"or attempt to login with another role, e.g. PUBLIC.", s.role)
	}
	if err := s.validate(l.Parameters["CLIENT_VALIDATE_DEFAULT_PARAMETERS"] == "true"); err != nil {
		return nil, err
	}
	for name, value := range l.Parameters {
		if parameters[name] {
			s.parameters[name] = value
		}
	}
	a.sessions[s.id] = s
	return s, nil
}

// fold is a name as a login has it: like an identifier, quoted or not.
func fold(name string) string {
	if len(name) > 1 && strings.HasPrefix(name, `"`) {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return strings.ToUpper(name)
}

// validate drops the names of a login that do not exist, or refuses them when the client asks for it
// (CLIENT_VALIDATE_DEFAULT_PARAMETERS, which gosnowflake v2.1.0 sends as true: auth.go, line 304; the code is its errors.go, ErrObjectNotExistOrAuthorized).
func (s *Session) validate(strict bool) error {
	refuse := func(kind string, name *string) error {
		if strict {
			return failf("390201", "08004", "The requested %s does not exist or not authorized.", kind)
		}
		*name = ""
		return nil
	}
	if w := s.account.warehouses[s.warehouse]; s.warehouse != "" && (w == nil || !s.may("USAGE", w, w.owner)) {
		if err := refuse("warehouse", &s.warehouse); err != nil {
			return err
		}
	}
	if s.database == "" {
		s.schema = ""
		return nil
	}
	if _, err := s.databaseOf(s.database); err != nil {
		s.schema = ""
		return refuse("database", &s.database)
	}
	if s.schema == "" {
		s.schema = s.public(s.database)
		return nil
	}
	if _, err := s.schemaOf(s.database, s.schema); err != nil {
		return refuse("schema", &s.schema)
	}
	return nil
}

// public is the schema of a session in which none was named: PUBLIC, or none where that is not there, or the role may not know of it.
func (s *Session) public(database string) string {
	if _, err := s.schemaOf(database, "PUBLIC"); err != nil {
		return ""
	}
	return "PUBLIC"
}

// Run runs exactly one statement. An error of the statement is an *Error; its transaction stays open
// (https://docs.snowflake.com/en/sql-reference/transactions: a failed statement does not end it).
func (s *Session) Run(ctx context.Context, text string, binds []Bind) (*Answer, error) {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.closed {
		return nil, failf("390111", "08003", "Session no longer exists. New login required to access the service.")
	}
	s.query = queryIDOf(ctx)
	defer func() { s.lastQuery = s.query }()
	waits := s.newWait()
	for {
		answer, err := s.once(ctx, text, binds)
		var busy *lockedError
		if errors.As(err, &busy) {
			if err = waits.forChange(ctx, busy); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, s.asError(ctx, err)
		}
		s.cut(answer)
		answer.QueryID = s.query
		answer.Database, answer.Schema, answer.Warehouse, answer.Role = s.database, s.schema, s.warehouse, s.role
		return answer, nil
	}
}

// cut leaves out the rows beyond ROWS_PER_RESULTSET, of which 0 means all, and says nothing of it
// (https://docs.snowflake.com/en/sql-reference/parameters#rows-per-resultset). Whether SHOW heeds it is not told: here it does.
func (s *Session) cut(answer *Answer) {
	most, err := strconv.Atoi(s.parameters["ROWS_PER_RESULTSET"])
	if err == nil && most > 0 && answer.Type == TypeSelect && len(answer.Rows) > most {
		answer.Rows = answer.Rows[:most]
	}
}

func (s *Session) asError(ctx context.Context, err error) error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return failf("000604", "57014", "SQL execution canceled")
	}
	return translated(err)
}

// statement is a kind of statement: the words that it begins with, and what runs it.
type statement struct {
	words string
	run   func(s *Session, ctx context.Context, p *parser) (*Answer, error)
}

// statements is the whitelist: the first whose words fit runs.
func statements() []statement {
	return []statement{
		{"SELECT", (*Session).selects}, {"WITH", (*Session).selects}, {"(", (*Session).selects},
		{"INSERT", dml((*Session).insert)}, {"UPDATE", dml((*Session).update)}, {"DELETE", dml((*Session).delete)}, {"MERGE", dml((*Session).merge)},
		{"TRUNCATE", dml((*Session).truncate)}, {"COPY", dml((*Session).copy)},
		{"PUT", (*Session).put}, {"LIST", (*Session).list}, {"LS", (*Session).list}, {"REMOVE", (*Session).remove}, {"RM", (*Session).remove},
		{"BEGIN", (*Session).begin}, {"START TRANSACTION", (*Session).begin},
		{"COMMIT", (*Session).commit}, {"ROLLBACK", (*Session).rollback},
		{"CREATE", (*Session).create}, {"DROP", (*Session).drop}, {"COMMENT", (*Session).comment},
		{"ALTER TABLE", (*Session).alterTable}, {"ALTER WAREHOUSE", (*Session).alterWarehouse},
		{"USE", (*Session).use}, {"ALTER SESSION SET", (*Session).alterSession},
		{"GRANT", (*Session).grant}, {"REVOKE", (*Session).revoke},
		{"SHOW", (*Session).show}, {"DESCRIBE TABLE", (*Session).describe}, {"DESC TABLE", (*Session).describe},
	}
}

func (s *Session) once(ctx context.Context, text string, binds []Bind) (*Answer, error) {
	p, err := newParser(s, text, binds)
	if err != nil {
		return nil, err
	}
	if p.peek().kind == endToken {
		return nil, failf("000900", "42601", "SQL compilation error:\nEmpty SQL Statement.")
	}
	for _, st := range statements() {
		words := strings.Fields(st.words)
		if !p.is(words...) {
			continue
		}
		if words[0] != "SELECT" && words[0] != "WITH" && words[0] != "(" {
			p.accept(words...)
		}
		return st.run(s, ctx, p)
	}
	return nil, unknownf("the statement %s", p.peek().raw)
}

// said is the answer of a statement that has nothing to tell but that it is done.
func said(format string, args ...any) *Answer {
	text := fmt.Sprintf(format, args...)
	return &Answer{Type: TypeDDL, Columns: []Column{textColumn("status")}, Rows: [][]*string{{&text}}}
}

func textColumn(name string) Column {
	return Column{Name: name, Type: "text", Length: defaultText, Nullable: true}
}

// use is USE DATABASE, SCHEMA, WAREHOUSE or ROLE.
func (s *Session) use(_ context.Context, p *parser) (*Answer, error) {
	kind := ""
	if p.is("DATABASE") || p.is("SCHEMA") || p.is("WAREHOUSE") || p.is("ROLE") {
		kind = p.word()
	}
	parts := p.idents()
	if kind == "" && len(parts) == 2 {
		kind = "SCHEMA"
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	name := parts[len(parts)-1]
	gone := failf("002043", "02000", "SQL compilation error:\nObject does not exist, or operation cannot be performed.")
	switch kind {
	case "WAREHOUSE":
		w := s.account.warehouses[name]
		if w == nil || !s.may("USAGE", w, w.owner) {
			return nil, gone
		}
		s.warehouse = name
	case "ROLE":
		if !slices.Contains(s.account.cfg.Users[s.user].Roles, name) {
			return nil, failf("003013", "42501", "SQL access control error:\nRequested role '%s' is not assigned to the executing user. Specify another role to activate.", name)
		}
		s.role = name
	case "SCHEMA":
		db := s.database
		if len(parts) == 2 {
			db = parts[0]
		}
		if _, err := s.schemaOf(db, name); err != nil {
			return nil, gone
		}
		s.database, s.schema = db, name
	default:
		if _, err := s.databaseOf(name); err != nil {
			return nil, gone
		}
		s.database, s.schema = name, s.public(name)
	}
	return said("Statement executed successfully."), nil
}

// parameters of a session that the stand-in takes; those of the CLIENT have no meaning here.
var parameters = set(`TIMEZONE QUERY_TAG STATEMENT_TIMEOUT_IN_SECONDS LOCK_TIMEOUT AUTOCOMMIT TIMESTAMP_TYPE_MAPPING ERROR_ON_NONDETERMINISTIC_MERGE
 ERROR_ON_NONDETERMINISTIC_UPDATE ABORT_DETACHED_QUERY ROWS_PER_RESULTSET CLIENT_SESSION_KEEP_ALIVE CLIENT_TELEMETRY_ENABLED CLIENT_VALIDATE_DEFAULT_PARAMETERS`)

// mustBe are parameters that have one value here: with another, statements would mean something else.
var mustBe = map[string]string{"TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "ERROR_ON_NONDETERMINISTIC_MERGE": "TRUE",
	"ERROR_ON_NONDETERMINISTIC_UPDATE": "TRUE"}

func (s *Session) alterSession(_ context.Context, p *parser) (*Answer, error) {
	values := map[string]string{}
	for p.err == nil && (len(values) == 0 || p.accept(",") || p.peek().kind == wordToken) {
		name := p.word()
		p.expect("=")
		t := p.next()
		if t.kind != stringToken && t.kind != numberToken && t.kind != wordToken {
			p.unexpected()
		}
		if !parameters[name] {
			p.fail(unknownf("the session parameter %s", name))
		}
		if want, ok := mustBe[name]; ok && !strings.EqualFold(want, t.text) {
			p.fail(unknownf("%s = %s", name, t.raw))
		}
		if name == "AUTOCOMMIT" && !strings.EqualFold(t.text, "TRUE") && !strings.EqualFold(t.text, "FALSE") {
			p.fail(unknownf("%s = %s", name, t.raw))
		}
		if name == "AUTOCOMMIT" && s.transaction != nil { // which would commit it, says the documentation
			p.fail(unknownf("%s within an open transaction", name))
		}
		if name == "QUERY_TAG" && len(t.text) > 2000 { // https://docs.snowflake.com/en/sql-reference/parameters#query-tag
			p.fail(failf("001008", "22023", "SQL compilation error:\ninvalid value [%s] for parameter 'QUERY_TAG'", t.text))
		}
		values[name] = t.text
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	maps.Copy(s.parameters, values)
	return said("Statement executed successfully."), nil
}

// Parameter is the value of a session parameter, such as QUERY_TAG.
func (s *Session) Parameter(name string) string {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	return s.parameters[name]
}

// seconds is a parameter that is a span of time.
func (s *Session) seconds(name string) (time.Duration, bool) {
	n, err := strconv.Atoi(s.parameters[name])
	return time.Duration(n) * time.Second, err == nil
}

// needsWarehouse refuses what cannot run without a warehouse that runs (000606: https://github.com/airbytehq/airbyte/issues/40615).
func (s *Session) needsWarehouse() error {
	w := s.account.warehouses[s.warehouse]
	switch {
	case w == nil || !s.may("USAGE", w, w.owner):
		return failf("000606", "57P03", "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.")
	case w.Suspended && w.NoResume:
		// The words: https://github.com/Snowflake-Labs/sfguide-getting-started-from-zero-to-snowflake/issues/3.
		return failf("090064", "57P03", "Warehouse '%s' is suspended. Use 'alter warehouse %s resume;' command if you need to use it again.", w.Name, w.Name)
	case w.Suspended && w.Monitor != "":
		return w.exhausted()
	}
	w.Suspended = false
	return nil
}

func (s *Session) selects(ctx context.Context, p *parser) (*Answer, error) {
	query := p.query()
	if err := p.done(); err != nil {
		return nil, err
	}
	if len(p.tables) > 0 {
		if err := s.needsWarehouse(); err != nil {
			return nil, err
		}
	}
	for _, f := range p.effects {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	return s.account.answer(ctx, query)
}

func (s *Session) now() string {
	return "TIMESTAMPTZ " + quoteText(s.account.cfg.Clock().UTC().Format("2006-01-02 15:04:05.999999-07:00"))
}

// Close ends the session as a client does that logs out: its transaction is rolled back.
func (s *Session) Close() error {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.closed {
		return nil
	}
	var err error
	if s.transaction != nil {
		err = a.end(context.Background(), s.transaction, false)
	}
	return errors.Join(err, a.forget(s))
}

// Abandon ends the session as a client does that vanished: its transaction stays open and keeps its locks
// (https://docs.snowflake.com/en/sql-reference/transactions#aborting-transactions: detached).
func (s *Session) Abandon() {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	s.closed = true
}

// forget drops what belongs to a session alone.
func (a *Account) forget(s *Session) error {
	s.closed = true
	delete(a.sessions, s.id)
	var err error
	for _, db := range a.databases {
		for _, sch := range db.schemas {
			for name, t := range sch.tables {
				if t.session == s.id {
					delete(sch.tables, name)
					err = errors.Join(err, a.dropRows(context.Background(), t.rows))
				}
			}
		}
	}
	return err
}
