package journal

import (
	"testing"
	"time"
)

// TestTallyOfResumedRun: an attempt that is ended by what the journal says of it, because its process died, is counted from its own beginning.
func TestTallyOfResumedRun(t *testing.T) {
	j, _ := open(t)
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	r := Run{ID: "r", Pipeline: "p", LogicalTime: at, Attempt: 1, Status: Running, Started: at}
	again := at.Add(10 * time.Hour)
	next := r
	next.Attempt, next.Resumed = 2, &again
	for _, attempt := range []Run{r, next} {
		if err := j.BeginRun(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := j.Run(t.Context(), "r")
	if err != nil || !stored.Started.Equal(at) || !stored.Begun().Equal(again) {
		t.Fatalf("%+v, %v", stored, err)
	}
	done := again.Add(time.Minute)
	stored.Status, stored.Finished = Succeeded, &done
	if err := j.EndAttempt(t.Context(), stored, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	sums, err := j.Tallies(t.Context(), Target{Name: "x", Default: true})
	for _, s := range sums {
		if s.Name == TallySeconds && s.Value != 60 {
			t.Errorf("it took %v seconds, want 60", s.Value)
		}
	}
	if err != nil || len(sums) != 3 {
		t.Errorf("%+v, %v", sums, err)
	}
}
