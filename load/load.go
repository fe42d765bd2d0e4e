// Package load brings finished versions of tables to a target and makes them visible. It never builds a row: it
// gets immutable files and a decision. Read Manifest, then Loader.
package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// Format is the version of the manifest that this code writes.
const Format = 1

// Manifest says everything about one snapshot of a target: which files make up each table, how many rows, where
// each came from, and how far each stream has been read. Data and cursors are committed by the same step because
// they stand in the same file.
type Manifest struct {
	Format      int       `json:"format"`
	Snapshot    int64     `json:"snapshot"`
	Parent      int64     `json:"parent,omitempty"` // the snapshot that this one was made from; 0 for the first
	Run         string    `json:"run"`
	Attempt     int       `json:"attempt"`
	Pipeline    string    `json:"pipeline"`
	LogicalTime time.Time `json:"logical_time"`
	PublishedAt time.Time `json:"published_at"`
	Project     string    `json:"project"`
	Millrace    string    `json:"millrace"`         // the binary's version
	Root        string    `json:"root"`             // absolute path of the target when it was written: the catalog's views name it
	Target      string    `json:"target,omitempty"` // a name made by chance with the first manifest, and handed on: no other target has it
	Tables      []Table   `json:"tables"`           // by name
}

// Table is one published table.
type Table struct {
	warehouse.Version
	Kind        string               `json:"kind"` // stream or model
	Pipeline    string               `json:"pipeline"`
	Run         string               `json:"run"`      // that built this version
	Snapshot    int64                `json:"snapshot"` // that first showed it
	LogicalTime time.Time            `json:"logical_time"`
	PublishedAt time.Time            `json:"published_at"`
	Made        *time.Time           `json:"made,omitempty"` // when a run made what a replay has added to since; nil: PublishedAt
	Cursor      string               `json:"cursor,omitempty"`
	Equations   []warehouse.Equation `json:"equations"`
	Rejects     []Rejects            `json:"rejects,omitempty"`    // of the run that built it
	AsOf        *AsOf                `json:"as_of,omitempty"`      // of a stream: the state of the source that it shows
	Reconciled  *time.Time           `json:"reconciled,omitempty"` // of an incremental stream: when all rows were read last
	Description string               `json:"description,omitempty"`
	Delivered   []warehouse.Column   `json:"delivered,omitempty"`   // of a stream: as its source gave them; none when as published
	PII         []string             `json:"pii,omitempty"`         // columns that the project tagged so when this was built, in lower case
	Rules       string               `json:"rules,omitempty"`       // hash of the checks that kept rows out of it
	Needs       []string             `json:"needs,omitempty"`       // tables that its SELECT reads
	Fingerprint *Fingerprint         `json:"fingerprint,omitempty"` // what it was made of; nil: unknown
	Mode        string               `json:"mode,omitempty"`        // an incremental model's strategy; of a stream: another mode begins anew, and so does…
	ReadFrom    string               `json:"read_from,omitempty"`   // …another identity of what it reads, where its source names one…
	Of          string               `json:"of,omitempty"`          // …or what its name for that means at the source…
	OrderedBy   string               `json:"ordered_by,omitempty"`  // …and another cursor column
	Decisions   []string             `json:"decisions,omitempty"`   // of golden records: ids of what stewards had decided when they were made
	// Standing are those of the entity's file that held, and its revokes, by id: see steward.Standing.
	Standing map[string]string `json:"decisions_standing,omitempty"`
	Broken   string            `json:"broken,omitempty"` // why a view is not in the catalog: what it reads has changed under it
}

// LoadedAt is when a run read or built the table: what its age is counted from.
func (t *Table) LoadedAt() time.Time {
	if t.Made != nil {
		return *t.Made
	}
	return t.PublishedAt
}

// AsDelivered are the columns of a stream as its source gave them.
func (t *Table) AsDelivered() []warehouse.Column {
	if t.Delivered != nil {
		return t.Delivered
	}
	return t.Columns
}

