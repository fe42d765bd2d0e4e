package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fsx"
)

// spec is what a slice reads: of the file in this state the rows for which the condition holds.
type spec struct {
	State string `json:"state"`
	Where string `json:"where,omitempty"`
}

// A cursor is the greatest value of the cursor column as DuckDB writes it, and the state of the file in which it was that.
const stateMark = "\t@"

// Window implements extract.Source. It holds for as long as nobody writes to the file.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	state, changed, err := s.state()
	if err != nil {
		return nil, err
	}
	if fixed != nil && fixed.AsOf != nil && fixed.AsOf.ID == state {
		return fixed, nil
	}
	w := &extract.Window{Lo: since, AsOf: &extract.AsOf{ID: state, Time: changed}, Latest: true}
	if st.Mode == extract.Full {
		w.State = s.settled(state)
	}
	rows := spec{State: state}
	if st.Mode != extract.Full {
		value, at, marked := strings.Cut(string(since), stateMark)
		if marked && at == state {
			w.Hi = since
		} else if err := s.bound(ctx, st, value, state, w, &rows); err != nil {
			return nil, err
		}
		if w.Hi == since && since != "" {
			return w, s.keys(w, st, state)
		}
		w.Overlaps = st.Mode == extract.Incremental
	}
	b, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	w.Slices = []extract.Slice{{ID: "rows", Spec: string(b)}}
	return w, s.keys(w, st, state)
}

// settled is a state that tells the database from what it will be, see extract.Settled; "" where it was changed just now.
func (s *source) settled(state string) string {
	for _, name := range []string{s.path, s.path + ".wal"} {
		info, err := os.Stat(name)
		switch {
		case err != nil:
		case time.Since(info.ModTime()) < extract.Settled:
			return ""
		default:
			state += fmt.Sprintf("-%d", fsx.Changed(info))
		}
	}
	return state
}

// keys adds the slice by which deleted rows are found.
func (s *source) keys(w *extract.Window, st extract.Stream, state string) error {
	if !st.Deletes {
		return nil
	}
	b, err := json.Marshal(spec{State: state})
	w.Slices = append(w.Slices, extract.Slice{ID: "keys", Spec: string(b), Keys: true})
	return err
}

// bound finds how far the cursor column goes, and which rows lie beyond a value of it. Of an incremental stream those at the value
// itself are read again: it may have got more of them.
func (s *source) bound(ctx context.Context, st extract.Stream, value, state string, w *extract.Window, rows *spec) error {
	db, err := s.open(ctx, "")
	if err != nil {
		return err
	}
	defer db.Close()
	r, err := s.find(ctx, db, st)
	if err != nil {
		return err
	}
	c, err := r.column(st.Cursor, "cursor")
	if err != nil {
		return err
	}
	name := ident(c.Name)
	found, err := db.Query(ctx, fmt.Sprintf("SELECT CAST(max(%s) AS VARCHAR) FROM %s", name, r.sql))
	if err != nil {
		return fmt.Errorf("look for the greatest %s of %s: %w", c.Name, st.Name, err)
	}
	most, ok := found.Values[0][0].(string)
	if !ok { // no row has one
		most = value
	}
	w.Hi = extract.Cursor(most + stateMark + state)
	if value == "" {
		return nil
	}
	from := fmt.Sprintf("CAST(%s AS %s)", text(value), c.Type)
	if _, err := db.Query(ctx, "SELECT "+from); err != nil {
		return extract.Advise(fmt.Errorf("the stream's cursor %q is no %s: %w", value, c.Type, err),
			"millrace state set gives the stream another cursor, and --full-refresh reads all of it")
	}
	above := ">="
	if st.Mode == extract.Append {
		above = ">"
	}
	rows.Where = fmt.Sprintf("%s %s %s", name, above, from)
	return nil
}

// Read implements extract.Source: the rows go to a file of the scratch folder, which the engine then reads.
func (s *source) Read(ctx context.Context, req extract.Request) (*extract.Snapshot, error) {
	var of spec
	if err := json.Unmarshal([]byte(req.Slice.Spec), &of); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", req.Slice.ID, req.Stream.Name, err)
	}
	db, err := s.open(ctx, req.Scratch)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if state, _, err := s.state(); err != nil { // nobody writes to it while it is open here
		return nil, err
	} else if state != of.State {
		return nil, fmt.Errorf("%s was written to: %w", s.told, extract.ErrChanged)
	}
	r, err := s.find(ctx, db, req.Stream)
	if err != nil {
		return nil, err
	}
	query, err := r.query(req, of)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(req.Scratch, "rows.parquet")
	copied, err := db.Scratch(ctx, query, path, func(c engine.Column) (string, error) { return s.stored(c.Type) })
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", req.Stream.Name, s.told, err)
	}
	counted, err := db.Query(ctx, "SELECT count(*) FROM (\n"+query+"\n)")
	if err != nil {
		return nil, fmt.Errorf("count %s of %s: %w", req.Stream.Name, s.told, err)
	}
	n, _ := counted.Values[0][0].(int64)
	req.Progress(copied.Bytes, n)
	return &extract.Snapshot{
		Scan: &extract.Scan{SQL: "SELECT * FROM read_parquet(" + text(path) + ")", Files: []string{path}},
		Outcome: func() (extract.Outcome, error) {
			return extract.Outcome{Read: n, Detail: map[string]string{"as_of": of.State}}, nil
		},
	}, nil
}

// query is the SELECT of a slice's rows.
func (r *relation) query(req extract.Request, of spec) (string, error) {
	items := "*"
	if req.Slice.Keys {
		var keys []string
		for _, key := range req.Stream.Key {
			c, err := r.column(key, "key")
			if err != nil {
				return "", err
			}
			keys = append(keys, ident(c.Name))
		}
		items = strings.Join(keys, ", ")
	}
	query := "SELECT " + items + " FROM " + r.sql
	if of.Where != "" {
		query += " WHERE " + of.Where
	}
	return query, nil
}
