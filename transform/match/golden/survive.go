package golden

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// unit is what survives together: the fields of a group, whose values come from one record, or a single field.
type unit struct {
	name    string
	fields  []warehouse.Column // as the raw records have them
	out     string             // the column of a single field, when it has another name than what it is made of
	by      []models.SurviveRule
	collect string
	custom  string
	require string
	number  int
}

// columns are the golden record's columns of the unit.
func (u *unit) columns() []string {
	if u.out != "" {
		return []string{u.out}
	}
	return warehouse.Names(u.fields)
}

// units are the golden record's, in the order of the raw fields, and behind them those that have no field of their name.
func (g *Golden) units() ([]*unit, error) {
	var all []*unit
	done := map[string]bool{}
	add := func(u *unit) {
		u.number = len(all)
		for _, c := range u.columns() {
			done[strings.ToLower(c)] = true
		}
		all = append(all, u)
	}
	for _, c := range g.Fields {
		if done[strings.ToLower(c.Name)] {
			continue
		}
		u, err := g.unitOf(c)
		if err != nil {
			return nil, err
		}
		add(u)
	}
	for i := range g.Entity.Survive.Fields {
		f := &g.Entity.Survive.Fields[i]
		if done[strings.ToLower(f.Name)] {
			continue
		}
		u, err := g.unitAlone(f)
		if err != nil {
			return nil, err
		}
		add(u)
	}
	for _, u := range all {
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("entity %q: %w", g.Entity.Name, err)
		}
	}
	return all, nil
}

// ownColumns are the columns that golden records have besides what survives.
var ownColumns = []string{"golden_id", "records", "sources", "first_seen", "last_changed"}

// unitOf finds to which unit a field belongs.
func (g *Golden) unitOf(c warehouse.Column) (*unit, error) {
	is := func(name string) bool { return strings.EqualFold(name, c.Name) }
	for i := range g.Entity.Survive.Groups {
		if group := &g.Entity.Survive.Groups[i]; slices.ContainsFunc(group.Fields, is) {
			return g.unitOfGroup(group)
		}
	}
	for i := range g.Entity.Survive.Fields {
		if f := &g.Entity.Survive.Fields[i]; is(f.Name) {
			return g.unitAlone(f)
		}
	}
	return &unit{name: c.Name, fields: []warehouse.Column{c}, by: g.rules(nil)}, nil
}

func (g *Golden) unitOfGroup(group *models.SurviveGroup) (*unit, error) {
	u := &unit{name: group.Name, by: g.rules(group.By)}
	for _, name := range group.Fields {
		c, ok := g.field(name)
		if !ok {
			return nil, fmt.Errorf("entity %q: group %q: no source has the field %q", g.Entity.Name, group.Name, name)
		}
		u.fields = append(u.fields, c)
	}
	return u, nil
}

func (g *Golden) unitAlone(f *models.SurviveField) (*unit, error) {
	u := &unit{name: f.Name, out: f.Name, by: g.rules(f.By), collect: f.Collect, custom: f.Custom, require: f.Require}
	if f.Custom != "" {
		return u, nil
	}
	from := f.From
	if from == "" {
		from = f.Name
	}
	c, ok := g.field(from)
	if !ok {
		return nil, fmt.Errorf("entity %q: survive %q: no source has the field %q", g.Entity.Name, f.Name, from)
	}
	u.fields = []warehouse.Column{c}
	return u, nil
}

// rules are those of a unit, or the default ones.
func (g *Golden) rules(own []models.SurviveRule) []models.SurviveRule {
	if len(own) > 0 {
		return own
	}
	if len(g.Entity.Survive.Default) > 0 {
		return g.Entity.Survive.Default
	}
	return []models.SurviveRule{models.MostRecent}
}

func (u *unit) check() error {
	for _, c := range u.columns() {
		if slices.ContainsFunc(ownColumns, func(own string) bool { return strings.EqualFold(own, c) }) {
			return fmt.Errorf("field %q: golden records have a column of that name already, choose another", c)
		}
	}
	for _, r := range u.by {
		if (r == models.Least || r == models.Greatest || r == models.Longest) && len(u.fields) > 1 {
			return fmt.Errorf("survive %q: %s compares single values, and this is a group of %d fields: take another rule, or the field out of the group", u.name, r, len(u.fields))
		}
	}
	return nil
}

