package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestFirings(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	add := func(pipeline string, logical time.Time, trigger Trigger) (Firing, error) {
		return j.AddFiring(ctx, Firing{ID: NewFiringID(at), Pipeline: pipeline, LogicalTime: logical, Trigger: trigger, State: FiringWaiting, Due: at, Created: at,
			Ask: Ask{Select: []string{"tag:x"}}})
	}
	first, err := add("p", at, TriggerSchedule)
	if err != nil {
		t.Fatal(err)
	}
	again, err := add("p", at.In(time.FixedZone("", 3600)), TriggerAPI)
	if !errors.Is(err, ErrFired) || again.ID != first.ID || again.Trigger != TriggerSchedule {
		t.Errorf("the same pipeline and logical time fired twice: %+v, %v", again, err)
	}
	later, err := add("p", at.Add(time.Hour), TriggerSchedule)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := add("p", at.Add(2*time.Hour), TriggerAPI); err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"r1", "r2"} {
		if err := j.BeginRun(ctx, Run{ID: id, Pipeline: "p", Attempt: 1, Status: Running, Started: at.Add(time.Duration(i) * time.Minute), Firing: later.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := j.Firing(ctx, later.ID); err != nil || got.Run != "r2" {
		t.Errorf("the run of a firing that goes on is %q, %v: want r2", got.Run, err)
	}
	last, err := j.LastFirings(ctx, []string{"p"}, production)
	if err != nil || len(last) != 0 {
		t.Errorf("none has ended: %v, %v", last, err)
	}
	code := 0
	first.State, first.Run, first.ExitCode, first.Finished = FiringSucceeded, "r", &code, &at
	if err := j.SaveFiring(ctx, first); err != nil {
		t.Fatal(err)
	}
	if open, err := j.CancelFiring(ctx, first.ID, "me"); err != nil || open {
		t.Errorf("a firing that has ended was cancelled: %v, %v", open, err)
	}
	if open, err := j.CancelFiring(ctx, later.ID, "me"); err != nil || !open {
		t.Errorf("an open firing was not cancelled: %v, %v", open, err)
	}
	got, err := j.Firing(ctx, first.ID)
	if err != nil || got.State != FiringSucceeded || got.Run != "r" || *got.ExitCode != 0 || got.Ask.Select[0] != "tag:x" {
		t.Errorf("got %+v, %v", got, err)
	}
	open, err := j.Firings(ctx, FiringFilter{Open: true})
	if err != nil || len(open) != 2 {
		t.Errorf("%d firings are open, %v: want 2", len(open), err)
	}
	page, err := j.Firings(ctx, FiringFilter{Before: open[1].ID})
	if err != nil || len(page) > 1 {
		t.Errorf("the page after the last but one has %d firings, %v", len(page), err)
	}
}

func TestPausesAndEvents(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for _, reason := range []string{"3 failures", "another"} {
		if err := j.Pause(ctx, Pause{Pipeline: "p", Since: at, Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	pauses, err := j.Pauses(ctx)
	if err != nil || pauses["p"].Reason != "3 failures" || !pauses["p"].Since.Equal(at) {
		t.Errorf("got %+v, %v", pauses, err)
	}
	for _, want := range []bool{true, false} {
		if paused, err := j.Resume(ctx, "p", at); err != nil || paused != want {
			t.Errorf("resume: %v, %v: want %v", paused, err, want)
		}
	}
	before, err := j.Changes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.AddEvent(ctx, Event{At: at, Kind: "pause", Pipeline: "p", By: "me", Text: "paused"}); err != nil {
		t.Fatal(err)
	}
	if after, err := j.Changes(ctx); err != nil || after == before {
		t.Errorf("a change was not seen: %d, %d, %v", before, after, err)
	}
	events, err := j.Events(ctx, 0, 10)
	if err != nil || len(events) != 1 || events[0].By != "me" || events[0].Pipeline != "p" {
		t.Errorf("got %+v, %v", events, err)
	}
}

// TestRunMendsItsFiring: a run that succeeds in the end stands for its firing, however that had ended; but not while the scheduler runs it.
func TestRunMendsItsFiring(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for state, want := range map[FiringState]FiringState{FiringFailed: FiringSucceeded, FiringSkipped: FiringSucceeded, FiringCancelled: FiringSucceeded,
		FiringWaiting: FiringSucceeded, FiringStarted: FiringStarted} {
		name := string(state)
		f := Firing{ID: name, Pipeline: name, LogicalTime: at, Trigger: TriggerSchedule, State: state, Created: at}
		if !state.Open() {
			f.Finished = &at
		}
		if _, err := j.AddFiring(ctx, f); err != nil {
			t.Fatal(err)
		}
		end := func(id string, s Selection, status Status) Firing {
			t.Helper()
			code := 0
			r := Run{ID: id + name, Pipeline: name, LogicalTime: at, Started: at, Status: Running, ExitCode: &code, Firing: name, Selection: s}
			if err := j.BeginRun(ctx, r); err != nil {
				t.Fatal(err)
			}
			later := at.Add(time.Hour)
			r.Status, r.Finished = status, &later
			if err := j.FinishRun(ctx, r, nil); err != nil {
				t.Fatal(err)
			}
			f, err := j.Firing(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		if f := end("failed", Selection{}, Failed); f.State != state {
			t.Errorf("%s became %s by a run that failed", state, f.State)
		}
		if f := end("replay", Selection{Replay: &Replay{}}, Succeeded); f.State != state {
			t.Errorf("%s became %s by a replay", state, f.State)
		}
		if f := end("done", Selection{}, Succeeded); f.State != want || want == FiringSucceeded && (f.Run != "done"+name || *f.ExitCode != 0 || !f.Finished.After(at)) {
			t.Errorf("%s became %+v, want %s", state, f, want)
		}
	}
	for name, began := range map[string]time.Time{"": at.Add(-time.Hour), "by a later attempt": at.Add(time.Hour)} {
		own := Run{ID: "own" + name, Pipeline: "own" + name, LogicalTime: at, Started: began, Status: Succeeded, Finished: &began, Firing: "f" + name}
		f := Firing{ID: own.Firing, Pipeline: own.Pipeline, LogicalTime: at, Trigger: TriggerSchedule, State: FiringFailed, Reason: "killed", Run: own.ID, Created: at, Finished: &at}
		_, err := j.AddFiring(ctx, f)
		if err = errors.Join(err, j.BeginRun(ctx, own), j.FinishRun(ctx, own, nil)); err != nil {
			t.Fatal(err)
		}
		if f, err := j.Firing(ctx, f.ID); err != nil || f.State != FiringSucceeded || f.Reason != name {
			t.Errorf("an attempt that began at %v: %+v, %v", began, f, err)
		}
	}
	code := 5
	behind := Run{ID: "behind", Pipeline: "behind", LogicalTime: at, Started: at, Status: Partial, Behind: true, Finished: &at, ExitCode: &code, Error: "there it is behind", Firing: "fbehind"}
	f := Firing{ID: behind.Firing, Pipeline: behind.Pipeline, LogicalTime: at, Trigger: TriggerSchedule, State: FiringFailed, Reason: "killed", Run: behind.ID, Created: at, Finished: &at}
	_, err := j.AddFiring(ctx, f)
	if err = errors.Join(err, j.BeginRun(ctx, behind), j.FinishRun(ctx, behind, nil)); err != nil {
		t.Fatal(err)
	}
	if f, err := j.Firing(ctx, f.ID); err != nil || f.State != FiringSucceeded || *f.ExitCode != 5 || f.Reason != behind.Error {
		t.Errorf("a run that is only behind leaves %+v, %v", f, err)
	}
	ended, err := j.Ended(ctx, 0, 100)
	count := map[string]int{}
	for _, e := range ended {
		if e.Kind == EndOfFiring {
			count[e.ID]++
		}
	}
	if err != nil || count["failed"] != 2 || count["waiting"] != 1 || count["started"] != 0 {
		t.Errorf("%v, %v: an end when it is added as ended, and one when it is mended", count, err)
	}
}

// TestPartsOfASecond: asks for different parts of a pipeline for one full second are different firings, the same ask is one.
func TestPartsOfASecond(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		node string // "" for the whole pipeline
		free int    // microsecond
		want error
	}{{"a", 1, nil}, {"b", 2, nil}, {"", 0, nil}, {"a", 1, ErrFired}, {"b", 2, ErrFired}, {"c", 3, nil}} {
		f := Firing{ID: fmt.Sprint("f", i), Pipeline: "p", LogicalTime: at, State: FiringWaiting, Due: at, Created: at}
		if c.node != "" {
			f.Ask.Select = []string{c.node}
		}
		there, err := j.AddFiring(t.Context(), f)
		if !errors.Is(err, c.want) || !there.LogicalTime.Equal(at.Add(time.Duration(c.free)*time.Microsecond)) {
			t.Errorf("%+v: %v, %v", c, there.LogicalTime, err)
		}
	}
}
