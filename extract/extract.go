// Package extract defines how records come in: a Source lists its streams and reads them, window by window, as
// Arrow batches or as a scan that DuckDB runs natively. It never writes a table, keeps no state between runs and
// knows nothing of models, warehouses or journals. Read Source first, then Window and Snapshot.
package extract

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/internal/csvrec"
)

// Source is one configured place that records come from. Its methods may be called from several goroutines.
type Source interface {
	// Describe looks at the stream as it is now: its columns, and what could be pinned in the project. It reads
	// as little as it can, and changes nothing. `millrace plan` and the first run of a stream call it.
	Describe(ctx context.Context, s Stream) (*Description, error)

	// Window fixes what one run reads from the stream: everything after since (zero: from the start) and up to
	// what is there now. The engine journals the answer before the first Read, so a Window must mean the same
	// records for as long as it holds. fixed is what the run fixed before, nil at first. A source returns
	// fixed itself when it still holds; it may then have changed it to show a later state of the source (more slices,
	// another Hi and AsOf, other slices of keys), which the engine does not journal: it is asked again after a crash.
	// Otherwise it returns a fresh window, upon which the engine drops what was landed of the old one.
	// Nothing to read is a Window without slices, not an error; ErrEmpty is for a source that is suspiciously
	// absent (a glob without a match, a missing table).
	Window(ctx context.Context, s Stream, since Cursor, fixed *Window) (*Window, error)

	// Read opens one slice of a window, from the resume point of the last part that was landed ("" at first).
	// The engine drains the Snapshot, asks its Outcome, and calls Read again while Outcome.Next is not "".
	// An error that wraps ErrChanged means that the window no longer holds: the engine drops the stream's parts
	// and fixes a new window.
	Read(ctx context.Context, r Request) (*Snapshot, error)

	// Identity names what the stream reads, in words for people and without secrets, from the project's settings alone:
	// rows of one identity are never added to those of another. "" is for a source whose cursor names itself what was
	// read (files).
	Identity(s Stream) string

	// Close releases connections. It is called once, after the last Snapshot was closed.
	Close() error
}

// Stream is what the project asks of one stream, after defaults.
type Stream struct {
	Name    string   // as the project spells it
	Node    string   // name of its table in the project, by which commands select it
	Mode    Mode     // how a run reads it
	Key     []string // columns that identify a row; required by Incremental
	Cursor  string   // column that orders changes; may be empty where the source orders otherwise
	Deletes bool     // the window is to have a slice of keys, by which deleted rows are found
	Fresh   bool     // nothing is published that the window's rows are added to
	Known   []Column // columns of the published version: what an unpinned stream must keep to
	Closed  bool     // columns beyond Known are left out of what is published: no row is to be read again for them
	Range   *Range   // not nil: the window is to have the rows whose cursor lies in it, and to leave the stream's cursor alone
	Types   []Column // columns by the project's contract: a source of texts reads them as these, where nothing is pinned
	Options any      // the source's own keys: a pointer of the type that Spec.StreamOptions made
}

// Mode says how a run reads a stream.
type Mode string

// The modes of a stream. Full reads a whole snapshot each time; Append reads immutable records once each;
// Incremental reads what changed and is merged by key.
const (
	Full        Mode = "full"
	Append      Mode = "append"
	Incremental Mode = "incremental"
)

// Column is a column's name and its type, spelled as a DuckDB type ("DECIMAL(12,2)", "STRUCT(a BIGINT)").
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Description is what Describe found.
type Description struct {
	Columns []Column
	Rows    int64 // estimate; -1 when the source cannot tell cheaply
	Bytes   int64 // estimate of what a run would read; -1 when unknown
	// Pins are the keys that `millrace plan --pin` writes under the stream so that later runs guess nothing,
	// in the order to write them. Each value is a YAML fragment.
	Pins []Pin
	// Notes are remarks for the person who plans ("types guessed from the first 20480 rows").
	Notes []string
}

// Pin is one key to write into the project and its value as YAML in flow style.
type Pin struct{ Key, YAML string }

// Cursor is how far a stream has been read: opaque text, written by the source and only compared by it.
// The engine stores it in the manifest, beside the data it belongs to.
type Cursor string

