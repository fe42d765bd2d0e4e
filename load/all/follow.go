package all

import (
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/load/snowflake"
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

// OpenFollower returns what follows the project's target; nil when nothing does. It does not connect yet.
func OpenFollower(p *models.Project, env FollowerEnv) (load.Follower, error) {
	switch t := p.Target; t.Type {
	case "local":
		return nil, nil
	case "snowflake":
		c, err := snowflake.ConfigOf(p)
		if err != nil {
			return nil, err
		}
		c.Temp, c.Warehouse, c.Memory, c.Threads, c.Rate, c.Clock, c.Log = env.Temp, env.Warehouse, env.Memory, env.Threads, env.Rate, env.Clock, env.Log
		target := local.New(local.Config{Root: c.Root})
		c.RunOf = func(snapshot int64) string {
			if m, err := target.Manifest(snapshot); err == nil {
				return m.Run
			}
			return ""
		}
		c.Conn.Temp, c.Conn.Log, c.Conn.Clock = env.Temp, env.Log, env.Clock
		return snowflake.New(c)
	default:
		return nil, fmt.Errorf("no target of type %q is followed", t.Type)
	}
}
