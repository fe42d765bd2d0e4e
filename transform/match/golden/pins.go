package golden

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// Pin is a value that somebody has decided a golden record to have in a field: that of the cluster in which its record is. Of one cluster's
// field there is one pin at most; who makes the list sees to it.
type Pin struct {
	Source, Key string // of the record
	Field       string
	Value       *string // nil: what the record has, or none
	Null        bool    // the golden record has no value
	Decision    string  // its id
	Place       string  // where it stands, for errors
}

// PinnedBy begins what Winners says has decided a pinned value; the decision's id is the rest.
const PinnedBy = "pinned by "

// pinned are the pins as a relation: source, source_key, field, value, given, decision.
func (g *Golden) pinned() string {
	rows := make([]string, len(g.Pins))
	for i, p := range g.Pins {
		value := g.null("VARCHAR")
		if p.Value != nil {
			value = g.text(*p.Value)
		}
		rows[i] = fmt.Sprintf("(%s, %s, %s, %s, %t, %s)", g.text(p.Source), g.text(p.Key), g.text(strings.ToLower(p.Field)), value,
			p.Value != nil || p.Null, g.text(p.Decision))
	}
	return fmt.Sprintf("(SELECT * FROM (VALUES %s) AS p(source, source_key, field, %s, given, decision))", strings.Join(rows, ", "), g.q("value"))
}

// hasPin says whether some golden record's value of a column is pinned.
func (g *Golden) hasPin(column string) bool {
	return slices.ContainsFunc(g.Pins, func(p Pin) bool { return strings.EqualFold(p.Field, column) })
}

// override is a column of the golden records s, and the join that brings what is pinned of it. Before the types of columns are known there
// are no pins: a pin changes no type.
func (g *Golden) override(u *unit, i int) (item, join string) {
	column := u.columns()[i]
	item = "s." + g.q(column)
	at := slices.IndexFunc(g.Columns, func(c warehouse.Column) bool { return c.Name == column })
	if at < 0 || !g.hasPin(column) {
		return item, ""
	}
	alias := fmt.Sprintf("p%d_%d", u.number, i)
	item = fmt.Sprintf("CASE WHEN %s.cluster IS NULL THEN %s WHEN %[1]s.given THEN CAST(%[1]s.%[3]s AS %[4]s) ELSE CAST(%[1]s.own AS %[4]s) END AS %[5]s",
		alias, item, g.q("value"), g.Dialect.Type(g.Columns[at].Type), g.q(column))
	own, raw := "NULL", ""
	if u.custom == "" {
		own, raw = "r."+g.q(u.fields[i].Name), fmt.Sprintf("\n  JOIN %s AS r ON r._rec = m._rec", g.From.Raw)
		if u.collect != "" {
			own = "CASE WHEN " + own + " IS NOT NULL THEN " + g.one(own) + " END"
		}
	}
	return item, fmt.Sprintf("\nLEFT JOIN (\n  SELECT m.cluster, p.%s, p.given, %s AS own\n  FROM %s AS p\n  JOIN %s AS m ON m.source = p.source AND m.source_key = p.source_key%s\n  WHERE p.field = %s\n) AS %s ON %[7]s.cluster = s.cluster",
		g.q("value"), own, g.From.Pins, g.From.Members, raw, g.text(strings.ToLower(column)), alias)
}

