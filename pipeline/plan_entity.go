package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// planPatience is how long a plan looks at the records of one entity.
const planPatience = 30 * time.Second

// plannedRules is how many blocking rules a plan tells of, those first that make most pairs.
const plannedRules = 5

// entity gives a table of an entity the columns that it has now: those that it will have are known when its records have been read. With the
// golden records it says what matching them would begin with.
func (pl *planning) entity(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) error {
	one := pl.planned[n]
	t := pl.before.Table(nameOf(n))
	if t != nil {
		one.Columns = t.Columns
	}
	if n.Part == models.PartGolden {
		reading, err := pl.readable(ctx, w, n, exposed)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			one.fail(explainModel(n, err))
		} else if err := pl.matching(ctx, n, one, reading); err != nil {
			return err
		}
	}
	if t == nil {
		one.Unknown, one.UnknownCause = true, fmt.Sprintf("the columns of %s are known once it has been made", n.Name())
	}
	return nil
}

// readable holds what an entity's file says of columns against those that its sources have after the run, as far as they are known: nothing
// needs to be published for that. nil is not known.
func (pl *planning) readable(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) (*standardize.Reading, error) {
	if pl.exposeNeeds(ctx, w, n, exposed) != nil {
		return nil, nil // whoever makes what is not known tells of it
	}
	reading, err := standardize.NewReading(ctx, w, n.Entity)
	if err != nil {
		return nil, err
	}
	return reading, pl.Engine.pinnedOf(ctx, w, n.Entity, reading)
}

