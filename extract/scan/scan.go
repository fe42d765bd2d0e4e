// Package scan reads files as DuckDB's own readers do: read_csv, read_parquet, read_json and their like, with all of their options. It is
// how files come in that models of dbt projects read by themselves; what is bad in a file ends the read, where the source files keeps bad
// records apart. Read Options first, then look in look.go.
package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/millrace/millrace/extract"
	engine "github.com/millrace/millrace/internal/duckdb"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:          "scan",
		Summary:       "Files as DuckDB's own functions read them: read_csv, read_parquet, read_json.",
		Options:       func() any { return new(Options) },
		StreamOptions: func() any { return new(StreamOptions) },
		Check:         check,
		Open: func(env extract.Env, options any) (extract.Source, error) {
			if _, ok := options.(*Options); !ok {
				return nil, fmt.Errorf("scan source %q: options are a %T", env.Name, options)
			}
			return &source{env: env, parsed: map[string]*parsed{}}, nil
		},
	}
}

// Options are the source's own keys: there are none.
type Options struct{}

// StreamOptions are the keys of one stream.
type StreamOptions struct {
	Read string `yaml:"read" required:"true" doc:"What to read, as a SELECT has it behind FROM. Paths are relative to the project's folder." example:"read_csv('inbox/orders_*.csv', delim = ';')"`
}

func check(_ any, streams []extract.Stream) (found []extract.Problem) {
	for _, s := range streams {
		if s.Mode != extract.Full {
			found = append(found, extract.Problem{Stream: s.Name, Key: "mode",
				Message: fmt.Sprintf("a scan is read as a whole, and has no mode: %s", s.Mode),
				Hint:    "type: files reads files once each, and by a cursor"})
		}
	}
	return found
}

type source struct {
	env extract.Env

	mu     sync.Mutex
	parsed map[string]*parsed // by what the stream reads
}

// Close implements extract.Source: nothing is open between two calls.
func (s *source) Close() error { return nil }

// Identity implements extract.Source.
func (s *source) Identity(st extract.Stream) string { return readOf(st) }

func readOf(st extract.Stream) string {
	if o, ok := st.Options.(*StreamOptions); ok && o != nil {
		return o.Read
	}
	return ""
}

const memory = 512 << 20

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	l, err := s.look(ctx, st)
	if err != nil {
		return nil, err
	}
	db, sql, err := l.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	columns, err := db.Describe(ctx, sql)
	if err != nil {
		return nil, l.explain(err)
	}
	d := &extract.Description{Rows: -1, Bytes: l.bytes()}
	for _, c := range columns {
		d.Columns = append(d.Columns, extract.Column{Name: c.Name, Type: c.Type})
	}
	return d, nil
}

// spec is what a slice reads: the files in this state.
type spec struct {
	State string `json:"state"`
}

// Window implements extract.Source. It holds for as long as the files are what they were.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	l, err := s.look(ctx, st)
	if err != nil {
		return nil, err
	}
	state := extract.Cursor(l.state())
	if fixed != nil && fixed.Hi == state {
		return fixed, nil
	}
	w := &extract.Window{Lo: since, Hi: state}
	if l.settled() {
		w.State = string(state)
	}
	b, err := json.Marshal(spec{string(state)})
	if err != nil {
		return nil, err
	}
	w.Slices = []extract.Slice{{ID: "rows", Spec: string(b), Bytes: l.bytes()}}
	return w, nil
}

// Read implements extract.Source: the engine scans the files, and what it lands is held against what is counted here.
func (s *source) Read(ctx context.Context, req extract.Request) (*extract.Snapshot, error) {
	var of spec
	if err := json.Unmarshal([]byte(req.Slice.Spec), &of); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", req.Slice.ID, req.Stream.Name, err)
	}
	l, err := s.unchanged(ctx, req.Stream, of.State)
	if err != nil {
		return nil, err
	}
	db, sql, err := l.open(ctx, filepath.Join(req.Scratch, "count"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	n, err := count(ctx, db, sql)
	if err != nil {
		return nil, l.explain(err)
	}
	req.Progress(l.bytes(), n)
	return &extract.Snapshot{
		Scan: &extract.Scan{SQL: sql, Files: l.paths()},
		Outcome: func() (extract.Outcome, error) {
			if _, err := s.unchanged(ctx, req.Stream, of.State); err != nil {
				return extract.Outcome{}, err
			}
			return extract.Outcome{Read: n, Detail: map[string]string{"files": l.names()}}, nil
		},
	}, nil
}

// unchanged looks again, and refuses files that are not what the window has fixed.
func (s *source) unchanged(ctx context.Context, st extract.Stream, state string) (*looked, error) {
	l, err := s.look(ctx, st)
	if err == nil && l.state() != state {
		err = fmt.Errorf("%s: %w", l.names(), extract.ErrChanged)
	}
	return l, err
}

// count counts the rows. Where lines with errors are left out, all columns must be looked at to know which.
func count(ctx context.Context, db *engine.DB, sql string) (int64, error) {
	query := "SELECT count(*) FROM (\n" + sql + "\n) AS t"
	if strings.Contains(strings.ToLower(sql), "ignore_errors") {
		query += " WHERE hash(t) <> 0"
	}
	counted, err := db.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	n, _ := counted.Values[0][0].(int64)
	return n, nil
}
