package match

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
)

// role is what a field looks like, by what decides how it is compared.
type role int

const (
	roleName   role = iota // a short text: a name, a city
	roleCode               // a short text with digits: a number of something, a postcode, a telephone number
	roleText               // words: a title, a description, an address
	roleEmail              //
	roleDate               //
	roleYear               //
	roleAmount             // a number that may be a little different
	roleKind               // one of a few values
	rolePlace
	roleTexts // several texts taken together
	roleCodes // the codes in texts
)

// Default thresholds and bounds.
const (
	defaultAuto      = models.UsualAuto
	defaultAutoOne   = models.UsualAutoOne
	defaultReview    = models.UsualReview
	defaultMaxSize   = 100
	defaultMinMean   = 3
	exhaustivePairs  = 1_200_000 // up to which each record is compared with each
	similarRecords   = 30_000    // up to which the nearest records by all their words are candidates
	similarTop       = 10
	pairsPerRecord   = 200 // that blocking may make by default
	leastPairsBudget = 2_000_000
	mostComparisons  = 15
	usualMaxPairs    = 2_000_000_000 // that a run compares when the file does not say
	mostKeyRules     = 24
)

// Defaults fills in what an entity's file leaves open: levels, blocking rules, thresholds and how edges become clusters, from the fields'
// names, steps and figures.
func Defaults(e *models.Entity, p Profile) {
	d := &defaulter{e, p}
	d.cluster()
	if e.Auto == 0 {
		e.Auto = defaultAuto
		if e.Cluster.Method == "one_to_one" {
			e.Auto = defaultAutoOne
		}
	}
	if e.Review == 0 {
		e.Review = min(defaultReview, e.Auto)
	}
	if e.MaxPairs == 0 {
		e.MaxPairs = usualMaxPairs
	}
	d.comparisons()
	if len(e.Blocking) == 0 {
		d.blocking()
	}
}

type defaulter struct {
	e *models.Entity
	p Profile
}

func (d *defaulter) cluster() {
	c := &d.e.Cluster
	if c.Method == "" {
		c.Method = "guarded"
		free := len(d.e.Sources) > 1
		for _, s := range d.e.Sources {
			free = free && s.DuplicateFree
		}
		if free {
			c.Method = "one_to_one"
		}
	}
	if c.MinMeanWeight == nil {
		least := float64(defaultMinMean)
		c.MinMeanWeight = &least
	}
	if c.MaxSize == nil {
		most := defaultMaxSize
		c.MaxSize = &most
	}
}

// comparisons are all fields when the file lists none, and have the levels of their role when it gives none.
func (d *defaulter) comparisons() {
	if len(d.e.Comparisons) == 0 {
		for _, f := range d.telling() {
			d.e.Comparisons = append(d.e.Comparisons, &models.Comparison{Name: f.Name, Fields: []string{f.Name}})
		}
	}
	d.together()
	for _, c := range d.e.Comparisons {
		if len(c.Levels) > 0 {
			continue
		}
		c.Levels = levelsFor(d.role(c))
		c.TermFrequency = c.TermFrequency || !slices.Contains([]role{rolePlace, roleAmount}, d.role(c))
		d.swap(c)
	}
}

// telling are the fields, or those that tell records apart best where there are more than can be compared: by what agreement on a value
// says, and how often there is a value.
func (d *defaulter) telling() []*models.Field {
	if len(d.e.Fields) <= mostComparisons {
		return d.e.Fields
	}
	tells := func(f *models.Field) float64 {
		p := d.p.Fields[f.Name]
		n := float64(p.Rows - p.Nulls)
		return -n * math.Log2(max(p.Agree, 1/max(2, n*n)))
	}
	best := slices.Clone(d.e.Fields)
	slices.SortStableFunc(best, func(a, b *models.Field) int { return cmp.Compare(tells(b), tells(a)) })
	best = best[:mostComparisons]
	return slices.DeleteFunc(slices.Clone(d.e.Fields), func(f *models.Field) bool { return !slices.Contains(best, f) })
}

