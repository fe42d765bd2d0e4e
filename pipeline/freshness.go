package pipeline

import (
	"context"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// Overdue is a pipeline whose tables are older than it promises.
type Overdue struct {
	Pipeline string        `json:"pipeline"`
	Promised time.Duration `json:"promised"`
	Oldest   time.Duration `json:"oldest"`
	Tables   []string      `json:"tables"` // those that are too old, or not there
}

// Overdue finds them among the pipelines that promise a freshness. A table that was never built is as old as since; one whose pipeline has
// succeeded later, and found nothing new for it, is as old as that success.
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
	confirmed, err := e.confirmed(ctx)
	if err != nil {
		return nil, err
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
		if there {
			age = min(age, now.Sub(confirmed[pl.Name]))
		}
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

// confirmed is when all of a pipeline has succeeded last, for the target: its tables show what there was to show then, also those for which
// nothing was new.
func (e *Engine) confirmed(ctx context.Context) (map[string]time.Time, error) {
	tallies, err := e.Journal.Tallies(ctx, e.target())
	at := map[string]time.Time{}
	for _, t := range tallies {
		if t.Name == journal.TallyLastSuccess {
			at[t.Pipeline] = time.UnixMilli(int64(t.Value * 1000))
		}
	}
	return at, err
}
