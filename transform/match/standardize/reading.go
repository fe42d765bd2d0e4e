package standardize

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Rows of Reading.Rows have, besides RecColumn's siblings SourceColumn, KeyColumn and UpdatedAtColumn, these columns: a field's standardized
// value by its name, the value as its source has it by its name and RawSuffix where steps may have changed it, and why the row is no record.
const (
	RawSuffix     = "$raw"
	ValidSuffix   = "$valid"   // of Reading.Values: whether standardizing left the value
	ReasonsColumn = "_reasons" // VARCHAR[], empty for a record
)

// KeyMissing is the reason of rows whose key is NULL.
const KeyMissing = "key_missing"

// FilteredTerm is the term of Equation for rows that where: leaves out; it is there where a source has one.
const FilteredTerm = "filtered"

// Describer tells the columns of a SELECT without running it: warehouse.Warehouse does.
type Describer interface {
	Dialect() *warehouse.Dialect
	Describe(ctx context.Context, query string) ([]warehouse.Column, error)
}

// Reading is the SQL that reads an entity's sources and standardizes what they have. Rows is one SELECT over them; the others read what it
// gave, from a relation such as a file that it was written to, so that sources are read once.
type Reading struct {
	Entity *models.Entity
	Fields []ReadField // in the order of the entity's
	Rows   string
	Taken  string              // counts what the sources' tables have: a source's number, rows, and those that its where: leaves out
	Has    map[string][]string // by a source's name: the fields that it has; others are NULL in its records
	d      *warehouse.Dialect
}

// ReadField is a field with its types.
type ReadField struct {
	*models.Field
	Type     string // of the values as the sources have them, in DuckDB's words: one that holds all of them
	Standard string // of the standardized ones
	read     bool   // some source has it
	depth    int    // in which step of Rows it is there
}

// Shown says that golden records have the standardized value and not that of a source: where standardizing does not only make values
// comparable but says what they are.
func (f *ReadField) Shown() bool {
	if f.Of != nil && !f.read {
		return true
	}
	for _, s := range slices.Backward(f.Steps) {
		if s.Func != models.StepNullIf {
			return slices.Contains([]string{models.StepMap, models.StepDate, "e164", "phone", "email", "country", "postcode"}, s.Func)
		}
	}
	return false
}

// NewReading looks at the columns of the sources, which are exposed, and writes the SQL.
func NewReading(ctx context.Context, w Describer, e *models.Entity) (*Reading, error) {
	r := &reader{ctx: ctx, w: w, Reading: Reading{Entity: e, d: w.Dialect()}}
	if err := r.speaks(); err != nil {
		return nil, err
	}
	for _, s := range e.Sources {
		if err := r.source(s); err != nil {
			return nil, err
		}
	}
	for _, f := range e.Fields {
		if err := r.field(f); err != nil {
			return nil, err
		}
	}
	if err := r.maps(); err != nil {
		return nil, err
	}
	if err := r.survivors(); err != nil {
		return nil, err
	}
	r.write()
	r.Taken, r.Has = r.taken(), r.has()
	return &r.Reading, nil
}

// CheckSource holds what an entity says of one source against the columns of its table, which is exposed: others need not be there.
func CheckSource(ctx context.Context, w Describer, e *models.Entity, s *models.EntitySource) error {
	return (&reader{ctx: ctx, w: w, Reading: Reading{Entity: e, d: w.Dialect()}}).source(s)
}

// Cleaned is what standardizing makes of a text that stands for a value of a field, given as SQL, where r has the values of the record (see
// Values): SQL, or "" where it takes more than those, as a code map, an address and a list do, and a step that looks at another field which
// is standardized first.
func (r *Reading) Cleaned(field, text string) string {
	i := slices.IndexFunc(r.Fields, func(f ReadField) bool { return strings.EqualFold(f.Name, field) })
	if i < 0 || r.Fields[i].IsAddress() || strings.HasSuffix(r.Fields[i].Type, "]") ||
		slices.ContainsFunc(r.Fields[i].Steps, func(s models.CleaningStep) bool { return s.Map != nil || r.looksAtStandardized(s) }) {
		return ""
	}
	c := &chain{reader: &reader{Reading: *r}, field: r.Fields[i], sql: text, typ: "VARCHAR"}
	if !takesText(c.field.Field) {
		c.sql, c.typ = "TRY_CAST("+text+" AS "+c.field.Type+")", c.field.Type
	}
	c.apply(c.field.Steps)
	return c.sql
}

