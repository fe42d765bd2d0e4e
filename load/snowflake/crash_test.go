package snowflake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// crashes is a place that goes back and forth between two states of the same tables, while something fails on each way.
type crashes struct {
	*place
	x      *truth
	keep   func(warehouse.Name) Keep
	states [2][]load.Table
	fresh  func(n int) load.Table // a table that is new each time; nil: none
	rows   map[string][][]string  // by table: what it holds in either state
	m      *load.Manifest
	n      int
	made   []load.Table // by fresh
	owed   bool         // the last cut has left m to the next load
}

func newCrashes(t *testing.T, keep func(warehouse.Name) Keep, states func(x *truth) [2][]load.Table, fresh func(x *truth, n int) load.Table) *crashes {
	t.Helper()
	c := &crashes{place: newPlace(t, func(c *snowfake.AccountConfig) { c.After = locksAtOnce }), x: newTruth(t), keep: keep, rows: map[string][][]string{}}
	c.states = states(c.x)
	if fresh != nil {
		c.fresh = func(n int) load.Table { return fresh(c.x, n) }
	}
	for i := range c.states[0] {
		c.rows[c.states[0][i].Table] = [][]string{here(c.x, &c.states[0][i]), here(c.x, &c.states[1][i])}
	}
	c.next()
	if _, err := c.bring(c.follow(), c.m); err != nil {
		t.Fatal(err)
	}
	return c
}

