package models

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads the levels of comparisons.

// The most levels of a comparison and comparisons of an entity: a pair's levels are four bits each of one number.
const (
	MaxLevels      = 14
	MaxComparisons = 15
)

// levelKind is what the loader knows of a level.
type levelKind struct {
	op      LevelOp
	arg     string  // what its argument is, "" for none
	usual   float64 // its argument when none is written; 0: it must be
	least   float64
	most    float64
	whole   bool
	doc     string
	farther bool // a greater argument holds for more pairs
}

// levelKinds are the levels, by their names in levels:.
var levelKinds = map[string]levelKind{
	"exact":           {op: LevelExact, doc: "The values are equal."},
	"nickname":        {op: LevelNickname, doc: "They are the same given name by the table of nicknames."},
	"phonetic":        {op: LevelPhonetic, doc: "They sound alike (Double Metaphone)."},
	"same_local_part": {op: LevelLocalPart, doc: "E-mail addresses agree before the @."},
	"swapped":         {op: LevelSwapped, doc: "They agree when each is exchanged with the field of swap_with."},
	"jw":              {op: LevelJaroWinkler, arg: "similarity", least: 0, most: 1, doc: "Jaro-Winkler similarity, at least this."},
	"levenshtein": {op: LevelLevenshtein, arg: "edits", least: 1, most: 100, whole: true, farther: true,
		doc: "Letters to insert, delete or replace, at most this."},
	"osa": {op: LevelOSA, arg: "edits", least: 1, most: 100, whole: true, farther: true,
		doc: "The same, neighbours that are swapped counting as one."},
	"token_set": {op: LevelTokenSet, arg: "similarity", least: 0, most: 1,
		doc: "Share of their words that they have in common, at least this."},
	"contains": {op: LevelContains, arg: "words", usual: 1, least: 1, most: 100, whole: true,
		doc: "All words of one are in the other, and so many of them at least."},
	"cosine": {op: LevelCosine, arg: "similarity", least: 0, most: 1,
		doc: "Cosine of their words, rare ones counting more, at least this."},
	"cosine3": {op: LevelCosine3, arg: "similarity", least: 0, most: 1,
		doc: "Cosine of their groups of three letters, rare ones counting more, at least this."},
	"codes": {op: LevelCodes, arg: "similarity", least: 0, most: 1,
		doc: "Cosine of their codes, such as model numbers (words of four letters and digits or more that have both; KDL-32S5100 is as KDL32S5100), at least this."},
	"within": {op: LevelNumber, arg: "distance", most: math.MaxFloat64, farther: true,
		doc: "Numbers at most so far apart; dates with a unit: 3d, 2w, 1mo, 1y."},
	"percent": {op: LevelPercent, arg: "percent", most: 100, farther: true,
		doc: "Numbers apart by at most so many percent of the greater one."},
	"km": {op: LevelDistance, arg: "kilometres", most: 20038, farther: true,
		doc: "Places at most so far apart; fields: has latitude and longitude."},
	"overlap": {op: LevelOverlap, arg: "entries", usual: 1, least: 1, most: 1000, whole: true,
		doc: "Lists have so many entries in common at least."},
}

// foreignLevels are what other tools call levels.
var foreignLevels = map[string]string{
	"jaro_winkler": "jw", "jarowinkler": "jw", "jaro": "jw", "jarowinklerlevel": "jw", "exact_match": "exact", "exactmatch": "exact", "exactmatchlevel": "exact", "equal": "exact",
	"damerau_levenshtein": "osa", "dameraulevenshtein": "osa", "edit_distance": "levenshtein", "levenshteinlevel": "levenshtein",
	"jaccard": "token_set", "token_sort": "token_set", "soundex": "phonetic", "metaphone": "phonetic", "double_metaphone": "phonetic",
	"distance_in_km": "km", "distanceinkm": "km", "haversine": "km", "days": "within", "date_diff": "within", "absolute_difference": "within", "numeric": "within",
	"percentage_difference": "percent", "array_intersect": "overlap", "arrayintersect": "overlap", "intersection": "overlap",
	"columns_reversed": "swapped", "columnsreversed": "swapped", "reversed": "swapped", "tf_idf": "cosine", "tfidf": "cosine", "trigram": "cosine3", "ngram": "cosine3", "qgram": "cosine3",
}

