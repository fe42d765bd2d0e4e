package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
	"github.com/millrace/millrace/internal/config"
)

// TestConfigTLS: what the URL and tls: make of a connection together. What tls: gives to check a server by is never passed over.
func TestConfigTLS(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	project := t.TempDir()
	selfSigned(t, project)
	authority := database.TLS{CA: "ca.pem"}
	client := database.TLS{Cert: "ca.pem", Key: "key.pem"}
	for name, c := range map[string]struct {
		query string
		tls   database.TLS
		want  string
	}{
		"nothing":               {"", database.TLS{}, "maybe"},
		"prefer":                {"?sslmode=prefer", database.TLS{}, "maybe"},
		"disable":               {"?sslmode=disable", database.TLS{}, "plain"},
		"require":               {"?sslmode=require", database.TLS{}, "full"},
		"verify-ca":             {"?sslmode=verify-ca", database.TLS{}, "ca"},
		"authority":             {"", authority, "full"},
		"prefer, authority":     {"?sslmode=prefer", authority, "full"},
		"allow, authority":      {"?sslmode=allow", authority, "full"},
		"require, authority":    {"?sslmode=require", authority, "full"},
		"verify-ca, authority":  {"?sslmode=verify-ca", authority, "ca"},
		"disable, authority":    {"?sslmode=disable", authority, "error"},
		"client":                {"", client, "full"},
		"prefer, client":        {"?sslmode=prefer", client, "full"},
		"disable, client":       {"?sslmode=disable", client, "error"},
		"prefer, full":          {"?sslmode=prefer", database.TLS{Verify: database.VerifyFull}, "full"},
		"prefer, ca":            {"?sslmode=prefer", database.TLS{Verify: database.VerifyCA, CA: "ca.pem"}, "ca"},
		"allow, none":           {"?sslmode=allow", database.TLS{Verify: database.VerifyNone}, "none"},
		"verify-full, none, ca": {"?sslmode=verify-full", database.TLS{Verify: database.VerifyNone, CA: "ca.pem"}, "none"},
		"disable, full":         {"?sslmode=disable", database.TLS{Verify: database.VerifyFull}, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &database.Options{URL: config.NewURL("postgres://u@db.example.com/d" + c.query), TLS: c.tls}
			s := &source{env: extract.Env{Project: project}, options: o, dialer: database.NewDialer(extract.Env{}, o)}
			got, err := s.connConfig()
			if text := checks(got, err); text != c.want {
				t.Errorf("%s, not %s: %v", text, c.want, err)
			}
			if err == nil && (c.tls.CA != "" && c.want != "none") != (got.TLSConfig != nil && got.TLSConfig.RootCAs != nil) {
				t.Errorf("the authorities: %v", got.TLSConfig)
			}
			if err == nil && c.tls.Cert != "" && len(got.TLSConfig.Certificates) != 1 {
				t.Error("our own certificate is not shown")
			}
		})
	}
}

// checks says how a connection is secured.
func checks(c *pgx.ConnConfig, err error) string {
	switch {
	case err != nil:
		return "error"
	case len(c.Fallbacks) > 0 && (c.TLSConfig == nil) != (c.Fallbacks[0].TLSConfig == nil):
		return "maybe"
	case c.TLSConfig == nil:
		return "plain"
	case !c.TLSConfig.InsecureSkipVerify && c.TLSConfig.ServerName == "db.example.com":
		return "full"
	case c.TLSConfig.VerifyPeerCertificate != nil || c.TLSConfig.VerifyConnection != nil:
		return "ca"
	}
	return "none"
}

// selfSigned writes ca.pem and key.pem.
func selfSigned(t *testing.T, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIdentity: what a stream reads is named the same for as long as the project means the same, and tells no secret.
func TestIdentity(t *testing.T) {
	identity := func(url, name, query string, ssh *database.SSH) string {
		t.Helper()
		o := database.ForURL(url)
		o.SSH = ssh
		src, err := open(extract.Env{}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		got := src.Identity(extract.Stream{Name: name, Options: &database.StreamOptions{Query: query}})
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s tells the password", got)
		}
		return got
	}
	want := identity("postgres://reader:hunter2@db.example.com/shop", "public.orders", "", nil)
	if want != `db.example.com:5432/shop, "public"."orders"` {
		t.Error(want)
	}
	for _, url := range []string{"postgresql://other:hunter2@DB.example.com:5432/shop?sslmode=disable", "postgres://db.example.com/shop?sslmode=verify-full&search_path=b", "postgres://db.example.com,db2.example.com:5433/shop"} {
		if got := identity(url, `"public".orders`, "", nil); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
	seen := map[string]string{want: "the first"}
	for name, got := range map[string]string{
		"another table":    identity("postgres://db.example.com/shop", "public.order", "", nil),
		"another schema":   identity("postgres://db.example.com/shop", "old.orders", "", nil),
		"another database": identity("postgres://db.example.com/test", "public.orders", "", nil),
		"another host":     identity("postgres://db2.example.com/shop", "public.orders", "", nil),
		"another port":     identity("postgres://db.example.com:6432/shop", "public.orders", "", nil),
		"a query":          identity("postgres://db.example.com/shop", "public.orders", "SELECT 'hunter2'", nil),
		"another query":    identity("postgres://db.example.com/shop", "public.orders", "SELECT 'hunter3'", nil),
		"behind a bastion": identity("postgres://db.example.com/shop", "public.orders", "", &database.SSH{Host: "bastion:22"}),
	} {
		if before, twice := seen[got]; twice {
			t.Errorf("%s is named as %s: %s", name, before, got)
		}
		seen[got] = name
	}
}

// TestCheckURL: what cannot work is said before anything connects, also while the password is not known.
func TestCheckURL(t *testing.T) {
	databasetest.CheckURLs(t, check, map[string]string{
		"postgres://u:${secret:pw}@h:5432/d?sslmode=verify-full": "",
		"postgresql://u@h/d":                               "",
		"postgres://u@h/d?sslmode=${MODE}":                 "",
		"${SHOP_URL}":                                      "",
		"postgres://${DSN}":                                "",
		"postgres://u:${PW}@[${H6}]:5432/d?sslmode=banana": "",
		"postgres://u:${PW}@h1:5432,h2:5433/d":             "",
		"postgres:///d?host=/run/postgresql":               "",
		"postgres://u:${PW}@${H}:${PORT}/${D}":             "",
		"mysql://u:${PW}@h/d":                              "not the URL",
		"postgres://u:${PW}@h/d?sslmode=banana":            "sslmode=banana is not known",
		"postgres://u:${PW}@h/d?sslmode=required":          "sslmode=required is not known",
	})
}
