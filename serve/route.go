package serve

import (
	"fmt"
	"net/http"
)

// Role is what somebody may do. Each includes the one before.
type Role int

// The roles. A route without one does not exist: the zero value lets nobody in.
const (
	Nobody   Role = iota
	Public        // whoever can reach the port
	Viewer        // may look
	Operator      // may start, cancel, pause and replay
)

// String is the role's word, as tokens have it.
func (r Role) String() string {
	return [...]string{"nobody", "public", "viewer", "operator"}[r]
}

// ParseRole reads the word of a role that a token may have.
func ParseRole(word string) (Role, error) {
	for _, r := range []Role{Viewer, Operator} {
		if word == r.String() {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("unknown role %q: viewer or operator", word)
}

// route is one pattern of http.ServeMux with the role that it takes. The mux has no other routes than these.
type route struct {
	method  string
	pattern string // path without the method: /api/v1/runs/{run}
	role    Role
	handle  func(http.ResponseWriter, *http.Request) error // an error becomes a problem+json or a page, as the client likes
	api     *operation                                     // what the document of the API says of it; nil for all else
	probe   bool                                           // asked by machines that know no name of ours: answered under any Host, and past no proxy
}

// routes is every route that there is.
func (s *Server) routes() []route {
	all := []route{
		{method: "GET", pattern: "/healthz", role: Public, probe: true, handle: s.healthz},
		{method: "GET", pattern: "/readyz", role: Public, probe: true, handle: s.readyz},
		{method: "GET", pattern: "/metrics", role: Viewer, handle: plain(s.metricsHandler())},
		{method: "GET", pattern: "/login", role: Public, handle: s.showLogin},
		{method: "POST", pattern: "/login", role: Public, handle: s.login},
		{method: "POST", pattern: "/logout", role: Viewer, handle: s.logout},
		{method: "POST", pattern: "/hooks/{pipeline}", role: Public, probe: true, handle: s.hook}, // its signature lets it in
	}
	for _, more := range [][]route{s.nodeRoutes(), s.runRoutes(), s.logRoutes(), s.scheduleRoutes(), s.docRoutes(), s.pages()} {
		all = append(all, more...)
	}
	return all
}

// plain makes a handler of ours of one that reports no errors.
func plain(h http.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// mux registers the routes, each behind its guard.
func (s *Server) mux() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	for _, r := range s.table {
		if r.role == Nobody || r.method == "" {
			return nil, fmt.Errorf("route %q has no role or no method", r.pattern)
		}
		mux.Handle(r.method+" "+r.pattern, s.guard(r))
	}
	return mux, nil
}
