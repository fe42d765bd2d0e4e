package snowfake_test

import (
	"context"
	"regexp"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// Whatever happens to the request or its answer, the driver repeats it, and the server executes it once.
func TestAStatementIsExecutedOnce(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    snowfake.Fault
		requests int // that reached the execution
	}{
		{"dropped on the way there", snowfake.Fault{Do: snowfake.Drop}, 1},
		{"dropped on the way back", snowfake.Fault{Do: snowfake.Drop, When: snowfake.After}, 2},
		{"unavailable", snowfake.Fault{Do: snowfake.Status, Code: 503}, 1},
		{"too many, after the work", snowfake.Fault{Do: snowfake.Status, Code: 429, When: snowfake.After}, 2},
		{"token expired", snowfake.Fault{Do: snowfake.ExpireToken}, 1},
		{"token expired after the work", snowfake.Fault{Do: snowfake.ExpireToken, When: snowfake.After}, 2},
		{"answer broken off", snowfake.Fault{Do: snowfake.Truncate, When: snowfake.After}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			conn := work(t, s)
			c.fault.Match = regexp.MustCompile(`^INSERT`)
			fault := s.Fault(c.fault)
			if n, err := exec(t, conn, "INSERT INTO N VALUES (1), (2)").RowsAffected(); n != 2 || err != nil {
				t.Errorf("rows affected: %d, %v", n, err)
			}
			if fault.Hits() != 1 {
				t.Errorf("%s has acted %d times, want 1", fault, fault.Hits())
			}
			once(t, s, "^INSERT", c.requests)
			if n := count(t, conn); n != 2 {
				t.Errorf("%d rows, want 2", n)
			}
		})
	}
}

// With an account that does not know a request again, the same is done twice: what a loader must survive.
func TestAnAccountThatRepeats(t *testing.T) {
	t.Parallel()
	s := start(t, func(_ *snowfake.AccountConfig, c *snowfake.ServerConfig) { c.Repeats = true })
	conn := work(t, s)
	s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Do: snowfake.Drop, When: snowfake.After})
	exec(t, conn, "INSERT INTO N VALUES (1), (2)")
	if n := len(sent(s, "^INSERT")); n != 2 {
		t.Errorf("executed %d times, want 2", n)
	}
	if n := count(t, conn); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

// A result that is asked for by query id, as that of a statement that runs without being waited for.
func TestPollingGoesOn(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault snowfake.Fault
	}{
		{"dropped", snowfake.Fault{Do: snowfake.Drop, Nth: 2}},
		{"unavailable", snowfake.Fault{Do: snowfake.Status}},
		{"token expired", snowfake.Fault{Do: snowfake.ExpireToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			conn := work(t, s)
			s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Do: snowfake.Slow, Code: 1})
			c.fault.Match = regexp.MustCompile("^GET /queries/.*/result$")
			fault := s.Fault(c.fault)
			result, err := conn.ExecContext(sf.WithAsyncMode(t.Context()), "INSERT INTO N VALUES (1), (2)")
			if err != nil {
				t.Fatal(err)
			}
			if n, err := result.RowsAffected(); n != 2 || err != nil {
				t.Errorf("rows affected: %d, %v", n, err)
			}
			if fault.Hits() != 1 {
				t.Errorf("%s has acted %d times", fault, fault.Hits())
			}
			once(t, s, "^INSERT", 1)
		})
	}
}

func TestOnlyTheNthIsHit(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	fault := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Nth: 2, Do: snowfake.ExpireMaster})
	exec(t, conn, "INSERT INTO N VALUES (1)")
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO N VALUES (2)"); code(err) != 390114 {
		t.Errorf("with nothing left to renew the token by: %v", err)
	}
	if fault.Hits() != 1 {
		t.Errorf("it has acted %d times", fault.Hits())
	}
	if n := count(t, work(t, s)); n != 1 {
		t.Errorf("%d rows, want the first alone", n)
	}
}

// Each fault counts for itself what fits its pattern, whichever acts.
func TestFaultsBesideEachOther(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	first := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^SELECT"), Do: snowfake.ExpireToken})
	second := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^SELECT"), Nth: 2, Do: snowfake.ExpireToken})
	third := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^SELECT"), Nth: 4, Do: snowfake.ExpireToken})
	count(t, conn) // is sent three times
	if first.Hits() != 1 || second.Hits() != 1 || third.Hits() != 0 {
		t.Errorf("they have acted %d, %d and %d times, want 1, 1 and 0", first.Hits(), second.Hits(), third.Hits())
	}
}

func TestHoldAndRelease(t *testing.T) {
	s := start(t)
	conn, other := work(t, s), work(t, s)
	held := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Do: snowfake.Hang, When: snowfake.After})
	done := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "INSERT INTO N VALUES (1)")
		done <- err
	}()
	<-held.Acted()
	if n := count(t, other); n != 1 { // executed, and its client does not know yet
		t.Errorf("%d rows, want 1", n)
	}
	held.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	once(t, s, "^INSERT", 1)
}

func TestFaultsInWords(t *testing.T) {
	f, err := snowfake.ParseFault("status=503 after nth=2 times=3 ^COPY INTO")
	if err != nil {
		t.Fatal(err)
	}
	if f.Do != snowfake.Status || f.Code != 503 || f.When != snowfake.After || f.Nth != 2 || f.Times != 3 || f.Match.String() != "^COPY INTO" {
		t.Errorf("read as %+v", f)
	}
	for _, text := range []string{"", "explode ^COPY", "drop", "drop after", "drop nth=0 ^COPY", "status=x ^COPY", "status=9 ^COPY", "slow=-1 ^COPY", "drop ["} {
		if _, err := snowfake.ParseFault(text); err == nil {
			t.Errorf("%q was taken for a fault", text)
		}
	}
}
