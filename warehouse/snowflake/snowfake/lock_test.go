package snowfake_test

import (
	"context"
	"errors"
	"regexp"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// A statement that waits for another's lock is cancelled with its context: the driver asks for that by the request's id.
func TestCancel(t *testing.T) {
	waiting := make(chan struct{}, 1)
	s := start(t, func(a *snowfake.AccountConfig, _ *snowfake.ServerConfig) {
		a.Waits = func(string) { waiting <- struct{}{} }
	})
	first, second := work(t, s), work(t, s)
	exec(t, first, "INSERT INTO N VALUES (1)")
	exec(t, first, "BEGIN")
	exec(t, first, "UPDATE N SET V = 2")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-waiting
		cancel()
	}()
	if _, err := second.ExecContext(ctx, "UPDATE N SET V = 3"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	exec(t, first, "COMMIT")
	cancelled := sent(s, "V = 3")
	var refused *snowfake.Error
	if len(cancelled) != 1 || !errors.As(cancelled[0].Err, &refused) || refused.Code != "000604" {
		t.Errorf("the statement is kept as %+v", cancelled)
	}
}

// A client that was killed in the middle of a transaction leaves it open: its rows are not seen, its locks hold.
func TestAClientVanishes(t *testing.T) {
	s := start(t)
	conn, other := work(t, s, func(c *sf.Config) { c.MaxRetryCount = -1 }), work(t, s)
	exec(t, other, "INSERT INTO N VALUES (1)")
	exec(t, conn, "BEGIN")
	exec(t, conn, "UPDATE N SET V = 2")
	gone := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^COMMIT"), Do: snowfake.Vanish})
	if _, err := conn.ExecContext(t.Context(), "COMMIT"); err == nil || gone.Hits() != 1 {
		t.Fatalf("COMMIT: %v, the fault has acted %d times", err, gone.Hits())
	}
	var open int
	rows, err := other.QueryContext(t.Context(), "SHOW TRANSACTIONS IN ACCOUNT")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		open++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if open != 1 {
		t.Errorf("%d transactions are open, want the one that was left", open)
	}
}
