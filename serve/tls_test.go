package serve

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificateIsRenewed puts other files in the place of a certificate: good ones are used within a minute, bad ones are told of and leave
// what was there, until they are mended.
func TestCertificateIsRenewed(t *testing.T) {
	dir, now := t.TempDir(), night
	written := night
	put := func() *x509.Certificate {
		t.Helper()
		made := newCertificate(t, dir)
		written = written.Add(time.Second)
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Chtimes(filepath.Join(dir, name), written, written); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	var log bytes.Buffer
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), clock: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&log, nil))}
	shows := func(want *x509.Certificate, when string) {
		t.Helper()
		got, err := c.get(nil)
		if err != nil || !bytes.Equal(got.Certificate[0], want.Raw) {
			t.Errorf("%s: another certificate is shown, %v\n%s", when, err, log.String())
		}
	}
	first := put()
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	second := put()
	shows(first, "within a minute")
	now = now.Add(certificateSpan)
	shows(second, "after a minute")

	third := put()
	key := filepath.Join(dir, "key.pem")
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{"the key is missing": func() error { return os.Remove(key) }, "the key is broken": func() error { return os.WriteFile(key, []byte("no key"), 0o600) }} {
		log.Reset()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(certificateSpan)
		shows(second, what)
		if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "key.pem") || strings.Contains(text, "no key") {
			t.Errorf("%s: the log says %q", what, text)
		}
	}
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(key, written.Add(time.Minute), written.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certificateSpan)
	shows(third, "once the key is mended")
}
