package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// production is the target of most tests.
var production = Target{Name: "prod", Default: true}

func TestDecide(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	first := Firing{ID: "f1", Pipeline: "p", LogicalTime: at, Trigger: TriggerSchedule, State: FiringWaiting, Due: at, Created: at}
	second := first
	second.ID = "f2"
	there, err := j.Decide(ctx, Decision{Add: []Firing{first, second}, States: []ScheduleState{{Pipeline: "p", Schedule: "0 2 * * *", Through: at}, {Pipeline: "q", Schedule: "@daily", Through: at}},
		Pauses: []Pause{{Pipeline: "q", Since: at, Reason: "broken"}}, Events: []Event{{At: at, Kind: "pause", Pipeline: "q", Text: "broken"}}})
	if err != nil || !slices.Equal(there, []string{"f2"}) {
		t.Fatalf("%v, %v: the second of one logical time is there already", there, err)
	}
	states, err := j.ScheduleStates(ctx)
	if err != nil || !states["p"].Through.Equal(at) {
		t.Errorf("%+v, %v", states, err)
	}
	for _, through := range []time.Duration{0, time.Hour} { // a pause that is over is kept until its times are decided
		if resumed, err := j.Resume(ctx, "q", at.Add(time.Hour)); err != nil || resumed != (through == 0) {
			t.Fatal(resumed, err)
		}
		if _, err := j.Decide(ctx, Decision{States: []ScheduleState{{Pipeline: "q", Schedule: "@daily", Through: at.Add(through)}}}); err != nil {
			t.Fatal(err)
		}
		lifted, err := j.Lifted(ctx)
		if err != nil || (len(lifted["q"]) == 1) != (through == 0) || through == 0 && !(lifted["q"][0].Since.Equal(at) && lifted["q"][0].Until.Equal(at.Add(time.Hour))) {
			t.Errorf("%+v, %v", lifted, err)
		}
	}
	first.State, first.Finished, first.Ask.Retry = FiringSucceeded, &at, "r1"
	if _, err := j.Decide(ctx, Decision{Save: []Firing{first}}); err != nil {
		t.Fatal(err)
	}
	if saved, err := j.Firing(ctx, "f1"); err != nil || saved.State != FiringSucceeded || saved.Ask.Retry != "r1" {
		t.Errorf("%+v, %v", saved, err)
	}
	if last, err := j.LastFirings(ctx, []string{"p", "q"}, production); err != nil || len(last) != 1 || last["p"].ID != "f1" {
		t.Errorf("%v, %v", last, err)
	}
}

