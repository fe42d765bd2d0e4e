package snowflake

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// told is the error with its hint.
func told(err error) string {
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		return err.Error() + "; " + hint.Hint()
	}
	return err.Error()
}

func TestPrepareRefuses(t *testing.T) {
	for _, c := range []struct {
		about   string
		account func(*snowfake.AccountConfig)
		sql     string // there, before
		follow  func(*Config)
		want    string
	}{
		{"a token that is not the user's", nil, "", func(c *Config) { c.Conn.Auth.Token = "another" }, "log in"},
		{"no such database", nil, "", func(c *Config) { c.Conn.Database, c.Naming.Database = "NOWHERE", "NOWHERE" }, "database"},
		{"no such warehouse", nil, "", func(c *Config) { c.Conn.Warehouse = "NO_WH" }, "warehouse"},
		{"a warehouse that does not resume", func(c *snowfake.AccountConfig) {
			c.Warehouses = []snowfake.WarehouseSpec{{Name: "LOAD_WH", Suspended: true, NoResume: true}}
		}, "", nil, "AUTO_RESUME"},
		{"a role that may not make schemas", nil, "GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER;GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER",
			func(c *Config) { c.Conn.Role = "LOADER" }, `GRANT CREATE SCHEMA ON DATABASE "ANALYTICS" TO ROLE LOADER`},
		{"a table of somebody else", nil, "CREATE SCHEMA ANALYTICS.MART;CREATE TABLE ANALYTICS.MART.T (A NUMBER(10,0))", nil, "not made by this project: \"ANALYTICS\".\"MART\".\"T\" is there, owned by role ACCOUNTADMIN"},
		{"a view of somebody else", nil, "CREATE SCHEMA ANALYTICS.MART;CREATE VIEW ANALYTICS.MART.T AS SELECT 1 AS A", nil, "not made by this project: \"ANALYTICS\".\"MART\".\"T\" is there, a VIEW owned by role ACCOUNTADMIN"},
	} {
		t.Run(c.about, func(t *testing.T) {
			x := newTruth(t)
			var edits []func(*snowfake.AccountConfig)
			if c.account != nil {
				edits = append(edits, c.account)
			}
			p := newPlace(t, edits...)
			for _, sql := range strings.Split(c.sql, ";") {
				if sql != "" {
					p.rows(sql)
				}
			}
			f := p.follower(x, func(cfg *Config) {
				cfg.Nodes = []warehouse.Name{{Schema: "main", Table: "t"}}
				if c.follow != nil {
					c.follow(cfg)
				}
			})
			err := f.Prepare(t.Context())
			if err == nil {
				t.Fatal("Prepare refuses nothing")
			}
			if !strings.Contains(told(err), c.want) {
				t.Fatalf("Prepare says %s, want %q", told(err), c.want)
			}
			if strings.Contains(told(err), token) {
				t.Error("the token stands in the error")
			}
			if errors.Is(err, load.ErrAway) {
				t.Error("a mistake is taken for something that passes")
			}
		})
	}
}

// TestPrepareFindsNobody: whichever statement of it the server or a proxy fails on, the place does not answer.
func TestPrepareFindsNobody(t *testing.T) {
	for _, match := range []string{"^SHOW", "^CREATE SCHEMA", "^LIST"} {
		p := newPlace(t)
		f := p.follower(newTruth(t))
		p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(match), Do: snowfake.Status, Code: 400, Times: 1000}) // which the driver does not repeat for minutes
		if err := f.Prepare(t.Context()); !errors.Is(err, load.ErrAway) {
			t.Errorf("%s: %v", match, err)
		}
	}
}