// levelEntry is one level: exact, or {jw: 0.92}.
type levelEntry struct{ Level }

// DecodeNode implements config.NodeDecoder.
func (l *levelEntry) DecodeNode(n config.Node) config.Problems {
	l.Pos = n.Pos()
	if n.IsScalar() {
		return l.settle(n.Text(), n.Pos(), config.Node{})
	}
	name, value := "", config.Node{}
	for key, v := range n.All() {
		if name != "" {
			return config.Problems{n.Origin().Key(key).Problem("a level is one condition", "write [exact, {jw: 0.92}, {jw: 0.88}]")}
		}
		name, value = key, v
	}
	if name == "" {
		return config.Problems{n.Pos().Problem("a level is a name, or a name with a number", "write exact, or {jw: 0.92}")}
	}
	return l.settle(name, n.Origin().Key(name), value)
}

func (l *levelEntry) settle(name string, pos config.Pos, value config.Node) config.Problems {
	kind, known := levelKinds[name]
	if !known {
		hint := suggested(name, slices.Sorted(maps.Keys(levelKinds)), "levels")
		if own := foreignLevels[strings.TrimSuffix(strings.ToLower(name), "_at_thresholds")]; own != "" {
			hint = fmt.Sprintf("did you mean %q?", own)
		}
		return config.Problems{pos.Problem(fmt.Sprintf("unknown level %q", name), hint)}
	}
	l.Op, l.Arg, l.Name = kind.op, kind.usual, name
	switch {
	case kind.arg == "" && !value.IsNull():
		return config.Problems{value.Pos().Problem(name+" takes no number", "write it alone: "+name)}
	case kind.arg == "" || value.IsNull() && kind.usual != 0:
		return nil
	case value.IsNull():
		return config.Problems{pos.Problem(fmt.Sprintf("%s needs a number: %s", name, kind.doc),
			fmt.Sprintf("write {%s: %s}", name, kind.example()))}
	}
	l.Name = name + "_" + value.Text()
	if days, ok := daysOf(value.Text()); ok && kind.op == LevelNumber {
		l.Op, l.Arg = LevelDate, days
		return nil
	}
	if problems := value.Decode(&l.Arg); problems != nil {
		return problems
	}
	zero := kind.least == 0 && l.Arg == 0 && kind.op != LevelNumber && kind.op != LevelPercent && kind.op != LevelDistance
	if l.Arg < kind.least || l.Arg > kind.most || zero || kind.whole && l.Arg != math.Trunc(l.Arg) {
		return config.Problems{value.Pos().Problem(fmt.Sprintf("%s: %s is no %s", name, value.Text(), kind.words()),
			"write {"+name+": "+kind.example()+"}")}
	}
	return nil
}

func (k levelKind) example() string {
	return map[string]string{"similarity": "0.9", "edits": "1", "words": "2", "distance": "10", "percent": "5", "kilometres": "5",
		"entries": "1"}[k.arg]
}

func (k levelKind) words() string {
	switch {
	case k.arg == "similarity":
		return "similarity: it is greater than 0, and 1 at most"
	case k.whole:
		return fmt.Sprintf("number of %s: it is a whole number from %g to %g", k.arg, k.least, k.most)
	case k.most < math.MaxFloat64:
		return fmt.Sprintf("number of %s: it is from %g to %g", k.arg, k.least, k.most)
	}
	return k.arg + ": it is not below 0"
}

var daysSyntax = regexp.MustCompile(`^([0-9]{1,5})(d|w|mo|y)$`)

