package standardize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file puts the steps of fields together, as SQL.

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
