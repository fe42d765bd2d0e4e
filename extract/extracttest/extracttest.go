// Package extracttest is the conformance suite of extract.Source: every source runs it. It lands what a source reads
// with a real DuckDB, as the engine does, and compares rows, counts and cursors. It knows no source. Read Fixture first.
package extracttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/duckdb"
)

// Fixture is a source with something to read. Each check gets a fresh one.
type Fixture struct {
	Source extract.Source
	// Full, Append and Incremental are the same data in each mode; a zero Stream is a mode that the source or the
	// fixture lacks. Full must have at least two rows.
	Full, Append, Incremental extract.Stream
	// Grow adds records, and for Incremental changes some. nil: nothing can be added.
	Grow func() error
	// Reopen gives the source of a later run, after Grow; nil: the same one sees what has grown. A source that reads
	// all its streams as of one moment needs it. The suite closes what it gave before.
	Reopen func() (extract.Source, error)
	// Change spoils what a window has fixed, so that Read must say ErrChanged. nil: this cannot happen.
	Change func() error
	// Range is one of Append and Incremental, of at least two slices, that has InRange rows. nil: the source reads none.
	Range   *extract.Range
	InRange int64
}

// Landing is what came of reading a window.
type Landing struct {
	Rows      []string // one per row, columns joined by |, NULL as ∅, sorted
	Columns   []extract.Column
	Rejects   []extract.Reject // by file and line
	Read      int64
	Parts     int
	Fallbacks int // scans whose fallback was needed
}

// check is one thing that holds for every source.
type check struct {
	name string
	run  func(k *kit, f *Fixture) error
}

// kit is what checks need from testing.T.
type kit struct {
	ctx  context.Context
	temp func() string
	skip func(string)
	// db takes Arrow batches into parts below its folder dir; opening one for each part would take most of the time.
	db  *duckdb.DB
	dir string
}

func (k *kit) arrow() (*duckdb.DB, error) {
	if k.db != nil {
		return k.db, nil
	}
	k.dir = k.temp()
	db, err := duckdb.Open(k.ctx, duckdb.Config{Dirs: []string{k.dir}, Arrow: true})
	if err == nil {
		k.db = db
	}
	return db, err
}

func (k *kit) close() {
	if k.db != nil {
		k.db.Close()
		k.db = nil
	}
}

