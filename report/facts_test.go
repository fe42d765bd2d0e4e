package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

func TestWhatIsSkippedIsFoldedUnderTheRootCause(t *testing.T) {
	r := shop(t)
	if len(r.Causes) != 1 || r.Causes[0].Node != "mart.fct_orders" || len(r.Causes[0].Held) != 2 {
		t.Fatalf("causes %+v", r.Causes)
	}
	for _, n := range r.Nodes[4:] {
		if n.Cause != "mart.fct_orders" {
			t.Errorf("%s was kept back because of %q", n.Name, n.Cause)
		}
	}
}

func TestCausesAndVerdicts(t *testing.T) {
	step := func(node string, s journal.Status, why string) journal.Step {
		return journal.Step{Node: node, Kind: "model", Status: s, Error: why}
	}
	failing := map[string][]check.Result{"a.b": {{Node: "a.b", Name: "c", Severity: models.SeverityError, Status: check.StatusFail, Failing: 1, Checked: 2}}}
	held := journal.UpstreamFailed
	for _, test := range []struct {
		name   string
		status journal.Status
		steps  []journal.Step
		checks map[string][]check.Result
		err    string
		word   Word
		want   string
		causes int
	}{
		{"nothing but its id", "", nil, nil, "", WordUnknown, "Nothing is known of this run but its id.", 0},
		{"no checks", journal.Succeeded, []journal.Step{step("a.b", journal.Succeeded, "")}, nil, "", WordPassed, "1 node built; no checks ran; everything is published as snapshot 101.", 0},
		{"a failing step", journal.Failed, []journal.Step{step("a.b", journal.Failed, "models/b.sql:1:2: a.b: refused\nmore"), step("a.c", held, "a.b failed")}, nil, "1 failed", WordFailed,
			"a.b failed: refused; 1 node was kept back because of it; nothing was published.", 1},
		{"a failing check", journal.Partial, []journal.Step{step("a.b", journal.ChecksFailed, ""), step("a.bc", journal.Succeeded, "")}, failing, "", WordPartial,
			"a.b fails 1 of its 1 check; 1 node is published as snapshot 101.", 1},
		{"two", journal.Failed, []journal.Step{step("a.b", journal.Failed, "x"), step("a.bc", journal.Failed, "y"), step("a.d", held, "a.bc failed")}, nil, "", WordFailed,
			"2 nodes failed: a.bc and a.b; 1 node was kept back because of them; nothing was published.", 2},
		{"all or nothing", journal.Failed, []journal.Step{step("a.b", journal.Failed, "x"), step("a.c", journal.Withheld, `pipeline "p" publishes all or nothing, and another node of it failed`)}, nil, "", WordFailed,
			"a.b failed: x; 1 node was kept back because of it; nothing was published.", 1},
		{"publishing", journal.Failed, []journal.Step{step("a.b", journal.Succeeded, "")}, nil, "swap: disk full.", WordFailed, "The run failed: swap: disk full; nothing was published.", 1},
		{"behind", journal.Partial, []journal.Step{step("a.b", journal.Succeeded, "")}, nil, "published locally as snapshot 101; Snowflake is behind by 1 table: dial: no answer; try later", WordPartial,
			"Snowflake is behind by 1 table: dial: no answer; everything is published as snapshot 101.", 1},
		{"a failing step, and behind", journal.Partial, []journal.Step{step("a.b", journal.Failed, "x"), step("a.c", journal.Succeeded, "")}, nil, "1 of 2 nodes failed or were withheld: a.b; published locally as snapshot 101; Snowflake is behind by 1 table: gone", WordPartial,
			"a.b failed: x; Snowflake is behind by 1 table: gone; 1 node is published as snapshot 101.", 1},
		{"running", journal.Running, []journal.Step{step("a.b", journal.Succeeded, ""), step("a.c", journal.Running, "")}, nil, "", WordRunning, "The run has not ended yet: 1 of 2 nodes done so far.", 0},
		{"needs that go round", journal.Failed, []journal.Step{step("a.b", held, "a.c failed"), step("a.c", held, "a.b failed")}, nil, "", WordFailed,
			"The run failed; 2 nodes were kept back because of it; nothing was published.", 1},
	} {
		l := newLab(t)
		r := l.gather(l.run(test.status, test.steps, test.checks, func(r *journal.Run) { r.Error = test.err }))
		if r.Verdict.Word != test.word || r.Verdict.Sentence != test.want || len(r.Causes) != test.causes {
			t.Errorf("%s: %s, %q, %d causes; want %s, %q, %d", test.name, r.Verdict.Word, r.Verdict.Sentence, len(r.Causes), test.word, test.want, test.causes)
		}
		for _, f := range formats() {
			render(t, f, r)
		}
	}
}

