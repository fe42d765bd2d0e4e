package golden

import (
	"fmt"
	"strings"
)

// FigureSeparator stands between the figures of two rules, each the rule, a blank and its figure, in the answer of Winners.
const FigureSeparator = "\x1f"

// FigureUnknown is the figure of a record that a rule knows nothing of.
const FigureUnknown = "unknown"

// Winners tells where the values of golden records are from, a row for each field and record that has something to give: golden_id,
// field, place (1 has won), source, source_key, value as text, decided (the rule that put it before the next), and figures, what its rules
// compared. From must hold Raw, Records where a unit requires valid values, Members and IDs: those of a run, or, for the golden record that
// somebody asks about, Traced. It ranks all that it reads, so it is for few golden records at once. Values that are collected or computed are
// told with all records that had a part in them, in place 1. A pinned value is in place 1 with the record of its decision, before all others.
func (g *Golden) Winners() (string, error) {
	units, err := g.units()
	if err != nil {
		return "", err
	}
	var all []string
	for _, u := range units {
		columns := u.columns()
		for i := range columns {
			if u.custom != "" {
				all = append(all, g.parts(u, columns[i], g.null("VARCHAR"), u.custom))
				continue
			}
			value := "CAST(c." + g.q(u.fields[i].Name) + " AS " + g.Dialect.Type("VARCHAR") + ")"
			if u.collect != "" {
				all = append(all, g.parts(u, columns[i], value, "collect "+u.collect))
				continue
			}
			all = append(all, g.ranked(u, columns[i], value))
		}
	}
	return g.withPins(units, union(all...)), nil
}

// parts are the records that a value of several is made of.
func (g *Golden) parts(u *unit, column, value, rule string) string {
	where := ""
	if condition := g.competes(u); condition != "" && u.custom == "" {
		where = "\nWHERE " + condition
	}
	return fmt.Sprintf(`SELECT %s AS golden_id, %s AS field, 1 AS place, m.source, m.source_key, %s AS %s, %s AS decided, '' AS figures
FROM (
%s
) AS c
JOIN %s AS m ON m._rec = c._rec
JOIN %s AS i ON i.cluster = c._cluster%s`, g.unpacked("i.golden_id"), g.text(column), value, g.q("value"), g.text(rule),
		g.candidates([]*unit{u}, false, ""), g.From.Members, g.From.IDs, where)
}

// ranked are the records that a value was chosen from, with the rules' figures.
func (g *Golden) ranked(u *unit, column, value string) string {
	order := g.order(u)
	text := "CAST(%s AS " + g.Dialect.Type("VARCHAR") + ")"
	var figures, items, told, decided []string
	for i, o := range order[:len(order)-1] {
		figure := fmt.Sprintf("_f%d", i)
		figures = append(figures, o.SQL+" AS "+figure)
		items = append(items, fmt.Sprintf("w.%s, lead(w.%[1]s) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n%d", figure, i))
		told = append(told, fmt.Sprintf("'%s ' || coalesce(%s, '%s')", u.by[i], fmt.Sprintf(text, "w."+figure), FigureUnknown))
		decided = append(decided, fmt.Sprintf("WHEN NOT (%s) THEN '%s'", g.Dialect.Same("w."+figure, fmt.Sprintf("w._n%d", i)), u.by[i]))
	}
	from := "(\n" + g.candidates([]*unit{u}, false, "") + "\n) AS c"
	if u.counts() {
		from += fmt.Sprintf("\nLEFT JOIN (\n%s\n) AS f%d ON f%[2]d._cluster = c._cluster%s", g.frequencies(u, ""), u.number, g.sameValues(u,
			fmt.Sprintf("f%d", u.number)))
	}
	return fmt.Sprintf(`SELECT %s AS golden_id, %s AS field, w.place, m.source, m.source_key, w._value AS %s,
  CASE WHEN w._last THEN 'the last' %s ELSE 'the first of its source and key' END AS decided, %s AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, %s
  FROM (
    SELECT c._rec, c._cluster, %s AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY %s) AS place, %s
    FROM %s
    WHERE %s
  ) AS w
) AS w
JOIN %s AS m ON m._rec = w._rec
JOIN %s AS i ON i.cluster = w._cluster`, g.unpacked("i.golden_id"), g.text(column), g.q("value"), strings.Join(decided, " "),
		strings.Join(told, " || chr(31) || "), strings.Join(items, ", "),
		value, orderBy(order), strings.Join(figures, ", "), from, g.competes(u), g.From.Members, g.From.IDs)
}

// Traced is g for one golden record as it is published: Records and Raw are SELECTs over the sources as they are now, with the columns of
// the files of a run, of at least the records that xref has for the golden id. The record's own number only orders.
func (g *Golden) Traced(records, raw, xref, goldenID string) *Golden {
	t := *g
	t.From = Relations{Raw: raw, Records: records}
	t.From.Members = fmt.Sprintf(`(
SELECT r._rec, 0 AS cluster, x.source, x.source_key, r._updated_at AS updated_at
FROM %s AS r
JOIN %s AS x ON x.source_key = r._key AND x.source = %s
WHERE x.valid_to IS NULL AND x.golden_id = %s
)`, records, xref, g.sourceName("r._source"), g.text(goldenID))
	t.From.IDs = "(SELECT 0 AS cluster, " + g.text(goldenID) + " AS golden_id)"
	return &t
}