// competes is the condition for a record of c to have something to give; "" for one that always has.
func (g *Golden) competes(u *unit) string {
	var has []string
	for _, f := range u.fields {
		has = append(has, "c."+g.q(f.Name)+" IS NOT NULL")
	}
	condition := strings.Join(has, " OR ")
	switch u.require {
	case "":
		return condition
	case requireValid:
		return condition + " AND c." + g.q(okColumn(u.fields[0].Name))
	}
	return condition + " AND (" + u.require + ")"
}

// requireValid asks that standardization has left something of a value.
const requireValid = "valid"

// okColumn says whether it has, and relColumn is what it has made of it.
func okColumn(field string) string  { return "_ok_" + field }
func relColumn(field string) string { return "_rel_" + field }

// order is that of a cluster's records c for a unit: rule by rule, and the least number at last.
func (g *Golden) order(u *unit) []warehouse.By {
	var all []warehouse.By
	for _, r := range u.by {
		all = append(all, g.figure(u, r))
	}
	return append(all, warehouse.By{SQL: "c._rec", Least: true})
}

// figure is what a rule compares.
func (g *Golden) figure(u *unit, r models.SurviveRule) warehouse.By {
	first := warehouse.Column{}
	if len(u.fields) > 0 {
		first = u.fields[0]
	}
	value := "c." + g.q(first.Name)
	switch r {
	case models.MostRecent:
		return warehouse.By{SQL: "c._updated_at"}
	case models.MostTrusted:
		return warehouse.By{SQL: g.trust()}
	case models.MostComplete:
		return warehouse.By{SQL: g.complete(u)}
	case models.MostFrequent:
		return warehouse.By{SQL: fmt.Sprintf("f%d._n", u.number)}
	case models.Longest:
		return warehouse.By{SQL: g.Dialect.Length("CAST("+value+" AS "+g.Dialect.Type("VARCHAR")+")", "VARCHAR")}
	case models.Least:
		return warehouse.By{SQL: value, Least: true}
	}
	return warehouse.By{SQL: value}
}

// complete counts the values of a record: of a group in the group, else in all of it.
func (g *Golden) complete(u *unit) string {
	fields := u.fields
	if len(fields) < 2 {
		fields = g.Fields
	}
	has := make([]string, len(fields))
	for i, f := range fields {
		has[i] = "CASE WHEN c." + g.q(f.Name) + " IS NULL THEN 0 ELSE 1 END"
	}
	return strings.Join(has, " + ")
}

// trust is a record's: its source's, halved with each half-life of the record's age at the run's logical time, but not below the source's
// floor. A record of unknown age has no more than the floor.
func (g *Golden) trust() string {
	sql := "CASE c._source"
	for _, s := range g.Entity.Sources {
		trust := fmt.Sprintf("%g", s.Trust)
		if s.HalfLife > 0 {
			age := fmt.Sprintf("(%s - %s)", g.Dialect.Epoch(g.at()), g.Dialect.Epoch("c._updated_at"))
			decayed := fmt.Sprintf("CAST(%g AS %s) * power(0.5, %s / %g)", s.Trust, g.Dialect.Type("DOUBLE"), age, s.HalfLife.Seconds())
			trust = fmt.Sprintf("CASE WHEN c._updated_at IS NULL THEN %g WHEN %s <= 0 THEN %g WHEN %s < %[1]g THEN %[1]g ELSE %[4]s END",
				s.Floor, age, s.Trust, decayed)
		}
		sql += " WHEN " + g.text(s.Name) + " THEN " + trust
	}
	return "CAST(" + sql + " END AS " + g.Dialect.Type("DOUBLE") + ")"
}

// related are the fields of a household whose standardized values are compared: those of the record that the golden value is from.
func (g *Golden) related(u *unit) []warehouse.Column {
	var out []warehouse.Column
	if u.collect != "" || u.custom != "" {
		return nil
	}
	for _, f := range u.fields {
		if g.standardized(f.Name) && slices.ContainsFunc(g.Entity.Relations, func(r *models.EntityRelation) bool {
			return slices.ContainsFunc(r.By, func(by string) bool { return strings.EqualFold(by, f.Name) })
		}) {
			out = append(out, f)
		}
	}
	return out
}

// standardized says whether the records file has a column of a field's name.
func (g *Golden) standardized(field string) bool {
	return slices.ContainsFunc(g.Plan.Columns, func(c match.Column) bool { return strings.EqualFold(c.Name, field) })
}

