package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// certificateSpan is how often the files of the certificate are looked at, at the most.
const certificateSpan = time.Minute

// certificate is the server's, read again when its files have changed: it may be renewed while the server goes on.
type certificate struct {
	cert, key string // paths
	clock     clock.Clock
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	written [2]time.Time // when the files were written that were read last, whether they were good or not
	looked  time.Time
}

// load reads the certificate for the first time.
func (c *certificate) load() error {
	written, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.current, c.written, c.looked = &pair, written, c.clock()
	return nil
}

// times are when the files were written.
func (c *certificate) times() (written [2]time.Time, err error) {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return written, err
		}
		written[i] = info.ModTime()
	}
	return written, nil
}

// get is asked for the certificate at each handshake. Files that cannot be used leave the old certificate in use; they are read again once they
// have changed again, as when the key is written after the certificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if now.Sub(c.looked).Abs() < certificateSpan {
		return c.current, nil
	}
	c.looked = now
	written, err := c.times()
	if err == nil && written == c.written {
		return c.current, nil
	}
	c.written = written
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.current = &pair
			c.log.Info("the certificate was renewed", "cert", c.cert)
			return c.current, nil
		}
	}
	c.log.Error("the new certificate cannot be used: the old one stays in use", "cert", c.cert, "key", c.key, "error", err)
	return c.current, nil
}

// tlsConfig is what is spoken: TLS 1.3, and in it HTTP/2 or HTTP/1.1.
func (s *Server) tlsConfig() (*tls.Config, error) {
	dir := s.Engine().Project.Dir
	path := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	c := &certificate{cert: path(s.Settings.TLS.Cert), key: path(s.Settings.TLS.Key), clock: s.Clock, log: s.Log}
	if err := c.load(); err != nil {
		return nil, &RefusedError{fmt.Errorf("tls: %w", err), "serve.tls: cert and key are PEM files that belong together; the key is readable by this user"}
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}
