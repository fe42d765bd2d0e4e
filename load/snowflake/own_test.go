package snowflake

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// kept is a follower whose tables are all kept so, the table t under the name as, if one is given.
func (p *place) kept(x *truth, keep Keep, as string) *Follower {
	p.Helper()
	return p.follower(x, func(c *Config) {
		c.Keep = func(warehouse.Name) Keep { return keep }
		if as != "" {
			c.Naming.As = map[warehouse.Name]string{{Schema: "main", Table: "t"}: as}
		}
	})
}

// TestReturnsToItsName: a table that went to another name and comes back finds the rows of its own that nothing else has. They are
// replaced only when that is asked for.
func TestReturnsToItsName(t *testing.T) {
	for _, c := range []struct {
		keep Keep
		lost string
	}{
		{Keep{Mode: "scd2"}, "the history begins anew"},
		{Keep{Mode: "merge", Soft: true}, "rows that are marked as deleted are not kept"},
	} {
		x, p := newTruth(t), newPlace(t)
		f, away := p.kept(x, c.keep, ""), p.kept(x, c.keep, "T2")
		key := []string{"id"}
		p.brought(f, x.publish("r1", x.table("t", key, "SELECT range AS id, 'a' AS v FROM range(3)")))
		p.brought(f, x.publish("r2", x.table("t", key, "SELECT range AS id, 'b' AS v FROM range(2)")))
		held := p.rows("SELECT * FROM ANALYTICS.MART.T")
		m := x.publish("r3", x.table("t", key, "SELECT range AS id, 'c' AS v FROM range(2)"))
		p.refuses(away, m, "t", "which nothing else has, and the table is to be")
		if _, err := p.bring(away, m, m.Tables[0].Name); err != nil {
			t.Fatal(err)
		}
		p.refuses(f, m, "t", "which nothing else has, and the table is to be")
		if got := p.rows("SELECT * FROM ANALYTICS.MART.T"); !slices.Equal(got, held) {
			t.Errorf("%s: it holds %q, and held %q", c.keep.Mode, got, held)
		}
		l, err := p.bring(f, m, warehouse.Name{Schema: "main", Table: "t"})
		if err != nil || modes(l) != "t swap" || !strings.Contains(l.Tables[0].Why, c.lost) {
			t.Fatalf("%s: --renew gives %s, %+v, %v", c.keep.Mode, modes(l), l.Tables, err)
		}
		p.equals(x, f, m)
	}
}

// TestColumnThatIsThere: a column that was not in the version that was brought last, and is there with values of somebody's, gets ours in every row.
func TestColumnThatIsThere(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	type kept struct {
		name string
		keep Keep
		key  []string
		want string
	}
	cases := []kept{
		{"keyed", Keep{}, []string{"id"}, "full"},
		{"plain", Keep{}, nil, "full"},
		{"swapped", Keep{Swap: true}, []string{"id"}, "swap"},
		{"appended", Keep{Mode: "append"}, nil, "full"},
		{"parted", Keep{Mode: "partition", PartitionBy: []string{"id"}}, nil, "full"},
		{"marked", Keep{Mode: "merge", Soft: true}, []string{"id"}, "merge"},
		{"past", Keep{Mode: "scd2"}, []string{"id"}, "scd2"},
	}
	f := p.follower(x, func(cfg *Config) {
		cfg.Keep = func(n warehouse.Name) Keep {
			return cases[slices.IndexFunc(cases, func(c kept) bool { return c.name == n.Table })].keep
		}
	})
	var tables []load.Table
	for _, c := range cases {
		tables = append(tables, x.table(c.name, c.key, "SELECT range AS id FROM range(3)"))
	}
	p.brought(f, x.publish("r1", tables...))
	for i, c := range cases {
		p.rows("ALTER TABLE ANALYTICS.MART." + c.name + " ADD COLUMN NOTE VARCHAR(16777216)")
		p.rows("UPDATE ANALYTICS.MART." + c.name + " SET NOTE = 'mine'")
		next := &tables[i]
		next.Columns = append(slices.Clone(next.Columns), warehouse.Column{Name: "note", Type: "VARCHAR"})
		if c.key != nil {
			*next = x.delta(*next, "SELECT 7 AS id, 'x' AS note", "")
		} else {
			next.Base = append(next.Base, x.file("SELECT 7 AS id, 'x' AS note"))
			*next = x.counted(*next)
		}
	}
	m := x.publish("r2", tables...)
	l := p.brought(f, m)
	for i, c := range cases {
		if got := l.Tables[slices.IndexFunc(l.Tables, func(t load.LoadedTable) bool { return t.Name == tables[i].Name })]; string(got.Mode) != c.want || !strings.Contains(got.Why, `"note"`) {
			t.Errorf("%s is brought as %s, because %s", c.name, got.Mode, got.Why)
		}
	}
	p.equals(x, f, m)
	if got := p.rows(`SELECT "NOTE", "IS_CURRENT" FROM ANALYTICS.MART.PAST WHERE ID = 1`); !slices.Equal(got, []string{"NULL|1", "mine|0"}) {
		t.Errorf("the history of a row is %q", got)
	}
}

