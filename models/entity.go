package models

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Entity is master data: which tables hold records of one kind of thing, how those that mean the same one are found, and what the golden
// record is made of. It says what the file says; what it leaves open, levels, blocking rules, is settled by transform/match, which sees data.
type Entity struct {
	Name        string
	Description string
	Owner       string
	Tags        []string
	Schema      string // of its tables
	Path        string // relative to the project
	Pos         config.Pos

	Sources     []*EntitySource
	Fields      []*Field // everything that is standardized, blocked by, compared or survives, in the order of the file
	Blocking    []*BlockingRule
	Comparisons []*Comparison
	Correlated  []*Correlated
	Never       []*EntityCondition // pairs that never match
	Always      []*EntityCondition // pairs that match, whatever their weight
	Weights     string             // file that match train writes, relative to the project; "" trains in each run
	Labels      string             // file of what people know to be the same, relative to the project; "" for none
	Complete    bool               // records that Labels does not name are known to match nothing
	Auto        float64            // probability from which a pair matches by itself
	Review      float64            // probability from which a steward is asked
	Cluster     Clustering
	Overrides   *Node      // table of decisions beside those of the file; nil: none
	OverridesAt config.Pos // where the file names it
	Decisions   string     // file of what stewards decide, relative to the project: entities/<name>.decisions.csv
	Survive     Survivorship
	Relations   []*EntityRelation
	Expect      []*Expectation
	MaxPairs    int64 // candidates that may be compared in a run
	AllowEmpty  bool  // tables without records may replace tables that have some
	MaxShrink   config.Threshold

	Node *Node // <entity>_golden
}

// Probabilities where the file says none.
const (
	UsualAuto    = 0.8
	UsualAutoOne = 0.5 // where all sources are free of duplicates: candidates compete, and training has put the prior where that is best
	UsualReview  = 0.2
)

// The tables of an entity, by what stands behind its name. Each is a node; they are made together and published together.
const (
	PartGolden   = "golden"
	PartXref     = "xref"
	PartEdges    = "edges"
	PartReview   = "review"
	PartMergeLog = "merge_log"
	PartQuality  = "quality"
	PartRecords  = "records" // standardized, with their source and key: what explanations and incremental runs read
)

// EntityParts are all of them, the golden records first: the others are taken from its step.
var EntityParts = []string{PartGolden, PartXref, PartEdges, PartReview, PartMergeLog, PartQuality, PartRecords}

// Table is the name of one of the entity's tables.
func (e *Entity) Table(part string) string { return e.Name + "_" + part }

