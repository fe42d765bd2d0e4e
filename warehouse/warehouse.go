// Package warehouse defines the engines that run SQL over tables, and the format of a table: a Version names
// immutable Parquet files. It never decides what to build or when to publish. Read Version first, then Warehouse.
package warehouse

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// Name is a table's place in a warehouse.
type Name struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// String is schema.table, unquoted: for people.
func (n Name) String() string { return n.Schema + "." + n.Table }

// Column is a column's name and its type in DuckDB's spelling.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// File is one immutable Parquet file.
type File struct {
	Path   string `json:"path"` // absolute while staged, relative to the target's root once published
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Stats were counted by the writer; a second reader must find the same in the file.
	Stats map[string]Stats `json:"stats,omitempty"`
}

// Paths are the paths of files.
func Paths(files []File) []string {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	return paths
}

// Stats are a column's facts in one file. Min and Max are the engine's text of the value, nil when it gave none.
type Stats struct {
	Nulls int64   `json:"nulls"`
	Min   *string `json:"min,omitempty"`
	Max   *string `json:"max,omitempty"`
}

// Version is one immutable state of a table, or of a view. A reader sees
//
//	the rows of Base whose key is in neither Upserts nor Deletes, and all rows of Upserts.
//
// Base holds one row per key when Key is set, Upserts too. Upserts and Deletes are empty unless Key is set.
type Version struct {
	Name
	Columns []Column `json:"columns"`
	Key     []string `json:"key,omitempty"`
	Base    []File   `json:"base,omitempty"`
	Upserts []File   `json:"upserts,omitempty"`
	Deletes []File   `json:"deletes,omitempty"` // files with the key columns only
	Rows    int64    `json:"rows"`              // as a reader counts them; 0 for a view
	View    string   `json:"view,omitempty"`    // the SELECT of a view; it has no files
}

// Files are all files of the version.
func (v *Version) Files() []File {
	all := make([]File, 0, len(v.Base)+len(v.Upserts)+len(v.Deletes))
	all = append(all, v.Base...)
	all = append(all, v.Upserts...)
	return append(all, v.Deletes...)
}

// KeyColumns are the columns of the key, in its order.
func (v *Version) KeyColumns() []Column {
	var all []Column
	for _, k := range v.Key {
		for _, c := range v.Columns {
			if c.Name == k {
				all = append(all, c)
			}
		}
	}
	return all
}

