package standardize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
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
	return &r.Reading, nil
}

// CheckSource holds what an entity says of one source against the columns of its table, which is exposed: others need not be there.
func CheckSource(ctx context.Context, w Describer, e *models.Entity, s *models.EntitySource) error {
	return (&reader{ctx: ctx, w: w, Reading: Reading{Entity: e, d: w.Dialect()}}).source(s)
}

// Cleaned is what standardizing makes of a text that stands for a value of a field, given as SQL, where r has the values of the record (see
// Values): SQL, or "" where it takes more than those, as a code map, an address and a list do.
func (r *Reading) Cleaned(field, text string) string {
	i := slices.IndexFunc(r.Fields, func(f ReadField) bool { return strings.EqualFold(f.Name, field) })
	if i < 0 || r.Fields[i].IsAddress() || strings.HasSuffix(r.Fields[i].Type, "]") ||
		slices.ContainsFunc(r.Fields[i].Steps, func(s models.CleaningStep) bool { return s.Map != nil }) {
		return ""
	}
	c := &chain{reader: &reader{Reading: *r}, field: r.Fields[i], sql: text, typ: "VARCHAR"}
	if !takesText(c.field.Field) {
		c.sql, c.typ = "TRY_CAST("+text+" AS "+c.field.Type+")", c.field.Type
	}
	c.apply(c.field.Steps)
	return c.sql
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

// source looks at a source's table.
func (r *reader) source(in *models.EntitySource) error {
	s := readSource{EntitySource: in, values: map[string]warehouse.Column{}, table: r.d.Table(warehouse.Name{Schema: in.Node.Schema, Table: in.Node.Table})}
	var err error
	if s.columns, err = r.describe("SELECT * FROM " + s.table); err != nil {
		return fmt.Errorf("look at source %s: %w", in.Name, err)
	}
	var keys []string
	for _, k := range in.Key {
		sql, _, err := r.value(&s, k, "key")
		if err != nil {
			return err
		}
		keys = append(keys, "CAST("+sql+" AS VARCHAR)")
	}
	if s.key = keys[0]; len(keys) > 1 {
		s.key = fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN CAST(to_json([%s]) AS VARCHAR) END", strings.Join(keys, " IS NOT NULL AND "), strings.Join(keys, ", "))
	}
	if s.updatedAt, err = r.moment(&s); err != nil {
		return err
	}
	if in.Where != "" {
		if _, err := r.describe("SELECT 1 AS one FROM " + s.table + " WHERE (" + in.Where + ")"); err != nil {
			return match.Wrong(in.Pos, "", "source %s: where: %w", in.Name, err)
		}
	}
	for _, f := range r.Entity.Fields {
		text, said := in.Columns[strings.ToLower(f.Name)]
		if !said && column(s.columns, f.Name) == "" {
			continue
		}
		sql, typ, err := r.value(&s, cmp.Or(text, f.Name), "field "+f.Name)
		if err != nil {
			return err
		}
		s.values[strings.ToLower(f.Name)] = warehouse.Column{Name: sql, Type: typ}
	}
	r.sources = append(r.sources, s)
	return nil
}

// column is a column's name as the table spells it, "" when it has none. Blanks around a name, which headers of files have, do not count.
func column(columns []warehouse.Column, name string) string {
	trimmed := ""
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return c.Name
		}
		if strings.EqualFold(strings.TrimSpace(c.Name), name) {
			trimmed = c.Name
		}
	}
	return trimmed
}

var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// value is a column, or a SQL expression over columns, with its type.
func (r *reader) value(s *readSource, text, what string) (sql, typ string, err error) {
	if name := column(s.columns, text); name != "" {
		i := slices.IndexFunc(s.columns, func(c warehouse.Column) bool { return c.Name == name })
		return r.d.QuoteIdent(name), s.columns[i].Type, nil
	}
	if plainWord.MatchString(text) {
		names := warehouse.Names(s.columns)
		hint := "its columns: " + strings.Join(names, ", ")
		if guess := config.Suggest(text, names); guess != "" {
			hint = fmt.Sprintf("did you mean %q?", guess)
		}
		return "", "", match.Wrong(s.Pos, hint, "source %s: %s: %s has no column %q", s.Name, what, s.Node.Name(), text)
	}
	columns, err := r.describe("SELECT (" + text + ") AS v FROM " + s.table)
	if err != nil {
		return "", "", match.Wrong(s.Pos, "under columns: stands a column of the source, or a SQL expression over its columns", "source %s: %s: %w", s.Name, what, err)
	}
	return "(" + text + ")", columns[0].Type, nil
}