// TestBringRefuses: what is refused is told, and nothing of it is published.
func TestBringRefuses(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	t1 := x.table("t", nil, "SELECT range AS id FROM range(10)")
	m1 := x.publish("r1", t1)

	dear := p.follower(x, func(c *Config) { c.MaxCredits = 0.000001 })
	if _, err := p.bring(dear, m1); !errors.Is(err, load.ErrTooDear) || !strings.Contains(err.Error(), "max_credits of the target is 0.000001:") || strings.Contains(err.Error(), " 0 ") {
		t.Errorf("over max_credits, Bring says %v", err)
	}
	p.follows(x, f, m1, "t new")
	t2 := t1
	t2.Base = append(t2.Base, x.file("SELECT 10 AS id"))
	m2 := x.publish("r2", x.counted(t2))

	// Somebody else has written to the table: the counts do not add up.
	p.rows("INSERT INTO ANALYTICS.MART.T (ID) VALUES (77)")
	if _, err := p.bring(f, m2); !errors.Is(err, load.ErrUnproven) || !strings.Contains(err.Error(), "would have 12 rows") {
		t.Errorf("of a table that another has written to, Bring says %v", err)
	}
	if n := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.T"); n[0] != "11" {
		t.Errorf("after a load that failed there are %s rows", n)
	}
	compared, err := f.Verify(t.Context(), m1, nil)
	if err != nil || compared[0].Equal || !strings.Contains(strings.Join(compared[0].Problems, " "), "10 rows here, 11 there") {
		t.Errorf("verify says %+v, %v", compared, err)
	}
	if _, err := p.bring(f, m2, t1.Name); err != nil {
		t.Fatal(err)
	}
	p.equals(x, f, m2)
	if _, err := p.bring(f, m1); !errors.Is(err, load.ErrAhead) {
		t.Errorf("of an older snapshot, Bring says %v", err)
	}

	// It was dropped there.
	p.rows("DROP TABLE ANALYTICS.MART.T")
	t3 := t2
	t3.Base = append(t3.Base, x.file("SELECT 11 AS id"))
	p.follows(x, f, x.publish("r3", x.counted(t3)), "t new")

	// A file of the local target is damaged.
	t4 := x.table("t", nil, "SELECT range AS id FROM range(3)")
	m4 := x.publish("r4", t4)
	if err := os.WriteFile(m4.Tables[0].Base[0].Path, []byte("PAR1 this is no parquet PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.bring(f, m4); err == nil {
		t.Error("a damaged file was brought")
	}
	p.holds(x, &t3, "ANALYTICS.MART.T")
}

// TestNameIsTaken: what has a table's name, and the role may not see, is found by the rename. The other tables are brought, and nothing is left.
func TestNameIsTaken(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	for _, sql := range []string{"CREATE SCHEMA ANALYTICS.MART", "CREATE TABLE ANALYTICS.MART.A (X NUMBER(10,0))", "GRANT USAGE, CREATE SCHEMA ON DATABASE ANALYTICS TO ROLE LOADER",
		"GRANT USAGE, CREATE TABLE, CREATE STAGE ON SCHEMA ANALYTICS.MART TO ROLE LOADER", "GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER"} {
		p.rows(sql)
	}
	f := p.follower(x, func(c *Config) { c.Conn.Role = "LOADER" })
	m := x.publish("r1", x.table("a", nil, "SELECT 1 AS id"), x.table("b", nil, "SELECT 2 AS id"))
	for range 2 {
		_, err := p.bring(f, m)
		if !errors.Is(err, load.ErrForeign) || !strings.HasPrefix(err.Error(), `main.a cannot be brought: not made by this project: "ANALYTICS"."MART"."A" is there, though role LOADER may not see it,`) {
			t.Fatalf("Bring says %v", err)
		}
		if got := p.rows("SELECT ID FROM ANALYTICS.MART.B"); len(got) != 1 || got[0] != "2" {
			t.Errorf("the other table holds %v", got)
		}
		if left := append(p.rows("SHOW TABLES LIKE '%__MR_%' IN SCHEMA ANALYTICS.MART"), p.rows("LIST @ANALYTICS.MART.MILLRACE_STAGE/")...); len(left) > 0 {
			t.Errorf("it leaves %v", left)
		}
	}
	p.rows("DROP TABLE ANALYTICS.MART.A")
	p.follows(x, f, m, "a new")
	p.rows("DROP TABLE ANALYTICS.MART.A")
	p.rows("CREATE VIEW ANALYTICS.MART.A AS SELECT 1 AS X")
	m = x.publish("r2", x.table("a", nil, "SELECT 3 AS id"))
	before := len(p.server.Statements())
	admin := p.follower(x)
	if _, err := p.bring(admin, m); !errors.Is(err, load.ErrForeign) || !strings.Contains(err.Error(), "a VIEW owned by role ACCOUNTADMIN") {
		t.Errorf("of a view in the place of its table, Bring says %v", err)
	}
	for _, st := range p.server.Statements()[before:] {
		if strings.HasPrefix(st.SQL, "PUT") {
			t.Error("it was sent nevertheless")
		}
	}
}

