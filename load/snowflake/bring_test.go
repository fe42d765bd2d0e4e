package snowflake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// follows brings the manifest, and compares every row of every table, and what Verify says.
func (p *place) follows(x *truth, f *Follower, m *load.Manifest, want string) *load.Load {
	p.Helper()
	l := p.brought(f, m)
	if got := modes(l); got != want {
		p.Errorf("the modes are %q, want %q", got, want)
	}
	p.equals(x, f, m)
	return l
}

func (p *place) equals(x *truth, f *Follower, m *load.Manifest) {
	p.Helper()
	for i := range m.Tables {
		t := &m.Tables[i]
		to, err := f.cfg.Naming.Table(t.Name)
		if err != nil {
			p.Fatal(err)
		}
		if t.View == "" {
			x.expose(*t)
		}
		from := to.String()
		switch k := f.keep(t.Name); {
		case k.Mode == "none":
			continue
		case k.marks(t):
			from += ` WHERE "_DELETED_AT" IS NULL`
		case k.history():
			from += ` WHERE "IS_CURRENT"`
		}
		p.holds(x, t, from)
	}
	compared, err := f.Verify(p.Context(), m, nil)
	if err != nil {
		p.Fatal(err)
	}
	for _, c := range compared {
		if !c.Equal || c.Behind {
			p.Errorf("verify %s: behind %v, %d rows and %d there: %q", c.As, c.Behind, c.Rows, c.There, c.Problems)
		}
	}
}

// TestFollowing goes through versions of tables as they come, and reads back every row after each.
func TestFollowing(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Standing(t.Context()); !errors.Is(err, load.ErrNothing) {
		t.Errorf("of nothing, Standing says %v", err)
	}
	events := x.table("events", nil, "SELECT range AS id, 'e' || range AS what FROM range(1000)")
	orders := x.table("orders", []string{"id"}, "SELECT range AS id, range * 2 AS amount, CASE WHEN range % 7 > 0 THEN 'o''' || range END AS note FROM range(500)")
	x.expose(orders)
	view := x.view("totals", "SELECT count(*) AS n, sum(amount) AS total FROM main.orders", "main.orders")
	m := x.publish("r1", events, orders, view, x.table("nothing", nil, "SELECT 1 AS a WHERE 1 = 0"))
	p.follows(x, f, m, "events new, nothing new, orders new, totals new")

	before := len(p.server.Statements())
	p.follows(x, f, m, "")
	for _, s := range p.server.Statements()[before:] {
		if strings.HasPrefix(s.SQL, "UPDATE") || strings.HasPrefix(s.SQL, "PUT") || strings.HasPrefix(s.SQL, "COPY") {
			t.Errorf("with nothing to bring, it sends %s", s.SQL)
		}
	}

	events.Base = append(events.Base, x.file("SELECT range AS id, 'new' AS what FROM range(1000, 1010)"))
	orders = x.delta(orders, "SELECT 3 AS id, 1000 AS amount, 'changed' AS note UNION ALL SELECT 700, 7, NULL", "SELECT range AS id FROM range(100, 110)")
	m = x.publish("r2", x.counted(events), orders)
	l := p.follows(x, f, m, "events append, orders merge, totals full")
	if !l.Together {
		t.Error("the tables were not brought by one commit")
	}
	for _, table := range l.Tables {
		if table.Table == "orders" && (table.Inserted != 1 || table.Updated != 1 || table.Deleted != 10 || table.Sent != 12) {
			t.Errorf("of orders, %d rows were sent, %d inserted, %d updated, %d deleted", table.Sent, table.Inserted, table.Updated, table.Deleted)
		}
	}
	standing, err := f.Standing(t.Context())
	if err != nil || standing.Snapshot != 2 || standing.Run != "r2" || len(standing.Tables) != 4 {
		t.Errorf("standing %+v, %v", standing, err)
	}

	// Compacted, the table has other files and the same rows: nothing is sent.
	compact := orders
	compact.Base, compact.Upserts, compact.Deletes = []warehouse.File{x.file(warehouse.DuckDB.Select(orders.Version))}, nil, nil
	m = x.publish("r3", compact, x.table("events", nil, "SELECT range AS id, 'other' AS what FROM range(10)"), x.table("nothing", nil, "SELECT 1 AS a"))
	l = p.follows(x, f, m, "events full, nothing full, orders merge, totals full")
	for _, table := range l.Tables {
		if table.Table == "orders" && table.Sent+table.Bytes > 0 {
			t.Errorf("of a compacted table, %d rows in %d bytes were sent", table.Sent, table.Bytes)
		}
	}

	// A table that the project has no more is left, and told of.
	m, err = x.loader.Publish(t.Context(), load.Publication{Run: "r4", Attempt: 1, Project: "shop", Tables: []load.Table{compact}, Drop: []warehouse.Name{events.Name}})
	if err != nil {
		t.Fatal(err)
	}
	l = p.follows(x, f, m, "events none")
	if why := l.Tables[0].Why; !strings.Contains(why, "DROP TABLE") {
		t.Errorf("of a table that has left it says %q", why)
	}
	if n := p.rows("SELECT COUNT(*) FROM ANALYTICS.MART.EVENTS"); n[0] != "10" {
		t.Errorf("the table that has left has %s rows", n)
	}
}

