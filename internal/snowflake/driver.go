package snowflake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/internal/clock"
)

const (
	application = "Millrace"
	// exchangeTimeout bounds one HTTP exchange. The server answers a statement that takes longer with "in progress" after 45
	// seconds (gosnowflake async.go:196), so an answer that takes minutes does not come.
	exchangeTimeout = 5 * time.Minute
	loginTimeout    = time.Minute
	retries         = 7    // the driver's own number (internal/config/dsn.go:35): about a minute
	longestTag      = 2000 // characters of QUERY_TAG, as its documentation says
)

// driverConfig is cfg in the driver's terms.
//
// Certificates are checked for revocation by CRL, never by OCSP: the OCSP check of every gosnowflake before 2.2.0 accepts an answer
// that is not bound to the certificate (CVE-2026-85525), and 2.2.0 cannot be had yet. The driver refuses to do both, so OCSP is off and
// CRL is on, always: LaxRevocation makes it advisory (crl.go:186), for certificates that name no list, or whose list cannot be had. A Transport of ours would turn both off (gosnowflake transport.go:187), so there is none but for a host
// that is this machine. Chain and host name are verified by Go in any case.
func driverConfig(cfg *Config) *sf.Config {
	off, on, format := "false", "true", "json"
	d := &sf.Config{
		Account: cfg.Account, User: cfg.User, Role: cfg.Role, Warehouse: cfg.Warehouse, Database: cfg.Database, Schema: cfg.Schema,
		Host: cfg.Host, Port: cfg.Port, Protocol: "https",
		Application:   application,
		MaxRetryCount: cfg.Retries,

		DisableOCSPChecks:       true,
		CertRevocationCheckMode: sf.CertRevocationCheckEnabled,
		CrlOnDiskCacheDisabled:  true,

		// A database, warehouse or role that is not there is refused at login, not at the first statement.
		ValidateDefaultParameters: sf.ConfigBoolTrue,
		// The cache serves hybrid tables, which we do not write.
		DisableQueryContextCache:       true,
		ClientStoreTemporaryCredential: sf.ConfigBoolFalse, // no token in the keychain of the machine
		ClientRequestMfaToken:          sf.ConfigBoolFalse,
		TmpDirPath:                     cfg.Temp,
		Transporter:                    cfg.Transport,
		Params: map[string]*string{
			"CLIENT_TELEMETRY_ENABLED":  &off,
			"GO_QUERY_RESULT_FORMAT":    &format, // texts: no Arrow for answers of a few rows
			"CLIENT_SESSION_KEEP_ALIVE": &on,     // an upload of hours must not cost the session its token
		},
	}
	if cfg.HTTP {
		d.Protocol = "http"
	}
	if cfg.LaxRevocation {
		d.CertRevocationCheckMode = sf.CertRevocationCheckAdvisory
	}
	if p := cfg.Proxy; p != nil {
		d.ProxyHost, d.ProxyPort, d.ProxyUser, d.ProxyPassword, d.NoProxy = p.Host, p.Port, p.User, p.Password, p.NoProxy
	}
	//lint:ignore SA1019 nothing else bounds what one request takes
	d.LoginTimeout, d.ClientTimeout = cfg.LoginTimeout, exchangeTimeout
	authenticate(d, &cfg.Auth)
	return d
}

// authenticate sets the one way to log in that a holds.
func authenticate(d *sf.Config, a *Auth) {
	switch {
	case a.PrivateKey != nil:
		d.Authenticator, d.PrivateKey = sf.AuthTypeJwt, a.PrivateKey
	case a.OAuth != nil:
		d.Authenticator = sf.AuthTypeOAuthClientCredentials
		d.OauthClientID, d.OauthClientSecret = a.OAuth.ClientID, a.OAuth.ClientSecret
		d.OauthTokenRequestURL, d.OauthScope = a.OAuth.TokenURL, a.OAuth.Scope
	case a.WorkloadIdentity != nil:
		w := a.WorkloadIdentity
		d.Authenticator = sf.AuthTypeWorkloadIdentityFederation
		d.WorkloadIdentityProvider = strings.ToUpper(w.Provider)
		d.WorkloadIdentityEntraResource, d.WorkloadIdentityImpersonationPath = w.EntraResource, w.Impersonate
		d.Token, d.TokenFilePath = a.Token, a.TokenFile
	case a.OAuthToken:
		d.Authenticator, d.Token, d.TokenFilePath = sf.AuthTypeOAuth, a.Token, a.TokenFile
	default:
		d.Authenticator, d.Token, d.TokenFilePath = sf.AuthTypePat, a.Token, a.TokenFile
	}
}

// complete fills in defaults.
func (cfg *Config) complete() {
	cfg.LoginTimeout = cmp.Or(cfg.LoginTimeout, loginTimeout)
	cfg.Temp = cmp.Or(cfg.Temp, os.TempDir())
	cfg.Retries = cmp.Or(cfg.Retries, retries)
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
}

// check refuses what cannot be opened.
func (cfg *Config) check() error {
	switch {
	case cfg.Account == "":
		return errors.New("no account is given")
	case strings.ContainsAny(cfg.Account, "/:@ "):
		return fmt.Errorf("account %q is no account identifier: write organization-account, without https:// and .snowflakecomputing.com", cfg.Account)
	case strings.Contains(cfg.Host, "://"):
		return fmt.Errorf("host %q must be a host name, without a protocol before it", cfg.Host)
	case cfg.HTTP && !loopback(cfg.Host):
		return fmt.Errorf("host %q is reached by http: only this machine may be, since all else could be read and changed on the way", cfg.Host)
	case cfg.Transport != nil && !cfg.HTTP:
		return errors.New("a transport of one's own is for a host that is this machine: the driver checks no revocation on it")
	}
	if tag, err := json.Marshal(cfg.Tag); err != nil || len(tag) > longestTag/2 {
		return fmt.Errorf("the query tag is longer than %d characters", longestTag/2)
	}
	return cfg.Auth.check(cfg.User)
}

func (a *Auth) check(user string) error {
	ways := 0
	for _, given := range []bool{a.PrivateKey != nil, a.OAuth != nil, a.WorkloadIdentity != nil, a.WorkloadIdentity == nil && (a.Token != "" || a.TokenFile != "")} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		return errors.New("no way to log in is given: a private key, a token, OAuth client credentials or a workload identity")
	case ways > 1:
		return errors.New("more than one way to log in is given")
	case a.Token != "" && a.TokenFile != "":
		return errors.New("both a token and a file that holds it are given")
	case a.PrivateKey != nil && user == "":
		return errors.New("a private key needs the user that it belongs to")
	}
	if w := a.WorkloadIdentity; w != nil && strings.EqualFold(w.Provider, "oidc") && a.Token == "" && a.TokenFile == "" {
		return errors.New("workload identity oidc needs the identity provider's token")
	}
	return nil
}

// readToken looks whether there is a token in the file: the driver would send none, and Snowflake say that it is invalid.
func (a *Auth) readToken() error {
	if a.TokenFile == "" {
		return nil
	}
	text, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return fmt.Errorf("token_file: %s is empty", a.TokenFile)
	}
	return nil
}

// loopback says whether host is this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