// moment is updated_at as a TIMESTAMP of UTC.
func (r *reader) moment(s *readSource) (string, error) {
	if s.UpdatedAt == "" {
		return "CAST(NULL AS TIMESTAMP)", nil
	}
	sql, typ, err := r.value(s, s.UpdatedAt, "updated_at")
	switch {
	case err != nil:
		return "", err
	case typ == "TIMESTAMP WITH TIME ZONE":
		return sql + " AT TIME ZONE 'UTC'", nil
	case typ == "DATE" || strings.HasPrefix(typ, "TIMESTAMP"):
		return "CAST(" + sql + " AS TIMESTAMP)", nil
	}
	return "", match.Wrong(s.Pos, "write the time as SQL: updated_at: \"CAST("+s.UpdatedAt+" AS TIMESTAMP)\"", "source %s: updated_at: %s is a %s, not a time", s.Name, s.UpdatedAt, typ)
}

// field finds the types of a field.
func (r *reader) field(f *models.Field) error {
	out := ReadField{Field: f, Standard: "VARCHAR"}
	var from string // the source that has had the type first
	for _, s := range r.sources {
		v, has := s.values[strings.ToLower(f.Name)]
		if !has {
			continue
		}
		parsed, err := warehouse.ParseType(v.Type)
		if err == nil && slices.Contains([]string{"STRUCT", "MAP", "BLOB", "UNION", "VARIANT"}, parsed.Name) {
			return match.Wrong(s.Pos, "under columns: name a part of it, such as "+f.Name+": "+f.Name+".name", "source %s: %s is a %s: it cannot be compared", s.Name, f.Name, v.Type)
		}
		if out.Type, err = r.common(f, out.Type, v.Type, from, s); err != nil {
			return err
		}
		from, out.read = cmp.Or(from, s.Name), true
	}
	switch {
	case out.read:
	case f.Of != nil:
		out.Type = "VARCHAR"
	default:
		return r.nowhere(f)
	}
	if out.Standard = out.standard(); f.IsAddress() {
		out.Standard = "VARCHAR"
	}
	r.Fields = append(r.Fields, out)
	return nil
}

// nowhere is the error about a field that no source has.
func (r *reader) nowhere(f *models.Field) error {
	var known []string
	for _, s := range r.sources {
		known = append(known, warehouse.Names(s.columns)...)
	}
	slices.Sort(known)
	hint := "under columns: of a source say what it is read from: " + f.Name + ": other_name"
	if guess := config.Suggest(f.Name, known); guess != "" {
		hint = fmt.Sprintf("did you mean %q? or %s", guess, hint)
	}
	return match.Wrong(f.Pos, hint, "no source of entity %s has a column %q", r.Entity.Name, f.Name)
}

// common is a type that holds the values of two sources; where steps make a text of them, any has one.
func (r *reader) common(f *models.Field, have, more, first string, s readSource) (string, error) {
	if have == "" || have == more {
		return more, nil
	}
	if t, err := warehouse.Widen(have, more); err == nil {
		return t, nil
	}
	temporal := func(t string) bool {
		return t == "DATE" || strings.HasPrefix(t, "TIMESTAMP") && t != "TIMESTAMP WITH TIME ZONE"
	}
	nested := func(t string) bool { return strings.HasSuffix(t, "]") }
	switch {
	case temporal(have) && temporal(more):
		return "TIMESTAMP", nil
	case takesText(f) && !nested(have) && !nested(more):
		return "VARCHAR", nil
	}
	return "", match.Wrong(s.Pos, fmt.Sprintf("under columns: cast one of them, such as %s: \"CAST(%[1]s AS VARCHAR)\"; a step under standardize: takes any type as text", f.Name), "field %s is a %s in %s and a %s in %s", f.Name, have, first, more, s.Name)
}

// takesText says whether the field's first step makes a text of its values.
func takesText(f *models.Field) bool { return len(f.Steps) > 0 && f.Steps[0].Func != models.StepNullIf }

