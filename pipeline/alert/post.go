package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/httpclient"
	"github.com/millrace/millrace/internal/secret"
)

// poster posts JSON to a URL that is a secret: no error of it says more of the URL than its host.
type poster struct {
	client Doer
	url    secret.Value
	clock  clock.Clock
}

// post sends the body once, and sorts the answers: what cannot get better with another try is refused.
func (p poster) post(ctx context.Context, body []byte, header http.Header) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.Reveal(), bytes.NewReader(body))
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return errors.New("its url is no URL") // the error would show it
	}
	req.Header = header
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace")
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("post to %s: %w", req.URL.Host, plainError(err))
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 2048))
	return judgeAnswer(req.URL.Host, res, hide(string(answer), req.URL), p.clock())
}

// judgeAnswer turns an answer into an error, nil when it is a success.
func judgeAnswer(host string, res *http.Response, said string, now time.Time) error {
	code := res.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	text := fmt.Sprintf("%s answers %d %s", host, code, http.StatusText(code))
	if said = strings.TrimSpace(said); said != "" && !strings.HasPrefix(said, "<") {
		text += ": " + cut(visible(said), 200)
	}
	err := errors.New(text)
	switch code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return refused{err}
	}
	if after := httpclient.RetryAfter(res, now); after > 0 {
		return postponed{err, after}
	}
	return err // a wrong URL or a missing right too: people put that in order, and the message still counts
}

// plainError is an error of a connection without its URL.
func plainError(err error) error {
	var sent *httpclient.Error
	if errors.As(err, &sent) && sent.Err != nil {
		err = sent.Err
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer in time")
	}
	return err
}

// shortestSecret is how long a part of a URL is that may be one.
const shortestSecret = 8

// hide takes the URL, and each part of its path and its query that may be a secret, out of what a server says, also where it says so
// in JSON or with other escapes.
func hide(text string, u *url.URL) string {
	parts := []string{u.String(), u.RequestURI(), u.Path, u.RawQuery}
	for _, part := range strings.FieldsFunc(u.EscapedPath()+"/"+u.RawQuery+"/"+u.User.String(), func(r rune) bool { return strings.ContainsRune("/&=;:", r) }) {
		if len(part) >= shortestSecret {
			plain, _ := url.PathUnescape(part) // "" when it is none
			parts = append(parts, part, plain)
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // what holds another part goes first
	for _, part := range parts {
		if len(part) > 3 {
			text = strings.ReplaceAll(text, part, "***")
			text = strings.ReplaceAll(text, strings.ReplaceAll(part, "/", `\/`), "***")
		}
	}
	return text
}