func TestChangesOfAChecksOutcome(t *testing.T) {
	for _, test := range []struct {
		past, now string // a letter a run: p, w, f, e, s
		want      Change
		since     int // index of the run since which it fails; -1: it does not
	}{
		{"pp", "p", "", -1}, {"pp", "f", NewlyFailing, 2}, {"", "f", NewlyFailing, 0}, {"pff", "f", StillFailing, 1}, {"pfs", "e", StillFailing, 1},
		{"pf", "p", NewlyPassing, -1}, {"fs", "w", NewlyPassing, -1}, {"p", "w", NewlyWarning, -1}, {"w", "w", "", -1}, {"f", "s", "", -1}, {"s", "p", "", -1}, {"fpf", "f", StillFailing, 2},
	} {
		status := map[rune]check.Status{'p': check.StatusPass, 'w': check.StatusWarn, 'f': check.StatusFail, 'e': check.StatusError, 's': check.StatusSkipped}
		var history []journal.CheckPoint
		for i, c := range test.past + test.now {
			history = append(history, journal.CheckPoint{Run: fmt.Sprint(i), Status: status[c]})
		}
		c := newCheck(check.Result{Status: history[len(history)-1].Status}, history)
		since := ""
		if test.since >= 0 {
			since = fmt.Sprint(test.since)
		}
		if c.Change != test.want || c.FailingSince != since {
			t.Errorf("%s then %s: %q since %q, want %q since %q", test.past, test.now, c.Change, c.FailingSince, test.want, since)
		}
	}
}

func TestChangesSinceTheLastGreenRun(t *testing.T) {
	l := newLab(t)
	step := func(node string, rows int64) journal.Step {
		return journal.Step{Node: node, Kind: "model", Status: journal.Succeeded, Rows: rows}
	}
	if r := l.gather(l.run(journal.Succeeded, []journal.Step{step("a.old", 1), step("a.b", 10)}, nil, nil)); r.Changes != nil {
		t.Errorf("a first run was compared: %+v", r.Changes)
	}
	l.run(journal.Failed, []journal.Step{step("a.b", 99)}, nil, nil)
	first := l.run(journal.Partial, []journal.Step{step("a.b", 12), step("a.new", 3)}, nil, func(r *journal.Run) { r.ProjectHash = "other"; r.Version = "2.0.0" })
	l.run(journal.Succeeded, []journal.Step{step("a.b", 50)}, nil, nil) // a later run changes nothing of an older report
	c := l.gather(first).Changes
	if c == nil || !c.Project || !c.Selection || c.Version != "1.4.0" || !reflect.DeepEqual(c.Rows, []RowChange{{"a.b", 10, 12}}) ||
		!reflect.DeepEqual(c.NodesAdded, []string{"a.new"}) || !reflect.DeepEqual(c.NodesGone, []string{"a.old"}) {
		t.Errorf("%+v", c)
	}
}

// TestEveryTextIsCleaned fills every field of what the journal holds with a secret and looks for it in every format.
func TestEveryTextIsCleaned(t *testing.T) {
	const secret = "hunter2-hunter2"
	l := newLab(t)
	steps, checks := shopSteps(0, true), shopChecks(0, true)
	for i := range steps {
		node := steps[i].Node
		fill(reflect.ValueOf(&steps[i]).Elem(), secret)
		steps[i].Node, steps[i].Status = node, journal.Failed
	}
	for node, results := range checks {
		for i := range results {
			fill(reflect.ValueOf(&results[i]).Elem(), secret)
			results[i].Node, results[i].Name, results[i].Status = node, fmt.Sprint(i), check.StatusFail
			results[i].SQL = strings.Repeat("x", maxSQL-8) + secret // across the place of the cut
		}
	}
	run := l.run(journal.Failed, steps, checks, func(r *journal.Run) {
		r.Error, r.Version, r.ProjectHash, r.Warnings = secret, secret, secret, []string{secret}
	})
	r, err := Gather(t.Context(), l.j, run, Options{Project: secret, Version: "v", Now: night, Redact: func(s string) string { return strings.ReplaceAll(s, secret, "***") }})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range formats() {
		if out := string(render(t, f, r)); strings.Contains(out, "hunter2") {
			t.Errorf("%s shows a secret: %.200s", name, out[strings.Index(out, "hunter2")-100:])
		}
	}
}

