package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
)

// past is a journal's history as the test knows it, by rules that are written down once more here.
type past struct {
	*testing.T
	journal *Journal
	now     time.Time
	before  time.Time
	runs    []Run // by their beginning
	firings []Firing
	cursors map[string]bool
	needed  map[string]bool
	checked map[string][]string // runs by node
	events  int                 // old ones
}

const keptMetrics = 5

// newPast invents three years: pipelines that run often, seldom, together, or fail for ever, and what people did beside them.
func newPast(t *testing.T, j *Journal) *past {
	now := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	h := &past{T: t, journal: j, now: now, before: now.AddDate(0, 0, -400), cursors: map[string]bool{}, needed: map[string]bool{}, checked: map[string][]string{}}
	random := rand.New(rand.NewPCG(1, 2))
	from := now.AddDate(-3, 0, 0)
	for _, pl := range []struct {
		name  string
		runs  int
		until time.Time // its last run
		odd   int       // one in so many is not plain
	}{{"often", 1200, now, 6}, {"ended", 700, h.before.AddDate(0, -2, 0), 8}, {"seldom", 40, now, 8}, {"a", 300, now, 8}, {"a+b", 250, h.before, 8}, {"broken", 400, h.before, 3}, {"replays", 400, h.before, 3}} {
		for i := range pl.runs {
			at := from.Add(pl.until.Sub(from) / time.Duration(pl.runs) * time.Duration(i)).Truncate(time.Second)
			done := at.Add(time.Minute)
			r := Run{ID: fmt.Sprintf("%s-%s-%04d", at.Format("20060102T150405"), pl.name, i), Pipeline: pl.name, LogicalTime: at, Attempt: 1, Status: Succeeded, Started: at, Finished: &done}
			if pl.name == "often" && i < 500 || i%2 == 0 && (pl.name == "ended" || pl.name == "replays") {
				r.Selection.Target = "dev"
			}
			if random.IntN(pl.odd) == 0 || i > 160 && pl.odd == 3 {
				h.makeOdd(&r, i, random.IntN(12))
			}
			if !strings.Contains(pl.name, "+") && pl.name != "seldom" {
				h.fire(&r, i, random.IntN(40))
			}
			h.runs = append(h.runs, r)
			if random.IntN(60) == 0 {
				h.cursors[r.ID] = true
			}
			if random.IntN(60) == 1 {
				h.needed[r.ID] = true
			}
			h.checked["every."+pl.name] = append(h.checked["every."+pl.name], r.ID)
			if i%50 == 1 {
				h.checked["seldom."+pl.name] = append(h.checked["seldom."+pl.name], r.ID)
			}
			if i < 200 || i > 550 && i < 600 {
				h.checked["once."+pl.name] = append(h.checked["once."+pl.name], r.ID)
			}
		}
	}
	slices.SortFunc(h.runs, func(x, y Run) int { return strings.Compare(x.ID, y.ID) })
	h.write()
	return h
}

// makeOdd makes a run something else than a plain success.
func (h *past) makeOdd(r *Run, i, kind int) {
	switch {
	case r.Pipeline == "broken" && i > 160:
		r.Status = Failed
	case r.Pipeline == "replays" && i > 160:
		r.Selection.Replay = &Replay{}
	case kind < 4:
		r.Status = []Status{Failed, Partial, Abandoned, Failed}[kind]
	case kind < 6:
		r.Status = []Status{Running, Interrupted}[kind-4]
		if r.Status == Running {
			r.Finished = nil
		}
	case kind < 9:
		r.Selection.Backfill, r.Status = &Backfill{From: "2024"}, []Status{Succeeded, Abandoned, Failed}[kind-6]
	case kind == 9:
		*r.Finished = h.now.AddDate(0, 0, -1) // it was taken up again
	default:
		r.Selection.Replay = &Replay{}
	}
}