// candidates is a SELECT of the records with the raw fields that units need, with a join to m, which are the members.
func (g *Golden) candidates(units []*unit, hidden bool, join string) string {
	own, std := []string{"m._rec", "m.cluster AS _cluster", "m.source AS _source", "m.updated_at AS _updated_at"}, false
	seen := map[string]bool{}
	need := func(fields []warehouse.Column) {
		for _, f := range fields {
			if !seen[f.Name] {
				own = append(own, "r."+g.q(f.Name))
			}
			seen[f.Name] = true
		}
	}
	for _, u := range units {
		need(u.fields)
		if u.custom != "" || slices.Contains(u.by, models.MostComplete) || u.require != "" && u.require != requireValid {
			need(g.Fields)
		}
		if u.require == requireValid {
			std, own = true, append(own, fmt.Sprintf("s.%s IS NOT NULL AS %s", g.q(u.fields[0].Name), g.q(okColumn(u.fields[0].Name))))
		}
		if hidden {
			for _, f := range g.related(u) {
				std, own = true, append(own, "s."+g.q(f.Name)+" AS "+g.q(relColumn(f.Name)))
			}
		}
	}
	sql := fmt.Sprintf("SELECT %s\nFROM %s AS r\nJOIN %s AS m ON m._rec = r._rec", strings.Join(own, ", "), g.From.Raw, g.From.Members)
	if std {
		sql += fmt.Sprintf("\nJOIN %s AS s ON s._rec = r._rec", g.From.Records)
	}
	return sql + join
}

// Survivors are the golden records without their ids: cluster, records, sources, the columns of units and, with hidden, the standardized
// values that households are made by. Clusters of one record, most of them as a rule, do not pass through the aggregation.
func (g *Golden) Survivors() (string, error) {
	units, err := g.units()
	if err != nil {
		return "", err
	}
	return g.survivors(units, false), nil
}

func (g *Golden) survivors(units []*unit, hidden bool) string {
	several := "several AS (\n  SELECT cluster, count(*) AS records\n  FROM " + g.From.Members +
		" AS m\n  WHERE cluster IS NOT NULL\n  GROUP BY cluster\n  HAVING count(*) > 1\n)"
	if slices.ContainsFunc(units, func(u *unit) bool { return u.custom != "" }) { // which has to see every cluster
		several = strings.Replace(several, "\n  HAVING count(*) > 1", "", 1)
		return "WITH " + several + g.merged(units, hidden)
	}
	single := g.candidates(units, hidden, "\nWHERE NOT EXISTS (SELECT 1 FROM several AS n WHERE n.cluster = m.cluster)")
	return fmt.Sprintf("WITH %s%s\nUNION ALL\nSELECT c._cluster AS cluster, 1 AS records, %s AS sources%s\nFROM (\n%s\n) AS c", several,
		g.merged(units, hidden),
		g.one("c._source"), g.alone(units, hidden), single)
}

// one is a list of one value.
func (g *Golden) one(value string) string {
	if g.Dialect.Name == "snowflake" {
		return "TO_JSON(ARRAY_CONSTRUCT_COMPACT(" + value + "))"
	}
	return "list_value(" + value + ")"
}

// alone are the items of clusters of one record.
func (g *Golden) alone(units []*unit, hidden bool) string {
	items := ""
	for _, u := range units {
		for i, name := range u.columns() {
			value := "c." + g.q(u.fields[i].Name)
			if u.require != "" {
				value = "CASE WHEN " + g.competes(u) + " THEN " + value + " END"
			}
			if u.collect != "" {
				value = fmt.Sprintf("CASE WHEN %s THEN %s END", g.competes(u), g.one("c."+g.q(u.fields[i].Name)))
			}
			items += ", " + value + " AS " + g.q(name)
		}
		if hidden {
			for _, f := range g.related(u) {
				items += fmt.Sprintf(", CASE WHEN %s THEN c.%s END AS %[2]s", g.competes(u), g.q(relColumn(f.Name)))
			}
		}
	}
	return items
}

