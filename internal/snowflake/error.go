package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	sf "github.com/snowflakedb/gosnowflake/v2"
	"golang.org/x/oauth2"
)

// Kind says what has gone wrong, for callers that act on it.
type Kind string

// The kinds of errors.
const (
	KindAccount     Kind = "account"     // no such account, or none at that host
	KindLogin       Kind = "login"       // wrong user, key or token, or not from here
	KindExpired     Kind = "expired"     // a token or key that has expired
	KindRole        Kind = "role"        // the role is not there, or not the user's
	KindGrant       Kind = "grant"       // the role lacks a privilege
	KindMissing     Kind = "missing"     // an object is not there, or not to be seen by the role
	KindExists      Kind = "exists"      // an object of that name is there
	KindWarehouse   Kind = "warehouse"   // no warehouse to run in
	KindLock        Kind = "lock"        // another transaction holds a lock
	KindTimeout     Kind = "timeout"     // it took too long
	KindDuplicate   Kind = "duplicate"   // MERGE met a key twice
	KindUnavailable Kind = "unavailable" // the network or the server failed
	KindSQL         Kind = "sql"         // all else
)

// Error is what a statement, or a login, failed by.
type Error struct {
	Kind     Kind
	Code     int // of the server, or of the driver from 260000 to 279999; 0: neither has named one
	SQLState string
	QueryID  string // "": not known
	Step     string // of the statement
	Message  string // of the server, without tokens and values of rows
	Advice   string // what to do next; "" when there is nothing to say
	Err      error  // of the driver, the network or the context
	unsure   bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Step + ": ")
	if e.Code != 0 {
		fmt.Fprintf(&b, "%06d", e.Code)
		if e.SQLState != "" {
			fmt.Fprintf(&b, " (%s)", e.SQLState)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.QueryID != "" {
		fmt.Fprintf(&b, " (query %s)", e.QueryID)
	}
	return b.String()
}

// Hint says what to do next.
func (e *Error) Hint() string { return e.Advice }

func (e *Error) Unwrap() error { return e.Err }

// Unsure says that a statement was sent and its outcome is not known: the connection was lost, a deadline has passed, the server
// failed, or it was told to stop. It may have been done. An error that the server answered with is sure.
func Unsure(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.unsure
}

// failed makes an Error of what a statement failed by.
func (db *DB) failed(ctx context.Context, sent *Sent, err error) error {
	e := db.explain(err)
	e.Step = sent.name()
	if e.Kind == KindGrant {
		e.Advice = grant(e.Message, db.cfg.Role, sent.SQL)
	}
	if e.QueryID == "" {
		e.QueryID = sent.QueryID
	}
	e.unsure = ctx.Err() != nil || !decided(e.Code)
	return e
}

const loginStep = "log in to snowflake"

// refused makes an Error of what a login failed by. Nothing was to be done, so it is never unsure.
func (db *DB) refused(ctx context.Context, err error) error {
	e := db.explain(err)
	e.Step = loginStep
	host := db.host()
	switch {
	case e.Code == sf.ErrCodeFailedToConnect, e.Code == sf.ErrFailedToAuth && status(err) == http.StatusNotFound: // auth.go:212
		e.Kind, e.Message = KindAccount, fmt.Sprintf("no account %s at host %s", db.cfg.Account, host)
		e.Advice = accountAdvice
	case noHost(err):
		e.Kind, e.Message = KindAccount, fmt.Sprintf("no account %s: there is no host %s", db.cfg.Account, host)
		e.Advice = accountAdvice
	case ctx.Err() != nil && e.Code == 0:
		e.Kind, e.Message = KindUnavailable, fmt.Sprintf("no answer from host %s: %v", host, ctx.Err())
		e.Advice = "check the account, the proxy and the way to the host, or give it more time by login_timeout"
	case e.Kind == KindMissing: // 390201: the database, schema or warehouse of the configuration
		e.Advice = db.usage(e.Message)
	case e.Code == 0 && !db.passing(err):
		e.Kind, e.Advice = KindLogin, db.loginAdvice()
	}
	if token := (*oauth2.RetrieveError)(nil); errors.As(err, &token) && token.Response != nil {
		e.Message = db.noToken(token)
	}
	return e
}

// passing says of what keeps a login from reaching Snowflake whether it may be gone the next time: the network or a server fails. A cloud
// whose metadata cannot be had is the wrong one, or vouches for no such machine.
func (db *DB) passing(err error) bool {
	var token *oauth2.RetrieveError
	if errors.As(err, &token) && token.Response != nil {
		code := token.Response.StatusCode
		return code < 400 || code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooManyRequests
	}
	var address *url.Error
	if w := db.cfg.Auth.WorkloadIdentity; w != nil && !strings.EqualFold(w.Provider, "oidc") && errors.As(err, &address) && !strings.Contains(address.URL, "//"+db.host()) {
		return false
	}
	var network net.Error
	var odd *json.SyntaxError // a proxy's page
	return errors.As(err, &network) || errors.As(err, &address) || errors.As(err, &odd) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, errPanic) || lastStatus.MatchString(err.Error()) || strings.Contains(err.Error(), noRevocation)
}