// pins writes the pins, once it is sure that each can be obeyed.
func (b *building) pins(ctx context.Context) error {
	if len(b.Pins) == 0 {
		return nil
	}
	units, err := b.units()
	if err != nil {
		return err
	}
	if err := b.knownPins(units); err != nil {
		return err
	}
	if _, err := b.into(ctx, &b.From.Pins, "pins", "SELECT * FROM "+b.pinned()+" AS p"); err != nil {
		return err
	}
	var errs []error
	for _, c := range b.Columns {
		if !b.hasPin(c.Name) {
			continue
		}
		wrong, err := b.w.Query(ctx, fmt.Sprintf("SELECT decision FROM %s AS p WHERE field = %s AND %s IS NOT NULL AND TRY_CAST(%[3]s AS %[4]s) IS NULL ORDER BY decision",
			b.From.Pins, b.text(strings.ToLower(c.Name)), b.q("value"), b.Dialect.Type(c.Type)))
		if err != nil {
			return err
		}
		for _, row := range wrong.Rows {
			id := fmt.Sprint(row[0])
			at := slices.IndexFunc(b.Pins, func(p Pin) bool { return p.Decision == id && strings.EqualFold(p.Field, c.Name) })
			errs = append(errs, fmt.Errorf("%s: the value that is pinned to %s is no %s: revoke decision %s, or pin another", b.Pins[at].Place,
				c.Name, c.Type, id))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return b.requiredPins(ctx, units)
}

// requiredPins notes the pinned values that survivorship would let no record give: they hold all the same.
func (b *building) requiredPins(ctx context.Context, units []*unit) error {
	for _, u := range units {
		if u.require == "" || u.collect != "" || !b.hasPin(u.columns()[0]) {
			continue
		}
		wrong, err := b.w.Query(ctx, b.unfit(u))
		if err != nil {
			return fmt.Errorf("hold what is pinned to %s against require: %w", u.name, err)
		}
		for _, row := range wrong.Rows {
			id := fmt.Sprint(row[0])
			at := slices.IndexFunc(b.Pins, func(p Pin) bool { return p.Decision == id && strings.EqualFold(p.Field, u.columns()[0]) })
			b.out.Notes = append(b.out.Notes, fmt.Sprintf("%s: the value that is pinned to %s is none that require: %s lets count; it holds all the same: revoke decision %s, or pin another, if that is wrong",
				b.Pins[at].Place, u.columns()[0], u.require, id))
		}
	}
	return nil
}

// unfit are the decisions that pin a unit's field to what require lets no record give, but for NULL, which it has where none gives one:
// decision.
func (g *Golden) unfit(u *unit) string {
	field := u.fields[0]
	given := fmt.Sprintf("CAST(p.%s AS %s)", g.q("value"), g.Dialect.Type(field.Type))
	items := []string{"p.decision", "m._rec", "m.cluster AS _cluster", "m.source AS _source", "m.updated_at AS _updated_at"}
	for _, f := range g.Fields {
		item := "r." + g.q(f.Name)
		if f.Name == field.Name {
			item = fmt.Sprintf("CASE WHEN p.given THEN %s ELSE %s END AS %s", given, item, g.q(f.Name))
		}
		items = append(items, item)
	}
	if u.require == requireValid {
		cleaned := ""
		if g.Cleaned != nil {
			cleaned = g.Cleaned(field.Name, "p."+g.q("value"))
		}
		if cleaned == "" { // nothing is known of it, but whether there is one
			cleaned = given
		}
		items = append(items, fmt.Sprintf("CASE WHEN p.given THEN %s IS NOT NULL ELSE s.%s IS NOT NULL END AS %s", cleaned, g.q(field.Name), g.q(okColumn(field.Name))))
	}
	return fmt.Sprintf(`SELECT c.decision FROM (
SELECT %s
FROM %s AS p
JOIN %s AS m ON m.source = p.source AND m.source_key = p.source_key
JOIN %s AS r ON r._rec = m._rec
JOIN %s AS s ON s._rec = m._rec
WHERE p.field = %s AND NOT (p.given AND p.%s IS NULL)
) AS c
WHERE NOT coalesce(%s, false)
ORDER BY c.decision`, strings.Join(items, ", "), g.From.Pins, g.From.Members, g.From.Raw, g.From.Records, g.text(strings.ToLower(u.columns()[0])),
		g.q("value"), g.competes(u))
}

// knownPins refuses pins of fields that golden records do not have, and pins to what a record has where that is nothing by itself.
func (b *building) knownPins(units []*unit) error {
	var errs []error
	for _, p := range b.Pins {
		at := slices.IndexFunc(units, func(u *unit) bool {
			return slices.ContainsFunc(u.columns(), func(c string) bool { return strings.EqualFold(c, p.Field) })
		})
		switch {
		case at < 0:
			errs = append(errs, fmt.Errorf("%s: golden records have no field %q any more: revoke decision %s", p.Place, p.Field, p.Decision))
		case units[at].custom != "" && p.Value == nil && !p.Null:
			errs = append(errs, fmt.Errorf("%s: %s is computed, so that no record has one: pin a value, or NULL (decision %s)", p.Place, p.Field, p.Decision))
		}
	}
	return errors.Join(errs...)
}

// withPins puts pins before what rules have chosen, in the answer of Winners.
func (g *Golden) withPins(units []*unit, told string) string {
	if len(g.Pins) == 0 {
		return told
	}
	pins := g.From.Pins
	if pins == "" {
		pins = g.pinned()
	}
	own := "CASE p.field"
	names := "CASE p.field"
	for _, u := range units {
		for i, c := range u.columns() {
			if g.hasPin(c) {
				names += fmt.Sprintf(" WHEN %s THEN %s", g.text(strings.ToLower(c)), g.text(c))
			}
			if g.hasPin(c) && u.custom == "" {
				own += fmt.Sprintf(" WHEN %s THEN CAST(r.%s AS %s)", g.text(strings.ToLower(c)), g.q(u.fields[i].Name), g.Dialect.Type("VARCHAR"))
			}
		}
	}
	if own == "CASE p.field" {
		own += " WHEN '' THEN " + g.null("VARCHAR")
	}
	return fmt.Sprintf(`WITH told AS (
%s
), pinned AS (
  SELECT %s AS golden_id, %s END AS field, m.source, m.source_key, CASE WHEN p.given THEN p.%s ELSE %s END END AS %[4]s, p.decision
  FROM %[6]s AS p
  JOIN %[7]s AS m ON m.source = p.source AND m.source_key = p.source_key
  JOIN %[8]s AS i ON i.cluster = m.cluster
  JOIN %[9]s AS r ON r._rec = m._rec
)
SELECT t.golden_id, t.field, t.place + CASE WHEN p.field IS NULL THEN 0 ELSE 1 END AS place, t.source, t.source_key, t.%[4]s, t.decided, t.figures
FROM told AS t
LEFT JOIN pinned AS p ON p.golden_id = t.golden_id AND p.field = t.field
UNION ALL
SELECT golden_id, field, 1, source, source_key, %[4]s, %[10]s || decision, '' FROM pinned`, told, g.unpacked("i.golden_id"), names,
		g.q("value"), own, pins, g.From.Members, g.From.IDs, g.From.Raw, g.text(PinnedBy))
}
