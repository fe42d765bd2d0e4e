package snowflake

import (
	"fmt"
	"regexp"
	"strings"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// codes are what error codes of the server and of the driver mean. Each says where it is known from: Snowflake's documentation of
// SYSTEM$GET_LOGIN_FAILURE_DETAILS, the driver's source, an issue of a project by its number, or messages that many have published.
// None has been met on an account of ours.
var codes = map[int]struct {
	kind   Kind
	advice string
}{
	// Login, from the documentation.
	390144: {KindLogin, keyAdvice},                                                                                                                                                // JWT_TOKEN_INVALID
	394300: {KindLogin, "the account has no user of that name"},                                                                                                                   // JWT_TOKEN_INVALID_USER_IN_ISSUER
	394302: {KindExpired, clockAdvice},                                                                                                                                            // JWT_TOKEN_INVALID_ISSUE_TIME
	394303: {KindExpired, clockAdvice},                                                                                                                                            // JWT_TOKEN_INVALID_EXPIRATION_TIME
	394304: {KindLogin, keyAdvice},                                                                                                                                                // JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH
	394305: {KindLogin, keyAdvice},                                                                                                                                                // JWT_TOKEN_INVALID_ALGORITHM
	394306: {KindLogin, keyAdvice},                                                                                                                                                // JWT_TOKEN_INVALID_SIGNATURE
	394307: {KindAccount, "the account that is given is not that of the host"},                                                                                                    // JWT_TOKEN_ACCOUNT_MISMATCH
	390100: {KindLogin, "check the user and how it logs in"},                                                                                                                      // published: Incorrect username or password was specified
	390101: {KindLogin, "the user is disabled: ask who administers the account"},                                                                                                  // published: User access disabled
	390422: {KindLogin, "a network policy of the account does not let this address in"},                                                                                           // published: IP is not allowed to access Snowflake
	390186: {KindRole, roleAdvice},                                                                                                                                                // published: Role is not granted to this user
	390189: {KindRole, roleAdvice},                                                                                                                                                // errors.go, ErrRoleNotExist
	390201: {KindMissing, ""},                                                                                                                                                     // errors.go, ErrObjectNotExistOrAuthorized
	390303: {KindLogin, "the OAuth token is not valid for this account: check its security integration"},                                                                          // errors.go
	390318: {KindExpired, "the OAuth token has expired: renew it, or let OAuth client credentials do so"},                                                                         // errors.go
	394400: {KindExpired, "the programmatic access token has expired or is wrong, or its user has no network policy: ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN makes another"}, // auth_with_pat_test.go
	390111: {KindExpired, "the session is gone: run it again"},                                                                                                                    // errors.go, ErrSessionGone
	390112: {KindExpired, "the session has expired: run it again"},                                                                                                                // errors.go
	390114: {KindExpired, "the session has expired: run it again"},                                                                                                                // gosnowflake#160

	// Statements.
	2003:   {KindMissing, missingAdvice},                                                                                                   // bytebase#15733
	2043:   {KindMissing, missingAdvice},                                                                                                   // published: Object does not exist, or operation cannot be performed
	3001:   {KindGrant, ""},                                                                                                                // dbt-external-tables#214
	604:    {KindTimeout, "the statement was cancelled at the server"},                                                                     // published: SQL execution canceled
	606:    {KindWarehouse, "the warehouse is not there, or the role may not use it: GRANT USAGE ON WAREHOUSE <warehouse> TO ROLE <role>"}, // Snowflake-Labs/mcp#24
	625:    {KindLock, lockAdvice},                                                                                                         // dbt_artifacts#431: for more waiters than 20. What LOCK_TIMEOUT answers is not known
	630:    {KindTimeout, "the statement took longer than statement_timeout, or than the warehouse allows"},                                // estuary/flow#238
	90073:  {KindWarehouse, "the warehouse cannot be resumed: raise the quota of its resource monitor, or wait until that begins anew"},    // published: cannot be resumed because resource monitor has exceeded its quota
	100090: {KindDuplicate, "two rows of the source have the same key"},                                                                    // dbt-core#10432

	// The driver's own.
	sf.ErrCodeServiceUnavailable: {KindUnavailable, againAdvice},
	sf.ErrFailedToAuth:           {KindUnavailable, againAdvice},
	sf.ErrFailedToPostQuery:      {KindUnavailable, againAdvice},
	sf.ErrFailedToRenewSession:   {KindUnavailable, againAdvice},
	sf.ErrAsync:                  {KindUnavailable, againAdvice},
	sf.ErrFailedToUploadToStage:  {KindUnavailable, againAdvice},
}

const (
	keyAdvice     = "the private key is not that of the user: DESCRIBE USER shows the fingerprint of its public key, ALTER USER ... SET RSA_PUBLIC_KEY sets it"
	clockAdvice   = "the clock of this machine is wrong by about a minute or more: set it"
	roleAdvice    = "the role is not there, or not granted to the user: GRANT ROLE <role> TO USER <user>"
	missingAdvice = "it is not there, or the role has no privilege on it"
	lockAdvice    = "another transaction holds a lock on the table: SHOW TRANSACTIONS names it, SYSTEM$ABORT_TRANSACTION ends it"
	queueAdvice   = "20 statements wait for the same lock already, and Snowflake lets no more wait: push again later, and fewer projects at once to one database"
	againAdvice   = "Snowflake or the way to it fails: run it again"
)

// classify says what a code is; where it is not known, the SQLSTATE.
func classify(code int, state string) (Kind, string) {
	if known, ok := codes[code]; ok {
		return known.kind, known.advice
	}
	switch {
	case state == "42501":
		return KindGrant, ""
	case state == "57014":
		return KindTimeout, "the statement was cancelled at the server: by a timeout, a lock that was not to be had, or somebody"
	case state == "57P03":
		return KindWarehouse, "the warehouse cannot be used: ALTER WAREHOUSE <warehouse> RESUME starts it, AUTO_RESUME = TRUE lets it start by itself"
	case code >= 390100 && code < 395000:
		return KindLogin, ""
	}
	return KindSQL, ""
}

// decided says whether a code is the server's word on a statement. A session that is lost is not: the statement may have been sent before.
func decided(code int) bool {
	switch {
	case code == 0, code >= 260000 && code < 280000: // the driver's own
		return false
	case code >= 390100 && code < 395000: // of sessions and tokens
		return false
	}
	return true
}

var insufficient = regexp.MustCompile(`(?i)insufficient privileges to operate on ([a-z ]+?) '([^']+)'`)

// grant spells what the role lacks, as far as the server's message and the statement tell.
func grant(message, role, sql string) string {
	if role == "" {
		role = "<role>"
	}
	found := insufficient.FindStringSubmatch(message)
	if found == nil {
		return "the role lacks a privilege: SHOW GRANTS TO ROLE " + role
	}
	kind, name := strings.ToUpper(found[1]), found[2]
	return fmt.Sprintf("GRANT %s ON %s %s TO ROLE %s", privilege(kind, sql), kind, name, role)
}

// privilege is what a statement needs on an object that it may not operate on (documentation, "Access control privileges").
func privilege(kind, sql string) string {
	verb := verb(sql)
	switch kind + " " + verb {
	case "SCHEMA CREATE", "DATABASE CREATE":
		return "CREATE " + created(sql)
	case "TABLE INSERT", "TABLE COPY":
		if overwrites.MatchString(sql) {
			return "INSERT, DELETE"
		}
		return "INSERT"
	case "TABLE UPDATE", "TABLE DELETE", "TABLE SELECT", "TABLE TRUNCATE":
		return verb
	case "TABLE MERGE":
		return "SELECT, INSERT, UPDATE, DELETE"
	case "TABLE ALTER", "TABLE DROP", "TABLE COMMENT", "TABLE CREATE":
		return "OWNERSHIP"
	case "STAGE PUT", "STAGE REMOVE":
		return "READ, WRITE"
	case "STAGE LIST", "STAGE COPY":
		return "READ"
	case "WAREHOUSE ALTER":
		return "OPERATE"
	}
	return "USAGE"
}

var (
	overwrites = regexp.MustCompile(`(?i)^\s*insert\s+overwrite\b`)
	creates    = regexp.MustCompile(`(?i)^\s*create\s+(?:or\s+replace\s+)?(?:transient\s+|temporary\s+)?(table|stage|schema|view)\b`)
)

// created is the kind of object that a CREATE statement makes.
func created(sql string) string {
	if found := creates.FindStringSubmatch(sql); found != nil {
		return strings.ToUpper(found[1])
	}
	return "TABLE"
}
