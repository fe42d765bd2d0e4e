package journal

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestListsUseIndexes fills a journal with years of runs and looks how SQLite means to find a page of them: by an index, from the
// end that is wanted, and never by reading all.
func TestListsUseIndexes(t *testing.T) {
	j, _ := open(t)
	for _, statement := range []string{
		`INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
			SELECT printf('r%06d', i), iif(i % 20 = 3, 'a+p' || (i % 50) || '+x', 'p' || (i % 50)), '', 1, iif(i % 97 = 0, 'failed', 'succeeded'), '{}', '', '', 1, strftime('%Y-%m-%dT%H:%M:%f000Z', 1700000000 + i * 60, 'unixepoch') FROM n`,
		`INSERT INTO firing (id, pipeline, logical_time, trigger, state, reason, ask, by, due, tries, cancel, created, finished)
			SELECT 'f' || id, pipeline, started, 'schedule', 'succeeded', '', '{}', '', started, 1, '', started, started FROM run`,
		`ANALYZE`,
	} {
		if _, err := j.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	since := time.Date(2023, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, f := range []Filter{
		{Limit: 51, Pipeline: "a"}, {Limit: 51, Pipeline: "a+p3+x"}, {Limit: 11, Pipeline: "p3", Status: Failed}, {Limit: 51, Pipeline: "p3", Since: since, Working: true}, {Limit: 51}, {Limit: 51, Before: "r050000"}, {Limit: 51, Pipeline: "p7"}, {Limit: 51, Pipeline: "p7", Before: "r050007"}, {Limit: 51, Status: Failed, Since: since},
		{Limit: 51, Working: true}, {Limit: 1, Pipeline: "p7", Working: true}, {Limit: 51, Since: since},
	} {
		text, args := f.statement()
		byIndex(t, j, text, args)
		if runs, err := j.Runs(t.Context(), f); err != nil || len(runs) != f.Limit {
			t.Errorf("%+v: %d runs, %v", f, len(runs), err)
		}
	}
	for _, f := range []FiringFilter{{Limit: 51}, {Limit: 51, Before: "fr050000"}, {Limit: 51, Since: since}, {Pipeline: "p7", Trigger: TriggerWebhook, Open: true}, {Open: true}} {
		text, args := f.statement()
		byIndex(t, j, text, args)
	}
	for _, f := range []LoadFilter{{Run: "r"}, {Target: "t", Limit: 1}, {Target: "t", Status: Succeeded, Limit: 1}, {Target: "t", Status: Running}} {
		text, args := f.statement()
		byIndex(t, j, text, args)
	}
	byIndex(t, j, selectRun+` WHERE id >= ?1 AND id < ?1 || char(0x10ffff) ORDER BY id = ?1 DESC, id LIMIT 2`, []any{"r05"})
	byIndex(t, j, lastSuccess, []any{"p7", stamp(since), stamp(since.AddDate(1, 0, 0)), "prod", "", `["a"]`})
	byIndex(t, j, selectToken+` WHERE hash = ?`, []any{"x"})
	byIndex(t, j, `DELETE FROM once WHERE until <= ?`, []any{"x"})
}

// TestRunsOfAPipelineTogetherWithOthers pages through the runs of a pipeline, of which some were of several: they are its runs, too.
func TestRunsOfAPipelineTogetherWithOthers(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for i, pipeline := range []string{"a", "a+b", "b", "aa+b", "a", "b+c", "a+c", "a+b"} {
		r := Run{ID: fmt.Sprintf("r%d", i), Pipeline: pipeline, Status: Running, Started: at.Add(time.Duration(i) * time.Minute)}
		if err := j.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ pipeline, want string }{{"a", "r7 r6 r4 r1 r0"}, {"b", "r7 r5 r3 r2 r1"}, {"a+b", "r7 r1"}, {"aa", "r3"}, {"", "r7 r6 r5 r4 r3 r2 r1 r0"}, {"none", ""}} {
		var found []string
		before := ""
		for {
			page, err := j.Runs(t.Context(), Filter{Pipeline: c.pipeline, Before: before, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				found = append(found, r.ID)
			}
			before = page[len(page)-1].ID
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("runs of %q: %s, want %s", c.pipeline, got, c.want)
		}
	}
}

// TestTrendsUseTheirIndex: a node's other checks are not read for the trend of one.
func TestTrendsUseTheirIndex(t *testing.T) {
	j, _ := open(t)
	steps := strings.Join(plan(t, j, checkTrends, []any{"r", 90}), "\n")
	if !strings.Contains(steps, "SEARCH p USING COVERING INDEX check_result_trend (node=? AND name=? AND at<?)") {
		t.Error(steps)
	}
}

// plan is how SQLite means to carry out a statement, step by step.
func plan(t *testing.T, j *Journal, text string, args []any) []string {
	t.Helper()
	steps, err := query(t.Context(), j, "EXPLAIN QUERY PLAN "+text, func(rows *sql.Rows) (detail string, err error) {
		var id, parent, unused int
		return detail, rows.Scan(&id, &parent, &unused, &detail)
	}, args...)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// byIndex fails when the statement reads a whole table, or sorts what it finds there; the few that are open or begin alike may
// be sorted.
func byIndex(t *testing.T, j *Journal, text string, args []any) {
	t.Helper()
	steps := plan(t, j, text, args)
	few := strings.Contains(text, "finished IS NULL") || strings.Contains(text, "id >= ?1")
	for _, step := range steps {
		all := strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "USING INDEX") && step != "SCAN CONSTANT ROW" && !strings.HasPrefix(step, "SCAN json_each")
		if all || strings.Contains(step, "USE TEMP B-TREE FOR ORDER BY") && !few {
			t.Errorf("%s\n%s", text, strings.Join(steps, "\n"))
			return
		}
	}
}

// TestPruneUsesIndexes: to cut a long history reads what goes and little else.
func TestPruneUsesIndexes(t *testing.T) {
	j, _ := open(t)
	for _, s := range []struct {
		text string
		args []any
	}{
		{lastRuns, []any{"t", "p", "x", 1}}, {lastWorking, []any{"t", "p", "x", 1}}, {lastGreen, []any{"t", "p", "x", 1}}, {lastChecking, []any{"t", "n"}},
		{lastMetrics, []any{"t", "n", "m", 1}}, {lastFirings, []any{"p", "x", 1}}, {lastEnded, []any{"t", "p"}}, {lastWhole, []any{"t", "p"}}, {oldTargets, []any{"x"}}, {openFirings, nil}, {runsOfFiring, []any{"f"}}, {namesOfMetrics, []any{"n"}},
		{headsOf("run", "pipeline"), nil}, {headsOf("firing", "pipeline"), nil}, {headsOf("check_result", "node"), nil}, {headsOf("metric", "node"), nil},
		{oldRuns, []any{"x", "", "", 1}}, {isOldRun, []any{"x", "r"}}, {eraseRun, []any{"r"}}, {oldFirings, []any{"x", "", "", 1}}, {eraseFiring, []any{"x", "f"}},
		{eraseEvents, []any{"x", 1, 1}}, {"SELECT count(*)" + oldEvents, []any{"x", 1}},
		{lastLoads, []any{"t", "x", 1}}, {lastBrought, []any{"t"}}, {oldLoads, []any{"x", "", "", 1}}, {isOldLoad, []any{"x", "l"}}, {eraseLoad, []any{"l"}}, {headsOf("load", "target"), nil},
		{wholeLoad.eraseOf("statement"), []any{"l", 1}}, {wholeLoad.eraseOf("load_table"), []any{"l", 1}}, {lastLoaded, []any{"a.b", "t"}},
		{wholeRun.eraseOf("part"), []any{"r", 1}}, {wholeRun.eraseOf("window"), []any{"r", 1}}, {wholeRun.eraseOf("metric"), []any{"r", 1}}, {wholeRun.eraseOf("check_result"), []any{"r", 1}}, {wholeRun.eraseOf("step"), []any{"r", 1}},
	} {
		steps := plan(t, j, s.text, s.args)
		for _, step := range steps {
			few := slices.Contains([]string{"SCAN heads", "SCAN CONSTANT ROW", "SCAN (subquery-1)"}, step) || strings.HasPrefix(step, "SCAN firing USING") && s.text == openFirings
			if strings.HasPrefix(step, "SCAN") && !few || strings.Contains(step, "TEMP B-TREE FOR ORDER BY") || strings.Contains(step, "run_by_status") {
				t.Errorf("%s\n%s", s.text, strings.Join(steps, "\n"))
				break
			}
		}
	}
}