// TestMovingViews: a view that reads the clock or chance, or another such view, comes anew with each snapshot, and with none twice.
func TestMovingViews(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	still := x.expose(x.table("still", nil, "SELECT range AS id FROM range(3)"))
	drawn := x.expose(x.view("drawn", "SELECT id, random() AS r FROM main.still", "main.still"))
	above := x.view("above", "SELECT count(*) AS n FROM main.drawn WHERE r < 0.5", "main.drawn")
	sum := x.view("total", "SELECT sum(id) AS n FROM main.still", "main.still")
	m := x.publish("r1", still, drawn, above, sum)
	p.brought(f, m)
	if l := p.brought(f, m); len(l.Tables) > 0 {
		t.Errorf("the same snapshot brings %s", modes(l))
	}
	compared, err := f.Verify(t.Context(), m, nil)
	for _, c := range compared {
		if still := c.Name.Table == "still" || c.Name.Table == "total"; err != nil || c.Equal != still && c.Name.Table != "above" || len(c.Problems) > 0 || (c.Note == "") != c.Equal {
			t.Errorf("verify says %+v, %v", c, err)
		}
	}
	if n := p.rows(`SELECT ROWS_EXPECTED, ROWS_LOADED FROM ANALYTICS.MILLRACE_META."_LOADS" WHERE NODE_TABLE = 'drawn'`); n[0] != "3|3" {
		t.Errorf("of a view the ledger says %v", n)
	}
	before := p.rows("SELECT R FROM ANALYTICS.MART.DRAWN ORDER BY ID")
	m = x.publish("r2")
	standing, err := f.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	planned, err := f.Plan(t.Context(), m, standing, load.Bringing{})
	if err != nil || modes(planned) != "above full, drawn full" || !strings.Contains(planned.Tables[0].Why, "may give other rows each time") {
		t.Errorf("planned %+v, %v", planned, err)
	}
	p.brought(f, m)
	if after := p.rows("SELECT R FROM ANALYTICS.MART.DRAWN ORDER BY ID"); strings.Join(after, " ") == strings.Join(before, " ") {
		t.Errorf("after another snapshot the view shows what it did: %v", after)
	}
}

// TestNotBrought: what is not there yet, or no longer to be, is no difference, and is told.
func TestNotBrought(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	m := x.publish("r1", x.table("old", nil, "SELECT 1 AS id"))
	p.brought(p.follower(x), m)
	f := p.follower(x, func(c *Config) {
		c.Keep = func(n warehouse.Name) Keep {
			if n.Table == "old" {
				return Keep{Mode: "none"}
			}
			return Keep{}
		}
	})
	m = x.publish("r2", x.table("fresh", nil, "SELECT range AS id FROM range(4)"))
	compared, err := f.Verify(t.Context(), m, nil)
	if err != nil || len(compared) != 2 {
		t.Fatalf("verify says %+v, %v", compared, err)
	}
	if c := compared[0]; !c.Behind || c.Rows != 4 || !strings.Contains(c.Note, "not there yet") || len(c.Problems) > 0 {
		t.Errorf("of a table that is not there yet, verify says %+v", c)
	}
	if c := compared[1]; !strings.Contains(c.Note, "mode: none") || !strings.Contains(c.Note, "DROP TABLE") || len(c.Problems) > 0 {
		t.Errorf("of a table that is not to be brought, verify says %+v", c)
	}
	if l := p.brought(f, m); modes(l) != "fresh new, old none" {
		t.Errorf("brought %s", modes(l))
	}
}

