package snowflake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// authority signs a server's certificate and publishes whether it is revoked, by CRL and by OCSP.
type authority struct {
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	published *httptest.Server
	crl, ocsp atomic.Int64 // how often each was asked
	silent    bool         // it publishes no list
	revoked   []x509.RevocationListEntry
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{CommonName: t.Name()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.published = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/crl" {
			a.ocsp.Add(1)
			return
		}
		a.crl.Add(1)
		if a.silent {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour),
			NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: a.revoked}, a.cert, a.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(list)
	}))
	t.Cleanup(a.published.Close)
	return a
}

// certify makes a certificate for this machine.
func (a *authority) certify(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(1, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CRLDistributionPoints: []string{a.published.URL + "/crl"}, OCSPServer: []string{a.published.URL + "/ocsp"}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The driver's own transport, as a Config sets it up, asks for the revocation list, believes it, and asks for no OCSP.
func TestARevokedCertificateIsRefusedByItsCRL(t *testing.T) {
	for name, c := range map[string]struct {
		revoked, silent, lax bool
		says                 string
	}{
		"good":                {},
		"revoked":             {revoked: true, says: "revoked"},
		"without a list":      {silent: true, says: "revocation check failed"},
		"lax":                 {lax: true},
		"lax, revoked":        {lax: true, revoked: true, says: "revoked"},
		"lax, without a list": {lax: true, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.silent = c.silent
			if c.revoked {
				a.revoked = []x509.RevocationListEntry{{SerialNumber: big.NewInt(2), RevocationTime: time.Now().Add(-time.Minute)}}
			}
			s := newServer(t)
			secure := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
			secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the client ends
			secure.TLS = &tls.Config{Certificates: []tls.Certificate{a.certify(t)}}
			secure.StartTLS()
			defer secure.Close()

			cfg := s.config(t)
			cfg.LaxRevocation = c.lax
			cfg.HTTP, cfg.Port = false, secure.Listener.Addr().(*net.TCPAddr).Port
			db := open(t, cfg)
			trusted := x509.NewCertPool()
			trusted.AddCert(a.cert)
			if err := sf.RegisterTLSConfig(t.Name(), &tls.Config{RootCAs: trusted}); err != nil {
				t.Fatal(err)
			}
			driver := driverConfig(&db.cfg)
			driver.TLSConfigName = t.Name() // the driver trusts the test's authority, and nothing else is changed
			conn, err := connector{driver, cfg.Temp}.Connect(t.Context())
			if (err != nil) != (c.says != "") {
				t.Errorf("connecting: %v", err)
			}
			if err != nil && !strings.Contains(db.explain(err).Error(), c.says) {
				t.Errorf("the error does not say why: %v", db.explain(err))
			}
			if conn != nil {
				_ = conn.Close()
			}
			if a.crl.Load() == 0 || a.ocsp.Load() != 0 {
				t.Errorf("the CRL was asked for %d times, OCSP %d times", a.crl.Load(), a.ocsp.Load())
			}
			if logins := len(s.requests("/session/v1/login-request")); c.says != "" && logins > 0 {
				t.Errorf("%d logins were sent to a server whose certificate is refused", logins)
			}
		})
	}
}
