package load

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// Follower is a place that follows what a Loader has published: the local version is the truth, and what the place lacks of
// it is found by the difference of two manifests. It may be behind, and catches up. All or nothing holds for what Load.Together says.
type Follower interface {
	// Prepare connects, and proves that the place can be written: a right that is missing is named. It is called before the
	// first row is read.
	Prepare(ctx context.Context) error
	// Standing is what the place holds, as its own ledger tells, and which of that is not there any more: ErrNothing when it holds nothing
	// of this project.
	Standing(ctx context.Context) (*Standing, error)
	// Shows says whether the place looks as Bring of m has left it, by what can be asked at no cost: each table is there, and has as many rows. It
	// is quick to doubt, and no proof: Standing and Plan know more, and Verify all.
	Shows(ctx context.Context, m *Manifest) (bool, error)
	// Plan says what Bring would do to get from there to m, which nothing standing (nil) means from nothing. It changes nothing.
	Plan(ctx context.Context, m *Manifest, standing *Standing, b Bringing) (*Load, error)
	// Bring makes the place hold m. Whether an earlier attempt was committed is read from the ledger, so it can be repeated
	// after any failure. The Load is returned with an error too: what was done before it.
	Bring(ctx context.Context, m *Manifest, b Bringing) (*Load, error)
	// Verify compares tables of m, all for none, with what the place holds: counts and checksums.
	Verify(ctx context.Context, m *Manifest, tables []warehouse.Name) ([]Compared, error)
	// Sweep removes what loads that ended have left behind and that is older than the target keeps it.
	Sweep(ctx context.Context, dryRun bool) (*Swept, error)
	Close() error
}

// Bringing is how a Load is to be made.
type Bringing struct {
	Load    string // its id, a ULID, journaled before the first statement
	Run     string // on whose behalf; "" for none
	Attempt int    // of the run
	// Renew replaces all rows of these tables, whatever the ledger says of them, and their columns where those there are others.
	Renew []warehouse.Name
	// Anew takes the place over, where it follows another target, or holds what this one does not know: ErrAnother and ErrAhead.
	Anew bool
	// Record keeps a statement: before it is sent, when its query id is known, and when it has ended. An error stops the load. It may
	// be called from several goroutines at once.
	Record func(ctx context.Context, s Statement) error
	// Progress is told of each file and statement, of one after the other; may be nil.
	Progress func(LoadProgress)
}

// LoadProgress is how far a load has come.
type LoadProgress struct {
	Table warehouse.Name // zero for what concerns all
	Step  string         // diff, write, upload, copy, prove, publish, verify
	Done  int64          // bytes of Of
	Of    int64
}

// Standing is what a place holds.
type Standing struct {
	Snapshot int64           `json:"snapshot"` // that was brought last
	Run      string          `json:"run"`      // that had published it
	Target   string          `json:"target"`   // whose snapshot it is: Manifest.Target
	Load     string          `json:"load"`
	At       time.Time       `json:"at"`
	Tables   []StandingTable `json:"tables"`
	Unproven []StandingTable `json:"unproven,omitempty"` // As and Load alone: what a load has put there is not what it had sent
}

// Table returns the table of that name, or nil.
func (s *Standing) Table(n warehouse.Name) *StandingTable {
	if s == nil {
		return nil
	}
	return named(s.Tables, n)
}

// UnprovenTable returns that of Unproven of that name, or nil.
func (s *Standing) UnprovenTable(n warehouse.Name) *StandingTable {
	if s == nil {
		return nil
	}
	return named(s.Unproven, n)
}

func named(tables []StandingTable, n warehouse.Name) *StandingTable {
	for i := range tables {
		if tables[i].Name == n {
			return &tables[i]
		}
	}
	return nil
}

// StandingTable is one table as the place holds it.
type StandingTable struct {
	warehouse.Version           // that it shows: the paths of its files are relative to the target's root
	As                string    `json:"as"`          // name at the place, as LoadedTable's
	Fingerprint       string    `json:"fingerprint"` // of that version and of how it is kept: equal ones need no load
	Mode              Mode      `json:"mode"`
	Load              string    `json:"load"`
	At                time.Time `json:"at"`
	Gone              bool      `json:"gone"` // somebody has dropped it: only the ledger has it
}

// Mode is how a table's change is brought.
type Mode string

// The modes. Full by swap, and a table that is new, stand outside of the transaction of the others.
const (
	ModeNone      Mode = "none" // nothing has changed
	ModeNew       Mode = "new"  // the table is made, filled under another name and renamed
	ModeFull      Mode = "full"
	ModeSwap      Mode = "swap"
	ModeAppend    Mode = "append"
	ModeMerge     Mode = "merge"
	ModePartition Mode = "partition"
	ModeSCD2      Mode = "scd2"
)

