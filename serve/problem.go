package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// Problem is an answer that is none, as RFC 9457 has it. Handlers return one; everything else that they return is told as an
// error of the server, whose text only the log has.
type Problem struct {
	Type     string         `json:"type"` // a URI; its fragment is the kind, and a heading of docs/api.md
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Instance string         `json:"instance,omitempty"` // the id of the request, as the log has it
	Hint     string         `json:"hint,omitempty"`     // what to do
	Problems []FieldProblem `json:"problems,omitempty"` // each mistake in what was sent

	kind  kind
	cause error         // what made it one, for our own pages; nil
	retry time.Duration // when it is worth asking again; 0 leaves that open
	allow string        // methods that the path knows
}

// FieldProblem is one mistake in what was sent.
type FieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.title() + ": " + p.Detail }

func (p *Problem) title() string { return kinds[p.kind].title }

// kind is a sort of problem; clients branch on it.
type kind string

// The kinds of problems.
const (
	kindInvalid   kind = "invalid-request"
	kindLogin     kind = "not-logged-in"
	kindForbidden kind = "forbidden"
	kindOrigin    kind = "cross-origin"
	kindHost      kind = "unknown-host"
	kindNotFound  kind = "not-found"
	kindMethod    kind = "method-not-allowed"
	kindConflict  kind = "conflict"
	kindTooLarge  kind = "too-large"
	kindMedia     kind = "unsupported-media-type"
	kindOtherBody kind = "idempotency-key-reused"
	kindTooMany   kind = "too-many-requests"
	kindBusy      kind = "busy"
	kindInternal  kind = "internal"
)

var kinds = map[kind]struct {
	status int
	title  string
}{
	kindInvalid: {http.StatusBadRequest, "The request is not valid"}, kindLogin: {http.StatusUnauthorized, "Log in first"},
	kindForbidden: {http.StatusForbidden, "That is not allowed"}, kindOrigin: {http.StatusForbidden, "The request comes from another site"},
	kindHost: {http.StatusMisdirectedRequest, "The server has another name"}, kindNotFound: {http.StatusNotFound, "There is no such thing"},
	kindMethod: {http.StatusMethodNotAllowed, "The path does not know that method"}, kindConflict: {http.StatusConflict, "It does not go with how things stand"},
	kindTooLarge: {http.StatusRequestEntityTooLarge, "Too much was sent"}, kindMedia: {http.StatusUnsupportedMediaType, "Send JSON"},
	kindOtherBody: {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	kindTooMany:   {http.StatusTooManyRequests, "Too many requests"},
	kindBusy:      {http.StatusServiceUnavailable, "Not just now"},
	kindInternal:  {http.StatusInternalServerError, "Something went wrong here"},
}

// problemTypes is where the kinds of problems are described.
const problemTypes = "https://github.com/millrace/millrace/blob/main/docs/api.md#"

// problemOf makes of any error what the client is told.
func problemOf(err error) *Problem {
	var p *Problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		filled := *p
		p = &filled
	case errors.As(err, &large):
		p = &Problem{kind: kindTooLarge, Detail: "the body may have " + strconv.FormatInt(large.Limit, 10) + " bytes"}
	case errors.Is(err, journal.ErrNotFound):
		p = &Problem{kind: kindNotFound, Detail: err.Error()}
	case errors.Is(err, journal.ErrAmbiguous):
		p = &Problem{kind: kindNotFound, Detail: err.Error(), Hint: "the list of runs has the whole ids"}
	case errors.Is(err, errCrossOrigin):
		p = &Problem{kind: kindOrigin, Detail: err.Error(), Hint: "behind a proxy, set serve.public_url"}
	case journal.IsBusy(err):
		p = &Problem{kind: kindBusy, Detail: "another process holds the journal", Hint: "send the request again in a moment", retry: busyRetry}
	default:
		p = &Problem{kind: kindInternal, Detail: "the log of the server has the reason, under the id that instance names"}
	}
	p.Type, p.Title, p.Status = problemTypes+string(p.kind), p.title(), kinds[p.kind].status
	return p
}

// fail answers with an error: as a page for browsers that ask for one, as problem+json for all others.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		return // nobody is there to be told
	}
	p := problemOf(err)
	p.Instance = "urn:millrace:request:" + requestID(r)
	p.Detail, p.Hint = s.redact(p.Detail), s.redact(p.Hint)
	if journal.IsBusy(err) {
		s.busy.Store(s.Clock().UnixNano())
		s.Log.Warn("the journal is held by another process", "request", requestID(r), "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if p.kind == kindInternal {
		s.Log.Error("request went wrong", "request", requestID(r), "method", r.Method, "path", r.URL.Path, "error", err)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.kind == kindLogin {
		h.Set("WWW-Authenticate", `Bearer realm="millrace"`)
	}
	if wantsPage(r) {
		s.errorPage(w, r, p)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// wantsPage says whether a person's browser asks.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/v")
}

// redact takes secrets out of a text.
func (s *Server) redact(text string) string {
	if f := s.Engine().Redact; f != nil {
		return f(text)
	}
	return text
}

// cut shortens a text that a stranger sent.
func cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