// standard is the type of the standardized values.
func (f *ReadField) standard() string {
	typ := f.Type
	for _, s := range f.Steps {
		switch {
		case s.Func == models.StepNullIf:
		case s.Func == models.StepDate:
			typ = "DATE"
		default:
			typ = "VARCHAR"
		}
	}
	if strings.HasSuffix(f.Type, "]") && typ == "VARCHAR" {
		typ = "VARCHAR[]"
	}
	return typ
}

// maps finds the columns of code maps.
func (r *reader) maps() error {
	r.joins = map[*models.CodeMap]join{}
	for _, f := range r.Fields {
		for _, s := range f.Steps {
			if s.Map == nil {
				continue
			}
			if strings.HasSuffix(f.Type, "]") {
				return match.Wrong(s.Pos, "translate the entries in a model, and name that model under sources:",
					"%s is a list of values, a %s: map translates one", f.Name, f.Type)
			}
			columns, err := r.describe("SELECT * FROM " + r.d.Table(warehouse.Name{Schema: s.Map.Node.Schema, Table: s.Map.Node.Table}))
			if err != nil {
				return fmt.Errorf("look at code map %s: %w", s.Map.Node.Name(), err)
			}
			if len(columns) < 2 {
				return match.Wrong(s.Pos, "a table of reference data has a column of what is found and one of what it means", "map: %s has %d columns", s.Map.Node.Name(), len(columns))
			}
			j := join{alias: fmt.Sprintf("map_%d", len(r.joins)+1), from: columns[0].Name, to: columns[1].Name, reason: f.Name + "_not_in_" + s.Map.Node.Table}
			for _, one := range []struct {
				said string
				name *string
			}{{s.Map.From, &j.from}, {s.Map.To, &j.to}} {
				if one.said == "" {
					continue
				}
				if *one.name = column(columns, one.said); *one.name == "" {
					return match.Wrong(s.Pos, "its columns: "+strings.Join(warehouse.Names(columns), ", "), "map: %s has no column %q", s.Map.Node.Name(), one.said)
				}
			}
			r.joins[s.Map] = j
		}
	}
	return nil
}

