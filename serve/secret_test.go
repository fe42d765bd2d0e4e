package serve

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
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
	l.must(l.j.SaveChecks(t.Context(), run.ID, "main.orders", night, []check.Result{{Node: "main.orders", Name: "unique_id", Kind: "unique", Severity: models.SeverityError, Status: check.StatusFail, Message: canary}}, nil))
	check := link("/check", "table", "main.orders", "check", "unique_id")
	for _, path := range []string{"/", "/runs", "/runs/" + run.ID, "/runs/" + run.ID + "/report", "/pipelines/nightly", "/events", check} {
		w := l.ask("GET", path, "", append(as(l.viewer), "Accept", "text/html")...)
		if w.Code != 200 || strings.Contains(w.Body.String(), canary) || !strings.Contains(w.Body.String(), "***") {
			t.Errorf("page %s: %d %s", path, w.Code, w.Body)
		}
	}
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

// cursored is a target whose table was read up to somewhere.
type cursored struct {
	target
	by string
}

func (c cursored) Current(ctx context.Context) (*load.Manifest, error) {
	m, err := c.target.Current(ctx)
	m.Tables[0].Cursor, m.Tables[0].OrderedBy = `{"value":"zoe@example.com"}`, c.by
	return m, err
}

// TestPersonalCursor: the greatest value of a personal column is one of its values.
func TestPersonalCursor(t *testing.T) {
	l := newLab(t, project, nil)
	l.e.Warehouse = func(context.Context, warehouse.Config) (warehouse.Warehouse, error) {
		return nil, errors.New("no rows are looked at")
	}
	for by, shown := range map[string]bool{"email": false, "Email": false, "": false, "id": true} {
		l.e.Loader = cursored{by: by}
		if w := l.ask("GET", "/tables/main.orders", "", as(l.viewer)...); w.Code != 200 || strings.Contains(w.Body.String(), "zoe@example.com") != shown {
			t.Errorf("by %q: %d %s", by, w.Code, w.Body)
		}
	}
}

// TestTaggedSince: a sample that was kept before its column was tagged is masked wherever it is shown.
func TestTaggedSince(t *testing.T) {
	l := newLab(t, project, nil)
	run := l.runs(1)[0]
	const personal, plain = "zoe@example.com", "plain-4711"
	email, id := personal, plain
	l.must(l.j.SaveChecks(t.Context(), run.ID, "main.orders", night, []check.Result{{Node: "main.orders", Name: "unique_id", Kind: "unique", Severity: models.SeverityError, Status: check.StatusFail, Failing: 1,
		Sample: &check.Sample{Columns: []string{"id", "Email"}, Rows: [][]*string{{&id, &email}, {nil, nil}}}}}, nil))
	for _, path := range []string{"/api/v1/runs/" + run.ID + "/checks", "/api/v1/nodes/main.orders/checks", "/runs/" + run.ID + "/report", link("/check", "table", "main.orders", "check", "unique_id")} {
		if w := l.ask("GET", path, "", as(l.viewer)...); w.Code != 200 || strings.Contains(w.Body.String(), personal) || !strings.Contains(w.Body.String(), plain) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
