package journal

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

var loadTime = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// beginLoad begins the n-th load of a target, an hour after the one before.
func beginLoad(t *testing.T, j *Journal, target string, n int) Load {
	t.Helper()
	l := Load{Load: load.Load{ID: fmt.Sprintf("%s%04d", target, n), Run: "r1", Snapshot: int64(n)}, Attempt: 2, Target: target, Place: "a place", By: "r1/2", Status: Running, PID: 7,
		Started: loadTime.Add(time.Duration(n) * time.Hour)}
	if err := j.BeginLoad(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return l
}

func endLoad(t *testing.T, j *Journal, l Load, status Status, tables ...load.LoadedTable) Load {
	t.Helper()
	done := l.Started.Add(time.Minute)
	l.Status, l.Finished, l.Tables, l.Together = status, &done, tables, true
	l.LoadCost = load.LoadCost{Files: 3, Bytes: 300, Statements: 9, Seconds: 1.5, Credits: 0.25}
	if err := j.EndLoad(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return l
}

func loadedTable(name string, mode load.Mode, files int) load.LoadedTable {
	return load.LoadedTable{Name: warehouse.Name{Schema: "mart", Table: name}, As: `"MART"."` + name + `"`, Mode: mode, Why: "b", Rows: 12, LoadCost: load.LoadCost{Files: files}}
}

func TestLoadsComeBackAsTheyWere(t *testing.T) {
	j, path := open(t)
	first := beginLoad(t, j, "prod", 1)
	sent := load.Statement{Load: first.ID, Seq: 1, Table: "mart.b", Step: "copy", SQL: "COPY INTO x", RequestID: "q1", Sent: loadTime}
	if err := j.SaveStatement(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil { // the process ends with the statement in the air
		t.Fatal(err)
	}
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	found, err := j.Statements(t.Context(), first.ID)
	if err != nil || !reflect.DeepEqual(found, []load.Statement{sent}) {
		t.Fatalf("%+v, %v", found, err)
	}
	second := beginLoad(t, j, "prod", 2)
	if found, err := j.Loads(t.Context(), LoadFilter{Target: "prod", Status: Interrupted}); err != nil || len(found) != 1 || found[0].ID != first.ID || found[0].Finished == nil || found[0].Error == "" {
		t.Fatalf("the load whose process has gone is %+v, %v", found, err)
	}
	sent.QueryID, sent.Ended, sent.Rows, sent.Error = "01b2", &loadTime, 12, "no"
	if err := j.SaveStatement(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if found, err := j.Statements(t.Context(), first.ID); err != nil || !reflect.DeepEqual(found, []load.Statement{sent}) {
		t.Errorf("%+v, %v", found, err)
	}
	second = endLoad(t, j, second, Succeeded, loadedTable("b", load.ModeMerge, 2), loadedTable("a", load.ModeNew, 1))
	if found, err := j.Loads(t.Context(), LoadFilter{Run: "r1", Limit: 1}); err != nil || !reflect.DeepEqual(found, []Load{second}) {
		t.Errorf("want %+v, got %+v, %v", second, found, err)
	}
	sums, err := j.Tallies(t.Context(), Target{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, s := range sums {
		got[string(s.Name)+" "+s.Label] = s.Value
	}
	if want := map[string]float64{"loads interrupted": 1, "loads succeeded": 1, "load_bytes ": 300, "load_seconds ": 1.5, "load_credits ": 0.25}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLastLoaded(t *testing.T) {
	j, _ := open(t)
	endLoad(t, j, beginLoad(t, j, "prod", 1), Succeeded, loadedTable("a", load.ModeNew, 5), loadedTable("b", load.ModeNew, 6))
	endLoad(t, j, beginLoad(t, j, "prod", 2), Succeeded, loadedTable("a", load.ModeMerge, 1))
	endLoad(t, j, beginLoad(t, j, "prod", 3), Failed, loadedTable("a", load.ModeMerge, 7))
	endLoad(t, j, beginLoad(t, j, "dev", 4), Succeeded, loadedTable("a", load.ModeMerge, 8))
	found, err := j.LastLoaded(t.Context(), "prod", []string{"mart.a", "mart.b", "mart.never"})
	if err != nil || len(found) != 2 || found[0].Files != 1 || found[1].Files != 6 {
		t.Errorf("%+v, %v", found, err)
	}
	if rate, err := j.LoadRate(t.Context(), "prod"); err != nil || rate != 200 {
		t.Errorf("%v bytes in a second, %v", rate, err)
	}
	if rate, err := j.LoadRate(t.Context(), "none"); err != nil || rate != 0 {
		t.Errorf("%v bytes in a second without a load, %v", rate, err)
	}
	if credits, err := j.LoadCredits(t.Context(), "prod", loadTime.Add(2*time.Hour)); err != nil || credits != 0.5 {
		t.Errorf("%v credits, %v", credits, err)
	}
}

// TestPruneLoads: of old loads the last hundred of each target stay, and the last that succeeded, with what hangs on them.
func TestPruneLoads(t *testing.T) {
	j, _ := open(t)
	for n := range 130 {
		l := beginLoad(t, j, "prod", n)
		if err := j.SaveStatement(t.Context(), load.Statement{Load: l.ID, Seq: 1, Sent: loadTime}); err != nil {
			t.Fatal(err)
		}
		status := Failed
		if n == 10 {
			status = Succeeded
		}
		endLoad(t, j, l, status, loadedTable("a", load.ModeFull, n))
	}
	endLoad(t, j, beginLoad(t, j, "dev", 0), Failed)
	beginLoad(t, j, "test", 0) // its process has gone, and none came after it
	erased, err := j.Prune(t.Context(), Cut{Before: loadTime.AddDate(1, 0, 0)})
	if err != nil || erased != (Erased{Loads: 29}) {
		t.Errorf("%+v, %v", erased, err)
	}
	left, err := j.Loads(t.Context(), LoadFilter{Target: "prod"})
	if err != nil || len(left) != 101 || left[100].ID != "prod0010" || left[100].Tables[0].Files != 10 {
		t.Errorf("%d loads are left, %v", len(left), err)
	}
	if gone, err := j.Statements(t.Context(), "prod0009"); err != nil || len(gone) > 0 {
		t.Errorf("%v, %v", gone, err)
	}
	sound(t, j)
}
