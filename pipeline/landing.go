package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// landing brings one snapshot to one Parquet file, and its rejects to another.
type landing struct {
	x       *extraction
	slice   extract.Slice
	seq     int
	path    string // of the part
	scratch string // folder of the source
	rejects string // of the rejects file
	request extract.Request

	mu      sync.Mutex
	spill   *parquet.GenericWriter[rejectRow] // rejects that the source handed over, in the scratch folder
	spillTo *os.File

	engine warehouse.Warehouse // that ran the scan: the part is counted there too, since to open another costs more than to count
}

// rejectRow is a reject as it lies in Parquet: the columns that extract.Scan.Rejects must yield too.
type rejectRow struct {
	File    string `parquet:"file,zstd"`
	Line    int64  `parquet:"line,zstd"`
	Offset  int64  `parquet:"offset,zstd"`
	Column  string `parquet:"column,zstd"`
	Reason  string `parquet:"reason,dict,zstd"`
	Message string `parquet:"message,zstd"`
	Raw     string `parquet:"raw,zstd"`
}

const rejectColumns = `file, line, "offset", "column", reason, message, raw`

// landing prepares the folders and names of one part.
func (x *extraction) landing(asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*landing, error) {
	name := fileName(x.node.Name())
	return x.landingIn(filepath.Join(x.runDir(x.ID), name), filepath.Join(x.rejectsDir(x.ID), name), asked, w, slice, resume, seq)
}

// landingIn prepares one part in the folder dir, and its rejects in another.
func (x *extraction) landingIn(dir, rejects string, asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*landing, error) {
	base := fmt.Sprintf("%s-%05d", fileName(slice.ID), seq)
	l := &landing{x: x, slice: slice, seq: seq,
		path:    filepath.Join(dir, base+".parquet"),
		scratch: filepath.Join(dir, base+".scratch"),
		rejects: filepath.Join(rejects, base+".parquet"),
	}
	if err := fsx.MkdirAll("part", dir, 0o700); err != nil {
		return nil, fmt.Errorf("stage part: %w", err)
	}
	if err := errors.Join(os.RemoveAll(l.scratch), os.MkdirAll(l.scratch, 0o700)); err != nil {
		return nil, fmt.Errorf("stage part: %w", err)
	}
	l.request = extract.Request{Stream: asked, Window: w, Slice: slice, Resume: resume, Scratch: l.scratch, Reject: l.reject, Progress: x.progress}
	return l, nil
}

func (l *landing) spillPath() string { return filepath.Join(l.scratch, "rejects.parquet") }

// reject implements extract.Request.Reject: to disk at once, because a source may reject everything it has.
func (l *landing) reject(r extract.Reject) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spill == nil {
		f, err := os.Create(l.spillPath())
		if err != nil {
			return fmt.Errorf("keep reject: %w", err)
		}
		l.spillTo, l.spill = f, parquet.NewGenericWriter[rejectRow](f, parquet.MaxRowsPerRowGroup(10_000))
	}
	if len(r.Raw) > extract.MaxRaw {
		r.Raw = r.Raw[:extract.MaxRaw]
	}
	if _, err := l.spill.Write([]rejectRow{{r.File, r.Line, r.Offset, r.Column, r.Reason, r.Message, r.Raw}}); err != nil {
		return fmt.Errorf("keep reject: %w", err)
	}
	return nil
}

// closeSpill finishes the file of handed-over rejects and says whether there is one.
func (l *landing) closeSpill() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spill == nil {
		return false, nil
	}
	err := errors.Join(l.spill.Close(), l.spillTo.Close())
	l.spill = nil
	return true, err
}

func (l *landing) cleanUp() {
	_, _ = l.closeSpill()
	_ = os.RemoveAll(l.scratch)
}

