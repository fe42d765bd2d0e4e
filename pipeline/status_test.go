package pipeline

import (
	"testing"

	"github.com/millrace/millrace/pipeline/journal"
)

// TestLastRuns: a run that goes on does not hide that the one before has failed.
func TestLastRuns(t *testing.T) {
	run := func(id, of string, s RunState) RunSummary {
		return RunSummary{Run: journal.Run{ID: id, Pipeline: of}, State: s}
	}
	p := PipelineStatus{Name: "p"}
	p.last([]RunSummary{run("4", "q", StateRunning), run("3", "p+q", StateRunning)})
	if p.LastRun == nil || p.LastRun.ID != "3" || p.LastEnded != nil {
		t.Errorf("%+v", p)
	}
	p.last([]RunSummary{run("3", "p+q", StateRunning), run("2", "p", RunState(journal.Failed)), run("1", "p", RunState(journal.Succeeded))})
	if p.LastRun.ID != "3" || p.LastEnded == nil || p.LastEnded.ID != "2" {
		t.Errorf("%+v", p)
	}
}
