package serve

import (
	"encoding/json"
	"net/http"
)

// Health is what probes are told.
type Health struct {
	Status  string   `json:"status"` // ok, or unavailable
	Reasons []string `json:"reasons,omitempty"`
}

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, Health{Status: "ok"})
}

// readyz says whether the server can do its work. Anybody may ask, so that the reasons name parts and no details: those are in
// the log.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	health := Health{Status: "ok"}
	unready := func(reason string, err error) {
		if err != nil {
			s.Log.Warn("not ready", "reason", reason, "error", err)
			health.Status, health.Reasons = "unavailable", append(health.Reasons, reason)
		}
	}
	_, err := s.Engine().Journal.Changes(r.Context())
	unready("the journal cannot be read", err)
	if s.Alive != nil {
		unready("the scheduler stands still", s.Alive())
	}
	if len(health.Reasons) > 0 {
		return writeJSON(w, http.StatusServiceUnavailable, health)
	}
	return writeJSON(w, http.StatusOK, health)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(true) // a browser that took it for a page would find no tag in it
	return e.Encode(v)
}
