package snowflake

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// refuses brings the manifest, of which only one table is to be left out, for the reason given.
func (p *place) refuses(f *Follower, m *load.Manifest, table, reason string) *load.Load {
	p.Helper()
	l, err := p.bring(f, m)
	if err == nil || !strings.Contains(err.Error(), "main."+table+" cannot be brought: ") || !strings.Contains(err.Error(), reason) || strings.Count(err.Error(), " cannot be brought") > 1 {
		p.Fatalf("Bring says %v, and is to leave out %s for %q", err, table, reason)
	}
	for _, t := range l.Tables {
		if (t.Error != "") != (t.Table == table) || t.Error != "" && t.Inserted+t.Updated+t.Deleted > 0 {
			p.Errorf("of %s it says %q, %d inserted", t.Table, t.Error, t.Inserted)
		}
	}
	return l
}

// TestOneBadTable: the others are brought each night; once it is mended, it is too.
func TestOneBadTable(t *testing.T) {
	for _, c := range []struct {
		about, first, second, reason string
		key                          []string
		keep                         Keep
		do                           func(*place, *truth, *load.Table)
	}{
		{"a date that Snowflake has not", "SELECT DATE '2026-01-01' AS id", "SELECT DATE '12026-01-01' AS id", "12026", nil, Keep{}, nil},
		{"a damaged file", "SELECT 1 AS id, 'a' AS v", "SELECT 1 AS id, 'GOOD' AS v", "millrace verify", []string{"id"}, Keep{}, func(p *place, x *truth, t *load.Table) {
			x.damage(t.Base[0], "SELECT 1 AS id, 'EVIL' AS v")
		}},
		{"a key twice", "SELECT 1 AS id, 'a' AS v", "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b' UNION ALL SELECT 2, 'c'", "1 keys [id] are more than once", []string{"id"}, Keep{}, nil},
		{"a key twice where a history begins", "SELECT 1 AS id, 'a' AS v", "SELECT 2 AS id, 'b' AS v UNION ALL SELECT 2, 'c'", "more than once", []string{"id"}, Keep{Mode: "scd2"}, nil},
		{"rows of another there", "SELECT 1 AS id, 'a' AS v", "SELECT 1 AS id, 'b' AS v", "would have 2 rows", []string{"id"}, Keep{}, func(p *place, _ *truth, _ *load.Table) {
			p.rows("INSERT INTO ANALYTICS.MART.BAD (ID, V) VALUES (77, 'z')")
		}},
		{"a file that is cut in the stage", "SELECT 1 AS id", "SELECT 2 AS id", "bytes in the stage", nil, Keep{}, func(p *place, _ *truth, _ *load.Table) {
			p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^PUT .*/BAD/"), When: snowfake.After, Do: snowfake.LoseTail})
		}},
		{"a local file that is gone when it is sent", "SELECT 1 AS id", "SELECT 2 AS id", "no such file", nil, Keep{}, func(p *place, _ *truth, t *load.Table) {
			p.meanwhile("^PUT .*/BAD/", func() error { return os.Remove(t.Base[0].Path) })
		}},
		{"files of somebody else in the stage", "SELECT 1 AS id", "SELECT 2 AS id", "the stage is not empty after it was cleared", nil, Keep{}, func(p *place, _ *truth, _ *load.Table) {
			p.meanwhile("^LIST .*/BAD/", func() error { return p.stray("BAD/01J00000000000000000000002/1/other.parquet") })
		}},
		{"files of somebody else beside those sent", "SELECT 1 AS id", "SELECT 2 AS id", "other.parquet is in the stage, and was not sent", nil, Keep{}, func(p *place, _ *truth, _ *load.Table) {
			p.meanwhile("^PUT .*/BAD/", func() error { return p.stray("BAD/01J00000000000000000000002/1/other.parquet") })
		}},
	} {
		t.Run(c.about, func(t *testing.T) {
			x, p := newTruth(t), newPlace(t)
			f := p.follower(x, func(cfg *Config) {
				cfg.Keep = func(n warehouse.Name) Keep {
					if n.Table == "bad" {
						return c.keep
					}
					return Keep{}
				}
			})
			a, bad, z := x.table("a", nil, "SELECT 1 AS id"), x.table("bad", c.key, c.first), x.table("z", []string{"id"}, "SELECT 1 AS id, 'old' AS v")
			p.brought(f, x.publish("r1", a, bad, z))
			held := slices.Clone(p.rows(there(&bad, "ANALYTICS.MART.BAD")))
			m := x.publish("r2", x.table("a", nil, "SELECT 2 AS id"), x.table("bad", c.key, c.second), x.table("z", []string{"id"}, "SELECT 1 AS id, 'new' AS v"))
			if c.do != nil {
				c.do(p, x, m.Table(bad.Name))
				held = p.rows(there(&bad, "ANALYTICS.MART.BAD"))
			}
			p.refuses(f, m, "bad", c.reason)
			p.holds(x, m.Table(a.Name), "ANALYTICS.MART.A")
			p.holds(x, m.Table(z.Name), "ANALYTICS.MART.Z")
			if got := p.rows(there(&bad, "ANALYTICS.MART.BAD")); !slices.Equal(got, held) {
				t.Errorf("of the table that was left out it holds %q, and held %q", got, held)
			}
			mended := x.table("bad", c.key, strings.Replace(c.first, "1", "5", 1))
			if _, err := p.bring(f, x.publish("r3", m.Tables[0], mended, m.Tables[2]), bad.Name); err != nil {
				t.Fatal(err)
			}
			p.holds(x, &mended, "ANALYTICS.MART.BAD")
		})
	}
}

