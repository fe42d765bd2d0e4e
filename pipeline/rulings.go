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

// rulings are what people have decided about an entity's records: in its table of overrides, and in its file.
func (e *Engine) rulings(ctx context.Context, w warehouse.Warehouse, entity *models.Entity) (*steward.Rulings, error) {
	var all []steward.Decision
	if entity.Overrides != nil {
		rows, err := overrides(ctx, w, entity.Overrides)
		if err != nil {
			return nil, fmt.Errorf("overrides of %s: %w", entity.Name, err)
		}
		all = namedBy(entity, rows)
	}
	own, err := e.decisions(entity).Read()
	if err != nil {
		return nil, e.placed(entity, err)
	}
	r, err := steward.Rule(append(all, own...))
	return r, e.placed(entity, err)
}

// placed is an error of decisions at the place of the first decision that is wrong, rather than at the entity's file.
func (e *Engine) placed(entity *models.Entity, err error) error {
	var p *steward.Problem
	if err == nil || !errors.As(err, &p) {
		return err
	}
	out := &StepError{Node: entity.Node.Name(), Pos: fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column), Err: errors.New(p.Text), Hint: p.Hint}
	if all, err := e.decisions(entity).Problems(); err == nil && len(all) > 1 {
		out.Err = fmt.Errorf("%s, and %d more: millrace lint lists them", p.Text, len(all)-1)
	}
	return out
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
		file := decisionsOf(p, entity)
		problems, err := file.Problems()
		if err != nil {
			return nil, err
		}
		for _, one := range problems {
			out = append(out, &config.Problem{File: one.File, Line: one.Line, Column: one.Column, Message: one.Text, Hint: one.Hint, Severity: config.SeverityError})
		}
		if len(problems) > 0 {
			continue
		}
		all, err := file.Read()
		if err != nil {
			return nil, err
		}
		rulings, err := steward.Rule(all)
		if err != nil {
			out = append(out, &config.Problem{File: file.Name, Line: 1, Column: 1, Message: err.Error(), Hint: "millrace match revoke takes one back", Severity: config.SeverityError})
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
		line, _ := strconv.Atoi(d.Place[strings.LastIndexByte(d.Place, ':')+1:])
		out = append(out, &config.Problem{File: file, Line: line, Column: 1, Message: fmt.Sprintf(format, args...), Hint: hint, Severity: severity})
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

// overrides reads a table of decisions: a_source, a_key, b_source, b_key, and match or split in decision, kind or match_or_split; who, when
// and why may stand beside them. Rows with a time come in its order, and those of the file among them.
func overrides(ctx context.Context, w warehouse.Warehouse, n *models.Node) ([]steward.Decision, error) {
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
		if err := d.Check(); err != nil || d.Kind != steward.Match && d.Kind != steward.Split {
			return nil, fmt.Errorf("row %d of %s, by time and key: %w", i+1, n.Name(), errors.Join(err, unlessPair(d.Kind)))
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
	return fmt.Errorf("decision %q: a table of overrides has match and split", k)
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
	return w, err
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
