// Package scheduler decides when pipelines run: by their cron expressions, after others, or because somebody asks, and it
// starts each run as a process of its own. It keeps no state but the journal's firings, so that a restart, a suspended
// machine and a clock that was set are one case. It never reads a source and never publishes. Read Schedule first.
package scheduler

import (
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// Schedule is a pipeline as its schedule stands now.
type Schedule struct {
	Pipeline   string           `json:"pipeline"`
	Expression string           `json:"schedule,omitempty"` // as the project has it; "" for none
	Timezone   string           `json:"timezone"`
	After      []string         `json:"after,omitempty"`
	Next       []time.Time      `json:"next"`            // the next fire times, in the pipeline's zone; none while it is paused or has no schedule
	Last       *journal.Firing  `json:"last,omitempty"`  // the last that ended
	Open       []journal.Firing `json:"open"`            // those that wait or run
	Pause      *journal.Pause   `json:"pause,omitempty"` // nil: it is not paused
}