// land reads the snapshot and returns the part, whose files are synced and checked by the second reader.
func (l *landing) land(ctx context.Context) (*journal.Part, error) {
	snapshot, err := l.x.source.Read(ctx, l.request)
	if err != nil {
		return nil, err
	}
	if snapshot.Close != nil {
		defer snapshot.Close()
	}
	defer l.letGo()
	var file warehouse.File
	scan := snapshot.Scan
	if scan != nil {
		file, scan, err = l.scan(ctx, scan)
	} else {
		defer snapshot.Reader.Release()
		file, err = l.ingest(ctx, snapshot)
	}
	if err != nil {
		return nil, err
	}
	outcome, err := snapshot.Outcome()
	if errors.Is(err, extract.ErrInexact) && scan != nil && scan.Fallback != nil {
		if file, scan, err = l.fallBack(ctx, scan, err); err == nil {
			outcome, err = snapshot.Outcome()
		}
	}
	if err != nil {
		return nil, err
	}
	part := &journal.Part{Run: l.x.ID, Node: l.x.node.Name(), Slice: l.slice.ID, Seq: l.seq, File: file, Read: outcome.Read, Resume: outcome.Next, Detail: outcome.Detail, LandedAt: l.x.Clock()}
	return part, l.finish(ctx, part, scan)
}

// open gives the landing an engine that may touch these places and no other.
func (l *landing) open(ctx context.Context, dirs, files []string, forIngest bool) (warehouse.Warehouse, error) {
	own := []string{filepath.Dir(l.path), filepath.Dir(l.rejects)}
	return l.x.Warehouse(ctx, warehouse.Config{ForIngest: forIngest, Memory: l.x.engineMemory(l.x.width() * l.x.parallel), Threads: max(1, l.x.Threads/l.x.parallel),
		Temp: filepath.Join(l.scratch, "spill"), Dirs: append(own, dirs...), Files: files})
}

// scan runs the source's query, and its fallback when the query meets a bad record. It returns the scan that landed.
func (l *landing) scan(ctx context.Context, scan *extract.Scan) (warehouse.File, *extract.Scan, error) {
	file, err := l.write(ctx, scan)
	var sqlErr *warehouse.SQLError
	if err == nil || scan.Fallback == nil || !errors.As(err, &sqlErr) || ctx.Err() != nil {
		return file, scan, err
	}
	return l.fallBack(ctx, scan, err)
}

// fallBack lands the slower scan, which tells bad records from good ones.
func (l *landing) fallBack(ctx context.Context, scan *extract.Scan, cause error) (warehouse.File, *extract.Scan, error) {
	l.x.Log.Debug("scan falls back", "run", l.x.ID, "stream", l.x.node.Name(), "cause", cause)
	slow, err := scan.Fallback(ctx, cause)
	if err != nil {
		return warehouse.File{}, nil, err
	}
	file, err := l.write(ctx, slow)
	return file, slow, err
}

func (l *landing) write(ctx context.Context, scan *extract.Scan) (warehouse.File, error) {
	l.letGo()
	w, err := l.open(ctx, append([]string{l.scratch}, scan.Dirs...), scan.Files, false)
	if err != nil {
		return warehouse.File{}, err
	}
	l.engine = w
	return w.Write(ctx, scan.SQL, l.path)
}

// letGo closes the engine that ran the scan.
func (l *landing) letGo() {
	if l.engine != nil {
		_ = l.engine.Close()
	}
	l.engine = nil
}

func (l *landing) ingest(ctx context.Context, snapshot *extract.Snapshot) (warehouse.File, error) {
	w, err := l.open(ctx, nil, nil, true)
	if err != nil {
		return warehouse.File{}, err
	}
	defer w.Close()
	return w.Ingest(ctx, snapshot.Reader, l.path)
}