// survivors holds the SQL of survive: against the fields that it may name, so that what is wrong with it is told before anything is matched.
func (r *reader) survivors() error {
	var items []string
	for _, c := range []warehouse.Column{{Name: "_rec", Type: "BIGINT"}, {Name: "_cluster", Type: "BIGINT"},
		{Name: "_source", Type: "VARCHAR"}, {Name: "_updated_at", Type: "TIMESTAMP"}} {
		items = append(items, "CAST(NULL AS "+c.Type+") AS "+c.Name)
	}
	for i := range r.Fields {
		f, typ := &r.Fields[i], r.Fields[i].Type
		if f.Shown() || f.Of != nil {
			typ = f.Standard
		}
		items = append(items, "CAST(NULL AS "+typ+") AS "+r.d.QuoteIdent(f.Name))
	}
	from := " FROM (SELECT " + strings.Join(items, ", ") + ") AS c"
	for _, f := range r.Entity.Survive.Fields {
		var err error
		what := "custom"
		switch {
		case f.Custom != "":
			_, err = r.describe("SELECT (" + f.Custom + ") AS v" + from)
		case f.Require != "" && f.Require != "valid":
			what = "require"
			_, err = r.describe("SELECT 1 AS one" + from + " WHERE (" + f.Require + ")")
		}
		if err != nil {
			return match.Wrong(f.Pos, "it is SQL over the fields of a record", "survive: %s: %s: %w", f.Name, what, err)
		}
	}
	return nil
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

// depth is in which step a field is there: behind what it looks at. An address is taken apart one step before.
func (r *reader) depth(f *models.Field) int {
	depth := 1
	if f.Of != nil {
		depth = r.depth(f.Of)
	}
	for _, s := range f.Steps {
		if other := r.Entity.Field(s.FieldArg("country")); other != nil {
			depth = max(depth, r.depth(other)+1)
		}
	}
	if f.IsAddress() || nullIfAt(f) > 0 {
		depth++
	}
	return depth
}

// nullIfAt is the first null_if that stands behind other steps, 0 for none: what these give is a column of its own, for a null_if looks at
// it twice.
func nullIfAt(f *models.Field) int {
	if f.IsAddress() || f.Of != nil {
		return 0
	}
	return max(0, slices.IndexFunc(f.Steps, func(s models.CleaningStep) bool { return s.Func == models.StepNullIf }))
}

// beforeColumn is what a field is in front of its null_if.
func beforeColumn(f *models.Field) string { return f.Name + "$before" }

// partsColumn is the STRUCT that an address is taken apart into.
func partsColumn(f *models.Field) string { return f.Name + "$parts" }

// step is one of the chain: the fields that are there by it.
func (r *reader) step(depth int, names, conditions *[]string) string {
	items, joins := []string{"r.*"}, ""
	for _, f := range r.Fields {
		c := &chain{reader: r, field: f, sql: "r." + r.d.QuoteIdent(f.Name+RawSuffix), typ: f.Type}
		switch {
		case f.IsAddress() && f.depth == depth+1:
			c.apply(f.Steps)
			items = append(items, c.sql+" AS "+r.d.QuoteIdent(partsColumn(f.Field)))
		case nullIfAt(f.Field) > 0 && f.depth == depth+1:
			c.apply(f.Steps[:nullIfAt(f.Field)])
			items = append(items, c.sql+" AS "+r.d.QuoteIdent(beforeColumn(f.Field)))
		case f.depth != depth:
			continue
		case nullIfAt(f.Field) > 0:
			first := &chain{reader: r, field: f, sql: c.sql, typ: f.Type}
			first.apply(f.Steps[:nullIfAt(f.Field)]) // for its type
			c.sql, c.typ = "r."+r.d.QuoteIdent(beforeColumn(f.Field)), first.typ
			c.apply(f.Steps[nullIfAt(f.Field):])
			items = append(items, c.sql+" AS "+r.d.QuoteIdent(f.Name))
		case f.IsAddress():
			items = append(items, r.part(f.Field, models.AddressLine)+" AS "+r.d.QuoteIdent(f.Name))
			continue
		case f.Of != nil:
			c.sql = r.partOf(c)
			items = append(items, c.sql+" AS "+r.d.QuoteIdent(f.Name))
		default:
			c.apply(f.Steps)
			items = append(items, c.sql+" AS "+r.d.QuoteIdent(f.Name))
		}
		joins += c.joins
		for _, miss := range c.missed {
			items = append(items, miss.condition+" AS "+r.d.QuoteIdent(miss.mark))
			*names, *conditions = append(*names, miss.reason), append(*conditions, r.d.QuoteIdent(miss.mark))
		}
	}
	return fmt.Sprintf("  SELECT %s\n  FROM step_%d AS r%s", strings.Join(items, ",\n    "), depth-1, joins)
}

// part is a part of an address, an empty one being none.
func (r *reader) part(f *models.Field, part string) string {
	return fmt.Sprintf("struct_extract(r.%s, %s)", r.d.QuoteIdent(partsColumn(f)), r.d.QuoteLiteral(part))
}

// partOf is a part of an address, standardized; what a source has by itself comes first.
func (r *reader) partOf(own *chain) string {
	f := own.field
	of := &chain{reader: r, field: f, sql: r.part(f.Of, f.Part), typ: "VARCHAR"}
	of.apply(f.Steps)
	if !f.read {
		own.joins, own.missed = of.joins, of.missed
		return of.sql
	}
	own.apply(append([]models.CleaningStep{}, f.Steps...))
	if len(own.joins) > 0 { // one map cannot be joined twice by one name: look the value up once, whichever it is
		whole := &chain{reader: r, field: f, sql: fmt.Sprintf("coalesce(CAST(r.%s AS VARCHAR), %s)", r.d.QuoteIdent(f.Name+RawSuffix), r.part(f.Of, f.Part)), typ: "VARCHAR"}
		whole.apply(f.Steps)
		own.joins, own.missed = whole.joins, whole.missed
		return whole.sql
	}
	return fmt.Sprintf("coalesce(CAST(%s AS VARCHAR), %s)", own.sql, of.sql)
}

// chain is a field's steps being put together.
type chain struct {
	*reader
	field  ReadField
	sql    string
	typ    string
	joins  string
	missed []miss
}

// miss marks rows whose value a code map does not know.
type miss struct{ mark, condition, reason string }

func (c *chain) apply(steps []models.CleaningStep) {
	list := strings.HasSuffix(c.typ, "]")
	whole := c.sql
	if list && len(steps) > 0 { // each entry is standardized by itself
		c.sql, c.typ = "x", strings.TrimSuffix(c.typ, "[]")
	}
	for _, s := range steps {
		switch {
		case s.Func == models.StepNullIf:
			c.nullIf(s)
		case s.Func == models.StepMap:
			c.codeMap(s)
		default:
			c.function(s)
		}
	}
	if list && len(steps) > 0 {
		c.sql = fmt.Sprintf("list_transform(%s, lambda x: %s)", whole, c.sql)
		c.typ += "[]"
	}
}

// text is the value so far as a text.
func (c *chain) text() string {
	if c.typ == "VARCHAR" {
		return c.sql
	}
	return "CAST(" + c.sql + " AS VARCHAR)"
}

func (c *chain) nullIf(s models.CleaningStep) {
	var values []string
	for _, v := range s.Args["values"].([]string) {
		values = append(values, c.d.QuoteLiteral(strings.ToLower(v)))
	}
	c.sql = fmt.Sprintf("CASE WHEN lower(%s) IN (%s) THEN NULL ELSE %s END", c.text(), strings.Join(values, ", "), c.sql)
}

func (c *chain) function(s models.CleaningStep) {
	kind := models.Cleanings[s.Func]
	if s.Func == models.StepDate && strings.HasPrefix(c.typ, "TIMESTAMP") {
		c.sql, c.typ = "CAST("+c.sql+" AS DATE)", "DATE"
	}
	args := []string{c.text()}
	switch {
	case kind.Country:
		args = append(args, c.country(s))
	case kind.Formats:
		formats, _ := s.Args["formats"].([]string)
		quoted := make([]string, len(formats))
		for i, f := range formats {
			quoted[i] = c.d.QuoteLiteral(f)
		}
		args = append(args, "CAST(["+strings.Join(quoted, ", ")+"] AS VARCHAR[])")
	}
	c.sql, c.typ = kind.SQL+"("+strings.Join(args, ", ")+")", cmp.Or(kind.Result, "VARCHAR")
}

// country is the argument of functions that need one.
func (c *chain) country(s models.CleaningStep) string {
	if other := c.Entity.Field(s.FieldArg("country")); other != nil {
		return "CAST(r." + c.d.QuoteIdent(other.Name) + " AS VARCHAR)"
	}
	if constant, is := s.Args["country"].(string); is {
		return c.d.QuoteLiteral(constant)
	}
	return "CAST(NULL AS VARCHAR)"
}

// codeMap joins a table of reference data. Of several rows for one value the least counts, so that the answer is always the same.
func (c *chain) codeMap(s models.CleaningStep) {
	j, m, before := c.reader.joins[s.Map], s.Map, c.text()
	q := c.d.QuoteIdent
	c.joins += fmt.Sprintf("\n  LEFT JOIN (SELECT lower(trim(CAST(%s AS VARCHAR))) AS _from, min(CAST(%s AS VARCHAR)) AS _to FROM %s GROUP BY 1) AS %s ON %[4]s._from = lower(trim(%s))",
		q(j.from), q(j.to), c.d.Table(warehouse.Name{Schema: m.Node.Schema, Table: m.Node.Table}), j.alias, before)
	c.sql, c.typ = j.alias+"._to", "VARCHAR"
	switch m.OnMiss {
	case models.MissKeeps:
		c.sql = fmt.Sprintf("CASE WHEN %s._from IS NULL THEN %s ELSE %[1]s._to END", j.alias, before)
	case models.MissQuarantines:
		c.missed = append(c.missed, miss{c.field.Name + "$" + j.alias, fmt.Sprintf("%s IS NOT NULL AND %s._from IS NULL", before, j.alias), j.reason})
	}
}

// isRecord is the condition for rows that are records.
func (r *Reading) isRecord() string {
	return r.d.Length(r.d.QuoteIdent(ReasonsColumn), "VARCHAR[]") + " = 0"
}

// raw is the column of Rows that has a field's value as its source has it.
func (r *Reading) raw(f *ReadField) string {
	if f.read && f.Of == nil && len(f.Steps) == 0 {
		return r.d.QuoteIdent(f.Name)
	}
	return r.d.QuoteIdent(f.Name + RawSuffix)
}

// number is a record's: records are numbered by source and key.
func (r *Reading) number() string {
	q := r.d.QuoteIdent
	return fmt.Sprintf("CAST(row_number() OVER (ORDER BY %s, %s) - 1 AS BIGINT) AS %s", q(match.SourceColumn), q(match.KeyColumn), q(match.RecColumn))
}

// Numbered is a table expression of the records among the rows, with their numbers.
func (r *Reading) Numbered(from string) string {
	return fmt.Sprintf("(\nSELECT %s, r.*\nFROM %s AS r\nWHERE %s\n)", r.number(), from, r.isRecord())
}

// Numbers is a SELECT of the numbers of the records in a file of rows, by their places in it. It sorts keys and places alone, which takes
// a small part of what sorting rows does.
func (r *Reading) Numbers(file string) string {
	return fmt.Sprintf("SELECT %s, %s\nFROM %s\nWHERE %s", r.d.QuoteIdent(warehouse.PositionRow), r.number(), r.d.Positions([]string{file}), r.isRecord())
}

// NumberedBy is what Numbered is of the rows of a file, the numbers being written.
func (r *Reading) NumberedBy(file, numbers string) string {
	q := r.d.QuoteIdent
	return fmt.Sprintf("(\nSELECT n.%s, r.*\nFROM %s AS r\nJOIN %s AS n ON n.%s = r.%[4]s\n)", q(match.RecColumn), r.d.Positions([]string{file}), numbers,
		q(warehouse.PositionRow))
}

// Records is the SELECT for the records file of a plan, from numbered records.
func (r *Reading) Records(p *match.Plan, from string) (string, error) {
	q := r.d.QuoteIdent
	items := []string{q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn), q(match.UpdatedAtColumn)}
	// The hash is of all columns: a rule's key may be made of fields that have none of their own, and functions may change with the version.
	var inner, names, own []string
	var types []warehouse.Type
	for _, c := range p.Columns {
		sql, err := r.columnOf(c)
		if err != nil {
			return "", err
		}
		inner, names = append(inner, sql+" AS "+q("="+c.Name)), append(names, q("="+c.Name)+" AS "+q(c.Name))
		own, types = append(own, q("="+c.Name)), append(types, kindTypes[c.Kind])
	}
	hash := "CAST(0 AS UBIGINT)"
	if len(own) > 0 {
		hash = r.d.RowHash(own, types)
	}
	items = append(append(items, hash+" AS "+q(match.HashColumn)), names...)
	columns := append([]string{q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn), q(match.UpdatedAtColumn)}, inner...)
	return fmt.Sprintf("SELECT %s\nFROM (\n  SELECT %s\n  FROM %s AS r\n) AS r", strings.Join(items, ",\n  "), strings.Join(columns, ",\n    "), from), nil
}

