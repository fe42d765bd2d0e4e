package snowflake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	sf "github.com/snowflakedb/gosnowflake/v2"
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

// refused makes an Error of what a login failed by. Nothing was to be done, so it is never unsure.
func (db *DB) refused(ctx context.Context, err error) error {
	e := db.explain(err)
	e.Step = "log in to snowflake"
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
		e.Advice = "check database, schema and warehouse, and that the role may use them"
	}
	return e
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
		if strings.Contains(e.Message, "certificate revocation check failed") { // crl.go:190
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

var lastStatus = regexp.MustCompile(`^timeout after .* HTTP Status: (\d+)\. Hanging\?$`)

var (
	// secrets are tokens as they stand in headers, JSON, URLs and bodies.
	secrets = regexp.MustCompile(`(?i)(token|authorization|password|secret|assertion|signature|sig|credential)(["']?\s*[=:]\s*["']?(?:bearer |snowflake token=\\?["']?)?)[^\s"'&,}]+`)
	// jwts begin with the base64 of {".
	jwts = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}`)
	// urls have presigned queries.
	urls = regexp.MustCompile(`https?://[^\s"'<>]+`)
	// rowValues follow "Duplicate row detected during DML action", among others.
	rowValues = regexp.MustCompile(`(?s)Row Values: .*`)
)

// clean takes out of a text what is secret, and values of data.
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
	return rowValues.ReplaceAllString(text, "Row Values: ***")
}