// fill puts the text into every string that is reachable from v.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("a " + s + " z")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), s)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), s)
		}
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				fill(v.Field(i), s)
			}
		}
	}
}

func TestJSONFieldsAreSnakeCase(t *testing.T) {
	var v any
	if err := json.Unmarshal(render(t, JSON, shop(t)), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if strings.ToLower(k) != k {
					t.Errorf("field %q", k)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(v)
}

// TestLargeRuns renders 1,600 checks with full trends: all passing, and all failing with samples.
func TestLargeRuns(t *testing.T) {
	for _, bad := range []bool{false, true} {
		r := large(bad)
		for name, f := range formats() {
			n := len(render(t, f, r))
			t.Logf("bad %v: %s has %d kB", bad, name, n>>10)
			if name == "html" && n > 3<<20 || name == "md" && n > 65_536 {
				t.Errorf("bad %v: %s of 1,600 checks has %d bytes", bad, name, n)
			}
		}
	}
}

// BenchmarkLargeRuns takes the time of what TestLargeRuns renders, by format.
func BenchmarkLargeRuns(b *testing.B) {
	for name, f := range formats() {
		b.Run(name, func(b *testing.B) {
			r := large(true)
			for b.Loop() {
				render(b, f, r)
			}
		})
	}
}

// large is a run of 100 nodes with 16 checks each, after 89 others. It does not go through a journal, which would take
// its time to write 144,000 results.
func large(bad bool) *Run {
	var steps []journal.Step
	var results []check.Result
	trends := map[journal.CheckName][]journal.CheckPoint{}
	for n := range 100 {
		node := fmt.Sprintf("mart.table_%03d", n)
		steps = append(steps, journal.Step{Node: node, Kind: "model", Status: journal.Succeeded, Rows: 1000})
		for c := range 16 {
			k := check.Result{Node: node, Name: fmt.Sprintf("not_null_column_%02d", c), Kind: "not_null", Severity: models.SeverityError, Status: check.StatusPass, Checked: 1000,
				SQL: "SELECT * FROM " + node + " WHERE column IS NULL", Pos: "models/marts/schema.yml:8:9", Owner: "someone@example.com"}
			if bad {
				k.Status, k.Failing, k.Message, k.Sample = check.StatusFail, 10, "rows are NULL", &check.Sample{Columns: []string{"id", "a", "b", "c", "d"}}
				for row := range 10 {
					k.Sample.Rows = append(k.Sample.Rows, []*string{text(fmt.Sprint(row)), text("some value"), nil, text(""), text("another value")})
				}
			}
			results = append(results, k)
			var history []journal.CheckPoint
			for i := range trendRuns {
				p := journal.CheckPoint{Run: fmt.Sprintf("20261121T04%04d-0123ab", i), At: night.AddDate(0, 0, i), Status: check.StatusPass, Checked: 1000}
				if bad && (i == trendRuns-1 || i%7 == c%7) {
					p.Status, p.Failing = check.StatusFail, int64(10+i)
				}
				history = append(history, p)
			}
			trends[journal.CheckName{Node: node, Name: k.Name}] = history
		}
	}
	r := &Run{ID: "20261121T040089-0123ab", State: "succeeded", Nodes: nodesOf(steps, results, trends)}
	r.Totals = totalsOf(r.Nodes)
	clean(r, nil)
	r.Causes = causesOf(r)
	r.Verdict = verdictOf(r)
	return r
}

func TestIndentedIsTheSameJSON(t *testing.T) {
	for _, s := range []string{`{}`, `[]`, `{"a":[{"b":"},{[\\"},{"c":[]}],"d":{"e":"\\\\","f":{}}}`, `[1,"a:b",[2,[3]],null]`, `"x"`, `[{"run":"` + strings.Repeat("x", 300) + `"}]`} {
		var want bytes.Buffer
		if err := json.Compact(&want, indented([]byte(s))); err != nil || want.String() != s {
			t.Errorf("%s became %s (%v)", s, want.String(), err)
		}
	}
}