var kindTypes = map[match.Kind]warehouse.Type{match.Text: {Name: "VARCHAR"}, match.Number: {Name: "DOUBLE"}, match.Date: {Name: "DATE"}, match.List: {Name: "LIST", Fields: []warehouse.Field{{Type: warehouse.Type{Name: "VARCHAR"}}}}}

// columnOf is what a plan's column is made of, as SQL over the rows. An empty text, and an empty list, is NULL.
func (r *Reading) columnOf(c match.Column) (string, error) {
	name, what, derived := strings.Cut(c.Name, "$")
	if name == "" {
		var rule, key, comparison int
		if _, err := fmt.Sscanf(what, "joined%d", &comparison); err == nil && comparison <= len(r.Entity.Comparisons) {
			return "nullif(" + r.joined(comparison-1) + ", '')", nil
		}
		if _, err := fmt.Sscanf(what, match.CodesColumn+"%d", &comparison); err == nil && comparison <= len(r.Entity.Comparisons) {
			return match.CodesSQL(r.joined(comparison - 1)), nil
		}
		if _, err := fmt.Sscanf(what, "block%d_%d", &rule, &key); err != nil || rule > len(r.Entity.Blocking) || key > len(r.Entity.Blocking[rule-1].Keys) {
			return "", fmt.Errorf("the plan has a column %q, and the entity nothing that it is made of", c.Name)
		}
		return "nullif(CAST((" + r.Entity.Blocking[rule-1].Keys[key-1].SQL + ") AS VARCHAR), '')", nil
	}
	i := slices.IndexFunc(r.Fields, func(f ReadField) bool { return f.Name == name })
	if i < 0 {
		return "", fmt.Errorf("the plan has a column %q, and the entity no field %q", c.Name, name)
	}
	f, sql := &r.Fields[i], r.d.QuoteIdent(name)
	if function := map[string]string{match.NicknameColumn: "clean_nickname", match.PhoneticColumn: "clean_phonetic", match.LocalColumn: "clean_email_local"}[what]; function != "" {
		return "nullif(" + function + "(CAST(" + sql + " AS VARCHAR)), '')", nil
	}
	if what == match.CodesColumn {
		return match.CodesSQL("CAST(" + sql + " AS VARCHAR)"), nil
	}
	if derived { // match.TextColumn
		return "nullif(CAST(" + sql + " AS VARCHAR), '')", nil
	}
	isList := strings.HasSuffix(f.Standard, "]")
	switch {
	case isList != (c.Kind == match.List):
		return "", match.Wrong(f.Pos, "overlap is for lists, and nothing else compares them", "%s is a %s, and is compared as %s", f.Name, f.Standard, match.KindWords[c.Kind])
	case c.Kind == match.Date && f.Standard != "DATE" && !strings.HasPrefix(f.Standard, "TIMESTAMP"):
		return "", match.Wrong(f.Pos, "under standardize: write "+f.Name+": date", "%s is compared as a date, and is a %s", f.Name, f.Standard)
	case c.Kind == match.Date:
		return "CAST(" + sql + " AS DATE)", nil
	case c.Kind == match.Number:
		return "TRY_CAST(" + sql + " AS DOUBLE)", nil
	case c.Kind == match.List:
		sorted := "list_sort(list_distinct(CAST(" + sql + " AS VARCHAR[])))"
		return "CASE WHEN len(" + sorted + ") > 0 THEN " + sorted + " END", nil
	}
	return "nullif(CAST(" + sql + " AS VARCHAR), '')", nil
}

