package journal

import (
	"testing"
)

// TestWritable: a journal that another process writes to cannot be written meanwhile, and afterwards it can; nothing is left of the tries.
func TestWritable(t *testing.T) {
	j, path := open(t)
	other, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before, err := other.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Writable(t.Context()); err != nil {
		t.Error(err)
	}
	held, err := other.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Writable(t.Context()); !IsBusy(err) {
		t.Errorf("while another writes: %v", err)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := j.Writable(t.Context()); err != nil {
		t.Error(err)
	}
	if events, err := j.Events(t.Context(), 0, 9); err != nil || len(events) != 0 {
		t.Errorf("left behind: %+v, %v", events, err)
	}
	if after, err := other.Changes(t.Context()); err != nil || after != before {
		t.Errorf("the scheduler would take the try for a change: %d, %d, %v", before, after, err)
	}
	var wait int
	if err := j.db.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&wait); err != nil || wait != 10_000 {
		t.Errorf("others wait for %d ms, %v", wait, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Writable(t.Context()); err == nil {
		t.Error("a closed journal can be written")
	}
}