// together adds a comparison of all long texts joined, where there are several and each record has at most one other to match: what one
// source has in a product's name the other has in its description. Where such texts mostly have codes in them, and seldom the same, so
// are the codes of all.
func (d *defaulter) together() {
	if d.e.Cluster.Method != "one_to_one" {
		return
	}
	var fields []string
	coded := false
	for _, c := range d.e.Comparisons {
		if len(c.Levels) == 0 && len(c.Fields) == 1 && d.role(c) == roleText {
			fields = append(fields, c.Fields[0])
			f := d.p.Fields[c.Fields[0]]
			coded = coded || f.Codes >= codesOften && f.CodesDistinct >= codesDistinct
		}
	}
	if len(fields) > 1 && len(d.e.Comparisons) < mostComparisons {
		d.e.Comparisons = append(d.e.Comparisons, &models.Comparison{
			Name: joinedName(fields), Fields: fields, Levels: levelsFor(roleTexts)})
	}
	if coded && len(d.e.Comparisons) < mostComparisons {
		d.e.Comparisons = append(d.e.Comparisons, &models.Comparison{
			Name: "codes of " + joinedName(fields), Fields: fields, Levels: levelsFor(roleCodes)})
	}
}

func joinedName(fields []string) string { return strings.Join(fields, " + ") }

// swap lets given and family names be exchanged: in one comparison of the two, as it is one event.
func (d *defaulter) swap(c *models.Comparison) {
	if c.SwapWith == "" && named(c.Name, "first", "given", "fore") {
		for _, o := range d.e.Comparisons {
			if named(o.Name, "surname", "last", "family") {
				c.SwapWith = o.Name
			}
		}
	}
	if c.SwapWith != "" {
		c.Levels = slices.Insert(c.Levels, 1, models.Level{Name: "swapped", Op: models.LevelSwapped})
	}
}

func named(name string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(strings.ToLower(name), p) {
			return true
		}
	}
	return false
}

func (d *defaulter) role(c *models.Comparison) role {
	switch len(c.Fields) {
	case 1:
	case 2:
		return rolePlace
	default:
		return roleTexts
	}
	name := c.Name
	if len(c.Fields) == 1 {
		name = c.Fields[0]
	}
	f := d.p.Fields[name]
	switch {
	case f.Email > 0.5:
		return roleEmail
	case f.Date > 0.5:
		return roleDate
	case f.Year > 0.9:
		return roleYear
	case f.Number > 0.9 && (f.Decimal > 0.05 || named(name, "price", "amount", "cost", "weight", "length", "height", "size")):
		return roleAmount
	case f.Digits > 0.5 || f.Phone > 0.5:
		return roleCode
	case f.MeanWords > 1.5 || f.MeanLength > 20:
		return roleText
	case f.Digits > 0.2:
		return roleCode
	case float64(f.Distinct) < max(12, 0.001*float64(f.Rows)) && f.MeanLength < 12:
		return roleKind
	}
	return roleName
}

func level(op models.LevelOp, arg float64) models.Level {
	name := string(op)
	if op != models.LevelExact && op != models.LevelLocalPart {
		name = fmt.Sprintf("%s_%g", op, arg)
	}
	return models.Level{Name: name, Op: op, Arg: arg}
}

// levelsFor are the levels of a role.
func levelsFor(r role) []models.Level {
	exact := level(models.LevelExact, 0)
	switch r {
	case roleEmail:
		return []models.Level{exact, level(models.LevelLocalPart, 0), level(models.LevelOSA, 2), level(models.LevelJaroWinkler, 0.9)}
	case roleDate:
		return []models.Level{exact, level(models.LevelOSA, 1), level(models.LevelOSA, 2)}
	case roleYear:
		return []models.Level{exact, level(models.LevelNumber, 1), level(models.LevelNumber, 3)}
	case roleAmount:
		return []models.Level{exact, level(models.LevelPercent, 2), level(models.LevelPercent, 10), level(models.LevelPercent, 30)}
	case roleCode:
		return []models.Level{exact, level(models.LevelOSA, 1), level(models.LevelOSA, 2)}
	case roleKind:
		return []models.Level{exact}
	case rolePlace:
		return []models.Level{level(models.LevelDistance, 0.1), level(models.LevelDistance, 1), level(models.LevelDistance, 10)}
	case roleText:
		return append([]models.Level{exact}, grades(models.LevelCosine3, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)...)
	case roleCodes:
		return grades(models.LevelCodes, 0.7, 0.5, 0.35, 0.25, 0.15, 0.05)
	case roleTexts:
		return grades(models.LevelCosine3, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1)
	}
	return []models.Level{exact, level(models.LevelOSA, 1), level(models.LevelJaroWinkler, 0.92), level(models.LevelJaroWinkler, 0.85)}
}

func grades(op models.LevelOp, cosines ...float64) []models.Level {
	var out []models.Level
	for _, x := range cosines {
		out = append(out, level(op, x))
	}
	return out
}