// Window is what one run reads from one stream: everything in [Lo, Hi).
type Window struct {
	Lo Cursor `json:"lo,omitempty"`
	// Hi becomes the stream's cursor when, and only when, the run's data is published.
	Hi Cursor `json:"hi,omitempty"`
	// Slices are independent pieces, read in any order and perhaps at once. None: there is nothing to read.
	Slices []Slice `json:"slices"`
	// Parallel is how many slices the source would have read at once; 0 and 1: one after the other.
	Parallel int `json:"parallel,omitempty"`
	// AsOf is the state of the source that the window reads; nil for a source that knows no such thing. The engine
	// sees to it that all windows of one source and one run have the same, and keeps it in the manifest.
	AsOf *AsOf `json:"as_of,omitempty"`
	// Of is what the stream's name means at the source, where the project leaves that to it (a search path); "" where it does
	// not. Rows of another are not added to those of this one, as with Source.Identity.
	Of string `json:"of,omitempty"`
	// State tells what a window of a full stream reads from what others read: where it is equal the rows are the same. "" where the
	// source cannot tell, as when something was written just now.
	State string `json:"state,omitempty"`
	// Latest says that the rows are what the source had at one moment, later than that of every window before:
	// they replace published rows of their key also where their cursor is not greater.
	Latest bool `json:"latest,omitempty"`
	// Overlaps says that records of this window may come again in the next one, because the cursor's steps are
	// coarse or something holds its safe edge back. A cursor that stands still is no failure then.
	Overlaps bool `json:"overlaps,omitempty"`
	// Covers is what a window of Stream.Range reads: it may be cut where the live cursor stands.
	Covers *Covered `json:"covers,omitempty"`
	// Notes are remarks for the people who read the run's report ("a.csv was changed and is read again").
	Notes []string `json:"notes,omitempty"`
}

// Covered says which values of the cursor column a window reads: from From up to, but not including, To, as they land.
type Covered struct{ From, To string }

// AsOf is one state of a source: everything that was committed then, and nothing that came later.
type AsOf struct {
	ID   string    `json:"id"`   // equal for windows that read the same state
	Time time.Time `json:"time"` // by the source's clock
	// Position is in the source's log: an LSN, a GTID. PostgreSQL's was read before the state was taken, a lower bound:
	// whoever goes on reading the log from there misses nothing, and may meet what the state has already.
	Position string `json:"position,omitempty"`
}

// Slice is one piece of a window; Spec is opaque to the engine.
type Slice struct {
	ID    string `json:"id"`
	Spec  string `json:"spec,omitempty"`
	Bytes int64  `json:"bytes,omitempty"` // estimate, for progress; 0 when unknown
	// Keys says that the slice yields the key of every row that the source has, and no more: what is published
	// and has none of them was deleted.
	Keys bool `json:"keys,omitempty"`
}

// Request asks for one slice.
type Request struct {
	Stream Stream
	Window *Window
	Slice  Slice
	Resume string // Outcome.Next of the last landed part of this slice, or ""
	// Scratch is an empty folder on the staging disk, removed by the engine after the part is landed.
	Scratch string
	// Reject takes a record that cannot be delivered. It is safe for use by several goroutines; its error
	// (disk full, too many) must be returned by the reader.
	Reject func(Reject) error
	// Progress is told how many source bytes and records were consumed since the last call. Never nil.
	Progress func(bytes, records int64)
}

// Reject is a record that was read but cannot be landed, with everything needed to find and mend it.
type Reject struct {
	File    string // file or object it came from; "" for sources without files
	Line    int64  // 1-based line on which the record starts; 0 when it has none
	Offset  int64  // byte offset of the record's start in the uncompressed file; -1 when it has none
	Column  string // column at fault; "" when it is the whole record
	Reason  string // one of the Reason constants
	Message string // what is wrong, in words
	Raw     string // the record as it came, cut at MaxRaw bytes; invalid UTF-8 as \xNN
}

// MaxRaw is the most bytes of a record that a Reject carries.
const MaxRaw = csvrec.MaxRaw

// The reasons of rejects. A source may add its own.
const (
	ReasonTooManyColumns = csvrec.ReasonTooManyColumns
	ReasonTooFewColumns  = csvrec.ReasonTooFewColumns
	ReasonQuote          = csvrec.ReasonQuote
	ReasonEncoding       = csvrec.ReasonEncoding
	ReasonCast           = "bad_cast"
	ReasonInexact        = "inexact_cast"       // the value would be changed by the cast (1.5 to BIGINT)
	ReasonSyntax         = "bad_syntax"         // a JSON record that does not parse
	ReasonTooLong        = csvrec.ReasonTooLong // a record above the size limit
	ReasonNullKey        = "null_key"           // a key column is NULL
)

