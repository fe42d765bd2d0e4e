package serve

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestAnswersAreCleaned puts secrets into every text that the journal keeps, as if whoever wrote it had let them through. One of
// them is all digits, and the rows of a step as well: numbers stay.
func TestAnswersAreCleaned(t *testing.T) {
	l := newLab(t, project+"serve: { tokens: { a: { token: '${secret:canary_canary_canary_canary_canary}' } } }\n", nil)
	const canary = "CANARY_CANARY_CANARY_CANARY_CANARY"
	l.secret.Add(secret.NewValue("1234567890123456789"))
	run := l.runs(1)[0]
	l.must(l.j.SetRunStatus(t.Context(), run.ID, journal.Failed, "connect: "+canary, night))
	l.must(l.j.SaveStep(t.Context(), journal.Step{Run: run.ID, Node: "main.orders", Kind: "model", Attempt: 1, Status: journal.Failed, Started: night, Rows: 1234567890123456789,
		Error: canary, Hint: "use " + canary, Notes: []string{canary}}))
	l.must(l.j.SaveWarnings(t.Context(), journal.Run{ID: run.ID, Warnings: []string{"swept: " + canary}}))
	l.must(l.j.AddEvent(t.Context(), journal.Event{At: night, Kind: "reload", Text: canary}))
	l.must(l.j.Pause(t.Context(), journal.Pause{Pipeline: "nightly", Since: night, By: "x", Reason: canary}))
	_, err := l.j.AddFiring(t.Context(), journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: night, State: journal.FiringFailed, Reason: canary, Created: night, Due: night, Ask: journal.Ask{Select: []string{canary}}})
	l.must(err)
	for _, path := range []string{"/runs", "/runs/" + run.ID, "/runs/" + run.ID + "/steps", "/runs/" + run.ID + "/report", "/events", "/firings", "/firings/f1", "/status", "/runs/" + canary, "/nodes/" + canary} {
		w := l.ask("GET", apiPrefix+path, "", as(l.viewer)...)
		if strings.HasSuffix(path, "/steps") && !strings.Contains(w.Body.String(), `"rows":1234567890123456789,`) {
			t.Errorf("a number is gone: %s", w.Body)
		}
		if strings.Contains(w.Body.String(), canary) || !strings.Contains(w.Body.String(), "***") {
			t.Errorf("%s: %s", path, w.Body)
		}
		if strings.HasPrefix(path, "/runs/"+run.ID) && !strings.HasSuffix(path, "/steps") && !strings.Contains(w.Body.String(), "swept: ***") {
			t.Errorf("%s does not tell the warning of the run: %s", path, w.Body)
		}
	}
	l.json("POST", "/api/v1/pipelines/nightly/pause", `{"reason": "`+canary+`"}`, 200, nil, "Idempotency-Key", "k")
	if w := l.json("POST", "/api/v1/pipelines/nightly/pause", `{"reason": "`+canary+`"}`, 200, nil, "Idempotency-Key", "k"); strings.Contains(w.Body.String(), canary) {
		t.Errorf("kept: %s", w.Body)
	}
	if strings.Contains(l.log.String(), canary) {
		t.Errorf("%s", l.log)
	}
}
