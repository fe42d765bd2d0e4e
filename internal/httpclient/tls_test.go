package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secured starts a server with TLS, and returns the file of its certificate, which signs itself, and that of its key.
func secured(t *testing.T, cfg *tls.Config, handler http.HandlerFunc) (s *httptest.Server, cert, key string) {
	t.Helper()
	s = httptest.NewUnstartedServer(handler)
	s.TLS = cfg
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, cert, key
}

func TestCertificates(t *testing.T) {
	version := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, tls.VersionName(r.TLS.Version), " ", r.Proto)
	}
	s, ca, _ := secured(t, nil, version)

	w := newWorld(t, Config{})
	_, err := w.get(s.URL)
	wants(t, fmt.Sprint(err), "attempt 1 of 8: tls: failed to verify certificate: x509: certificate signed by unknown authority; not sent again")

	w = newWorld(t, Config{CAFile: ca})
	if a, err := w.get(s.URL); err != nil || string(a.Body) != "TLS 1.3 HTTP/2.0" {
		t.Error(a, err)
	}
	if w.log.Len() > 0 {
		t.Error(w.log.String())
	}

	w = newWorld(t, Config{Insecure: true})
	if _, err := w.get(s.URL); err != nil {
		t.Error(err)
	}
	wants(t, w.log.String(), "level=WARN", "certificates of servers are not verified (insecure)")
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	for max, pass := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true} {
		s, ca, _ := secured(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: max}, func(http.ResponseWriter, *http.Request) {})
		w := newWorld(t, Config{CAFile: ca})
		_, err := w.get(s.URL)
		if (err == nil) != pass {
			t.Errorf("%s: %v", tls.VersionName(max), err)
		}
		if !pass {
			wants(t, fmt.Sprint(err), "attempt 1 of 8: ", "protocol version")
		}
	}
}

func TestClientCertificate(t *testing.T) {
	s, cert, key := secured(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, func(http.ResponseWriter, *http.Request) {})
	if _, err := newWorld(t, Config{CAFile: cert, CertFile: cert, KeyFile: key}).get(s.URL); err != nil {
		t.Error(err)
	}
	_, err := newWorld(t, Config{CAFile: cert}).get(s.URL)
	if err == nil { // how it is told depends on whether the alert or the end of the connection is seen first
		t.Error("without one it passes")
	}
}

func TestFilesOfTLS(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"empty.pem holds no PEM certificate": {CAFile: empty},
		"no such file":                       {CAFile: empty + "x"},
		"needs both of its files":            {CertFile: empty},
		"client certificate " + empty:        {CertFile: empty, KeyFile: empty},
		"a time span is negative":            {IdleTimeout: -1},
	} {
		_, err := New(cfg, Deps{})
		wants(t, fmt.Sprint(err), "http client: ", want)
	}
}

func TestRedirectFromEncryptedToPlain(t *testing.T) {
	plain := script(t, answer(200, "seen by all"))
	s, ca, _ := secured(t, nil, answer(302, "", "Location", plain.URL))
	w := newWorld(t, Config{CAFile: ca})
	_, err := w.get(s.URL)
	wants(t, fmt.Sprint(err), "redirect not followed: it leads from https to http://127.0.0.1:")
	if strings.Contains(fmt.Sprint(err), "attempt 2") {
		t.Error(err)
	}
}
