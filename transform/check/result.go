package check

import (
	"slices"
	"time"

	"github.com/millrace/millrace/models"
)

// Status is what became of a check.
type Status string

// What becomes of checks. StatusError says that the check itself could not be run: it counts as failed.
const (
	StatusPass    Status = "pass"
	StatusWarn    Status = "warn"
	StatusFail    Status = "fail"
	StatusError   Status = "error"
	StatusSkipped Status = "skipped"
)

// Bad says whether the status keeps the table from being published.
func (s Status) Bad() bool { return s == StatusFail || s == StatusError }

// How says what it took to find the answer.
type How string

// The ways to an answer, cheapest first.
const (
	HowStatistics How = "statistics" // of the files: no row was read
	HowContract   How = "contract"   // another check that passed says more
	HowScan       How = "scan"       // the one scan of the table that all row rules share
	HowQuery      How = "query"      // a query of its own
	HowHistory    How = "history"    // figures of earlier runs
)

// Result is the outcome of one check in one run. It is a fact, not an error: what it does to the run is Status.
type Result struct {
	Node        string          `json:"node"` // schema.table
	Name        string          `json:"name"`
	Kind        string          `json:"kind"`
	Columns     []string        `json:"columns,omitempty"`
	Severity    models.Severity `json:"severity"`
	Status      Status          `json:"status"`
	Failing     int64           `json:"failing"`               // rows
	Keys        int64           `json:"keys,omitempty"`        // distinct values among them: keys of unique, values of accepted_values
	Quarantined int64           `json:"quarantined,omitempty"` // of the failing rows: kept out, in the quarantine only with severity quarantine
	Checked     int64           `json:"checked"`               // rows looked at
	Value       *float64        `json:"value,omitempty"`       // the figure that a check of the whole table judged
	Expected    string          `json:"expected,omitempty"`    // in words: "at least 1 row", "between 0 and 10"
	Message     string          `json:"message"`               // in words: what was found
	Threshold   string          `json:"threshold,omitempty"`   // the condition that decided, such as "> 10"
	How         How             `json:"how,omitempty"`
	SQL         string          `json:"sql,omitempty"` // a query that shows the failing rows
	Sample      *Sample         `json:"sample,omitempty"`
	Description string          `json:"description,omitempty"`
	Owner       string          `json:"owner,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Pos         string          `json:"pos,omitempty"` // file:line:column of its definition
	Took        time.Duration   `json:"took_ns,omitempty"`
}

// Failures is what the conditions of a check are held against: failing rows, or what dbt counts of one of its tests. Of unique these are
// the keys, of accepted_values the values that are wrong, and no more of them than its limit.
func (r *Result) Failures(c *models.Check) int64 {
	failures := r.Failing
	if !c.AsDBT || r.Kind == "sql" { // whose query has given them already
		return failures
	}
	if slices.Contains([]string{"unique", "accepted_values", "rejected_values"}, r.Kind) {
		failures = r.Keys
	}
	if most := int64(c.Capped); most > 0 {
		failures = min(failures, most)
	}
	return failures
}

// Sample is a few of the rows that failed. A nil cell is NULL; cells of columns that are tagged pii are masked already.
type Sample struct {
	Columns []string    `json:"columns"`
	Rows    [][]*string `json:"rows"`
}

// Metric is a figure of a table in one run, kept for comparison with later runs.
type Metric struct {
	Name  string    `json:"name"` // rows, or column:metric such as amount:mean
	Value float64   `json:"value"`
	At    time.Time `json:"at"` // logical time of the run
	Run   string    `json:"run,omitempty"`
}
