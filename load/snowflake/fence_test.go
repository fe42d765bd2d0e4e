package snowflake

import (
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// waits is what statements at the stand-in wait for locks: short waits end at once, and a long one tells that it has begun.
type waits struct {
	mu   sync.Mutex
	all  []time.Duration
	long chan struct{}
}

const patient = 10 * time.Minute

func (w *waits) after(d time.Duration) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan time.Time, 1)
	switch d {
	case fenceWait:
		c <- time.Time{}
	case patient:
		w.long <- struct{}{}
	default:
		return c // for the statement itself
	}
	w.all = append(w.all, d)
	return c
}

func (w *waits) had() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.all = nil }()
	return w.all
}

// waiting is a place whose locks w tells of, with a table that a follower has brought, and its next version.
func waiting(t *testing.T, edit ...func(*snowfake.AccountConfig)) (*place, *truth, *Follower, *waits, *load.Manifest) {
	t.Helper()
	w := &waits{long: make(chan struct{}, 10)}
	x, p := newTruth(t), newPlace(t, append(edit, func(c *snowfake.AccountConfig) { c.After = w.after })...)
	f := p.follower(x, func(c *Config) {
		c.Conn.LockTimeout, c.Conn.StatementTimeout, c.Conn.Retries = patient, time.Hour, -1
	})
	table := x.table("t", nil, "SELECT range AS id FROM range(10)")
	p.follows(x, f, x.publish("r1", table), "t new")
	table.Base = append(table.Base, x.file("SELECT 10 AS id"))
	return p, x, f, w, x.publish("r2", x.counted(table))
}

// TestAnotherProjectPublishes: its transaction holds the ledger for longer than a load of our own would be waited for.
func TestAnotherProjectPublishes(t *testing.T) {
	for sql, want := range map[string][]time.Duration{
		`UPDATE ANALYTICS.MILLRACE_META._TARGETS SET SNAPSHOT = 9 WHERE PROJECT = 'other'`:  {fenceWait, patient},
		`UPDATE ANALYTICS.MILLRACE_META._LOADS SET ROWS_LOADED = 9 WHERE PROJECT = 'other'`: {patient},
	} {
		p, x, f, w, m := waiting(t)
		p.rows("BEGIN")
		p.rows(sql)
		over := make(chan error, 1)
		go func() {
			<-w.long
			_, err := p.ask("COMMIT")
			over <- err
		}()
		p.follows(x, f, m, "t append")
		if err := <-over; err != nil {
			t.Error(err)
		}
		if got := w.had(); !slices.Equal(got, want) {
			t.Errorf("while another project has run %s, it waits %v, want %v", sql, got, want)
		}
	}
}

// TestLoadLeftOpen: a transaction of an earlier load into the target is ended, whatever a statement that has waited for its lock is answered.
func TestLoadLeftOpen(t *testing.T) {
	for _, answer := range []*snowfake.Error{nil, {Code: "000999", SQLState: "57014", Message: "it took too long"}, {Code: "000998", SQLState: "XX000", Message: "something else"}} {
		p, x, f, w, m := waiting(t, func(c *snowfake.AccountConfig) { c.LockError = answer })
		target, err := f.target()
		if err != nil {
			t.Fatal(err)
		}
		_, all := (&bringing{target: target}).transactionName()
		p.rows(`BEGIN TRANSACTION NAME "` + all + `01JDEAD"`)
		p.rows(`UPDATE ANALYTICS.MILLRACE_META._TARGETS SET SNAPSHOT = 9`)
		p.follows(x, f, m, "t append")
		if got := w.had(); !slices.Equal(got, []time.Duration{fenceWait}) {
			t.Errorf("after %v, it waits %v", answer, got)
		}
	}
}

// TestOwnTransactionIsNotWaitedFor: a load whose session has ended within its transaction knows that it has sent no COMMIT.
func TestOwnTransactionIsNotWaitedFor(t *testing.T) {
	p, x, f, w, m := waiting(t)
	fault := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT INTO"), Do: snowfake.ExpireMaster})
	p.follows(x, f, m, "t append")
	if got := w.had(); fault.Hits() != 1 || len(got) > 0 {
		t.Errorf("after %d faults, it waits %v", fault.Hits(), got)
	}
}
