package profile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Proposal is a check that the rows pass, with the reason to think that those of tomorrow should pass it too.
type Proposal struct {
	Kind    string   `json:"kind"` // as in models
	Columns []string `json:"columns,omitempty"`
	Args    []Arg    `json:"args,omitempty"`
	Why     string   `json:"why"`
	fails   string   // the condition of rows that fail it; "": it was proven otherwise
}

// Arg is an argument of a check: a text, a Literal, or texts.
type Arg struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// Literal is written into YAML as it stands: a number, or a word of ours.
type Literal string

// How much there must be before a check is proposed.
const (
	leastRows     = 20  // for what holds for all rows without an exception
	leastEvidence = 100 // for what is generalised from the values
	mostAccepted  = topCounted - 1
)

// propose derives checks, and keeps those that all rows pass.
func (p *profiling) propose(ctx context.Context) error {
	all := p.ofTable()
	for _, c := range p.columns {
		if c.Nulls == 0 && p.out.Rows >= leastRows {
			all = append(all, Proposal{Kind: "not_null", Columns: []string{c.Name}, Why: fmt.Sprintf("no NULL in %s rows", thousands(p.out.Rows)), fails: p.d.QuoteIdent(c.Name) + " IS NULL"})
		}
	}
	all = append(all, p.unique()...)
	for _, c := range p.columns {
		all = append(all, p.ofColumn(c)...)
	}
	all = slices.DeleteFunc(all, func(x Proposal) bool { return p.has(x) })
	for batch := range slices.Chunk(all, tryBatch) {
		passed, err := p.passed(ctx, batch)
		if err != nil {
			return fmt.Errorf("try the proposals: %w", err)
		}
		p.out.Proposals = append(p.out.Proposals, passed...)
	}
	return nil
}

// passed tries the proposals on the rows, all in one scan.
func (p *profiling) passed(ctx context.Context, batch []Proposal) ([]Proposal, error) {
	conditions := []string{"false"}
	for _, x := range batch {
		if x.fails != "" {
			conditions = append(conditions, x.fails)
		}
	}
	r, err := p.e.Query(ctx, failingSQL(p.rows(p.tried(batch)...), conditions))
	if err != nil {
		return nil, err
	}
	counts, kept := r.Rows[0][1:], []Proposal(nil)
	for _, x := range batch {
		if x.fails != "" {
			n := whole(counts[0])
			if counts = counts[1:]; n > 0 {
				continue
			}
		}
		kept = append(kept, x)
	}
	return kept, nil
}