// looksAtStandardized says whether a step looks at what another field is once it is standardized, and not at what sources have in it.
func (r *Reading) looksAtStandardized(s models.CleaningStep) bool {
	other := r.Entity.Field(s.FieldArg("country"))
	return other != nil && (len(other.Steps) > 0 || other.Of != nil || other.IsAddress())
}

// reader makes a Reading.
type reader struct {
	Reading
	ctx     context.Context
	w       Describer
	sources []readSource
	joins   map[*models.CodeMap]join
}

// readSource is a source with what is known of its table.
type readSource struct {
	*models.EntitySource
	table     string // as SQL
	columns   []warehouse.Column
	key       string
	updatedAt string
	values    map[string]warehouse.Column // by lower-case field: Name is SQL, Type that of its values
}

// join is a code map with the names of its columns.
type join struct{ alias, from, to, reason string }

// speaks refuses engines that lack the functions.
func (r *reader) speaks() error {
	if r.d.Name == warehouse.DuckDB.Name {
		return nil
	}
	for _, f := range r.Entity.Fields {
		for _, s := range f.Steps {
			if sql := models.Cleanings[s.Func].SQL; sql != "" {
				return match.Wrong(s.Pos, "standardize where the local engine runs: with a target that follows the local one", "%s is standardized by %s, which needs the function %s, and %s has none", f.Name, s.Func, sql, r.d.Name)
			}
		}
	}
	return match.Wrong(r.Entity.Pos, "", "records are read by the local engine only, not yet by %s", r.d.Name)
}

func (r *reader) describe(query string) ([]warehouse.Column, error) {
	return r.w.Describe(r.ctx, query)
}

// write puts Rows together: the sources side by side, then the fields, each behind those that it looks at.
func (r *reader) write() {
	var ctes, unions []string
	for i, s := range r.sources {
		ctes = append(ctes, fmt.Sprintf("source_%d AS (\n%s\n)", i, r.sourceSelect(i, s)))
		unions = append(unions, fmt.Sprintf("  SELECT * FROM source_%d", i))
	}
	ctes = append(ctes, "step_0 AS (\n"+strings.Join(unions, "\n  UNION ALL\n")+"\n)")
	deepest := 0
	for i := range r.Fields {
		r.Fields[i].depth = r.depth(r.Fields[i].Field)
		deepest = max(deepest, r.Fields[i].depth)
	}
	var names, conditions []string
	for depth := 1; depth <= deepest; depth++ {
		ctes = append(ctes, fmt.Sprintf("step_%d AS (\n%s\n)", depth, r.step(depth, &names, &conditions)))
	}
	names, conditions = append(names, KeyMissing), append(conditions, r.d.QuoteIdent(match.KeyColumn)+" IS NULL")
	items := []string{r.d.QuoteIdent(match.SourceColumn), r.d.QuoteIdent(match.KeyColumn), r.d.QuoteIdent(match.UpdatedAtColumn)}
	for _, f := range r.Fields {
		items = append(items, r.d.QuoteIdent(f.Name))
	}
	for i := range r.Fields {
		if raw := r.raw(&r.Fields[i]); !slices.Contains(items, raw) {
			items = append(items, raw)
		}
	}
	items = append(items, r.d.TrueNames(names, conditions)+" AS "+r.d.QuoteIdent(ReasonsColumn))
	r.Rows = fmt.Sprintf("WITH %s\nSELECT %s\nFROM step_%d", strings.Join(ctes, ", "), strings.Join(items, ",\n  "), deepest)
}

func (r *reader) sourceSelect(i int, s readSource) string {
	items := []string{fmt.Sprintf("CAST(%d AS SMALLINT) AS %s", i, r.d.QuoteIdent(match.SourceColumn)), s.key + " AS " + r.d.QuoteIdent(match.KeyColumn),
		s.updatedAt + " AS " + r.d.QuoteIdent(match.UpdatedAtColumn)}
	for _, f := range r.Fields {
		v, has := s.values[strings.ToLower(f.Name)]
		sql := v.Name
		switch {
		case !has:
			sql = "CAST(NULL AS " + f.Type + ")"
		case v.Type != f.Type:
			sql = "CAST(" + sql + " AS " + f.Type + ")"
		}
		items = append(items, sql+" AS "+r.d.QuoteIdent(f.Name+RawSuffix))
	}
	sql := "  SELECT " + strings.Join(items, ",\n    ") + "\n  FROM " + s.table
	if s.Where != "" {
		sql += "\n  WHERE (" + s.Where + ")"
	}
	return sql
}
