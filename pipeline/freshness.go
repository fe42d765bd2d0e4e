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
	published, at := map[string]time.Time{}, map[string]int{}
	for _, t := range m.Tables {
		published[t.Name.String()] = t.LoadedAt()
	}
	all := []Overdue{}
	for _, n := range e.Project.Nodes {
		pl := e.Project.Pipeline(n.Pipeline)
		if pl == nil || pl.Freshness == 0 || n.Model != nil && n.Model.Materialized == models.Ephemeral {
			continue
		}
		made, there := published[n.Name()]
		if !there {
			made = since
		}
		age := now.Sub(made)
		if age <= pl.Freshness.Std() {
			continue
		}
		i, known := at[pl.Name]
		if !known {
			i = len(all)
			at[pl.Name] = i
			all = append(all, Overdue{Pipeline: pl.Name, Promised: pl.Freshness.Std()})
		}
		all[i].Tables, all[i].Oldest = append(all[i].Tables, n.Name()), max(all[i].Oldest, age)
	}
	return all, nil
}
