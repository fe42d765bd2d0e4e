package standardize

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file looks at what sources have: the columns and types of their tables, and of code maps, held against what the entity says.

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
			return match.Wrong(in.Pos, fmt.Sprintf("write a condition on columns of %s, such as \"status = 'open'\": %s", in.Node.Name(), columnsOf(s.columns)),
				"source %s: where: %w", in.Name, err)
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

// has are the fields that each source has.
func (r *reader) has() map[string][]string {
	out := map[string][]string{}
	for _, s := range r.sources {
		for _, f := range r.Fields {
			if _, has := s.values[strings.ToLower(f.Name)]; has {
				out[s.Name] = append(out[s.Name], f.Name)
			}
		}
	}
	return out
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
		hint := config.DidYouMean(text, names, "its columns: "+strings.Join(names, ", "))
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

// whereShown is how many columns a hint names.
const whereShown = 12

// columnsOf names the columns of a table.
func columnsOf(columns []warehouse.Column) string {
	names := make([]string, 0, whereShown+1)
	for _, c := range columns[:min(whereShown, len(columns))] {
		names = append(names, c.Name)
	}
	if len(columns) > whereShown {
		names = append(names, "…")
	}
	return "its columns are " + strings.Join(names, ", ")
}
