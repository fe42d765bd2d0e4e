// Package snowflake is the one owner of Snowflake's driver: it opens connections, runs statements one by one on a pinned
// session, tells of each before it is sent, and turns the driver's errors into ones that say what to do. It knows no table.
// Read Config, then Session.
package snowflake

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// Config opens a DB.
type Config struct {
	Account, User, Role, Warehouse, Database, Schema string
	Auth                                             Auth
	Host                                             string // "": by the account
	Port                                             int
	HTTP                                             bool // only for a host that is this machine
	Proxy                                            *Proxy
	LaxRevocation                                    bool              // a certificate that cannot be checked for revocation passes; one that is revoked does not
	Tag                                              map[string]string // beside those of each statement: a JSON object in QUERY_TAG
	StatementTimeout, LockTimeout, LoginTimeout      time.Duration
	Temp                                             string            // folder for the encrypted copies of files in flight
	Retries                                          int               // of a request that the network or the server failed; 0: 7, below: none
	Transport                                        http.RoundTripper // only beside HTTP: the driver checks no revocation on a foreign one
	Log                                              *slog.Logger      // hears the driver's warnings at debug; nil: nobody
	Clock                                            clock.Clock       // nil: the system's
}

// Auth is how to log in: exactly one of its parts.
type Auth struct {
	PrivateKey       *rsa.PrivateKey
	Token, TokenFile string // a programmatic access token, or with WorkloadIdentity oidc that of the identity provider
	OAuthToken       bool   // Token is an OAuth access token that something else renews
	OAuth            *OAuth
	WorkloadIdentity *WorkloadIdentity
}

// OAuth are client credentials (RFC 6749, section 4.4).
type OAuth struct{ ClientID, ClientSecret, TokenURL, Scope string }

// WorkloadIdentity is what a cloud says of the machine: AWS, AZURE, GCP or OIDC.
type WorkloadIdentity struct {
	Provider, EntraResource string
	Impersonate             []string
}

// Proxy is an HTTP proxy.
type Proxy struct {
	Host                    string
	Port                    int
	User, Password, NoProxy string
}

// Statement is one statement and what it is for.
type Statement struct {
	SQL   string
	Args  []any  // for ? in it
	Step  string // what for, in a word or two: goes into the query tag and the record
	Table string // "": it is about no one table
	// Bulk statements may take long: the server is asked for their query id before they are waited for. Within a transaction
	// they are sent like the others: see Session.
	Bulk bool
}

// Sent is what became of a statement so far. It is given to Recorder before it is sent, when its query id is known, and when it has ended.
type Sent struct {
	Statement
	RequestID, QueryID string // no RequestID for PUT and GET: see Session
	Begun              time.Time
	Ended              *time.Time
	Rows               int64
	Err                error
}

// Recorder keeps a statement; an error of its first call keeps the statement from being sent.
type Recorder func(ctx context.Context, s *Sent) error

// Result is a small answer. Values are the texts of the server, nil for NULL: a number in full, a boolean as 1 or 0, bytes in hexadecimal; dates
// and times are put into ISO 8601.
type Result struct {
	QueryID  string
	Columns  []string // in lower case
	Rows     [][]*string
	Affected int64 // rows that a DML statement has changed, or a COPY has loaded
	// Counts are those of a DML statement, by the names that Snowflake gives them, such as "number of rows inserted".
	Counts map[string]int64
}
