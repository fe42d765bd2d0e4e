package snowflake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// TestCountedWrong: somebody writes to a table between its rename, or its swap, and the count. Neither that load nor a later one takes it
// for what was sent, and no difference is brought to it.
func TestCountedWrong(t *testing.T) {
	for _, c := range []struct {
		about      string
		key        []string
		keep       Keep
		there, cut bool // there: it replaces an older one; cut: the load dies with its count on the way, and the next one counts
		view       bool
	}{
		{"renamed", nil, Keep{}, false, false, false},
		{"renamed, and cut off", nil, Keep{}, false, true, false},
		{"a view renamed, and cut off", nil, Keep{}, false, true, true},
		{"renamed, to be appended to", nil, Keep{Mode: "append"}, false, false, false},
		{"swapped", nil, Keep{Swap: true}, true, false, false},
		{"swapped, and cut off", nil, Keep{Swap: true}, true, true, false},
		{"a table with a key", []string{"id"}, Keep{Swap: true}, true, false, false},
		{"a history", []string{"id"}, Keep{Mode: "scd2"}, true, false, false},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			x, p := newTruth(t), newPlace(t)
			f := p.follower(x, func(cfg *Config) {
				cfg.Conn.Retries, cfg.Keep = -1, func(warehouse.Name) Keep { return c.keep }
			})
			version := func(run string, n int) *load.Manifest {
				t.Helper()
				query := fmt.Sprintf("SELECT range AS id, 'v%d' AS v FROM range(%[1]d)", n)
				if c.view {
					return x.publish(run, x.expose(x.view("t", query)))
				}
				return x.publish(run, x.table("t", c.key, query))
			}
			var renew []warehouse.Name
			if c.there {
				p.brought(f, version("r1", 4))
				renew = []warehouse.Name{{Schema: "main", Table: "t"}}
			}
			m := version("r2", 5)
			held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`^SELECT COUNT\(\*\) AS "N" FROM \(?(SELECT \* FROM )?"ANALYTICS"."MART"."T"`), Do: snowfake.Hang})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first := make(chan error, 1)
			go func() {
				_, err := f.Bring(ctx, m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1, Renew: renew})
				first <- err
			}()
			<-held.Acted()
			p.rows(`INSERT INTO ANALYTICS.MART.T SELECT * FROM ANALYTICS.MART.T WHERE "ID" = 1`)
			if c.cut {
				cancel()
			}
			held.Release()
			if err := <-first; c.cut != errors.Is(err, context.Canceled) || !c.cut && !errors.Is(err, load.ErrUnproven) {
				t.Fatalf("the load says %v", err)
			}
			m = version("r3", 6)
			p.follows(x, f, m, "t swap")
			if got := p.rows("SELECT STATE, ROWS_EXPECTED, ROWS_LOADED FROM ANALYTICS.MILLRACE_META._LOADS WHERE LOAD_ID = '01JFIRST'"); !strings.HasPrefix(got[0], "unproven|") {
				t.Errorf("of the table that was not what was sent, the ledger has %v", got)
			}
		})
	}
}

// TestCountedByTheNext: a load that was cut off between a rename and its count has the next one count, and note what it finds.
func TestCountedByTheNext(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) { c.Conn.Retries = -1 })
	m := x.publish("r1", x.table("t", nil, "SELECT range AS id FROM range(5)"))
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`^SELECT COUNT`), Do: snowfake.Drop})
	if _, err := p.bring(f, m); err == nil {
		t.Fatal("a load that was cut off says nothing")
	}
	p.follows(x, f, m, "")
	if got := p.rows("SELECT STATE, ROWS_EXPECTED, ROWS_LOADED FROM ANALYTICS.MILLRACE_META._LOADS"); !slices.Equal(got, []string{"committed|5|5"}) {
		t.Errorf("the ledger has %v", got)
	}
}

