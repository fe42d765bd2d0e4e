package models

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
)

// Serve is how millrace serve offers its pages and its API.
type Serve struct {
	Origin         config.Origin
	Listen         string                 `yaml:"listen" default:"127.0.0.1:4280" doc:"Address and port. Others than this machine are only let in with tls: or behind trusted_proxies:." example:"0.0.0.0:4280"`
	TLS            ServeTLS               `yaml:"tls" doc:"Certificate of the server; without one it speaks plain HTTP."`
	TrustedProxies config.StringList      `yaml:"trusted_proxies" doc:"Addresses or networks of proxies that end TLS in front of the server. Only they are answered then, and they are believed whom they forward: name none that others can speak from." example:"[10.0.0.7]"`
	PublicURL      string                 `yaml:"public_url" doc:"How people reach the server; links in alerts begin with it." example:"https://millrace.example.com"`
	AllowedHosts   config.StringList      `yaml:"allowed_hosts" doc:"Names by which the server may be asked for, besides that of public_url and, on this machine, localhost." example:"[etl.internal]"`
	Session        config.Duration        `yaml:"session" default:"12h" doc:"How long a browser stays logged in."`
	Tokens         config.Map[ServeToken] `yaml:"tokens" doc:"Tokens that come from a secret store, by name; millrace tokens adds others."`
}

// ServeTLS names the files of a certificate.
type ServeTLS struct {
	Cert string `yaml:"cert" doc:"PEM file of the certificate and those that it stands on, relative to the project."`
	Key  string `yaml:"key" doc:"PEM file of its private key."`
}

// ServeToken is a token of the project's own files.
type ServeToken struct {
	Token secret.Value      `yaml:"token" required:"true" doc:"The token: at least 32 characters, at random." example:"${secret:ci_token}"`
	Role  config.StringList `yaml:"role" default:"[viewer]" enum:"viewer,operator,steward" doc:"viewer looks; operator starts, cancels, pauses and replays too; steward decides about records of entities, and sees personal values where golden records are explained. One or several." example:"[operator, steward]"`
}

// TokenName is what a token may be called: the audit log has the name.
var TokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// leastToken is how short a token may be: what nobody guesses, when it is random.
const leastToken = 32

// serve checks what the types of the keys leave open.
func (l *loader) serve() {
	s := &l.file.Serve
	if s.Listen == "" {
		s.Listen, s.Session = "127.0.0.1:4280", config.Duration(12*time.Hour) // there is no serve: at all
	}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		l.problem(s.Origin.At("listen"), "write host:port, such as 127.0.0.1:4280", "listen: %q is no address", s.Listen)
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		l.problem(s.Origin.At("tls"), "", "tls: give both cert and key")
	}
	l.atLeast(l.files[ProjectFile].Root(nil).Get("serve"), "session", s.Session, time.Minute)
	for _, p := range s.TrustedProxies {
		if _, err := ParsePrefix(p); err != nil {
			l.problem(s.Origin.At("trusted_proxies"), "write an address or a network, such as 10.0.0.0/8", "trusted_proxies: %q is neither", p)
		}
	}
	if u, err := url.Parse(s.PublicURL); s.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/") {
		l.problem(s.Origin.At("public_url"), "write scheme and host, such as https://millrace.example.com", "public_url: %q is no such address", s.PublicURL)
	}
	for name, t := range s.Tokens.All() {
		if !TokenName.MatchString(name) {
			l.problem(s.Tokens.Key(name), "use letters, digits and . _ @ -, 64 at most", "%q is no name for a token", name)
		}
		written := l.files[ProjectFile].Root(nil).Get("serve").Get("tokens").Get(name).Get("token")
		if n := len(t.Token.Reveal()); n < leastToken && written.IsScalar() && l.had(written) {
			l.problem(s.Tokens.Key(name), "make one with: openssl rand -base64 32", "token %q is shorter than %d characters", name, leastToken)
		}
	}
	l.p.Serve = s
}

// ParsePrefix reads a network, or an address as the network of it alone.
func ParsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// Webhook lets others start runs of a pipeline by requests that they sign.
type Webhook struct {
	Origin  config.Origin
	Secrets []secret.Value `yaml:"secrets" required:"true" doc:"Secrets that requests may be signed with, as Standard Webhooks has it: whsec_ and base64, or a text of 24 characters at least. Two while one takes the place of the other." example:"[\"${secret:hook}\"]"`
}

// leastHookSecret is how many bytes a webhook is signed with at least, as Standard Webhooks wants it.
const leastHookSecret = 24

// Keys are the bytes that signatures are made with.
func (w *Webhook) Keys() ([][]byte, error) {
	keys := [][]byte{}
	for _, s := range w.Secrets {
		key, err := hookKey(s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no secret")
	}
	return keys, nil
}

// hookKey is the key of one secret of a webhook.
func hookKey(s secret.Value) ([]byte, error) {
	key, err := signingKey(s)
	if err == nil && len(key) < leastHookSecret {
		err = fmt.Errorf("a secret has fewer than %d bytes", leastHookSecret)
	}
	return key, err
}

// signingKey is what stands behind whsec_ in base64, or the text as it is.
func signingKey(s secret.Value) ([]byte, error) {
	text, encoded := strings.CutPrefix(s.Reveal(), "whsec_")
	if !encoded {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("a secret that begins with whsec_ goes on in base64")
	}
	return key, nil
}

// webhook checks that requests can be signed, as far as the secrets are known.
func (l *loader) webhook(pl *Pipeline) {
	if pl.Webhook == nil {
		return
	}
	const hint = "make one with: echo whsec_$(openssl rand -base64 32)"
	written := l.files[ProjectFile].Root(nil).Get("pipelines").Get(pl.Name).Get("webhook").Get("secrets")
	if written.IsList() && len(written.Items()) == 0 {
		l.problem(written.Pos(), hint, "webhook of %s: there is no secret", pl.Name)
	}
	for i, n := range written.Items() {
		if i == len(pl.Webhook.Secrets) || !n.IsScalar() || !l.had(n) {
			continue
		}
		key, err := hookKey(pl.Webhook.Secrets[i])
		if err != nil {
			l.problem(n.Pos(), hint, "webhook of %s: %v", pl.Name, err)
		} else if other := l.signsFor(key); other != "" {
			l.warning(n.Pos(), hint, "webhook of %s: the secret is that of %s, too: what is signed for one starts the other as well", pl.Name, other)
		}
	}
}

// signsFor is a pipeline, of those before, whose webhook has that key; "" for none.
func (l *loader) signsFor(key []byte) string {
	for _, pl := range l.p.Pipelines {
		if pl.Webhook == nil {
			continue
		}
		if keys, err := pl.Webhook.Keys(); err == nil && slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
			return pl.Name
		}
	}
	return ""
}

// had says whether all references of a value could be resolved.
func (l *loader) had(n config.Node) bool {
	for _, ref := range n.Refs() {
		if l.resolve == nil {
			return false
		}
		if _, err := l.resolve(ref); err != nil {
			return false
		}
	}
	return true
}
