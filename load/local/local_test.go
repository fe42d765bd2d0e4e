package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// target is a loader over a temporary folder whose clock the test moves. Its catalog is a list of names.
func target(t *testing.T) (*Loader, *time.Time) {
	t.Helper()
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	l := New(Config{Root: t.TempDir(), Clock: func() time.Time { return now }, Catalog: func(_ context.Context, path string, versions []warehouse.Version, _ map[string]string) (map[warehouse.Name]error, error) {
		text := ""
		for _, v := range versions {
			text += v.Name.String() + "\n"
		}
		return nil, os.WriteFile(path, []byte(text), 0o644)
	}})
	if err := l.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, &now
}

// staged is a table with one new file outside of the target.
func staged(t *testing.T, table, content string) load.Table {
	t.Helper()
	path := filepath.Join(t.TempDir(), "part.parquet")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	file := warehouse.File{Path: path, Rows: int64(len(content)), Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	return load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: "s", Table: table}, Base: []warehouse.File{file}, Rows: file.Rows}, Kind: "stream", Cursor: content}
}

func publish(t *testing.T, l *Loader, run string, tables ...load.Table) *load.Manifest {
	t.Helper()
	m, err := l.Publish(t.Context(), load.Publication{Run: run, Attempt: 1, Pipeline: "p", Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPublishCarriesOverOtherTables(t *testing.T) {
	l, _ := target(t)
	if _, err := l.Current(t.Context()); !errors.Is(err, load.ErrNothing) {
		t.Fatalf("an empty target says %v", err)
	}
	publish(t, l, "r1", staged(t, "a", "1"), staged(t, "b", "1"))
	publish(t, l, "r2", staged(t, "a", "22"))
	m, err := l.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, b := m.Table(warehouse.Name{Schema: "s", Table: "a"}), m.Table(warehouse.Name{Schema: "s", Table: "b"})
	if a.Run != "r2" || a.Cursor != "22" || b.Run != "r1" || b.Snapshot != 1 || m.Parent != 1 {
		t.Errorf("a %+v, b %+v, parent %d", a, b, m.Parent)
	}
	for _, f := range append(a.Base, b.Base...) {
		if data, err := os.ReadFile(f.Path); err != nil || int64(len(data)) != f.Bytes {
			t.Errorf("%s: %d bytes, %v", f.Path, len(data), err)
		}
		link := filepath.Join(l.CurrentLink(), "s", map[bool]string{true: "a", false: "b"}[f.SHA256 == a.Base[0].SHA256], filepath.Base(f.Path))
		if _, err := os.Stat(link); err != nil {
			t.Error(err)
		}
	}
}

// TestPublishIsAtomic cuts the publish off before its swap, by a catalog that cannot be written: the old snapshot
// serves on, and the next publish goes through.
func TestPublishIsAtomic(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	good := l.cfg.Catalog
	l.cfg.Catalog = func(context.Context, string, []warehouse.Version, map[string]string) (map[warehouse.Name]error, error) {
		return nil, errors.New("no space left")
	}
	if _, err := l.Publish(t.Context(), load.Publication{Run: "r2", Attempt: 1, Tables: []load.Table{staged(t, "a", "22")}}); err == nil {
		t.Fatal("the publish went through")
	}
	if m, err := l.Current(t.Context()); err != nil || m.Run != "r1" {
		t.Errorf("readers see %+v, %v", m, err)
	}
	l.cfg.Catalog = good
	if m := publish(t, l, "r2", staged(t, "a", "22")); m.Snapshot != 2 {
		t.Errorf("snapshot %d", m.Snapshot)
	}
}

func TestPublishAgainChangesNothing(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	publish(t, l, "r2", staged(t, "a", "22"))
	if m := publish(t, l, "r1", staged(t, "a", "1")); m.Snapshot != 1 {
		t.Errorf("the repeated publish made snapshot %d", m.Snapshot)
	}
	if m, _ := l.Current(t.Context()); m.Snapshot != 2 {
		t.Errorf("readers see snapshot %d", m.Snapshot)
	}
	if m, err := l.Published(t.Context(), "r1", 2); m != nil || err != nil {
		t.Errorf("an attempt that never published is found: %v, %v", m, err)
	}
}

// TestDamagedFileIsReplaced: the sound file of a later run takes the place of a rotten one of the same content.
func TestDamagedFileIsReplaced(t *testing.T) {
	l, _ := target(t)
	m := publish(t, l, "r1", staged(t, "a", "good"))
	path := m.Tables[0].Base[0].Path
	if err := os.WriteFile(path, []byte("evil"), 0o644); err != nil {
		t.Fatal(err)
	}
	publish(t, l, "r2", staged(t, "a", "good"))
	if data, err := os.ReadFile(path); err != nil || string(data) != "good" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestDropTakesATableOut(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"), staged(t, "b", "1"))
	m, err := l.Publish(t.Context(), load.Publication{Run: "r2", Attempt: 1, Drop: []warehouse.Name{{Schema: "s", Table: "a"}}})
	if err != nil || len(m.Tables) != 1 || m.Tables[0].Table != "b" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAnotherProjectIsRefused(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	if _, err := l.Publish(t.Context(), load.Publication{Run: "r2", Attempt: 1, Project: "other", Tables: []load.Table{staged(t, "a", "1")}}); err == nil {
		t.Error("two projects share a target")
	}
}

// TestOvertaken: a publication that was made from an older version of a table would take back what came since.
func TestOvertaken(t *testing.T) {
	l, _ := target(t)
	made := &load.Manifest{}
	slow := load.Publication{Run: "slow", Attempt: 1, Pipeline: "p", Tables: []load.Table{staged(t, "a", "1"), staged(t, "b", "1")}, Before: made}
	publish(t, l, "other", staged(t, "c", "1"))
	seen := publish(t, l, "fast", staged(t, "b", "12"))
	if _, err := l.Publish(t.Context(), slow); !errors.Is(err, load.ErrOvertaken) || !strings.Contains(err.Error(), "s.b was published by run fast (snapshot 2)") {
		t.Fatalf("got %v", err)
	}
	if m, err := l.Current(t.Context()); err != nil || m.Snapshot != seen.Snapshot {
		t.Fatalf("%+v, %v", m, err)
	}
	slow.Before = seen
	for range 2 { // the second time it is there already
		if m, err := l.Publish(t.Context(), slow); err != nil || m.Snapshot != 3 {
			t.Fatalf("%+v, %v", m, err)
		}
	}
}

// TestTwoPublishersLoseNothing: each table of each publisher is in the last snapshot.
func TestTwoPublishersLoseNothing(t *testing.T) {
	l, _ := target(t)
	var all sync.WaitGroup
	const each = 5
	for _, who := range []string{"x", "y"} {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range each {
				name := who + string(rune('0'+i))
				if _, err := l.Publish(context.Background(), load.Publication{Run: name, Attempt: 1, Tables: []load.Table{staged(t, name, name)}}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	m, err := l.Current(t.Context())
	if err != nil || len(m.Tables) != 2*each || m.Snapshot != 2*each {
		t.Fatalf("%d tables in snapshot %d, %v", len(m.Tables), m.Snapshot, err)
	}
}

func TestManifestIsSealed(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	path := filepath.Join(l.CurrentLink(), "manifest.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"changed":  strings.Replace(string(data), `"rows":1`, `"rows":2`, 1),
		"cut":      string(data[:len(data)/2]),
		"empty":    "",
		"replaced": "{}",
	} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Current(t.Context()); !errors.Is(err, load.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := l.Collect(t.Context(), false); err == nil {
			t.Errorf("%s: garbage was collected without a manifest", name)
		}
	}
	if _, err := os.Stat(filepath.Join(l.cfg.Root, "data", "s", "a")); err != nil {
		t.Error(err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	l, _ := target(t)
	m := publish(t, l, "r1", staged(t, "a", "1"))
	m.Format = load.Format + 1
	data, err := seal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.CurrentLink(), "manifest.json"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Current(t.Context()); !errors.Is(err, load.ErrNewer) {
		t.Error(err)
	}
}

func TestLostPointerIsNotAnEmptyTarget(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	publish(t, l, "r2", staged(t, "b", "1"))
	if err := os.Remove(l.CurrentLink()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Current(t.Context()); !errors.Is(err, load.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestCollect(t *testing.T) {
	l, now := target(t)
	for i, content := range []string{"1", "22", "333", "4444", "55555"} {
		*now = now.Add(3 * 24 * time.Hour)
		publish(t, l, string(rune('a'+i)), staged(t, "t", content))
	}
	junk := filepath.Join(l.cfg.Root, "data", "s", "t", strings.Repeat("0", 64)+".parquet")
	if err := os.WriteFile(junk, []byte("left by a publish that was cut off"), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(l.cfg.Root, "data", "s", "t", "README")
	if err := os.WriteFile(foreign, []byte("not ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	dry, err := l.Collect(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	// Five snapshots, three days apart: the last three stay by count, the second was superseded six days ago only.
	if !slices.Equal(dry.Snapshots, []int64{1}) || len(dry.Files) != 2 {
		t.Errorf("would remove snapshots %v and %v", dry.Snapshots, dry.Files)
	}
	if _, err := os.Stat(junk); err != nil {
		t.Error("the dry run removed something")
	}
	if _, err := l.Collect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(junk); err == nil {
		t.Error("the junk is still there")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a file that is not ours is gone")
	}
	for m, err := l.Current(t.Context()); ; m, err = l.Manifest(m.Parent) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(m.Tables[0].Base[0].Path); err != nil {
			t.Error(err)
		}
		if m.Snapshot == 2 {
			break
		}
	}
	if m := publish(t, l, "again", staged(t, "t", "666666")); m.Snapshot != 6 {
		t.Errorf("the next snapshot is %d", m.Snapshot)
	}
}

func TestMovedTargetIsRelinked(t *testing.T) {
	l, _ := target(t)
	publish(t, l, "r1", staged(t, "a", "1"))
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(l.cfg.Root, moved); err != nil {
		t.Fatal(err)
	}
	l.cfg.Root = moved
	if _, yes := l.Moved(t.Context()); !yes {
		t.Error("the move was not noticed")
	}
	if done, err := l.Relink(t.Context()); err != nil || !done {
		t.Errorf("relinked %v, %v", done, err)
	}
	if done, err := l.Relink(t.Context()); err != nil || done {
		t.Errorf("relinked again: %v, %v", done, err)
	}
	m, err := l.Current(t.Context())
	if err != nil || !strings.HasPrefix(m.Tables[0].Base[0].Path, moved) {
		t.Errorf("%+v, %v", m, err)
	}
}
