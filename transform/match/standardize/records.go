package standardize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file is about the records among the rows: their numbers, and the SELECTs of what is compared and of what survives.

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

// AgainColumn says of a record that the one before it has its key.
const AgainColumn = "again"

// Numbers is a SELECT of the numbers of the records in a file of rows, by their places in it, with AgainColumn. It sorts keys and places
// alone, which takes a small part of what sorting rows does.
func (r *Reading) Numbers(file string) string {
	q := r.d.QuoteIdent
	before := func(column string) string {
		return fmt.Sprintf("%s = lag(%[1]s) OVER (ORDER BY %s, %s)", q(column), q(match.SourceColumn), q(match.KeyColumn))
	}
	return fmt.Sprintf("SELECT %s, %s, coalesce(%s AND %s, false) AS %s\nFROM %s\nWHERE %s", q(warehouse.PositionRow), r.number(),
		before(match.KeyColumn), before(match.SourceColumn), q(AgainColumn), r.d.Positions([]string{file}), r.isRecord())
}

// Again is a query of how many of the numbered records have the key of another.
func (r *Reading) Again(numbers string) string {
	return "SELECT " + r.d.CountIf(r.d.QuoteIdent(AgainColumn)) + " FROM " + numbers
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
	if what == match.LocalColumn && f.isEmail() { // it is standardized already: to do so again would cost more than all the rest
		return "nullif(split_part(" + sql + ", '@', 1), '')", nil
	}
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

// isEmail says that the standardized values are addresses as the step email leaves them.
func (f *ReadField) isEmail() bool {
	for _, s := range slices.Backward(f.Steps) {
		if s.Func != models.StepNullIf {
			return s.Func == "email" && f.Standard == "VARCHAR"
		}
	}
	return false
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
