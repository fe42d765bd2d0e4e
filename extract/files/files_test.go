package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/extracttest"
	"github.com/millrace/millrace/internal/duckdb"
)

// landing is what the engine would have made of a stream.
type landing struct {
	*extracttest.Landing
	window *extract.Window
}

func (l *landing) slow() bool { return l.Fallbacks > 0 }

// shop is a project folder with one files source.
type shop struct {
	t   *testing.T
	dir string
	src extract.Source
}

func newShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	src, err := open(extract.Env{Name: "in", Project: dir}, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &shop{t, dir, src}
}

func (s *shop) write(name, content string) string {
	s.t.Helper()
	p := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func stream(o *StreamOptions, mode extract.Mode) extract.Stream {
	return extract.Stream{Name: "s", Mode: mode, Options: o}
}

func columns(o *StreamOptions, pairs ...string) *StreamOptions {
	for i := 0; i < len(pairs); i += 2 {
		o.Columns.Set(pairs[i], pairs[i+1])
	}
	return o
}

// land does what the engine does with a stream.
func (s *shop) land(st extract.Stream, since extract.Cursor) (*landing, error) {
	s.t.Helper()
	w, err := s.src.Window(context.Background(), st, since, nil)
	if err != nil {
		return nil, err
	}
	return s.landWindow(st, w)
}

func (s *shop) landWindow(st extract.Stream, w *extract.Window) (*landing, error) {
	s.t.Helper()
	l, err := extracttest.Land(s.t, s.src, st, w)
	if err != nil {
		return nil, err
	}
	return &landing{l, w}, nil
}

func asIs(c duckdb.Column) (string, error) { return c.Type, nil }

func (l *landing) want(t *testing.T, rows ...string) {
	t.Helper()
	sort.Strings(rows)
	if strings.Join(l.Rows, "\n") != strings.Join(rows, "\n") {
		t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(l.Rows, "\n"), strings.Join(rows, "\n"))
	}
}

func (l *landing) wantRejects(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, r := range l.Rejects {
		got = append(got, fmt.Sprintf("%s:%d@%d %s %s", r.File, r.Line, r.Offset, r.Column, r.Reason))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rejects:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		for _, r := range l.Rejects {
			t.Logf("%+v", r)
		}
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestCleanCSV(t *testing.T) {
	s := newShop(t)
	s.write("a.csv", "id,name,amt,d\n1,x,1.50,2024-01-01\n2,\"y\nz\",,\n\n3,\"q\"\"r\",2,2024-12-31")
	st := stream(columns(&StreamOptions{Path: "*.csv"}, "id", "BIGINT", "name", "VARCHAR", "amt", "DECIMAL(12,2)", "d", "DATE"), extract.Full)
	l := must[*landing](t)(s.land(st, ""))
	if l.slow() {
		t.Error("a clean file took the slow path")
	}
	l.want(t, "1|x|1.50|2024-01-01", "2|y\nz|∅|∅", "3|q\"r|2.00|2024-12-31")
}

func TestDirtyCSV(t *testing.T) {
	s := newShop(t)
	s.write("a.csv", "id,name,amt,d\n1,a,1.5,2024-01-01\n2,b\n3,c,x,2024-01-01\n4,d,1,2024-01-01,extra\n5,\"unterminated,3,2024-01-01\n6,f\xff,4,2024-01-01\n\n7,g,1.5,notadate\n8,h,q,alsobad\n9,i,9,2024-01-09\n")
	st := stream(columns(&StreamOptions{Path: "*.csv"}, "id", "INTEGER", "name", "VARCHAR", "amt", "INTEGER", "d", "DATE"), extract.Full)
	l := must[*landing](t)(s.land(st, ""))
	if !l.slow() {
		t.Error("no slow path")
	}
	l.want(t, "9|i|9|2024-01-09")
	l.wantRejects(t,
		"a.csv:2@14 amt inexact_cast", "a.csv:3@33  too_few_columns", "a.csv:4@37 amt bad_cast", "a.csv:5@54  too_many_columns",
		"a.csv:6@77  unterminated_quote", "a.csv:7@106  invalid_utf8", "a.csv:9@125 amt inexact_cast", "a.csv:10@142 amt bad_cast")
}

func TestSniffedCSV(t *testing.T) {
	s := newShop(t)
	s.write("a.csv", "id;zip;amount;when\n1;007;1.25;2024-01-01 10:00:00\n2;080;2.5;2024-01-02 11:00:00\n")
	st := stream(&StreamOptions{Path: "*.csv"}, extract.Full)
	l := must[*landing](t)(s.land(st, ""))
	l.want(t, "1|007|1.25|2024-01-01 10:00:00", "2|080|2.5|2024-01-02 11:00:00")
	d := must[*extract.Description](t)(s.src.Describe(context.Background(), st))
	t.Logf("%+v", d)
}

func TestAppend(t *testing.T) {
	s := newShop(t)
	st := stream(columns(&StreamOptions{Path: "*.csv"}, "id", "BIGINT"), extract.Append)
	if _, err := s.land(st, ""); !errors.Is(err, extract.ErrEmpty) {
		t.Errorf("err = %v", err)
	}
	s.write("a.csv", "id\n1\n2\n")
	l := must[*landing](t)(s.land(st, ""))
	l.want(t, "1", "2")
	s.write("b.csv", "id\n3\n")
	l2 := must[*landing](t)(s.land(st, l.window.Hi))
	l2.want(t, "3")
	l3 := must[*landing](t)(s.land(st, l2.window.Hi))
	if len(l3.window.Slices) != 0 || l3.window.Hi != l2.window.Hi {
		t.Errorf("window = %+v", l3.window)
	}
}

// TestSecondRun is an unpinned stream whose guesses must hold for the files that come later.
func TestSecondRun(t *testing.T) {
	for name, c := range map[string]struct{ one, two, row1, row2 string }{
		"date format": {"id,d\n1,31/12/2024\n", "id,d\n2,25/12/2024\n", "1|2024-12-31", "2|2024-12-25"},
		"no header":   {"1,2024-12-31,x\n2,2024-12-30,y\n", "3,2024-12-29,z\n4,2024-12-28,z\n", "1|2024-12-31|x", "3|2024-12-29|z"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			st := stream(&StreamOptions{Path: "*.csv"}, extract.Append)
			s.write("a.csv", c.one)
			l := must[*landing](t)(s.land(st, ""))
			if len(l.Rejects) > 0 || l.Rows[0] != c.row1 {
				t.Fatalf("first: %q %v", l.Rows, l.Rejects)
			}
			st.Known = l.Columns
			s.write("b.csv", c.two)
			l = must[*landing](t)(s.land(st, l.window.Hi))
			if len(l.Rejects) > 0 || len(l.Rows) == 0 || l.Rows[0] != c.row2 {
				t.Errorf("second: %q %v", l.Rows, l.Rejects)
			}
			if name == "date format" && !strings.Contains(strings.Join(l.window.Notes, " "), "date_format") {
				t.Errorf("notes %q", l.window.Notes)
			}
		})
	}
}