// tried are the columns that proposals speak of: at least one, of which to make rows.
func (p *profiling) tried(batch []Proposal) []*column {
	columns := p.columns[:1:1]
	for _, x := range batch {
		for _, name := range x.Columns {
			if c := p.column(name); !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
	}
	return columns
}

// has says whether the table has such a check already.
func (p *profiling) has(x Proposal) bool {
	for _, c := range p.Have {
		if c.Kind != x.Kind {
			continue
		}
		same := len(c.Columns) == len(x.Columns) || c.Kind == "not_null"
		for _, column := range x.Columns {
			same = same && slices.ContainsFunc(c.Columns, func(s string) bool { return strings.EqualFold(s, column) })
		}
		if same {
			return true
		}
	}
	return false
}

// ofTable proposes row_count and freshness.
func (p *profiling) ofTable() []Proposal {
	var all []Proposal
	if rows := p.out.Rows; rows >= leastEvidence && p.out.Of == 0 {
		least := int64(niceDown(float64(rows) / 2))
		all = append(all, Proposal{Kind: "row_count", Args: []Arg{{"min", Literal(strconv.FormatInt(least, 10))}},
			Why: fmt.Sprintf("%s rows now: half of them missing is most likely a broken delivery", thousands(rows))})
	}
	var best *column
	for _, c := range p.columns {
		if c.Time == nil || c.Masked || c.Time.NewestAge == nil || c.Time.Infinite > 0 || c.Values < leastEvidence || c.Distinct < 10 {
			continue
		}
		age := time.Duration(*c.Time.NewestAge) * time.Second
		if age < -time.Hour || age > 7*24*time.Hour {
			continue
		}
		if best == nil || *c.Time.NewestAge < *best.Time.NewestAge {
			best = c
		}
	}
	if best != nil {
		days := max(1, (*best.Time.NewestAge+24*60*60-1)/(24*60*60))
		all = append(all, Proposal{Kind: "freshness", Columns: []string{best.Name},
			Args: []Arg{{"warn_after", Literal(fmt.Sprintf("%dh", 2*days*24))}, {"error_after", Literal(fmt.Sprintf("%dh", 4*days*24))}},
			Why:  fmt.Sprintf("its newest value is younger than %d h: alert when nothing new arrives", days*24)})
	}
	return all
}

// unique proposes keys that are no coincidence.
func (p *profiling) unique() []Proposal {
	if p.out.Of > 0 || p.out.Rows < leastRows { // a sample cannot show that a value never occurs twice
		return nil
	}
	var all []Proposal
	for _, key := range p.out.Keys {
		if len(key) == 1 && identifies(p.column(key[0])) {
			all = append(all, Proposal{Kind: "unique", Columns: key, Why: fmt.Sprintf("%s rows, as many values", thousands(p.out.Rows))})
		}
	}
	for _, key := range p.out.Keys {
		if len(key) == 2 && meant(p.out.Rows, p.column(key[0]).Distinct, p.column(key[1]).Distinct) {
			why := fmt.Sprintf("no pair repeats in %s rows, though by chance many would", thousands(p.out.Rows))
			return append(all, Proposal{Kind: "unique", Columns: key, Why: why})
		}
	}
	return all
}

func (p *profiling) column(name string) *column {
	return p.columns[slices.IndexFunc(p.columns, func(c *column) bool { return c.Name == name })]
}

// identifies leaves out keys that are unique as long as there are few rows: times, names with blanks.
func identifies(c *column) bool {
	switch c.Kind {
	case Number:
		return true
	case Text:
		return c.Length.Max <= longestShape && c.Text.Empty == 0 && !slices.ContainsFunc(c.Text.Shapes, func(s Pattern) bool { return strings.ContainsRune(s.Name, ' ') })
	}
	return c.Type == "UUID"
}

// ofColumn proposes what the values of one column suggest.
func (p *profiling) ofColumn(c *column) []Proposal {
	if c.Values < leastEvidence {
		return nil
	}
	q := p.d.QuoteIdent(c.Name)
	switch c.Kind {
	case Number:
		if x := rangeOf(c, q); x != nil {
			return []Proposal{*x}
		}
	case Text:
		for _, propose := range []func(*column, string) *Proposal{p.accepted, p.regex, length} {
			if x := propose(c, text(c, q)); x != nil {
				return []Proposal{*x}
			}
		}
	}
	return nil
}

// accepted proposes the values of a text that has few, each of them often.
func (p *profiling) accepted(c *column, q string) *Proposal {
	few := c.Distinct >= 2 && c.Distinct <= mostAccepted && int64(len(c.top)) == c.Distinct && c.Values >= 10*c.Distinct
	if c.Masked || c.Sketched || !few || c.least < 3 || c.Text.Empty > 0 {
		return nil
	}
	var values []string
	var quoted []string
	for _, v := range c.top {
		if len(v.Value) > 60 || strings.ContainsFunc(v.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil
		}
		values, quoted = append(values, v.Value), append(quoted, p.d.QuoteLiteral(v.Value))
	}
	slices.Sort(values)
	return &Proposal{Kind: "accepted_values", Columns: []string{c.Name}, Args: []Arg{{"values", values}},
		Why:   fmt.Sprintf("only %d values in %s rows, the rarest %d times", c.Distinct, thousands(c.Values), c.least),
		fails: q + " NOT IN (" + strings.Join(quoted, ", ") + ")"}
}

// regex proposes the one form that all values have.
func (p *profiling) regex(c *column, q string) *Proposal {
	if c.Distinct < leastRows {
		return nil
	}
	found, why := "", ""
	for _, pattern := range patterns() {
		for _, seen := range c.Text.Patterns {
			if seen.Name == pattern.name && seen.Rows == c.Values && (seen.Name == "email" || seen.Name == "uuid") {
				found, why = pattern.regex, "all "+thousands(c.Values)+" values look like "+map[string]string{"email": "e-mail addresses", "uuid": "UUIDs"}[seen.Name]
			}
		}
	}
	if found == "" && !c.Masked {
		found = commonShape(c)
		why = fmt.Sprintf("all %s values have this form, as in %s", thousands(c.Values), firstShape(c))
	}
	if found == "" {
		return nil
	}
	return &Proposal{Kind: "regex", Columns: []string{c.Name}, Args: []Arg{{"pattern", found}}, Why: why,
		fails: "NOT regexp_full_match(" + q + ", " + p.d.QuoteLiteral(found) + ")"}
}

func firstShape(c *column) string {
	if len(c.Text.Shapes) == 0 {
		return ""
	}
	return c.Text.Shapes[0].Name
}

// length proposes the one length that all texts have, or that none is empty.
func length(c *column, q string) *Proposal {
	n := c.Length
	if !c.Masked && n.Min == n.Max && n.Max > 0 && n.Max <= 100 && c.Distinct >= 10 {
		size := Literal(strconv.FormatInt(n.Min, 10))
		return &Proposal{Kind: "length", Columns: []string{c.Name}, Args: []Arg{{"min", size}, {"max", size}},
			Why: fmt.Sprintf("all %s values have %d characters", thousands(c.Values), n.Min), fails: fmt.Sprintf("length(%s) <> %d", q, n.Min)}
	}
	if n.Min == 0 || c.Distinct < 2 {
		return nil
	}
	return &Proposal{Kind: "length", Columns: []string{c.Name}, Args: []Arg{{"min", Literal("1")}},
		Why: fmt.Sprintf("none of %s values is empty", thousands(c.Values)), fails: "length(" + q + ") < 1"}
}

// commonShape is a regular expression for all shapes of a column, or "" when they differ in more than the lengths of
// their runs, or say too little.
func commonShape(c *column) string {
	var common []run
	seen := int64(0)
	for _, s := range c.Text.Shapes {
		runs := runsOf(s.Name)
		seen += s.Rows
		if runs == nil || common != nil && len(common) != len(runs) {
			return ""
		}
		for i := range common {
			if common[i].class != runs[i].class {
				return ""
			}
			common[i].least, common[i].most = min(common[i].least, runs[i].least), max(common[i].most, runs[i].most)
		}
		if common == nil {
			common = runs
		}
	}
	of := c.Values
	if c.Text.Sampled > 0 {
		of = c.Text.Sampled
	}
	if seen != of || len(c.Text.Shapes) >= topCounted {
		return ""
	}
	return expression(common)
}

// run is a sequence of characters of one class: A, a, 9, or a mark that stands for itself.
type run struct {
	class       rune
	least, most int
}

// runsOf takes a shape apart; nil when it has blanks, or letters of other alphabets.
func runsOf(shape string) []run {
	var runs []run
	for _, r := range shape {
		if r != 'A' && r != 'a' && r != '9' && !strings.ContainsRune("-_/.:#+@", r) {
			return nil
		}
		if n := len(runs); n > 0 && runs[n-1].class == r {
			runs[n-1].least++
			runs[n-1].most++
			continue
		}
		runs = append(runs, run{r, 1, 1})
	}
	return runs
}

// expression spells runs. Letters alone, of any number, are words: no form to insist on.
func expression(runs []run) string {
	var b strings.Builder
	says := false
	for _, r := range runs {
		switch r.class {
		case 'A', 'a', '9':
			b.WriteString(map[rune]string{'A': "[A-Z]", 'a': "[a-z]", '9': "[0-9]"}[r.class])
			says = says || r.class == '9' || r.least == r.most && len(runs) == 1
		default:
			b.WriteString("[" + string(r.class) + "]")
			if r.class == '-' {
				says = says || len(runs) > 3
			} else {
				says = true
			}
		}
		switch {
		case r.least != r.most:
			b.WriteString("+")
		case r.least > 1:
			fmt.Fprintf(&b, "{%d}", r.least)
		}
	}
	if !says || len(runs) > 12 {
		return ""
	}
	return b.String()
}

// rangeOf proposes bounds for a number.
func rangeOf(c *column, q string) *Proposal {
	if c.Masked || !c.bounded || c.Number.NaN > 0 || c.Number.Infinite > 0 || c.Distinct < 2 || math.Max(math.Abs(c.lo), math.Abs(c.hi)) > 1e12 {
		return nil
	}
	lo, hi, why := domain(c)
	warn := false
	if why == "" {
		lo, hi, why, warn = guess(c)
	}
	if why == "" {
		return nil
	}
	x := &Proposal{Kind: "range", Columns: []string{c.Name}, Why: why}
	var fails []string
	if lo != nil {
		x.Args = append(x.Args, Arg{"min", number(*lo)})
		fails = append(fails, q+" < "+literal(*lo))
	}
	if hi != nil {
		x.Args = append(x.Args, Arg{"max", number(*hi)})
		fails = append(fails, q+" > "+literal(*hi))
	}
	if warn {
		x.Args = append(x.Args, Arg{"severity", Literal("warn")})
	}
	x.fails = strings.Join(fails, " OR ")
	return x
}

func number(f float64) Literal { return Literal(strconv.FormatFloat(f, 'f', -1, 64)) }

// domain knows the bounds of some measures by their name, when the values agree.
func domain(c *column) (lo, hi *float64, why string) {
	words := strings.FieldsFunc(strings.ToLower(c.Name), func(r rune) bool { return !unicode.IsLetter(r) })
	for _, known := range []struct {
		words  string
		lo, hi float64
		why    string
	}{
		{"lat latitude", -90, 90, "degrees of latitude"}, {"lon lng long longitude", -180, 180, "degrees of longitude"},
		{"share ratio probability", 0, 1, "a share"}, {"percent pct percentage", 0, 100, "a percentage"},
		{"hour", 0, 24, "an hour of the day"}, {"month", 1, 12, "a month"}, {"year", 1900, 2100, "a year"},
	} {
		named := slices.ContainsFunc(words, func(w string) bool { return slices.Contains(strings.Fields(known.words), w) })
		if named && c.lo >= known.lo && c.hi <= known.hi {
			return &known.lo, &known.hi, fmt.Sprintf("%s by its name, and the values %s to %s agree", known.why, *c.Min, *c.Max)
		}
	}
	return nil, nil, ""
}

// guess finds bounds with room to spare, where the values have ends: they catch wrong units and signs, not outliers.
func guess(c *column) (lo, hi *float64, why string, warn bool) {
	q := map[float64]float64{}
	for _, quantile := range c.Number.Quantiles {
		q[quantile.Percent], _ = strconv.ParseFloat(quantile.Value, 64)
	}
	span, body := c.hi-c.lo, q[95]-q[5]
	seen := fmt.Sprintf("values from %s to %s", *c.Min, *c.Max)
	if c.lo >= 0 {
		zero := 0.0
		lo, why = &zero, "none of "+thousands(c.Values)+" values is negative"
	}
	if c.Unique || counts(c.Name) { // numbers that are given away grow without end
		return lo, nil, why, false
	}
	if body > 0 && c.hi <= q[95]+5*body {
		top := niceUp(c.hi + span)
		hi, why, warn = &top, seen+": beyond twice that range the unit is most likely wrong", true
	}
	if lo == nil && body > 0 && c.lo >= q[5]-5*body {
		bottom := niceDown(c.lo - span)
		lo, why, warn = &bottom, seen+": beyond twice that range the unit is most likely wrong", true
	}
	return lo, hi, why, warn
}

// counts says whether a column is named like a number that is given away.
func counts(name string) bool {
	name = strings.ToLower(name)
	for _, end := range []string{"id", "no", "nr", "number", "key", "code", "num"} {
		if name == end || strings.HasSuffix(name, "_"+end) || strings.HasSuffix(name, " "+end) {
			return true
		}
	}
	return false
}

// niceUp is the least of 1, 2, 2.5, 5 times a power of ten that is not less than x.
func niceUp(x float64) float64 {
	if x == 0 {
		return 0
	}
	if x < 0 {
		return -niceDown(-x)
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= x {
			return tidy(m * power)
		}
	}
	return tidy(10 * power)
}

// niceDown is the greatest such number that is not greater than x.
func niceDown(x float64) float64 {
	if x == 0 {
		return 0
	}
	if x < 0 {
		return -niceUp(-x)
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{5, 2.5, 2, 1} {
		if m*power <= x {
			return tidy(m * power)
		}
	}
	return tidy(power)
}

// tidy takes the dust of binary fractions away.
func tidy(x float64) float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	return f
}

// thousands is a count for people.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
