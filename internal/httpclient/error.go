package httpclient

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Error says that a request got no good answer. Nothing in it is secret.
type Error struct {
	Method, URL       string // as they may be shown
	Attempt, Attempts int    // the last one sent, of how many; 0 when none was sent
	Status            int    // of the last answer; 0 when there was none
	RequestID         string // of the last answer
	Body              string // its beginning
	Why               string // why there was no further attempt; empty when there were all
	Err               error  // what went wrong; nil when the status tells it
}

// Error tells all of it in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, e.URL)
	if e.Attempts > 1 && e.Attempt > 0 {
		fmt.Fprintf(&b, "attempt %d of %d: ", e.Attempt, e.Attempts)
	}
	var parts []string
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.Err != nil && e.Err.Error() != "" { // a call that ends for another reason than its last answer has that in Why
		parts = append(parts, e.Err.Error())
	}
	b.WriteString(strings.Join(parts, ", "))
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request id %s)", e.RequestID)
	}
	if e.Body != "" {
		b.WriteString(": " + e.Body)
	}
	if e.Why != "" {
		b.WriteString("; " + e.Why)
	}
	return b.String()
}

// Unwrap returns Err, which is what the caller branches on: a GuardError, a BreakerError, a DeadlineError, the end of a context.
func (e *Error) Unwrap() error { return e.Err }

// cleaned is an error with a text that may be shown. errors.Is and errors.As find what is in it, but nothing prints it by chance.
type cleaned struct {
	text string
	err  error
}

func (c *cleaned) Error() string        { return c.text }
func (c *cleaned) Is(target error) bool { return errors.Is(c.err, target) }
func (c *cleaned) As(target any) bool   { return errors.As(c.err, target) }

// Hint passes on what the error within advises.
func (c *cleaned) Hint() string {
	var hinted interface{ Hint() string }
	if errors.As(c.err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// ErrTooLong is what a body is that exceeds Config.MaxBody.
var ErrTooLong = errors.New("the body is too long")

// DeadlineError says that a wait was not begun, because it would have ended after the deadline.
type DeadlineError struct {
	Wait, Left time.Duration
}

// Error compares the two.
func (e *DeadlineError) Error() string {
	return fmt.Sprintf("a wait of %s would exceed the deadline in %s", round(e.Wait), round(max(e.Left, 0)))
}

// timeout is an error that net.Error tells as a timeout.
type timeout string

func (e timeout) Error() string { return string(e) }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// bare takes the layers off that quote a URL or say nothing. What http.Client says of an unreadable Location quotes it too.
func bare(err error) error {
	var guard *GuardError
	if errors.As(err, &guard) {
		return guard
	}
	for {
		var ue *url.Error
		if !errors.As(err, &ue) {
			break
		}
		err = ue.Err
	}
	if strings.Contains(err.Error(), "Location header") {
		return fmt.Errorf("%w: its Location header cannot be read", errRedirect)
	}
	return err
}
