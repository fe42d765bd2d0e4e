// Package all is the one list of targets.
package all

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Catalog writes a catalog database; it is warehouse/duckdb.BuildCatalog.
type Catalog func(ctx context.Context, path string, versions []warehouse.Version, comments map[string]string) error

// Open returns the loader of the project's target.
func Open(p *models.Project, catalog Catalog) (load.Loader, error) {
	switch t := p.Target; t.Type {
	case "local":
		return local.New(local.Config{Root: p.TargetDir(), KeepCount: t.Retention.Versions, KeepFor: t.Retention.For.Std(), Clock: clock.System,
			Catalog: local.CatalogFunc(catalog)}), nil
	default:
		return nil, fmt.Errorf("no target of type %q", t.Type)
	}
}
