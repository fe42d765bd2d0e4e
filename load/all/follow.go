package all

import (
	"errors"
	"log/slog"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// FollowerEnv is what a follower works with.
type FollowerEnv struct {
	Temp      string         // folder for what is written on the way; the caller removes it
	Warehouse warehouse.Open // the local engine
	Memory    int64          // that it may use
	Threads   int
	Rate      float64 // bytes of files for each second of the place's warehouse, as earlier loads found; 0: not known
	Clock     clock.Clock
	Log       *slog.Logger
}

// OpenFollower returns what follows the project's target; nil when nothing does. It does not connect.
func OpenFollower(p *models.Project, env FollowerEnv) (load.Follower, error) {
	switch p.Target.Type {
	case "local":
		return nil, nil
	default:
		return nil, errors.New("this build cannot load Snowflake yet")
	}
}