// Load is what it takes, or took, to bring a place to a snapshot.
type Load struct {
	ID       string        `json:"id"` // "" of a load that is planned
	Run      string        `json:"run,omitempty"`
	Snapshot int64         `json:"snapshot"`
	Tables   []LoadedTable `json:"tables"`   // those that change, those that cannot be brought, and, with ModeNone, those that are left there
	Together bool          `json:"together"` // all of its tables become visible by one commit
	LoadCost
}

// Differing are the tables that the place does not hold as they are: those that change, and those that cannot be brought.
func (l *Load) Differing() []string {
	names := []string{}
	for _, t := range l.Tables {
		if t.Mode != ModeNone || t.Error != "" {
			names = append(names, t.Name.String())
		}
	}
	return names
}

// LoadedTable is one table's part in a Load.
type LoadedTable struct {
	warehouse.Name
	As   string `json:"as"` // name at the place, quoted as it needs
	Mode Mode   `json:"mode"`
	Why  string `json:"why"`  // of the mode
	Sent int64  `json:"sent"` // rows in the files that are sent
	Rows int64  `json:"rows"` // that the table has then
	// What the publishing statement counted.
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
	Error    string `json:"error,omitempty"` // why it cannot be brought, or was not
	Hint     string `json:"hint,omitempty"`  // what to do about that, where it is known
	LoadCost
}

// LoadCost is what a load, or a table's part in it, costs.
type LoadCost struct {
	Files      int     `json:"files"`
	Bytes      int64   `json:"bytes"` // of the files
	Statements int     `json:"statements"`
	Seconds    float64 `json:"warehouse_seconds"` // that the warehouse was busy with its statements
	Credits    float64 `json:"credits"`           // estimate: see docs/snowflake.md
}

// Statement is one statement that a load sends.
type Statement struct {
	Load      string     `json:"load"`
	Seq       int        `json:"seq"` // within the load, from 1
	Table     string     `json:"table,omitempty"`
	Step      string     `json:"step"`
	SQL       string     `json:"sql"`        // without values of the data
	RequestID string     `json:"request_id"` // ours: known before it is sent
	QueryID   string     `json:"query_id,omitempty"`
	Sent      time.Time  `json:"sent"`
	Ended     *time.Time `json:"ended,omitempty"`
	Rows      int64      `json:"rows"`
	Error     string     `json:"error,omitempty"`
}

// Compared is one table, as published locally and at the place.
type Compared struct {
	warehouse.Name
	As       string       `json:"as"`
	Equal    bool         `json:"equal"`
	Behind   bool         `json:"behind"` // the ledger says that it holds an earlier version: it is compared with that, when its files are still there
	Rows     int64        `json:"rows"`
	There    int64        `json:"there"`
	Problems []string     `json:"problems,omitempty"` // a line each: column, measure, both values
	Note     string       `json:"note,omitempty"`     // why it cannot be compared, which is no difference
	Unlooked string       `json:"unlooked,omitempty"` // rows there that were not compared, though those of the version were
	Error    string       `json:"error,omitempty"`    // what has failed while it was compared: nobody knows whether it differs
	Hint     string       `json:"-"`                  // what to do about the problems, or the error
	Sums     []ColumnSums `json:"-"`
}

// ColumnSums are a column's measures on both sides, as texts.
type ColumnSums struct {
	Column, Measure, Here, There string
}

// Swept is what Sweep found and, unless it was a dry run, removed.
type Swept struct {
	DryRun bool     `json:"dry_run"`
	Tables []string `json:"tables"`
	Stages []string `json:"stages"` // prefixes
	Kept   []string `json:"kept"`   // and why
}

// Errors of followers that callers tell apart.
var (
	// ErrAhead says that the place holds a snapshot that the target does not have, or no more: a later one, or one that another run has published.
	ErrAhead = errors.New("the place holds a snapshot that is not here")
	// ErrAnother says that the place follows another target: a copy of the project, or what was there before the target was made anew.
	ErrAnother = errors.New("the place follows another target")
	// ErrForeign says that a table at the place was not made by this project.
	ErrForeign = errors.New("not made by this project")
	// ErrFenced says that another load took over.
	ErrFenced = errors.New("another load took over")
	// ErrTooDear says that a load is estimated to cost more than the target allows.
	ErrTooDear = errors.New("over max_credits")
	// ErrAway says that the place does not answer now. A run that finds that before it reads begins nevertheless: what it publishes is brought later.
	ErrAway = errors.New("the place does not answer")
	// ErrUnproven says that what arrived is not what was sent. Nothing of it is published.
	ErrUnproven = errors.New("what arrived is not what was sent")
)
