package snowflake

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// anew takes the place over.
func (p *place) anew(f *Follower, m *load.Manifest) *load.Load {
	p.Helper()
	l, err := f.Bring(p.Context(), m, load.Bringing{Load: "01JANEW" + m.Run, Run: m.Run, Attempt: 1, Anew: true})
	if err != nil {
		p.Fatal(err)
	}
	return l
}

// TestAnotherTarget: two local targets of one name do not overwrite each other, and one may take the place over: also when it has the same rows.
func TestAnotherTarget(t *testing.T) {
	x, y, p := newTruth(t), newTruth(t), newPlace(t)
	f, g := p.follower(x), p.follower(y)
	table := x.table("t", nil, "SELECT range AS id FROM range(10)")
	m := x.publish("r1", table)
	p.follows(x, f, m, "t new")
	n := y.publish("r2", y.table("t", nil, "SELECT 7 AS id"))
	standing, err := g.Standing(t.Context())
	if err != nil || standing.Target != m.Target || m.Target == "" || m.Target == n.Target {
		t.Errorf("%+v, %v, of %q and %q", standing, err, m.Target, n.Target)
	}
	if _, err := g.Plan(t.Context(), n, standing, load.Bringing{}); !errors.Is(err, load.ErrAnother) {
		t.Errorf("Plan says %v", err)
	}
	if planned, err := g.Plan(t.Context(), n, standing, load.Bringing{Anew: true}); err != nil || modes(planned) != "t full" {
		t.Errorf("to take it over, Plan says %+v, %v", planned, err)
	}
	if _, err := p.bring(g, n); !errors.Is(err, load.ErrAnother) {
		t.Errorf("Bring says %v", err)
	}
	p.holds(x, &table, "ANALYTICS.MART.T")
	p.anew(g, n)
	p.equals(y, g, n)
	if _, err := p.bring(f, m); !errors.Is(err, load.ErrAnother) {
		t.Errorf("of the target from which the place was taken, Bring says %v", err)
	}
	p.anew(f, m)
	p.equals(x, f, m)
	same := y.publish("r3", table)
	if l := p.anew(g, same); modes(l) != "" {
		t.Errorf("the same rows are brought: %s", modes(l))
	}
	p.follows(y, g, y.publish("r4", y.table("t", nil, "SELECT 8 AS id")), "t full")
}

// TestRestored: a target that was restored from a backup comes to the same numbers again, by other runs.
func TestRestored(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	p.follows(x, f, x.publish("r1", x.table("t", nil, "SELECT 1 AS id")), "t new")
	backup := filepath.Join(t.TempDir(), "backup")
	shell := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	shell("cp", "-a", x.root, backup)
	late := x.table("t", nil, "SELECT 2 AS id")
	m := x.publish("r2", late)
	p.follows(x, f, m, "t full")
	shell("rm", "-r", x.root)
	shell("cp", "-a", backup, x.root)
	refused := func(m *load.Manifest) {
		t.Helper()
		if _, err := p.bring(f, m); !errors.Is(err, load.ErrAhead) {
			t.Errorf("of snapshot %d of %s, Bring says %v", m.Snapshot, m.Run, err)
		}
		p.holds(x, &late, "ANALYTICS.MART.T")
	}
	old, err := x.loader.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused(old)
	for _, run := range []string{"r2 again", "r3"} {
		m = x.publish(run, x.table("t", nil, "SELECT 3 AS id"))
		refused(m)
	}
	p.anew(f, m)
	p.equals(x, f, m)
	p.follows(x, f, x.publish("r4", x.table("t", nil, "SELECT 4 AS id")), "t full")
}

// TestDroppedThere: the ledger has tables that are not there, and nothing else has changed.
func TestDroppedThere(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m := x.publish("r1", x.table("t", nil, "SELECT 1 AS id"), x.table("u", nil, "SELECT 1 AS id"))
	p.follows(x, f, m, "t new, u new")
	p.rows("DROP TABLE ANALYTICS.MART.T")
	compared, err := f.Verify(t.Context(), m, nil)
	if err != nil || compared[0].Equal || !compared[1].Equal {
		t.Errorf("verify says %+v, %v", compared, err)
	}
	if l := p.follows(x, f, m, "t new"); l.Tables[0].Why != "it was dropped there" {
		t.Errorf("because %s", l.Tables[0].Why)
	}
	p.rows("DROP SCHEMA ANALYTICS.MART")
	p.follows(x, f, m, "t new, u new")
}

// TestShows: whether the place looks as it should is asked without a warehouse.
func TestShows(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) {
		c.Keep = func(n warehouse.Name) Keep { return Keep{Mode: "auto", Soft: n.Table == "soft"} }
	})
	p.brought(f, x.publish("r1", x.table("t", nil, "SELECT range AS id FROM range(9)"), x.table("soft", []string{"id"}, "SELECT range AS id FROM range(9)")))
	m := x.publish("r2", x.table("t", nil, "SELECT range AS id FROM range(7)"), x.table("soft", []string{"id"}, "SELECT range AS id FROM range(8)"))
	shows := func(about string, want bool) {
		t.Helper()
		before := len(p.server.Statements())
		got, err := f.Shows(t.Context(), m)
		if got != want || err != nil {
			t.Errorf("%s: %t, %v", about, got, err)
		}
		for _, s := range p.server.Statements()[before:] {
			if !strings.HasPrefix(s.SQL, "SHOW ") && !strings.HasPrefix(s.SQL, "ALTER SESSION ") {
				t.Errorf("%s: it asks %s", about, s.SQL)
			}
		}
	}
	shows("before it is brought", false)
	p.brought(f, m)
	shows("once it is", true)
	p.rows("DELETE FROM ANALYTICS.MART.T WHERE ID = 1")
	shows("with a row deleted", false)
	p.rows("INSERT INTO ANALYTICS.MART.T (ID) VALUES (1)")
	shows("with it back", true)
	p.rows("ALTER TABLE ANALYTICS.MART.SOFT RENAME TO ANALYTICS.MART.ELSEWHERE")
	shows("without a table", false)
	p.rows("ALTER TABLE ANALYTICS.MART.ELSEWHERE RENAME TO ANALYTICS.MART.SOFT")
	p.rows("DELETE FROM ANALYTICS.MILLRACE_META._LOADS")
	shows("with an empty ledger", false)
	p.rows("DROP SCHEMA ANALYTICS.MILLRACE_META")
	shows("without a ledger", false)
}

// TestPrepareBesideALoad: a table that another load finishes while Prepare looks is not a stranger's.
func TestPrepareBesideALoad(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	nodes := func(c *Config) { c.Nodes = []warehouse.Name{{Schema: "main", Table: "t"}} }
	loads, prepares := p.follower(x, nodes), p.follower(x, nodes)
	if err := loads.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`^SHOW TABLES IN SCHEMA .* STARTS WITH`), Do: snowfake.Hang})
	prepared := make(chan error, 1)
	go func() { prepared <- prepares.Prepare(context.WithoutCancel(t.Context())) }()
	<-held.Acted()
	p.brought(loads, x.publish("r1", x.table("t", nil, "SELECT range AS id FROM range(10)")))
	held.Release()
	if err := <-prepared; err != nil {
		t.Errorf("Prepare says %v", err)
	}
}