// fire adds the firing of a run, and of some the skipped ones before.
func (h *past) fire(r *Run, i, kind int) {
	at := r.Started
	f := Firing{ID: fmt.Sprintf("f%s-%04d", r.ID, i), Pipeline: r.Pipeline, LogicalTime: at, Trigger: TriggerSchedule, State: FiringSucceeded, Run: r.ID, Due: at, Created: at, Finished: &at}
	switch {
	case kind == 0:
		f.State, f.Finished, f.Run = FiringWaiting, nil, ""
	case kind == 1 && r.Pipeline != "ended":
		f.LogicalTime = h.now.AddDate(0, 1, i) // of a time that is to come
	case kind == 2:
		f.State, f.Finished, f.Run, f.Ask = FiringWaiting, nil, "", Ask{Retry: r.ID}
	case kind < 6 || r.Pipeline == "ended" && i > 400: // the last that ran is not among the last
		f.State, f.Run = FiringSkipped, ""
	case r.Pipeline == "ended" && i > 300:
		f.State = FiringFailed
	}
	if kind < 2 || kind > 20 {
		r.Firing = f.ID
	}
	h.firings = append(h.firings, f)
}

// write puts all of it into the journal in one transaction.
func (h *past) write() {
	h.Helper()
	err := h.journal.tx(h.Context(), "test", func(tx *sql.Tx) error {
		do := func(text string, args ...any) {
			if _, err := tx.Exec(text, args...); err != nil {
				h.Fatal(err)
			}
		}
		for _, r := range h.runs {
			do(`INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished, firing) VALUES (?,?,?,1,?,?,'','',1,?,?,?)`,
				r.ID, r.Pipeline, stamp(r.LogicalTime), r.Status, toJSON(r.Selection), stamp(r.Started), stampPtr(r.Finished), nullable(r.Firing))
			do(`INSERT INTO step (run, node, kind, attempt, status, started) VALUES (?1, 'x.y', 'stream', 1, 'succeeded', ''), (?1, 'x.y', 'stream', 2, 'succeeded', '')`, r.ID)
			do(`INSERT INTO window (run, node, window, definition) VALUES (?, 'x.y', '{}', '')`, r.ID)
			do(`INSERT INTO part (run, node, slice, seq, file, columns, read, landed, rejected, resume, landed_at) VALUES (?, 'x.y', '', 1, '', '', 0, 0, 0, '', '')`, r.ID)
		}
		for node, runs := range h.checked {
			for _, r := range runs {
				at, err := time.Parse("20060102T150405", r[:15])
				if err != nil {
					h.Fatal(err)
				}
				do(`INSERT INTO check_result (run, node, name, position, status, failing, checked, at, result) VALUES (?,?,'c',0,'pass',0,0,?,'{}')`, r, node, stamp(at))
				if hasFigures(node) {
					do(`INSERT INTO metric (run, node, name, value, at) VALUES (?1,?2,'rows',0,?3), (?1,?2,'id:mean',0,?3)`, r, node, stamp(at))
				}
			}
		}
		for _, f := range h.firings {
			if added, err := insertFiring(h.Context(), tx, f); err != nil || !added {
				h.Fatalf("%+v: %v, %v", f, added, err)
			}
		}
		i := 0
		for run := range h.cursors {
			do(`INSERT INTO cursor (node, value, run, snapshot) VALUES (?, '', ?, 1)`, fmt.Sprint("n.", i), run)
			i++
		}
		for i := range 2400 {
			at := h.now.AddDate(0, 0, -2400/3+i/3)
			if at.Before(h.before) {
				h.events++
			}
			if err := insertEvent(h.Context(), tx, Event{At: at, Kind: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// hasFigures says whether checks of the node compare it with earlier runs.
func hasFigures(node string) bool { return !strings.HasPrefix(node, "once.") }

// lastOf are the last runs for each target that are so.
func (h *past) lastOf(n int, so func(r Run) bool) []string {
	var last []string
	left := map[string]int{"": n, "dev": n}
	for _, r := range slices.Backward(h.runs) {
		if so(r) && left[r.Selection.Target] > 0 {
			left[r.Selection.Target]--
			last = append(last, r.ID)
		}
	}
	return last
}

// firingsOf are those that led to a run for the target, or to none.
func (h *past) firingsOf(target string, all []Firing) (of []Firing) {
	for _, f := range all {
		i := slices.IndexFunc(h.runs, func(r Run) bool { return r.ID == f.Run })
		if i < 0 || h.runs[i].Selection.Target == target {
			of = append(of, f)
		}
	}
	return of
}

// firingsThatStay are the ids of firings with the rules by which they stay.
func (h *past) firingsThatStay() map[string][]string {
	stay := map[string][]string{}
	rule := func(f Firing, name string) { stay[f.ID] = append(stay[f.ID], name) }
	byPipeline := map[string][]Firing{}
	for _, f := range h.firings {
		switch {
		case !f.Created.Before(h.before):
			rule(f, "young")
		case f.Finished == nil:
			rule(f, "open")
		case !f.LogicalTime.Before(h.before):
			rule(f, "of a later time")
		}
		byPipeline[f.Pipeline] = append(byPipeline[f.Pipeline], f)
	}
	for _, all := range byPipeline {
		slices.SortFunc(all, func(x, y Firing) int { return x.Created.Compare(y.Created) })
		for _, f := range all[len(all)-min(len(all), keptFirings):] {
			rule(f, "last of its pipeline")
		}
		slices.SortFunc(all, func(x, y Firing) int { return x.LogicalTime.Compare(y.LogicalTime) })
		for _, last := range []struct {
			rule string
			so   func(f Firing) bool
		}{
			{"last that ran", func(f Firing) bool { return f.Finished != nil && f.State != FiringSkipped }},
			{"last success", func(f Firing) bool { return f.State == FiringSucceeded && f.Ask.Whole() }},
		} {
			for _, target := range []string{"", "dev"} {
				for _, f := range slices.Backward(h.firingsOf(target, all)) {
					if last.so(f) {
						rule(f, last.rule)
						break
					}
				}
			}
		}
	}
	return stay
}

// runsThatStay are the ids of runs with the rules by which they stay.
func (h *past) runsThatStay(firings map[string][]string) map[string][]string {
	stay := map[string][]string{}
	rule := func(id, name string) { stay[id] = append(stay[id], name) }
	isWorking := func(r Run) bool { return !r.Selection.Aside() }
	for _, r := range h.runs {
		switch {
		case !r.Started.Before(h.before):
			rule(r.ID, "young")
		case r.Finished == nil, r.Status == Interrupted:
			rule(r.ID, "open")
		case !r.Finished.Before(h.before):
			rule(r.ID, "ended late")
		case unfinished(r):
			rule(r.ID, "unfinished backfill")
		}
	}
	for _, pl := range []string{"often", "ended", "seldom", "a", "a+b", "broken", "replays"} {
		for _, id := range h.lastOf(keptRuns, func(r Run) bool { return r.Pipeline == pl }) {
			rule(id, "last of its pipeline")
		}
		for _, id := range h.lastOf(keptRuns, func(r Run) bool { return r.Pipeline == pl && isWorking(r) }) {
			rule(id, "last that worked")
		}
		for _, id := range h.lastOf(keptRuns, func(r Run) bool { return r.Pipeline == pl && isWorking(r) && r.Status == Succeeded }) {
			rule(id, "last that succeeded")
		}
	}
	for id := range h.cursors {
		rule(id, "cursor")
	}
	for id := range h.needed {
		rule(id, "files")
	}
	for node, runs := range h.checked {
		checkedIt := func(r Run) bool { return slices.Contains(runs, r.ID) }
		for _, id := range h.lastOf(1, checkedIt) {
			rule(id, "last checks")
		}
		if !hasFigures(node) {
			continue
		}
		for _, id := range h.lastOf(keptMetrics, checkedIt) {
			rule(id, "figures")
		}
	}
	for _, f := range h.firings {
		by := firings[f.ID]
		if len(by) == 0 || slices.Contains(by, "young") || slices.Equal(by, []string{"of a later time"}) {
			continue
		}
		for _, r := range h.runs {
			if r.ID == f.Run || r.ID == f.Ask.Retry || r.Firing == f.ID {
				rule(r.ID, "firing")
			}
		}
	}
	return stay
}

func unfinished(r Run) bool {
	return r.Selection.Backfill != nil && r.Status != Succeeded && r.Status != Abandoned
}

// ids are those that a table has.
func (h *past) ids(table string) []string {
	h.Helper()
	all, err := query(h.Context(), h.journal, `SELECT id FROM `+table+` ORDER BY id`, scanText)
	if err != nil {
		h.Fatal(err)
	}
	return all
}

// want compares what is there with what should be, and asks that each rule keeps something that no other does.
func (h *past) want(table string, all []string, stay map[string][]string, rules ...string) {
	h.Helper()
	there := map[string]bool{}
	for _, id := range h.ids(table) {
		there[id] = true
	}
	alone := map[string]bool{}
	gone, told := 0, 0
	for _, id := range all {
		by := stay[id]
		if len(by) == 1 {
			alone[by[0]] = true
		}
		if !there[id] {
			gone++
		}
		if (len(by) > 0) != there[id] && told < 20 {
			told++
			h.Errorf("%s %s is there: %v; rules that keep it: %q", table, id, there[id], by)
		}
	}
	for _, rule := range rules {
		if !alone[rule] {
			h.Errorf("no %s stays only because of the rule %q: it is not tested", table, rule)
		}
	}
	if gone == 0 || gone == len(all) {
		h.Errorf("%d of %d of %s have gone", gone, len(all), table)
	}
}

// cut is the cut that the tests make.
func (h *past) cut() Cut {
	return Cut{Before: h.before, Metrics: keptMetrics, Needed: func(run string) bool { return h.needed[run] }}
}

// sound fails when a row hangs on nothing.
func sound(t *testing.T, j *Journal) {
	t.Helper()
	broken, err := query(t.Context(), j, `SELECT "table" FROM pragma_foreign_key_check`, scanText)
	if err != nil || len(broken) > 0 {
		t.Errorf("rows without their run: %q, %v", broken, err)
	}
}

func TestPrune(t *testing.T) {
	j, _ := open(t)
	h := newPast(t, j)
	firings := h.firingsThatStay()
	runs := h.runsThatStay(firings)
	only := h.cut()
	only.DryRun = true
	would, err := j.Prune(t.Context(), only)
	if err != nil || len(h.ids("run")) != len(h.runs) {
		t.Fatalf("a dry run has removed something, or failed: %v", err)
	}
	told := map[string]bool{}
	cut := h.cut()
	cut.Erased = func(run string) { told[run] = true }
	erased, err := j.Prune(t.Context(), cut)
	if err != nil {
		t.Fatal(err)
	}
	var allRuns, allFirings []string
	for _, r := range h.runs {
		allRuns = append(allRuns, r.ID)
	}
	for _, f := range h.firings {
		allFirings = append(allFirings, f.ID)
	}
	h.want("run", allRuns, runs, "young", "open", "ended late", "unfinished backfill", "last of its pipeline", "last that worked", "last that succeeded", "cursor", "files", "last checks", "figures", "firing")
	h.want("firing", allFirings, firings, "young", "open", "of a later time", "last of its pipeline", "last that ran", "last success")
	if left := len(h.ids("event")); left != 2400-h.events || h.events < 2*keptEvents {
		t.Errorf("%d of 2400 events are left, %d were old", left, h.events)
	}
	want := Erased{Runs: len(h.runs) - len(h.ids("run")), Firings: len(h.firings) - len(h.ids("firing")), Events: h.events}
	if erased != want || would != want || len(told) != want.Runs {
		t.Errorf("erased %+v, the dry run said %+v, told of %d runs; gone are %+v", erased, would, len(told), want)
	}
	sound(t, j)
	if again, err := j.Prune(t.Context(), h.cut()); err != nil || again != (Erased{}) {
		t.Errorf("a second time removed %+v, %v", again, err)
	}
}

// TestPruneInterrupted ends a prune after each of many transactions: the journal is sound, and the next one comes to the same end.
func TestPruneInterrupted(t *testing.T) {
	j, _ := open(t)
	h := newPast(t, j)
	stay := h.runsThatStay(h.firingsThatStay())
	sum := Erased{}
	for ends := 0; ; ends++ {
		ctx, cancel := context.WithCancel(t.Context())
		cut := h.cut()
		cut.Erased = func(string) { cancel() }
		got, err := j.Prune(ctx, cut)
		cancel()
		sum.Runs += got.Runs
		sound(t, j)
		if err == nil {
			if ends < 3 {
				t.Errorf("it was interrupted %d times", ends)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if left := len(h.ids("run")); left != len(stay) || sum.Runs != len(h.runs)-left {
		t.Errorf("%d runs are left, want %d; %d were told to be gone", left, len(stay), sum.Runs)
	}
}

// TestPruneBigRun: a run with more rows than one transaction removes goes in several.
func TestPruneBigRun(t *testing.T) {
	j, _ := open(t)
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	big := begin(t, j, "big", old)
	big.Status, big.Finished = Succeeded, &old
	if err := j.FinishRun(t.Context(), big, nil); err != nil {
		t.Fatal(err)
	}
	for i := range keptRuns {
		r := begin(t, j, fmt.Sprintf("next%03d", i), old.Add(time.Duration(i+1)*time.Hour))
		r.Status, r.Finished = Succeeded, &r.Started
		if err := j.FinishRun(t.Context(), r, map[string]extract.Cursor{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.db.Exec(`INSERT INTO metric (run, node, name, value, at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT 'big', 'a.b', 'm' || i, 0, '' FROM n`,
		3*erasedAtOnce); err != nil {
		t.Fatal(err)
	}
	erased, err := j.Prune(t.Context(), Cut{Before: old.AddDate(1, 0, 0)})
	if err != nil || erased.Runs != 1 {
		t.Errorf("%+v, %v", erased, err)
	}
	sound(t, j)
}

// TestForgottenTimesDoNotFire: what the scheduler decides for a time whose firing has gone adds none; what a person asks for does.
func TestForgottenTimesDoNotFire(t *testing.T) {
	j, _ := open(t)
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var all Decision
	for i := range keptFirings + 2 {
		at := old.Add(time.Duration(i) * time.Hour)
		all.Add = append(all.Add, Firing{ID: fmt.Sprintf("f%03d", i), Pipeline: "often", LogicalTime: at, Trigger: TriggerSchedule, State: FiringSucceeded, Due: at, Created: at, Finished: &at})
	}
	if _, err := j.Decide(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	now := old.AddDate(1, 0, 0)
	if erased, err := j.Prune(t.Context(), Cut{Before: now}); err != nil || erased.Firings != 2 {
		t.Fatalf("%+v, %v", erased, err)
	}
	again := Firing{ID: "again", Pipeline: "often", LogicalTime: old, Trigger: TriggerSchedule, State: FiringWaiting, Due: now, Created: now}
	other := again
	other.ID, other.Pipeline = "other", "new"
	there, err := j.Decide(t.Context(), Decision{Add: []Firing{again, other}})
	if err != nil || !slices.Equal(there, []string{"again"}) {
		t.Errorf("not added: %q, %v", there, err)
	}
	if _, err := j.AddFiring(t.Context(), again); err != nil {
		t.Errorf("asked for again: %v", err)
	}
}
