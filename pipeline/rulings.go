package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// rulings are what people have decided about an entity's records: in its table of overrides, and in its file, which has lost none that the
// published run has obeyed.
func (r *run) rulings(ctx context.Context, w warehouse.Warehouse, entity *models.Entity) (*steward.Rulings, error) {
	var all []steward.Decision
	if entity.Overrides != nil {
		rows, err := overrides(ctx, w, entity.Overrides, r.Clock())
		if err != nil {
			return nil, &StepError{Node: entity.Node.Name(), Pos: entity.OverridesAt.String(), Err: fmt.Errorf("overrides: %w", err),
				Hint: "mend it where " + entity.Overrides.Name() + " has its rows from"}
		}
		all = namedBy(entity, rows)
	}
	own, err := r.decisions(entity).Read()
	if err != nil {
		return nil, r.placed(entity, err)
	}
	rulings, err := steward.Rule(append(all, own...))
	if err != nil {
		return nil, r.placed(entity, err)
	}
	rulings.Standing = steward.Standing(own, rulings)
	note, err := r.guardDecisions(entity, own)
	if note != "" {
		rulings.Notes = append(rulings.Notes, note)
	}
	return rulings, err
}

// lostShown is how many decisions that are gone are named.
const lostShown = 5

// guardDecisions refuses a file that has lost decisions which the published run has obeyed: what was split would match again, unseen. Who
// means it is asked for a yes, and then there is a note.
func (r *run) guardDecisions(entity *models.Entity, own []steward.Decision) (note string, err error) {
	published := r.before.Table(nameOf(entity.Node))
	if published == nil {
		return "", nil
	}
	lost := steward.Lost(published.Standing, own)
	if len(lost) == 0 {
		return "", nil
	}
	named := strings.Join(lost[:min(lostShown, len(lost))], ", ")
	if more := len(lost) - lostShown; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	told := fmt.Sprintf("%d decisions that the published run has obeyed are gone from %s: %s", len(lost), entity.Decisions, named)
	if len(lost) == 1 {
		told = fmt.Sprintf("a decision that the published run has obeyed is gone from %s: %s", entity.Decisions, named)
	}
	if r.selection.AllowShrunken {
		return told + ": they do not hold any more, as --allow-shrunken says", nil
	}
	return "", &StepError{Node: entity.Node.Name(), Pos: entity.Decisions + ":1:1", Err: errors.New(told),
		Hint: fmt.Sprintf("restore the file from version control, and take back what is wrong by millrace match revoke %s; "+
			"if they are to hold no more: millrace run %[1]s --allow-shrunken", entity.Name)}
}

// placed is an error of decisions at the place of the first decision that is wrong, rather than at the entity's file.
func (e *Engine) placed(entity *models.Entity, err error) error {
	var p *steward.Problem
	var rule *steward.RuleError
	out, more := &StepError{Node: entity.Node.Name()}, 0
	switch {
	case errors.As(err, &p):
		out.Pos, out.Err, out.Hint = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column), errors.New(p.Text), p.Hint
		if all, err := e.decisions(entity).Problems(); err == nil {
			more = len(all) - 1
		}
	case errors.As(err, &rule) && lineOf(rule.Place) > 0:
		out.Pos, out.Err, out.Hint = rule.Place+":1", errors.New(rule.Text), rule.Hint
		more = len(ruleErrors(err)) - 1
	default:
		return err
	}
	if more > 0 {
		out.Err = fmt.Errorf("%w, and %d more: millrace lint lists them", out.Err, more)
	}
	return out
}

// ruleErrors are the decisions that cannot hold, of what steward.Rule says.
func ruleErrors(err error) (all []*steward.RuleError) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, one := range joined.Unwrap() {
		var rule *steward.RuleError
		if errors.As(one, &rule) {
			all = append(all, rule)
		}
	}
	return all
}

// lineOf is the line of a decision's place; 0 of one of a table.
func lineOf(place string) int {
	line, _ := strconv.Atoi(place[strings.LastIndexByte(place, ':')+1:])
	return line
}

// readable says what is wrong with an entity's file of decisions.
func (e *Engine) readable(entity *models.Entity) error {
	all, err := e.decisions(entity).Read()
	if err == nil {
		_, err = steward.Rule(all)
	}
	return e.placed(entity, err)
}