// Run checks a source. fixture is called once for each check.
func Run(t *testing.T, fixture func(t *testing.T) Fixture) {
	for _, c := range []check{
		{"window is repeatable", windowRepeatable}, {"read is repeatable", readRepeatable}, {"counts close", countsClose},
		{"resume", resume}, {"describe", describe}, {"nothing new", nothingNew}, {"append once", appendOnce}, {"incremental", incremental}, {"range", ranged},
		{"changed", changed}, {"cancel", cancelled}, {"close", closing}, {"a dropped row is seen", droppedRow},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fixture(t)
			k := &kit{ctx: context.Background(), temp: t.TempDir, skip: func(why string) { t.Skip(why) }}
			defer k.close()
			if err := c.run(k, &f); err != nil {
				t.Error(err)
			}
			if err := f.Source.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// Land reads a window as the engine does. It checks that what was read was landed or rejected.
func Land(t *testing.T, src extract.Source, s extract.Stream, w *extract.Window) (*Landing, error) {
	t.Helper()
	k := &kit{ctx: context.Background(), temp: t.TempDir}
	defer k.close()
	return k.land(src, s, w)
}

func (k *kit) land(src extract.Source, s extract.Stream, w *extract.Window) (*Landing, error) {
	l := &Landing{}
	for _, slice := range w.Slices {
		for next, first := "", true; first || next != ""; first = false {
			out, err := k.part(src, s, w, slice, next, l)
			if err != nil {
				return nil, fmt.Errorf("slice %s: %w", slice.ID, err)
			}
			if out.Next != "" && out.Next == next {
				return nil, fmt.Errorf("slice %s: stands still at %q", slice.ID, next)
			}
			next = out.Next
		}
	}
	slices.Sort(l.Rows)
	slices.SortStableFunc(l.Rejects, func(a, b extract.Reject) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return int(a.Line - b.Line)
	})
	if l.Read != int64(len(l.Rows)+len(l.Rejects)) {
		return l, fmt.Errorf("read %d, but landed %d and rejected %d", l.Read, len(l.Rows), len(l.Rejects))
	}
	return l, nil
}

// part reads one part of a slice and adds it to l.
func (k *kit) part(src extract.Source, s extract.Stream, w *extract.Window, slice extract.Slice, from string, l *Landing) (out extract.Outcome, err error) {
	var mu sync.Mutex
	var rejects []extract.Reject
	snap, err := src.Read(k.ctx, extract.Request{Stream: s, Window: w, Slice: slice, Resume: from, Scratch: k.temp(), Progress: func(int64, int64) {},
		Reject: func(r extract.Reject) error {
			mu.Lock()
			defer mu.Unlock()
			rejects = append(rejects, r)
			return nil
		}})
	if err != nil {
		return out, err
	}
	defer func() {
		if snap.Close != nil {
			snap.Close()
		}
	}()
	if (snap.Reader == nil) == (snap.Scan == nil) {
		return out, errors.New("a snapshot has either a reader or a scan")
	}
	dir := k.temp()
	path := filepath.Join(dir, "part.parquet")
	if snap.Reader != nil {
		db, err := k.arrow()
		if err != nil {
			return out, err
		}
		path = filepath.Join(k.dir, fmt.Sprintf("part%d.parquet", time.Now().UnixNano()))
		_, err = db.CopyReader(k.ctx, snap.Reader, path, keepType)
		snap.Reader.Release()
		if err != nil {
			return out, err
		}
		if out, err = snap.Outcome(); err != nil {
			return out, err
		}
		if err := l.take(k.ctx, db, path); err != nil {
			return out, err
		}
	} else if out, err = k.scan(snap, dir, path, l); err != nil {
		return out, err
	}
	l.Read += out.Read
	l.Rejects = append(l.Rejects, rejects...)
	l.Parts++
	return out, nil
}

// scan runs the scan, and its fallback when it fails or would be inexact.
func (k *kit) scan(snap *extract.Snapshot, dir, path string, l *Landing) (out extract.Outcome, err error) {
	for scan := snap.Scan; ; {
		again, err := func() (*extract.Scan, error) {
			db, err := duckdb.Open(k.ctx, duckdb.Config{Dirs: append([]string{dir}, scan.Dirs...), Files: scan.Files})
			if err != nil {
				return nil, err
			}
			defer db.Close()
			_, err = db.Copy(k.ctx, scan.SQL, path, keepType)
			if err == nil {
				if out, err = snap.Outcome(); err != nil && !errors.Is(err, extract.ErrInexact) {
					return nil, err
				}
			}
			if err != nil {
				if scan.Fallback == nil {
					return nil, err
				}
				l.Fallbacks++
				if rerr := os.Remove(path); rerr != nil && !os.IsNotExist(rerr) {
					return nil, rerr
				}
				return scan.Fallback(k.ctx, err)
			}
			if scan.Rejects != "" {
				rows, err := db.Query(k.ctx, scan.Rejects)
				if err != nil {
					return nil, fmt.Errorf("rejects: %w", err)
				}
				for _, v := range rows.Values {
					l.Rejects = append(l.Rejects, extract.Reject{File: v[0].(string), Line: v[1].(int64), Offset: v[2].(int64), Column: v[3].(string), Reason: v[4].(string), Message: v[5].(string), Raw: v[6].(string)})
				}
			}
			return nil, l.take(k.ctx, db, path)
		}()
		if err != nil || again == nil {
			return out, err
		}
		scan = again
	}
}

// keepType writes each column as it is.
func keepType(c duckdb.Column) (string, error) { return c.Type, nil }

func (l *Landing) take(ctx context.Context, db *duckdb.DB, path string) error {
	rows, err := db.Query(ctx, "SELECT * FROM read_parquet('"+strings.ReplaceAll(path, "'", "''")+"')")
	if err != nil {
		return err
	}
	l.Columns = nil
	for _, c := range rows.Columns {
		l.Columns = append(l.Columns, extract.Column{Name: c.Name, Type: c.Type})
	}
	for _, row := range rows.Values {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = "∅"
			if v != nil {
				cells[i] = fmt.Sprintf("%v", v)
			}
		}
		l.Rows = append(l.Rows, strings.Join(cells, "|"))
	}
	return nil
}