// daysOf reads 3d, 2w, 1mo, 1y. Years and months have as many days as the longest has: the same day of the next year is within one.
func daysOf(text string) (days float64, ok bool) {
	m := daysSyntax.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return math.Ceil(n * map[string]float64{"d": 1, "w": 7, "mo": 31, "y": 365.25}[m[2]]), true
}

// schema is that of the level's number.
func (k levelKind) schema() object {
	number, text := object{"type": "number"}, `\$\{`
	if k.most < math.MaxFloat64 {
		number["maximum"] = k.most
	}
	if number["minimum"] = k.least; k.arg == "similarity" {
		delete(number, "minimum")
		number["exclusiveMinimum"] = 0
	}
	if k.whole {
		number["multipleOf"] = 1
	}
	if k.op == LevelNumber {
		text = `^[0-9]{1,5}(d|w|mo|y)$|` + text
	}
	return object{"description": k.doc, "anyOf": []any{number, object{"type": "string", "pattern": text}}}
}

// SchemaDefinitions implements config.SchemaDefiner.
func (levelEntry) SchemaDefinitions() (string, map[string]any) {
	properties, names := object{}, []any{}
	for _, name := range slices.Sorted(maps.Keys(levelKinds)) {
		kind := levelKinds[name]
		if kind.arg == "" || kind.usual != 0 {
			names = append(names, name)
		}
		if kind.arg != "" {
			properties[name] = kind.schema()
		}
	}
	return "level", object{"level": object{"anyOf": []any{object{"enum": names},
		object{"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1, "maxProperties": 1}}}}
}

// compareEntry is what stands behind a comparison.
type compareEntry struct {
	config.Origin
	Field         string            `yaml:"field" doc:"The field, where the comparison has another name."`
	Fields        config.StringList `yaml:"fields" doc:"Latitude and longitude, for km." example:"[lat, lon]"`
	Levels        []levelEntry      `yaml:"levels" doc:"Grades of agreement, the strongest first; by default those that fit what the field looks like." example:"[exact, {jw: 0.92}]"`
	TermFrequency bool              `yaml:"term_frequency" doc:"Agreement on a frequent value counts less than on a rare one."`
	SwapWith      string            `yaml:"swap_with" doc:"A field that values are mixed up with, as first and last names are."`
}

// DecodeNode implements config.NodeDecoder: nothing, a list of levels, or a mapping.
func (c *compareEntry) DecodeNode(n config.Node) config.Problems {
	switch {
	case n.IsNull():
		return nil
	case n.IsList():
		var problems config.Problems
		for _, item := range n.Items() {
			var l levelEntry
			problems = append(problems, item.Decode(&l)...)
			c.Levels = append(c.Levels, l)
		}
		return problems
	}
	type plain compareEntry
	return n.Decode((*plain)(c))
}

// compareList is compare: a mapping of comparisons, or a list of fields and comparisons.
type compareList struct {
	names   []string
	entries []compareEntry
	at      []config.Pos
}

// DecodeNode implements config.NodeDecoder.
func (c *compareList) DecodeNode(n config.Node) config.Problems {
	var problems config.Problems
	add := func(name string, pos config.Pos, value config.Node) {
		var one compareEntry
		if !value.IsNull() {
			problems = append(problems, value.Decode(&one)...)
		}
		c.names, c.entries, c.at = append(c.names, name), append(c.entries, one), append(c.at, pos)
	}
	mapping := func(n config.Node) {
		for name, value := range n.All() {
			add(name, n.Origin().Key(name), value)
		}
	}
	switch {
	case n.IsMapping():
		mapping(n)
	case n.IsList():
		for _, item := range n.Items() {
			switch {
			case item.IsScalar():
				add(item.Text(), item.Pos(), config.Node{})
			case item.IsMapping():
				mapping(item)
			default:
				problems = append(problems, item.Pos().Problem("a comparison is the name of a field, or one with its levels",
					"write compare: [first_name, {birth_date: [exact, {within: 1y}]}]"))
			}
		}
	default:
		problems = append(problems, n.Pos().Problem("compare must be a list or a mapping", "write compare: [first_name, last_name]"))
	}
	return problems
}

// SchemaDefinitions implements config.SchemaDefiner.
func (compareList) SchemaDefinitions() (string, map[string]any) {
	type plain compareEntry
	_, defs := levelEntry{}.SchemaDefinitions()
	levels := object{"type": "array", "items": refTo("level")}
	form := formOf(plain{})
	limit(form, "levels", object{"minItems": 1})
	defs["comparison"] = object{"anyOf": []any{object{"type": "null"}, levels, form}}
	defs["comparisons"] = object{"type": "object", "additionalProperties": refTo("comparison")}
	defs["compare"] = object{"anyOf": []any{refTo("comparisons"),
		object{"type": "array", "minItems": 1, "items": object{"anyOf": []any{textSchema, refTo("comparisons")}}}}}
	return "compare", defs
}

// comparisons settles compare:.
func (d *entityDraft) comparisons() {
	list := d.file.Compare
	for i, name := range list.names {
		d.comparison(name, list.at[i], list.entries[i])
	}
	if len(d.e.Comparisons) > MaxComparisons {
		d.l.problem(list.at[MaxComparisons], "leave out those that tell the least",
			"compare: there are %d comparisons, and %d at most can be told apart", len(d.e.Comparisons), MaxComparisons)
	}
}

func (d *entityDraft) comparison(name string, pos config.Pos, entry compareEntry) {
	if d.e.Comparison(name) != nil {
		d.l.problem(pos, "remove one, or name it with field: "+name, "%q is compared twice", name)
		return
	}
	c := &Comparison{Name: name, TermFrequency: entry.TermFrequency, Pos: pos}
	fields := entry.Fields
	switch {
	case len(fields) > 0 && entry.Field != "":
		d.l.problem(entry.Origin.At("field"), "remove one of them", "field: and fields: say the same")
		return
	case entry.Field != "":
		fields = config.StringList{entry.Field}
	case len(fields) == 0:
		fields = config.StringList{name}
	}
	for i, f := range fields {
		at := pos
		if entry.Origin.Has("fields") {
			at = entry.Origin.Item("fields", i)
		}
		c.Fields = append(c.Fields, d.field(f, at).Name)
	}
	if entry.SwapWith != "" {
		c.SwapWith = d.field(entry.SwapWith, entry.Origin.At("swap_with")).Name
	}
	for _, l := range entry.Levels {
		c.Levels = append(c.Levels, l.Level)
	}
	if entry.Origin.Has("levels") && len(c.Levels) == 0 {
		d.l.problem(entry.Origin.At("levels"), "leave the key out for those that fit the field", "%s: the list of levels is empty", name)
	}
	d.e.Comparisons = append(d.e.Comparisons, c)
	d.levels(c)
}

// levels holds those of a comparison against each other and the fields.
func (d *entityDraft) levels(c *Comparison) {
	has := func(op LevelOp) bool { return slices.ContainsFunc(c.Levels, func(l Level) bool { return l.Op == op }) }
	place := has(LevelDistance)
	switch {
	case len(c.Fields) > 2 || len(c.Fields) == 2 && len(c.Levels) > 0 && !place:
		d.l.problem(c.Pos, "write one comparison for each field", "%s: only km looks at two fields", c.Name)
	case place && len(c.Fields) != 2:
		d.l.problem(c.Pos, "write fields: [latitude, longitude]", "%s: km needs two fields", c.Name)
	}
	if c.SwapWith != "" && len(c.Levels) > 0 && !has(LevelSwapped) {
		at := 0
		if c.Levels[0].Op == LevelExact {
			at = 1
		}
		c.Levels = slices.Insert(c.Levels, at, Level{Name: "swapped", Op: LevelSwapped, Pos: c.Pos})
	}
	if len(c.Levels) > MaxLevels {
		d.l.problem(c.Levels[MaxLevels].Pos, "leave some out", "%s: there are %d levels, and %d at most can be told apart", c.Name, len(c.Levels),
			MaxLevels)
	}
	for i, l := range c.Levels {
		if l.Op == LevelSwapped && c.SwapWith == "" {
			d.l.problem(l.Pos, "add swap_with: and the other field", "%s: swapped with what?", c.Name)
		}
		if place && l.Op != LevelDistance && l.Op != LevelExact {
			d.l.problem(l.Pos, "write {km: 5}", "%s: of a place %s means nothing", c.Name, l.Name)
		}
		for _, before := range c.Levels[:i] {
			if why := before.covers(l); why != "" {
				d.l.problem(l.Pos, "put the stronger level first", "%s: %s can never hold: %s stands before it, and %s", c.Name, l.Name, before.Name,
					why)
				break
			}
		}
	}
}

// alike are the levels that equal values always reach.
var alike = []LevelOp{LevelNickname, LevelPhonetic, LevelLocalPart, LevelJaroWinkler, LevelLevenshtein, LevelOSA, LevelTokenSet,
	LevelCosine, LevelCosine3, LevelNumber, LevelPercent, LevelDate, LevelDistance}

// covers says why a level that stands before another leaves it nothing, "" when it does not.
func (l Level) covers(later Level) string {
	farther := levelKinds[strings.SplitN(l.Name, "_", 2)[0]].farther
	switch {
	case l.Op == later.Op && l.Arg == later.Arg:
		return "says the same"
	case l.Op == later.Op && (farther && later.Arg < l.Arg || !farther && later.Arg > l.Arg):
		return "holds whenever it does"
	case later.Op == LevelExact && slices.Contains(alike, l.Op):
		return "holds for all equal values"
	case l.Op == LevelOSA && later.Op == LevelLevenshtein && later.Arg <= l.Arg:
		return "swaps count less there"
	}
	return ""
}

var termSyntax = regexp.MustCompile(`(?i)^(?:same\s+(\w+)|(\w+)\s+same|differs?\s+(\w+)|(\w+)\s+differs?|(\w+)\.([\w.]+))$`)

// condition reads "birth_date.else and first_name.else", "tax_id differs" and "same tax_id".
func (d *entityDraft) condition(text string, pos config.Pos) *EntityCondition {
	c := &EntityCondition{Text: text, Pos: pos}
	for _, part := range andSyntax.Split(strings.TrimSpace(text), -1) {
		m := termSyntax.FindStringSubmatch(strings.TrimSpace(part))
		switch {
		case m == nil:
			d.l.problem(pos, `write "same tax_id", "tax_id differs" or "birth_date.else", with and between them`, "%q is no condition about a pair",
				part)
		case m[1]+m[2] != "":
			c.Terms = append(c.Terms, ConditionTerm{Same: d.field(m[1]+m[2], pos).Name})
		case m[3]+m[4] != "":
			c.Terms = append(c.Terms, ConditionTerm{Differs: d.field(m[3]+m[4], pos).Name})
		default:
			d.levelTerm(c, m[5], m[6])
		}
	}
	return c
}

var andSyntax = regexp.MustCompile(`(?i)\s+and\s+`)

func (d *entityDraft) levelTerm(c *EntityCondition, name, level string) {
	comparison := d.e.Comparison(name)
	if comparison == nil {
		d.l.problem(c.Pos, suggested(name, d.e.comparisonNames(), "comparisons"), "nothing is compared by the name %q", name)
		return
	}
	known := []string{"else", "null"}
	for _, l := range comparison.Levels {
		known = append(known, l.Name)
	}
	switch {
	case slices.Contains(known, level):
	case len(comparison.Levels) == 0:
		d.l.problem(c.Pos, "write levels: for it, or use else", "%s has no levels of its own that %q could be one of", name, level)
	default:
		d.l.problem(c.Pos, suggested(level, known, "levels"), "%s has no level %q", name, level)
	}
	c.Terms = append(c.Terms, ConditionTerm{Comparison: comparison.Name, Level: level})
}