// DecisionProblems are what is wrong with the files of decisions of a project's entities: what a run would fail by, and what waits.
func DecisionProblems(p *models.Project) (config.Problems, error) {
	var out config.Problems
	for _, entity := range p.Entities {
		file := decisionsOf(p, entity, time.Now())
		add := func(severity config.Severity, line, column int, text, hint string) {
			out = append(out, &config.Problem{File: file.Name, Line: line, Column: column, Message: text, Hint: hint, Severity: severity})
		}
		problems, err := file.Problems()
		if err != nil {
			return nil, err
		}
		for _, one := range problems {
			add(config.SeverityError, one.Line, one.Column, one.Text, one.Hint)
		}
		if len(problems) > 0 {
			continue
		}
		if info, err := os.Stat(file.Path); err == nil && info.Size() == 0 {
			add(config.SeverityWarning, 1, 1, "the file is empty: it has not even a first line",
				"restore it from version control, or remove it if nothing was ever decided")
		}
		all, err := file.Read()
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			if again := d.Again(); again != "" {
				add(config.SeverityWarning, lineOf(d.Place), 1, again, "take out all but one")
			}
		}
		rulings, err := steward.Rule(all)
		for _, one := range ruleErrors(err) {
			add(config.SeverityError, lineOf(one.Place), 1, one.Text, one.Hint)
		}
		if err != nil {
			continue
		}
		out = append(out, unknownOf(entity, file.Name, rulings)...)
	}
	return out, nil
}

// unknownOf are decisions in force that name what the entity does not have.
func unknownOf(entity *models.Entity, file string, rulings *steward.Rulings) config.Problems {
	var out config.Problems
	var sources []string
	for _, s := range entity.Sources {
		sources = append(sources, s.Name)
	}
	add := func(d *steward.Decision, severity config.Severity, hint, format string, args ...any) {
		out = append(out, &config.Problem{File: file, Line: lineOf(d.Place), Column: 1, Message: fmt.Sprintf(format, args...), Hint: hint, Severity: severity})
	}
	for _, d := range slices.Concat(rulings.Match, rulings.Split, rulings.Pins) {
		for _, r := range []steward.Record{d.A, d.B} {
			if r.Source != "" && !slices.Contains(sources, r.Source) {
				add(&d, config.SeverityWarning, "the decision waits for one: its sources are "+strings.Join(sources, ", "), "entity %s has no source %q", entity.Name, r.Source)
			}
		}
		var unknown *FieldError
		if d.Kind == steward.Pin && errors.As(pinnable(entity, d.Field), &unknown) {
			add(&d, config.SeverityError, fmt.Sprintf("millrace match revoke %s %s takes it back", entity.Name, d.ID), "%s", unknown.text)
		}
	}
	return out
}

// anyZone is how far a time without a zone may be ahead of the same time in UTC.
const anyZone = 24 * time.Hour

