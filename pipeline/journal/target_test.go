package journal

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/transform/check"
)

// TestHistoryOfATarget: what runs for dev found, counted and took is not in the history of prod, of which the runs come in between.
func TestHistoryOfATarget(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	day := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	var runs []Run
	for i, target := range []string{"", "prod", "dev", "prod", "dev"} {
		end := day.Add(time.Duration(i)*time.Hour + time.Minute)
		r := Run{ID: fmt.Sprint("r", i), Pipeline: "p", LogicalTime: day.Add(time.Duration(i) * time.Hour), Started: day.Add(time.Duration(i) * time.Hour), Attempt: 1, Status: Running,
			Selection: Selection{Nodes: []string{"a.x"}, Target: target}}
		if err := j.BeginRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		if err := j.SaveStep(ctx, Step{Run: r.ID, Node: "a.x", Attempt: 1, Status: Succeeded, Started: r.Started}); err != nil {
			t.Fatal(err)
		}
		found := []check.Result{{Node: "a.x", Name: "unique", Status: check.StatusWarn, Failing: int64(i + 1)}}
		if err := j.SaveChecks(ctx, r.ID, "a.x", r.LogicalTime, found, []check.Metric{{Name: "rows", Value: float64(i)}}); err != nil {
			t.Fatal(err)
		}
		r.Status, r.Finished = Succeeded, &end
		if err := j.EndAttempt(ctx, r, map[string]extract.Cursor{}, []TableRows{{Pipeline: "p", Table: "a.x", Read: int64(i + 1)}}); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	if _, err := j.AddFiring(ctx, Firing{ID: "f", Pipeline: "p", LogicalTime: day, State: FiringSkipped, Created: day}); err != nil {
		t.Fatal(err)
	}
	unique := CheckName{Node: "a.x", Name: "unique"}
	for target, want := range map[Target]string{
		production:    "last r3 r3 4, trend r0 r1 r3, figures [0 1 3], steps 3, times 3, read 7 succeeded 3 until 3 skipped 1",
		{Name: "dev"}: "last r4 r4 5, trend r2 r4, figures [2 4], steps 2, times 2, read 8 succeeded 2 until 4 skipped 1",
	} {
		checked, err := j.LastChecked(ctx, "a.x", target)
		if err != nil {
			t.Fatal(err)
		}
		result, run, err := j.LatestCheck(ctx, unique, target)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("last %s %s %d, trend", checked, run, result.Failing)
		trend, err := j.CheckTrend(ctx, unique, target, 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range trend {
			got += " " + p.Run
		}
		figures, err := j.Metrics(ctx, target, "a.x", "rows", "", day.AddDate(0, 0, 1), 9)
		if err != nil {
			t.Fatal(err)
		}
		var values []float64
		for _, m := range figures {
			values = append(values, m.Value)
		}
		steps, err := j.NodeSteps(ctx, "a.x", "p", target, 9)
		if err != nil {
			t.Fatal(err)
		}
		times, err := j.RunTimes(ctx, "p", target, 9)
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf(", figures %v, steps %d, times %d,", values, len(steps), len(times))
		if got += counted(t, j, target); got != want {
			t.Errorf("%+v:\n%s, want\n%s", target, got, want)
		}
		if now, err := j.LatestChecks(ctx, "a.x", target); err != nil || len(now) != 1 || now[0].Failing != result.Failing {
			t.Errorf("%+v: %+v, %v", target, now, err)
		}
	}
	if names, err := j.LastFailing(ctx, "a.x", Target{Name: "staging"}); err != nil || len(names) != 0 {
		t.Errorf("%v, %v: no run was for staging", names, err)
	}
	if green, err := j.LastGreen(ctx, runs[3]); err != nil || green.ID != "r1" {
		t.Errorf("%+v, %v", green, err)
	}
	if trends, err := j.CheckTrends(ctx, "r3", 9); err != nil || len(trends[unique]) != 2 {
		t.Errorf("%+v, %v: the run of dev is none of them", trends, err)
	}
	if latest, err := j.LatestOf(ctx, []string{"p"}, production); err != nil || latest.ID != "r3" {
		t.Errorf("%+v, %v", latest, err)
	}
}

// counted tells some sums of a target.
func counted(t *testing.T, j *Journal, target Target) string {
	t.Helper()
	all, err := j.Tallies(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[TallyName]float64{}
	for _, s := range all {
		sums[s.Name] += s.Value
	}
	last := time.Unix(int64(sums[TallyLastSuccess]), 0).UTC().Hour() - 2
	if sums[TallyBucket] != sums[TallyRuns] || sums[TallySeconds] != 60*sums[TallyRuns] {
		t.Errorf("%+v", sums)
	}
	return fmt.Sprintf(" read %v succeeded %v until %d skipped %v", sums[TallyRowsRead], sums[TallyRuns], last, sums[TallySkippedFiring])
}