// meanwhile holds the next request that matches until something is done.
func (p *place) meanwhile(match string, do func() error) {
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(match), Do: snowfake.Hang})
	go func() {
		<-held.Acted()
		if err := do(); err != nil {
			p.Error(err)
		}
		held.Release()
	}()
}

// stray writes a file into the stage.
func (p *place) stray(path string) error {
	dir, err := p.account.StageDir("ANALYTICS.MART.MILLRACE_STAGE")
	if err != nil {
		return err
	}
	path = filepath.Join(dir, filepath.FromSlash(path))
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("PAR1"), 0o600))
}

// damage writes other rows over a published file, such as have its size.
func (x *truth) damage(f warehouse.File, query string) {
	x.Helper()
	other := x.file(query)
	data, err := os.ReadFile(other.Path)
	if err != nil {
		x.Fatal(err)
	}
	if other.Bytes != f.Bytes {
		x.Fatalf("the damage shows in the size: %d, %d", other.Bytes, f.Bytes)
	}
	if err := errors.Join(os.Chmod(f.Path, 0o600), os.WriteFile(f.Path, data, 0o600)); err != nil {
		x.Fatal(err)
	}
}

// TestDamagedFiles: no byte that has changed since it was published goes into a difference.
func TestDamagedFiles(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	m1 := x.publish("r1", x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c'"))
	p.brought(f, m1)
	m2 := x.publish("r2", x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'X' UNION ALL SELECT 3, 'd'"))
	x.damage(m1.Tables[0].Base[0], "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'X' UNION ALL SELECT 3, 'c'")
	if l := p.follows(x, f, m2, "k full"); !strings.Contains(l.Tables[0].Why, "is damaged") {
		t.Errorf("it says %q", l.Tables[0].Why)
	}
	x.damage(m2.Tables[0].Base[0], "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'Y' UNION ALL SELECT 3, 'd'")
	if c, err := f.Verify(t.Context(), m2, nil); err != nil || c[0].Equal || len(c[0].Problems) > 0 || !strings.Contains(c[0].Error, "is damaged") {
		t.Errorf("verify says %+v, %v", c, err)
	}
}

// TestKeysTwiceThere: a key that became two on the way is found before the MERGE.
func TestKeysTwiceThere(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS v")
	p.brought(f, x.publish("r1", table))
	m := x.publish("r2", x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c'"))
	held := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`(?s)^SELECT COUNT.*__MR_.*HAVING`), Do: snowfake.Hang})
	failed := make(chan error, 1)
	go func() {
		_, err := f.Bring(context.WithoutCancel(t.Context()), m, load.Bringing{Load: "01JTWICE", Run: "r2", Attempt: 1})
		failed <- err
	}()
	<-held.Acted()
	p.rows("UPDATE ANALYTICS.MART.K__MR_01JTWICE SET ID = 2 WHERE ID = 3")
	held.Release()
	if err := <-failed; !errors.Is(err, load.ErrUnproven) || !strings.Contains(err.Error(), "1 keys [id] are there more than once") {
		t.Errorf("Bring says %v", err)
	}
	p.holds(x, &table, "ANALYTICS.MART.K")
}

