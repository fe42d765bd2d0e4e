package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// SQLSTATEs that are acted on (PostgreSQL documentation, appendix A).
const (
	undefinedTable     = "42P01"
	undefinedColumn    = "42703"
	invalidSchema      = "3F000"
	noPrivilege        = "42501"
	badPassword        = "28P01"
	badAuthorization   = "28000"
	noDatabase         = "3D000"
	tooManyConnections = "53300"
	lockNotAvailable   = "55P03"
	queryCanceled      = "57014"
	serialization      = "40001"
	deadlock           = "40P01"
	badParameter       = "22023" // of a snapshot's or a time zone's name, for example
	objectState        = "55000"
	undefinedObject    = "42704"
	idleTermination    = "25P03"
)

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// routine is the function of the server that raised an error: its words come in the server's language (lc_messages).
func routine(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Routine
	}
	return ""
}

// timedOut says whether statement_timeout ended a statement. Whoever cancels one by hand has the same code and routine:
// without our timeout it is that, and with it, in another language than English, it counts as the timeout.
func (s *source) timedOut(err error) bool {
	if code(err) != queryCanceled || s.options.StatementTimeout == 0 {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "statement timeout") || !strings.Contains(text, "canceling statement due to")
}

// transient says whether the same may succeed when it is tried again soon.
func transient(err error) bool {
	switch c := code(err); {
	case c == "":
		return database.Broken(err)
	case strings.HasPrefix(c, "08"), strings.HasPrefix(c, "57P"), c == tooManyConnections, c == lockNotAvailable, c == serialization, c == deadlock, c == idleTermination:
		return true
	case c == queryCanceled:
		return !strings.Contains(err.Error(), "statement timeout") // it would only time out again
	}
	return false
}

// explain adds what to do to errors that people meet, and marks those that may pass. ctx: an error that comes of its end is left alone.
func (s *source) explain(ctx context.Context, err error) error {
	var told *database.Trouble
	if err == nil || ctx.Err() != nil || errors.Is(err, extract.ErrChanged) || errors.Is(err, extract.ErrEmpty) || errors.Is(err, extract.ErrTransient) || errors.As(err, &told) {
		return err
	}
	advice := ""
	user := s.config.User
	var misnamed x509.HostnameError
	switch c := code(err); {
	case c == badPassword || c == badAuthorization:
		advice = fmt.Sprintf("check user %q and its password in the secret or variable that url: names, and pg_hba.conf on the server", user)
	case c == noDatabase:
		advice = "the part of the URL behind the host is the database"
	case c == noPrivilege && routine(err) == "check_enable_rls": // its code is that of missing rights
		advice = fmt.Sprintf("a policy would hide rows from %[1]q without a word: ALTER ROLE %[1]q BYPASSRLS, or read a view or a query: that is meant to show only some", user)
	case c == noPrivilege:
		advice = s.grant(err)
	case c == tooManyConnections:
		advice = "lower connections: on the source, or raise max_connections on the server"
	case s.timedOut(err):
		advice = "raise statement_timeout: on the source; 0 means no limit"
	case c == queryCanceled || c == serialization:
		advice = "a replica cancels queries that hold up its replay: raise max_standby_streaming_delay there, switch hot_standby_feedback on, or read from the primary"
	case c == lockNotAvailable:
		advice = "another session holds a lock on the table, such as an ALTER TABLE; raise lock_timeout: or run at another time"
	case c == undefinedTable || c == invalidSchema || c == undefinedColumn:
		advice = "millrace connectors discover " + s.env.Name + " lists what there is"
	case errors.As(err, &misnamed):
		names := misnamed.Certificate.DNSNames
		for _, ip := range misnamed.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		advice = fmt.Sprintf("the certificate is for %s: name the host so in the URL; tls: { verify: ca } takes it for any host", strings.Join(names, ", "))
	case strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "x509"):
		advice = "give the authority's certificate as tls: { ca: file.pem }; tls: { verify: none } accepts anyone who answers at that address"
	case c == undefinedObject && strings.Contains(err.Error(), "configuration parameter"):
		advice = "it stands in the URL: what the client does not know there goes to the server as a setting"
	case c == "" && strings.Contains(err.Error(), "server refused TLS"):
		advice = "the server speaks no TLS: switch it on there, or write sslmode=disable if the way to it is safe"
	case c == "" && (database.Broken(err) || errors.As(err, new(*pgconn.ConnectError))):
		advice = fmt.Sprintf("is %s reachable from here, and does the server listen on that port?", s.options.URL)
	}
	// Who answers with a code is there; who never answered may be spelled wrong. What has timed out would only do so again.
	if transient(err) && !s.timedOut(err) && (s.wasReached() || code(err) != "") {
		err = fmt.Errorf("%w: %w", extract.ErrTransient, err)
	}
	if advice == "" {
		return err
	}
	return &database.Trouble{Message: plainWords(err), Advice: advice, Err: err}
}

// plainWords is the error without what pgx puts before the server's words.
func plainWords(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		text := pg.Message
		if pg.Detail != "" {
			text += " (" + pg.Detail + ")"
		}
		return text
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Sprintf("no connection to %s: %s", net.JoinHostPort(connect.Config.Host, fmt.Sprint(connect.Config.Port)), cause(connect.Unwrap()))
	}
	return err.Error()
}

// cause is what went wrong in connecting, in one line: pgx tells of each address, with TLS and without.
func cause(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return dns.Err
	case errors.As(err, &op):
		return op.Err.Error()
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
