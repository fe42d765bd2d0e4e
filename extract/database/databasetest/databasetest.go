// Package databasetest runs the sources that are databases as the engine does, without landing files: the tests of each
// compare what their runs make with what the database holds.
package databasetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// Landed is what came of reading slices, as texts: lighter than extracttest, which takes everything through DuckDB.
type Landed struct {
	Columns []string
	Rows    [][]string // NULL is ∅
	Keys    [][]string // of the slice of keys
	sawKeys bool
	Rejects []extract.Reject
	Read    int64
	Parts   int
}

// Part reads one part of a slice and adds it to l.
func (l *Landed) Part(ctx context.Context, src extract.Source, st extract.Stream, w *extract.Window, slice extract.Slice, resume string) (extract.Outcome, error) {
	var mu sync.Mutex
	snap, err := src.Read(ctx, extract.Request{Stream: st, Window: w, Slice: slice, Resume: resume, Progress: func(int64, int64) {}, Reject: func(r extract.Reject) error {
		mu.Lock()
		defer mu.Unlock()
		l.Rejects = append(l.Rejects, r)
		return nil
	}})
	if err != nil {
		return extract.Outcome{}, err
	}
	defer snap.Close()
	defer snap.Reader.Release()
	l.sawKeys = l.sawKeys || slice.Keys
	if !slice.Keys {
		l.Columns = nil
		for _, f := range snap.Reader.Schema().Fields() {
			l.Columns = append(l.Columns, f.Name)
		}
	}
	for snap.Reader.Next() {
		batch := snap.Reader.RecordBatch()
		for i := range int(batch.NumRows()) {
			row := make([]string, batch.NumCols())
			for c := range row {
				if row[c] = "∅"; !batch.Column(c).IsNull(i) {
					row[c] = batch.Column(c).ValueStr(i)
				}
			}
			if slice.Keys {
				l.Keys = append(l.Keys, row)
			} else {
				l.Rows = append(l.Rows, row)
			}
		}
	}
	if err := snap.Reader.Err(); err != nil {
		return extract.Outcome{}, err
	}
	out, err := snap.Outcome()
	l.Read += out.Read
	l.Parts++
	return out, err
}

// LandAll reads a window to its end.
func LandAll(ctx context.Context, src extract.Source, st extract.Stream, w *extract.Window) (*Landed, error) {
	l := &Landed{}
	for _, slice := range w.Slices {
		for next, first := "", true; first || next != ""; first = false {
			out, err := l.Part(ctx, src, st, w, slice, next)
			if err != nil {
				return l, fmt.Errorf("slice %s: %w", slice.ID, err)
			}
			next = out.Next
		}
	}
	if got := int64(len(l.Rows) + len(l.Keys) + len(l.Rejects)); got != l.Read {
		return l, fmt.Errorf("read %d, landed and rejected %d", l.Read, got)
	}
	return l, nil
}

// Journaled is the window as the engine hands it on after a crash.
func Journaled(t *testing.T, w *extract.Window) *extract.Window {
	t.Helper()
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	out := new(extract.Window)
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Merged is a published table with one key column, the first, as runs make it.
type Merged struct {
	Rows  map[string]string
	Times map[string]int // how often a row came, for tables without a key
	Since extract.Cursor
	Read  int64
	Notes []string
}

// NewMerged is a table that no run has published yet.
func NewMerged() *Merged { return &Merged{Rows: map[string]string{}, Times: map[string]int{}} }

// Take merges what a window brought: what comes later replaces what has its key.
func (m *Merged) Take(w *extract.Window, l *Landed) {
	for _, row := range l.Rows {
		text := strings.Join(row, "|")
		m.Rows[row[0]] = text
		m.Times[text]++
	}
	if whole := w.Lo == ""; l.sawKeys || whole { // a window from the start has all rows, as the engine knows
		there := map[string]bool{}
		for _, row := range l.Rows {
			there[row[0]] = whole
		}
		for _, k := range l.Keys {
			there[k[0]] = true
		}
		maps.DeleteFunc(m.Rows, func(key, _ string) bool { return !there[key] })
	}
	m.Read += int64(len(l.Rows))
	m.Since, m.Notes = w.Hi, w.Notes
}

// Poll is one run: a new source, a window since the last cursor, landed and merged.
func (m *Merged) Poll(ctx context.Context, open func() (extract.Source, error), st extract.Stream) error {
	src, err := open()
	if err != nil {
		return err
	}
	defer src.Close()
	w, err := src.Window(ctx, st, m.Since, nil)
	if err != nil {
		return err
	}
	l, err := LandAll(ctx, src, st, w)
	if err == nil {
		m.Take(w, l)
	}
	return err
}

// Compare gives the keys of want that are missing, that differ, and those of m that are too many.
func (m *Merged) Compare(want map[string]string) (lost, stale, extra []string) {
	for key, row := range want {
		switch got, ok := m.Rows[key]; {
		case !ok:
			lost = append(lost, key)
		case got != row:
			stale = append(stale, key)
		}
	}
	for key := range m.Rows {
		if _, ok := want[key]; !ok {
			extra = append(extra, key)
		}
	}
	slices.Sort(lost)
	slices.Sort(stale)
	slices.Sort(extra)
	return lost, stale, extra
}

// Same fails the test when m is not what want is.
func (m *Merged) Same(t *testing.T, want map[string]string) {
	t.Helper()
	if lost, stale, extra := m.Compare(want); len(lost)+len(stale)+len(extra) > 0 {
		t.Errorf("of %d rows %d are lost, %d stale, %d are too many: %.5q %.5q %.5q", len(want), len(lost), len(stale), len(extra), lost, stale, extra)
	}
}

// Whole is the stream's table in a full read, by its first column.
func Whole(t *testing.T, open func() (extract.Source, error), st extract.Stream) map[string]string {
	t.Helper()
	st.Mode, st.Deletes = extract.Full, false
	m := NewMerged()
	if err := m.Poll(context.Background(), open, st); err != nil {
		t.Fatal(err)
	}
	return m.Rows
}

// Mentions checks that a text has all the words.
func Mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not mention %q", text, w)
		}
	}
}

// Stream is a stream as a project file makes it, with the changes given.
func Stream(name string, mode extract.Mode, change ...func(*extract.Stream)) extract.Stream {
	s := extract.Stream{Name: name, Mode: mode, Options: &database.StreamOptions{}}
	for _, c := range change {
		c(&s)
	}
	return s
}

// By sets a stream's cursor and key.
func By(cursor string, key ...string) func(*extract.Stream) {
	return func(s *extract.Stream) { s.Cursor, s.Key = cursor, key }
}

// Option changes a stream's options.
func Option(set func(*database.StreamOptions)) func(*extract.Stream) {
	return func(s *extract.Stream) { set(s.Options.(*database.StreamOptions)) }
}

// CheckURLs looks at URLs as lint does: each is to have the problem that is named, "" for none.
func CheckURLs(t *testing.T, check func(any, []extract.Stream) []extract.Problem, want map[string]string) {
	t.Helper()
	for text, words := range want {
		problems := check(database.ForURL(text), nil)
		if (len(problems) == 0) != (words == "") || len(problems) == 1 && !strings.Contains(problems[0].Message, words) || len(problems) > 1 {
			t.Errorf("%s: %+v", text, problems)
		}
	}
}