// TestKeyChanges: what was the key may be NULL, or gone, once another is.
func TestKeyChanges(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	p.follows(x, f, x.publish("r1", x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS code"), x.table("g", []string{"id"}, "SELECT 1 AS id, 'a' AS code")), "g new, k new")
	p.follows(x, f, x.publish("r2", x.table("k", []string{"code"}, "SELECT 1 AS id, 'a' AS code UNION ALL SELECT NULL, 'b'"), x.table("g", []string{"code"}, "SELECT 'a' AS code")), "g full, k full")
}

// TestHistoryOfEarlier: a run for a time that is past cannot go on with a history, and keeps no other table behind.
func TestHistoryOfEarlier(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) {
		c.Keep = func(n warehouse.Name) Keep {
			if n.Table == "k" {
				return Keep{Mode: "scd2"}
			}
			return Keep{}
		}
	})
	base := x.table("k", []string{"id"}, "SELECT 1 AS id, 'a' AS v")
	p.brought(f, x.publish("r1", base, x.table("u", nil, "SELECT 1 AS id")))
	x.now = x.now.Add(-72 * time.Hour)
	u := x.table("u", nil, "SELECT 2 AS id")
	m := x.publish("r2", x.delta(base, "SELECT 1 AS id, 'b' AS v", ""), u)
	p.refuses(f, m, "k", "rows of it begin later than 2026-02-28T02:00:00Z")
	p.holds(x, &u, "ANALYTICS.MART.U")
}

// TestPartitionsName: the list of a table's partitions is no other table's.
func TestPartitionsName(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) {
		c.Keep = func(n warehouse.Name) Keep {
			if n.Table == "sales" {
				return Keep{Mode: "partition", PartitionBy: []string{"day"}}
			}
			return Keep{}
		}
	})
	p.follows(x, f, x.publish("r1", x.table("sales", nil, "SELECT 1 AS day, 1 AS v"), x.table("sales_partitions", nil, "SELECT 1 AS day")), "sales new, sales_partitions new")
	p.follows(x, f, x.publish("r2", x.table("sales", nil, "SELECT 1 AS day, 2 AS v"), x.table("sales_partitions", nil, "SELECT 2 AS day")), "sales partition, sales_partitions full")
}

