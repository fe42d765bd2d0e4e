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
	// JWT_TOKEN_INVALID
	390144: {KindLogin, jwtAdvice},
	// JWT_TOKEN_INVALID_USER_IN_ISSUER
	394300: {KindLogin, "the account has no user of that name"},
	// JWT_TOKEN_INVALID_ISSUE_TIME
	394302: {KindExpired, clockAdvice},
	// JWT_TOKEN_INVALID_EXPIRATION_TIME
	394303: {KindExpired, clockAdvice},
	// JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH
	394304: {KindLogin, keyAdvice},
	// JWT_TOKEN_INVALID_ALGORITHM
	394305: {KindLogin, keyAdvice},
	// JWT_TOKEN_INVALID_SIGNATURE
	394306: {KindLogin, keyAdvice},
	// JWT_TOKEN_ACCOUNT_MISMATCH
	394307: {KindAccount, "the account that is given is not that of the host"},
	// published: Incorrect username or password was specified
	390100: {KindLogin, "check the user and how it logs in"},
	// published: User access disabled
	390101: {KindLogin, "the user is disabled: ask who administers the account"},
	// published: IP is not allowed to access Snowflake
	390422: {KindLogin, "a network policy of the account does not let this address in"},
	// published: Role is not granted to this user
	390186: {KindRole, roleAdvice},
	// errors.go, ErrRoleNotExist
	390189: {KindRole, roleAdvice},
	// errors.go, ErrObjectNotExistOrAuthorized
	390201: {KindMissing, ""},
	// errors.go
	390303: {KindLogin, "the OAuth token is not valid for this account: check its security integration"},
	// errors.go
	390318: {KindExpired, "the OAuth token has expired: renew it, or let OAuth client credentials do so"},
	// auth_with_pat_test.go
	394400: {KindExpired, "the programmatic access token has expired or is wrong, or its user has no network policy: ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN makes another"},
	// errors.go, ErrSessionGone
	390111: {KindExpired, "the session is gone: run it again"},
	// errors.go
	390112: {KindExpired, "the session has expired: run it again"},
	// gosnowflake#160
	390114: {KindExpired, "the session has expired: run it again"},

	// Statements.
	// published: Object already exists
	2002: {KindExists, "the role may not see it, where it sees nothing of that name"},
	// bytebase#15733
	2003: {KindMissing, missingAdvice},
	// published: Object does not exist, or operation cannot be performed
	2043: {KindMissing, missingAdvice},
	// dbt-external-tables#214
	3001: {KindGrant, ""},
	// published: SQL execution canceled
	604: {KindTimeout, "the statement was cancelled at the server"},
	// Snowflake-Labs/mcp#24
	606: {KindWarehouse, "the warehouse is not there, or the role may not use it: GRANT USAGE ON WAREHOUSE <warehouse> TO ROLE <role>"},
	// dbt_artifacts#431: for more waiters than 20. What LOCK_TIMEOUT answers is not known
	625: {KindLock, lockAdvice},
	// estuary/flow#238
	630: {KindTimeout, "the statement took longer than statement_timeout, or than the warehouse allows"},
	// published: cannot be resumed because resource monitor has exceeded its quota
	90073: {KindWarehouse, "the warehouse cannot be resumed: raise the quota of its resource monitor, or wait until that begins anew"},
	// dbt-core#10432
	100090: {KindDuplicate, "two rows of the source have the same key"},

	// The driver's own.
	sf.ErrCodeServiceUnavailable: {KindUnavailable, againAdvice},
	sf.ErrFailedToAuth:           {KindUnavailable, againAdvice},
	sf.ErrFailedToPostQuery:      {KindUnavailable, againAdvice},
	sf.ErrFailedToRenewSession:   {KindUnavailable, againAdvice},
	sf.ErrAsync:                  {KindUnavailable, againAdvice},
	sf.ErrFailedToUploadToStage:  {KindUnavailable, againAdvice},
}

const (
	// What Snowflake answers to a wrong user, key and clock alike.
	jwtAdvice = "the user, the key or the clock is wrong: is <user> a user of <account>; DESCRIBE USER <user> shows in RSA_PUBLIC_KEY_FP the fingerprint " +
		"of its public key, ALTER USER <user> SET RSA_PUBLIC_KEY sets it; the clock of this machine may be wrong by less than a minute. " +
		"SELECT SYSTEM$GET_LOGIN_FAILURE_DETAILS('<id>') tells an administrator which"
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
	return fmt.Sprintf("GRANT %s ON %s %s TO ROLE %s", privilege(kind, sql), kind, qualified(kind, name, sql), role)
}

// names are quoted identifiers with points between them.
var names = regexp.MustCompile(`"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")*`)

// qualified is an object's whole name where the statement, whose names are quoted and whole, has it: the server's message tells the last part.
func qualified(kind, name, sql string) string {
	n := map[string]int{"DATABASE": 1, "SCHEMA": 2, "TABLE": 3, "STAGE": 3}[kind]
	last := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	for _, found := range names.FindAllString(sql, -1) {
		parts := identifier.FindAllString(found, -1)
		if n > 0 && len(parts) >= n && parts[n-1] == last {
			return strings.Join(parts[:n], ".")
		}
	}
	return name
}

var identifier = regexp.MustCompile(`"(?:[^"]|"")+"`)

// privilege is what a statement needs on an object that it may not operate on (documentation, "Access control privileges").
func privilege(kind, sql string) string {
	verb := verb(sql)
	switch kind + " " + verb {
	case "SCHEMA CREATE", "DATABASE CREATE":
		return "CREATE " + created(sql)
	case "SCHEMA ALTER": // RENAME TO
		return "CREATE TABLE"
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