// TestColumnOfAFailedLoad: it holds nothing, so a history gets no row more than differ.
func TestColumnOfAFailedLoad(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.kept(x, Keep{Mode: "scd2"}, "")
	table := x.table("t", []string{"id"}, "SELECT range AS id FROM range(3)")
	p.brought(f, x.publish("r1", table))
	p.rows("ALTER TABLE ANALYTICS.MART.T ADD COLUMN NOTE VARCHAR(16777216)")
	table.Columns = append(slices.Clone(table.Columns), warehouse.Column{Name: "note", Type: "VARCHAR"})
	if l := p.follows(x, f, x.publish("r2", x.delta(table, "SELECT 1 AS id, 'x' AS note", "")), "t scd2"); l.Tables[0].Sent != 1 {
		t.Errorf("%d rows were sent", l.Tables[0].Sent)
	}
}

// TestHistoryOfAColumnThatComesBack: while it was away, its values stayed in rows that are current still.
func TestHistoryOfAColumnThatComesBack(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.kept(x, Keep{Mode: "scd2"}, "")
	key := []string{"id"}
	p.brought(f, x.publish("r1", x.table("t", key, "SELECT 1 AS id, 'old' AS c")))
	p.brought(f, x.publish("r2", x.table("t", key, "SELECT 1 AS id")))
	m := x.publish("r3", x.table("t", key, "SELECT 1 AS id, CAST(NULL AS VARCHAR) AS c"))
	p.follows(x, f, m, "t scd2")
	if got := p.rows(`SELECT "C", "IS_CURRENT" FROM ANALYTICS.MART.T`); !slices.Equal(got, []string{"NULL|1", "old|0"}) {
		t.Errorf("the history is %q", got)
	}
}

// TestNestedValuesDiffer: what the local engine calls equal, and is sent as another text, differs.
func TestNestedValuesDiffer(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", []string{"id"}, "SELECT 1 AS id, [0.0::DOUBLE] AS v UNION ALL SELECT 2, [1.0]")
	p.brought(f, x.publish("r1", table))
	m := x.publish("r2", x.delta(table, "SELECT 1 AS id, [-0.0::DOUBLE] AS v UNION ALL SELECT 2, [1.0]", ""))
	if l := p.follows(x, f, m, "t merge"); l.Tables[0].Sent != 1 {
		t.Errorf("%d rows were sent", l.Tables[0].Sent)
	}
}

