package master

import (
	"context"

	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/warehouse"
)

// Preview is what a run of an entity would begin with, from what its sources have now.
type Preview struct {
	Read  warehouse.Equation // of the sources' rows
	Rules []PreviewedRule    // in their order
	Pairs int64              // of all rules; one that several make counts for each
	Most  int64              // pairs that a run compares: more are refused
	Plan  *match.Plan
	// Compares is how much of it a run would compare, and why; "" when nothing is published yet.
	Compares string
	Weights  string // hash of the weights; "" when they are trained
	Notes    []string
}

// PreviewedRule is how many pairs a blocking rule makes.
type PreviewedRule struct {
	Name    string
	Pairs   int64
	Largest int // records in its largest block; 0 for the nearest of each record
}

// Look reads and standardizes the records of an entity and counts what its blocking rules make, and compares nothing. What a run would refuse
// is the error. Of the job it needs the entity, the warehouse and the folder; weights, when there are some, are held against the plan.
func Look(ctx context.Context, job Job) (*Preview, error) {
	m := &matching{Job: job}
	for _, step := range []func(context.Context) error{m.read, m.settle} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	if m.Records, m.recordsFile, err = m.readRecords(ctx, m.Plan, "records", m.Warehouse.Scratch); err != nil {
		return nil, err
	}
	if err := m.fits(job.Weights); err != nil {
		return nil, err
	}
	if err := m.guardRecords(ctx); err != nil {
		m.note("%s", refusal(err))
	}
	p := &Preview{Read: m.out.Read, Most: m.Plan.MaxPairs, Plan: m.Plan, Notes: m.out.Notes}
	if p.Compares, err = m.expect(ctx); err != nil {
		return nil, err
	}
	p.Weights = m.now.Weights
	predicted, refused, err := match.Predict(ctx, match.Config{Threads: m.Threads, Temp: m.Dir}, m.Plan, m.Records)
	if err != nil {
		return nil, err
	}
	for _, one := range predicted {
		p.Rules = append(p.Rules, PreviewedRule{m.Plan.Rules[one.Rule].Name, one.Pairs, one.Largest})
		p.Pairs += one.Pairs
	}
	return p, m.placedRefusal(refused)
}