// locksAtOnce ends a wait for a lock, as long as followers of tests allow it, at once.
func locksAtOnce(d time.Duration) <-chan time.Time {
	if d != lockTimeout {
		return time.After(d)
	}
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

// follow is a follower whose driver sends nothing twice: what fails, fails.
func (c *crashes) follow() *Follower {
	c.Helper()
	return c.follower(c.x, func(cfg *Config) { cfg.Conn.Retries, cfg.Keep = -1, c.keep })
}

// next publishes the other state.
func (c *crashes) next() {
	c.Helper()
	c.n++
	tables := c.states[c.n%2]
	if c.fresh != nil {
		c.made = append(c.made, c.fresh(c.n))
		tables = append(slices.Clone(tables), c.made[len(c.made)-1])
	}
	c.m = c.x.publish(fmt.Sprintf("r%d", c.n), tables...)
}

// seen are the states that the tables are seen in.
func (c *crashes) seen() map[string]int {
	c.Helper()
	out := map[string]int{}
	for i := range c.states[0] {
		t := &c.states[0][i]
		rows := c.place.rows(there(t, "ANALYTICS.MART."+t.Table))
		out[t.Table] = slices.IndexFunc(c.rows[t.Table], func(state []string) bool { return slices.Equal(state, rows) })
		if out[t.Table] < 0 {
			c.Errorf("a reader sees in %s\n%s", t.Table, clipped(rows))
		}
	}
	return out
}

// whole says what is wrong with what readers see: tables of one transaction are in one state.
func (c *crashes) whole(when string) {
	c.Helper()
	states := c.seen()
	first := -1
	for name, state := range states {
		if k := c.keep(warehouse.Name{Schema: "main", Table: name}); k.Swap {
			continue
		}
		if first >= 0 && state != first {
			c.Errorf("%s: readers see a mix: %v", when, states)
		}
		first = state
	}
	if c.fresh == nil {
		return
	}
	t := &c.made[len(c.made)-1]
	rows, err := c.ask(there(t, "ANALYTICS.MART."+t.Table))
	if err == nil && !slices.Equal(rows, here(c.x, t)) {
		c.Errorf("%s: a reader sees in the new table\n%s", when, clipped(rows))
	}
}

// cut makes one load fail at the nth of its requests that match, and has a fresh follower bring the same. False: there was no such
// request any more.
func (c *crashes) cut(f snowfake.Fault, match string, n int) bool {
	c.Helper()
	where, hit := c.disturb(f, match, n)
	if hit {
		c.settle(where)
	}
	return hit && !c.Failed()
}

// disturb makes one load fail so, of the next state or of what the last one has left.
func (c *crashes) disturb(f snowfake.Fault, match string, n int) (where string, hit bool) {
	c.Helper()
	if !c.owed {
		c.next()
	}
	f.Match, f.Nth = regexp.MustCompile("(?s)"+match), n
	fault := c.server.Fault(f)
	defer fault.Withdraw()
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	if f.Do == snowfake.Vanish { // the client is dead: it does not go on after its last request
		go func() {
			select {
			case <-fault.Acted():
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	c.loads++
	_, err := c.follow().Bring(ctx, c.m, load.Bringing{Load: fmt.Sprintf("01J%023d", c.loads), Run: c.m.Run, Attempt: 1})
	where = fmt.Sprintf("%s %s request %d of %s (the last was %s), which gave %v", f.Do, f.When, n, match, c.at(), err)
	if fault.Hits() == 0 { // the load had no such request
		if err != nil {
			c.Errorf("without a fault at %s, a load gives %v", match, err)
		}
		if c.owed { // it had less to do than the one before
			c.owed = false
			fault.Withdraw()
			return c.disturb(f, match, n)
		}
		return where, false
	}
	c.whole(where)
	c.owed = true
	if err == nil {
		c.settle(where)
	}
	return where, true
}

// settle brings what the last load has left.
func (c *crashes) settle(where string) {
	c.Helper()
	if !c.owed {
		return
	}
	c.owed = false
	if _, err := c.bring(c.follow(), c.m); err != nil {
		c.Errorf("%s: the next load gives %v", where, err)
	}
	for name, state := range c.seen() {
		if state != c.n%2 {
			c.Errorf("%s: after the next load, %s is in state %d, want %d", where, name, state, c.n%2)
		}
	}
	if c.fresh != nil {
		c.holds(c.x, &c.made[len(c.made)-1], "ANALYTICS.MART."+c.made[len(c.made)-1].Table)
	}
}

// at is the last statement that came.
func (c *crashes) at() string {
	all := c.server.Statements()
	text, _, _ := strings.Cut(all[len(all)-1].SQL, "\n")
	return text
}

// The ways in which a request goes wrong.
var (
	drops  = []snowfake.Fault{{Do: snowfake.Drop, When: snowfake.Before}, {Do: snowfake.Drop, When: snowfake.After}}
	deaths = []snowfake.Fault{{Do: snowfake.Vanish, When: snowfake.Before}, {Do: snowfake.Vanish, When: snowfake.After}}
	others = []snowfake.Fault{{Do: snowfake.Status, Code: 503, When: snowfake.Before}, {Do: snowfake.ExpireToken, When: snowfake.Before}} // which the driver renews
	faults = slices.Concat(drops, deaths, others)
)

// everything is the environment variable that has the crash matrix cut at each request in each way.
const everything = "MILLRACE_CRASH_ALL"

// kind is requests that are cut alike.
type kind struct {
	match string
	ways  []snowfake.Fault
}

// crucial are the requests at which what happened and what is known of it may differ: all of them are cut, and the next load goes on from
// there. Of those that common and swapping have, which stand before the transaction or change rows within it, the first is cut, and what each has left
// is left to the next cut.
var (
	ways    = slices.Concat(drops, deaths)
	crucial = []kind{{`^UPDATE .*_TARGETS.*"SNAPSHOT" =`, ways}, {"^COMMIT$", faults}, {"RENAME TO", ways}, {"SWAP WITH", ways}, {"^UPDATE .*_LOADS", simply},
		{"^SELECT CURRENT_TRANSACTION", simply}}
	common = []kind{
		{"^ALTER SESSION", simply}, {"^SHOW WAREHOUSES", simply}, {"^SHOW SCHEMAS", simply}, {"^SHOW TABLES", simply}, {"^DESCRIBE", simply}, {"^SELECT .*_TARGETS", simply}, {"^SELECT .*_LOADS", simply},
		{"^CREATE TABLE", simply}, {"^CREATE STAGE", simply}, {`^UPDATE .*_TARGETS.*"EPOCH" = "EPOCH" \+ 1`, faults}, {"^MERGE .*_LOADS", simply},
		{"^REMOVE", simply}, {"^PUT", simply}, {"^LIST", simply}, {"^CREATE OR REPLACE TRANSIENT", simply}, {"^COPY", simply}, {`^SELECT\s.*__MR_`, simply},
		{"^BEGIN", ways}, {"^INSERT", ways}, {`^MERGE INTO "ANALYTICS"."MART"`, ways}, {"^SELECT COUNT", simply}, {"^DROP", simply},
		{"^POST /session/v1/login-request", simply}}
	swapping = []kind{{"^SHOW OBJECTS", simply}, {"^SHOW STREAMS", simply}, {"^SELECT POLICY", simply}, {"^CREATE OR REPLACE TABLE .*LIKE", simply}, {`^CREATE OR REPLACE TABLE \S* \(`, simply},
		{"^COMMENT", simply}, {"^SELECT COUNT", simply}}
	// simply is for what changes nothing that is not made anew by the next load: before it the client goes on, after it it is dead.
	simply = []snowfake.Fault{drops[0], deaths[1]}
)

// matrix cuts loads at requests of every kind, before and after: no load may send a statement of a kind that is not among them. Where
// everything is set, it cuts at each request in each way, which takes ten minutes.
func matrix(t *testing.T, kinds []kind, keep func(warehouse.Name) Keep, states func(x *truth) [2][]load.Table, fresh func(x *truth, n int) load.Table) {
	if os.Getenv(everything) != "" {
		everyRequest(t, keep, states, fresh)
		return
	}
	t.Parallel()
	c := newCrashes(t, keep, states, fresh)
	sent := c.undisturbed()
	for _, sql := range sent {
		if !slices.ContainsFunc(slices.Concat(crucial, common, swapping), func(k kind) bool { return k.of(sql) }) {
			t.Errorf("no kind has %s", sql)
		}
	}
	cuts := 0
	for _, k := range kinds {
		for _, f := range k.ways {
			if _, hit := c.disturb(f, k.match, 1); !hit {
				t.Errorf("%s %s %s: it was not sent", f.Do, f.When, k.match)
			}
			cuts++
		}
	}
	c.settle("after all of these")
	for _, k := range crucial {
		for n := len(slices.DeleteFunc(slices.Clone(sent), func(sql string) bool { return !k.of(sql) })); n > 0; n-- {
			for _, f := range k.ways {
				if !c.cut(f, k.match, n) {
					t.Errorf("%s %s request %d of %s: it was not sent, or see above", f.Do, f.When, n, k.match)
				}
				cuts++
			}
		}
	}
	t.Logf("cut at %d requests", cuts)
}

func (k kind) of(sql string) bool { return regexp.MustCompile("(?s)" + k.match).MatchString(sql) }

// undisturbed are the statements of a load at which nothing fails.
func (c *crashes) undisturbed() (sent []string) {
	c.Helper()
	c.next()
	before := len(c.server.Statements())
	c.brought(c.follow(), c.m)
	for _, s := range c.server.Statements()[before:] {
		sent = append(sent, s.SQL)
	}
	return sent
}

// everyRequest cuts at each request in each way.
func everyRequest(t *testing.T, keep func(warehouse.Name) Keep, states func(x *truth) [2][]load.Table, fresh func(x *truth, n int) load.Table) {
	for _, f := range faults {
		t.Run(fmt.Sprintf("%s %s", f.Do, f.When), func(t *testing.T) {
			t.Parallel()
			c := newCrashes(t, keep, states, fresh)
			n := 1
			for c.cut(f, ".", n) {
				n++
			}
			t.Logf("cut at requests up to %d", n)
			if n < 40 && !t.Failed() {
				t.Errorf("there were only %d requests", n)
			}
		})
	}
}

// TestCrashInTransaction: two tables that one commit brings.
func TestCrashInTransaction(t *testing.T) {
	matrix(t, common, func(warehouse.Name) Keep { return Keep{} }, func(x *truth) [2][]load.Table {
		return [2][]load.Table{
			{x.table("events", nil, "SELECT range AS id, 'a' AS v FROM range(12)"), x.table("orders", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(10)")},
			{x.table("events", nil, "SELECT range AS id, 'b' AS v FROM range(9)"), x.table("orders", []string{"id"}, "SELECT range AS id, CASE WHEN range < 5 THEN 'b' ELSE 'a' END AS v FROM range(2, 14)")},
		}
	}, nil)
}

// TestCrashOutsideOfTransaction: one table that is swapped, and one that is new.
func TestCrashOutsideOfTransaction(t *testing.T) {
	matrix(t, swapping, func(warehouse.Name) Keep { return Keep{Swap: true} }, func(x *truth) [2][]load.Table {
		return [2][]load.Table{
			{x.table("dims", nil, "SELECT range AS id, 'a' AS v FROM range(12)")},
			{x.table("dims", nil, "SELECT range AS id, 'b' AS v FROM range(9)")},
		}
	}, func(x *truth, n int) load.Table {
		return x.table(fmt.Sprintf("fresh%d", n), nil, fmt.Sprintf("SELECT range AS id, %d AS n FROM range(5)", n))
	})
}

// TestReadersSeeOneState looks after every statement of a load.
func TestReadersSeeOneState(t *testing.T) {
	c := newCrashes(t, func(n warehouse.Name) Keep { return Keep{Swap: n.Table == "dims"} }, func(x *truth) [2][]load.Table {
		return [2][]load.Table{
			{x.table("dims", nil, "SELECT 1 AS id"), x.table("events", nil, "SELECT 1 AS id"), x.table("orders", []string{"id"}, "SELECT 1 AS id, 'a' AS v")},
			{x.table("dims", nil, "SELECT 2 AS id"), x.table("events", nil, "SELECT 2 AS id"), x.table("orders", []string{"id"}, "SELECT 2 AS id, 'b' AS v")},
		}
	}, func(x *truth, n int) load.Table { return x.table(fmt.Sprintf("fresh%d", n), nil, "SELECT 1 AS id") })
	c.next()
	looked := 0
	_, err := c.follow().Bring(t.Context(), c.m, load.Bringing{Load: "01JREADERS", Run: c.m.Run, Attempt: 1, Record: func(_ context.Context, s load.Statement) error {
		if s.Ended != nil {
			c.whole("after " + s.SQL)
			looked++
		}
		return nil
	}})
	if err != nil || looked < 40 {
		t.Errorf("%d statements were looked at; the load gave %v", looked, err)
	}
	for name, state := range c.seen() {
		if state != c.n%2 {
			t.Errorf("%s is in state %d", name, state)
		}
	}
}

// TestTwoFollowers: one is held before it commits, and another brings the next state meanwhile.
func TestTwoFollowers(t *testing.T) {
	c := newCrashes(t, func(warehouse.Name) Keep { return Keep{} }, func(x *truth) [2][]load.Table {
		return [2][]load.Table{
			{x.table("events", nil, "SELECT 1 AS id"), x.table("orders", []string{"id"}, "SELECT 1 AS id, 'a' AS v")},
			{x.table("events", nil, "SELECT 2 AS id"), x.table("orders", []string{"id"}, "SELECT 2 AS id, 'b' AS v")},
		}
	}, nil)
	for _, at := range []string{"^BEGIN", "^COPY INTO"} {
		c.next()
		held := c.server.Fault(snowfake.Fault{Match: regexp.MustCompile(at), Do: snowfake.Hang})
		first := make(chan error, 1)
		f, m := c.follow(), c.m
		go func() {
			_, err := f.Bring(context.WithoutCancel(t.Context()), m, load.Bringing{Load: "01JFIRST" + strings.Trim(at, "^ "), Run: m.Run, Attempt: 1})
			first <- err
		}()
		<-held.Acted()
		if _, err := c.bring(c.follow(), c.m); err != nil {
			t.Errorf("the second follower gives %v", err)
		}
		held.Release()
		if err := <-first; !errors.Is(err, load.ErrFenced) {
			t.Errorf("held at %s, the first follower gives %v, want %v", at, err, load.ErrFenced)
		}
		for name, state := range c.seen() {
			if state != c.n%2 {
				t.Errorf("held at %s, %s is in state %d", at, name, state)
			}
		}
	}
}

// TestRacingLoads: one load is held right before it publishes, and another brings the next state meanwhile: it ends the transaction of the
// first, if that is in one.
func TestRacingLoads(t *testing.T) {
	for _, c := range []struct {
		at   string
		keep Keep
		key  []string
	}{
		{"SWAP WITH", Keep{Swap: true}, nil},
		{"RENAME TO", Keep{}, nil},
		{"^INSERT OVERWRITE", Keep{}, nil},
		{`^MERGE INTO "ANALYTICS"."MART"`, Keep{}, []string{"id"}},
		{`(?s)^UPDATE .*_LOADS.*committed`, Keep{}, nil},
		{"^COMMIT", Keep{}, nil},
	} {
		t.Run(c.at, func(t *testing.T) {
			t.Parallel()
			x, p := newTruth(t), newPlace(t)
			f := func() *Follower {
				return p.follower(x, func(cfg *Config) {
					cfg.Conn.Retries, cfg.Keep = -1, func(warehouse.Name) Keep { return c.keep }
				})
			}
			if c.at != "RENAME TO" {
				p.brought(f(), x.publish("r1", x.table("t", c.key, "SELECT 1 AS id, 'a' AS v")))
			}
			held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(c.at), Do: snowfake.Hang})
			first := make(chan error, 1)
			older, m := f(), x.publish("r2", x.table("t", c.key, "SELECT 1 AS id, 'b' AS v"))
			go func() {
				_, err := older.Bring(context.WithoutCancel(t.Context()), m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1})
				first <- err
			}()
			<-held.Acted()
			m = x.publish("r3", x.table("t", c.key, "SELECT 1 AS id, 'c' AS v"))
			p.brought(f(), m)
			held.Release()
			if err := <-first; !errors.Is(err, load.ErrFenced) {
				t.Errorf("held at %s, the first load gives %v, want %v", c.at, err, load.ErrFenced)
			}
			p.follows(x, f(), m, "")
		})
	}
}

// TestAbortedTransaction: it is ended from outside after each of its statements. Those that come after it leave nothing behind by themselves.
func TestAbortedTransaction(t *testing.T) {
	parts := Keep{Mode: "partition", PartitionBy: []string{"id"}} // by more than one statement
	c := newCrashes(t, func(n warehouse.Name) Keep { return map[string]Keep{"prices": parts}[n.Table] }, func(x *truth) [2][]load.Table {
		return [2][]load.Table{
			{x.table("orders", []string{"id"}, "SELECT 1 AS id, 'a' AS v"), x.table("prices", nil, "SELECT 1 AS id, 'a' AS v")},
			{x.table("orders", []string{"id"}, "SELECT 2 AS id, 'b' AS v"), x.table("prices", nil, "SELECT 1 AS id, 'b' AS v")},
		}
	}, nil)
	at := 0
	for aborted := true; aborted; at++ {
		c.next()
		within := 0
		aborted = false
		_, err := c.follow().Bring(t.Context(), c.m, load.Bringing{Load: fmt.Sprintf("01JFIRST%d", at), Run: c.m.Run, Attempt: 1, Record: func(_ context.Context, s load.Statement) error {
			if within > 0 || strings.HasPrefix(s.SQL, "BEGIN") {
				if s.Ended != nil {
					within++
				}
			}
			if s.Ended == nil || within != at+1 || s.SQL == "COMMIT" {
				return nil
			}
			aborted = c.abortAll() || aborted
			return nil
		}})
		if !aborted {
			if err != nil {
				t.Errorf("a load that nobody has aborted gives %v", err)
			}
			break
		}
		if !errors.Is(err, load.ErrFenced) {
			t.Errorf("aborted after statement %d of its transaction, the load gives %v, want %v", at, err, load.ErrFenced)
		}
		for name, state := range c.seen() {
			if state == c.n%2 {
				t.Errorf("aborted after statement %d of its transaction, %s has been brought", at, name)
			}
		}
		c.brought(c.follow(), c.m)
	}
	if at < 8 {
		t.Errorf("only %d statements were tried", at)
	}
}

// TestAbortedTakeover: a load that brings no table is not done either when its transaction was ended.
func TestAbortedTakeover(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f, table := p.follower(x), x.table("t", nil, "SELECT 1 AS id")
	p.brought(f, x.publish("r1", table))
	m := x.publish("r2", table)
	m.Target = "another"
	ids := 0
	_, err := f.Bring(t.Context(), m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1, Anew: true, Record: func(_ context.Context, s load.Statement) error {
		if s.Ended != nil && strings.HasPrefix(s.SQL, "SELECT CURRENT_TRANSACTION") {
			if ids++; ids == 2 {
				p.abortAll()
			}
		}
		return nil
	}})
	if !errors.Is(err, load.ErrFenced) {
		t.Errorf("it says %v", err)
	}
	if at, err := f.Standing(t.Context()); err != nil || at.Target == "another" {
		t.Errorf("the place is that of %+v, %v", at, err)
	}
}

// abortAll ends all open transactions, and says whether there were any.
func (p *place) abortAll() (any bool) {
	p.Helper()
	for _, row := range p.rows("SHOW TRANSACTIONS") {
		any = true
		p.rows("SELECT SYSTEM$ABORT_TRANSACTION(" + strings.SplitN(row, "|", 2)[0] + ")")
	}
	return any
}

// TestLostCommitOvertaken: the answer to a COMMIT is lost, and another load brings a later state before the first has asked what became of it.
func TestLostCommitOvertaken(t *testing.T) {
	for when, want := range map[snowfake.When]error{snowfake.Before: load.ErrFenced, snowfake.After: nil} {
		c := newCrashes(t, func(warehouse.Name) Keep { return Keep{} }, func(x *truth) [2][]load.Table {
			return [2][]load.Table{{x.table("t", nil, "SELECT 1 AS id")}, {x.table("t", nil, "SELECT 2 AS id")}}
		}, nil)
		c.next()
		m := c.m
		c.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^COMMIT"), When: when, Do: snowfake.Drop})
		lost := false
		_, err := c.follow().Bring(t.Context(), m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1, Record: func(_ context.Context, s load.Statement) error {
			switch {
			case s.SQL == "COMMIT" && s.Error != "":
				lost = true
			case lost && s.Ended == nil: // the first that it sends then
				lost = false
				c.next()
				c.brought(c.follow(), c.m)
			}
			return nil
		}})
		if c.m == m || !errors.Is(err, want) {
			t.Errorf("cut %s COMMIT and overtaken, a load gives %v, want %v", when, err, want)
		}
		if got := c.seen()["t"]; got != c.n%2 {
			t.Errorf("cut %s COMMIT and overtaken, the table is in state %d", when, got)
		}
		c.follows(c.x, c.follow(), c.m, "")
	}
}

// TestLostCommitWithoutTables: the answer to the COMMIT of a transaction without tables is lost, whether it was executed or not. The load
// goes on, and no other has taken over.
func TestLostCommitWithoutTables(t *testing.T) {
	for _, when := range []snowfake.When{snowfake.Before, snowfake.After} {
		x, y, p := newTruth(t), newTruth(t), newPlace(t)
		edit := func(c *Config) {
			c.Conn.Retries, c.Keep = -1, func(warehouse.Name) Keep { return Keep{Swap: true} }
		}
		f, g := p.follower(x, edit), p.follower(y, edit)
		lost := func() *snowfake.Injected {
			return p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^COMMIT"), When: when, Do: snowfake.Drop})
		}
		faults := []*snowfake.Injected{lost()}
		p.follows(x, f, x.publish("r1", x.table("t", nil, "SELECT 1 AS id")), "t new")
		faults = append(faults, lost())
		next := x.table("t", nil, "SELECT 2 AS id")
		p.follows(x, f, x.publish("r2", next), "t swap")
		y.publish("r0", next)
		y.publish("r1", next)
		faults = append(faults, lost())
		if l := p.anew(g, y.publish("r3", next)); modes(l) != "" {
			t.Errorf("the same rows are brought: %s", modes(l))
		}
		if standing, err := g.Standing(t.Context()); err != nil || standing.Run != "r3" {
			t.Errorf("standing %+v, %v", standing, err)
		}
		for i, fault := range faults {
			if fault.Hits() != 1 {
				t.Errorf("COMMIT %d was not cut", i)
			}
		}
	}
}

// TestLateRename: a client dies whose RENAME is still on its way. It arrives after another load has begun, which does not come far.
func TestLateRename(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := func() *Follower { return p.follower(x, func(c *Config) { c.Conn.Retries = -1 }) }
	m := x.publish("r1", x.table("t", nil, "SELECT 2 AS id"))
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("RENAME TO"), Do: snowfake.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	var rename string
	first := make(chan error, 1)
	dying := f()
	go func() {
		_, err := dying.Bring(ctx, m, load.Bringing{Load: "01JFIRST", Run: m.Run, Attempt: 1, Record: func(_ context.Context, s load.Statement) error {
			if strings.Contains(s.SQL, "RENAME TO") {
				rename = s.SQL
			}
			return nil
		}})
		first <- err
	}()
	<-held.Acted()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("the client that dies says %v", err)
	}
	held.Withdraw()
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^PUT"), Do: snowfake.Drop})
	if _, err := p.bring(f(), m); err == nil {
		t.Fatal("a load that was cut off says nothing")
	}
	if _, err := p.ask(rename); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a rename of a load that was overtaken gives %v", err)
	}
	p.follows(x, f(), m, "t new")
}

