package match

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// SQLPlan runs a plan as plain SQL. It gives every pair the level that Reference gives it, and is slower by far than the engine: it is what
// tests hold the engine against, and the way into a warehouse that records do not leave. Each method returns one SELECT.
type SQLPlan struct {
	plan     *Plan
	d        *warehouse.Dialect
	from     SQLInput
	prepared []string // items of the records as they are compared
	joins    string
	measures []string // of a pair, computed once
	levels   []string // of comparisons, over the measures
}

// SQLInput are table expressions.
type SQLInput struct {
	Records string
	// Words and Grams are term and weight (see Terms), by column, for the columns that Cosine and Cosine3 look at.
	Words, Grams map[int]string
}

// NewSQLPlan compiles a plan. What the engine cannot say exactly is an error that names the comparison and the level.
func NewSQLPlan(p *Plan, d *warehouse.Dialect, from SQLInput) (*SQLPlan, error) {
	s := &SQLPlan{plan: p, d: d, from: from}
	for i := range p.Rules {
		if p.Rules[i].Similar != nil {
			return nil,
				fmt.Errorf("block %q: the nearest texts of all are found by the engine alone, SQL compares what agrees in keys: give it keys",
					p.Rules[i].Name)
		}
	}
	for i := range p.Comparisons {
		sql, err := s.comparison(&p.Comparisons[i])
		if err != nil {
			return nil, fmt.Errorf("in %s: %w", d.Name, err)
		}
		s.levels = append(s.levels, sql)
	}
	return s, nil
}

// Oversized are the blocks that have more records than their rule allows: rule, records.
func (s *SQLPlan) Oversized() string {
	var all []string
	for i, r := range s.plan.Rules {
		if r.MaxBlock > 0 {
			all = append(all, fmt.Sprintf("SELECT %d AS rule, n AS records FROM (%s) AS o", i, s.oversized(&s.plan.Rules[i])))
		}
	}
	if len(all) == 0 {
		return "SELECT 0 AS rule, 0 AS records WHERE 1 = 0"
	}
	return union(all...)
}

func (s *SQLPlan) oversized(r *Rule) string {
	keys := s.columns("r", r.Keys)
	return fmt.Sprintf("SELECT %s, count(*) AS n FROM %s AS r WHERE %s IS NOT NULL GROUP BY %[1]s HAVING count(*) > %[4]d",
		strings.Join(keys, ", "), s.from.Records, strings.Join(keys, " IS NOT NULL AND "), r.MaxBlock)
}

func (s *SQLPlan) columns(alias string, of []int) []string {
	out := make([]string, len(of))
	for i, c := range of {
		out[i] = alias + "." + s.column(c)
	}
	return out
}

func (s *SQLPlan) column(c int) string { return s.d.QuoteIdent(s.plan.Columns[c].Name) }

// records are those that are compared, with what is computed of each one only once.
func (s *SQLPlan) records() string {
	items := []string{"r._rec", "r._source"}
	for i, c := range s.plan.Columns {
		value := "r." + s.column(i)
		switch c.Kind {
		case Number: // NaN is none
			value = fmt.Sprintf("CASE WHEN NOT (%s) THEN %s END", s.d.IsNaN(value), value)
		case List: // and neither is a list of nothing
			value = fmt.Sprintf("CASE WHEN %s > 0 THEN %s END", s.d.Similar.Size(s.d.Similar.Stored(value)), s.d.Similar.Stored(value))
		}
		items = append(items, value+" AS "+s.column(i))
	}
	sql := "SELECT " + strings.Join(append(items, s.prepared...), ", ")
	for i, r := range s.plan.Rules {
		if r.MaxBlock > 0 && r.Overflow != Refuse {
			keys := s.columns("r", r.Keys)
			same := make([]string, len(keys))
			for k := range keys {
				same[k] = "o." + s.column(r.Keys[k]) + " = " + keys[k]
			}
			sql += fmt.Sprintf(", EXISTS (SELECT 1 FROM (%s) AS o WHERE %s) AS _over%d", s.oversized(&s.plan.Rules[i]), strings.Join(same,
				" AND "), i)
		}
	}
	return sql + "\nFROM " + s.from.Records + " AS r" + s.joins
}