// TestMarkedRowsStay: a column that no version before had, and that is there with another type, has no table made anew that holds marked rows.
func TestMarkedRowsStay(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.kept(x, Keep{Mode: "merge", Soft: true}, "")
	key := []string{"id"}
	p.brought(f, x.publish("r1", x.table("t", key, "SELECT range AS id FROM range(3)")))
	p.brought(f, x.publish("r2", x.table("t", key, "SELECT range AS id FROM range(2)")))
	p.rows("ALTER TABLE ANALYTICS.MART.T ADD COLUMN C NUMBER(10,0)")
	p.refuses(f, x.publish("r3", x.table("t", key, "SELECT range AS id, 'x' AS c FROM range(2)")), "t", "--renew")
	if got := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.T"); got[0] != "3" {
		t.Errorf("%s rows are there", got)
	}
}

// TestReform: rows that only the table there holds do not go because a line of the configuration does.
func TestReform(t *testing.T) {
	for _, c := range []struct {
		was, is Keep
		loses   string
	}{
		{Keep{Mode: "scd2"}, Keep{Mode: "auto"}, "past rows"},
		{Keep{Mode: "auto", Soft: true}, Keep{Mode: "scd2"}, "rows that are marked as deleted"},
		{Keep{Mode: "auto"}, Keep{Mode: "scd2"}, ""},
	} {
		x, p := newTruth(t), newPlace(t)
		keep := c.was
		f := p.follower(x, func(cfg *Config) { cfg.Keep = func(warehouse.Name) Keep { return keep } })
		key := []string{"id"}
		p.brought(f, x.publish("r1", x.table("t", key, "SELECT range AS id, 'a' AS v FROM range(5)")))
		p.brought(f, x.publish("r2", x.table("t", key, "SELECT range AS id, 'b' AS v FROM range(4)")))
		m := x.publish("r3", x.table("t", key, "SELECT range AS id, 'c' AS v FROM range(4)"))
		held := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.T")
		keep = c.is
		if c.loses != "" {
			_, err := p.bring(f, m)
			if err == nil || !strings.Contains(err.Error(), "holds "+c.loses) || !strings.Contains(err.Error(), "--renew main.t") {
				t.Errorf("%+v and then %+v: %v", c.was, c.is, err)
			}
			if got := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.T"); !slices.Equal(got, held) {
				t.Errorf("%+v and then %+v: %s rows are there, and there were %s", c.was, c.is, got, held)
			}
			keep = c.was
			p.follows(x, f, m, "t "+map[bool]string{true: "scd2", false: "merge"}[c.was.history()])
			keep = c.is
		}
		l, err := p.bring(f, m, m.Tables[0].Name)
		if err != nil || modes(l) != "t swap" || !strings.Contains(l.Tables[0].Why, c.loses) {
			t.Errorf("%+v and then %+v, with --renew: %+v, %v", c.was, c.is, l, err)
		}
		p.equals(x, f, m)
	}
}

// TestMarkedRowsAreNotReplaced: what needs all rows to be replaced is refused while some are marked as deleted, and only then.
func TestMarkedRowsAreNotReplaced(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.kept(x, Keep{Mode: "merge", Soft: true}, "")
	p.brought(f, x.publish("r1", x.table("t", []string{"id"}, "SELECT range AS id, range AS n FROM range(3)")))
	p.follows(x, f, x.publish("r2", x.table("t", []string{"id", "n"}, "SELECT range AS id, range AS n FROM range(3)")), "t full")
	p.follows(x, f, x.publish("r3", x.table("t", []string{"id", "n"}, "SELECT range AS id, range AS n FROM range(2)")), "t merge")
	m := x.publish("r4", x.table("t", []string{"id"}, "SELECT range AS id, range AS n FROM range(2)"))
	p.refuses(f, m, "t", "1 that are marked as deleted are nowhere else: --renew main.t")
	if got := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.T"); got[0] != "3" {
		t.Errorf("%s rows are there", got)
	}
	if c, err := f.Verify(t.Context(), m, nil); err != nil || c[0].Unlooked == "" {
		t.Errorf("verify says %+v, %v", c, err)
	}
	if l, err := p.bring(f, m, m.Tables[0].Name); err != nil || modes(l) != "t full" {
		t.Errorf("with --renew: %s, %v", modes(l), err)
	}
}
