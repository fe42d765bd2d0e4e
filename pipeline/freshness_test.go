package pipeline

import (
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestOverdue: ages are those of the runs that made the tables; what was never built is as old as the time since when it is watched.
func TestOverdue(t *testing.T) {
	e, _ := shelved(t, history()...)
	if all, err := e.Overdue(t.Context(), now.Add(-99*time.Hour)); err != nil || len(all) != 0 {
		t.Errorf("without a promise: %+v, %v", all, err)
	}
	e.Project.Pipelines[0].Freshness = config.Duration(23 * time.Hour)
	all, err := e.Overdue(t.Context(), now.Add(-time.Hour))
	if err != nil || len(all) != 1 || len(all[0].Tables) != 1 || all[0].Tables[0] != "erp.orders" || all[0].Oldest != 24*time.Hour {
		t.Errorf("a table of yesterday: %+v, %v", all, err)
	}
	all, err = e.Overdue(t.Context(), now.Add(-30*time.Hour))
	if err != nil || len(all) != 1 || len(all[0].Tables) != 2 || all[0].Oldest != 30*time.Hour {
		t.Errorf("with one that was never built: %+v, %v", all, err)
	}
	quiet := journal.Run{ID: "quiet", Pipeline: "nightly", LogicalTime: now, Started: now.Add(-2 * time.Hour), Attempt: 1, Status: journal.Running, Selection: journal.Selection{Target: "local"}}
	if err := e.Journal.BeginRun(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	ended := now.Add(-time.Hour)
	quiet.Status, quiet.Finished = journal.Succeeded, &ended
	if err := e.Journal.EndAttempt(t.Context(), quiet, []string{"nightly"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	all, err = e.Overdue(t.Context(), now.Add(-30*time.Hour))
	if err != nil || len(all) != 1 || len(all[0].Tables) != 1 || all[0].Tables[0] == "erp.orders" {
		t.Errorf("with a success that found nothing new: %+v, %v", all, err)
	}
	e.Project.Pipelines[0].Freshness = config.Duration(25 * time.Hour)
	if all, err := e.Overdue(t.Context(), now); err != nil || len(all) != 0 {
		t.Errorf("fresh: %+v, %v", all, err)
	}
}

// TestUnstarted: that a run could not begin is noted, but not where its firing says so, and not where another one runs.
func TestUnstarted(t *testing.T) {
	e, _ := shelved(t, []*load.Manifest{}...)
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		firing string
		err    error
		noted  int
	}{{"", &LockedError{Pipeline: "nightly"}, 0}, {"f1", broken, 0}, {"", broken, 1}} {
		if err := e.unstarted(t.Context(), []string{"a", "b"}, c.firing, c.err); !errors.Is(err, c.err) {
			t.Error(err)
		}
		events, err := e.Journal.Events(t.Context(), 0, 9)
		if err != nil || len(events) != c.noted {
			t.Errorf("%v: %+v, %v", c.err, events, err)
		}
		if c.noted == 1 && (events[0].Kind != journal.EventRunUnstarted || events[0].Pipeline != "a+b" || events[0].Target != "local" || events[0].Text != "disk on fire") {
			t.Errorf("%+v", events[0])
		}
	}
	all := []PipelineStatus{{Name: "b"}, {Name: "b", LastRun: &RunSummary{Run: journal.Run{Started: e.Clock().Add(time.Minute)}}}, {Name: "c"}}
	if err := e.notBegun(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	p := all[0]
	if p.Unstarted == nil || p.Unstarted.Error != "disk on fire" {
		t.Errorf("its status says %+v", p.Unstarted)
	}
	p = all[1]
	if p.Unstarted != nil || all[2].Unstarted != nil {
		t.Errorf("with a later run its status says %+v", p.Unstarted)
	}
}