// TestRenew: rows are replaced within the transaction, so that rights stay, unless the columns there are others.
func TestRenew(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", []string{"id"}, "SELECT range AS id, 'v' || range AS v FROM range(10)")
	m := x.publish("r1", table)
	p.follows(x, f, m, "t new")
	renew := func(want string, rights int) {
		t.Helper()
		standing, err := f.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		planned, err := f.Plan(t.Context(), m, standing, load.Bringing{Renew: []warehouse.Name{table.Name}})
		if err != nil || modes(planned) != want {
			t.Errorf("planned %+v, %v; want %s", planned, err, want)
		}
		done, err := p.bring(f, m, table.Name)
		if err != nil || modes(done) != want || done.Tables[0].Why != planned.Tables[0].Why {
			t.Errorf("done %+v, %v; want %s", done, err, want)
		}
		p.equals(x, f, m)
		if got := p.rows("SHOW GRANTS ON TABLE ANALYTICS.MART.T"); len(got) != rights {
			t.Errorf("after %s the rights are %q", want, got)
		}
	}
	p.rows("CREATE ROLE READER")
	p.rows("GRANT SELECT ON TABLE ANALYTICS.MART.T TO ROLE READER")
	p.rows("UPDATE ANALYTICS.MART.T SET V = 'another' WHERE ID = 3")
	renew("t full", 2)
	p.rows("ALTER TABLE ANALYTICS.MART.T ADD COLUMN MORE NUMBER(3,0)")
	renew("t swap", 1)
}

// TestModes brings a table as it is configured to be kept.
func TestModes(t *testing.T) {
	first := "SELECT range AS id, CASE WHEN range % 5 = 4 THEN NULL ELSE range % 5 END AS part, 'v' || range AS what FROM range(100)"
	for _, c := range []struct {
		keep       Keep
		key        []string
		base       string // the second version, with another file; or…
		add        string // …with one more
		want, rows string // rows there that the version has no more
		extra      string
	}{
		{Keep{Mode: "full"}, nil, "SELECT 1 AS id, 2 AS part, 'x' AS what", "", "full", "", ""},
		{Keep{Mode: "full", Swap: true}, nil, "SELECT 1 AS id, 2 AS part, 'x' AS what", "", "swap", "", ""},
		{Keep{Mode: "append"}, nil, "", "SELECT 200 AS id, 2 AS part, 'x' AS what", "append", "", ""},
		{Keep{Mode: "merge"}, []string{"id"}, strings.Replace(first, "'v'", "'w'", 1) + " WHERE range <> 7", "", "merge", "", ""},
		{Keep{Mode: "merge", Soft: true}, []string{"id"}, first + " WHERE range <> 7", "", "merge", "7|v7", `SELECT "ID", "WHAT" FROM ANALYTICS.MART.T WHERE "_DELETED_AT" IS NOT NULL`},
		{Keep{Mode: "scd2"}, []string{"id"}, strings.Replace(first, "'v' || range", "CASE WHEN range = 3 THEN 'new' ELSE 'v' || range END", 1) + " WHERE range <> 7", "", "scd2",
			"3|v3 7|v7", `SELECT "ID", "WHAT" FROM ANALYTICS.MART.T WHERE NOT "IS_CURRENT" AND "VALID_TO" > "VALID_FROM"`},
		{Keep{Mode: "partition", PartitionBy: []string{"part"}}, nil, first + " WHERE range % 5 <> 3 AND range <> 4", "", "partition", "", ""},
		{Keep{Mode: "partition", PartitionBy: []string{"part"}, ClusterBy: []string{"part"}}, []string{"id"}, first + " WHERE range % 5 <> 4", "", "partition", "", ""},
	} {
		t.Run(fmt.Sprintf("%s, key %v, %+v", c.keep.Mode, c.key, c.keep), func(t *testing.T) {
			x, p := newTruth(t), newPlace(t)
			f := p.follower(x, func(cfg *Config) { cfg.Keep = func(warehouse.Name) Keep { return c.keep } })
			table := x.table("t", c.key, first)
			p.follows(x, f, x.publish("r1", table), "t new")
			next := table
			if c.base != "" {
				next = x.table("t", c.key, c.base)
			} else {
				next.Base = append(next.Base, x.file(c.add))
				next = x.counted(next)
			}
			p.follows(x, f, x.publish("r2", next), "t "+c.want)
			if c.extra != "" {
				if got := strings.Join(p.rows(c.extra), " "); got != c.rows {
					t.Errorf("beside the version it keeps %q, want %q", got, c.rows)
				}
			}
			// And back: what was gone comes again.
			if c.base != "" {
				p.follows(x, f, x.publish("r3", table), "t "+c.want)
			}
			if c.keep.history() {
				if got := p.rows(`SELECT COUNT(*) FROM ANALYTICS.MART.T WHERE "ID" = 3`); got[0] != "3" {
					t.Errorf("a row that has changed twice has %s versions", got)
				}
			}
		})
	}
}