// AsOf is the state of a source that a stream was read in.
type AsOf struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`               // by the source's clock
	Position string    `json:"position,omitempty"` // in the source's log: an LSN, a GTID
}

// Rejects is a file of records that were read and not landed, with the count of each reason.
type Rejects struct {
	File    warehouse.File   `json:"file"`
	Reasons map[string]int64 `json:"reasons"`
}

// Table returns the table of that name, or nil.
func (m *Manifest) Table(n warehouse.Name) *Table {
	if m == nil {
		return nil
	}
	for i := range m.Tables {
		if m.Tables[i].Name == n {
			return &m.Tables[i]
		}
	}
	return nil
}

// By names the attempt that has published the manifest: a target that was restored from a backup has the same numbers again, but not these.
func (m *Manifest) By() string { return fmt.Sprintf("%s/%d", m.Run, m.Attempt) }

// Publication is what one attempt of a run wants to be seen, all of it at once. The files' paths are absolute and
// the files are synced.
type Publication struct {
	Run         string
	Attempt     int
	Pipeline    string
	LogicalTime time.Time
	Project     string
	Millrace    string
	Tables      []Table
	Drop        []warehouse.Name // tables to take out
	Before      *Manifest        // what the tables were made from; nil: they stand for themselves
}

// Overtaken is an error when another run has published one of the tables since the publication was made: what that run
// brought would be lost. Loaders ask it with what readers see now, under the lock in which they publish.
func (p Publication) Overtaken(current *Manifest) error {
	if p.Before == nil {
		return nil
	}
	for _, t := range p.Tables {
		now, before := current.Table(t.Name), p.Before.Table(t.Name)
		if now != nil && (before == nil || before.Snapshot != now.Snapshot) {
			return fmt.Errorf("%w: %s was published by run %s (snapshot %d) while this run was under way, of which nothing is published",
				ErrOvertaken, t.Name, now.Run, now.Snapshot)
		}
	}
	return nil
}

// Loader is one target.
type Loader interface {
	// Prepare makes the target ready and proves that it can be written. It is called before the first row is
	// read, so that a run does not find out at its end.
	Prepare(ctx context.Context) error
	// Current returns what readers see now, with absolute file paths; ErrNothing when nothing was ever published.
	Current(ctx context.Context) (*Manifest, error)
	// Publish makes all tables of the publication visible by one step, beside those that it does not name. When
	// it fails nothing is visible; ErrOvertaken when another run was faster. Repeating it for the same run and attempt changes nothing and returns the
	// manifest of the first time.
	Publish(ctx context.Context, p Publication) (*Manifest, error)
	// Published returns the snapshot by which that attempt of the run became visible, or nil: what a run that
	// finds itself cut off asks first.
	Published(ctx context.Context, run string, attempt int) (*Manifest, error)
	// Collect removes what no reader can ask for any more: snapshots past retention, files that no manifest
	// names. It removes nothing when it cannot read every manifest that stays.
	Collect(ctx context.Context, dryRun bool) (*Collection, error)
}

// Collection is what Collect found and, unless it was a dry run, removed.
type Collection struct {
	DryRun    bool     `json:"dry_run"`
	Snapshots []int64  `json:"snapshots"` // past retention, or never published
	Files     []string `json:"files"`     // named by no manifest that stays
	Bytes     int64    `json:"bytes"`     // of Files
	Kept      []int64  `json:"kept"`
}

// Errors that callers tell apart.
var (
	// ErrOvertaken says that another run has published the same table meanwhile.
	ErrOvertaken = errors.New("overtaken by another run")
	// ErrNothing says that the target has no published snapshot.
	ErrNothing = errors.New("nothing is published yet")
	// ErrDamaged says that the target's files contradict each other.
	ErrDamaged = errors.New("the target is damaged")
	// ErrNewer says that the target was written by a newer millrace.
	ErrNewer = errors.New("the target was written by a newer millrace")
)
