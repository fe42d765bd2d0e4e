package match

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// Job is an entity to build in a warehouse in which its sources, its code maps and its table of overrides are exposed.
type Job struct {
	Entity    *models.Entity
	Warehouse warehouse.Warehouse
	Dir       string                        // new, empty: for what is written
	Before    map[string]*warehouse.Version // published tables, by part; they are exposed too
	Run       string
	At        time.Time       // logical time: what trust decays up to, and what xref says
	Rulings   steward.Rulings // of the file and the table of overrides
	Weights   *Weights        // nil trains
	Full      bool            // compares everything, whatever has changed
	Threads   int
	Memory    int64 // bytes for records and edges; more edges spill
	Log       *slog.Logger
	// Progress is told how many of the predicted pairs have been compared.
	Progress func(phase string, done, of int64)
}

// Built is what an entity's tables are now.
type Built struct {
	Tables    []BuiltTable // by models.EntityParts
	Equations []warehouse.Equation
	// Quarantined are records that cannot be standardized: a file with their columns; nil when there are none.
	Quarantined *warehouse.File
	Columns     []warehouse.Column // of Quarantined, without those of the quarantine itself
	Outcomes    []Outcome
	Notes       []string
	Weights     *Weights // that were used
}

// BuiltTable is one of the tables.
type BuiltTable struct {
	Part      string
	Version   warehouse.Version
	Written   []warehouse.File // those of its files that are new
	Equations []warehouse.Equation
}

// Build makes the tables of an entity: standardizes its records, compares them, clusters them, and takes golden records from the clusters.
func Build(ctx context.Context, job Job) (*Built, error) {
	panic("not yet")
}