// TestLeftOutIsOver: a table that was put aside at its rename is no unfinished business of its load.
func TestLeftOutIsOver(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m := x.publish("r1", x.table("t", nil, "SELECT 1 AS id"))
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("RENAME TO"), Do: snowfake.Hang})
	go func() {
		<-held.Acted()
		p.rows("CREATE TABLE ANALYTICS.MART.T (X NUMBER(10,0))")
		held.Release()
	}()
	if _, err := p.bring(f, m); !errors.Is(err, load.ErrForeign) {
		t.Fatalf("Bring says %v", err)
	}
	if got := p.rows("SELECT STATE FROM ANALYTICS.MILLRACE_META._LOADS"); !slices.Equal(got, []string{"failed"}) {
		t.Errorf("the ledger has %v", got)
	}
}

// TestNotNoted: a swap has happened, and the ledger refuses to learn of it, for a reason that nobody knows. No later load takes the table for the one
// that stood there before.
func TestNotNoted(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) {
		c.LockError = &snowfake.Error{Code: "000998", SQLState: "XX000", Message: "something else"}
		c.After = func(d time.Duration) <-chan time.Time {
			over := make(chan time.Time, 1)
			if d == lockTimeout {
				over <- time.Time{}
			}
			return over
		}
	})
	f := p.follower(x, func(c *Config) {
		c.Conn.Retries, c.Keep = -1, func(warehouse.Name) Keep { return Keep{Mode: "scd2"} }
	})
	first := x.table("t", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(3)")
	p.brought(f, x.publish("r1", first))
	m := x.publish("r2", x.table("t", []string{"id"}, "SELECT range AS id, 'b' AS v FROM range(3)"))
	swapped := false
	_, err := f.Bring(t.Context(), m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1, Renew: []warehouse.Name{first.Name}, Record: func(_ context.Context, s load.Statement) error {
		switch {
		case s.Ended == nil:
		case strings.Contains(s.SQL, "SWAP WITH"): // another project holds the ledger while this one is to be noted
			swapped = true
			p.rows("BEGIN")
			p.rows(`UPDATE ANALYTICS.MILLRACE_META._LOADS SET ROWS_LOADED = 9 WHERE PROJECT = 'other'`)
		case swapped && strings.HasPrefix(s.SQL, "UPDATE"):
			swapped = false
			p.rows("ROLLBACK")
		}
		return nil
	}})
	if err == nil || !strings.Contains(err.Error(), "something else") {
		t.Fatalf("what was not noted gives %v", err)
	}
	if c, err := f.Verify(t.Context(), m, nil); err != nil || c[0].Equal || len(c[0].Problems) != 1 || !strings.Contains(c[0].Problems[0], "load 01JFIRST") {
		t.Errorf("verify says %+v, %v", c, err)
	}
	p.follows(x, f, x.publish("r3", first), "t swap")
}

// TestNobodyMayCount: a table that a load before has made, and whose rows the role may not read any more, does not keep the others behind.
func TestNobodyMayCount(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) {
		c.Users = map[string]snowfake.User{"ROOT": {Roles: []string{snowfake.Admin}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"},
			"MILLRACE": {Roles: []string{"LOADER"}, DefaultRole: "LOADER", DefaultWarehouse: "LOAD_WH"}}
	})
	p.rows("GRANT USAGE, CREATE SCHEMA ON DATABASE ANALYTICS TO ROLE LOADER")
	p.rows("GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER")
	f := p.follower(x, func(c *Config) { c.Conn.Role, c.Conn.Retries = "LOADER", -1 })
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`^SELECT COUNT`), Do: snowfake.Drop})
	table := x.table("t", nil, "SELECT 1 AS id")
	if _, err := p.bring(f, x.publish("r1", table)); err == nil {
		t.Fatal("a load that was cut off says nothing")
	}
	p.rows("GRANT OWNERSHIP ON TABLE ANALYTICS.MART.T TO ROLE ACCOUNTADMIN COPY CURRENT GRANTS")
	p.rows("GRANT INSERT ON TABLE ANALYTICS.MART.T TO ROLE LOADER")
	z := x.table("z", nil, "SELECT 1 AS id")
	p.refuses(f, x.publish("r2", table, z), "t", "")
	p.holds(x, &z, "ANALYTICS.MART.Z")
}