// joined are the fields of a comparison as one text.
func (r *Reading) joined(comparison int) string {
	var fields []string
	for _, f := range r.Entity.Comparisons[comparison].Fields {
		fields = append(fields, "CAST("+r.d.QuoteIdent(f)+" AS VARCHAR)")
	}
	return "concat_ws(' ', " + strings.Join(fields, ", ") + ")"
}

// Values is a SELECT of what golden records are made of, one row a numbered record: RecColumn, SourceColumn, KeyColumn, UpdatedAtColumn, a
// column for each field, and for those with steps that show the source's value one with ValidSuffix.
func (r *Reading) Values(from string) string {
	q := r.d.QuoteIdent
	items := []string{q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn), q(match.UpdatedAtColumn)}
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Shown():
			items = append(items, q(f.Name))
		case f.Of != nil:
			items = append(items, fmt.Sprintf("coalesce(CAST(%s AS VARCHAR), %s) AS %[2]s", q(f.Name+RawSuffix), q(f.Name)))
		default:
			items = append(items, r.raw(f)+" AS "+q(f.Name))
		}
		if len(f.Steps) > 0 && !f.Shown() {
			items = append(items, q(f.Name)+" IS NOT NULL AS "+q(f.Name+ValidSuffix))
		}
	}
	return fmt.Sprintf("SELECT %s\nFROM %s AS r", strings.Join(items, ",\n  "), from)
}

