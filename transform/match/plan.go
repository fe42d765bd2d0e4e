// Package match finds the records of an entity that mean the same thing, makes clusters of them, and golden records of the clusters. The
// rows are read from a file of standardized records (standardize.go writes its SELECT), compared in Go, and written back as files; everything
// before and behind that is SQL. It publishes nothing. Read Plan first, then Records, then Engine.
//
//	sources ─ standardize (SQL) ─► records ─ block, compare, weigh (Go) ─► edges ─ cluster (Go) ─► labels ─ ids, survivorship (SQL) ─► tables
//
// The same Plan can be run as plain SQL (sqlplan.go): the oracle of the tests, and the way into Snowflake.
package match

// Plan is an entity, settled: each name has become a number of a column, each default is filled in. What it says can be run in Go and as
// SQL, and both give every pair the same levels.
type Plan struct {
	Entity      string
	Sources     []Source
	Columns     []Column // of the records file, behind the fixed ones (see Records)
	Rules       []Rule
	Comparisons []Comparison
	Groups      []Group
	Never       []Condition
	Always      []Condition
	Auto        float64 // probability from which a pair matches by itself
	Review      float64 // probability from which a steward is asked
	Cluster     Clustering
	MaxPairs    int64  // candidates that may be compared
	Hash        string // of the comparisons and of how the columns that they look at are made: weights are for one
}

// Source is where a record comes from. Its number in Plan.Sources is what Records.Source holds.
type Source struct {
	Name          string
	DuplicateFree bool // no pair of its records is ever a candidate
}

// Kind is what the values of a column are.
type Kind uint8

// The kinds of columns.
const (
	Text   Kind = iota // VARCHAR
	Number             // DOUBLE
	Date               // DATE
	List               // VARCHAR[], its entries distinct and sorted
)

// Column is a column of the records file.
type Column struct {
	Name string // a field's name, or, of what is derived from one, name$what: last_name$phonetic, $block2_1
	Kind Kind
	// Fields are those that it is made of; none for a field's own column. Training needs them: of records that agree in surname$phonetic
	// because a rule asks for it, what the comparison of surname says is no news.
	Fields []string
	// Lower says that its steps leave no capital letter: engines whose Jaro-Winkler is blind to case compare such texts only.
	Lower bool
}

// madeOf are the fields that a column is made of, its own being one.
func (c *Column) madeOf() []string {
	if len(c.Fields) > 0 {
		return c.Fields
	}
	return []string{c.Name}
}

// Rule makes candidates. A pair is a candidate of the first rule that makes it one, and of no other.
type Rule struct {
	Name     string
	Keys     []int    // columns that must be equal, and not NULL
	Similar  *Similar // set instead of Keys
	MaxBlock int      // records that may share a key; 0: any number
	Overflow Overflow // what becomes of a block that has more
}

// Similar makes candidates of each record and those nearest to it by the cosine of IDF-weighted words or trigrams.
type Similar struct {
	Columns []int   // text columns, whose words are taken together
	Grams   int     // 0: words; 3: trigrams
	Top     int     // how many, for each record; pairs are those of either side
	Floor   float64 // least cosine
}

// Overflow is what becomes of a block that is too large.
type Overflow uint8

// Its values.
const (
	Refuse   Overflow = iota // the run fails before it compares anything, with the numbers
	Skip                     // its pairs are no candidates of this rule; the quality report says how many
	ToReview                 // as Skip, and the block is told in the review table
)

// Comparison gives a pair one of its levels: 0 when a value is missing, then 1 to len(Levels) for the first that holds, and
// len(Levels)+1, "else", when none does. There are at most 14 levels in a comparison, and 15 comparisons.
type Comparison struct {
	Name    string
	Columns []int // whose NULL makes level 0: one, or two for a place
	Levels  []Level
	TF      bool // level 1 is weighed by how frequent the value is
}

// Level is one grade of agreement.
type Level struct {
	Name string
	Op   Op
	// Columns are what it looks at: one; two for Distance (latitude, longitude) and for Swapped (own and other).
	Columns []int
	Arg     float64
}

// Op is what a level asks. Nicknames, sounds and parts of addresses are derived columns that Exact compares: Equal there is never true
// of a NULL.
type Op uint8

// What levels ask.
const (
	Exact       Op = iota // equal
	Swapped               // a's own is b's other and a's other b's own
	JaroWinkler           // similarity ≥ Arg; prefix scale 0.1, at most 4 letters, boosted only above 0.7, as DuckDB has it
	Levenshtein           // ≤ Arg edits, of Unicode letters
	OSA                   // ≤ Arg edits, a transposition of neighbours being one; no part is edited twice
	TokenSet              // Jaccard of the sets of words ≥ Arg
	Contains              // all words of the shorter set are in the other, and there are at least Arg of them
	Cosine                // of IDF-weighted words ≥ Arg
	Cosine3               // of IDF-weighted trigrams ≥ Arg
	Within                // |a − b| ≤ Arg
	Percent               // |a − b| ≤ Arg percent of the greater magnitude
	Days                  // at most Arg days apart
	Distance              // great circle, ≤ Arg km on a sphere of 6371.0088 km
	Overlap               // at least Arg common entries
)

// Group caps what comparisons that depend on each other may add together.
type Group struct {
	Comparisons []int
	MaxWeight   float64 // bits
}

// Condition is a conjunction of terms about a pair.
type Condition struct {
	Text  string // as the entity's file has it
	Terms []Term
}

// Term is about a comparison's level, or about a column whose values are Same or Differ, both being there.
type Term struct {
	Comparison, Level int // Comparison is −1 for a term about a column
	Column            int
	Differs           bool
}

// Clustering is how edges become clusters.
type Clustering struct {
	Method        Method
	MinMeanWeight float64 // bits that all pairs across two clusters must have in the mean, the prior not counted
	MaxSize       int
}

// Method is how edges become clusters.
type Method uint8

// The methods.
const (
	Guarded   Method = iota // merged in falling weight, where nothing speaks against it
	Connected               // whatever hangs together
	OneToOne                // at most one record of each duplicate-free source, the greatest weights first; guarded besides
)