// TestColumnsChange adds, widens and removes columns, and refuses what ALTER TABLE cannot do until all rows are renewed.
func TestColumnsChange(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	keyed := []string{"id"}
	version := func(run, plain, merged string) *load.Manifest {
		t.Helper()
		return x.publish(run, x.table("plain", nil, plain), x.table("merged", keyed, merged))
	}
	p.follows(x, f, version("r1", "SELECT 1::INTEGER AS a", "SELECT 1::INTEGER AS id, 'x' AS b UNION ALL SELECT 2, 'y'"), "merged new, plain new")
	p.follows(x, f, version("r2", "SELECT 1::INTEGER AS a, 'n' AS n", "SELECT 1::INTEGER AS id, 'x' AS b, NULL::DATE AS d UNION ALL SELECT 2, 'y', DATE '2026-01-31'"), "merged merge, plain full")
	p.follows(x, f, version("r3", "SELECT 5000000000::BIGINT AS a, 'n' AS n", "SELECT 1::BIGINT AS id, 'x' AS b, NULL::DATE AS d"), "merged full, plain full")
	p.follows(x, f, version("r4", "SELECT 5000000000::BIGINT AS a", "SELECT 1::BIGINT AS id, NULL::DATE AS d"), "merged full, plain full")
	p.follows(x, f, version("r4b", "SELECT 5000000000::BIGINT AS a", "SELECT 1::BIGINT AS id, NULL::DATE AS d, NULL::DOUBLE AS e"), "merged merge") // no row differs

	m := version("r5", "SELECT 'text' AS a", "SELECT 1::BIGINT AS id, DATE '2026-02-02' AS d, 1.5::DOUBLE AS e")
	l, err := p.bring(f, m)
	if err == nil || !strings.Contains(err.Error(), "--renew main.plain") {
		t.Errorf("of a type that cannot be widened, Bring says %v", err)
	}
	p.holds(x, m.Table(warehouse.Name{Schema: "main", Table: "merged"}), "ANALYTICS.MART.MERGED") // the others are brought
	compared, err := f.Verify(t.Context(), m, []warehouse.Name{{Schema: "main", Table: "plain"}})
	if err != nil || len(compared) != 1 || !compared[0].Behind || !compared[0].Equal {
		t.Errorf("the table that is behind compares as %+v, %v; %d tables", compared, err, len(l.Tables))
	}
	if _, err := p.bring(f, m, warehouse.Name{Schema: "main", Table: "plain"}); err != nil {
		t.Fatal(err)
	}
	p.equals(x, f, m)
}

// TestNames: names that SQL would have quoted, and ones that would be one.
func TestNames(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	odd := x.table(`Sel"ect 'é%_`, []string{"Order"}, `SELECT 1 AS "Order", 'a' AS "wei""rd na'me", 2.5::DECIMAL(9,2) AS "group"`)
	plain := x.table("select", nil, `SELECT 1 AS "from"`)
	p.follows(x, f, x.publish("r1", odd, plain), `Sel"ect 'é%_ new, select new`)
	changed := x.table(odd.Table, odd.Key, `SELECT 1 AS "Order", 'b' AS "wei""rd na'me", 2.5::DECIMAL(9,2) AS "group"`)
	m := x.publish("r2", changed)
	p.follows(x, f, m, `Sel"ect 'é%_ merge`)
	m = x.publish("r3", x.table("SELECT", nil, "SELECT 1 AS a"))
	if _, err := p.bring(f, m); err == nil || !strings.Contains(err.Error(), "main.SELECT and main.select") {
		t.Errorf("two nodes of one name are %v", err)
	}
}

