package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// authority signs the certificates of all servers of a process.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var ca = sync.OnceValues(func() (*authority, error) {
	dir, err := base()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := certificate("Millrace test CA")
	cert.IsCA = true
	cert.BasicConstraintsValid = true
	cert.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a := &authority{file: filepath.Join(dir, "ca.pem"), cert: cert, key: key}
	return a, os.WriteFile(a.file, pemBlock("CERTIFICATE", der), 0o644)
})

// certify writes a certificate and its key into the server's folder.
func (s *Server) certify(host string) (certFile, keyFile string, err error) {
	a, err := ca()
	if err != nil {
		return "", "", err
	}
	s.CAFile = a.file
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	cert := certificate("localhost")
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	cert.DNSNames = []string{"localhost"}
	cert.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if host != "" {
		cert.Subject.CommonName, cert.DNSNames, cert.IPAddresses = host, []string{host}, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return "", "", err
	}
	if certFile, err = s.write("server.crt", pemBlock("CERTIFICATE", der)); err != nil {
		return "", "", err
	}
	keyFile, err = s.write("server.key", pemBlock("PRIVATE KEY", keyDER))
	return certFile, keyFile, err
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
