package golden

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// household is a Golden whose members are golden records, and whose clusters are households: Claims and what follows settle their ids.
func (g *Golden) household(i int) *Golden {
	h := *g
	h.From.Members, h.From.Claims, h.From.Settled, h.From.Open, h.From.Won = "", "", "", "", nil
	h.From.Xref = ""
	if column := relationColumn(g.Entity.Relations[i]); g.From.Golden != "" && hasColumn(g.Before, column) {
		h.From.Xref = g.From.Golden
	}
	return &h
}

func hasColumn(columns []warehouse.Column, name string) bool {
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

// HouseholdMembers are the golden records that have a value in each field of a relation, as Members are the records: those that agree in
// all of them are one household, whose number is the least of theirs. What standardization has made of the values is compared, where there
// is such a column.
func (g *Golden) HouseholdMembers(i int) (string, error) {
	units, err := g.units()
	if err != nil {
		return "", err
	}
	var need []*unit
	var by, same, has []string
	for _, name := range g.Entity.Relations[i].By {
		u, column := g.unitWith(units, name)
		if u == nil {
			return "", fmt.Errorf("entity %q: relation %q: golden records have no field %q", g.Entity.Name, g.Entity.Relations[i].Name, name)
		}
		if !containsUnit(need, u) {
			need = append(need, u)
		}
		by, has = append(by, g.q(column)), append(has, "v."+g.q(column)+" IS NOT NULL")
		same = append(same, "h."+g.q(column)+" = v."+g.q(column))
	}
	owned, join := g.null(idType), ""
	if column := relationColumn(g.Entity.Relations[i]); g.From.Golden != "" && hasColumn(g.Before, column) {
		owned = g.packed("p." + g.q(column))
		join = "\nLEFT JOIN " + g.From.Golden + " AS p ON p.golden_id = " + g.unpacked("i.golden_id")
	}
	return fmt.Sprintf(`WITH v AS (
SELECT * FROM (
%s
) AS v
WHERE %s
), h AS (
SELECT %s, min(cluster) AS first FROM v GROUP BY %[3]s
)
SELECT v.cluster AS _rec, h.first AS cluster, %s AS source_key, %s AS owned
FROM v
JOIN h ON %s
JOIN %s AS i ON i.cluster = v.cluster%s`, g.survivors(need, true), strings.Join(has, " AND "), strings.Join(by, ", "),
		g.unpacked("i.golden_id"), owned, strings.Join(same, " AND "), g.From.IDs, join), nil
}

// unitWith finds the unit with a column of golden records, and the column of survivors by which households are made.
func (g *Golden) unitWith(units []*unit, name string) (*unit, string) {
	for _, u := range units {
		for _, c := range u.columns() {
			if strings.EqualFold(c, name) {
				for _, f := range g.related(u) {
					if strings.EqualFold(f.Name, name) {
						return u, relColumn(f.Name)
					}
				}
				return u, c
			}
		}
	}
	return nil, ""
}

func containsUnit(units []*unit, u *unit) bool {
	for _, one := range units {
		if one == u {
			return true
		}
	}
	return false
}

// HouseholdClaims are Contested, of households: an id is as old as the oldest golden record that has it.
func (g *Golden) HouseholdClaims(i int) string {
	return g.contested(g.From.Xref, g.q(relationColumn(g.Entity.Relations[i])), "first_seen")
}

// HouseholdIDs give each golden record the id of its household: one that the household takes, or one that is made of its first golden
// record, the household that this one comes from, and the run's logical time: two runs may have the same.
func (g *Golden) HouseholdIDs(i int) string {
	return fmt.Sprintf(`WITH taken AS (%s), fresh AS (
  SELECT m.cluster, %s AS id
  FROM %s AS m
  WHERE m._rec = m.cluster AND NOT EXISTS (SELECT 1 FROM taken AS t WHERE t.cluster = m.cluster)
)
SELECT m._rec AS cluster, coalesce(t.id, f.id) AS id
FROM %[3]s AS m
LEFT JOIN taken AS t ON t.cluster = m.cluster
LEFT JOIN fresh AS f ON f.cluster = m.cluster`,
		g.taken(), g.packed(g.Dialect.UUID(namespace, g.name(g.text(g.Entity.Relations[i].Name),
			g.text(g.At.UTC().Format("2006-01-02T15:04:05.000000Z")), "m.source_key", "coalesce("+g.unpacked("m.owned")+", '')"))), g.From.Members)
}

// Parents gives each cluster that has one its parent's: of several, that of the record which the default rules prefer. A parent in
// the same cluster is none.
func (g *Golden) Parents(i int) (string, error) {
	r := g.Entity.Relations[i]
	c, ok := g.field(r.Hierarchy)
	if !ok {
		return "", fmt.Errorf("entity %q: relation %q: no source has the field %q", g.Entity.Name, r.Name, r.Hierarchy)
	}
	u := &unit{name: r.Name, fields: []warehouse.Column{c}, by: withoutFrequency(g.rules(nil))}
	best := g.Dialect.Best([]string{"p.cluster"}, g.order(u), "")
	return fmt.Sprintf(`SELECT b.cluster, %s AS parent
FROM (
  SELECT c._cluster AS cluster, %s AS best
  FROM (
%s
  ) AS c
  JOIN %s AS p ON p.source = c._source AND p.source_key = CAST(c.%s AS %s)
  WHERE p._rec IS NOT NULL AND p.cluster <> c._cluster
  GROUP BY c._cluster
) AS b`, g.Dialect.Part("b.best", 0, 1, "BIGINT"), best, g.candidates([]*unit{u}, false, ""), g.From.Members, g.q(c.Name),
		g.Dialect.Type("VARCHAR")), nil
}

// withoutFrequency leaves out the rule that has to count first.
func withoutFrequency(rules []models.SurviveRule) []models.SurviveRule {
	var out []models.SurviveRule
	for _, r := range rules {
		if r != models.MostFrequent {
			out = append(out, r)
		}
	}
	return out
}

// Climb doubles the steps that a relation of cluster and above goes up. Whoever has an ancestor more steps up than there are steps has a
// circle above, and the ancestor is on it.
func (g *Golden) Climb(from string) string {
	return fmt.Sprintf("SELECT a.cluster, b.above\nFROM %s AS a\nJOIN %[1]s AS b ON b.cluster = a.above", from)
}

// FirstStep begins to climb.
func (g *Golden) FirstStep(i int) string {
	return "SELECT cluster, parent AS above\nFROM " + g.From.Parents[i] + " AS p"
}

// ParentIDs are the golden ids of parents. Those on a circle have none.
func (g *Golden) ParentIDs(i int) string {
	return fmt.Sprintf("SELECT p.cluster, i.golden_id AS id\nFROM %s AS p\nJOIN %s AS i ON i.cluster = p.parent\nWHERE NOT EXISTS (%s)",
		g.From.Parents[i], g.From.IDs, g.onCircle(i))
}

// onCircle finds a cluster p on a circle: what lies so far above another.
func (g *Golden) onCircle(i int) string {
	return "SELECT 1 FROM " + g.From.Above[i] + " AS a WHERE a.above = p.cluster"
}

// unknownParents are questions of Review: records whose parent is not there.
func (g *Golden) unknownParents(i int) string {
	r := g.Entity.Relations[i]
	c, _ := g.field(r.Hierarchy)
	value := "CAST(r." + g.q(c.Name) + " AS " + g.Dialect.Type("VARCHAR") + ")"
	return fmt.Sprintf(`SELECT 'parent', m.source, m.source_key, m.source, %[1]s, CAST(i.golden_id AS %[9]s), %[2]s, %[3]s, %[3]s, %[10]s, %[4]s
FROM %[5]s AS r
JOIN %[6]s AS m ON m._rec = r._rec
JOIN %[7]s AS i ON i.cluster = m.cluster
WHERE r.%[8]s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[6]s AS p WHERE p._rec IS NOT NULL AND p.source = m.source AND p.source_key = %[1]s)`,
		value, g.null("VARCHAR"), g.null("DOUBLE"), g.text(r.Name), g.From.Raw, g.From.Members, g.From.IDs, g.q(c.Name),
		g.Dialect.Type("VARCHAR"), g.text(reasonParent))
}

// circles are questions of Review: golden records that are above themselves.
func (g *Golden) circles(i int) string {
	return fmt.Sprintf(`SELECT 'parent', %[1]s, %[1]s, %[1]s, %[1]s, CAST(i.golden_id AS %[7]s), CAST(k.golden_id AS %[7]s), %[2]s, %[2]s, %[8]s, %[3]s
FROM %[4]s AS p
JOIN %[5]s AS i ON i.cluster = p.cluster
JOIN %[5]s AS k ON k.cluster = p.parent
WHERE EXISTS (%[6]s)`, g.null("VARCHAR"), g.null("DOUBLE"), g.text(g.Entity.Relations[i].Name), g.From.Parents[i], g.From.IDs,
		g.onCircle(i), g.Dialect.Type("VARCHAR"), g.text(reasonCircle))
}
