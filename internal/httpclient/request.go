package httpclient

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/net/http/httpguts"
)

// Request is what a client sends. It can be sent any number of times.
type Request struct {
	Method string // GET when empty
	URL    string // http or https
	Header http.Header
	Body   []byte // held in memory, because each attempt and some redirects send it anew

	// Repeatable says that doing it twice is doing it once, for methods of which HTTP does not say so (POST, PATCH): the server
	// drops repetitions, say by a key in the header. Without it such a request is sent again only when surely nothing was done: no
	// byte of it was sent, or the answer was 429, or 503 with Retry-After.
	Repeatable bool
	// Secret says that the path of the URL is a secret, as that of a webhook is. Only scheme and host of it are then shown.
	Secret bool
	// Accept lists the statuses of 300 and more that are good answers, such as 404 where absence is an answer. 304 always is.
	Accept []int
}

// build makes the request that attempts are clones of. Errors of net/url quote what they were given, so they are not passed on.
func (r *Request) build(userAgent string) (*http.Request, error) {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the URL begins with %q, not with http:// or https://", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	}
	req, err := http.NewRequest(r.Method, "http://host.invalid", bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%q is no method", r.Method)
	}
	req.URL, req.Host = u, u.Host
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			return nil, fmt.Errorf("the header %q cannot be sent: its name or its value has characters that HTTP does not allow", name)
		}
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	return req, nil
}

// idempotent tells the methods that HTTP itself allows to repeat (RFC 9110, 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// good reports whether a status is an answer.
func (r *Request) good(status int) bool {
	return status/100 == 2 || status == http.StatusNotModified || slices.Contains(r.Accept, status)
}
