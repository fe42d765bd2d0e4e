// Package files reads local files: CSV, JSON, Parquet and Arrow, plain or compressed. Clean files are read by DuckDB
// itself while a pass in Go counts the records and proves that no value was changed; files with bad records go
// through a splitter that separates these from the good ones. It never writes outside the scratch folder it is given
// and never follows a link out of its root. Read Source first, then csvRead in csv.go.
package files

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:          "files",
		Summary:       "Files in a local folder: CSV, JSON, Parquet and Arrow, plain or compressed.",
		Options:       func() any { return new(Options) },
		StreamOptions: func() any { return new(StreamOptions) },
		Check:         check,
		Open:          open,
	}
}

// source is a configured folder.
type source struct {
	env  extract.Env
	path string // absolute, links resolved on first use
	log  *slog.Logger
}

func open(env extract.Env, options any) (extract.Source, error) {
	o, ok := options.(*Options)
	if !ok {
		return nil, fmt.Errorf("files source %q: options are a %T", env.Name, options)
	}
	path := o.Root
	if path == "" {
		path = "."
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.Project, path)
	}
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &source{env: env, path: filepath.Clean(path), log: log}, nil
}

// Identity implements extract.Source: the cursor knows every file by its name and content.
func (s *source) Identity(extract.Stream) string { return "" }

// Close implements extract.Source; nothing stays open between calls.
func (s *source) Close() error { return nil }

// root opens the folder that no path may leave.
func (s *source) root() (*os.Root, string, error) {
	real, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, "", fmt.Errorf("root folder %s does not exist: %w", s.path, extract.ErrEmpty)
		}
		return nil, "", fmt.Errorf("open root folder %s: %w", s.path, err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, "", fmt.Errorf("open root folder %s: %w", s.path, err)
	}
	return root, real, nil
}

// sliceSpec is what Slice.Spec holds: all that Read needs to read the same records again.
type sliceSpec struct {
	Format  string           `json:"format"`
	Files   []fileID         `json:"files"`
	Columns []extract.Column `json:"columns,omitempty"`
	Dialect *dialect         `json:"dialect,omitempty"`
}

// Read implements extract.Source.
func (s *source) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	o, err := streamOptions(r.Stream)
	if err != nil {
		return nil, err
	}
	var spec sliceSpec
	if err := json.Unmarshal([]byte(r.Slice.Spec), &spec); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", r.Slice.ID, r.Stream.Name, err)
	}
	if r.Resume != "" {
		return nil, fmt.Errorf("stream %q: slice %s of files has no resume point %q", r.Stream.Name, r.Slice.ID, r.Resume)
	}
	root, dir, err := s.root()
	if err != nil {
		return nil, err
	}
	job := &job{ctx: ctx, root: root, dir: dir, req: r, opt: o, spec: spec}
	if err := job.unchanged(); err != nil {
		root.Close()
		return nil, err
	}
	var snap *extract.Snapshot
	switch spec.Format {
	case "csv":
		snap, err = job.readCSV()
	case "json":
		snap, err = job.readJSON()
	case "parquet":
		snap, err = job.readParquet()
	case "arrow":
		snap, err = job.readArrow()
	default:
		err = fmt.Errorf("stream %q: unknown format %q", r.Stream.Name, spec.Format)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	inner := snap.Close
	snap.Close = func() {
		if inner != nil {
			inner()
		}
		root.Close()
	}
	return snap, nil
}

// job is one Read.
type job struct {
	ctx  context.Context
	root *os.Root
	dir  string // absolute path of root
	req  extract.Request
	opt  *StreamOptions
	spec sliceSpec
}

// isKey says whether the stream's key has the column.
func (j *job) isKey(name string) bool {
	return slices.ContainsFunc(j.req.Stream.Key, func(k string) bool { return strings.EqualFold(k, name) })
}

// unchanged compares the slice's files with what the window fixed.
func (j *job) unchanged() error {
	for _, f := range j.spec.Files {
		now, err := stat(j.root, f.Name)
		if err != nil {
			if os.IsNotExist(err) {
				return fmt.Errorf("file %s is gone: %w", f.Name, extract.ErrChanged)
			}
			return err
		}
		if now.Size != f.Size || now.MTime != f.MTime || now.Inode != f.Inode {
			return fmt.Errorf("file %s (was %d bytes, is %d): %w", f.Name, f.Size, now.Size, extract.ErrChanged)
		}
	}
	return nil
}

// sameContent compares the hash that was computed while reading with the one the window fixed, if it did.
func (j *job) sameContent(i int, hash string) error {
	if want := j.spec.Files[i].Hash; want != "" && hash != want {
		return fmt.Errorf("file %s has other content: %w", j.spec.Files[i].Name, extract.ErrChanged)
	}
	return nil
}

// outcome makes the Outcome of a slice from what was counted per file, after a last look at the files.
func (j *job) outcome(counts []fileCount) (extract.Outcome, error) {
	var out extract.Outcome
	if err := j.unchanged(); err != nil {
		return out, err
	}
	var names, hashes []string
	for i, c := range counts {
		if err := j.sameContent(i, c.Hash); err != nil {
			return out, err
		}
		out.Read += c.Records
		if len(names) < 100 {
			names = append(names, j.spec.Files[i].Name)
			hashes = append(hashes, c.Hash)
		}
	}
	out.Detail = map[string]string{"files": strings.Join(names, ", "), "xxh3": strings.Join(hashes, ", ")}
	if n := len(counts) - len(names); n > 0 {
		out.Detail["more_files"] = fmt.Sprint(n)
	}
	return out, nil
}

// fileCount is what the pass over one file found.
type fileCount struct {
	Records int64
	Hash    string // xxh3-128 of the stored bytes
}
