// Package database holds what the sources that read relational databases share: their options, the cursors they keep,
// what becomes of columns that have changed, and how they reach a server. It speaks no protocol and knows no type of
// any server. Read Options and StreamOptions first.
package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
)

// Options are the keys of a database source.
type Options struct {
	URL              config.URL      `yaml:"url" required:"true" example:"postgres://reader:${secret:erp}@db.example.com/shop?sslmode=verify-full" doc:"Address of the database. Its password is a reference. sslmode=require means verify-full here, unless tls: says less."`
	TLS              TLS             `yaml:"tls" doc:"How the server's certificate is checked."`
	SSH              *SSH            `yaml:"ssh" doc:"A host to reach the server through."`
	Connections      int             `yaml:"connections" default:"4" doc:"Most connections to the server at once, at least 2. PostgreSQL: one holds the snapshot, the others read it. MySQL uses two: one reads, in its snapshot, the other looks for what is not committed."`
	ConnectTimeout   config.Duration `yaml:"connect_timeout" default:"15s" doc:"Time for a connection to come about."`
	StatementTimeout config.Duration `yaml:"statement_timeout" default:"0" doc:"Longest time of one statement, reading a table included; 0: no limit."`
	LockTimeout      config.Duration `yaml:"lock_timeout" default:"1m" doc:"Longest wait for a lock, such as one that an ALTER TABLE holds."`
	IdleTimeout      config.Duration `yaml:"idle_timeout" default:"15m" doc:"Longest silence of the server in the middle of an answer."`
}

// ForURL are the options of a source of which nothing but its URL is known.
func ForURL(text string) *Options {
	o := &Options{}
	if f, _ := config.Parse("", []byte("{}")); f != nil {
		_ = f.Decode(o, nil) // the defaults; what is missing is the URL
	}
	o.URL = config.NewURL(text)
	return o
}

// TLS says how the server's certificate is checked.
type TLS struct {
	Verify string `yaml:"verify" enum:"full,ca,none" doc:"full: the certificate is valid and for this host. ca: it is valid. none: anyone may answer. Default: what the URL asks for, and full where it asks for encryption only."`
	CA     string `yaml:"ca" example:"certs/ca.pem" doc:"File with the authorities to trust, relative to the project; default those of the system."`
	Cert   string `yaml:"cert" doc:"File with a client certificate."`
	Key    string `yaml:"key" doc:"File with its key."`
}

// The values of Verify.
const (
	VerifyFull = "full"
	VerifyCA   = "ca"
	VerifyNone = "none"
)

// SSH is a host to reach a server through.
type SSH struct {
	Host       string       `yaml:"host" required:"true" example:"bastion.example.com:22" doc:"Host and port."`
	User       string       `yaml:"user" required:"true" doc:"User on that host."`
	KeyFile    string       `yaml:"key_file" example:"~/.ssh/id_ed25519" doc:"File with the private key; default: key, password, or the agent of SSH_AUTH_SOCK."`
	Key        secret.Value `yaml:"key" example:"${secret:bastion_key}" doc:"The private key itself, in PEM."`
	Passphrase secret.Value `yaml:"passphrase" doc:"Passphrase of the key."`
	Password   secret.Value `yaml:"password" doc:"Password, where there is no key."`
	KnownHosts string       `yaml:"known_hosts" default:"~/.ssh/known_hosts" doc:"File with the hosts' keys; a host that is not in it is refused."`
}

// StreamOptions are the keys of one stream.
type StreamOptions struct {
	Query          string             `yaml:"query" example:"SELECT * FROM orders WHERE NOT test" doc:"A SELECT to read instead of the table that name says."`
	Columns        config.Map[string] `yaml:"columns" example:"{amount: 'DECIMAL(18,4)'}" doc:"Types for columns whose own has no exact counterpart, or VARCHAR for the server's text."`
	Exclude        config.StringList  `yaml:"exclude" example:"[photo]" doc:"Columns to leave out."`
	OnInexact      string             `yaml:"on_inexact" enum:"reject,fail" default:"reject" doc:"What to do with a value that has no exact counterpart: reject its row, or fail the stream."`
	Lookback       config.Duration    `yaml:"lookback" doc:"How far behind the server's clock the cursor stays; for values that another clock writes. Default: none where the server shows its open transactions, else 10m."`
	CursorTimezone string             `yaml:"cursor_timezone" example:"Europe/Berlin" doc:"Zone of a cursor without zone; default that of the database."`
	PageRows       int                `yaml:"page_rows" default:"1000000" doc:"Rows of one part when changes are read by their cursor."`
	MaxRow         config.Size        `yaml:"max_row" default:"16MB" doc:"A larger row is rejected."`
}

// The policies of StreamOptions.
const (
	Reject = "reject"
	Fail   = "fail"
)

// defaultMaxRow is that of max_row, for options that no file went through.
const defaultMaxRow = 16_000_000

// Rows of a page when the options name none.
const defaultPageRows = 1_000_000