// grow adds records and opens the source anew where that takes it to see them.
func (f *Fixture) grow() error {
	if err := f.Grow(); err != nil || f.Reopen == nil {
		return err
	}
	next, err := f.Reopen()
	if err != nil {
		return err
	}
	old := f.Source
	f.Source = next
	return old.Close()
}

// modes gives the fixture's streams that are there.
func (f Fixture) modes() []extract.Stream {
	var out []extract.Stream
	for _, s := range []extract.Stream{f.Full, f.Append, f.Incremental} {
		if s.Name != "" {
			out = append(out, s)
		}
	}
	return out
}

func windowRepeatable(k *kit, f *Fixture) error {
	for _, s := range f.modes() {
		a, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		b, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if string(x) != string(y) {
			return fmt.Errorf("%s: two windows of the same data differ:\n%s\n%s", s.Mode, x, y)
		}
		ids := map[string]bool{}
		for _, sl := range a.Slices {
			if ids[sl.ID] {
				return fmt.Errorf("%s: slice %q is there twice", s.Mode, sl.ID)
			}
			ids[sl.ID] = true
		}
		if len(a.Slices) == 0 {
			return fmt.Errorf("%s: nothing to read", s.Mode)
		}
	}
	return nil
}

func readRepeatable(k *kit, f *Fixture) error {
	for _, s := range f.modes() {
		w, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		b, err := json.Marshal(w) // the engine hands on what it journaled
		if err != nil {
			return err
		}
		var journaled extract.Window
		if err := json.Unmarshal(b, &journaled); err != nil {
			return err
		}
		first, err := k.land(f.Source, s, w)
		if err != nil {
			return err
		}
		second, err := k.land(f.Source, s, &journaled)
		if err != nil {
			return err
		}
		if !slices.Equal(first.Rows, second.Rows) || len(first.Rejects) != len(second.Rejects) {
			return fmt.Errorf("%s: the same window read twice gave other rows", s.Mode)
		}
	}
	return nil
}

func countsClose(k *kit, f *Fixture) error {
	for _, s := range f.modes() {
		w, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		l, err := k.land(f.Source, s, w)
		if err != nil {
			return err
		}
		if s.Mode == extract.Full && len(l.Rows) < 2 {
			return fmt.Errorf("the fixture has %d rows, the suite needs two", len(l.Rows))
		}
	}
	return nil
}

func resume(k *kit, f *Fixture) error {
	resumed := false
	for _, s := range f.modes() {
		w, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		for _, slice := range w.Slices {
			var points []string
			var upTo [][]string // rows landed before each point
			whole := &Landing{}
			for next, first := "", true; first || next != ""; first = false {
				out, err := k.part(f.Source, s, w, slice, next, whole)
				if err != nil {
					return err
				}
				if next = out.Next; next != "" {
					points, upTo = append(points, next), append(upTo, slices.Clone(whole.Rows))
				}
			}
			want := slices.Sorted(slices.Values(whole.Rows))
			for i, p := range points {
				resumed = true
				rest := &Landing{Rows: upTo[i]}
				for next := p; next != ""; {
					out, err := k.part(f.Source, s, w, slice, next, rest)
					if err != nil {
						return fmt.Errorf("resume at %q: %w", p, err)
					}
					next = out.Next
				}
				if got := slices.Sorted(slices.Values(rest.Rows)); !slices.Equal(got, want) {
					return fmt.Errorf("%s: resumed at %q: %d rows, not the %d of the whole slice", s.Mode, p, len(got), len(want))
				}
			}
		}
	}
	if !resumed {
		k.skip("the source has no resume points")
	}
	return nil
}

