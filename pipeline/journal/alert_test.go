package journal

import (
	"encoding/json"
	"testing"
	"time"
)

// TestEnds: whoever has seen an end has seen all that were recorded before it, also when the clock was set back in between.
func TestEnds(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	a, b := begin(t, j, "a", at), begin(t, j, "b", at)
	finish := func(r Run, status Status, at time.Time) {
		t.Helper()
		r.Status, r.Finished = status, &at
		if err := j.FinishRun(ctx, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	finish(a, Failed, at.Add(time.Hour))
	finish(b, Succeeded, at.Add(time.Minute))
	if err := j.SetRunStatus(ctx, "a", Abandoned, "overtaken", at.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	f, err := j.AddFiring(ctx, Firing{ID: "f", Pipeline: "p", LogicalTime: at, State: FiringWaiting, Due: at, Created: at})
	if err != nil {
		t.Fatal(err)
	}
	f.State = FiringStarted
	if err := j.SaveFiring(ctx, f); err != nil {
		t.Fatal(err)
	}
	f.State, f.Finished = FiringFailed, &at
	if err := j.SaveFiring(ctx, f); err != nil {
		t.Fatal(err)
	}
	ends, err := j.Ended(ctx, 1, 10)
	if err != nil || len(ends) != 3 || ends[0].ID != "b" || ends[1].Status != "abandoned" || ends[2].Kind != EndOfFiring {
		t.Errorf("ends after the first: %+v, %v", ends, err)
	}
	if seq, err := j.EndedBefore(ctx, at.Add(90*time.Minute)); err != nil || seq != 2 {
		t.Errorf("ended before: %d, %v", seq, err)
	}
	if seq, err := j.EndedBefore(ctx, at.Add(9*time.Hour)); err != nil || seq != 4 {
		t.Errorf("all ended before: %d, %v", seq, err)
	}
}

func TestAlertOutbox(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	one := func(id string) Alert {
		return Alert{ID: id, Channel: "ops", Kind: "failure", Key: "k", Message: json.RawMessage(`{}`), State: AlertPending, Due: at, Since: at, Created: at}
	}
	if err := j.AddAlerts(ctx, []Alert{one("1"), one("2")}, map[string]string{"seen": "7", "topic": "x"}); err != nil {
		t.Fatal(err)
	}
	if err := j.AddAlerts(ctx, []Alert{one("3"), one("2")}, map[string]string{"seen": "8", "topic": ""}); err == nil {
		t.Fatal("one id twice")
	}
	if m, err := j.AlertMemory(ctx); err != nil || m["seen"] != "7" || m["topic"] != "x" {
		t.Errorf("the memory is %v, %v: it goes with the messages or not at all", m, err)
	}
	waiting, err := j.PendingAlerts(ctx, "ops", 10)
	if err != nil || len(waiting) != 2 {
		t.Fatalf("%v, %v", waiting, err)
	}
	digest := one("d")
	if err := j.FoldAlerts(ctx, digest, waiting); err != nil {
		t.Fatal(err)
	}
	digest.State, digest.Error, digest.Closed = AlertFailed, "refused", &at
	if pending, err := j.SaveAlert(ctx, digest, Rest{}); err != nil || !pending {
		t.Fatal(pending, err)
	}
	if pending, err := j.SaveAlert(ctx, digest, Rest{}); err != nil || pending {
		t.Error("saved twice", err)
	}
	if n, err := j.RetryAlerts(ctx, "ops", at.Add(time.Hour)); err != nil || n != 1 {
		t.Errorf("retried %d, %v", n, err)
	}
	waiting, err = j.PendingAlerts(ctx, "ops", 10)
	if err != nil || len(waiting) != 1 || waiting[0].ID != "d" || !waiting[0].Since.Equal(at.Add(time.Hour)) || waiting[0].Closed != nil {
		t.Errorf("%+v, %v", waiting, err)
	}
	if folded, err := j.Alerts(ctx, AlertFilter{State: AlertFolded}); err != nil || len(folded) != 2 || folded[0].ID != "2" || folded[0].Folded != "d" {
		t.Errorf("%+v, %v", folded, err)
	}
}

// TestForget: ends and messages do not pile up, whoever looks at them or does not; what waits stays.
func TestForget(t *testing.T) {
	j, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	if _, err := j.db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO ended (kind, id, status, at) SELECT 'run', i, 'failed', ? FROM n`, mostEnds+50, stamp(at)); err != nil {
		t.Fatal(err)
	}
	r := begin(t, j, "a", at)
	for range 3 {
		r.Status, r.Finished = Failed, &at
		if err := j.FinishRun(ctx, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	ends, err := j.Ended(ctx, 0, 2*mostEnds)
	if err != nil || len(ends) != mostEnds || ends[len(ends)-1].Seq != mostEnds+53 {
		t.Errorf("%d ends, %v", len(ends), err)
	}
	if _, err := j.db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO alert (id, channel, kind, key, pipeline, run, title, message, state, tries, due, error, folded, since, created, closed)
		SELECT i, 'c', 'failure', '', '', '', '', '{}', iif(i = 7, 'pending', 'delivered'), 1, '', '', '', '', iif(i = 8, ?3, ?2), iif(i = 7, NULL, ?2) FROM n`,
		2*forgetAtOnce, stamp(at), stamp(at.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if err := j.ForgetAlerts(ctx, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if left, err := j.Alerts(ctx, AlertFilter{}); err != nil || len(left) != 2 || left[0].ID != "8" || left[1].ID != "7" {
		t.Errorf("%+v, %v", left, err)
	}
}