// TestTooLong: a number of more digits than Snowflake keeps is told by its column, without its value.
func TestTooLong(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	m := x.publish("r1", x.view("v", "SELECT 170141183460469231731687303715884105727::HUGEINT AS big"))
	if _, err := p.bring(p.follower(x), m); err == nil || !strings.Contains(err.Error(), `column "big": a number has more than 38 digits`) || strings.Contains(err.Error(), "17014118") {
		t.Errorf("Bring says %v", err)
	}
}

// TestSwapRefuses: what hangs on a table would be lost by a swap.
func TestSwapRefuses(t *testing.T) {
	for _, sql := range []string{"CREATE STREAM ANALYTICS.MART.S ON TABLE ANALYTICS.MART.T",
		"ALTER TABLE ANALYTICS.MART.T ADD ROW ACCESS POLICY P ON (ID)"} {
		x, p := newTruth(t), newPlace(t)
		f := p.follower(x, func(c *Config) { c.Keep = func(warehouse.Name) Keep { return Keep{Swap: true} } })
		old := x.table("t", nil, "SELECT range AS id FROM range(10)")
		p.follows(x, f, x.publish("r1", old), "t new")
		for _, one := range strings.Split(sql, ";") {
			p.rows(one)
		}
		m := x.publish("r2", x.table("t", nil, "SELECT 1 AS id"))
		if _, err := p.bring(f, m); err == nil || !strings.Contains(err.Error(), "strategy: overwrite") {
			t.Errorf("after %s, Bring says %v", sql, err)
		}
		p.holds(x, &old, "ANALYTICS.MART.T")
	}
}

// TestUnproven: what the stage holds is not what was sent.
func TestUnproven(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m := x.publish("r1", x.table("t", nil, "SELECT range AS id FROM range(10)"))
	cut := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^PUT"), When: snowfake.After, Do: snowfake.LoseTail})
	_, err := p.bring(f, m)
	if cut.Hits() != 1 || err == nil {
		t.Errorf("a file that was cut in the stage: %v", err)
	}
	// The staging table has one value more than was sent.
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`(?s)^SELECT.*"HASH".*__MR_`), Do: snowfake.Hang})
	failed := make(chan error, 1)
	go func() {
		_, err := f.Bring(context.WithoutCancel(t.Context()), m, load.Bringing{Load: "01JPROOF", Run: "r1", Attempt: 1})
		failed <- err
	}()
	<-held.Acted()
	p.rows("UPDATE ANALYTICS.MART.T__MR_01JPROOF SET ID = 77 WHERE ID = 7")
	held.Release()
	if err := <-failed; !errors.Is(err, load.ErrUnproven) || !strings.Contains(err.Error(), `main.t cannot be brought: what arrived is not what was sent`) || !strings.Contains(err.Error(), `column "id": sum 45 here, 115 there`) {
		t.Errorf("of a value that is another there, Bring says %v", err)
	}
	if _, err := f.Standing(t.Context()); !errors.Is(err, load.ErrNothing) {
		t.Errorf("after that, Standing says %v", err)
	}
	p.follows(x, f, m, "t new")
}

