package snowflake

import (
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// TestVerifyFails: what kept it from comparing is no difference, whose way out would replace rows.
func TestVerifyFails(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) {
		c.Conn.Retries = -1
		c.Keep = func(n warehouse.Name) Keep { return map[string]Keep{"b": {Mode: "scd2"}}[n.Table] }
	})
	m := x.publish("r1", x.table("a", nil, "SELECT 1 AS id"), x.table("b", []string{"id"}, "SELECT 1 AS id"), x.table("c", nil, "SELECT 1 AS id"))
	p.brought(f, m)
	verify := func(fault snowfake.Fault) ([]load.Compared, error) {
		t.Helper()
		fault.Match = regexp.MustCompile(`(?s)^SELECT.*"HASH".*"A"`)
		defer p.server.Fault(fault).Withdraw()
		return f.Verify(t.Context(), m, nil)
	}
	if c, err := verify(snowfake.Fault{Do: snowfake.Status, Code: 503, Times: 100}); err == nil || len(c) > 0 || !strings.HasPrefix(err.Error(), "compare main.a: ") {
		t.Errorf("without an answer, it says %+v, %v", c, err)
	}
	p.rows("CREATE OR REPLACE TABLE ANALYTICS.MART.A (OTHER NUMBER(10,0))")
	p.rows(`UPDATE ANALYTICS.MART.B SET ID = 7`)
	c, err := f.Verify(t.Context(), m, nil)
	if err != nil || len(c) != 3 || c[0].Equal || c[0].Error == "" || len(c[0].Problems) > 0 || !c[2].Equal {
		t.Fatalf("of a table that it cannot ask, it says %+v, %v", c, err)
	}
	if len(c[1].Problems) == 0 || !strings.Contains(c[1].Hint, "push --renew main.b replaces all its rows, and its history begins anew") {
		t.Errorf("of a history that differs, it says %+v", c[1])
	}
	p.rows("DROP TABLE ANALYTICS.MART.C")
	if c, err = f.Verify(t.Context(), m, nil); err != nil || len(c[2].Problems) != 1 || c[2].Hint != "millrace push brings it again" {
		t.Errorf("of a table that was dropped, it says %+v, %v", c, err)
	}
}

// TestVerifyViews: the local rows of a view are counted with the types that they were brought with, and so are those of a table whose readers find
// types that its files have not.
func TestVerifyViews(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	var tables []load.Table
	for name, value := range map[string]string{
		"span": "INTERVAL '1 month 2 days'", "spans": "[INTERVAL '30 days']", "bits": "'0101'::BIT", "clock": "'12:00:00+01'::TIMETZ", "level": "'low'::ENUM('low', 'high')",
		"pair": "[1, 2]::INTEGER[2]", "huge": "12::HUGEINT", "uhuge": "12::UHUGEINT", "u": "UUID '6ffd9ecb-0f4d-4f5b-9c3a-4f9f9c8b2a11'", "j": `'{"a": 1}'::JSON`, "tiny": "1.5::FLOAT",
		"second": "'2026-01-01'::TIMESTAMP_S", "row": "{a: 12::HUGEINT, b: '0101'::BIT}",
	} {
		tables = append(tables, x.view("v_"+name, "SELECT "+value+" AS v"))
		if name == "span" || name == "level" || name == "huge" {
			tables = append(tables, x.table("t_"+name, nil, "SELECT "+value+" AS v"))
		}
	}
	m := x.publish("r1", tables...)
	p.brought(f, m)
	compared, err := f.Verify(t.Context(), m, nil)
	if err != nil || len(compared) != len(tables) {
		t.Fatal(compared, err)
	}
	for _, c := range compared {
		if !c.Equal {
			t.Errorf("%s: %q, %s", c.Table, c.Problems, c.Error)
		}
	}
}
