package snowflake_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

func TestNaming(t *testing.T) {
	long := strings.Repeat("ä", 255)
	name := func(schema, table string) warehouse.Name { return warehouse.Name{Schema: schema, Table: table} }
	n := snowflake.Naming{Database: "analytics", Schema: "mart", Prefix: "dev_", DefaultSchema: "main", As: map[warehouse.Name]string{
		name("erp", "as_table"): "fact", name("erp", "as_both"): `core."fact.x ""y"""`, name("erp", "three"): "a.b.c", name("erp", "open"): `"a`, name("erp", "none"): "core.",
	}}
	for in, want := range map[warehouse.Name]string{
		name("main", "orders"):                 `"ANALYTICS"."DEV_MART"."ORDERS"`,
		name("erp", "Mixed Case"):              `"ANALYTICS"."DEV_ERP"."MIXED CASE"`,
		name("erp", "select"):                  `"ANALYTICS"."DEV_ERP"."SELECT"`,
		name("erp", `say "hi".it's; --`):       `"ANALYTICS"."DEV_ERP"."SAY ""HI"".IT'S; --"`,
		name("erp", "straße"):                  `"ANALYTICS"."DEV_ERP"."STRAßE"`,
		name("erp", long):                      `"ANALYTICS"."DEV_ERP"."` + strings.ToUpper(long) + `"`,
		name("erp", "as_table"):                `"ANALYTICS"."DEV_ERP"."FACT"`,
		name("erp", "as_both"):                 `"ANALYTICS"."DEV_CORE"."FACT.X ""Y"""`,
		name("erp", long+"x"):                  "256 characters",
		name("erp", ""):                        "empty",
		name("erp", "a\x00b"):                  "no name in Snowflake has",
		name("erp", "a\xffb"):                  "no name in Snowflake has",
		name("erp", "orders__mr_01JDQ8Z6M0N3"): "staging tables",
		name("erp", "three"):                   "not TABLE or SCHEMA.TABLE",
		name("erp", "open"):                    "not TABLE or SCHEMA.TABLE",
		name("erp", "none"):                    "empty",
	} {
		got, err := n.Table(in)
		if strings.HasPrefix(want, `"`) {
			if err != nil || got.String() != want {
				t.Errorf("%s: %s %v, want %s", in, got, err, want)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "as:") || !strings.HasPrefix(err.Error(), in.String()) {
			t.Errorf("%s: %s %v, want an error that names it, says %q and as:", in, got, err, want)
		}
	}
	for _, schema := range []string{"millrace_meta", "Information_Schema"} {
		if _, err := (snowflake.Naming{Database: "d"}).Table(name(schema, "t")); err == nil {
			t.Errorf("schema %s is taken", schema)
		}
	}
	if got, err := (snowflake.Naming{Database: "d", DefaultSchema: "main"}).Table(name("main", "t")); err != nil || got.String() != `"D"."MAIN"."T"` {
		t.Errorf("without a schema of the target: %s %v", got, err)
	}
}

func TestCollisions(t *testing.T) {
	a, b := warehouse.Name{Schema: "erp", Table: "orders"}, warehouse.Name{Schema: "erp", Table: "Orders"}
	one := snowflake.Table{Database: "D", Schema: "ERP", Name: "ORDERS"}
	err := snowflake.Collisions(map[warehouse.Name]snowflake.Table{a: one, b: one, {Schema: "erp", Table: "x"}: {Database: "D", Schema: "ERP", Name: "X"}})
	if err == nil || !strings.Contains(err.Error(), "erp.orders") || !strings.Contains(err.Error(), "erp.Orders") || !strings.Contains(err.Error(), "as:") {
		t.Error(err)
	}
	if err := snowflake.Collisions(map[warehouse.Name]snowflake.Table{a: one, b: one.Staging("1")}); err != nil {
		t.Error(err)
	}
}

// TestStagingNames: two names that only differ at their ends stay two, and fit.
func TestStagingNames(t *testing.T) {
	long := strings.Repeat("Ä", 254)
	seen := map[string]bool{}
	for _, name := range []string{"ORDERS", long + "A", long + "B"} {
		s := snowflake.Table{Database: "D", Schema: "S", Name: name}.Staging("01jdq8z6m0n3v4w5x6y7z8a9b0")
		if n := len([]rune(s.Name)); n > 255 || seen[s.Name] {
			t.Errorf("%s: %d characters", s, n)
		}
		seen[s.Name] = true
		if load, ok := snowflake.IsStaging(s.Name); !ok || load != "01JDQ8Z6M0N3V4W5X6Y7Z8A9B0" {
			t.Errorf("%s: load %q", s, load)
		}
	}
	for _, name := range []string{"ORDERS", "SUMRESULTS", "ORDERS__MR_", "ORDERS__MR_RESULTS", "ORDERS__MR_01JDQ8Z6M0N3V4W5X6Y7Z8A9B0_OLD", "ORDERS_MR_01JDQ8Z6M0N3V4W5X6Y7Z8A9B0"} {
		if _, ok := snowflake.IsStaging(name); ok {
			t.Errorf("%s is swept", name)
		}
	}
	prefixes := map[string]bool{}
	for _, name := range []string{"A B", "A_B", "A.B", "Ä"} {
		p := snowflake.Table{Name: name}.Prefix("L", 1)
		if prefixes[p] || strings.ContainsFunc(p, func(r rune) bool { return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/", r) }) {
			t.Errorf("%s: prefix %s", name, p)
		}
		prefixes[p] = true
	}
}

func TestPutRefusesPatterns(t *testing.T) {
	for _, file := range []string{"a.parquet", "/tmp/[1]/a", "/tmp/a*", "/tmp/?", `/tmp/it's`, `/tmp/a\b`} {
		if sql, err := snowflake.Put(file, orders.Stage(), "p/"); err == nil || !strings.Contains(err.Error(), "move") {
			t.Errorf("%s: %s %v", file, sql, err)
		}
	}
}
