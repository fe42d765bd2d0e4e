package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// deciding is the lock under which decisions are written, of an entity.
const deciding = "_decide_"

// decisionPatience is how long a decision waits for others to be written.
const decisionPatience = 5 * time.Second

// decisions is the file of an entity's decisions.
func (e *Engine) decisions(entity *models.Entity) steward.File {
	return decisionsOf(e.Project, entity, e.Clock())
}

func decisionsOf(p *models.Project, entity *models.Entity, now time.Time) steward.File {
	return steward.File{Path: filepath.Join(p.Dir, entity.Decisions), Name: entity.Decisions, Personal: personalSources(entity), Now: now}
}

// personalSources are those whose keys are shown to nobody.
func personalSources(entity *models.Entity) (personal []string) {
	for _, s := range entity.Sources {
		if s.HasPersonalKey() {
			personal = append(personal, s.Name)
		}
	}
	return personal
}

// Decisions are what stewards have decided about an entity's records in its file, in the order in which they did.
func (e *Engine) Decisions(entity *models.Entity) ([]steward.Decision, error) {
	all, err := e.decisions(entity).Read()
	return steward.Ordered(all), err
}

// AllDecisions are those of Decisions and of what is published of the table of overrides, in their order.
func (e *Engine) AllDecisions(ctx context.Context, entity *models.Entity) (all []steward.Decision, err error) {
	if entity.Overrides == nil {
		return e.Decisions(entity)
	}
	err = e.lookAtEntity(ctx, entity, nil, nil, func(l *entityLook) error {
		all, err = l.decided(ctx, e)
		return err
	})
	return all, err
}

// namedBy has decisions tell records without the keys that are personal.
func namedBy(entity *models.Entity, all []steward.Decision) []steward.Decision {
	personal := personalSources(entity)
	for i := range all {
		all[i].Personal = personal
	}
	return all
}

// MaskDecision is a decision as it may be shown: without keys and pinned values that are personal.
func MaskDecision(entity *models.Entity, d steward.Decision) steward.Decision {
	if d.Value != nil && entity.Node.IsPII(d.Field) {
		masked := hidden(*d.Value)
		d.Value = &masked
	}
	if d.Over != nil {
		over := MaskDecision(entity, *d.Over)
		d.Over = &over
	}
	return namedBy(entity, []steward.Decision{d})[0].Masked()
}

// Decide writes a decision down, for the runs from now on. It is refused when it contradicts others, those of the table of overrides among
// them, when a record that it names is not in what is published, or when a pin's field is none of the golden record's, or its value none of
// the field's type. An empty By is the user of this process.
func (e *Engine) Decide(ctx context.Context, entity *models.Entity, d steward.Decision) (*steward.Decision, error) {
	if d.By == "" {
		if u, err := user.Current(); err == nil {
			d.By = u.Username
		}
	}
	d.By, d.Why = SafeCell(strings.TrimSpace(d.By)), SafeCell(strings.TrimSpace(d.Why))
	elsewhere, err := e.decidable(ctx, entity, d)
	if err != nil {
		return nil, err
	}
	unlock, err := e.lockDecisions(ctx, entity)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d.At = e.Clock()
	return e.decisions(entity).Append(d, elsewhere...)
}

// lockDecisions waits for a few seconds: writing a decision takes none.
func (e *Engine) lockDecisions(ctx context.Context, entity *models.Entity) (unlock func(), err error) {
	for began := time.Now(); ctx.Err() == nil; {
		unlock, err = e.lock([]string{deciding + entity.Name})
		if !errors.Is(err, ErrLocked) || time.Since(began) > decisionPatience {
			return unlock, err
		}
	}
	return nil, context.Cause(ctx)
}

// UnknownRecordError says that a record is not in what is published of an entity.
type UnknownRecordError struct {
	Entity string
	Record steward.Record
	Hint   string
}

func (e *UnknownRecordError) Error() string {
	return fmt.Sprintf("%s has no record %s: %s", e.Entity, e.Record, e.Hint)
}

// UnpublishedError says that there is nothing to look at yet.
type UnpublishedError struct{ Table, Entity string }

func (e *UnpublishedError) Error() string {
	return fmt.Sprintf("%s was never published: millrace run %s makes it", e.Table, e.Entity)
}

// FieldError says what is wrong with the field of a pin, or its value.
type FieldError struct {
	Of   string // field, or value
	text string
}

func (e *FieldError) Error() string { return e.text }

// decidable looks whether what a decision names is there, and gives the decisions of the table of overrides.
func (e *Engine) decidable(ctx context.Context, entity *models.Entity, d steward.Decision) (elsewhere []steward.Decision, err error) {
	var parts []string
	var records []steward.Record
	switch d.Kind {
	case steward.Revoke:
		if entity.Overrides == nil {
			return nil, nil
		}
	case steward.Pin:
		if err := pinnable(entity, d.Field); err != nil {
			return nil, err
		}
		if d.Value == nil && !d.Null && computed(entity, d.Field) {
			return nil, &FieldError{"value", fmt.Sprintf("%s of %s is computed, so that no record has one: give a value, as %[1]s=…, or NULL", d.Field, entity.Name)}
		}
		parts, records = []string{models.PartXref, models.PartGolden}, []steward.Record{d.A}
	default:
		parts, records = []string{models.PartXref}, []steward.Record{d.A, d.B}
	}
	err = e.lookAtEntity(ctx, entity, parts, nil, func(l *entityLook) error {
		for _, r := range records {
			if err := l.known(ctx, r); err != nil {
				return err
			}
		}
		if d.Kind == steward.Pin {
			if err := l.fits(ctx, d); err != nil {
				return err
			}
		}
		elsewhere, err = l.overridden(ctx, e)
		return err
	})
	return elsewhere, err
}