// Field returns the field of that name, or nil.
func (e *Entity) Field(name string) *Field {
	for _, f := range e.Fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// EntitySource is one table of records.
type EntitySource struct {
	Name          string // unique within the entity: what xref says; the table's name unless the file gives another
	Node          *Node  // that publishes it
	Key           []string
	UpdatedAt     string // column with the time of a record's last change; "" when there is none
	Trust         float64
	HalfLife      time.Duration     // after which a record's trust is half of it; 0: it does not decay
	Floor         float64           // below which it does not decay
	DuplicateFree bool              // no two of its records are the same thing
	Where         string            // SQL condition on the table; "" takes all
	Columns       map[string]string // SQL expression for a field, by its name; a field that is not there is read from the column of its name
	Pos           config.Pos

	keyIsField bool // its key is read from a column that a personal field is read from
}

// Field is one property of a record.
type Field struct {
	Name  string
	Steps []CleaningStep // applied one behind the other to what the source has
	// Of is the field that this one is a part of, such as address for postcode, and Part what of it; nil for one that is read itself.
	Of   *Field
	Part string
	PII  bool
	Doc  string
	Pos  config.Pos
}

// CleaningStep is one function of internal/clean, a code map, or a null_if.
type CleaningStep struct {
	Func string // name in internal/clean, or map, null_if, date, e164
	// Args are constants by parameter's name. An argument that names a field, such as default_country: country, has "=country".
	Args map[string]any
	// Map is set for a code map.
	Map *CodeMap
	Pos config.Pos
}

// CodeMap translates values by a table of reference data.
type CodeMap struct {
	Node   *Node  // with the columns From and To
	From   string // default: its first column
	To     string // default: its second
	OnMiss string // null, keep, quarantine
}

// BlockingRule makes candidates of records that agree in all its keys.
type BlockingRule struct {
	Name string // the keys, as the file has them
	Keys []BlockingKey
	// Similar makes candidates of the Top nearest records by the texts of these fields instead, whatever they agree in.
	Similar []string
	Top     int
	// MaxBlock is how many records may share one key, and OnOverflow what becomes of more: refuse, skip, review. 0: any number.
	MaxBlock   int
	OnOverflow string
	Pos        config.Pos
}

// BlockingKey is a field, or a SQL expression over fields.
type BlockingKey struct {
	Field string // "" for an expression
	SQL   string
}

// Comparison is what one field of two records tells of whether they are the same thing.
type Comparison struct {
	Name          string   // the field, or what the file calls it
	Fields        []string // one, or latitude and longitude
	Levels        []Level  // strongest first; none: the default for what the field looks like
	TermFrequency bool
	SwapWith      string // a field that values are mixed up with; "" for none
	Pos           config.Pos
}

// Level is one grade of agreement. Before the first stands that a value is missing; behind the last, "else".
type Level struct {
	Name string // exact, jw_0.92, within_1y…: what never, always and reports call it
	Op   LevelOp
	Arg  float64 // a similarity, a number of edits, a distance: of numbers in their unit, of dates in days, of places in km
	Pos  config.Pos
}

// LevelOp is what a level asks of two values.
type LevelOp string

// What levels ask.
const (
	LevelExact       LevelOp = "exact"
	LevelNickname    LevelOp = "nickname"        // the same name by the table of nicknames
	LevelPhonetic    LevelOp = "phonetic"        // sounds alike
	LevelLocalPart   LevelOp = "same_local_part" // of e-mail addresses
	LevelSwapped     LevelOp = "swapped"         // agree when exchanged with SwapWith
	LevelJaroWinkler LevelOp = "jw"              // at least Arg
	LevelLevenshtein LevelOp = "levenshtein"     // at most Arg
	LevelOSA         LevelOp = "osa"             // optimal string alignment, at most Arg
	LevelTokenSet    LevelOp = "token_set"       // Jaccard of words, at least Arg
	LevelContains    LevelOp = "contains"        // all words of one are in the other
	LevelCosine      LevelOp = "cosine"          // of IDF-weighted words, at least Arg
	LevelCosine3     LevelOp = "cosine3"         // of IDF-weighted trigrams, at least Arg
	LevelCodes       LevelOp = "codes"           // of IDF-weighted codes, such as model numbers, at least Arg
	LevelNumber      LevelOp = "within"          // of numbers: at most Arg apart
	LevelPercent     LevelOp = "percent"         // of numbers: apart by at most that share of the greater one, in percent
	LevelDate        LevelOp = "days"            // of dates: at most Arg days apart
	LevelDistance    LevelOp = "km"              // great circle, at most Arg
	LevelOverlap     LevelOp = "overlap"         // of lists: at least Arg common entries
)

// Correlated are comparisons that agree together for another reason than being the same thing, such as living in one household.
type Correlated struct {
	Comparisons []string
	MaxWeight   float64 // bits that they may add together; 0: the default
	Pos         config.Pos
}

// EntityCondition is a conjunction about a pair of records: "birth_date.else and first_name.else".
type EntityCondition struct {
	Text  string
	Terms []ConditionTerm
	Pos   config.Pos
}

// ConditionTerm is one of: a comparison is at a level, a field is the same, a field differs (both have a value).
type ConditionTerm struct {
	Comparison, Level string // Level is a Level.Name, "else" or "null"
	Same, Differs     string // a field
}

// Clustering is how matching pairs become clusters.
type Clustering struct {
	Method        string   // guarded, connected, one_to_one; "" lets transform/match choose
	MinMeanWeight *float64 // bits: mean over all pairs across, the prior not counted, below which two clusters are not merged; nil: the default
	MaxSize       *int     // records in one cluster, 0 for any number; nil: the default
	Pos           config.Pos
}

// Survivorship says what golden records are made of.
type Survivorship struct {
	Default []SurviveRule // for fields that have no rules of their own
	Groups  []SurviveGroup
	Fields  []SurviveField
}

// SurviveGroup are fields whose values come from one record.
type SurviveGroup struct {
	Name   string
	Fields []string
	By     []SurviveRule
	Pos    config.Pos
}

// SurviveField is a field of the golden record with rules of its own.
type SurviveField struct {
	Name    string
	By      []SurviveRule
	Collect string // distinct, all: a list instead of one value; "" one value
	From    string // the field that is collected; Name by default
	Custom  string // SQL aggregate over the cluster's records; "" for none
	Require string // SQL condition, or valid: only such values count
	Pos     config.Pos
}

// SurviveRule orders the values of a cluster; the next rule decides between equals, and the least (source, key) at last.
type SurviveRule string

// The rules.
const (
	MostRecent   SurviveRule = "most_recent"
	MostTrusted  SurviveRule = "most_trusted"
	MostComplete SurviveRule = "most_complete"
	MostFrequent SurviveRule = "most_frequent"
	Longest      SurviveRule = "longest"
	Least        SurviveRule = "min"
	Greatest     SurviveRule = "max"
)

// EntityRelation ties golden records to each other.
type EntityRelation struct {
	Name      string
	By        []string // fields: golden records that agree in them are one household
	Hierarchy string   // field with the key, in the same source, of the parent's record
	Pos       config.Pos
}

// Expectation is a bound on a figure of the run's quality, such as largest_cluster <= 50.
type Expectation struct {
	Metric    string
	Condition Condition
	Number    float64 // right side, shares as written
	Severity  Severity
	Pos       config.Pos
}

// GoldenFields are the columns that survivorship fills, in their order: the fields, but for those that a group or a rule of their own makes
// something else of, and what is collected or computed.
func (e *Entity) GoldenFields() []string {
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	for _, f := range e.Fields {
		add(f.Name)
	}
	for _, f := range e.Survive.Fields {
		add(f.Name)
	}
	return names
}

// Clone is a copy whose lists, comparisons and rules may be changed.
func (e *Entity) Clone() *Entity {
	c := *e
	c.Fields, c.Sources = slices.Clone(e.Fields), slices.Clone(e.Sources)
	c.Correlated, c.Expect = slices.Clone(e.Correlated), slices.Clone(e.Expect)
	c.Comparisons = make([]*Comparison, len(e.Comparisons))
	for i, x := range e.Comparisons {
		own := *x
		own.Levels = slices.Clone(x.Levels)
		c.Comparisons[i] = &own
	}
	c.Blocking = make([]*BlockingRule, len(e.Blocking))
	for i, x := range e.Blocking {
		own := *x
		c.Blocking[i] = &own
	}
	return &c
}
