package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
)

// PlannedLoad is what the place that follows the target would be brought, as far as that can be known before the run.
type PlannedLoad struct {
	Following
	// Now is what it takes to bring what is published already; nil when nothing is lacking, or the place could not be asked: then Unasked says why.
	Now     *load.Load `json:"now,omitempty"`
	Unasked string     `json:"unasked,omitempty"`
	// Left are the tables that the last load left there and does not bring any more, where the place was not asked.
	Left []load.LoadedTable `json:"left,omitempty"`
	// Forecast is what the last loads of the tables of this run took, and of how many of them there was one.
	Forecast   load.LoadCost `json:"forecast"`
	Known      int           `json:"tables_known"`
	Tables     int           `json:"tables"`
	MaxCredits float64       `json:"max_credits,omitempty"`
}

// TooDear says whether a load as dear as the forecast would be refused.
func (p *PlannedLoad) TooDear() bool {
	return p.MaxCredits > 0 && p.Dearest() > p.MaxCredits
}

// Dearest is the forecast of what is dearer: the run's load, or to bring what is published already.
func (p *PlannedLoad) Dearest() float64 {
	if p.Now == nil {
		return p.Forecast.Credits
	}
	return max(p.Forecast.Credits, p.Now.Credits)
}

// askWithin is how long a plan waits for the place.
const askWithin = 30 * time.Second

// planLoad adds up what the journal knows. The place is asked only when it lacks something: to ask may cost as much as a load.
func (e *Engine) planLoad(ctx context.Context, nodes []*models.Node) (*PlannedLoad, error) {
	s, err := e.Following(ctx)
	if err != nil || s == nil {
		return nil, err
	}
	p := &PlannedLoad{Following: *s, MaxCredits: e.Project.Target.MaxCredits()}
	tables := []string{}
	for _, n := range nodes {
		if n.Model == nil || n.Model.Materialized != models.Ephemeral {
			tables = append(tables, n.Name())
		}
	}
	last, err := e.Journal.LastLoaded(ctx, e.Project.Target.Name, tables)
	if err != nil {
		return nil, err
	}
	p.Tables, p.Known = len(tables), len(last)
	for _, t := range last {
		p.Forecast.Files += t.Files
		p.Forecast.Bytes += t.Bytes
		p.Forecast.Statements += t.Statements
		p.Forecast.Seconds += t.Seconds
		p.Forecast.Credits += t.Credits
	}
	if s.Brought != nil && !s.Elsewhere() {
		p.Left = slices.DeleteFunc(slices.Clone(s.Brought.Tables), func(t load.LoadedTable) bool { return t.Mode != load.ModeNone || t.Error != "" })
	}
	if !s.Lacks() || e.Follower == nil {
		return p, nil
	}
	p.Now, err = inTime(ctx, askWithin, func(ctx context.Context) (*load.Load, error) { return e.plannedPush(ctx, s.manifest, load.Bringing{}) })
	if err != nil {
		p.Unasked = fmt.Sprintf("%s was not asked: %s", s.Place, e.redact(err.Error()))
		return p, nil
	}
	p.Behind, p.Left = p.Now.Differing(), nil
	return p, nil
}
