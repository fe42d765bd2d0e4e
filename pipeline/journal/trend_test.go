package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/transform/check"
)

// TestTrendsEndAtTheRun asks for the trends of a run that others followed.
func TestTrendsEndAtTheRun(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	status := []check.Status{check.StatusPass, check.StatusFail, check.StatusPass, check.StatusWarn, check.StatusFail}
	var runs []Run
	for i, s := range status {
		r := begin(t, j, fmt.Sprintf("run%d", i), at.AddDate(0, 0, i))
		results := []check.Result{{Node: "a.b", Name: "one", Status: s, Failing: int64(i), Checked: 9}, {Node: "a.b", Name: "two", Status: check.StatusPass}}
		if err := j.SaveChecks(t.Context(), r.ID, "a.b", r.LogicalTime, results, nil); err != nil {
			t.Fatal(err)
		}
		r.Status = Failed
		if s == check.StatusPass {
			r.Status = Succeeded
		}
		if err := j.FinishRun(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	trends, err := j.CheckTrends(t.Context(), "run3", 3)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range trends[CheckName{"a.b", "one"}] {
		got += fmt.Sprintf("%s %s %d %s\n", p.Run, p.Status, p.Failing, p.At.Format("02"))
	}
	if want := "run1 fail 1 02\nrun2 pass 2 03\nrun3 warn 3 04\n"; got != want || len(trends) != 2 {
		t.Errorf("%d trends, %q, want %q", len(trends), got, want)
	}
	until, err := j.RunsUntil(t.Context(), runs[3], 2)
	if err != nil || len(until) != 2 || until[0].ID != "run3" || until[1].ID != "run2" {
		t.Errorf("runs until: %v (%v)", until, err)
	}
	for run, want := range map[int]string{4: "run2", 2: "run0"} {
		if green, err := j.LastGreen(t.Context(), runs[run]); err != nil || green.ID != want {
			t.Errorf("last green before run%d: %v (%v)", run, green.ID, err)
		}
	}
	if _, err := j.LastGreen(t.Context(), runs[0]); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
}
