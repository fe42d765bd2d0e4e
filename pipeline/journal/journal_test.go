package journal

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/warehouse"
)

func open(t *testing.T) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, path
}

func begin(t *testing.T, j *Journal, id string, at time.Time) Run {
	t.Helper()
	r := Run{ID: id, Pipeline: "p", LogicalTime: at, Attempt: 1, Status: Running, Started: at, Selection: Selection{Nodes: []string{"a.b"}}}
	if err := j.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunsAndParts(t *testing.T) {
	j, path := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 123456000, time.UTC)
	r := begin(t, j, "20260301T020000-abcdef", at)
	w := &extract.Window{Hi: "7", Slices: []extract.Slice{{ID: "0"}}}
	if err := j.SaveWindow(t.Context(), r.ID, "a.b", "d", w); err != nil {
		t.Fatal(err)
	}
	part := Part{Run: r.ID, Node: "a.b", Slice: "0", File: warehouse.File{Path: "/x", Rows: 2}, Read: 3, Landed: 2, Rejected: 1,
		Rejects: &Rejects{Reasons: map[string]int64{"bad_cast": 1}}, Resume: "go on", LandedAt: at}
	if err := j.SavePart(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	if err := j.SavePart(t.Context(), part); err == nil {
		t.Error("one part was recorded twice")
	}
	snapshot, code := int64(4), 0
	r.Status, r.Finished, r.Snapshot, r.ExitCode = Succeeded, &at, &snapshot, &code
	if err := j.FinishRun(t.Context(), r, map[string]extract.Cursor{"a.b": "7"}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	got, err := j.Run(t.Context(), "20260301")
	if err != nil || got.Status != Succeeded || *got.Snapshot != 4 || !got.Started.Equal(at) || got.Selection.Nodes[0] != "a.b" {
		t.Errorf("%+v, %v", got, err)
	}
	parts, err := j.Parts(t.Context(), r.ID, "a.b")
	if err != nil || len(parts) != 1 || parts[0].Resume != "go on" || parts[0].Rejects.Reasons["bad_cast"] != 1 || parts[0].File.Rows != 2 {
		t.Errorf("%+v, %v", parts, err)
	}
	cursors, err := j.Cursors(t.Context())
	if err != nil || len(cursors) != 1 || cursors[0].Value != "7" || cursors[0].Snapshot != 4 {
		t.Errorf("%+v, %v", cursors, err)
	}
}

// TestStepsEndWithTheirRun: no step goes on when its run does not, whichever way that has ended.
func TestStepsEndWithTheirRun(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	end := at.Add(time.Minute)
	for id, ends := range map[string]func(Run) error{
		"checkpoint": func(r Run) error {
			r.Status, r.Finished, r.Error = Interrupted, &end, "why"
			return j.EndAttempt(t.Context(), r, nil, nil, nil)
		},
		"killed": func(r Run) error { return j.SetRunStatus(t.Context(), r.ID, Interrupted, "why", end) },
	} {
		r := begin(t, j, id, at)
		for node, status := range map[string]Status{"a.built": Succeeded, "b.begun": Running} {
			if err := j.SaveStep(t.Context(), Step{Run: id, Node: node, Attempt: 1, Status: status, Started: at}); err != nil {
				t.Fatal(err)
			}
		}
		if err := ends(r); err != nil {
			t.Fatal(err)
		}
		steps, err := j.Steps(t.Context(), id)
		if err != nil || len(steps) != 2 || steps[0].Status != Succeeded || steps[0].Error != "" || steps[1].Status != Interrupted || steps[1].Error != "the run ended: why" ||
			steps[1].Finished == nil || !steps[1].Finished.Equal(end) {
			t.Errorf("%s: %+v, %v", id, steps, err)
		}
	}
}

// TestWarningsOfARun: those that come when the run has ended are added, and another attempt begins without any.
func TestWarningsOfARun(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	r := begin(t, j, "20260301T020000-abcdef", at)
	r.Status, r.Finished = Succeeded, &at
	read := func() []string {
		got, err := j.Run(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.Warnings
	}
	for _, step := range []struct {
		do   func() error
		want []string
	}{
		{func() error { return j.FinishRun(t.Context(), r, nil) }, nil},
		{func() error { r.Warnings = []string{"one"}; return j.FinishRun(t.Context(), r, nil) }, []string{"one"}},
		{func() error { r.Warnings = []string{"one", "two"}; return j.SaveWarnings(t.Context(), r) }, []string{"one", "two"}},
		{func() error { return j.BeginRun(t.Context(), r) }, nil},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := read(); !slices.Equal(got, step.want) {
			t.Errorf("%q, want %q", got, step.want)
		}
	}
}

// TestNewWindowForgetsParts: parts of another state of the source must not be mixed in.
func TestNewWindowForgetsParts(t *testing.T) {
	j, _ := open(t)
	r := begin(t, j, "r", time.Now())
	for _, hi := range []extract.Cursor{"1", "2"} {
		if err := j.SaveWindow(t.Context(), r.ID, "a.b", "d", &extract.Window{Hi: hi}); err != nil {
			t.Fatal(err)
		}
		if parts, err := j.Parts(t.Context(), r.ID, "a.b"); err != nil || len(parts) != 0 {
			t.Errorf("%d parts, %v", len(parts), err)
		}
		if err := j.SavePart(t.Context(), Part{Run: r.ID, Node: "a.b", Slice: "0", LandedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	w, err := j.Window(t.Context(), r.ID, "a.b", "d")
	if err != nil || w.Hi != "2" {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err := j.Window(t.Context(), r.ID, "a.b", "another"); w != nil || err != nil {
		t.Errorf("a window of another definition is found: %+v, %v", w, err)
	}
}

func TestRunByPrefix(t *testing.T) {
	j, _ := open(t)
	begin(t, j, "2026-aa", time.Now())
	begin(t, j, "2026-ab", time.Now())
	begin(t, j, "2026-a", time.Now())
	if _, err := j.Run(t.Context(), "2026-aa"); err != nil {
		t.Error(err)
	}
	if r, err := j.Run(t.Context(), "2026-a"); err != nil || r.ID != "2026-a" {
		t.Errorf("%s, %v", r.ID, err)
	}
	if _, err := j.Run(t.Context(), "2026"); err == nil {
		t.Error("an ambiguous prefix was taken")
	}
	if _, err := j.Run(t.Context(), "x"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := j.Run(t.Context(), ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a newer journal", func(t *testing.T) {
		j, path := open(t)
		if _, err := j.db.Exec("PRAGMA user_version = 999"); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
		if _, err := Open(t.Context(), path); !errors.Is(err, ErrNewer) {
			t.Error(err)
		}
	})
	for name, content := range map[string]string{"another file": "name: shop\n", "a damaged one": "SQLite format 3\x00" + string(make([]byte, 5000))} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), path); !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			if data, _ := os.ReadFile(path); string(data) != content {
				t.Error("the damaged file was changed")
			}
		})
	}
}

// TestOldJournalsMigrate opens an empty database, which is what version 0 was.
func TestOldJournalsMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE before_us (x)"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var version int
	if err := j.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != len(migrations) {
		t.Errorf("version %d, %v", version, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	_, path := open(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