// overrides reads a table of decisions: a_source, a_key, b_source, b_key, and match or split in decision, kind or match_or_split; who, when
// and why may stand beside them. Rows with a time come in its order, and those of the file among them.
func overrides(ctx context.Context, w warehouse.Warehouse, n *models.Node, now time.Time) ([]steward.Decision, error) {
	from := w.Dialect().Table(nameOf(n))
	columns, err := w.Describe(ctx, "SELECT * FROM "+from)
	if err != nil {
		return nil, err
	}
	has := func(names ...string) (string, bool) {
		for _, name := range names {
			if i := slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) }); i >= 0 {
				return "CAST(" + w.Dialect().QuoteIdent(columns[i].Name) + " AS VARCHAR)", true
			}
		}
		return "NULL", false
	}
	var items []string
	for _, c := range [][]string{{"a_source"}, {"a_key"}, {"b_source"}, {"b_key"}, {"decision", "kind", "match_or_split"}} {
		item, ok := has(c...)
		if !ok {
			return nil, fmt.Errorf("%s has no column %s: it needs a_source, a_key, b_source, b_key and decision (match or split)", n.Name(), strings.Join(c, " or "))
		}
		items = append(items, item)
	}
	who, _ := has("who", "by", "decided_by")
	when, _ := has("when", "at", "decided_at")
	why, _ := has("why", "reason")
	items = append(items, who, when, why)
	rows, err := w.Query(ctx, "SELECT "+strings.Join(items, ", ")+" FROM "+from+" ORDER BY 7 NULLS FIRST, 1, 2, 3, 4, 5")
	if err != nil {
		return nil, err
	}
	var all []steward.Decision
	for i, row := range rows.Rows {
		text := func(i int) string { s, _ := row[i].(string); return s }
		d := steward.Decision{A: steward.Record{Source: text(0), Key: text(1)}, B: steward.Record{Source: text(2), Key: text(3)},
			Kind: steward.Kind(strings.ToLower(text(4))), By: text(5), At: timeOf(text(6)), Why: text(7), Place: n.Name(), Unordered: true}
		err := unlessPair(d.Kind)
		if err == nil {
			err = d.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("row %d of %s, by time and key: %w", i+1, n.Name(), err)
		}
		if d.At.After(now.Add(anyZone)) {
			return nil, fmt.Errorf("row %d of %s, by time and key: its time %s is in the future, so that it would hold against all that is decided until then: it is %s now",
				i+1, n.Name(), d.At.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
		all = append(all, d)
	}
	steward.Identify(all)
	return all, nil
}

func unlessPair(k steward.Kind) error {
	if k == steward.Match || k == steward.Split {
		return nil
	}
	hint := ""
	if s := config.Suggest(string(k), []string{string(steward.Match), string(steward.Split)}); s != "" {
		hint = fmt.Sprintf(": did you mean %q?", s)
	}
	return fmt.Errorf("decision %q: a table of overrides has match and split%s", k, hint)
}

// timeOf reads the engine's text of a time; the zero time for anything else.
func timeOf(text string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999", time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// weights are those of the entity's file; nil when it names none: then each run trains.
func (e *Engine) weights(entity *models.Entity) (*match.Weights, error) {
	if entity.Weights == "" {
		return nil, nil
	}
	w, err := match.ReadWeights(filepath.Join(e.Project.Dir, entity.Weights), entity.Weights)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &StepError{Node: entity.Node.Name(), Pos: entity.Pos.String(), Err: fmt.Errorf("its weights are to come from %s, which is not there", entity.Weights),
			Hint: fmt.Sprintf("millrace match train %s writes it", entity.Name)}
	}
	var wrong *match.WeightsError
	if errors.As(err, &wrong) {
		return nil, &StepError{Node: entity.Node.Name(), Pos: fmt.Sprintf("%s:%d:1", wrong.File, wrong.Line), Err: wrong.Err,
			Hint: anewWeights(entity)}
	}
	return w, err
}

// anewWeights says what to do about a file of weights that cannot be used.
func anewWeights(entity *models.Entity) string {
	return fmt.Sprintf("restore the file from version control, or millrace match train %s writes it anew", entity.Name)
}

// WeightsProblems are what is wrong with the files of weights of a project's entities, as far as their files alone tell. Of one that is not
// there the project itself warns.
func WeightsProblems(p *models.Project) (out config.Problems) {
	for _, entity := range p.Entities {
		if entity.Weights == "" {
			continue
		}
		w, err := match.ReadWeights(filepath.Join(p.Dir, entity.Weights), entity.Weights)
		var wrong *match.WeightsError
		switch {
		case errors.As(err, &wrong):
			out = append(out, &config.Problem{File: wrong.File, Line: wrong.Line, Column: 1, Message: wrong.Err.Error(), Hint: anewWeights(entity),
				Severity: config.SeverityError})
		case err == nil && match.Settled(entity):
			own := entity.Clone()
			match.Defaults(own, match.Profile{})
			if plan, err := match.Compile(own); err == nil && plan.Hash != w.Plan {
				out = append(out, &config.Problem{File: entity.Weights, Line: 1, Column: 1, Severity: config.SeverityWarning,
					Message: fmt.Sprintf("it holds weights for other comparisons than entity %s has now: until it is trained again no run matches", entity.Name),
					Hint:    fmt.Sprintf("millrace match train %s trains again", entity.Name)})
			}
		}
	}
	return out
}

// labels copies the file of an entity's labels into a folder that its engine of SQL may read; "" when it has none.
func (e *Engine) labels(entity *models.Entity, dir string) (string, error) {
	if entity.Labels == "" {
		return "", nil
	}
	data, err := os.ReadFile(filepath.Join(e.Project.Dir, entity.Labels))
	if errors.Is(err, fs.ErrNotExist) {
		return "", &StepError{Node: entity.Node.Name(), Pos: entity.Pos.String(), Err: fmt.Errorf("its labels are to come from %s, which is not there", entity.Labels),
			Hint: "a CSV file with the columns source, key and cluster says which records are the same"}
	}
	if err != nil {
		return "", fmt.Errorf("read labels: %w", err)
	}
	path := filepath.Join(dir, "known"+strings.ToLower(filepath.Ext(entity.Labels)))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("copy labels: %w", err)
	}
	return path, nil
}