// Snapshot is one slice being read: exactly one of Reader and Scan is set. The engine drains it, then calls
// Outcome, then Close (always, also after an error).
type Snapshot struct {
	// Reader yields the records. Its batches are fresh and unsliced; it comes from internal/arrowx when it is fed
	// by a goroutine.
	Reader array.RecordReader
	// Scan is a query that DuckDB runs over local files.
	Scan *Scan
	// Outcome is valid after a clean end of Reader or Scan, and only then. An error that wraps ErrInexact means that
	// DuckDB read the Scan without complaint but changed values: the engine drops what it wrote and goes on with
	// Scan.Fallback, as if SQL had failed, and asks Outcome again after that.
	Outcome func() (Outcome, error)
	// Close stops whatever still runs and waits for it. It may be nil.
	Close func()
}

// Scan is a relation that DuckDB reads natively. Files says what it opens: the engine's lock-down allows no more.
type Scan struct {
	// SQL is one SELECT that yields exactly the records to land. It fails on the first bad record when Fallback
	// is set, and skips bad records when it is not.
	SQL string
	// Rejects is one SELECT that yields the records that SQL skipped, with the columns file VARCHAR, line BIGINT,
	// "offset" BIGINT, "column" VARCHAR, reason VARCHAR, message VARCHAR, raw VARCHAR: one row per record.
	// "" when SQL skips none.
	Rejects string
	// Dirs and Files are what SQL and Rejects read: absolute paths.
	Dirs, Files []string
	// Fallback gives a slower scan of the same slice that separates bad records from good ones. The engine calls
	// it once, when SQL failed; the error is what DuckDB said.
	Fallback func(ctx context.Context, cause error) (*Scan, error)
}

// Outcome is what reading a slice came to.
type Outcome struct {
	// Read is the number of records that the source saw, counted where it reads them and never derived from what
	// was landed: the left side of `read = landed + rejected`.
	Read int64
	// Next is where the slice goes on; "" when it is done.
	Next string
	// Detail is kept with the part, for people and for audits: the files read, a server's LSN. "as_of" is the id of the
	// AsOf that it was read in.
	Detail map[string]string
}

// Spec is what a source package offers: `extract/all` lists them, cmd hands them to the project loader.
type Spec struct {
	Type    string // the value of `type:` in the project
	Summary string // one sentence
	// Options makes the struct that the source's own keys in the project decode into (`yaml` and `doc` tags).
	Options func() any
	// StreamOptions makes the struct for the keys of one stream beyond the common ones.
	StreamOptions func() any
	// Check validates a source's settings without touching the source; its problems name the key at fault.
	Check func(options any, streams []Stream) []Problem
	// Open connects lazily: it may validate, but does no slow work.
	Open func(env Env, options any) (Source, error)
	// AppendsByCursor says that an append stream is read by its cursor column, which it must then name.
	AppendsByCursor bool
	// ReadsRanges says that Window takes Stream.Range: it then answers with a window of one slice for each of the range's, none
	// of them beyond since, which stays what it is: Hi is "".
	ReadsRanges bool
	// FindsDeletes says that a window can have a slice of keys (Stream.Deletes).
	FindsDeletes bool
	// Discover lists what there is to read in a source that Open made; nil when the source cannot tell.
	Discover func(ctx context.Context, s Source) (*Discovery, error)
	// Examine looks at what runs lean on, for `millrace doctor`: rights, settings, whether the server is a replica.
	// nil: there is nothing but Describe to look at.
	Examine func(ctx context.Context, s Source, streams []Stream) ([]Finding, error)
	// FromURL makes Options of a URL, for `millrace init --from` and `connectors discover`; nil: the type has no URLs.
	// ok is false when the URL is another type's.
	FromURL func(url string) (options any, ok bool, err error)
}

// Problem is a setting that cannot work. Stream is "" when it is the source's own key.
type Problem struct{ Stream, Key, Message, Hint string }

// Env is what every source gets from the engine.
type Env struct {
	Name    string   // the source's name in the project
	Streams []Stream // all that the project asks of the source, for what must be known before the first of them is read
	Project string   // absolute path of the project folder
	Exclude []string // absolute paths of folders that are never read from: the engine's own
	// Stored is the type that a column of a DuckDB type is kept as: its own, another one that holds all of its values, or an error where
	// none does. nil: nobody has said.
	Stored func(typ string) (string, error)
	Log    *slog.Logger
}

// Errors that the engine acts on. Wrap them: fmt.Errorf("%s: %w", path, extract.ErrChanged).
var (
	// ErrEmpty means that there is nothing where something was promised. The guard for empty sources decides.
	ErrEmpty = errors.New("nothing to read")
	// ErrChanged means that what the window names has changed since: the parts read so far are void.
	ErrChanged = errors.New("changed while it was read")
	// ErrInexact means that a Scan yielded values that are not those of the source; see Snapshot.Outcome.
	ErrInexact = errors.New("values would be changed")
	// ErrTransient marks what may succeed when tried again soon.
	ErrTransient = errors.New("transient failure")
)
