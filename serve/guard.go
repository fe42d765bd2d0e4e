package serve

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
)

// What stands between a request and its handler: the fence, which every request passes, and the guard of each route.

type contextKey int

const (
	keyRequest contextKey = iota
	keyIdentity
)

// requestID is by what the log knows the request.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(keyRequest).(string)
	return id
}

// contentPolicy lets a page have what this server sends, and nothing else; no script or style within it.
const contentPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// fence is what every request passes, whatever its path.
func (s *Server) fence(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), keyRequest, rand.Text()[:12]))
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if s.secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer s.survive(w, r)
		r.Body = http.MaxBytesReader(w, r.Body, bodyBytes)
		if !isClean(r.URL.EscapedPath()) {
			s.fail(w, r, notFound)
			return
		}
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // what cannot be read would be left out in silence
			s.fail(w, r, &Problem{kind: kindInvalid, Detail: "the query cannot be read", Hint: "put & between parameters, and write ; as %3B and % as %25"})
			return
		}
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			s.fail(w, r, s.noRoute(handler, r))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// survive turns a panic of a handler into an answer, but for the one by which a handler gives up its connection.
func (s *Server) survive(w http.ResponseWriter, r *http.Request) {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		s.Log.Error("a handler panicked: a bug", "request", requestID(r), "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		s.fail(w, r, &Problem{kind: kindInternal, Detail: "the log of the server has the reason, under the id that instance names"})
	}
}

var notFound = &Problem{kind: kindNotFound, Detail: "no page and no part of the API has that path", Hint: "/api/docs lists the API"}

// isClean says whether a path is written in the one way that routes are: what the mux would tidy up and redirect, and
// what hides a slash or a dot, has no route.
func isClean(escaped string) bool {
	if escaped == "/" {
		return true
	}
	lower := strings.ToLower(escaped)
	for _, bad := range []string{"%2f", "%5c", "%2e", "%00", "\\", ";"} {
		if strings.Contains(lower, bad) {
			return false
		}
	}
	return strings.HasPrefix(escaped, "/") && path.Clean(escaped) == escaped
}

// noRoute says why the mux has no route: the path is unknown, or does not know the method.
func (s *Server) noRoute(fallback http.Handler, r *http.Request) error {
	rec := headers{}
	fallback.ServeHTTP(rec, r)
	if allow := http.Header(rec).Get("Allow"); allow != "" {
		return &Problem{kind: kindMethod, Detail: cut(r.Method, 20) + " is not among " + allow, allow: allow}
	}
	return notFound
}

// headers is a response of which only the headers matter.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(b []byte) (int, error) { return len(b), nil }
func (h headers) WriteHeader(int)             {}

// guard lets through to a route who may.
func (s *Server) guard(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := s.admit(w, r, to)
		if to.api != nil && to.api.retire != nil {
			to.api.retire.headers(w.Header())
		}
		if err == nil {
			err = to.handle(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// admit returns the request with who makes it, or why it is refused.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, to route) (*http.Request, error) {
	if !to.probe {
		if err := s.refuseStranger(r); err != nil {
			return r, err
		}
	}
	if err := s.origins.Check(r); err != nil {
		return r, errCrossOrigin
	}
	if to.role == Public {
		return r, nil
	}
	who, err := s.identify(r)
	if err != nil {
		return r, err
	}
	switch {
	case !who.roles.may(Viewer):
		return r, &Problem{kind: kindLogin, Detail: "the request has no valid token and no session", Hint: "send Authorization: Bearer TOKEN (millrace tokens add makes one), or log in at /login"}
	case !who.roles.may(to.role):
		return r, &Problem{kind: kindForbidden, Detail: "that takes the role " + to.role.String() + ", and " + who.name + " is " + who.roles.String()}
	}
	return r.WithContext(context.WithValue(r.Context(), keyIdentity, who)), nil
}
