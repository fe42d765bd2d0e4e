package pipeline

import (
	"context"
	"strings"
	"sync"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// onDemand is the engine of a run, of a plan, of a check, in which templates find what is published also where the run does not read it: a
// table is exposed when a template asks for it, and never over one that the run has exposed itself, which is newer.
type onDemand struct {
	warehouse.Warehouse
	published *load.Manifest

	mu      sync.Mutex
	exposed map[warehouse.Name]bool // by the run, or on demand
	told    func(name warehouse.Name, err error)
}

// onDemand gives an engine in which templates find what is published. who says in the log for whom it looks.
func (e *Engine) onDemand(engine warehouse.Warehouse, published *load.Manifest, who ...any) *onDemand {
	return &onDemand{Warehouse: engine, published: published, exposed: map[warehouse.Name]bool{}, told: func(name warehouse.Name, err error) {
		if e.Log != nil {
			e.Log.Debug("published table cannot be read", append(who, "table", name.String(), "error", err)...)
		}
	}}
}

// Expose implements warehouse.Warehouse.
func (w *onDemand) Expose(ctx context.Context, v warehouse.Version) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.Warehouse.Expose(ctx, v)
	w.exposed[v.Name] = w.exposed[v.Name] || err == nil
	return err
}

// Demand exposes the published tables of a schema and name that are not exposed yet, with what their SELECTs read; "" is any. One that
// cannot be read is left out.
func (w *onDemand) Demand(ctx context.Context, schema, table string) {
	if w.published == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.published.Tables {
		if (schema == "" || strings.EqualFold(t.Name.Schema, schema)) && (table == "" || strings.EqualFold(t.Name.Table, table)) {
			w.demand(ctx, &t)
		}
	}
}

func (w *onDemand) demand(ctx context.Context, t *load.Table) {
	if w.exposed[t.Name] {
		return
	}
	w.exposed[t.Name] = true // also where it cannot be: it is tried once
	for _, need := range t.Needs {
		schema, table, _ := strings.Cut(need, ".")
		if of := w.published.Table(warehouse.Name{Schema: schema, Table: table}); of != nil {
			w.demand(ctx, of)
		}
	}
	if err := w.Warehouse.Expose(ctx, t.Version); err != nil {
		w.told(t.Name, err)
	}
}

// DemandNamed exposes the published tables whose names stand in a text, and says whether there were any that had not been.
func (w *onDemand) DemandNamed(ctx context.Context, text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.published == nil {
		return false
	}
	text, found := strings.ToLower(text), false
	for _, t := range w.published.Tables {
		if !w.exposed[t.Name] && strings.Contains(text, strings.ToLower(t.Name.Table)) {
			w.demand(ctx, &t)
			found = true
		}
	}
	return found
}