// TestDuplicateKeys: a table whose key is there twice, because another has written it, is told of in words.
func TestDuplicateKeys(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(10)")
	p.follows(x, f, x.publish("r1", table), "t new")
	err := readable(&snowflake.Error{Kind: snowflake.KindDuplicate, Code: 100090, Message: "Duplicate row detected during DML action"}, &change{of: &table, LoadedTable: load.LoadedTable{As: "T"}})
	if !strings.Contains(err.Error(), "a key [id] more than once") {
		t.Errorf("it reads %v", err)
	}
	p.rows("INSERT INTO ANALYTICS.MART.T (ID, V) VALUES (3, 'again')")
	if _, err := p.bring(f, x.publish("r2", x.delta(table, "SELECT 3 AS id, 'b' AS v", ""))); !errors.Is(err, load.ErrUnproven) {
		t.Errorf("a key that is there twice: %v", err)
	}
}

// TestSweep removes what loads have left that failed, once it is old enough.
func TestSweep(t *testing.T) {
	x := newTruth(t)
	now := time.Now().UTC() // the files in the stage have the time of the machine
	clock := func() time.Time { return now }
	p := newPlace(t, func(c *snowfake.AccountConfig) { c.Clock = clock })
	f := p.follower(x, func(c *Config) { c.Clock, c.Conn.Clock, c.KeepStaging = clock, clock, 7*24*time.Hour })
	table := x.table("t", nil, "SELECT range AS id FROM range(10)")
	m := x.publish("r1", table)
	p.follows(x, f, m, "t new")
	m = x.publish("r2", x.table("t", nil, "SELECT range AS id FROM range(3)"))
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT OVERWRITE"), Do: snowfake.Status, Code: 503, Times: 100})
	failing := p.follower(x, func(c *Config) { c.Clock, c.Conn.Clock, c.Conn.Retries = clock, clock, -1 })
	if _, err := p.bring(failing, m); err == nil {
		t.Fatal("a load that could not publish did not fail")
	}
	young, err := f.Sweep(t.Context(), false)
	if err != nil || len(young.Tables)+len(young.Stages) > 0 || len(young.Kept) != 2 {
		t.Errorf("at once it sweeps %+v, %v", young, err)
	}
	now = now.Add(8 * 24 * time.Hour)
	running, err := f.Sweep(t.Context(), false)
	if err != nil || len(running.Tables)+len(running.Stages) > 0 || len(running.Kept) != 2 {
		t.Errorf("of a load that the ledger has not decided it sweeps %+v, %v", running, err)
	}
	p.rows("UPDATE ANALYTICS.MILLRACE_META._LOADS SET STATE = 'failed' WHERE STATE = 'started'") // the next load would drop the table
	m = x.publish("r3", x.table("t", nil, "SELECT range AS id, 'x' AS v FROM range(3)"))
	swap := p.follower(x, func(c *Config) {
		c.Clock, c.Conn.Clock, c.Keep = clock, clock, func(warehouse.Name) Keep { return Keep{Swap: true} }
	})
	p.follows(x, swap, m, "t swap")
	dry, err := f.Sweep(t.Context(), true)
	if err != nil || len(dry.Tables) != 1 || len(dry.Stages) != 1 {
		t.Errorf("it would sweep %+v, %v", dry, err)
	}
	done, err := f.Sweep(t.Context(), false)
	if err != nil || len(done.Tables) != 1 || len(done.Stages) != 1 {
		t.Errorf("it sweeps %+v, %v", done, err)
	}
	again, err := f.Sweep(t.Context(), false)
	if err != nil || len(again.Tables)+len(again.Stages)+len(again.Kept) > 0 {
		t.Errorf("and then %+v, %v", again, err)
	}
	p.holds(x, &m.Tables[0], "ANALYTICS.MART.T")
}