// finish counts what was landed and rejected, each where it lies.
func (l *landing) finish(ctx context.Context, part *journal.Part, scan *extract.Scan) error {
	var queries []string
	if scan != nil && scan.Rejects != "" {
		queries = append(queries, scan.Rejects)
	}
	spilled, err := l.closeSpill()
	if err != nil {
		return fmt.Errorf("keep rejects: %w", err)
	}
	w := l.engine
	if w == nil { // rows came as they are
		if w, err = l.open(ctx, []string{l.scratch}, nil, false); err != nil {
			return err
		}
		defer w.Close()
	}
	if spilled {
		queries = append(queries, readAll(w, l.spillPath()))
	}
	if part.Columns, err = w.Describe(ctx, readAll(w, part.File.Path)); err != nil {
		return err
	}
	nulls, err := l.nullKeys(ctx, w, part)
	if err != nil {
		return err
	}
	if nulls != "" {
		queries = append(queries, readAll(w, nulls))
	}
	part.Landed = part.File.Rows
	if err := l.x.check(part.File, part.Columns); err != nil {
		return err
	}
	if len(queries) == 0 {
		return nil
	}
	return l.keepRejects(ctx, w, part, queries)
}

// nullKeys moves rows whose key is NULL out of the part: nothing could be merged by them. It returns the file of
// their rejects, or "".
func (l *landing) nullKeys(ctx context.Context, w warehouse.Warehouse, part *journal.Part) (string, error) {
	key, needed := l.x.node.Stream.Key, l.x.node.Stream.Key
	if len(key) == 0 {
		return "", nil
	}
	if !l.slice.Keys {
		needed = append(append([]string(nil), key...), l.x.node.Stream.Cursor)
	}
	if err := l.x.hasColumns(part.Columns, needed); err != nil {
		return "", err
	}
	file, rejects, err := warehouse.RejectNullKeys(ctx, w, part.File, part.Columns, key, part.Detail["files"])
	if err != nil || rejects == nil {
		return "", err
	}
	part.File = file
	return rejects.Path, nil
}

// keepRejects writes one file of all the part's rejects and counts its reasons.
func (l *landing) keepRejects(ctx context.Context, w warehouse.Warehouse, part *journal.Part, queries []string) error {
	union := ""
	for i, q := range queries {
		if i > 0 {
			union += "\nUNION ALL\n"
		}
		union += "SELECT " + rejectColumns + " FROM (\n" + q + "\n)"
	}
	if err := fsx.MkdirAll("part", filepath.Dir(l.rejects), 0o700); err != nil {
		return fmt.Errorf("keep rejects: %w", err)
	}
	file, err := w.Write(ctx, union, l.rejects)
	if err != nil {
		return fmt.Errorf("keep rejects: %w", err)
	}
	if file.Rows == 0 {
		return fsx.Remove("part.rejects", l.rejects)
	}
	counted, err := w.Query(ctx, "SELECT reason, count(*) FROM ("+readAll(w, l.rejects)+") GROUP BY reason ORDER BY reason")
	if err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	reasons := map[string]int64{}
	for _, row := range counted.Rows {
		reason, _ := row[0].(string)
		n, _ := row[1].(int64)
		reasons[reason] += n
		part.Rejected += n
	}
	if part.Rejected != file.Rows {
		return fmt.Errorf("%w: %d rejects were written, their reasons count %d", ErrEquation, file.Rows, part.Rejected)
	}
	part.Rejects = &journal.Rejects{File: file, Reasons: reasons}
	return l.x.check(file, nil)
}

// readAll is a SELECT of everything in a Parquet file.
func readAll(w warehouse.Warehouse, path string) string {
	return "SELECT * FROM " + w.Dialect().Files([]string{path})
}

// hasColumns checks that the columns that the project names are there.
func (x *extraction) hasColumns(columns []warehouse.Column, wanted []string) error {
	have := map[string]bool{}
	var list []string
	for _, c := range columns {
		have[c.Name] = true
		list = append(list, c.Name)
	}
	for _, name := range wanted {
		if name != "" && !have[name] {
			return x.missingColumn(name, list)
		}
	}
	return nil
}

// fileName makes any name one path element.
func fileName(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '/' || c < ' ' || c == '%' {
			return '_'
		}
		return c
	}, s)
}
