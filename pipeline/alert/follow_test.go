package alert

import (
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// behind ends a run of whose nodes all have succeeded, and of which something was not brought.
func (w *world) behind(r journal.Run, why string, steps ...string) journal.Run {
	w.Helper()
	r = w.end(r, steps...)
	snapshot := int64(3)
	r.Status, r.Snapshot, r.Error = journal.Partial, &snapshot, "published locally as snapshot 3; Snowflake is behind by 2 tables: "+why
	if err := w.journal.FinishRun(w.Context(), r, nil); err != nil {
		w.Fatal(err)
	}
	return r
}

// TestWhatFollowsIsBehind: people are told once, with what to paste, and told again when a run has caught up.
func TestWhatFollowsIsBehind(t *testing.T) {
	w := newWorld(t)
	first := w.begin("hourly", "main.events")
	w.behind(first, "no answer after 31 s", "main.events")
	w.pass(2 * time.Minute)
	if m := w.got[0].data; m.Command != "millrace retry "+first.ID || m.Published != "everything here, as snapshot 3" {
		t.Errorf("%+v", m)
	}
	w.expect("hourly failed in part: Snowflake is behind by 2 tables: no answer after 31 s")
	w.behind(w.begin("hourly", "main.events"), "no answer after 47 s", "main.events")
	w.pass(2 * time.Minute)
	w.expect()
	w.run("hourly", "main.events")
	w.pass(2 * time.Minute)
	w.expect("hourly works again")
}
