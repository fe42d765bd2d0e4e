package snowflake

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"sync"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func privateKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ways are all ways to log in, and what the driver is to do for each.
func ways(t *testing.T) map[string]struct {
	auth Auth
	as   sf.AuthType
} {
	return map[string]struct {
		auth Auth
		as   sf.AuthType
	}{
		"key pair":           {Auth{PrivateKey: privateKey(t)}, sf.AuthTypeJwt},
		"access token":       {Auth{Token: "pat"}, sf.AuthTypePat},
		"access token file":  {Auth{TokenFile: "/run/pat"}, sf.AuthTypePat},
		"oauth token":        {Auth{Token: "token", OAuthToken: true}, sf.AuthTypeOAuth},
		"client credentials": {Auth{OAuth: &OAuth{ClientID: "id", ClientSecret: "secret", TokenURL: "https://idp.example.com/token"}}, sf.AuthTypeOAuthClientCredentials},
		"aws":                {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "aws"}}, sf.AuthTypeWorkloadIdentityFederation},
		"azure":              {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "azure", EntraResource: "api://x"}}, sf.AuthTypeWorkloadIdentityFederation},
		"gcp":                {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "gcp", Impersonate: []string{"a"}}}, sf.AuthTypeWorkloadIdentityFederation},
		"oidc":               {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "oidc"}, Token: "token"}, sf.AuthTypeWorkloadIdentityFederation},
	}
}

func TestRevocationIsCheckedByCRLAndNeverByOCSP(t *testing.T) {
	for name, way := range ways(t) {
		t.Run(name, func(t *testing.T) {
			for _, http := range []bool{false, true} {
				cfg := Config{Account: "acme-main", User: "MILLRACE", Auth: way.auth, HTTP: http}
				if http {
					cfg.Host = "127.0.0.1"
				}
				db := open(t, cfg)
				driver := driverConfig(&db.cfg)
				if !driver.DisableOCSPChecks || driver.CertRevocationCheckMode != sf.CertRevocationCheckEnabled {
					t.Errorf("http %v: OCSP off is %v, revocation %v", http, driver.DisableOCSPChecks, driver.CertRevocationCheckMode)
				}
				if driver.Transporter != nil {
					t.Errorf("http %v: a foreign transport checks nothing", http)
				}
				if driver.Authenticator != way.as {
					t.Errorf("logs in by %v, want %v", driver.Authenticator, way.as)
				}
				if driver.Token != way.auth.Token || driver.TokenFilePath != way.auth.TokenFile {
					t.Errorf("the token is %q of file %q", driver.Token, driver.TokenFilePath)
				}
			}
		})
	}
}

func TestAConfigThatCannotBeOpenedIsRefused(t *testing.T) {
	good := func() Config { return Config{Account: "acme-main", User: "MILLRACE", Auth: Auth{Token: "pat-secret"}} }
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no account":                {func(c *Config) { c.Account = "" }, "no account"},
		"a URL for an account":      {func(c *Config) { c.Account = "https://acme-main.snowflakecomputing.com" }, "organization-account"},
		"http to elsewhere":         {func(c *Config) { c.Host, c.HTTP = "example.com", true }, "only this machine"},
		"http by account":           {func(c *Config) { c.HTTP = true }, "only this machine"},
		"http to 127.0.0.1.evil":    {func(c *Config) { c.Host, c.HTTP = "127.0.0.1.example.com", true }, "only this machine"},
		"a transport over https":    {func(c *Config) { c.Transport = http.DefaultTransport }, "revocation"},
		"no way in":                 {func(c *Config) { c.Auth = Auth{} }, "no way to log in"},
		"two ways in":               {func(c *Config) { c.Auth.PrivateKey = privateKey(t) }, "more than one way"},
		"token and file":            {func(c *Config) { c.Auth.TokenFile = "f" }, "both a token and a file"},
		"a key and no user":         {func(c *Config) { c.User, c.Auth = "", Auth{PrivateKey: privateKey(t)} }, "the user that it belongs to"},
		"oidc without a token":      {func(c *Config) { c.Auth = Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "oidc"}} }, "identity provider's token"},
		"a tag that is far too big": {func(c *Config) { c.Tag = map[string]string{"tag": strings.Repeat("x", longestTag)} }, "query tag"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			_, err := Open(cfg)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("the error is %v, want one that says %q", err, c.says)
			}
			if strings.Contains(err.Error(), "pat-secret") {
				t.Error("the error shows the token")
			}
		})
	}
	for _, host := range []string{"127.0.0.1", "::1", "localhost", "[::1]"} {
		cfg := good()
		cfg.Host, cfg.HTTP = host, true
		open(t, cfg)
	}
}