// Warehouse is an engine that runs SQL. Its methods may be called from several goroutines.
type Warehouse interface {
	// Dialect says how this engine spells things.
	Dialect() *Dialect
	// Expose makes the version readable under its name for the statements that follow, instead of whatever had
	// that name. The files' paths are absolute.
	Expose(ctx context.Context, v Version) error
	// Hold keeps the rows of an exposed version in memory until release, or until another version is exposed in its place: many statements
	// over a small table cost what it takes to open its files. One that is too large for that is an error.
	Hold(ctx context.Context, name Name) (release func(), err error)
	// CheckSelect refuses everything but exactly one SELECT: it is called on SQL that users wrote.
	CheckSelect(ctx context.Context, query string) error
	// Settle gives a SELECT that every other method takes, of one that passes CheckSelect and has columns that its rows decide: its rows are
	// kept until release. Any other it gives back.
	Settle(ctx context.Context, query string) (settled string, release func(), err error)
	// CheckSelects is CheckSelect of many queries at once: an error for each, nil where it is a SELECT.
	CheckSelects(ctx context.Context, queries []string) ([]error, error)
	// Numbers runs SELECTs, checked before, that each give one row with one BIGINT: in one statement, which costs less than many.
	Numbers(ctx context.Context, selects []string) ([]int64, error)
	// Tree is a SELECT as the engine's parser understands it, in the engine's own JSON; it refuses what CheckSelect refuses. The tables need
	// not be there. transform/lineage reads it.
	Tree(ctx context.Context, query string) ([]byte, error)
	// Describe gives the columns of a SELECT without running it.
	Describe(ctx context.Context, query string) ([]Column, error)
	// Write runs one SELECT and writes its rows to a new Parquet file at path: complete and synced to disk when
	// it returns, absent or removed when it fails. Types that Parquet cannot hold are cast or refused, never bent.
	Write(ctx context.Context, query, path string) (File, error)
	// WriteAnew is Write for a table that each run writes anew, as those of entities are: quicker to write, and about a tenth larger.
	WriteAnew(ctx context.Context, query, path string) (File, error)
	// Scratch is Write for a file that the caller reads again and throws away: it is quick to write and to read, larger, not synced, and
	// never part of a Version: of the File only Path, Rows and Bytes are told.
	Scratch(ctx context.Context, query, path string) (File, error)
	// Export runs one SELECT and writes its rows to a new file for others at path, in the way that options say, which are those of DuckDB's
	// COPY; with PARTITION_BY it is a folder. It is complete and synced when it returns.
	Export(ctx context.Context, query, path, options string) (rows int64, err error)
	// Split runs one SELECT once and writes its rows to new files: paths[i] gets those for which class, an integer
	// expression over the SELECT's columns, is i. A class without rows has no file and is nil in the answer.
	Split(ctx context.Context, query, class string, paths []string) ([]*File, error)
	// Repeatable says whether a SELECT surely gives the same rows each time that it runs over the tables that are exposed
	// now. False may mean that the engine cannot tell.
	Repeatable(ctx context.Context, query string) (bool, error)
	// Moves says whether a SELECT itself reads the clock or chance, so that its rows may change while those of its tables do not. It may be
	// asked before they are exposed, and looks through no view.
	Moves(ctx context.Context, query string) (bool, error)
	// Parse says what can be told of a SELECT without binding it.
	Parse(ctx context.Context, query string) (*Parsed, error)
	// Ingest does the same as Write with the batches of a reader, which it drains and does not release.
	Ingest(ctx context.Context, r array.RecordReader, path string) (File, error)
	// IngestScratch is to Ingest what Scratch is to Write.
	IngestScratch(ctx context.Context, r array.RecordReader, path string) (File, error)
	// Pin gives a context whose statements run in one session, which they have for themselves: what Session changes there, they see, and no
	// other does. Release ends the session. The context may be used by one goroutine at a time.
	Pin(ctx context.Context) (pinned context.Context, release func(), err error)
	// Session runs a statement that changes nothing but the engine's own session or its functions: a SELECT
	// whose answer nobody wants, a variable, a function, a temporary table or view. Anything else is refused. The
	// caller has looked at it: a function may not hide one of the engine's.
	Session(ctx context.Context, statement string) error
	// Query runs a SELECT whose answer is small: all of it is held in memory.
	Query(ctx context.Context, query string) (*Result, error)
	Close() error
}

// Parsed is what can be told of a SELECT by its text.
type Parsed struct {
	// Hash is the same for texts that differ by comments, white space, and upper or lower case of SQL's words alone; "" when the engine
	// cannot tell.
	Hash string
	// Moves is Warehouse.Moves of it.
	Moves bool
	// Tables are those that it names, but for its own WITH; Schema is "" where it names none.
	Tables []Name
	// Outside are functions that give rows from elsewhere than from tables, such as read_csv.
	Outside []string
}

// Result is a small answer.
type Result struct {
	Columns []Column
	Rows    [][]any
}

// Config opens a Warehouse.
type Config struct {
	Memory  int64    // bytes that the engine may use for its buffers
	Threads int      // 0: one per processor
	Temp    string   // folder to spill to; removed on Close
	Dirs    []string // folders that SQL may touch, with everything below them
	Files   []string // single files that SQL may touch
	Timeout time.Duration
	// ForIngest gives most of the memory to Ingest.
	ForIngest bool
}

// Open makes a Warehouse that is locked down to Config. cmd hands one in.
type Open func(ctx context.Context, cfg Config) (Warehouse, error)

// SQLError is an error of the engine in a statement, with its place when the engine told it.
type SQLError struct {
	Message string // the engine's words without its position lines
	Offset  int    // byte offset into the statement; -1 when unknown
	Err     error
}

func (e *SQLError) Error() string { return e.Message }
func (e *SQLError) Unwrap() error { return e.Err }
