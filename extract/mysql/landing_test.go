package mysql

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
)

// reading is what came of reading slices, as texts: lighter than extracttest, which takes everything through DuckDB.
type reading struct {
	columns []string
	rows    [][]string // NULL is ∅
	keys    [][]string // of the slice of keys
	sawKeys bool
	rejects []extract.Reject
	read    int64
	parts   int
}

// part reads one part of a slice and adds it to l.
func (l *reading) part(ctx context.Context, src extract.Source, st extract.Stream, w *extract.Window, slice extract.Slice, resume string) (extract.Outcome, error) {
	var mu sync.Mutex
	snap, err := src.Read(ctx, extract.Request{Stream: st, Window: w, Slice: slice, Resume: resume, Progress: func(int64, int64) {}, Reject: func(r extract.Reject) error {
		mu.Lock()
		defer mu.Unlock()
		l.rejects = append(l.rejects, r)
		return nil
	}})
	if err != nil {
		return extract.Outcome{}, err
	}
	defer snap.Close()
	defer snap.Reader.Release()
	l.sawKeys = l.sawKeys || slice.Keys
	if !slice.Keys {
		l.columns = nil
		for _, f := range snap.Reader.Schema().Fields() {
			l.columns = append(l.columns, f.Name)
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
				l.keys = append(l.keys, row)
			} else {
				l.rows = append(l.rows, row)
			}
		}
	}
	if err := snap.Reader.Err(); err != nil {
		return extract.Outcome{}, err
	}
	out, err := snap.Outcome()
	l.read += out.Read
	l.parts++
	return out, err
}

// landAll reads a window to its end.
func landAll(ctx context.Context, src extract.Source, st extract.Stream, w *extract.Window) (*reading, error) {
	l := &reading{}
	for _, slice := range w.Slices {
		for next, first := "", true; first || next != ""; first = false {
			out, err := l.part(ctx, src, st, w, slice, next)
			if err != nil {
				return l, fmt.Errorf("slice %s: %w", slice.ID, err)
			}
			next = out.Next
		}
	}
	if got := int64(len(l.rows) + len(l.keys) + len(l.rejects)); got != l.read {
		return l, fmt.Errorf("read %d, landed and rejected %d", l.read, got)
	}
	return l, nil
}

// journaled is the window as the engine hands it on after a crash.
func journaled(t *testing.T, w *extract.Window) *extract.Window {
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

// merged is a published table with one key column, the first, as runs make it.
type merged struct {
	rows  map[string]string
	times map[string]int // how often a row came, for tables without a key
	since extract.Cursor
	read  int64
	notes []string
}

func newMerged() *merged { return &merged{rows: map[string]string{}, times: map[string]int{}} }

// take merges what a window brought: what comes later replaces what has its key.
func (m *merged) take(w *extract.Window, l *reading) {
	for _, row := range l.rows {
		text := strings.Join(row, "|")
		m.rows[row[0]] = text
		m.times[text]++
	}
	if whole := w.Lo == ""; l.sawKeys || whole { // a window from the start has all rows, as the engine knows
		there := map[string]bool{}
		for _, row := range l.rows {
			there[row[0]] = whole
		}
		for _, k := range l.keys {
			there[k[0]] = true
		}
		maps.DeleteFunc(m.rows, func(key, _ string) bool { return !there[key] })
	}
	m.read += int64(len(l.rows))
	m.since, m.notes = w.Hi, w.Notes
}

// poll is one run: a new source, a window since the last cursor, reading and merged.
func (m *merged) poll(ctx context.Context, open func() (extract.Source, error), st extract.Stream) error {
	src, err := open()
	if err != nil {
		return err
	}
	defer src.Close()
	w, err := src.Window(ctx, st, m.since, nil)
	if err != nil {
		return err
	}
	l, err := landAll(ctx, src, st, w)
	if err == nil {
		m.take(w, l)
	}
	return err
}

// compare gives the keys of want that are missing, that differ, and those of m that are too many.
func (m *merged) compare(want map[string]string) (lost, stale, extra []string) {
	for key, row := range want {
		switch got, ok := m.rows[key]; {
		case !ok:
			lost = append(lost, key)
		case got != row:
			stale = append(stale, key)
		}
	}
	for key := range m.rows {
		if _, ok := want[key]; !ok {
			extra = append(extra, key)
		}
	}
	slices.Sort(lost)
	slices.Sort(stale)
	slices.Sort(extra)
	return lost, stale, extra
}

// same fails the test when m is not what want is.
func (m *merged) same(t *testing.T, want map[string]string) {
	t.Helper()
	if lost, stale, extra := m.compare(want); len(lost)+len(stale)+len(extra) > 0 {
		t.Errorf("of %d rows %d are lost, %d stale, %d are too many: %.5q %.5q %.5q", len(want), len(lost), len(stale), len(extra), lost, stale, extra)
	}
}

// whole is the stream's table in a full read, by its first column.
func (f *fixture) whole(st extract.Stream) map[string]string {
	f.t.Helper()
	st.Mode, st.Deletes = extract.Full, false
	m := newMerged()
	if err := m.poll(context.Background(), f.open, st); err != nil {
		f.t.Fatal(err)
	}
	return m.rows
}

// mentions checks that a text has all the words.
func mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not mention %q", text, w)
		}
	}
}