// OptionsOf gives the options of a stream.
func OptionsOf(s extract.Stream) (*StreamOptions, error) {
	o, ok := s.Options.(*StreamOptions)
	if !ok || o == nil {
		return nil, fmt.Errorf("stream %q: options are a %T", s.Name, s.Options)
	}
	return o, nil
}

// RowLimit is the most bytes of a row.
func (o *StreamOptions) RowLimit() int {
	if o.MaxRow > 0 {
		return int(o.MaxRow)
	}
	return defaultMaxRow
}

// Page is the most rows of a page.
func (o *StreamOptions) Page() int {
	if o.PageRows > 0 {
		return o.PageRows
	}
	return defaultPageRows
}

// Pins are the types that the project gives to columns.
func (o *StreamOptions) Pins() map[string]string {
	pins := map[string]string{}
	for name, typ := range o.Columns.All() {
		pins[name] = typ
	}
	return pins
}

// Check finds settings that cannot work, for any database.
func Check(options any, streams []extract.Stream) []extract.Problem {
	var out []extract.Problem
	o, ok := options.(*Options)
	if !ok {
		return []extract.Problem{{Message: fmt.Sprintf("options are a %T", options)}}
	}
	if o.Connections != 0 && o.Connections < 2 {
		out = append(out, extract.Problem{Key: "connections", Message: "at least 2 connections are needed", Hint: "PostgreSQL: one holds the snapshot, the others read it; MySQL: one reads, the other looks for what is not committed"})
	}
	if (o.TLS.Cert == "") != (o.TLS.Key == "") {
		out = append(out, extract.Problem{Key: "tls", Message: "tls: cert and key go together"})
	}
	for _, s := range streams {
		so, err := OptionsOf(s)
		if err != nil {
			out = append(out, extract.Problem{Stream: s.Name, Message: err.Error()})
			continue
		}
		for _, name := range so.Exclude {
			if name == s.Cursor || slices.Contains(s.Key, name) {
				out = append(out, extract.Problem{Stream: s.Name, Key: "exclude", Message: fmt.Sprintf("column %q is the stream's key or cursor: it cannot be left out", name)})
			}
		}
		if so.PageRows < 0 {
			out = append(out, extract.Problem{Stream: s.Name, Key: "page_rows", Message: "page_rows is negative"})
		}
	}
	return out
}

// reference is what stands in a URL for a secret or a variable until a run needs it.
const reference = `\$\{[^}]*\}`

// account is the scheme of a URL and who connects.
var account = regexp.MustCompile(`^([a-z]+://)((?:` + reference + `|[^@/?#])*@)?`)

// Form is the URL for those who look at its form only: without who connects, and without parameters where a reference stands
// among them; "" where one stands for more.
func (o *Options) Form() string {
	text, parameters, _ := strings.Cut(account.ReplaceAllString(o.URL.Reveal(), "${1}"), "?")
	if o.URL.IsZero() || strings.Contains(text, "${") {
		return ""
	}
	if parameters != "" && !strings.Contains(parameters, "${") {
		text += "?" + parameters
	}
	return text
}

// Schemes are what the URLs of a type of source begin with.
type Schemes []string

func (s Schemes) match(text string) bool {
	return slices.ContainsFunc(s, func(scheme string) bool { return strings.HasPrefix(text, scheme+"://") })
}

// Fit says whether the URL of the options has one of the schemes, or may have: a reference stands for it, or there is none.
func (s Schemes) Fit(o *Options) bool {
	return o.URL.IsZero() || strings.HasPrefix(o.URL.Reveal(), "${") || s.match(o.URL.Reveal())
}

// FromURL implements extract.Spec.FromURL.
func (s Schemes) FromURL(text string) (options any, ok bool, err error) {
	if !s.match(text) {
		return nil, false, nil
	}
	return ForURL(text), true, nil
}

// File makes a path of the options absolute: it is relative to the project, and ~ is the home folder.
func File(project, path string) string {
	if len(path) > 1 && path[:2] == "~/" {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, path[2:])
		}
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(project, path)
}

// Config makes the client's side of TLS for a host. verify is what the URL asks for; the options have the last word.
func (t TLS) Config(project, host, verify string) (*tls.Config, error) {
	if t.Verify != "" {
		verify = t.Verify
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.CA != "" {
		pem, err := os.ReadFile(File(project, t.CA))
		if err != nil {
			return nil, fmt.Errorf("tls: ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(File(project, t.Cert), File(project, t.Key))
		if err != nil {
			return nil, fmt.Errorf("tls: client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch verify {
	case VerifyNone:
		c.InsecureSkipVerify = true
	case VerifyCA:
		Chain(c)
	}
	return c, nil
}

// Chain makes c check that a certificate is valid, but not which host it is for.
func Chain(c *tls.Config) {
	c.InsecureSkipVerify = true
	roots := c.RootCAs
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		between := x509.NewCertPool()
		for _, cert := range state.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}