// TestSweepsOnlyItsOwn: what is named as staging tables nearly are, and what other projects are at work on, stays.
func TestSweepsOnlyItsOwn(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	x.now = time.Now().UTC() // the files in the stage have the time of the machine
	f := p.follower(x)
	m := x.publish("r1", x.table("teamroster", nil, "SELECT 1 AS id"), x.table("summresults", nil, "SELECT 1 AS id"))
	p.brought(f, m)
	others := []string{"OLD__MR_RESULTS", "T__MR_01JDQ8Z6M0N3V4W5X6Y7Z8A9B0"}
	for _, name := range others {
		p.rows("CREATE TABLE ANALYTICS.MART." + name + " (ID NUMBER(10,0))")
	}
	next := x.publish("r2", m.Tables[0], m.Tables[1], x.table("t", nil, "SELECT 1 AS id"))
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("RENAME TO"), Do: snowfake.Hang})
	first := make(chan error, 1)
	go func() {
		_, err := f.Bring(context.WithoutCancel(t.Context()), next, load.Bringing{Load: "01JDQ8Z6M0N3V4W5X6Y7Z8A9B1", Run: "r2", Attempt: 1})
		first <- err
	}()
	<-held.Acted()
	for _, project := range []string{"shop", "other"} {
		sweeper := p.follower(x, func(c *Config) { c.Project, c.Clock = project, func() time.Time { return x.now.AddDate(1, 0, 0) } })
		swept, err := sweeper.Sweep(t.Context(), false)
		if err != nil || len(swept.Tables)+len(swept.Stages) > 0 || len(swept.Kept) != 3 || !strings.Contains(strings.Join(swept.Kept, "\n"), "is not over") {
			t.Errorf("the sweeper of %s sweeps %+v, %v", project, swept, err)
		}
	}
	held.Release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	for _, name := range others {
		p.rows("SELECT ID FROM ANALYTICS.MART." + name)
	}
	p.follows(x, f, next, "")
}

// TestPlanForecasts says what Bring then does, and changes nothing.
func TestPlanForecasts(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(1000)")
	m := x.publish("r1", table)
	planned, err := f.Plan(t.Context(), m, nil, load.Bringing{})
	if err != nil {
		t.Fatal(err)
	}
	before := len(p.server.Statements())
	done := p.follows(x, f, m, "t new")
	sent := p.server.Statements()[before:]
	if modes(planned) != modes(done) || planned.Bytes != done.Bytes || planned.Files != done.Files {
		t.Errorf("planned %+v, done %+v", planned, done)
	}
	if done.Statements > len(sent) || done.Statements < 20 || done.Tables[0].Statements > done.Statements || done.Together {
		t.Errorf("done with %d statements, %d of the table; %d were sent", done.Statements, done.Tables[0].Statements, len(sent))
	}
	if planned.Credits <= 0 || planned.Seconds <= 0 || planned.Statements <= 0 {
		t.Errorf("the forecast is %+v", planned.LoadCost)
	}
	standing, err := f.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m = x.publish("r2", x.delta(table, "SELECT 5 AS id, 'b' AS v", ""))
	if planned, err = f.Plan(t.Context(), m, standing, load.Bringing{}); err != nil || modes(planned) != "t merge" || planned.Bytes != m.Tables[0].Upserts[0].Bytes {
		t.Errorf("planned %+v, %v", planned, err)
	}
	if again, err := f.Standing(t.Context()); err != nil || again.Snapshot != standing.Snapshot {
		t.Errorf("after Plan, Standing says %+v, %v", again, err)
	}
}