// Quarantined is a SELECT of the rows that are no records, as the quarantine of the golden records has them: which source they are from, the
// key if they have one, what their source says of each field, and why they are there.
func (r *Reading) Quarantined(from, run string, at time.Time) string {
	q := r.d.QuoteIdent
	items := []string{r.sourceName() + " AS source", q(match.KeyColumn) + " AS source_key"}
	for i := range r.Fields {
		items = append(items, r.raw(&r.Fields[i])+" AS "+q(r.Fields[i].Name))
	}
	items = append(items, q(ReasonsColumn)+" AS "+check.FailedRules, r.d.QuoteLiteral(run)+" AS "+check.QuarantinedRun,
		"CAST("+r.d.QuoteLiteral(at.UTC().Format("2006-01-02 15:04:05.000000"))+" AS TIMESTAMP) AS "+check.QuarantinedAt,
		"CAST("+r.sourceName()+" AS VARCHAR) AS "+check.QuarantinedFrom, "CAST(uuid() AS VARCHAR) AS "+check.QuarantinedID)
	return fmt.Sprintf("SELECT %s\nFROM %s\nWHERE NOT (%s)", strings.Join(items, ",\n  "), from, r.isRecord())
}

// sourceName is the name of a row's source, as SQL.
func (r *Reading) sourceName() string {
	sql := "CASE " + r.d.QuoteIdent(match.SourceColumn)
	for i, s := range r.Entity.Sources {
		sql += fmt.Sprintf(" WHEN %d THEN %s", i, r.d.QuoteLiteral(s.Name))
	}
	return sql + " END"
}