// key is something that records may be blocked by, and the share of pairs that agree in it.
type key struct {
	models.BlockingKey
	name   string
	fields []string
	share  float64
}

func quoted(field string) string { return `"` + strings.ReplaceAll(field, `"`, `""`) + `"` }

// startSQL and soundSQL are keys that survive slips of the pen: the first letters, and the first letter with the consonants that follow.
// Postcodes and years may be numbers in their sources, so they are taken as text.
func startSQL(field string) string { return fmt.Sprintf("left(CAST(%s AS VARCHAR), 3)", quoted(field)) }

func soundSQL(field string) string {
	text := "CAST(" + quoted(field) + " AS VARCHAR)"
	return fmt.Sprintf("left(%[1]s, 1) || regexp_replace(substr(%[1]s, 2), '[aeiouyhw ]', '', 'g')", text)
}

// blocking are rules for each field that tells records apart, pairs of fields, and the nearest records by all their words; everything with
// everything where that is few.
func (d *defaulter) blocking() {
	single, double := d.keys()
	n := float64(d.p.Rows)
	pairs, budget := n*n/2, max(leastPairsBudget, pairsPerRecord*n)
	spent := 0.0
	wide := d.wide(pairs)
	var rules []*models.BlockingRule
	add := func(cost float64, keys ...key) {
		if spent+cost > budget || len(rules) >= mostKeyRules || len(rules)+len(wide) >= MaxRules {
			return
		}
		spent += cost
		r := &models.BlockingRule{OnOverflow: "skip"}
		var names []string
		for _, k := range keys {
			r.Keys = append(r.Keys, k.BlockingKey)
			names = append(names, k.name)
		}
		r.Name = strings.Join(names, ", ")
		r.MaxBlock = 3000
		rules = append(rules, r)
	}
	for _, k := range single {
		if cost := k.share * pairs; cost <= budget/4 {
			add(cost, k)
		}
	}
	type couple struct {
		a, b key
		cost float64
	}
	var couples []couple
	for i, a := range double {
		for _, b := range double[i+1:] {
			if a.fields[0] != b.fields[0] {
				couples = append(couples, couple{a, b, a.share * b.share * pairs})
			}
		}
	}
	slices.SortStableFunc(couples, func(x, y couple) int { return int(math.Copysign(1, x.cost-y.cost)) })
	for _, c := range couples {
		add(c.cost, c.a, c.b)
	}
	d.e.Blocking = append(rules, wide...)
}

// keys are fields by themselves, and what pairs are made of.
func (d *defaulter) keys() (single, double []key) {
	for _, c := range d.e.Comparisons {
		if len(c.Fields) != 1 || onlyCodes(c.Levels) {
			continue
		}
		field := c.Fields[0]
		f, r := d.p.Fields[field], d.role(c)
		if f.Rows == f.Nulls || r == roleAmount || r == roleKind {
			continue
		}
		whole := key{models.BlockingKey{Field: field}, field, []string{field}, f.Agree}
		single = append(single, whole)
		double = append(double, whole)
		if r == roleName || r == roleText || r == roleCode {
			double = append(double, key{models.BlockingKey{SQL: startSQL(field)}, "start of " + field, []string{field}, f.Start})
		}
		if r == roleName {
			double = append(double, key{models.BlockingKey{SQL: soundSQL(field)}, "consonants of " + field, []string{field}, f.Sound})
		}
	}
	return single, double
}

// wide are the rules that need no agreement: the nearest by words and trigrams, and everything.
func (d *defaulter) wide(pairs float64) []*models.BlockingRule {
	var rules []*models.BlockingRule
	if d.p.Rows <= similarRecords {
		var all []string
		for _, c := range d.e.Comparisons {
			if len(c.Fields) == 1 && !onlyCodes(c.Levels) && !slices.Contains([]role{roleAmount, roleKind, roleYear}, d.role(c)) {
				all = append(all, c.Fields[0])
				if d.role(c) == roleText {
					rules = append(rules, &models.BlockingRule{Name: "similar " + c.Name, Similar: []string{c.Fields[0]}, Top: similarTop})
				}
			}
		}
		if len(all) > 0 {
			rules = append(rules, &models.BlockingRule{Name: "similar", Similar: all, Top: similarTop})
		}
	}
	if pairs <= exhaustivePairs {
		rules = append(rules, &models.BlockingRule{Name: "all", Keys: []models.BlockingKey{{SQL: "1"}}})
	}
	return rules
}
