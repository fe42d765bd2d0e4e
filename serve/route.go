package serve

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Role is what a route takes.
type Role int

// The roles. A route without one does not exist: the zero value lets nobody in.
const (
	Nobody   Role = iota
	Public        // whoever can reach the port
	Viewer        // may look
	Operator      // a viewer who may start, cancel, pause and replay
	Steward       // a viewer who may decide about records, and is shown personal values where golden records are explained
)

// String is the role's word, as tokens have it.
func (r Role) String() string {
	return [...]string{"nobody", "public", "viewer", "operator", "steward"}[r]
}

// Roles are what somebody is. Without any it is nobody; with any, a viewer.
type Roles []Role

// may says whether a route that takes the role lets them through.
func (r Roles) may(role Role) bool {
	return len(r) > 0 && role == Viewer || slices.Contains(r, role)
}

// String is the roles' words in their order, as tokens have them.
func (r Roles) String() string {
	words := make([]string, len(r))
	for i := range r {
		words[i] = r[i].String()
	}
	return strings.Join(words, ",")
}

// ParseRoles reads the words of roles that a token may have, with commas between them.
func ParseRoles(text string) (Roles, error) {
	words := strings.Split(text, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	var all Roles
	for _, r := range []Role{Viewer, Operator, Steward} {
		if slices.Contains(words, r.String()) {
			all = append(all, r)
		}
	}
	for _, w := range words {
		if !slices.ContainsFunc(all, func(r Role) bool { return r.String() == w }) {
			return nil, fmt.Errorf("unknown role %q: viewer, operator or steward, or several with commas", w)
		}
	}
	return all, nil
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
	for _, more := range [][]route{s.nodeRoutes(), s.runRoutes(), s.logRoutes(), s.scheduleRoutes(), s.entityRoutes(), s.docRoutes(), s.pages()} {
		all = append(all, more...)
	}
	return all
}

// of is the route for another role than the one that such routes take.
func (r route) of(role Role) route {
	r.role = role
	return r
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
