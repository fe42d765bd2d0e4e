package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
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

// A journal that another process held is taken for free again after busySpan; who was refused may come back after busyRetry.
const (
	busyRetry = 5 * time.Second
	busySpan  = 30 * time.Second
)

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
	unready("the journal cannot be written", s.writing.try(r.Context(), s.Engine().Journal, s.Clock()))
	if last := s.busy.Load(); last != 0 && s.Clock().Sub(time.Unix(0, last)) < busySpan {
		unready("the journal is held by another process", errors.New("a request gave up waiting for it"))
	}
	if s.Alive != nil {
		unready("the scheduler stands still", s.Alive())
	}
	if len(health.Reasons) > 0 {
		return writeJSON(w, http.StatusServiceUnavailable, health)
	}
	return writeJSON(w, http.StatusOK, health)
}

// probeSpan is how often it is tried at the most whether the journal can be written: its writers wait meanwhile.
const probeSpan = 5 * time.Second

// writeProbe is whether the journal could be written lately.
type writeProbe struct {
	mu    sync.Mutex
	tried time.Time
	err   error
}

func (p *writeProbe) try(ctx context.Context, j *journal.Journal, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.tried).Abs() < probeSpan {
		return p.err
	}
	p.tried, p.err = now, j.Writable(context.WithoutCancel(ctx)) // whoever asked may go: the answer is for others, too
	return p.err
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(true) // a browser that took it for a page would find no tag in it
	return e.Encode(v)
}
