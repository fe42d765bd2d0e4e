package pipeline

import (
	"context"
	"errors"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// resultWords are what dbt calls what became of a node.
var resultWords = map[journal.Status]string{journal.Succeeded: "success", journal.Failed: "error", journal.ChecksFailed: "fail",
	journal.UpstreamFailed: "skipped", journal.Withheld: "skipped"}

// checkWords are what dbt calls what became of a check, where that says more than what became of its node.
var checkWords = map[check.Status]string{check.StatusPass: "pass", check.StatusWarn: "warn", check.StatusFail: "fail"}

// Standing is what the selectors state: and result: go by: a manifest, nil for what is published now, and the last run.
func (e *Engine) Standing(ctx context.Context, m *load.Manifest) (*models.Standing, error) {
	if m == nil {
		var err error
		if m, err = e.current(ctx); err != nil {
			return nil, err
		}
	}
	s := &models.Standing{Tables: map[string]*models.Definition{}}
	for _, t := range m.Tables {
		s.Tables[t.Name.String()] = nil
		if t.Fingerprint != nil {
			s.Tables[t.Name.String()] = &t.Fingerprint.Definition
		}
	}
	last, err := e.newest(ctx, journal.Filter{Target: e.target()})
	if errors.Is(err, journal.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	status, err := e.lastStatus(ctx, last.ID)
	if err != nil {
		return nil, err
	}
	results, err := e.Journal.Checks(ctx, last.ID)
	if err != nil {
		return nil, err
	}
	s.Results = map[string][]string{}
	for node, became := range status {
		s.Results[node] = []string{resultWords[became]}
	}
	for _, r := range results {
		if word := checkWords[r.Status]; word != "" {
			s.Results[r.Node] = append(s.Results[r.Node], word)
		}
	}
	return s, nil
}
