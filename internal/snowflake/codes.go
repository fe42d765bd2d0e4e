package snowflake

import (
	"fmt"
	"regexp"
	"strings"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// code is what an error code of the server, or of the driver, means. Where it is known from, so that none is made up:
// [doc] Snowflake's documentation (of key-pair errors: SYSTEM$GET_LOGIN_FAILURE_DETAILS), [driver] gosnowflake v2.1.0, an issue by its
// number, [unproven] memory only.
var codes = map[int]struct {
	kind   Kind
	advice string
}{
	// Login.
	390100: {KindLogin, "check the user and how it logs in"},                                                                                       // [unproven] incorrect username or password
	390101: {KindLogin, "the user is locked or disabled: ask who administers the account"},                                                         // [unproven]
	390144: {KindLogin, keyAdvice},                                                                                                                 // [doc] JWT_TOKEN_INVALID
	394300: {KindLogin, "the account has no user of that name"},                                                                                    // [doc] JWT_TOKEN_INVALID_USER_IN_ISSUER
	394304: {KindLogin, keyAdvice},                                                                                                                 // [doc] ..._PUBLIC_KEY_FINGERPRINT_MISMATCH
	394305: {KindLogin, keyAdvice},                                                                                                                 // [doc] JWT_TOKEN_INVALID_ALGORITHM
	394306: {KindLogin, keyAdvice},                                                                                                                 // [doc] JWT_TOKEN_INVALID_SIGNATURE
	394307: {KindAccount, "the account that is given is not that of the host"},                                                                     // [doc] JWT_TOKEN_ACCOUNT_MISMATCH
	390303: {KindLogin, "the OAuth token is not valid for this account: check the security integration"},                                           // [driver] errors.go
	390422: {KindLogin, "a network policy of the account does not let this address in"},                                                            // [unproven]
	390189: {KindRole, "the role is not there, or not granted to the user: GRANT ROLE <role> TO USER <user>"},                                      // [driver] ErrRoleNotExist
	390186: {KindRole, "the role is not granted to the user: GRANT ROLE <role> TO USER <user>"},                                                    // [unproven]
	390201: {KindMissing, ""},                                                                                                                      // [driver] ErrObjectNotExistOrAuthorized
	394302: {KindExpired, "the clock of this machine is wrong by more than a minute: set it"},                                                      // [doc] JWT_TOKEN_INVALID_ISSUE_TIME
	394303: {KindExpired, "the clock of this machine is wrong by more than a minute, or the way to Snowflake is slow: set the clock"},              // [doc] JWT_TOKEN_INVALID_EXPIRATION_TIME
	390318: {KindExpired, "the OAuth token has expired: renew it, or let oauth client credentials do so"},                                          // [driver] errors.go
	394400: {KindExpired, "the programmatic access token is not valid or has expired: ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN makes another"}, // [unproven]
	390111: {KindExpired, "the session is gone: run it again"},                                                                                     // [driver] ErrSessionGone
	390112: {KindExpired, "the session has expired: run it again"},                                                                                 // [driver] sessionExpiredCode
	390114: {KindExpired, "the session has expired: run it again"},                                                                                 // gosnowflake#160

	// Statements.
	2003:   {KindMissing, "it is not there, or the role has no privilege on it"},                                                                   // bytebase#15733
	2043:   {KindMissing, "it is not there, or the role has no privilege on it"},                                                                   // [unproven]
	3001:   {KindGrant, ""},                                                                                                                        // dbt-external-tables#214
	606:    {KindWarehouse, "the warehouse is not there, or the role may not use it: GRANT USAGE ON WAREHOUSE <warehouse> TO ROLE <role>"},         // Snowflake-Labs/mcp#24
	90073:  {KindWarehouse, "the warehouse cannot be resumed: its resource monitor may have used its credits up, or the role lacks OPERATE on it"}, // [unproven]
	90064:  {KindWarehouse, "the warehouse is suspended and does not resume by itself: ALTER WAREHOUSE <warehouse> RESUME"},                        // [unproven]
	625:    {KindLock, "another transaction holds a lock on the table: SHOW TRANSACTIONS names it, SYSTEM$ABORT_TRANSACTION ends it"},              // dbt_artifacts#431
	630:    {KindTimeout, "the statement took longer than statement_timeout, or than the warehouse allows"},                                        // estuary/flow#238
	604:    {KindTimeout, "the statement was cancelled at the server"},                                                                             // [unproven]
	100090: {KindDuplicate, "two rows of the source have the same key"},                                                                            // dbt-core#10432

	// The driver's own.
	sf.ErrCodeServiceUnavailable: {KindUnavailable, "Snowflake or the way to it is down: run it again"},
	sf.ErrFailedToPostQuery:      {KindUnavailable, "Snowflake or the way to it is down: run it again"},
	sf.ErrFailedToRenewSession:   {KindUnavailable, "Snowflake or the way to it is down: run it again"},
	sf.ErrAsync:                  {KindUnavailable, "the connection was lost while the statement ran: run it again"},
	sf.ErrFailedToUploadToStage:  {KindUnavailable, "the upload failed: run it again"},
}

const keyAdvice = "the private key is not that of the user: DESCRIBE USER shows the fingerprint of its public key, ALTER USER ... SET RSA_PUBLIC_KEY sets it"

// classify says what a code is; where it is not known, the SQLSTATE.
func classify(code int, state string) (Kind, string) {
	if known, ok := codes[code]; ok {
		return known.kind, known.advice
	}
	switch {
	case state == "42501":
		return KindGrant, ""
	case state == "57P03":
		return KindWarehouse, "the warehouse cannot be used"
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

// needed are the privileges on the kinds of objects that a load works with. The server does not say which of them is missing.
var needed = map[string]string{
	"database":  "USAGE, CREATE SCHEMA",
	"schema":    "USAGE, CREATE TABLE, CREATE STAGE",
	"table":     "SELECT, INSERT, UPDATE, DELETE, TRUNCATE",
	"stage":     "READ, WRITE",
	"warehouse": "USAGE, OPERATE",
}

// grant spells what the role lacks, as far as the server's message tells.
func grant(message, role string) string {
	if role == "" {
		role = "<role>"
	}
	found := insufficient.FindStringSubmatch(message)
	if found == nil {
		return "the role lacks a privilege: SHOW GRANTS TO ROLE " + role
	}
	kind, name := strings.ToLower(found[1]), found[2]
	privileges, ok := needed[kind]
	if !ok {
		return fmt.Sprintf("grant role %s what it needs on %s %s", role, kind, name)
	}
	advice := fmt.Sprintf("GRANT %s ON %s %s TO ROLE %s", privileges, strings.ToUpper(kind), name, role)
	if kind == "table" {
		advice += "; to change its columns or swap it the role must own it"
	}
	return advice
}
