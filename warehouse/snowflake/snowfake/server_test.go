package snowfake_test

import (
	"crypto/rand"
	"crypto/rsa"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// userKey is the key pair of the tests' user.
var userKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// world is a server and its account.
type world struct {
	*snowfake.Server
	account *snowfake.Account
}

func start(t *testing.T, changes ...func(*snowfake.AccountConfig, *snowfake.ServerConfig)) *world {
	t.Helper()
	a := snowfake.AccountConfig{Dir: t.TempDir(), Name: "TESTACCOUNT", Users: map[string]snowfake.User{
		"LOADER": {Roles: []string{snowfake.Admin}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"},
	}}
	c := snowfake.ServerConfig{Temp: t.TempDir(), Users: map[string]snowfake.Credentials{
		"LOADER": {
			PublicKey: &userKey().PublicKey, Tokens: []string{"a-pat"}, OAuth: []string{"an-oauth-token"},
			Provider: "OIDC", Subject: "repo:acme/etl", Password: "pw",
		},
	}, OAuth: map[string]snowfake.OAuthClient{"etl": {Secret: "s3cret", User: "LOADER"}}}
	for _, change := range changes {
		change(&a, &c)
	}
	account, err := snowfake.NewAccount(a)
	if err != nil {
		t.Fatal(err)
	}
	c.Account = account
	s, err := snowfake.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), account.Close()); err != nil {
			t.Error(err)
		}
	})
	return &world{s, account}
}

// config is the driver's, for a key pair, with nothing of the driver's that calls home.
func config(s *world) *sf.Config {
	off := "false"
	return &sf.Config{
		Account: "testaccount", User: "loader", Host: s.Host(), Port: s.Port(), Protocol: "http",
		Authenticator: sf.AuthTypeJwt, PrivateKey: userKey(),
		Transporter: s.Transport(), MaxRetryCount: 3, Params: map[string]*string{"CLIENT_TELEMETRY_ENABLED": &off},
	}
}

// login opens a session and asks for a row.
func login(t *testing.T, cfg *sf.Config) error {
	t.Helper()
	db := sql.OpenDB(sf.NewConnector(sf.SnowflakeDriver{}, *cfg))
	defer db.Close()
	var one int
	if err := db.QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil {
		return err
	}
	if one != 1 {
		t.Errorf("SELECT 1 gives %d", one)
	}
	return nil
}

// identity is an unsigned token of an identity provider: the driver reads who it is of, no one verifies it.
func identity(subject string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part(fmt.Appendf(nil, `{"iss":"https://idp.example.com","sub":%q}`, subject)) + "." + part([]byte("x"))
}

func TestEveryWayToLogIn(t *testing.T) {
	s := start(t)
	late := start(t, at(time.Now().AddDate(0, 0, 1)))
	early := start(t, at(time.Now().AddDate(0, 0, -1)))
	strange, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*sf.Config)
		code   int // of the refusal; 0: it is let in
	}{
		{"key pair", func(*sf.Config) {}, 0},
		{"another key", func(c *sf.Config) { c.PrivateKey = strange }, 390144},
		{"key of an unknown user", func(c *sf.Config) { c.User = "nobody" }, 390144},
		{"key pair, a day too late", func(c *sf.Config) { c.Port = late.Port() }, 390144},
		{"key pair, a day too early", func(c *sf.Config) { c.Port = early.Port() }, 390144},
		{"access token", func(c *sf.Config) { c.Authenticator, c.Token = sf.AuthTypePat, "a-pat" }, 0},
		{"another access token", func(c *sf.Config) { c.Authenticator, c.Token = sf.AuthTypePat, "an-oauth-token" }, 394400},
		{"OAuth token", func(c *sf.Config) { c.Authenticator, c.Token = sf.AuthTypeOAuth, "an-oauth-token" }, 0},
		{"another OAuth token", func(c *sf.Config) { c.Authenticator, c.Token = sf.AuthTypeOAuth, "a-pat" }, 390303},
		{"client credentials", clientCredentials(s, "s3cret"), 0},
		{"client credentials, wrong secret", clientCredentials(s, "wrong"), -1},
		{"workload identity", workload("repo:acme/etl"), 0},
		{"another workload", workload("repo:other/etl"), 390100},
		{"password", func(c *sf.Config) { c.Authenticator, c.Password = sf.AuthTypeSnowflake, "pw" }, 0},
		{"wrong password", func(c *sf.Config) { c.Authenticator, c.Password = sf.AuthTypeSnowflake, "wp" }, 390100},
		{"another role", func(c *sf.Config) { c.Role = "OTHER" }, 390189},
		{"another database", func(c *sf.Config) { c.Database = "OTHER" }, 390201},
		{"another account", func(c *sf.Config) { c.Account = "otheraccount" }, sf.ErrCodeFailedToConnect},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(s)
			c.change(cfg)
			err := login(t, cfg)
			var refused *sf.SnowflakeError
			switch {
			case c.code == 0 && err != nil:
				t.Fatal(err)
			case c.code != 0 && err == nil:
				t.Fatal("it was let in")
			case c.code > 0 && (!errors.As(err, &refused) || refused.Number != c.code):
				t.Fatalf("got %v, want the code %d", err, c.code)
			}
		})
	}
	if n := s.Telemetry(); n != 0 {
		t.Errorf("the driver has reported of itself %d times although it was told not to", n)
	}
	if refused := s.Refused(); len(refused) != 0 {
		t.Errorf("the driver asked for what the server does not have: %v", refused)
	}
}

func TestTelemetryIsCounted(t *testing.T) {
	s := start(t)
	cfg := config(s)
	cfg.Params = nil
	if err := login(t, cfg); err != nil {
		t.Fatal(err)
	}
	if s.Telemetry() == 0 {
		t.Error("the driver was not told to be silent, and no report was counted")
	}
}

func at(when time.Time) func(*snowfake.AccountConfig, *snowfake.ServerConfig) {
	return func(_ *snowfake.AccountConfig, c *snowfake.ServerConfig) { c.Clock = func() time.Time { return when } }
}

func clientCredentials(s *world, secret string) func(*sf.Config) {
	return func(c *sf.Config) {
		c.Authenticator, c.OauthClientID, c.OauthClientSecret = sf.AuthTypeOAuthClientCredentials, "etl", secret
		c.OauthTokenRequestURL = s.URL() + "/oauth/token"
	}
}

func workload(subject string) func(*sf.Config) {
	return func(c *sf.Config) {
		c.Authenticator, c.WorkloadIdentityProvider, c.Token = sf.AuthTypeWorkloadIdentityFederation, "OIDC", identity(subject)
	}
}
