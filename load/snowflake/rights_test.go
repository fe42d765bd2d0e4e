package snowflake

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// TestPrepareTellsAllGrants: one look tells everything that the role lacks, and what an administrator's stage does not let it do.
func TestPrepareTellsAllGrants(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	for _, sql := range []string{"CREATE SCHEMA ANALYTICS.MART", "CREATE STAGE ANALYTICS.MART.MILLRACE_STAGE", "CREATE SCHEMA ANALYTICS.MILLRACE_META", "GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER",
		"GRANT USAGE, CREATE STAGE ON SCHEMA ANALYTICS.MART TO ROLE LOADER", "GRANT READ ON STAGE ANALYTICS.MART.MILLRACE_STAGE TO ROLE LOADER", "GRANT USAGE ON SCHEMA ANALYTICS.MILLRACE_META TO ROLE LOADER",
		"GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER"} {
		p.rows(sql)
	}
	var log bytes.Buffer
	f := p.follower(x, func(c *Config) {
		c.Conn.Role, c.Nodes, c.Log = "LOADER", []warehouse.Name{{Schema: "main", Table: "t"}}, slog.New(slog.NewTextHandler(&log, nil))
	})
	err := f.Prepare(t.Context())
	if err == nil {
		t.Fatal("Prepare refuses nothing")
	}
	for _, want := range []string{`GRANT CREATE TABLE ON SCHEMA "ANALYTICS"."MILLRACE_META" TO ROLE LOADER`, `GRANT CREATE TABLE ON SCHEMA "ANALYTICS"."MART" TO ROLE LOADER`,
		`GRANT READ, WRITE ON STAGE "ANALYTICS"."MART"."MILLRACE_STAGE" TO ROLE LOADER`} {
		if strings.Count(told(err), want) != 1 {
			t.Errorf("Prepare says %s, and is to say %q once", told(err), want)
		}
	}
	for _, sql := range []string{"GRANT CREATE TABLE ON SCHEMA ANALYTICS.MART TO ROLE LOADER", "GRANT CREATE TABLE ON SCHEMA ANALYTICS.MILLRACE_META TO ROLE LOADER",
		"GRANT WRITE ON STAGE ANALYTICS.MART.MILLRACE_STAGE TO ROLE LOADER", "CREATE TABLE ANALYTICS.MART.T (ID NUMBER(10,0)) COMMENT = 'mr:01J'", "GRANT SELECT ON TABLE ANALYTICS.MART.T TO ROLE LOADER"} {
		p.rows(sql)
	}
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(told(err))
	}
	if !strings.Contains(log.String(), `GRANT OWNERSHIP ON TABLE`) {
		t.Errorf("of a table that another role owns, it warns %q", log.String())
	}
}

// TestOwnTables: what the target's own loads have made is not taken for somebody else's.
func TestOwnTables(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	one := x.table("t", nil, "SELECT 1 AS id")
	p.brought(p.follower(x), x.publish("r1", one))
	m := x.publish("r2", one, x.table("u", nil, "SELECT 2 AS id"))
	as := func(names map[string]string) *Follower {
		return p.follower(x, func(c *Config) {
			c.Naming.As = map[warehouse.Name]string{}
			for node, name := range names {
				c.Naming.As[warehouse.Name{Schema: "main", Table: node}] = name
			}
		})
	}
	p.refuses(as(map[string]string{"t": "T2", "u": "T"}), m, "u", `the ledger has it as what this project has brought of main.t`)
	for _, sql := range []string{"GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER", "GRANT USAGE, CREATE TABLE, CREATE STAGE ON SCHEMA ANALYTICS.MART TO ROLE LOADER", "GRANT READ, WRITE ON STAGE ANALYTICS.MART.MILLRACE_STAGE TO ROLE LOADER",
		"GRANT USAGE ON SCHEMA ANALYTICS.MILLRACE_META TO ROLE LOADER", "GRANT SELECT, INSERT, UPDATE ON TABLE ANALYTICS.MILLRACE_META._LOADS TO ROLE LOADER", "GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER",
		"GRANT SELECT, INSERT, UPDATE ON TABLE ANALYTICS.MILLRACE_META._TARGETS TO ROLE LOADER", "GRANT CREATE TABLE ON SCHEMA ANALYTICS.MILLRACE_META TO ROLE LOADER"} {
		p.rows(sql)
	}
	other := p.follower(x, func(c *Config) { c.Conn.Role = "LOADER" })
	l, err := p.bring(other, m)
	if err == nil || !strings.Contains(err.Error(), `GRANT OWNERSHIP ON TABLE "ANALYTICS"."MART"."T" TO ROLE LOADER COPY CURRENT GRANTS`) || strings.Contains(err.Error(), "drop it") {
		t.Errorf("of a table that the role does not see, Bring says %s, %v", modes(l), err)
	}
	// The fence's row is the same, whatever a node is called.
	want, err := p.follower(x).target()
	if got, other := as(map[string]string{"T": "OTHER.X"}).target(); got != want || err != nil || other != nil {
		t.Errorf("the target is %v, and was %v", got, want)
	}
	if places, err := as(map[string]string{probe: "OTHER.X"}).places(); err != nil || len(places) != 1 {
		t.Errorf("it looks at %v, %v", places, err)
	}
}

// TestTwoFences: what no load could get past is told, with the statement that mends it.
func TestTwoFences(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m := x.publish("r1", x.table("a", nil, "SELECT 1 AS id"))
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	target, err := f.target()
	if err != nil {
		t.Fatal(err)
	}
	for epoch := range 2 {
		p.rows(fmt.Sprintf(`INSERT INTO ANALYTICS.MILLRACE_META._TARGETS ("PROJECT", "TARGET_SCHEMA", "EPOCH") VALUES ('%s', '%s', %d)`, target.Project, target.Schema, epoch))
	}
	if _, err := p.bring(f, m); err == nil || !strings.Contains(err.Error(), "2 rows of project shop with schema MART") || !strings.HasSuffix(err.Error(), f.ledger.Single()) {
		t.Errorf("Bring says %v", err)
	}
	p.rows(f.ledger.Single())
	p.follows(x, f, m, "a new")
}
