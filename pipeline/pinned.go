package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// PinProblems are the pins of an entity's file of decisions whose values are none of their columns' types, by the columns that its sources
// have: a run would stop there. What else is wrong with the file is not theirs to tell.
func PinProblems(ctx context.Context, w warehouse.Warehouse, p *models.Project, entity *models.Entity,
	reading *standardize.Reading) (config.Problems, error) {
	file := decisionsOf(p, entity, time.Now())
	all, err := file.Read()
	if err != nil {
		return nil, nil
	}
	rulings, err := steward.Rule(all)
	if err != nil {
		return nil, nil
	}
	given := map[string][]steward.Decision{} // by fields in lower case
	for _, d := range rulings.Pins {
		if field := strings.ToLower(d.Field); d.Value != nil {
			given[field] = append(given[field], d)
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	columns, err := w.Describe(ctx, reading.Values(reading.Numbered("("+reading.Rows+")")))
	if err != nil {
		return nil, err
	}
	if columns, err = warehouse.StoredColumns(columns); err != nil {
		return nil, err
	}
	var out config.Problems
	for field, pins := range given {
		typ := goldenType(entity, columns, field)
		if typ == "" {
			continue
		}
		wrong, err := notOf(ctx, w, typ, pins)
		if err != nil {
			return nil, err
		}
		for _, d := range wrong {
			hint := fmt.Sprintf("millrace match revoke %s %s takes it back; pin another", entity.Name, d.ID)
			if strings.HasSuffix(typ, "]") {
				hint += ": a list is written [a, b]"
			}
			out = append(out, &config.Problem{File: file.Name, Line: lineOf(d.Place), Column: 1, Hint: hint, Severity: config.SeverityError,
				Message: fmt.Sprintf("the value that is pinned to %s is no %s", d.Field, typ)})
		}
	}
	return out.Sort(), nil
}

// goldenType is the type of a golden record's field; "" of one that only a query over records tells, or that no source has.
func goldenType(entity *models.Entity, columns []warehouse.Column, field string) string {
	from, list := field, ""
	for _, f := range entity.Survive.Fields {
		if !strings.EqualFold(f.Name, field) {
			continue
		}
		if f.Custom != "" {
			return ""
		}
		if from = cmp.Or(f.From, f.Name); f.Collect != "" {
			list = "[]"
		}
	}
	i := slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, from) })
	if i < 0 || list != "" && strings.HasSuffix(columns[i].Type, "]") { // what is collected of lists is theirs to tell
		return ""
	}
	return columns[i].Type + list
}

// notOf are the pins whose values are none of a type.
func notOf(ctx context.Context, w warehouse.Warehouse, typ string, pins []steward.Decision) (wrong []steward.Decision, err error) {
	d := w.Dialect()
	values := make([]string, len(pins))
	for i, p := range pins {
		values[i] = fmt.Sprintf("(%d, %s)", i, d.QuoteLiteral(*p.Value))
	}
	rows, err := w.Query(ctx, fmt.Sprintf("SELECT CAST(n AS VARCHAR) FROM (VALUES %s) AS p(n, given) WHERE TRY_CAST(given AS %s) IS NULL ORDER BY n",
		strings.Join(values, ", "), d.Type(typ)))
	if err != nil {
		return nil, err
	}
	for _, row := range rows.Rows {
		if i, err := strconv.Atoi(fmt.Sprint(row[0])); err == nil {
			wrong = append(wrong, pins[i])
		}
	}
	return wrong, nil
}

// pinnedOf is the first of PinProblems as the failure of the entity's step.
func (e *Engine) pinnedOf(ctx context.Context, w warehouse.Warehouse, entity *models.Entity, reading *standardize.Reading) error {
	problems, err := PinProblems(ctx, w, e.Project, entity, reading)
	if err != nil || len(problems) == 0 {
		return err
	}
	first := problems[0]
	text := first.Message
	if more := len(problems) - 1; more > 0 {
		text = fmt.Sprintf("%s, and %d more", text, more)
	}
	return &StepError{Node: entity.Node.Name(), Pos: fmt.Sprintf("%s:%d:%d", first.File, first.Line, first.Column), Err: errors.New(text),
		Hint: first.Hint}
}

// pinned holds what is pinned against the types of columns before a run reads anything.
func (r *run) pinned(ctx context.Context, w warehouse.Warehouse, entity *models.Entity, rulings *steward.Rulings) error {
	if !slices.ContainsFunc(rulings.Pins, func(d steward.Decision) bool { return d.Value != nil }) {
		return nil
	}
	reading, err := standardize.NewReading(ctx, w, entity)
	if err != nil {
		return err
	}
	return r.pinnedOf(ctx, w, entity, reading)
}
