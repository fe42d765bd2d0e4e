package database

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTLSConfig: who is let pass for the server, and who is not, by a handshake with one that has a certificate for db.example.com.
func TestTLSConfig(t *testing.T) {
	t.Parallel()
	project := t.TempDir()
	server := certificate(t, project, "ca")
	certificate(t, project, "other")
	if err := os.WriteFile(filepath.Join(project, "empty.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options      TLS
		host, verify string
		words        []string // none: the server passes
	}{
		"full":                    {TLS{CA: "ca.pem"}, "db.example.com", VerifyFull, nil},
		"by default":              {TLS{CA: "ca.pem"}, "db.example.com", "", nil},
		"absolute":                {TLS{CA: filepath.Join(project, "ca.pem")}, "db.example.com", "", nil},
		"another name":            {TLS{CA: "ca.pem"}, "db2.example.com", VerifyFull, []string{"db.example.com", "not db2.example.com"}},
		"another name, ca":        {TLS{CA: "ca.pem", Verify: VerifyCA}, "db2.example.com", VerifyFull, nil},
		"ca by the URL":           {TLS{CA: "ca.pem"}, "db2.example.com", VerifyCA, nil},
		"full against the URL":    {TLS{CA: "ca.pem", Verify: VerifyFull}, "db2.example.com", VerifyNone, []string{"db.example.com"}},
		"another authority":       {TLS{CA: "other.pem"}, "db.example.com", VerifyFull, []string{"certificate"}},
		"another authority, ca":   {TLS{CA: "other.pem"}, "db.example.com", VerifyCA, []string{"certificate"}},
		"another authority, none": {TLS{CA: "other.pem", Verify: VerifyNone}, "db.example.com", VerifyFull, nil},
		"of the system":           {TLS{}, "db.example.com", VerifyFull, []string{"certificate"}},
		"of the system, ca":       {TLS{}, "db.example.com", VerifyCA, []string{"certificate"}},
		"client":                  {TLS{CA: "ca.pem", Cert: "other.pem", Key: "other.key"}, "db.example.com", VerifyFull, nil},
		"no file":                 {TLS{CA: "nowhere.pem"}, "db.example.com", VerifyFull, []string{"tls: ca", "nowhere.pem"}},
		"no certificate":          {TLS{CA: "empty.pem"}, "db.example.com", VerifyFull, []string{"empty.pem holds no certificate"}},
		"a key of another":        {TLS{Cert: "ca.pem", Key: "other.key"}, "db.example.com", VerifyFull, []string{"client certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := c.options.Config(project, c.host, c.verify)
			var seen int
			if err == nil {
				seen, err = handshake(t, config, server)
			}
			if (err != nil) != (len(c.words) > 0) {
				t.Fatal(err)
			}
			said(t, err, c.words)
			if err == nil && (seen > 0) != (c.options.Cert != "") {
				t.Errorf("the server saw %d certificates of ours", seen)
			}
		})
	}
}

// handshake says how many certificates the server was shown.
func handshake(t *testing.T, client *tls.Config, server tls.Certificate) (int, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for _, conn := range []net.Conn{near, far} {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
	}
	s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Handshake()
	}()
	err = tls.Client(near, client).Handshake()
	<-done
	return len(s.ConnectionState().PeerCertificates), err
}

// certificate writes NAME.pem and NAME.key: a certificate for db.example.com that is its own authority.
func certificate(t *testing.T, folder, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"db.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
