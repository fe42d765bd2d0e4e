package config

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/secret"
)

// URL is the address of a server, such as postgres://user:${secret:erp}@db.example.com/shop. Its password comes from a
// reference: one that is written into the file is a problem. It prints and marshals without the password.
type URL struct{ text string }

// NewURL makes a URL of a text that comes from elsewhere than a project file.
func NewURL(text string) URL { return URL{text} }

// Reveal returns the URL with its password.
func (u URL) Reveal() string { return u.text }

// IsZero reports whether there is no URL.
func (u URL) IsZero() bool { return u.text == "" }

// String returns the URL without its password.
func (u URL) String() string { return secret.RedactURLs(u.text) }

// MarshalText implements encoding.TextMarshaler, without the password: it decides who reads, not what.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalJSON implements json.Marshaler, without the password.
func (u URL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// literalPassword finds a password that stands in the text of a URL, as user:password@ or as a parameter.
var literalPassword = regexp.MustCompile(`(?i)://[^/@?#]*:([^/@?#]+)@|[?&](?:ssl)?password=([^&]+)`)

// reference stands for a ${…} while a URL is looked through: its colons are none of the URL's.
const reference = "\x00"

// DecodeNode implements NodeDecoder.
func (u *URL) DecodeNode(n Node) Problems {
	raw := n.Text()
	var problems Problems
	if !n.IsScalar() || strings.Contains(raw, "://") {
		problems = n.Decode(&u.text)
	} else { // the whole URL may be a secret
		var whole secret.Value
		problems = n.Decode(&whole)
		u.text = whole.Reveal()
	}
	if problems.HasErrors() || !n.IsScalar() {
		return problems
	}
	if m := literalPassword.FindStringSubmatch(refSyntax.ReplaceAllString(raw, reference)); m != nil {
		for _, password := range m[1:] {
			if password != "" && password != reference {
				p := n.Pos().Problem("a password stands in the project file", "write ${secret:name} or ${NAME} in its place, and keep the password in a secret store or in the environment")
				p.Source = mask(p.Source, []string{password})
				return append(problems, p)
			}
		}
	}
	if strings.Contains(u.text, "${") {
		return problems // lint looks at files only
	}
	parsed, err := url.Parse(u.text)
	switch {
	case err != nil: // its words repeat the URL
		u.text = ""
		return append(problems, n.Pos().Problem("this is not a URL", "write scheme://user:${secret:name}@host:port/database; @ : / ? # % in names and passwords are written %40 %3A %2F %3F %23 %25"))
	case parsed.Scheme == "":
		u.text = ""
		return append(problems, n.Pos().Problem("the URL has no scheme", "write scheme://user:${secret:name}@host:port/database"))
	}
	return problems
}

// SchemaType implements the schema of a URL.
func (URL) SchemaType() map[string]any { return map[string]any{"type": "string"} }