// TestColumnBack: a column that has left and comes back over the same files has its values again.
func TestColumnBack(t *testing.T) {
	for _, c := range []struct {
		key        []string
		keep       Keep
		left, back string
	}{
		{nil, Keep{}, "k full", "k full"},
		{[]string{"id"}, Keep{}, "k full", "k full"},
		{[]string{"id"}, Keep{Mode: "scd2"}, "k scd2", "k scd2"},
		{nil, Keep{Mode: "partition", PartitionBy: []string{"id"}}, "k full", "k full"},
	} {
		x, p := newTruth(t), newPlace(t)
		f := p.follower(x, func(cfg *Config) { cfg.Keep = func(warehouse.Name) Keep { return c.keep } })
		v1 := x.table("k", c.key, "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
		p.follows(x, f, x.publish("r1", v1), "k new")
		v2 := v1
		v2.Columns = v1.Columns[:1]
		p.follows(x, f, x.publish("r2", v2), c.left)
		p.follows(x, f, x.publish("r3", v1), c.back)
	}
	// It comes back with files that are not shared: an old row had it, and did not show it.
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	v1 := x.table("k", []string{"id"}, "SELECT 1 AS id")
	v1.Upserts = []warehouse.File{x.file("SELECT 2 AS id, 'b' AS v")}
	p.follows(x, f, x.publish("r1", x.counted(v1)), "k new")
	v2 := v1
	v2.Columns, v2.Upserts = append(slices.Clone(v1.Columns), warehouse.Column{Name: "v", Type: "VARCHAR"}), []warehouse.File{x.file("SELECT 2 AS id, 'b' AS v, 0 AS other")}
	p.follows(x, f, x.publish("r2", x.counted(v2)), "k merge")
}

// TestVerifyOtherKeep: what the project says of a table holds from the next load on.
func TestVerifyOtherKeep(t *testing.T) {
	for _, kept := range []Keep{{Mode: "scd2"}, {Soft: true}, {}} {
		x, p := newTruth(t), newPlace(t)
		a := x.table("t", []string{"id"}, "SELECT 1 AS id, 'a' AS v")
		f := p.follower(x, func(c *Config) { c.Keep = func(warehouse.Name) Keep { return kept } })
		p.brought(f, x.publish("r1", a))
		m := x.publish("r2", x.delta(a, "SELECT 2 AS id, 'b' AS v", "SELECT 1 AS id"))
		p.brought(f, m)
		for _, other := range []Keep{{Mode: "scd2"}, {Soft: true}, {}} {
			g := p.follower(x, func(c *Config) {
				c.Keep = func(warehouse.Name) Keep { return other }
				c.Naming.As = map[warehouse.Name]string{a.Name: "T2"}
			})
			if c, err := g.Verify(t.Context(), m, nil); err != nil || !c[0].Equal || !c[0].Behind || c[0].As != `"ANALYTICS"."MART"."T"` {
				t.Errorf("kept as %+v, to be kept as %+v: verify says %+v, %v", kept, other, c, err)
			}
		}
	}
}

// TestColumnOfFailedLoad: a column that was added for a version that was never published may have another type in the next.
func TestColumnOfFailedLoad(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	p.brought(f, x.publish("r1", x.table("u", nil, "SELECT 1 AS id")))
	bad := x.table("u", nil, "SELECT 1 AS id, 'x' AS n")
	bad.Rows = 7
	p.refuses(f, x.publish("r2", bad), "u", "would have 1 rows")
	if got := p.rows("SELECT ID, N FROM ANALYTICS.MART.U"); !slices.Equal(got, []string{"1|NULL"}) {
		t.Errorf("it holds %q", got)
	}
	p.follows(x, f, x.publish("r3", x.table("u", nil, "SELECT 1 AS id, 5 AS n")), "u swap")
}

// TestNarrowerFiles: a file from before a column was widened is written anew.
func TestNarrowerFiles(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x)
	table := x.table("t", nil, "SELECT 1::BIGINT AS id")
	table.Base = []warehouse.File{x.file("SELECT 4000000000::UINTEGER AS id")}
	before := len(p.server.Statements())
	p.follows(x, f, x.publish("r1", x.counted(table)), "t new")
	for _, s := range p.server.Statements()[before:] {
		if strings.HasPrefix(s.SQL, "PUT") && strings.Contains(s.SQL, x.root) {
			t.Errorf("it sends the file as it is: %s", s.SQL)
		}
	}
}
