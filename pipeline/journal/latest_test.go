package journal

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
)

// TestLatestChecks asks for what pages show: every check that ever ran, how it ended last, and the end of its trend.
func TestLatestChecks(t *testing.T) {
	j, _ := open(t)
	first := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	for i := range 5 {
		r := Run{ID: string(rune('a' + i)), Pipeline: "nightly", LogicalTime: first.AddDate(0, 0, i), Started: first.AddDate(0, 0, i), Attempt: 1, Status: Succeeded}
		if err := j.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, node := range []string{"a.x", "b.y"} {
			results := []check.Result{{Node: node, Name: "unique", Severity: models.SeverityError, Status: check.StatusPass, Failing: int64(i)}}
			if i < 2 {
				results = append(results, check.Result{Node: node, Name: "gone", Status: check.StatusWarn})
			}
			if err := j.SaveChecks(t.Context(), r.ID, node, r.LogicalTime, results, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	names, err := j.CheckNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []CheckName{{Node: "a.x", Name: "gone"}, {Node: "a.x", Name: "unique"}, {Node: "b.y", Name: "gone"}, {Node: "b.y", Name: "unique"}}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	latest, run, err := j.LatestCheck(t.Context(), names[1], production)
	if err != nil || run != "e" || latest.Failing != 4 {
		t.Errorf("latest is %+v of run %s: %v", latest, run, err)
	}
	trend, err := j.CheckTrend(t.Context(), names[1], production, 3)
	if err != nil || len(trend) != 3 || trend[0].Run != "c" || trend[2].Run != "e" {
		t.Errorf("trend %+v: %v", trend, err)
	}
	page, err := j.Runs(t.Context(), Filter{Pipeline: "nightly", Before: "d", Since: first.AddDate(0, 0, 1)})
	if err != nil || len(page) != 2 || page[0].ID != "c" || page[1].ID != "b" {
		t.Errorf("page %+v: %v", page, err)
	}
}
