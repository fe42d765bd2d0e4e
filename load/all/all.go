// Package all is the one list of targets.
package all

import (
	"fmt"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
)

// Open returns the loader of the project's target.
func Open(p *models.Project, catalog local.CatalogFunc) (load.Loader, error) {
	switch t := p.Target; t.Type {
	case "local", "snowflake": // what Snowflake follows is published like any other
		return local.New(local.Config{Root: p.TargetDir(), KeepCount: t.Retention.Versions, KeepFor: t.Retention.For.Std(), Clock: clock.System,
			Catalog: catalog}), nil
	default:
		return nil, fmt.Errorf("no target of type %q", t.Type)
	}
}