// holds is the condition for a rule to make a pair a candidate; it may be NULL.
func (s *SQLPlan) holds(rule int) string {
	r := &s.plan.Rules[rule]
	var parts []string
	for _, c := range r.Keys {
		parts = append(parts, "a."+s.column(c)+" = b."+s.column(c))
	}
	if r.MaxBlock > 0 && r.Overflow != Refuse {
		parts = append(parts, fmt.Sprintf("NOT a._over%d", rule))
	}
	return strings.Join(parts, " AND ")
}

// candidates are the pairs of one rule which no earlier rule has: a, b, rules and pattern.
func (s *SQLPlan) candidates(rule int) string {
	rules := strconv.Itoa(1 << rule)
	for later := rule + 1; later < len(s.plan.Rules); later++ {
		rules += fmt.Sprintf(" + CASE WHEN %s THEN %d ELSE 0 END", s.holds(later), 1<<later)
	}
	where := "a._rec < b._rec"
	for earlier := range rule {
		where += "\n  AND NOT coalesce(" + s.holds(earlier) + ", false)"
	}
	if free := s.duplicateFree(); free != "" {
		where += "\n  AND NOT (a._source = b._source AND a._source IN (" + free + "))"
	}
	return s.compare("records AS a JOIN records AS b ON "+s.holds(rule), where, "CAST("+rules+" AS "+s.d.Type("BIGINT")+")")
}

func (s *SQLPlan) duplicateFree() string {
	var free []string
	for i, source := range s.plan.Sources {
		if source.DuplicateFree {
			free = append(free, strconv.Itoa(i))
		}
	}
	return strings.Join(free, ", ")
}

// compare gives the pairs of a join their patterns.
func (s *SQLPlan) compare(from, where, rules string) string {
	items := []string{"a._rec AS a", "b._rec AS b", rules + " AS rules"}
	items = append(items, s.measures...)
	packed := make([]string, len(s.levels))
	for i, l := range s.levels {
		packed[i] = fmt.Sprintf("CAST(%s AS %s) * %d", l, s.d.Type("BIGINT"), uint64(1)<<(4*i))
	}
	if len(packed) == 0 {
		packed = []string{"CAST(0 AS " + s.d.Type("BIGINT") + ")"}
	}
	if where != "" {
		where = "\n  WHERE " + where
	}
	return fmt.Sprintf("SELECT p.a, p.b, p.rules,\n  %s AS pattern\nFROM (\n  SELECT %s\n  FROM %s%s\n) AS p", strings.Join(packed,
		"\n  + "), strings.Join(items, ", "), from, where)
}

// Candidates are all pairs with their rules and patterns: each rule's own, behind each other.
func (s *SQLPlan) Candidates() string {
	all := make([]string, len(s.plan.Rules))
	for i := range s.plan.Rules {
		all[i] = s.candidates(i)
	}
	return "WITH records AS (\n" + s.records() + "\n)\n" + union(all...)
}

// Rule are the candidates of one rule that no earlier one has.
func (s *SQLPlan) Rule(rule int) string {
	return "WITH records AS (\n" + s.records() + "\n)\n" + s.candidates(rule)
}

// Count counts candidates by their pattern and rules.
func (s *SQLPlan) Count() string {
	return "SELECT pattern, rules, count(*) AS pairs\nFROM (\n" + s.Candidates() + "\n) AS c\nGROUP BY pattern, rules"
}

