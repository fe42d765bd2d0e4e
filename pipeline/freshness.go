package pipeline

import (
	"context"
	"time"

	"github.com/millrace/millrace/models"
)

// Overdue is a pipeline whose tables are older than it promises.
type Overdue struct {
	Pipeline string        `json:"pipeline"`
	Promised time.Duration `json:"promised"`
	Oldest   time.Duration `json:"oldest"`
	Tables   []string      `json:"tables"` // those that are too old, or not there
}

// Overdue finds them among the pipelines that promise a freshness. A table that was never built is as old as since.
func (e *Engine) Overdue(ctx context.Context, since time.Time) ([]Overdue, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	now := e.Clock()
	var all []Overdue
	for _, pl := range e.Project.Pipelines {
		one := Overdue{Pipeline: pl.Name, Promised: pl.Freshness.Std()}
		if one.Promised == 0 {
			continue
		}
		for _, n := range e.Project.Nodes {
			if n.Pipeline != pl.Name || n.Model != nil && n.Model.Materialized == models.Ephemeral {
				continue
			}
			age := now.Sub(since)
			if t := m.Table(nameOf(n)); t != nil {
				age = now.Sub(t.LoadedAt())
			}
			if age > one.Promised {
				one.Tables, one.Oldest = append(one.Tables, n.Name()), max(one.Oldest, age)
			}
		}
		if len(one.Tables) > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}
