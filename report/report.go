// Package report tells what became of a run, or of tables that were judged without one, for people (HTML, Markdown) and for
// machines (JSON, JUnit XML). It gathers facts from the journal and renders them; it runs nothing, decides nothing and never
// opens a table. Read Run, then
// Gather; each format has a file of its own.
package report

import (
	"time"

	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// FormatVersion counts the changes of the JSON form that break its readers.
const FormatVersion = 1

// Run is all that a report says of one run, or of a judgement that was none; see Judgement. Its JSON form is a promise: fields
// are added, never renamed.
type Run struct {
	Format      int               `json:"format"` // FormatVersion
	Project     string            `json:"project"`
	MadeAt      time.Time         `json:"made_at"`
	MadeBy      string            `json:"made_by"` // version of millrace
	ID          string            `json:"run"`
	Subject     string            `json:"subject,omitempty"` // what was judged, when that was no run
	Pipeline    string            `json:"pipeline"`
	State       string            `json:"state"` // the journal's status; interrupted when its process is gone
	LogicalTime time.Time         `json:"logical_time"`
	Trigger     journal.Trigger   `json:"trigger,omitempty"` // what began it
	Attempt     int               `json:"attempt"`
	Started     time.Time         `json:"started"`
	Finished    *time.Time        `json:"finished,omitempty"`
	Snapshot    *int64            `json:"snapshot,omitempty"` // what it published
	ExitCode    *int              `json:"exit_code,omitempty"`
	Selection   journal.Selection `json:"selection"`
	ProjectHash string            `json:"project_hash"`
	Version     string            `json:"version"` // of the millrace that ran
	Error       string            `json:"error,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"` // what went wrong behind the publish

	Verdict Verdict        `json:"verdict"`
	Totals  Totals         `json:"totals"`
	Causes  []Cause        `json:"causes"`
	Changes *Changes       `json:"changes,omitempty"` // nil: no earlier run of the pipeline was green
	Nodes   []Node         `json:"nodes"`
	Loads   []journal.Load `json:"loads,omitempty"` // to what follows the target, the newest first
	Runs    []RunPoint     `json:"runs"`            // the trend: the latest runs of the pipeline, oldest first, this one last
}

// Word is a verdict in one word.
type Word string

// The verdicts. WordWarned is a run that did its work and has something to tell: warnings, or rows in quarantine.
const (
	WordPassed      Word = "passed"
	WordWarned      Word = "warned"
	WordFailed      Word = "failed"
	WordPartial     Word = "partial"
	WordRunning     Word = "running"
	WordInterrupted Word = "interrupted"
	WordUnknown     Word = "unknown"
)

// Verdict is what a reader in a hurry reads.
type Verdict struct {
	Word     Word   `json:"word"`
	Sentence string `json:"sentence"`
}

// Totals count what the report shows.
type Totals struct {
	Nodes       int   `json:"nodes"`
	NodesBuilt  int   `json:"nodes_built"`
	NodesFailed int   `json:"nodes_failed"`
	NodesHeld   int   `json:"nodes_held_back"` // skipped or withheld, because of others
	Checks      int   `json:"checks"`
	Passed      int   `json:"passed"`
	Warned      int   `json:"warned"`
	Failed      int   `json:"failed"`
	Errors      int   `json:"errors"`
	Skipped     int   `json:"skipped"`
	Rows        int64 `json:"rows"`
	Rejected    int64 `json:"rejected"`
	Quarantined int64 `json:"quarantined"`
	Notes       int   `json:"notes"`
	Unbalanced  int   `json:"equations_open"` // equations that do not close
}

// Bad says how many checks keep something from being published.
func (t Totals) Bad() int { return t.Failed + t.Errors }

// Cause is a node that failed by itself, with everything that was kept back because of it.
type Cause = journal.Cause

// Held is a node that was skipped or withheld.
type Held = journal.Held

// Node is one node's part in the run. One that was only checked has no status.
type Node struct {
	Name        string         `json:"node"`
	Kind        string         `json:"kind"`
	From        string         `json:"from,omitempty"` // where its rows are, when no run made it
	Status      journal.Status `json:"status"`
	Started     time.Time      `json:"started"`
	Finished    *time.Time     `json:"finished,omitempty"`
	Unchanged   bool           `json:"unchanged,omitempty"` // it was not built: its table is what would come of it
	Rows        int64          `json:"rows"`
	Bytes       int64          `json:"bytes"`
	Rejected    int64          `json:"rejected"`
	Quarantined int64          `json:"quarantined"` // rows that are in the quarantine instead of the table
	Equations   []Equation     `json:"equations"`
	Notes       []string       `json:"notes"`
	Error       string         `json:"error,omitempty"`
	Hint        string         `json:"hint,omitempty"`
	Cause       string         `json:"cause,omitempty"` // the node it was kept back for
	Checks      []Check        `json:"checks"`
}

// Equation is a warehouse's equation, with its answer.
type Equation struct {
	warehouse.Equation
	Closes bool   `json:"closes"`
	Text   string `json:"text"`
}

// Change says how a check's outcome differs from the one before.
type Change string

// The changes of checks. A check whose outcome stayed the same and is not bad has none.
const (
	NewlyFailing Change = "newly_failing" // bad now, and not in the run before that knew it; or bad and never seen before
	StillFailing Change = "still_failing"
	NewlyWarning Change = "newly_warning"
	NewlyPassing Change = "newly_passing" // was bad
)

// Title names what the report is about.
func (r *Run) Title() string {
	if r.Subject != "" {
		return r.Subject
	}
	return "run " + r.ID
}

// Command is what gives the same report for machines.
func (r *Run) Command() string {
	if r.Subject != "" {
		return "millrace check --format json"
	}
	return "millrace report " + cut(r.ID, 80) + " --format json"
}

// Check is a check's result with its trend.
type Check struct {
	check.Result
	Change       Change               `json:"change,omitempty"`
	FailingSince string               `json:"failing_since,omitempty"` // the run in which it began to fail without a break
	FailingRuns  int                  `json:"failing_runs,omitempty"`  // how many runs that is, this one included
	History      []journal.CheckPoint `json:"history"`                 // the latest runs, oldest first, this one last
}

// Changes are what differs from the last green run of the same pipeline.
type Changes struct {
	Since        string      `json:"since_run"`
	SinceTime    time.Time   `json:"since_logical_time"`
	Project      bool        `json:"project_changed"`   // the project's files, as its hash shows
	Version      string      `json:"version,omitempty"` // of millrace then, when it was another
	Selection    bool        `json:"selection_changed"` // other nodes were asked for
	Rows         []RowChange `json:"rows"`
	NodesAdded   []string    `json:"nodes_added"`
	NodesGone    []string    `json:"nodes_gone"`
	NewlyFailing []CheckRef  `json:"newly_failing"`
	StillFailing []CheckRef  `json:"still_failing"`
	NewlyWarning []CheckRef  `json:"newly_warning"`
	NewlyPassing []CheckRef  `json:"newly_passing"`
}

// RowChange is a node whose number of rows is another than in the last green run.
type RowChange struct {
	Node string `json:"node"`
	Was  int64  `json:"was"`
	Now  int64  `json:"now"`
}

// CheckRef names a check.
type CheckRef struct {
	Node string `json:"node"`
	Name string `json:"name"`
}

// RunPoint is one run in the trend of runs.
type RunPoint struct {
	ID          string         `json:"run"`
	LogicalTime time.Time      `json:"logical_time"`
	Status      journal.Status `json:"status"`
	Seconds     float64        `json:"seconds"`
}