// matching notes what an entity's rules would make of the records that its sources have now, and what these will lack after the run.
func (pl *planning) matching(ctx context.Context, n *models.Node, one *PlannedNode, reading *standardize.Reading) error {
	if err := pl.Engine.readable(n.Entity); err != nil {
		one.fail(err)
		return nil
	}
	for _, need := range reads(n) {
		if pl.before.Table(nameOf(need)) == nil {
			one.note(fmt.Sprintf("its pairs can be counted once %s is published", need.Name()))
			return nil
		}
	}
	patient, done := context.WithTimeout(ctx, planPatience)
	defer done()
	var p *master.Preview
	before := &matchedBefore{}
	rulings := &steward.Rulings{}
	err := pl.Engine.matching(patient, n.Entity, func(r *run, job master.Job) (err error) {
		if job.Weights, err = r.weights(n.Entity); err != nil {
			return err
		}
		if rulings, err = r.rulings(patient, job.Warehouse, n.Entity); err != nil {
			return err
		}
		if before, err = publishedMatching(patient, job); err != nil {
			return err
		}
		p, err = master.Look(patient, job)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case patient.Err() != nil:
		one.note(fmt.Sprintf("its pairs could not be counted within %s", planPatience))
		return nil
	}
	if reading != nil {
		for _, text := range master.FieldsGone(n.Entity, before.fields, reading.Has) {
			one.note(text)
		}
	}
	if p != nil {
		one.notePreview(n.Entity, p)
		one.noteChanges(p, before, rulings)
		for _, text := range rulings.Notes {
			one.note(text)
		}
	}
	if err != nil {
		one.fail(err)
		return nil
	}
	return pl.rematch(ctx, n, one)
}

// matchedBefore is by what the published tables of an entity were matched.
type matchedBefore struct {
	plan      *match.Plan         // nil when it is not known
	weights   string              // hash
	decisions [3]int              // match, split, pin
	fields    map[string][]string // that each source had, by its name
}

// publishedMatching is by what the published tables were matched.
func publishedMatching(ctx context.Context, job master.Job) (*matchedBefore, error) {
	found := &matchedBefore{}
	v := job.Before[models.PartQuality]
	if v == nil {
		return found, nil
	}
	d := job.Warehouse.Dialect()
	rows, err := job.Warehouse.Query(ctx, fmt.Sprintf(`SELECT metric, detail, %[1]s FROM %[2]s
WHERE metric IN (%[3]s, %[4]s, 'decided_match', 'decided_split', 'decided_pin') AND %[5]s = (SELECT max(%[5]s) FROM %[2]s)`,
		d.QuoteIdent("value"), d.Table(v.Name), d.QuoteLiteral(master.FigurePlan), d.QuoteLiteral(master.FigureBasis), d.QuoteIdent("at")))
	if err != nil {
		return nil, err
	}
	for _, row := range rows.Rows {
		metric, _ := row[0].(string)
		detail, _ := row[1].(string)
		value, _ := row[2].(float64)
		switch metric {
		case master.FigurePlan: // what cannot be read is of another version: nothing is said of it
			if plan := (&match.Plan{}); json.Unmarshal([]byte(detail), plan) == nil {
				found.plan = plan
			}
		case master.FigureBasis:
			found.weights, found.fields = master.WeightsOf(detail), master.FieldsOf(detail)
		default:
			i := slices.Index([]string{"decided_match", "decided_split", "decided_pin"}, metric)
			found.decisions[i] = int(value)
		}
	}
	return found, nil
}

// noteChanges tells what may change golden ids: a plan, weights or decisions that the published tables were not made by.
func (one *PlannedNode) noteChanges(p *master.Preview, before *matchedBefore, rulings *steward.Rulings) {
	if before.plan == nil {
		return
	}
	const how = "golden ids may change; millrace plan --match says how many"
	if changes := p.Plan.Changes(before.plan); len(changes) > 0 {
		one.note(fmt.Sprintf("what is matched by has changed since it was published: %s: %s", strings.Join(changes, ", "), how))
	}
	if p.Weights != "" && before.weights != "" && p.Weights != before.weights {
		one.note("the weights are others than those that it was published with: " + how)
	}
	if now := [3]int{len(rulings.Match), len(rulings.Split), len(rulings.Pins)}; now != before.decisions {
		one.note(fmt.Sprintf("decisions: %d match, %d split, %d pin; when it was published there were %d, %d and %d: what they name will change", now[0], now[1], now[2],
			before.decisions[0], before.decisions[1], before.decisions[2]))
	}
}

func (one *PlannedNode) notePreview(e *models.Entity, p *master.Preview) {
	one.note(fmt.Sprintf("as published now: %s, of %d sources", p.Read, len(e.Sources)))
	rules := slices.Clone(p.Rules)
	slices.SortStableFunc(rules, func(a, b master.PreviewedRule) int { return int(min(max(b.Pairs-a.Pairs, -1), 1)) })
	var told []string
	for _, r := range rules[:min(plannedRules, len(rules))] {
		told = append(told, fmt.Sprintf("%s %d", r.Name, r.Pairs))
	}
	if more := len(rules) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	one.note(fmt.Sprintf("blocking rules make %d pairs at most, max_pairs is %d: %s", p.Pairs, p.Most, strings.Join(told, ", ")))
	if e.Weights == "" {
		one.note("weights are trained in the run")
	} else {
		one.note("weights are those of " + e.Weights)
	}
	if p.Compares != "" {
		one.note(p.Compares)
	}
	for _, text := range p.Notes {
		one.note(text)
	}
}

// rematch matches the records without publishing anything, when that is asked for, and notes what would become of the golden ids.
func (pl *planning) rematch(ctx context.Context, n *models.Node, one *PlannedNode) error {
	if !pl.match {
		return nil
	}
	var built *master.Matched
	err := pl.Engine.matching(ctx, n.Entity, func(r *run, job master.Job) (err error) {
		if job.Weights, err = r.weights(n.Entity); err != nil {
			return err
		}
		rulings, err := r.rulings(ctx, job.Warehouse, n.Entity)
		if err != nil {
			return err
		}
		if job.Labels, err = r.labels(n.Entity, job.Dir); err != nil {
			return err
		}
		job.Rulings, job.Full = *rulings, true
		job.AllowEmpty, job.AllowShrunken = true, true // to say how many ids that would be
		built, err = master.Build(ctx, job)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		one.fail(err)
		return nil
	}
	figures := map[string]float64{}
	for _, f := range built.Figures {
		figures[strings.TrimSuffix(f.Metric+" "+f.Detail, " ")] = f.Value
	}
	one.note(fmt.Sprintf("matched without publishing: %.0f golden records of %.0f records", figures[golden.FigureGolden], figures[golden.FigureRecords]))
	if _, before := figures[golden.FigureGoldenChurn]; before {
		one.note(fmt.Sprintf("of the records published before, %.0f keep their golden id, %.0f get another, %.0f are gone; %.0f are new; churn %.4g",
			figures["records_before kept"], figures["records_before moved"], figures["records_before gone"], figures["records_before new"], figures[golden.FigureGoldenChurn]))
		one.note(fmt.Sprintf("golden ids: %.0f minted, %.0f merged, %.0f split, %.0f retired",
			figures["ids minted"], figures["ids merged"], figures["ids split"], figures["ids retired"]))
	}
	for _, doubt := range built.Doubts {
		one.note("clusters: " + doubt)
	}
	return broken(one, built)
}

// broken notes the expectations that a run would not keep.
func broken(one *PlannedNode, built *master.Matched) error {
	var errs []error
	for _, x := range built.Expected {
		switch {
		case x.Passed:
		case x.Expectation.Severity == models.SeverityWarn:
			one.note(fmt.Sprintf("expect: %s is %.6g, expected %s", x.Expectation.Metric, x.Value, x.Bound))
		default:
			errs = append(errs, fmt.Errorf("expect: %s is %.6g, expected %s", x.Expectation.Metric, x.Value, x.Bound))
		}
	}
	if err := errors.Join(errs...); err != nil {
		one.fail(err)
	}
	return nil
}
