package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/extracttest"
	"github.com/millrace/millrace/warehouse"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// age makes all files below a folder an hour old.
func age(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) extract.Source {
	t.Helper()
	s, err := Spec().Open(extract.Env{Name: "files", Project: dir, Exclude: []string{filepath.Join(dir, "warehouse")}, Stored: warehouse.Stored}, new(Options))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stream(read string) extract.Stream {
	return extract.Stream{Name: "x", Mode: extract.Full, Options: &StreamOptions{Read: read}}
}

func TestConformance(t *testing.T) {
	extracttest.Run(t, func(t *testing.T) extracttest.Fixture {
		dir := t.TempDir()
		rows := "id;amount\n"
		for i := range 50 {
			rows += fmt.Sprintf("%d;%d.5\n", i, i)
		}
		write(t, dir, "in/a.csv", rows)
		n := 0
		more := func() error {
			n++
			write(t, dir, fmt.Sprintf("in/b%d.csv", n), fmt.Sprintf("id;amount\n%d;1.5\n", 100+n))
			return nil
		}
		return extracttest.Fixture{Source: open(t, dir), Full: stream("read_csv('in/*.csv', delim = ';')"), Grow: more, Change: more}
	})
}

// TestScan: rows, columns and names of files are those that DuckDB gives in the project's folder.
func TestScan(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "it's here")
	write(t, dir, "p/y=1/a.csv", "id,v\n1,x\n")
	write(t, dir, "p/y=2/b.csv", "id,v\n2,y\nbad,z\n")
	write(t, top, "out/c.json", `{"a": {"b": [1, 2]}}`)
	s := open(t, dir)
	for read, want := range map[string]string{
		"read_csv('p/*/*.csv', filename = true, hive_partitioning = true)":              "1|x|p/y=1/a.csv|1 2|y|p/y=2/b.csv|2 bad|z|p/y=2/b.csv|2",
		"read_csv('p/**', filename = 'f', types = {'id': 'INT'}, ignore_errors = true)": "1|x|p/y=1/a.csv|1 2|y|p/y=2/b.csv|2",
		"read_csv(['../it''s here/p/y=1/a.csv'], filename = true) AS q(i, j)":           "1|x|../it's here/p/y=1/a.csv|1",
		"'../out/c.json'": "{'b': [1, 2]}",
		"(select v, upper(f.filename) as f from read_csv('p/y=1/*.csv', filename = true) f join (values (1)) w(id) using (id))": "x|P/Y=1/A.CSV",
		"(select 7 as seven)": "7",
		"(select filename, size from read_text('p/y=*/a.csv'))": "p/y=1/a.csv|9",
		"(select b.filename from read_blob('../out/c.json') b)": "../out/c.json",
	} {
		w, err := s.Window(t.Context(), stream(read), "", nil)
		if err != nil {
			t.Errorf("%s: %v", read, err)
			continue
		}
		l, err := extracttest.Land(t, s, stream(read), w)
		if err != nil || strings.Join(l.Rows, " ") != want {
			t.Errorf("%s: %v %v", read, l, err)
		}
		age(t, top)
		if w, err = s.Window(t.Context(), stream(read), "", nil); err != nil || w.State == "" {
			t.Errorf("%s: the state of settled files is not told: %+v: %v", read, w, err)
		}
	}
}

// TestScanRefuses: only files that stand there by constants are read.
func TestScanRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.csv", "a\n1\n")
	write(t, dir, "warehouse/b.csv", "a\n1\n")
	write(t, dir, "list.csv", "path\na.csv\n")
	write(t, dir, "profiles.yml", "shop: {}\n")
	for link, to := range map[string]string{"link.csv": "warehouse/b.csv", "profile_link.txt": "profiles.yml"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	for read, want := range map[string]string{
		"read_csv('gone.csv')":                 "there is no file gone.csv",
		"read_csv('gone*.csv')":                "no file is named like gone*.csv",
		"read_csv('warehouse/b.csv')":          "a folder of Millrace's own",
		"read_csv('link.csv')":                 "a folder of Millrace's own",
		"read_csv('warehouse')":                "warehouse is a folder",
		"read_text('/dev/null')":               "no regular file",
		"read_text('/proc/self/environ')":      "may hold secrets",
		"read_text('profiles.yml')":            "may hold secrets",
		"read_text('profile_link.txt')":        "may hold secrets",
		"read_csv('https://x.org/a.csv')":      "on another machine",
		"read_csv(getvariable('x'))":           "must be plain to see",
		"'a.csv'; DROP TABLE x":                "only one SELECT",
		"'a.csv' WHERE":                        "syntax error",
		"read_text('a.csv') t, 'nonsense'":     "does not exist",
		"(select * from duckdb_settings(), x)": "does not exist",
	} {
		if _, err := s.Describe(t.Context(), stream(read)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", read, err)
		}
	}
	if _, err := s.Window(t.Context(), stream("'gone.csv'"), "", nil); !errors.Is(err, extract.ErrEmpty) {
		t.Errorf("a file that is not there: %v", err)
	}
	w, err := s.Window(t.Context(), stream("'a.csv'"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a.csv", "a\n1\n2\n")
	if _, err := extracttest.Land(t, s, stream("'a.csv'"), w); !errors.Is(err, extract.ErrChanged) {
		t.Errorf("a file that was changed: %v", err)
	}
	if found := Spec().Check(nil, []extract.Stream{{Mode: extract.Append}, {Mode: extract.Full}}); len(found) != 1 {
		t.Errorf("found %v", found)
	}
}

// TestState: files that were changed have another state, also where their size and time are what they were; rows that do not come of files
// alone have none.
func TestState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	state := func(read string) string {
		t.Helper()
		w, err := s.Window(t.Context(), stream(read), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.State
	}
	then := time.Now().Add(-time.Hour)
	var states []string
	for _, text := range []string{"a\n1\n", "a\n2\n"} {
		write(t, dir, "a.csv", text)
		if err := os.Chtimes(filepath.Join(dir, "a.csv"), then, then); err != nil {
			t.Fatal(err)
		}
		states = append(states, state("'a.csv'"))
		time.Sleep(20 * time.Millisecond) // clocks of file systems are coarse
	}
	if runtime.GOOS == "linux" && (states[0] == "" || states[0] == states[1]) {
		t.Errorf("the states are %q", states)
	}
	for _, read := range []string{"(select *, random() as r from 'a.csv')", "(select * from 'a.csv' where a < today())"} {
		if got := state(read); got != "" {
			t.Errorf("%s has the state %s", read, got)
		}
	}
}

// TestPartsAbove: what the project's folder lies in is no part of its tables.
func TestPartsAbove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run=7")
	write(t, dir, "a.csv", "id,v\n3,z\n")
	s := open(t, dir)
	for _, read := range []string{"'a.csv'", "read_csv('*.csv', header = true)"} {
		d, err := s.Describe(t.Context(), stream(read))
		if err != nil || len(d.Columns) != 2 {
			t.Errorf("%s: %+v %v", read, d, err)
		}
	}
}
