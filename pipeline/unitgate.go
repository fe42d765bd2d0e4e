package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/millrace/millrace/models"
)

// This file runs the unit tests of a model of dbt before the run builds it. A model of which one fails is not built, and neither is what
// reads it. A model that is left as it is has passed them when it was built: other tests of it build it anew.

// unitGate is what a run needs for the unit tests of its models.
type unitGate struct {
	mu      sync.Mutex // one test at a time
	units   *units     // nil before the first test
	err     error      // why they cannot run
	results []UnitResult
}

// unitTested runs the unit tests of a model; the error says which have failed.
func (r *run) unitTested(ctx context.Context, n *models.Node) error {
	if !r.Project.DBT || r.replay != nil {
		return nil
	}
	tests := r.Project.UnitTestsOf(n)
	if len(tests) == 0 {
		return nil
	}
	g := &r.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.units == nil {
		g.units = &units{planning: planning{Engine: r.Engine, before: r.before}, landed: r.version}
		g.err = g.units.begin(ctx, r.unitTests())
	}
	if g.err != nil {
		return fmt.Errorf("prepare unit tests: %w", g.err)
	}
	var failed []string
	hint := ""
	for _, t := range tests {
		found := g.units.run(ctx, t)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		found.Message = r.redact(found.Message)
		g.results = append(g.results, found)
		if found.Status != UnitPass {
			failed = append(failed, fmt.Sprintf("unit test %s (%s): %s", t.Name, found.At, found.Message))
			hint = "`" + ForTarget(r.Project, "millrace test "+n.Table) + "` shows the rows"
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: errors.New(strings.Join(failed, "; ")), Hint: hint}
}

// unitTests are those of all models of the run.
func (r *run) unitTests() []*models.UnitTest {
	var tests []*models.UnitTest
	for _, n := range r.nodes {
		tests = append(tests, r.Project.UnitTestsOf(n)...)
	}
	return tests
}

// closeGate closes the engine of the unit tests.
func (r *run) closeGate() error {
	if r.gate.units == nil {
		return nil
	}
	return r.gate.units.close()
}