// TestOtherNames: a table that gets another name, or comes back to an old one, replaces nothing but what its own loads have made.
func TestOtherNames(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	node := warehouse.Name{Schema: "main", Table: "t"}
	named := func(as string) *Follower {
		return p.follower(x, func(c *Config) {
			c.Nodes, c.Naming.As = []warehouse.Name{node}, map[warehouse.Name]string{node: as}
		})
	}
	m := x.publish("r1", x.table("t", nil, "SELECT 1 AS id"))
	p.follows(x, named(""), m, "t new")
	p.rows("CREATE TABLE ANALYTICS.MART.PAYROLL (WHO VARCHAR)")
	p.rows("CREATE TABLE ANALYTICS.MART.CLONED (ID NUMBER(10,0))")
	p.rows("COMMENT ON TABLE ANALYTICS.MART.CLONED IS 'mr:01J00000000000000000000001'") // the comment of t
	for _, as := range []string{"PAYROLL", "CLONED"} {
		f := named(as)
		if err := f.Prepare(t.Context()); as == "PAYROLL" && !errors.Is(err, load.ErrForeign) {
			t.Errorf("as %s, Prepare says %v", as, err)
		}
		if l, err := p.bring(f, m); !errors.Is(err, load.ErrForeign) || len(l.Tables) != 1 || l.Tables[0].Error == "" {
			t.Errorf("as %s, Bring says %v of %+v", as, err, l.Tables)
		}
	}
	p.rows("SELECT WHO FROM ANALYTICS.MART.PAYROLL")
	p.rows("SELECT ID FROM ANALYTICS.MART.CLONED")

	m = x.publish("r2", x.table("t", nil, "SELECT 2 AS id"))
	l := p.follows(x, named("T2"), m, "t new")
	if why := l.Tables[0].Why; !strings.Contains(why, `DROP TABLE IF EXISTS "ANALYTICS"."MART"."T" removes it`) {
		t.Errorf("of the former name it says %q", why)
	}
	m = x.publish("r3", x.table("t", nil, "SELECT 3 AS id"))
	f := named("")
	if err := f.Prepare(t.Context()); err != nil {
		t.Errorf("of the name that it had first, Prepare says %v", err)
	}
	p.follows(x, f, m, "t swap")

	empty, err := x.loader.Publish(t.Context(), load.Publication{Run: "r4", Attempt: 1, Project: "shop", Drop: []warehouse.Name{node}})
	if err != nil {
		t.Fatal(err)
	}
	if l := p.follows(x, named("T3"), empty, "t none"); !strings.Contains(l.Tables[0].Why, `DROP TABLE IF EXISTS "ANALYTICS"."MART"."T" removes`) {
		t.Errorf("of a table that has left, as another name, it says %q", l.Tables[0].Why)
	}
}

// TestRenamedProject: the tables of a project whose name, or whose target's schema, was another are told from those of strangers.
func TestRenamedProject(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	table := x.table("t", nil, "SELECT 1 AS id")
	table.Schema = "erp"
	m := x.publish("r1", table)
	p.follows(x, p.follower(x), m, "t new")
	for want, edit := range map[string]func(*Config){
		"of project shop with schema MART, while this is project shop with schema MART2":  func(c *Config) { c.Naming.Schema = "MART2" },
		"of project shop with schema MART, while this is project bazaar with schema MART": func(c *Config) { c.Project = "bazaar" },
	} {
		if _, err := p.bring(p.follower(x, edit), m); !errors.Is(err, load.ErrForeign) || !strings.Contains(err.Error(), want) {
			t.Errorf("Bring says %v", err)
		}
	}
	p.follows(x, p.follower(x), m, "")
}

// TestLeftBehind: a table that a load has made which the ledger then gave up is the project's, and is replaced.
func TestLeftBehind(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) { c.Conn.Retries = -1 })
	m := x.publish("r1", x.table("t", nil, "SELECT 1 AS id"))
	for _, at := range []string{"RENAME TO", "^PUT"} { // the second load gives up the first
		p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(at), Do: snowfake.Drop})
		if _, err := p.bring(f, m); err == nil {
			t.Fatalf("cut at %s, a load says nothing", at)
		}
	}
	p.rows("CREATE TABLE ANALYTICS.MART.T (ID NUMBER(10,0))")
	p.rows("COMMENT ON TABLE ANALYTICS.MART.T IS 'mr:01J00000000000000000000001'")
	p.follows(x, f, m, "t swap")
}
