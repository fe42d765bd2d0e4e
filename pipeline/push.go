package pipeline

import (
	"context"
	"errors"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// PushRequest says what Push does.
type PushRequest struct {
	Renew  []string // tables of which all rows are replaced: schema.table, or table
	Anew   bool     // take the place over, where it follows another target or holds what is not here
	DryRun bool     // say what would be done, and do nothing
}

// Pushed is what Push did.
type Pushed struct {
	DryRun   bool         `json:"dry_run"`
	Place    string       `json:"place"`
	Snapshot int64        `json:"snapshot"`       // that is published
	Load     journal.Load `json:"load,omitzero"`  // no table of it differs when the place showed it already; nothing in it of a dry run
	Plan     *load.Load   `json:"plan,omitempty"` // of a dry run
	// MaxCredits is the most that one load may be expected to need; 0: no limit.
	MaxCredits float64 `json:"max_credits,omitempty"`
}

// TooDear says whether what is planned would be refused.
func (p *Pushed) TooDear() bool {
	return p.Plan != nil && p.MaxCredits > 0 && p.Plan.Credits > p.MaxCredits
}

// ErrNoFollower says that nothing follows the target.
var ErrNoFollower = errors.New("nothing follows this target: it is no target of type snowflake")

// Push brings the place that follows the target up to what is published, without a run. It asks the place itself what that lacks, whatever the journal says.
// ErrLocked when another process does so; ErrNoTable of a table to renew; a *BehindError when it could not be done.
func (e *Engine) Push(ctx context.Context, req PushRequest) (*Pushed, error) {
	if e.Follower == nil {
		return nil, ErrNoFollower
	}
	ctx, cancel := e.untilStopped(ctx)
	defer cancel()
	unlock, err := e.lockLoadsNow()
	if err != nil {
		return nil, err
	}
	defer unlock()
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return nil, err
	}
	out := &Pushed{DryRun: req.DryRun, Place: e.place(), Snapshot: m.Snapshot, MaxCredits: e.Project.Target.MaxCredits()}
	var renew []warehouse.Name
	if len(req.Renew) > 0 {
		tables, err := chosen(m, req.Renew)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			renew = append(renew, t.Name)
		}
	}
	b := load.Bringing{Renew: renew, Anew: req.Anew}
	if req.DryRun {
		planned, err := e.plannedPush(ctx, m, b)
		if err != nil {
			return nil, e.isNow(ctx, err)
		}
		out.Plan = planned
		return out, nil
	}
	if err := e.Follower.Prepare(ctx); err != nil {
		return nil, e.isNow(ctx, err)
	}
	l, err := e.bring(ctx, m, b)
	if behind := (*BehindError)(nil); errors.As(err, &behind) {
		behind.Renew = req.Renew
	}
	if l != nil {
		out.Load = *l
	}
	return out, err
}

// plannedPush asks the place what it lacks.
func (e *Engine) plannedPush(ctx context.Context, m *load.Manifest, b load.Bringing) (*load.Load, error) {
	standing, err := e.Follower.Standing(ctx)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return nil, err
	}
	return e.Follower.Plan(ctx, m, standing, b)
}