// Counts is a query of the rows of each source: its number, rows, records, and rows that are none.
func (r *Reading) Counts(from string) string {
	return fmt.Sprintf("SELECT %s, count(*), %s, %s\nFROM %s\nGROUP BY 1\nORDER BY 1", r.d.QuoteIdent(match.SourceColumn), r.d.CountIf(r.isRecord()), r.d.CountIf("NOT ("+r.isRecord()+")"), from)
}

// Equation adds up the answer to Counts: each row that was read is a record, or in quarantine.
func (r *Reading) Equation(counts *warehouse.Result) warehouse.Equation {
	sum := make([]int64, 3)
	for _, row := range counts.Rows {
		for i := range sum {
			sum[i] += whole(row[i+1])
		}
	}
	return warehouse.Equation{Name: "read", Rows: sum[0], Terms: []warehouse.Term{{Name: "records", Rows: sum[1]}, {Name: "quarantined", Rows: sum[2]}}}
}

// repeatedShown is how many keys an error about repeated ones names.
const repeatedShown = 3

// Repeated is a query of keys that more than one row of a source has: how many keys there are and rows with them, and the first of them.
func (r *Reading) Repeated(from string) string {
	q := r.d.QuoteIdent
	return fmt.Sprintf(`WITH repeated AS (
  SELECT %[1]s, %[2]s, count(*) AS n
  FROM %[3]s
  WHERE %[2]s IS NOT NULL
  GROUP BY 1, 2
  HAVING count(*) > 1
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY %[1]s ORDER BY n DESC, %[2]s) AS place, count(*) OVER (PARTITION BY %[1]s) AS keys, sum(n) OVER (PARTITION BY %[1]s) AS row_count
  FROM repeated
)
SELECT %[1]s, %[2]s, n, keys, CAST(row_count AS BIGINT)
FROM ranked
WHERE place <= %[4]d
ORDER BY %[1]s, place`, q(match.SourceColumn), q(match.KeyColumn), from, repeatedShown)
}

// Unique makes an error of the answer to Repeated, nil when there is none. Keys that are personal are not named.
func (r *Reading) Unique(repeated *warehouse.Result) error {
	var errs []error
	for i := 0; i < len(repeated.Rows); {
		source, keys, rows := whole(repeated.Rows[i][0]), whole(repeated.Rows[i][3]), whole(repeated.Rows[i][4])
		s := r.Entity.Sources[source]
		var examples []string
		for ; i < len(repeated.Rows) && whole(repeated.Rows[i][0]) == source; i++ {
			key := fmt.Sprint(repeated.Rows[i][1])
			if s.HasPersonalKey() {
				key = "***"
			}
			examples = append(examples, fmt.Sprintf("%s (%d rows)", key, whole(repeated.Rows[i][2])))
		}
		values := fmt.Sprintf("%d values of its key (%s) repeat", keys, strings.Join(s.Key, ", "))
		if keys == 1 {
			values = fmt.Sprintf("1 value of its key (%s) repeats", strings.Join(s.Key, ", "))
		}
		errs = append(errs, match.Wrong(s.Pos, "add columns to key: until it tells records apart, or take one row a key, in a model or by where:",
			"source %s: %s, in %d rows: %s", s.Name, values, rows, strings.Join(examples, ", ")))
	}
	return errors.Join(errs...)
}

// whole is a whole number of an answer.
func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case uint64:
		return int64(n)
	case float64:
		return int64(n)
	case string:
		i, _ := strconv.ParseInt(n, 10, 64)
		return i
	}
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	return n
}