func describe(k *kit, f *Fixture) error {
	d, err := f.Source.Describe(k.ctx, f.Full)
	if err != nil {
		return err
	}
	w, err := f.Source.Window(k.ctx, f.Full, "", nil)
	if err != nil {
		return err
	}
	l, err := k.land(f.Source, f.Full, w)
	if err != nil {
		return err
	}
	for i := range d.Columns { // what Parquet makes of a type is the landing's matter
		switch d.Columns[i].Type {
		case "TIMESTAMP_S", "TIMESTAMP_MS":
			d.Columns[i].Type = "TIMESTAMP"
		}
	}
	for i := range l.Columns {
		switch l.Columns[i].Type {
		case "TIMESTAMP_S", "TIMESTAMP_MS":
			l.Columns[i].Type = "TIMESTAMP"
		}
	}
	if !slices.Equal(d.Columns, l.Columns) {
		return fmt.Errorf("described %v, landed %v", d.Columns, l.Columns)
	}
	return nil
}

func nothingNew(k *kit, f *Fixture) error {
	for _, s := range []extract.Stream{f.Append, f.Incremental} {
		if s.Name == "" {
			continue
		}
		w, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		again, err := f.Source.Window(k.ctx, s, w.Hi, nil)
		if err != nil {
			return err
		}
		l, err := k.land(f.Source, s, again)
		if err != nil {
			return err
		}
		if l.Read != 0 {
			return fmt.Errorf("%s: %d records are read again from an unchanged source", s.Mode, l.Read)
		}
	}
	return nil
}

func appendOnce(k *kit, f *Fixture) error {
	if f.Append.Name == "" || f.Grow == nil {
		k.skip("the fixture does not append")
		return nil
	}
	var all []string
	since := extract.Cursor("")
	for i := range 3 {
		if i > 0 {
			if err := f.grow(); err != nil {
				return err
			}
		}
		w, err := f.Source.Window(k.ctx, f.Append, since, nil)
		if err != nil {
			return err
		}
		l, err := k.land(f.Source, f.Append, w)
		if err != nil {
			return err
		}
		if i > 0 && len(l.Rows) == 0 {
			return fmt.Errorf("window %d: nothing new after Grow", i)
		}
		all = append(all, l.Rows...)
		since = w.Hi
	}
	w, err := f.Source.Window(k.ctx, f.Append, "", nil)
	if err != nil {
		return err
	}
	l, err := k.land(f.Source, f.Append, w)
	if err != nil {
		return err
	}
	slices.Sort(all)
	if !slices.Equal(all, l.Rows) {
		return fmt.Errorf("three windows gave %d rows, one window over everything %d", len(all), len(l.Rows))
	}
	return nil
}

func incremental(k *kit, f *Fixture) error {
	if f.Incremental.Name == "" || f.Grow == nil {
		k.skip("the fixture does not change")
		return nil
	}
	state := map[string]string{}
	since := extract.Cursor("")
	for i := range 3 {
		if i > 0 {
			if err := f.grow(); err != nil {
				return err
			}
		}
		w, err := f.Source.Window(k.ctx, f.Incremental, since, nil)
		if err != nil {
			return err
		}
		l, err := k.land(f.Source, f.Incremental, w)
		if err != nil {
			return err
		}
		at := -1
		for c := range l.Columns {
			if l.Columns[c].Name == f.Incremental.Key[0] {
				at = c
			}
		}
		for _, row := range l.Rows {
			if at < 0 {
				return fmt.Errorf("no column %q", f.Incremental.Key[0])
			}
			state[strings.Split(row, "|")[at]] = row
		}
		since = w.Hi
	}
	w, err := f.Source.Window(k.ctx, f.Full, "", nil)
	if err != nil {
		return err
	}
	l, err := k.land(f.Source, f.Full, w)
	if err != nil {
		return err
	}
	var merged []string
	for _, row := range state {
		merged = append(merged, row)
	}
	slices.Sort(merged)
	if len(l.Rejects) == 0 && !slices.Equal(merged, l.Rows) {
		return fmt.Errorf("three windows merged by key are %d rows, a full read %d, or they differ", len(merged), len(l.Rows))
	}
	return nil
}

