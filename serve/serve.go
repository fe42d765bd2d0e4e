// Package serve is the HTTP side of Millrace: API v1, pages, the inbox of webhooks, and what monitoring asks for. It is a
// thin skin: what it shows comes from pipeline, its journal and report, and what it is asked to do it writes into the
// journal as a firing. It never runs a model and never publishes. Read Config and Server, then route.go.
package serve

import (
	"context"
	"log/slog"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// Config is what a Server stands on.
type Config struct {
	// Engine is the project as it is now; it is asked for each request, because the project may be loaded anew.
	Engine    func() *pipeline.Engine
	Scheduler Scheduler
	Log       *slog.Logger
	Clock     clock.Clock
	// Refused says why the project's files, as they are on disk now, were not taken; nil when they are in use. May be nil.
	Refused func() error
}

// Scheduler is what is asked of the scheduler; all that it is to do it finds in the journal.
type Scheduler interface {
	// Schedules tells of every pipeline, by name.
	Schedules(ctx context.Context) ([]scheduler.Schedule, error)
	// Wake makes it look into the journal at once.
	Wake()
}

// Server answers requests.
type Server struct {
	Config
}