// fits refuses a pinned value that is none of the field's type as it is published: a run would stop there.
func (l *entityLook) fits(ctx context.Context, d steward.Decision) error {
	columns := l.tables[models.PartGolden].Columns
	at := slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, d.Field) })
	if at < 0 || d.Value == nil {
		return nil
	}
	own := l.Dialect()
	found, err := l.Query(ctx, fmt.Sprintf("SELECT TRY_CAST(%s AS %s) IS NULL", own.QuoteLiteral(*d.Value), own.Type(columns[at].Type)))
	if err != nil {
		return err
	}
	if wrong, _ := found.Rows[0][0].(bool); !wrong {
		return nil
	}
	hint := ""
	if strings.HasSuffix(columns[at].Type, "]") {
		hint = ": write a list as [a, b]"
	}
	return &FieldError{"value", fmt.Sprintf("the value is no %s, and %s of %s is one%s", columns[at].Type, columns[at].Name, l.entity.Name, hint)}
}

// overridden are the decisions of what is published of the table of overrides; none where it never was.
func (l *entityLook) overridden(ctx context.Context, e *Engine) ([]steward.Decision, error) {
	if l.overrides == nil {
		return nil, nil
	}
	if err := l.Expose(ctx, l.overrides.Version); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", l.overrides.Name, err)
	}
	rows, err := overrides(ctx, l.Warehouse, l.entity.Overrides, e.Clock())
	if err != nil {
		return nil, fmt.Errorf("overrides of %s: %w", l.entity.Name, err)
	}
	return namedBy(l.entity, rows), nil
}

// decided are all decisions about the entity, in their order.
func (l *entityLook) decided(ctx context.Context, e *Engine) ([]steward.Decision, error) {
	all, err := l.overridden(ctx, e)
	if err != nil {
		return nil, err
	}
	own, err := e.Decisions(l.entity)
	return steward.Ordered(append(all, own...)), err
}

// pinnable refuses a field that the golden record does not have.
func pinnable(entity *models.Entity, field string) error {
	names := entity.GoldenFields()
	if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, field) }) {
		return nil
	}
	hint := config.DidYouMean(field, names, "its fields are "+strings.Join(names, ", "))
	return &FieldError{"field", fmt.Sprintf("the golden records of %s have no field %q: %s", entity.Name, field, hint)}
}

// computed says whether no record has a field of the golden record by itself.
func computed(entity *models.Entity, field string) bool {
	return slices.ContainsFunc(entity.Survive.Fields, func(f models.SurviveField) bool { return f.Custom != "" && strings.EqualFold(f.Name, field) })
}

// entityLook is a small engine of SQL with published tables of an entity in it.
type entityLook struct {
	entity *models.Entity
	warehouse.Warehouse
	secret map[string]bool        // columns whose values nobody is shown, in lower case
	tables map[string]*load.Table // that are exposed, by part
	// overrides is the published table of overrides; nil: none
	overrides *load.Table
	dir       string // a folder that goes away behind the look
}

// table is a part's name in SQL.
func (l *entityLook) table(part string) string {
	return l.Dialect().Table(warehouse.Name{Schema: l.entity.Schema, Table: l.entity.Table(part)})
}

// known refuses a record that is not in force.
func (l *entityLook) known(ctx context.Context, r steward.Record) error {
	sources := make([]string, len(l.entity.Sources))
	for i, s := range l.entity.Sources {
		sources[i] = s.Name
	}
	if !slices.Contains(sources, r.Source) {
		hint := "its sources are " + strings.Join(sources, ", ")
		if s := config.Suggest(r.Source, sources); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s+":"+r.Key)
		}
		return &UnknownRecordError{Entity: l.entity.Name, Record: r, Hint: hint}
	}
	d := l.Dialect()
	found, err := l.Query(ctx, fmt.Sprintf("SELECT golden_id FROM %s WHERE source = %s AND source_key = %s AND valid_to IS NULL",
		l.table(models.PartXref), d.QuoteLiteral(r.Source), d.QuoteLiteral(r.Key)))
	if err != nil {
		return err
	}
	if len(found.Rows) == 0 {
		return &UnknownRecordError{Entity: l.entity.Name, Record: r, Hint: fmt.Sprintf("the key is none that %s had in the last published run", r.Source)}
	}
	return nil
}

// lookAtEntity opens a small engine of SQL with published tables of an entity in it, which may read more files.
func (e *Engine) lookAtEntity(ctx context.Context, entity *models.Entity, parts, files []string, f func(*entityLook) error) (err error) {
	m, err := e.current(ctx)
	if err != nil {
		return err
	}
	dir, remove, err := fsx.TempFolder("", "millrace-entity-")
	if err != nil {
		return err
	}
	defer remove()
	w, err := e.Warehouse(ctx, e.looking(files, dir, e.TargetRoot))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &entityLook{entity: entity, Warehouse: w, dir: dir, tables: map[string]*load.Table{}}
	if l.secret, err = e.secrets(m, entity.Node.Name()); err != nil {
		return err
	}
	if entity.Overrides != nil {
		l.overrides = m.Table(nameOf(entity.Overrides))
	}
	for _, part := range parts {
		name := warehouse.Name{Schema: entity.Schema, Table: entity.Table(part)}
		t := m.Table(name)
		if t == nil {
			return &UnpublishedError{Table: name.String(), Entity: entity.Name}
		}
		if err := w.Expose(ctx, t.Version); err != nil {
			return fmt.Errorf("%s cannot be read: %w", name, err)
		}
		l.tables[part] = t
	}
	return shown(entity.Node, f(l))
}