// merged are the golden records of the clusters in several.
func (g *Golden) merged(units []*unit, hidden bool) string {
	aggregates, items, with := ", "+g.sources()+" AS sources", "", ""
	join := "\nJOIN several AS n ON n.cluster = m.cluster"
	places, placed := g.places(units)
	from := "(\n" + placed(g.candidates(units, hidden, join)) + "\n) AS c"
	for _, u := range units {
		if u.counts() {
			with += fmt.Sprintf(",\nf%d AS (\n%s\n)", u.number, g.frequencies(u, join))
			from += fmt.Sprintf("\nLEFT JOIN f%d ON f%[1]d._cluster = c._cluster%s", u.number, g.sameValues(u, fmt.Sprintf("f%d", u.number)))
		}
		a, i := g.aggregate(u, places[u], hidden)
		aggregates, items = aggregates+a, items+i
	}
	return fmt.Sprintf("%s\nSELECT n.cluster, n.records, a.sources%s\nFROM several AS n\nJOIN (\nSELECT c._cluster%s\nFROM %s\nGROUP BY c._cluster\n) AS a ON a._cluster = n.cluster", with, items, aggregates, from)
}

// sources is a list of the sources of a cluster's records. With one source there is nothing to be told apart.
func (g *Golden) sources() string {
	if len(g.Plan.Sources) == 1 {
		return g.one("min(c._source)")
	}
	return g.Dialect.Entries("c._source", "c._rec", true)
}

// places are the orders of units. Where several have the same, a record's place in it is found once, and compared instead; placed adds it to
// the candidates.
func (g *Golden) places(units []*unit) (orders map[*unit][]warehouse.By, placed func(candidates string) string) {
	orders, same := map[*unit][]warehouse.By{}, map[string][]*unit{}
	var texts []string
	for _, u := range units {
		if u.custom != "" || u.collect != "" {
			continue
		}
		orders[u] = g.order(u)
		if u.counts() { // how often is not known yet
			continue
		}
		text := orderBy(orders[u])
		if same[text] == nil {
			texts = append(texts, text)
		}
		same[text] = append(same[text], u)
	}
	items := ""
	for _, text := range texts {
		if len(same[text]) < 2 {
			continue
		}
		place := fmt.Sprintf("_place%d", same[text][0].number)
		items += fmt.Sprintf(",\n  row_number() OVER (PARTITION BY c._cluster ORDER BY %s) AS %s", text, place)
		for _, u := range same[text] {
			orders[u] = []warehouse.By{{SQL: "c." + place, Least: true, Place: true}}
		}
	}
	if items == "" {
		return orders, func(candidates string) string { return candidates }
	}
	return orders, func(candidates string) string { return "SELECT c.*" + items + "\nFROM (\n" + candidates + "\n) AS c" }
}

// orderBy is an order as SQL.
func orderBy(order []warehouse.By) string {
	by := make([]string, len(order))
	for i, o := range order {
		direction := "DESC"
		if o.Least {
			direction = "ASC"
		}
		by[i] = o.SQL + " " + direction + " NULLS LAST"
	}
	return strings.Join(by, ", ")
}

// counts says whether a unit asks how often its values occur.
func (u *unit) counts() bool {
	return u.custom == "" && u.collect == "" && slices.Contains(u.by, models.MostFrequent)
}

// frequencies count a unit's values in each cluster.
func (g *Golden) frequencies(u *unit, join string) string {
	items, by := "c._cluster", "c._cluster"
	for i, f := range u.fields {
		items += fmt.Sprintf(", c.%s AS _v%d", g.q(f.Name), i)
		by += ", c." + g.q(f.Name)
	}
	plain := *u
	plain.by = nil
	return fmt.Sprintf("SELECT %s, count(*) AS _n\nFROM (\n%s\n) AS c\nWHERE %s\nGROUP BY %s", items, g.candidates([]*unit{&plain}, false,
		join), g.competes(u), by)
}

func (g *Golden) sameValues(u *unit, alias string) string {
	if len(u.fields) == 1 {
		return fmt.Sprintf(" AND %s._v0 = c.%s", alias, g.q(u.fields[0].Name))
	}
	sql := ""
	for i, f := range u.fields {
		sql += " AND " + g.Dialect.Same(fmt.Sprintf("%s._v%d", alias, i), "c."+g.q(f.Name))
	}
	return sql
}