// noToken says what the identity provider answers: words of its own for a person, in which it might repeat the secret.
func (db *DB) noToken(e *oauth2.RetrieveError) string {
	said := fmt.Sprintf("the identity provider answers HTTP %d", e.Response.StatusCode)
	for _, more := range []string{e.ErrorCode, e.ErrorDescription} {
		if more != "" {
			said += ": " + more
		}
	}
	if o := db.cfg.Auth.OAuth; o != nil && o.ClientSecret != "" {
		said = strings.ReplaceAll(said, o.ClientSecret, "***")
	}
	return clean(said)
}

// loginAdvice is for a login that has failed before Snowflake was asked.
func (db *DB) loginAdvice() string {
	a := &db.cfg.Auth
	switch {
	case a.OAuth != nil:
		return "check client_id, client_secret, token_url and scope of oauth"
	case a.WorkloadIdentity != nil && strings.EqualFold(a.WorkloadIdentity.Provider, "oidc"):
		return "check that the token, or the file that token_file names, holds a JWT of the identity provider"
	case a.WorkloadIdentity != nil:
		return fmt.Sprintf("workload_identity with provider: %s is for a machine of that cloud that has an identity there: is this one?", strings.ToLower(a.WorkloadIdentity.Provider))
	case a.TokenFile != "":
		return "check that the file that token_file names is there, and holds a token"
	}
	return "check how the target logs in"
}

// requested is what a login is refused for.
var requested = regexp.MustCompile(`(?i)requested (database|schema|warehouse)\b`)

// usage says which of the configuration's objects it is, and what right on it a role needs.
func (db *DB) usage(message string) string {
	var grants []string
	add := func(kind, name string) {
		if name != "" {
			grants = append(grants, fmt.Sprintf("GRANT USAGE ON %s %s TO ROLE <role>", kind, name))
		}
	}
	kind := ""
	if found := requested.FindStringSubmatch(message); found != nil {
		kind = strings.ToUpper(found[1])
	}
	if kind == "" || kind == "WAREHOUSE" {
		add("WAREHOUSE", db.cfg.Warehouse)
	}
	if kind == "" || kind == "DATABASE" {
		add("DATABASE", db.cfg.Database)
	}
	if kind == "SCHEMA" && db.cfg.Schema != "" {
		add("SCHEMA", db.cfg.Database+"."+db.cfg.Schema)
	}
	return db.spelled("check the name; if it is there, the role lacks the right: "+strings.Join(grants, "; "), message)
}

// loginID is what Snowflake calls a login that has failed.
var loginID = regexp.MustCompile(`\[([0-9a-fA-F-]{36})\]`)

// spelled puts into advice what the configuration, and the server's message, say.
func (db *DB) spelled(advice, message string) string {
	id := ""
	if found := loginID.FindStringSubmatch(message); found != nil {
		id = found[1]
	}
	for mark, value := range map[string]string{"<role>": db.cfg.Role, "<user>": db.cfg.User, "<warehouse>": db.cfg.Warehouse, "<account>": db.cfg.Account, "<id>": id} {
		if value != "" {
			advice = strings.ReplaceAll(advice, mark, value)
		}
	}
	return advice
}