func TestOutcomes(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	if _, err := j.AddFiring(ctx, Firing{ID: "f1", Pipeline: "p", LogicalTime: at, Trigger: TriggerSchedule, State: FiringFailed, Reason: "broken", Created: at}); err != nil {
		t.Fatal(err)
	}
	for id, firing := range map[string]string{"hand": "", "fired": "f1", "failed": ""} {
		r := Run{ID: id, Pipeline: "p", LogicalTime: at.Add(time.Hour), Started: at.Add(time.Hour), Attempt: 1, Status: Running, Firing: firing, Selection: Selection{Nodes: []string{"a", "b"}}}
		if err := j.BeginRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		r.Status, r.Finished = Succeeded, &at
		if id == "failed" {
			r.Status = Failed
		}
		if err := j.FinishRun(ctx, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []Firing{{ID: "part", Ask: Ask{Select: []string{"a"}}}, {ID: "retry", Ask: Ask{Retry: "hand"}}, {ID: "replay", Ask: Ask{Select: []string{"a"}, Replay: &Replay{}}}} {
		f.Pipeline, f.LogicalTime, f.State, f.Created = "parts", at.Add(time.Duration(len(f.ID))*time.Minute), FiringSucceeded, at
		if _, err := j.AddFiring(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := j.Outcomes(ctx, "parts", production, nil, at, at.Add(2*time.Hour))
	if err != nil || len(parts) != 3 || !parts[0].Part || !parts[1].Part || !parts[2].Part {
		t.Errorf("%+v, %v: none of them stands for the pipeline", parts, err)
	}
	all, err := j.Outcomes(ctx, "p", production, []string{"a", "b"}, at, at.Add(2*time.Hour))
	if err != nil || len(all) != 2 || all[0].State != FiringSucceeded || all[1].Part || all[0].Part || all[1].State != FiringSucceeded {
		t.Errorf("%+v, %v: want the firing, mended by its run, and the run by hand that succeeded", all, err)
	}
	for nodes, want := range map[string]time.Time{"b": at.Add(time.Hour), "c": at} { // the run by hand has no c
		if last, _, err := j.LastSuccess(ctx, "p", production, []string{nodes}, at, at.Add(2*time.Hour)); err != nil || !last.Equal(want) {
			t.Errorf("with %s: %v, %v", nodes, last, err)
		}
	}
	if last, _, err := j.LastSuccess(ctx, "p", production, []string{"b"}, at.Add(time.Second), at.Add(time.Hour)); err != nil || !last.IsZero() {
		t.Errorf("%v, %v: the end is not in the span", last, err)
	}
	end, err := j.LastEnd(ctx)
	if err != nil || end == 0 {
		t.Errorf("%d, %v", end, err)
	}
	if names, last, err := j.EndedSince(ctx, 0); err != nil || last != end || !slices.Equal(names, []string{"p"}) {
		t.Errorf("%v, %d, %v", names, last, err)
	}
	if names, last, err := j.EndedSince(ctx, end); err != nil || last != end || len(names) != 0 {
		t.Errorf("%v, %d, %v: nothing has ended since", names, last, err)
	}
	for _, f := range []Firing{{ID: "f1"}, {ID: "f2", Ask: Ask{Retry: "fired"}}} {
		if r, err := j.RunOfFiring(ctx, f); err != nil || r.ID != "fired" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if r, err := j.RunOfFiring(ctx, Firing{ID: "f2"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestOutcomesOfATarget: a run counts for whoever looks at its target, and one that names none for the project's own.
func TestOutcomesOfATarget(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for hour, target := range []string{"prod", "", "dev", "prod", "", "dev"} {
		at := day.Add(time.Duration(hour) * time.Hour)
		r := Run{ID: fmt.Sprint("r", hour), Pipeline: "p", LogicalTime: at, Started: at, Attempt: 1, Status: Running, Selection: Selection{Nodes: []string{"a"}, Target: target}}
		if hour < 3 { // by the scheduler
			r.Firing = fmt.Sprint("f", hour)
			if _, err := j.AddFiring(ctx, Firing{ID: r.Firing, Pipeline: "p", LogicalTime: at, State: FiringFailed, Created: at, Finished: &at, Run: r.ID}); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.BeginRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		r.Status, r.Finished = Succeeded, &at
		if err := j.FinishRun(ctx, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.AddFiring(ctx, Firing{ID: "waits", Pipeline: "p", LogicalTime: day.Add(6 * time.Hour), State: FiringWaiting, Created: day}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target     Target
		counts     string // hours that do, and those of firings for another target in brackets
		last, fire int
	}{{production, "0 1 (2) 3 4 6", 4, 1}, {Target{Name: "dev"}, "(0) (1) 2 5 6", 5, 2}, {Target{Name: "staging"}, "(0) (1) (2) 6", -1, -1}} {
		all, err := j.Outcomes(ctx, "p", c.target, []string{"a"}, day, day.AddDate(0, 0, 1))
		var hours []string
		for _, o := range all {
			text := "%d"
			if o.Elsewhere {
				text = "(%d)"
			}
			hours = append(hours, fmt.Sprintf(text, o.LogicalTime.Hour()))
		}
		if got := strings.Join(hours, " "); got != c.counts || err != nil {
			t.Errorf("%+v: %s, want %s: %v", c.target, got, c.counts, err)
		}
		last, _, err := j.LastSuccess(ctx, "p", c.target, []string{"a"}, day, day.AddDate(0, 0, 1))
		if err != nil || last.IsZero() != (c.last < 0) || c.last >= 0 && last.Hour() != c.last {
			t.Errorf("%+v: %v, %v, want hour %d", c.target, last, err, c.last)
		}
		firings, err := j.LastFirings(ctx, []string{"p"}, c.target)
		if f, there := firings["p"]; err != nil || there != (c.fire >= 0) || there && f.LogicalTime.Hour() != c.fire {
			t.Errorf("%+v: %+v, %v, want hour %d", c.target, f, err, c.fire)
		}
	}
}