// aggregate is a unit's item in the aggregation, and what is taken out of it.
func (g *Golden) aggregate(u *unit, order []warehouse.By, hidden bool) (aggregate, items string) {
	name := fmt.Sprintf("u%d", u.number)
	switch {
	case u.custom != "":
		return ", (" + u.custom + ") AS " + name, ", a." + name + " AS " + g.q(u.out)
	case u.collect != "":
		value := "c." + g.q(u.fields[0].Name)
		if u.require != "" {
			value = "CASE WHEN " + g.competes(u) + " THEN " + value + " END"
		}
		return ", " + g.Dialect.Entries(value, "c._rec", u.collect == "distinct") + " AS " + name, ", a." + name + " AS " + g.q(u.columns()[0])
	}
	var values, types []string
	columns := u.columns()
	for _, f := range u.fields {
		values, types = append(values, "c."+g.q(f.Name)), append(types, f.Type)
	}
	if hidden {
		for _, f := range g.related(u) {
			columns = append(columns, relColumn(f.Name))
			values, types = append(values, "c."+g.q(relColumn(f.Name))), append(types, g.typeOf(f.Name))
		}
	}
	for i := range values {
		items += ", " + g.Dialect.Part("a."+name, i, len(values), types[i]) + " AS " + g.q(columns[i])
	}
	return ", " + g.Dialect.Best(values, order, g.competes(u)) + " AS " + name, items
}

// typeOf is the type of a standardized column.
func (g *Golden) typeOf(field string) string {
	for _, c := range g.Plan.Columns {
		if strings.EqualFold(c.Name, field) {
			return [...]string{match.Text: "VARCHAR", match.Number: "DOUBLE", match.Date: "DATE", match.List: "VARCHAR[]"}[c.Kind]
		}
	}
	return "VARCHAR"
}

// Golden are the golden records. Columns must be known when the table was published before.
func (g *Golden) Golden() (string, error) {
	units, err := g.units()
	if err != nil {
		return "", err
	}
	items, joins := "", ""
	for _, u := range units {
		for i := range u.columns() {
			item, join := g.override(u, i)
			items, joins = items+", "+item, joins+join
		}
	}
	for i, r := range g.Entity.Relations {
		items += fmt.Sprintf(", CAST(r%d.id AS %s) AS %s", i, g.Dialect.Type("VARCHAR"), g.q(relationColumn(r)))
		joins += fmt.Sprintf("\nLEFT JOIN %s AS r%d ON r%[2]d.cluster = s.cluster", g.From.Related[i], i)
	}
	now := fmt.Sprintf("SELECT %s AS golden_id%s, CAST(s.records AS %s) AS records, s.sources",
		g.unpacked("i.golden_id"), items, g.Dialect.Type("BIGINT"))
	from := fmt.Sprintf("\nFROM (\n%s\n) AS s\nJOIN %s AS i ON i.cluster = s.cluster%s", g.survivors(units, false), g.From.IDs, joins)
	if g.From.Golden == "" {
		return fmt.Sprintf("SELECT g.*, %s AS first_seen, %[1]s AS last_changed\nFROM (\n%s%s\n) AS g", g.at(), now, from), nil
	}
	own, changed := "", g.at()
	for _, c := range g.Columns {
		own += "g." + g.q(c.Name) + ", "
	}
	hash := "0"
	if of, ok := g.rowHash("p"); ok {
		now, _ := g.rowHash("g")
		hash, changed = of, fmt.Sprintf("CASE WHEN g._was_hash = %s THEN g._was_changed ELSE %s END", now, g.at())
	}
	return fmt.Sprintf(`SELECT %scoalesce(g._was_seen, %s) AS first_seen, %s AS last_changed
FROM (
%s, p.first_seen AS _was_seen, p.last_changed AS _was_changed, p.hash AS _was_hash%s
LEFT JOIN (SELECT %s AS golden_id, first_seen, last_changed, %s AS hash FROM %s AS p) AS p ON p.golden_id = i.golden_id
) AS g`, own, g.at(), changed, now, from, g.packed("golden_id"), hash, g.From.Golden), nil
}

// rowHash is the hash of a golden record's values behind its id, when the published ones have the same columns.
func (g *Golden) rowHash(alias string) (string, bool) {
	var values []string
	var types []warehouse.Type
	for _, c := range g.Columns {
		t, err := warehouse.ParseType(c.Type)
		if err != nil || !slices.Contains(g.Before, c) {
			return "", false
		}
		if c.Name != "golden_id" {
			values, types = append(values, alias+"."+g.q(c.Name)), append(types, t)
		}
	}
	return g.Dialect.RowHash(values, types), len(values) > 0 && len(g.Before) == len(g.Columns)
}

// relationColumn is the golden record's column for a relation: household_id, parent_company_id.
func relationColumn(r *models.EntityRelation) string { return r.Column() }
