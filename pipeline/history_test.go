package pipeline

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

// TestHistoryKept: nothing goes that something looks back for.
func TestHistoryKept(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct{ history, quarantine, window, want time.Duration }{
		{400 * day, 30 * day, day, 400 * day},
		{7 * day, 30 * day, day, 30 * day},
		{7 * day, 0, 4 * day, 11 * day},
		{7 * day, 0, 290 * 365 * day, 2*longestSpan + 3*day},
	} {
		e := &Engine{Project: &models.Project{History: config.Duration(c.history), Targets: []*models.Target{{}, {Retention: models.Retention{Quarantine: config.Duration(c.quarantine)}}},
			Pipelines: []*models.Pipeline{{MisfireWindow: config.Duration(c.window)}}}}
		if got := e.historyKept(); got != c.want {
			t.Errorf("%+v: kept for %v", c, got)
		}
	}
}