func changed(k *kit, f *Fixture) error {
	if f.Change == nil {
		k.skip("what a window fixed cannot change")
		return nil
	}
	w, err := f.Source.Window(k.ctx, f.Full, "", nil)
	if err != nil {
		return err
	}
	if err := f.Change(); err != nil {
		return err
	}
	if _, err := k.land(f.Source, f.Full, w); !errors.Is(err, extract.ErrChanged) {
		return fmt.Errorf("the source changed after the window: %v, want ErrChanged", err)
	}
	return nil
}

// cancelled ends the context at several moments and wants all goroutines gone soon after.
func cancelled(k *kit, f *Fixture) error {
	w, err := f.Source.Window(k.ctx, f.Full, "", nil)
	if err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	for _, after := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond} {
		ctx, cancel := context.WithCancel(k.ctx)
		time.AfterFunc(after, cancel)
		begin := time.Now()
		done := make(chan error, 1)
		go func() {
			own := &kit{ctx: ctx, temp: k.temp}
			_, err := own.land(f.Source, f.Full, w)
			own.close()
			done <- err
		}()
		select {
		case err := <-done:
			// The state of a source whose session went with the context before is lost: that is told, not hidden.
			if err != nil && ctx.Err() == nil && !errors.Is(err, extract.ErrChanged) {
				return err
			}
		case <-time.After(time.Minute):
			return fmt.Errorf("still reading %v after the context ended", time.Since(begin))
		}
		cancel()
	}
	return settled(before)
}

func settled(before int) error {
	for range 6000 { // pgx takes up to 15 s to part from a busy server
		if runtime.NumGoroutine() <= before {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<18)
	return fmt.Errorf("goroutines stay behind:\n%s", buf[:runtime.Stack(buf, true)])
}

func closing(k *kit, f *Fixture) error {
	w, err := f.Source.Window(k.ctx, f.Full, "", nil)
	if err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	for _, slice := range w.Slices {
		snap, err := f.Source.Read(k.ctx, extract.Request{Stream: f.Full, Window: w, Slice: slice, Scratch: k.temp(), Progress: func(int64, int64) {}, Reject: func(extract.Reject) error { return nil }})
		if err != nil {
			return err
		}
		if snap.Close != nil { // nothing was drained
			snap.Close()
			snap.Close()
		}
		if snap.Reader != nil {
			snap.Reader.Release()
		}
	}
	if err := settled(before); err != nil {
		return err
	}
	return f.Source.Close()
}

// droppedRow is the suite's own control: it must notice a source that loses a row.
func droppedRow(k *kit, f *Fixture) error {
	source := f.Source
	f.Source = dropping{source}
	defer func() { f.Source = source }()
	if err := countsClose(k, f); err == nil {
		return errors.New("a source that drops a row passes for sound")
	}
	return nil
}

// dropping loses one row of each snapshot.
type dropping struct{ extract.Source }

func (d dropping) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	snap, err := d.Source.Read(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap.Scan != nil {
		snap.Scan = dropFromScan(snap.Scan)
	} else {
		snap.Reader = &dropReader{RecordReader: snap.Reader}
	}
	return snap, nil
}

func dropFromScan(s *extract.Scan) *extract.Scan {
	out := *s
	out.SQL = "SELECT * FROM (" + s.SQL + ") OFFSET 1"
	if s.Fallback != nil {
		out.Fallback = func(ctx context.Context, cause error) (*extract.Scan, error) {
			next, err := s.Fallback(ctx, cause)
			if err != nil {
				return nil, err
			}
			return dropFromScan(next), nil
		}
	}
	return &out
}

type dropReader struct {
	array.RecordReader
	done bool
	cut  arrow.RecordBatch
}

func (r *dropReader) Next() bool {
	r.cut = nil
	if !r.RecordReader.Next() {
		return false
	}
	if b := r.RecordReader.RecordBatch(); !r.done && b.NumRows() > 0 {
		r.done = true
		r.cut = b.NewSlice(0, b.NumRows()-1) // from the start, so its offset stays 0
	}
	return true
}

func (r *dropReader) RecordBatch() arrow.RecordBatch {
	if r.cut != nil {
		return r.cut
	}
	return r.RecordReader.RecordBatch()
}

func (r *dropReader) Record() arrow.RecordBatch { return r.RecordBatch() }
