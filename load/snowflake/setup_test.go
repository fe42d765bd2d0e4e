package snowflake

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// setups are the two ways to set up an account, as docs/snowflake.md has them.
func setups(t *testing.T) (own, given []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/snowflake.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d blocks of SQL, not the two to set up an account", len(blocks))
	}
	if own, err = snowfake.Split(blocks[0][1]); err != nil {
		t.Fatal(err)
	}
	if given, err = snowfake.Split(blocks[1][1]); err != nil {
		t.Fatal(err)
	}
	if last := own[len(own)-1]; !strings.Contains(last, "CREATE SCHEMA ON DATABASE") {
		t.Fatalf("the last line of the first is %s, of which the second takes the place", last)
	}
	return own, append(own[:len(own)-1:len(own)-1], given...)
}

// TestSetup: the rights that the documentation gives to the loader's role suffice, for every kind of statement that a load sends.
func TestSetup(t *testing.T) {
	own, given := setups(t)
	for about, statements := range map[string][]string{"the role makes its schemas": own, "an administrator makes the schemas": given} {
		t.Run(about, func(t *testing.T) {
			p := newPlace(t, func(c *snowfake.AccountConfig) {
				c.Users = map[string]snowfake.User{"ROOT": {Roles: []string{snowfake.Admin, "SYSADMIN", "USERADMIN"}, DefaultRole: snowfake.Admin}}
				c.Warehouses, c.Databases = []snowfake.WarehouseSpec{}, []string{}
			})
			for _, sql := range statements {
				p.rows(sql)
			}
			x := newTruth(t)
			swap := warehouse.Name{Schema: "main", Table: "swapped"}
			f := p.follower(x, func(c *Config) {
				c.Conn.Role, c.Naming.Schema, c.Suspend = "LOADER", "", true
				c.Nodes = []warehouse.Name{swap}
				c.Keep = func(n warehouse.Name) Keep { return Keep{Swap: n == swap} }
			})
			if err := f.Prepare(t.Context()); err != nil {
				t.Fatal(told(err))
			}
			p.rows("USE ROLE ACCOUNTADMIN")
			keyed := x.table("keyed", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(10)")
			p.follows(x, f, x.publish("r1", keyed, x.table("swapped", nil, "SELECT 1 AS id")), "keyed new, swapped new")
			p.follows(x, f, x.publish("r2", x.delta(keyed, "SELECT 5 AS id, 'b' AS v", ""), x.table("swapped", nil, "SELECT 2 AS id")), "keyed merge, swapped swap")
			if _, err := f.Sweep(t.Context(), false); err != nil {
				t.Error(told(err))
			}
		})
	}
}

// TestOddSchema: a stage's name with blanks, hyphens, quotes and letters beyond ASCII in it is understood by each statement that names it.
func TestOddSchema(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) { c.Databases = []string{"ANALYTICS", "MY-DB"} })
	f := p.follower(x, func(c *Config) { c.Naming.Database, c.Naming.Schema = "my-db", "größe & it's co" })
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(told(err))
	}
	p.follows(x, f, x.publish("r1", x.table("t", nil, "SELECT range AS id FROM range(10)")), "t new")
}

// TestCollation: a schema whose new tables have a collation gives it to none of ours, and one of somebody else's making is told of.
func TestCollation(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	p.rows("CREATE SCHEMA ANALYTICS.MART DEFAULT_DDL_COLLATION = 'en-ci'")
	p.rows("CREATE SCHEMA ANALYTICS.MILLRACE_META DEFAULT_DDL_COLLATION = 'en-ci'")
	f := p.follower(x)
	keyed := x.table("t", []string{"id"}, "SELECT 'k' || range AS id FROM range(10)")
	p.follows(x, f, x.publish("r1", keyed), "t new")
	wider := x.delta(keyed, "SELECT 'K5' AS id, 'b' AS v", "")
	wider.Columns = append(slices.Clone(wider.Columns), warehouse.Column{Name: "v", Type: "VARCHAR"})
	p.follows(x, f, x.publish("r2", wider), "t merge")
	for _, table := range []string{"MART.T", "MILLRACE_META._TARGETS", "MILLRACE_META._LOADS"} {
		if all := strings.Join(p.rows("DESCRIBE TABLE ANALYTICS."+table), "\n"); strings.Contains(all, "COLLATE") {
			t.Errorf("%s compares by a collation:\n%s", table, all)
		}
	}
	p.rows("DROP TABLE ANALYTICS.MART.T")
	p.rows("CREATE TABLE ANALYTICS.MART.T (ID VARCHAR(100), V VARCHAR(100))")
	again := x.delta(wider, "SELECT 'k6' AS id, 'c' AS v", "")
	m := x.publish("r3", again)
	if _, err := p.bring(f, m); err == nil || !strings.Contains(err.Error(), "collation en-ci") {
		t.Errorf("of a table that somebody has made anew with a collation, Bring says %v", err)
	}
	if _, err := p.bring(f, m, again.Name); err != nil {
		t.Fatal(err)
	}
	p.equals(x, f, m)
}