// Edges are the candidates whose pattern is in a relation of pattern, weight and verdict.
func (s *SQLPlan) Edges(weights string) string {
	return "SELECT c.a, c.b, c.rules, c.pattern, w.weight, w.verdict\nFROM (\n" + s.Candidates() + "\n) AS c\nJOIN " + weights +
		" AS w ON w.pattern = c.pattern"
}

// Patterns compares the pairs of a relation of a and b, whether or not they are candidates.
func (s *SQLPlan) Patterns(pairs string) string {
	return "WITH records AS (\n" + s.records() + "\n)\n" +
		s.compare(pairs+" AS q JOIN records AS a ON a._rec = q.a JOIN records AS b ON b._rec = q.b", "", "0")
}

// comparison is the level of a comparison, over what is measured of a pair.
func (s *SQLPlan) comparison(c *Comparison) (string, error) {
	var null []string
	for _, col := range c.Columns {
		null = append(null, "a."+s.column(col)+" IS NULL", "b."+s.column(col)+" IS NULL")
	}
	sql := "CASE WHEN " + s.measure("("+strings.Join(null, " OR ")+")") + " THEN 0"
	for i := range c.Levels {
		condition, err := s.level(&c.Levels[i])
		if err != nil {
			return "", fmt.Errorf("comparison %q, level %q: %w", c.Name, c.Levels[i].Name, err)
		}
		sql += fmt.Sprintf(" WHEN %s THEN %d", condition, i+1)
	}
	return sql + fmt.Sprintf(" ELSE %d END", len(c.Levels)+1), nil
}

// measure computes an expression over a and b once for each pair, and gives the name that it has then.
func (s *SQLPlan) measure(sql string) string {
	for i, m := range s.measures {
		if strings.HasPrefix(m, sql+" AS ") {
			return fmt.Sprintf("p._m%d", i)
		}
	}
	s.measures = append(s.measures, fmt.Sprintf("%s AS _m%d", sql, len(s.measures)))
	return fmt.Sprintf("p._m%d", len(s.measures)-1)
}

// prepare computes an expression over r once for each record, and gives the name that it has then.
func (s *SQLPlan) prepare(sql string) string {
	for i, p := range s.prepared {
		if strings.HasPrefix(p, sql+" AS ") {
			return fmt.Sprintf("_p%d", i)
		}
	}
	s.prepared = append(s.prepared, fmt.Sprintf("%s AS _p%d", sql, len(s.prepared)))
	return fmt.Sprintf("_p%d", len(s.prepared)-1)
}

// level is a condition; NULL is as good as false.
func (s *SQLPlan) level(l *Level) (string, error) {
	kind, column := s.plan.Columns[l.Columns[0]].Kind, s.column(l.Columns[0])
	a, b := "a."+column, "b."+column
	double := "CAST(" + strconv.FormatFloat(l.Arg, 'g', -1, 64) + " AS " + s.d.Type("DOUBLE") + ")"
	ok := func(sql string) (string, error) { return s.measure("(" + sql + ")"), nil }
	switch {
	case l.Op == Exact:
		return ok(a + " = " + b)
	case l.Op == Swapped:
		other := s.column(l.Columns[1])
		return ok(a + " = b." + other + " AND a." + other + " = " + b)
	case l.Op == Overlap && kind == List:
		return ok(s.d.Similar.Common(a, b) + " >= " + double)
	case kind == Number || kind == Date:
		return s.near(l, a, b, double, ok)
	case kind != Text:
		return "", fmt.Errorf("it does not compare lists")
	}
	return s.alike(l, a, b, double, ok)
}