// status is the HTTP status that the driver made an error of, or 0.
func status(err error) int {
	var driver *sf.SnowflakeError
	if !errors.As(err, &driver) || len(driver.MessageArgs) == 0 {
		return 0
	}
	code, _ := driver.MessageArgs[0].(int)
	return code
}

const accountAdvice = "write the account as organization-account, as its URL has it before .snowflakecomputing.com, and the host only where it is another"

func noHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// host is where the account is.
func (db *DB) host() string {
	if db.cfg.Host != "" {
		return db.cfg.Host
	}
	return db.cfg.Account + ".snowflakecomputing.com"
}

// explain turns an error of the driver into one that says what it is and what to do.
func (db *DB) explain(err error) *Error {
	if odd := (*oddAnswer)(nil); errors.As(err, &odd) {
		return &Error{Kind: KindSQL, Message: odd.says}
	}
	e := &Error{Kind: KindUnavailable, Message: clean(err.Error()), Err: redacted{err}}
	var driver *sf.SnowflakeError
	if !errors.As(err, &driver) {
		e.Advice = "the network or the server failed: run it again"
		if status := lastStatus.FindStringSubmatch(e.Message); status != nil { // retry.go:315 hides what happened in a question
			e.Message = "the server answers HTTP " + status[1]
		}
		if strings.Contains(e.Message, syscall.ECONNREFUSED.Error()) { // the driver keeps the text alone
			e.Advice = "nothing listens there, or a firewall is between: look at account:, host:, port: and proxy: of the target, and at Outbound connections in docs/snowflake.md"
		}
		if strings.Contains(e.Message, noRevocation) {
			e.Advice = "a certificate of the host has no revocation list, or that cannot be had: let the machine reach the lists, and have no proxy open TLS on the way; or set revocation: advisory, and know its risk"
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			e.Kind, e.Advice = KindTimeout, ""
		}
		return e
	}
	e.Code, e.SQLState, e.QueryID = driver.Number, driver.SQLState, driver.QueryID
	e.Message = clean(message(driver))
	e.Kind, e.Advice = classify(e.Code, e.SQLState)
	e.Advice = db.spelled(e.Advice, e.Message)
	if e.Kind == KindLock && strings.Contains(e.Message, "number of waiters") {
		e.Advice = queueAdvice
	}
	return e
}

// message is the driver's text without the code before it.
func message(e *sf.SnowflakeError) string {
	if len(e.MessageArgs) > 0 {
		return fmt.Sprintf(e.Message, e.MessageArgs...)
	}
	return e.Message
}

// redacted keeps an error for errors.Is and As, and its text from being printed as it is.
type redacted struct{ error }

func (r redacted) Error() string { return clean(r.error.Error()) }
func (r redacted) Unwrap() error { return r.error }

// noRevocation is what the driver says of a certificate whose revocation list cannot be had (crl.go:190).
const noRevocation = "certificate revocation check failed"

var lastStatus = regexp.MustCompile(`^timeout after .* HTTP Status: (\d+)\. Hanging\?$`)

var (
	// secrets are tokens as they stand in headers, JSON, URLs and bodies.
	secrets = regexp.MustCompile(`(?i)(token|authorization|password|secret|assertion|signature|sig|credential)(["']?\s*[=:]\s*["']?(?:bearer |snowflake token=\\?["']?)?)[^\s"'&,}]+`)
	// jwts begin with the base64 of {".
	jwts = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}`)
	// urls have presigned queries.
	urls = regexp.MustCompile(`https?://[^\s"'<>]+`)
	// rowValues follow "Duplicate row detected during DML action", among others.
	rowValues  = regexp.MustCompile(`(?s)Row Values: .*`)
	lineBreaks = regexp.MustCompile(`\s*[\r\n]\s*`)
)

// clean takes out of a text what is secret, and values of data, and makes one line of it.
func clean(text string) string {
	text = urls.ReplaceAllStringFunc(text, func(found string) string {
		u, err := url.Parse(found)
		if err != nil {
			return "***"
		}
		u.RawQuery, u.User, u.Fragment = "", nil, ""
		return u.String()
	})
	text = jwts.ReplaceAllString(text, "***")
	text = secrets.ReplaceAllString(text, "$1$2***")
	text = rowValues.ReplaceAllString(text, "Row Values: ***")
	return lineBreaks.ReplaceAllString(text, " ")
}
