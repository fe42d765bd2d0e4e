package httpclient

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/secret"
)

const (
	excerptRead = 8 << 10 // read of a body that is quoted; secrets are taken out before it is cut
	excerptShow = 500     // and shown of it
	shortValue  = 8       // a query value or path segment below is no secret: taking it out would tear holes into words
)

// showURL is the one way in which a URL is shown: without user, values of the query and fragment, and of a secret one the host alone.
func showURL(u *url.URL, private bool) string {
	shown := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if private {
		return u.Scheme + "://" + u.Host + "/…"
	}
	if u.RawQuery == "" {
		return shown.String()
	}
	var keys []string
	for _, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		if key, _, ok := strings.Cut(pair, "="); ok {
			keys = append(keys, key+"=***")
		} else {
			keys = append(keys, "***")
		}
	}
	return shown.String() + "?" + strings.Join(keys, "&")
}

// cleaner takes out of texts what a request must not show: its own secrets, those that Deps.Redact knows, and all that showURL
// hides of any URL.
type cleaner struct {
	own    secret.Redactor
	redact func(string) string
	secret bool
}

func newCleaner(r *Request, req *http.Request, redact func(string) string) *cleaner {
	c := &cleaner{redact: redact, secret: r.Secret}
	add := func(text string, shortest int) {
		if len(text) >= shortest {
			c.own.Add(secret.NewValue(text))
		}
	}
	password, _ := req.URL.User.Password()
	add(password, 0)
	add(req.URL.User.Username(), 0) // which is a token as often
	for _, values := range req.URL.Query() {
		for _, v := range values {
			add(v, shortValue)
		}
	}
	if r.Secret {
		add(req.URL.RequestURI(), 2)
		for segment := range strings.SplitSeq(req.URL.Path, "/") {
			add(segment, shortValue)
		}
	}
	for name, values := range req.Header {
		if harmless[name] {
			continue
		}
		for _, v := range values {
			add(v, shortValue)
			if scheme, credentials, ok := strings.Cut(v, " "); ok && name == "Authorization" {
				add(credentials, 0)
				if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil && strings.EqualFold(scheme, "Basic") {
					_, password, _ := strings.Cut(string(plain), ":")
					add(password, 0)
				}
			}
		}
	}
	return c
}

// anyURL finds URLs in sentences, whose punctuation is not theirs.
var anyURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\\]*[^\s"'<>\\,.;:)]`)

// clean returns a text that may be shown, on one line.
func (c *cleaner) clean(text string) string {
	text = c.redact(c.own.Redact(strings.ToValidUTF8(text, "\uFFFD")))
	text = anyURL.ReplaceAllStringFunc(text, func(found string) string {
		u, err := url.Parse(found)
		if err != nil || u.Host == "" {
			scheme, _, _ := strings.Cut(found, "://")
			return scheme + "://…"
		}
		return showURL(u, c.secret)
	})
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// excerpt returns the beginning of a body that may be shown.
func (c *cleaner) excerpt(body []byte) string {
	text := c.clean(string(body[:min(len(body), excerptRead)]))
	if len(text) <= excerptShow {
		return text
	}
	cut := excerptShow
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// requestID returns the name that the server gave to the request, which its operators can look for.
func (c *cleaner) requestID(h http.Header) string {
	for _, name := range []string{
		"X-Request-Id", "X-Correlation-Id", "Request-Id", "X-Amzn-Requestid", "X-Amz-Request-Id", "X-Github-Request-Id", "X-Ms-Request-Id",
		"X-Slack-Req-Id", "X-Trace-Id", "Cf-Ray",
	} {
		if id := c.clean(h.Get(name)); id != "" && len(id) <= 128 {
			return id
		}
	}
	return ""
}
