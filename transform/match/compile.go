package match

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

// Error is what is wrong with an entity, found where its data is looked at.
type Error struct {
	Pos  config.Pos
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Wrong is what is wrong at a place of an entity's file, and what to do about it.
func Wrong(pos config.Pos, hint, format string, args ...any) *Error {
	return &Error{pos, fmt.Errorf(format, args...), hint}
}

// What stands behind the $ of columns that are derived from a field.
const (
	NicknameColumn = "nickname"
	PhoneticColumn = "phonetic"
	LocalColumn    = "local"
	CodesColumn    = "codes"
	TextColumn     = "text" // of a date or number that is also compared as a text
)

const (
	// usualGroup is how many bits correlated comparisons add together when the file does not say: chance agreement of that kind is one in
	// a million.
	usualGroup = 20
	// similarFloor is the least cosine of a candidate: below it, nearest means nothing.
	similarFloor = 0.1
)

// Compile makes the plan of an entity whose defaults are all settled: each comparison has levels, and there is a rule.
func Compile(e *models.Entity) (*Plan, error) {
	c := &compiler{e: e, index: map[string]int{}, p: &Plan{Entity: e.Name, Auto: e.Auto, Review: e.Review, MaxPairs: e.MaxPairs}}
	for _, s := range e.Sources {
		c.p.Sources = append(c.p.Sources, Source{Name: s.Name, DuplicateFree: s.DuplicateFree})
	}
	for _, comparison := range e.Comparisons {
		c.comparison(comparison)
	}
	for i, r := range e.Blocking {
		c.rule(i, r)
	}
	if len(e.Blocking) == 0 {
		c.fail(e.Pos, "write block: [[email], [last_name, postcode]]", "entity %s has no rule by which records are compared", e.Name)
	}
	for _, g := range e.Correlated {
		c.group(g)
	}
	c.p.Never, c.p.Always = c.conditions(e.Never), c.conditions(e.Always)
	c.p.Cluster = Clustering{Method: methods[e.Cluster.Method]}
	if e.Cluster.MinMeanWeight != nil {
		c.p.Cluster.MinMeanWeight = *e.Cluster.MinMeanWeight
	}
	if e.Cluster.MaxSize != nil {
		c.p.Cluster.MaxSize = *e.Cluster.MaxSize
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	c.p.Hash = c.hash()
	return c.p, nil
}

var methods = map[string]Method{"": Guarded, "guarded": Guarded, "connected": Connected, "one_to_one": OneToOne}

// compiler is one Compile.
type compiler struct {
	e     *models.Entity
	p     *Plan
	index map[string]int // of Plan.Columns
	errs  []error
}

func (c *compiler) fail(pos config.Pos, hint, format string, args ...any) {
	c.errs = append(c.errs, Wrong(pos, hint, format, args...))
}

// column is the number of a column, which is one from now on.
func (c *compiler) column(name string, kind Kind) int {
	at, ok := c.index[name]
	if !ok {
		at = len(c.p.Columns)
		c.index[name] = at
		c.p.Columns = append(c.p.Columns, Column{Name: name, Kind: kind})
		if own, _, derived := strings.Cut(name, "$"); derived && own != "" {
			c.p.Columns[at].Fields = []string{own}
		}
	}
	return at
}

// made is the number of a column that is made of several fields, or of an expression over some.
func (c *compiler) made(name string, fields []string) int {
	at := c.column(name, Text)
	c.p.Columns[at].Fields = append([]string{""}, fields...) // never nil: it is no field's own
	return at
}

// mentioned are the fields whose names stand in an expression.
func (c *compiler) mentioned(sql string) []string {
	var names []string
	for _, f := range c.e.Fields {
		if regexp.MustCompile(`(?i)(^|[^A-Za-z0-9_])` + regexp.QuoteMeta(f.Name) + `($|[^A-Za-z0-9_])`).MatchString(sql) {
			names = append(names, f.Name)
		}
	}
	return names
}

// field is the number of a field's own column.
func (c *compiler) field(name string) int {
	f := c.e.Field(name)
	if f == nil { // the loader makes fields of all names
		c.fail(c.e.Pos, "", "entity %s has no field %q", c.e.Name, name)
		return 0
	}
	return c.column(f.Name, kindOf(c.e, f))
}

// kindOf is what a field's values are: by its steps, and by the levels that look at it.
func kindOf(e *models.Entity, f *models.Field) Kind {
	kind := Text
	for _, s := range f.Steps {
		switch {
		case s.Func == models.StepDate:
			kind = Date
		case s.Func != models.StepNullIf:
			kind = Text
		}
	}
	for _, comparison := range e.Comparisons {
		for _, name := range comparison.Fields {
			if !strings.EqualFold(name, f.Name) {
				continue
			}
			for _, l := range comparison.Levels {
				switch l.Op {
				case models.LevelDate:
					kind = Date
				case models.LevelNumber, models.LevelPercent, models.LevelDistance:
					kind = Number
				case models.LevelOverlap:
					kind = List
				}
			}
		}
	}
	return kind
}

// KindWords tell the kinds in errors.
var KindWords = map[Kind]string{Text: "a text", Number: "a number", Date: "a date", List: "a list"}

// comparison settles one.
func (c *compiler) comparison(in *models.Comparison) {
	if len(in.Levels) == 0 {
		c.fail(in.Pos, "write levels: for it", "comparison %s has no levels", in.Name)
		return
	}
	out := Comparison{Name: in.Name, TF: in.TermFrequency}
	place := slices.ContainsFunc(in.Levels, func(l models.Level) bool { return l.Op == models.LevelDistance })
	switch {
	case onlyCodes(in.Levels) && len(in.Fields) > 1:
		out.Columns = []int{c.made(codesColumn(len(c.p.Comparisons)), in.Fields)}
	case onlyCodes(in.Levels): // a text without a code says nothing
		out.Columns = []int{c.codes(in, in.Fields[0])}
	case len(in.Fields) > 1 && !place: // texts, taken together
		out.Columns = []int{c.made(joinedColumn(len(c.p.Comparisons)), in.Fields)}
	default:
		for _, name := range in.Fields {
			out.Columns = append(out.Columns, c.field(name))
		}
	}
	if out.TF && in.Levels[0].Op != models.LevelExact {
		c.fail(in.Pos, "put exact first, or leave term_frequency out", "%s: term_frequency is about equal values, and its first level is %s", in.Name, in.Levels[0].Name)
	}
	for _, l := range in.Levels {
		out.Levels = append(out.Levels, c.level(in, out.Columns, l))
	}
	c.p.Comparisons = append(c.p.Comparisons, out)
}

// codes is the column of a field's codes.
func (c *compiler) codes(in *models.Comparison, field string) int {
	if f := c.e.Field(field); f == nil || kindOf(c.e, f) != Text {
		c.fail(in.Pos, "compare a text by them", "%s: there are no codes in %s, which is no text", in.Name, field)
		return 0
	}
	return c.column(field+"$"+CodesColumn, Text)
}

var textOps = map[models.LevelOp]Op{models.LevelJaroWinkler: JaroWinkler, models.LevelLevenshtein: Levenshtein, models.LevelOSA: OSA,
	models.LevelTokenSet: TokenSet, models.LevelContains: Contains, models.LevelCosine: Cosine, models.LevelCosine3: Cosine3}

var nearOps = map[models.LevelOp]struct {
	op   Op
	kind Kind
}{models.LevelNumber: {Within, Number}, models.LevelPercent: {Percent, Number}, models.LevelDate: {Days, Date}, models.LevelDistance: {Distance, Number}, models.LevelOverlap: {Overlap, List}}

var derivedOps = map[models.LevelOp]string{models.LevelNickname: NicknameColumn, models.LevelPhonetic: PhoneticColumn, models.LevelLocalPart: LocalColumn}

// level settles one of a comparison's, whose fields have these columns.
func (c *compiler) level(in *models.Comparison, columns []int, l models.Level) Level {
	out := Level{Name: l.Name, Arg: l.Arg, Columns: columns}
	own := c.p.Columns[columns[0]]
	mismatch := func() {
		c.fail(l.Pos, "compare it by another name with field: "+own.Name+", and give the field steps that fit", "%s: %s means nothing of %s", in.Name, l.Name, KindWords[own.Kind])
	}
	if near, is := nearOps[l.Op]; is {
		if out.Op = near.op; near.kind != own.Kind {
			mismatch()
		}
		return out
	}
	switch {
	case l.Op == models.LevelCodes && onlyCodes(in.Levels):
		out.Op = Cosine
	case l.Op == models.LevelCodes:
		out.Op, out.Columns = Cosine, []int{c.codes(in, own.Name)}
	case l.Op == models.LevelExact && len(columns) == 2:
		out.Op, out.Arg = Distance, 0 // the same place
	case l.Op == models.LevelExact:
		out.Op = Exact
	case l.Op == models.LevelSwapped:
		other := c.field(in.SwapWith)
		if c.p.Columns[other].Kind != own.Kind || own.Kind == List {
			c.fail(l.Pos, "", "%s: %s is %s, and %s is %s: they cannot be swapped", in.Name, own.Name, KindWords[own.Kind], in.SwapWith, KindWords[c.p.Columns[other].Kind])
		}
		out.Op, out.Columns = Swapped, []int{columns[0], other}
	case own.Kind == List:
		mismatch()
	case derivedOps[l.Op] != "":
		if out.Op, out.Columns = Exact, []int{c.column(own.Name+"$"+derivedOps[l.Op], Text)}; own.Kind != Text {
			mismatch()
		}
	default:
		if out.Op = textOps[l.Op]; own.Kind != Text {
			out.Columns = []int{c.column(own.Name+"$"+TextColumn, Text)}
		}
	}
	return out
}

var overflows = map[string]Overflow{"": Refuse, "refuse": Refuse, "skip": Skip, "review": ToReview}

// joinedColumn is the column of a comparison whose fields are texts that are taken together. It is counted from 1.
func joinedColumn(comparison int) string { return fmt.Sprintf("$joined%d", comparison+1) }

// codesColumn is that of a comparison of the codes in several fields. It is counted from 1.
func codesColumn(comparison int) string { return fmt.Sprintf("$codes%d", comparison+1) }

// blockColumn is the column of a rule's key that is an expression. Both are counted from 1.
func blockColumn(rule, key int) string { return fmt.Sprintf("$block%d_%d", rule+1, key+1) }

func (c *compiler) rule(i int, in *models.BlockingRule) {
	out := Rule{Name: in.Name, MaxBlock: in.MaxBlock, Overflow: overflows[in.OnOverflow]}
	for k, key := range in.Keys {
		if key.Field == "" {
			out.Keys = append(out.Keys, c.made(blockColumn(i, k), c.mentioned(key.SQL)))
			continue
		}
		at := c.field(key.Field)
		if c.p.Columns[at].Kind == List {
			c.fail(in.Pos, "write an expression of it that is a text, such as \""+key.Field+"[1]\"", "rule %s: %s is a list", in.Name, key.Field)
		}
		out.Keys = append(out.Keys, at)
	}
	if len(in.Similar) > 0 {
		out.Similar = &Similar{Top: in.Top, Floor: similarFloor, Grams: 3}
		for _, name := range in.Similar {
			at := c.field(name)
			if own := c.p.Columns[at]; own.Kind == List {
				c.fail(in.Pos, "name fields that are texts", "rule %s: %s is a list", in.Name, name)
			} else if own.Kind != Text {
				at = c.column(own.Name+"$"+TextColumn, Text)
			}
			out.Similar.Columns = append(out.Similar.Columns, at)
		}
	}
	c.p.Rules = append(c.p.Rules, out)
}

// numberOf is the number of a comparison.
func (c *compiler) numberOf(name string, pos config.Pos) int {
	for i, comparison := range c.e.Comparisons {
		if strings.EqualFold(comparison.Name, name) {
			return i
		}
	}
	c.fail(pos, "", "nothing is compared by the name %q", name)
	return 0
}

func (c *compiler) group(in *models.Correlated) {
	out := Group{MaxWeight: in.MaxWeight}
	if out.MaxWeight == 0 {
		out.MaxWeight = usualGroup
	}
	for _, name := range in.Comparisons {
		out.Comparisons = append(out.Comparisons, c.numberOf(name, in.Pos))
	}
	c.p.Groups = append(c.p.Groups, out)
}

func (c *compiler) conditions(all []*models.EntityCondition) []Condition {
	var out []Condition
	for _, in := range all {
		condition := Condition{Text: in.Text}
		for _, t := range in.Terms {
			condition.Terms = append(condition.Terms, c.term(in, t))
		}
		out = append(out, condition)
	}
	return out
}

func (c *compiler) term(in *models.EntityCondition, t models.ConditionTerm) Term {
	if t.Comparison == "" {
		return Term{Comparison: -1, Column: c.field(t.Same + t.Differs), Differs: t.Differs != ""}
	}
	at := c.numberOf(t.Comparison, in.Pos)
	levels := c.e.Comparisons[at].Levels
	switch t.Level {
	case "null":
		return Term{Comparison: at}
	case "else":
		return Term{Comparison: at, Level: len(levels) + 1}
	}
	for i, l := range levels {
		if l.Name == t.Level {
			return Term{Comparison: at, Level: i + 1}
		}
	}
	c.fail(in.Pos, "", "%s has no level %q", t.Comparison, t.Level)
	return Term{Comparison: at}
}

// hash is of what weights are about: the comparisons, and how the columns that they look at are made. Rules and thresholds are not in it:
// the same weights hold with others.
func (c *compiler) hash() string {
	type column struct {
		Name  string
		Kind  Kind
		Steps []string
	}
	seen := map[int]column{}
	for _, comparison := range c.p.Comparisons {
		for _, l := range comparison.Levels {
			for _, at := range slices.Concat(l.Columns, comparison.Columns) {
				own := c.p.Columns[at]
				name, _, _ := strings.Cut(own.Name, "$")
				seen[at] = column{own.Name, own.Kind, stepTexts(c.e, c.e.Field(name))}
			}
		}
	}
	var parts []any
	for _, comparison := range c.p.Comparisons {
		parts = append(parts, comparison.Name, comparison.TF)
		for _, at := range comparison.Columns {
			parts = append(parts, seen[at])
		}
		for _, l := range comparison.Levels {
			parts = append(parts, l.Name, l.Op, l.Arg)
			for _, at := range l.Columns {
				parts = append(parts, seen[at])
			}
		}
	}
	text, err := json.Marshal(parts)
	if err != nil { // names and numbers always encode
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// stepTexts are a field's steps, those of the fields that they look at included.
func stepTexts(e *models.Entity, f *models.Field) []string {
	if f == nil {
		return nil
	}
	words := []string{}
	if f.Of != nil {
		words = append(stepTexts(e, f.Of), "part "+f.Part)
	}
	for _, s := range f.Steps {
		args, err := json.Marshal(s.Args)
		if err != nil { // texts always encode
			panic(err)
		}
		word := s.Func + " " + string(args)
		if m := s.Map; m != nil && m.Node != nil {
			word += fmt.Sprintf(" %s %s %s %s", m.Node.Name(), m.From, m.To, m.OnMiss)
		}
		words = append(words, word)
		if other := e.Field(s.FieldArg("country")); other != nil {
			words = append(words, stepTexts(e, other)...)
		}
	}
	return words
}
