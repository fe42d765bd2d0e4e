package serve

import "net/http"

// Role is what somebody may do. Each includes the one before.
type Role int

// The roles. A route without one does not exist: the zero value lets nobody in.
const (
	Nobody   Role = iota
	Public        // whoever can reach the port
	Viewer        // may look
	Operator      // may start, cancel, pause and replay
)

// route is one pattern of http.ServeMux with the role that it takes. The mux has no other routes than these.
type route struct {
	method  string
	pattern string // path without the method: /api/v1/runs/{run}
	role    Role
	handle  func(http.ResponseWriter, *http.Request) error // an error becomes a problem+json or a page, as the client likes
}