// TestRepeatedRequests: a server that does not know a request again executes it twice. Nothing is green that is not there.
func TestRepeatedRequests(t *testing.T) {
	grown := func(x *truth, base load.Table) load.Table {
		next := base
		next.Base = append(slices.Clone(base.Base), x.file("SELECT range AS id, 'a' AS v FROM range(4, 6)"))
		return x.counted(next)
	}
	changed := func(x *truth, base load.Table) load.Table {
		return x.delta(base, "SELECT range AS id, 'b' AS v FROM range(2, 6)", "SELECT CAST(0 AS BIGINT) AS id")
	}
	replaced := func(x *truth, _ load.Table) load.Table { return x.table("t", nil, "SELECT 7 AS id, 'c' AS v") }
	for _, c := range []struct {
		keep Keep
		key  []string
		next func(*truth, load.Table) load.Table
		at   string
	}{
		{Keep{Mode: "append"}, nil, grown, "^INSERT INTO"},
		{Keep{Mode: "append"}, nil, grown, "^COPY INTO"},
		{Keep{Mode: "append"}, nil, grown, "^COMMIT"},
		{Keep{Mode: "merge"}, []string{"id"}, changed, `^MERGE INTO "ANALYTICS"."MART"`},
		{Keep{Mode: "full"}, nil, replaced, "^INSERT OVERWRITE"},
		{Keep{Swap: true}, nil, replaced, "SWAP WITH"},
		{Keep{Swap: true}, nil, replaced, `^DROP TABLE IF EXISTS "ANALYTICS"."MART"."T__MR_`},
		{Keep{Swap: true}, nil, replaced, `(?s)^UPDATE .*_LOADS.*committed`},
	} {
		t.Run(c.keep.Mode+c.at, func(t *testing.T) {
			t.Parallel()
			x, p := newTruth(t), newPlace(t)
			p.repeats()
			f := p.follower(x, func(cfg *Config) { cfg.Keep = func(warehouse.Name) Keep { return c.keep } })
			base := x.table("t", c.key, "SELECT range AS id, 'a' AS v FROM range(4)")
			renamed := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("RENAME TO"), When: snowfake.After, Do: snowfake.Drop})
			p.follows(x, f, x.publish("r1", base), "t new")
			m := x.publish("r2", c.next(x, base))
			fault := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(c.at), When: snowfake.After, Do: snowfake.Drop})
			if _, err := p.bring(f, m); err == nil {
				p.equals(x, f, m)
			} else {
				p.holds(x, &base, "ANALYTICS.MART.T")
			}
			p.brought(f, m)
			p.equals(x, f, m)
			if renamed.Hits() != 1 || fault.Hits() != 1 {
				t.Errorf("%d and %d requests were sent twice", renamed.Hits(), fault.Hits())
			}
		})
	}
}