// TestCollectedFiles: without the files of the version that is there, all rows are sent.
func TestCollectedFiles(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", []string{"id"}, "SELECT range AS id, 'a' AS v FROM range(10)")
	m := x.publish("r1", table)
	p.follows(x, f, m, "t new")
	old := m.Tables[0].Base[0].Path
	m = x.publish("r2", x.table("t", []string{"id"}, "SELECT range AS id, 'b' AS v FROM range(12)"))
	if err := os.Remove(filepath.Clean(old)); err != nil {
		t.Fatal(err)
	}
	l := p.follows(x, f, m, "t full")
	if !strings.Contains(l.Tables[0].Why, "are not here") {
		t.Errorf("why: %s", l.Tables[0].Why)
	}
}

// TestManyFiles writes several files of the size that is asked for, encrypted and uploaded as to S3, by several sessions at once.
func TestManyFiles(t *testing.T) {
	x, p := newTruth(t), newPlaceWith(t, snowfake.S3)
	f := p.follower(x, func(c *Config) { c.FileSize, c.Uploads, c.Conn.Transport = 40_000, 3, p.server.Transport() })
	rows := "SELECT range AS id, md5(range::VARCHAR) AS h FROM range(%d, %d)"
	keyed := x.table("keyed", []string{"id"}, fmt.Sprintf(rows, 0, 20_000))
	keyed = x.delta(keyed, fmt.Sprintf(rows, 19_990, 20_010), "SELECT range AS id FROM range(5)") // so that no file can be sent as it is
	plain := x.table("plain", nil, fmt.Sprintf(rows, 0, 1000), fmt.Sprintf(rows, 1000, 2000), fmt.Sprintf(rows, 2000, 3000))
	x.expose(keyed)
	all := x.view("everything", "SELECT * FROM main.keyed", "main.keyed")
	sum := x.view("summed", "SELECT count(*) AS n FROM main.keyed", "main.keyed")
	l := p.follows(x, f, x.publish("r1", keyed, plain, all, sum), "everything new, keyed new, plain new, summed new")
	for _, table := range l.Tables {
		if table.Table == "summed" {
			if table.Files != 1 {
				t.Errorf("one row was sent as %d files", table.Files)
			}
			continue
		}
		if table.Files < 3 || table.Sent != table.Rows {
			t.Errorf("%s was sent as %d files with %d rows, and has %d", table.Table, table.Files, table.Sent, table.Rows)
		}
	}
}

// TestFits: a file is sent as it is up to what Snowflake advises, or what is asked for where that is more.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		size, bytes int64
		want        bool
	}{
		{150_000_000, 250_000_000, true}, {150_000_000, 250_000_001, false}, {1_000_000, 200_000_000, true},
		{1_000_000_000, 1_000_000_000, true}, {1_000_000_000, 1_000_000_001, false},
	} {
		x := &bringing{Follower: &Follower{cfg: Config{FileSize: c.size}}}
		if got := x.fits(warehouse.File{Bytes: c.bytes}); got != c.want {
			t.Errorf("with file_size %d, %d bytes fit: %t", c.size, c.bytes, got)
		}
	}
}

// TestLedgerIsReadInChunks: versions of all tables together may be longer than an answer.
func TestLedgerIsReadInChunks(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m := x.publish("r1", x.table("a", nil, "SELECT 1 AS id"), x.table("b", nil, "SELECT 2 AS id"), x.table("c", nil, "SELECT 3 AS id"))
	p.brought(f, m)
	whole, err := f.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for chunk, want := range map[int64]int{1: 3, 500: 2} {
		f.chunk = chunk
		before := len(p.server.Statements())
		got, err := f.Standing(t.Context())
		if err != nil || !reflect.DeepEqual(got, whole) {
			t.Errorf("in chunks of %d it reads %+v, %v", chunk, got, err)
		}
		n := 0
		for _, s := range p.server.Statements()[before:] {
			if strings.Contains(s.SQL, `"VERSION_END"`) {
				n++
			}
		}
		if n != want {
			t.Errorf("chunks of %d take %d statements, want %d", chunk, n, want)
		}
	}
}