// near compares numbers, dates and places.
func (s *SQLPlan) near(l *Level, a, b, double string, ok func(string) (string, error)) (string, error) {
	if s.plan.Columns[l.Columns[0]].Kind == Date {
		if l.Op != Days && l.Op != Within {
			return "", fmt.Errorf("it does not compare dates")
		}
		return ok("abs(" + s.d.Similar.Days(a, b) + ") <= " + double)
	}
	switch l.Op {
	case Within, Days:
		return ok("abs(" + a + " - " + b + ") <= " + double)
	case Percent:
		return ok(fmt.Sprintf("abs(%s - %s) * 100 <= %s * greatest(abs(%[1]s), abs(%[2]s))", a, b, double))
	case Distance:
		other := s.column(l.Columns[1])
		degree := "CAST(" + strconv.FormatFloat(math.Pi/180, 'g', -1, 64) + " AS " + s.d.Type("DOUBLE") + ")"
		half := func(x, y string) string { return "sin((" + y + " - " + x + ") * " + degree + " / 2)" }
		h := fmt.Sprintf("%[1]s * %[1]s + cos(%[3]s * %[5]s) * cos(%[4]s * %[5]s) * %[2]s * %[2]s", half(a, b), half("a."+other, "b."+other),
			a, b, degree)
		return ok("2 * 6371.0088 * asin(sqrt(least(1, " + h + "))) <= " + double)
	}
	return "", fmt.Errorf("it does not compare numbers")
}

// alike compares texts.
func (s *SQLPlan) alike(l *Level, a, b, double string, ok func(string) (string, error)) (string, error) {
	like := &s.d.Similar
	switch l.Op {
	case JaroWinkler:
		sql, err := like.JaroWinkler(a, b, s.plan.Columns[l.Columns[0]].Lower)
		if err != nil {
			return "", err
		}
		return like.Reaches(s.measure(sql), l.Arg)
	case Levenshtein:
		return s.measure(like.Levenshtein(a, b)) + " <= " + double, nil
	case OSA:
		sql, err := like.OSA(a, b, int(math.Floor(l.Arg)))
		if err != nil {
			return "", err
		}
		return ok(sql)
	case TokenSet, Contains:
		words := s.prepare(like.Words("r." + s.column(l.Columns[0])))
		m, n := like.Size("a."+words), like.Size("b."+words)
		common := s.measure(like.Common("a."+words, "b."+words))
		least, sum := s.measure(fmt.Sprintf("CASE WHEN %s < %s THEN %[1]s ELSE %[2]s END", m, n)), s.measure(m+" + "+n)
		if l.Op == Contains {
			return fmt.Sprintf("(%s = %s AND %[2]s >= %s)", common, least, double), nil
		}
		return fmt.Sprintf("(%s > 0 AND CAST(%s AS %s) / CAST(nullif(%[1]s - %[2]s, 0) AS %[3]s) >= %[4]s)", sum, common, s.d.Type("DOUBLE"),
			double), nil
	case Cosine, Cosine3:
		return s.cosine(l, double)
	}
	return "", fmt.Errorf("it does not compare texts")
}

// cosine compares the weighed terms of records, which are joined to them.
func (s *SQLPlan) cosine(l *Level, double string) (string, error) {
	column := l.Columns[0]
	weights, kind := s.from.Words[column], "w"
	if l.Op == Cosine3 {
		weights, kind = s.from.Grams[column], "g"
	}
	if weights == "" {
		return "", fmt.Errorf("the weights of its terms are not given")
	}
	alias := fmt.Sprintf("_%s%d", kind, column)
	if !slices.Contains(strings.Fields(s.joins), alias) {
		s.joins += "\nLEFT JOIN (" + s.d.Similar.Weighed(s.d.Similar.Terms(s.from.Records, s.column(column), l.Op == Cosine3), weights) +
			") AS " + alias + " ON " + alias + "._rec = r._rec"
	}
	terms, square := s.prepare(alias+".terms"), s.prepare(alias+".square")
	measure := s.measure(fmt.Sprintf("%s / sqrt(a.%s * b.%[2]s)", s.d.Similar.Shared("a."+terms, "b."+terms), square))
	return measure + " >= " + double, nil
}

// union puts SELECTs of the same columns together.
func union(selects ...string) string { return strings.Join(selects, "\nUNION ALL\n") }
