package snowflake

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// TestWarehouseSleeps: what needs no warehouse wakes none, what wakes it is counted, and it is put to sleep again if that is asked for.
func TestWarehouseSleeps(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) {
		c.Warehouses = []snowfake.WarehouseSpec{{Name: "LOAD_WH", Suspended: true}}
	})
	asleep := func(when string, want bool) {
		t.Helper()
		if state := p.rows("SHOW WAREHOUSES LIKE 'LOAD_WH'")[0]; strings.Contains(state, "SUSPENDED") != want {
			t.Errorf("%s, the warehouse is %s", when, state)
		}
	}
	nodes := func(c *Config) { c.Nodes = []warehouse.Name{{Schema: "main", Table: "t"}} }
	suspend := func(c *Config) { c.Suspend = true }
	plain, tired := p.follower(x, nodes), p.follower(x, suspend, func(c *Config) { c.Conn.Retries = -1 })
	dear := p.follower(x, suspend, func(c *Config) { c.MaxCredits = 0.000001 })
	t1 := x.table("t", nil, "SELECT range AS id FROM range(10)")
	m := x.publish("r1", t1)
	if l, err := p.bring(dear, m); !errors.Is(err, load.ErrTooDear) || l.Credits+l.Seconds > 0 {
		t.Errorf("of what is too dear, Bring says %v, and counts %+v", err, l.LoadCost)
	}
	asleep("after a load that was too dear, without a ledger", true)
	if err := plain.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	asleep("after Prepare", true)

	const least = leastSeconds / 3600
	if l := p.brought(plain, m); l.Credits < least {
		t.Errorf("a load that wakes the warehouse counts %+v", l.LoadCost)
	}
	asleep("after a load", false)
	p.rows("ALTER WAREHOUSE LOAD_WH SUSPEND")
	if err := plain.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	asleep("after Prepare of tables that loads have made", true)

	// The stand-in keeps no answers: reading the ledger wakes it.
	if l := p.brought(plain, m); l.Credits < least || l.Seconds <= 0 {
		t.Errorf("with nothing to bring, a load counts %+v", l.LoadCost)
	}
	asleep("after reading the ledger", false)
	p.rows("ALTER WAREHOUSE LOAD_WH SUSPEND")
	p.brought(tired, m)
	asleep("after a load with nothing to bring that has woken it", true)
	t1.Base = append(t1.Base, x.file("SELECT 10 AS id"))
	m = x.publish("r2", x.counted(t1))
	before := len(p.server.Statements())
	if _, err := p.bring(dear, m); !errors.Is(err, load.ErrTooDear) {
		t.Errorf("of what is too dear, Bring says %v", err)
	}
	for _, s := range p.server.Statements()[before:] {
		if busy(s.SQL) && !strings.HasPrefix(s.SQL, "SELECT") {
			t.Errorf("a load that is too dear sends %s", s.SQL)
		}
	}
	asleep("after the next that was too dear", true)
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile("^COPY INTO"), Do: snowfake.Drop})
	if _, err := p.bring(tired, m); err == nil {
		t.Error("a load whose connection broke gives no error")
	}
	asleep("after a load that has failed", true)
	p.brought(tired, m)
	asleep("after a load", true)
	p.holds(x, &m.Tables[0], "ANALYTICS.MART.T")
}

// TestServerIsGone: the connection is lost and nobody answers any more, with a warehouse that slept at first.
func TestServerIsGone(t *testing.T) {
	x, p := newTruth(t), newPlace(t, func(c *snowfake.AccountConfig) {
		c.Warehouses = []snowfake.WarehouseSpec{{Name: "LOAD_WH", Suspended: true}}
	})
	f := p.follower(x, func(c *Config) { c.Conn.Retries = -1 })
	m := x.publish("r1", x.table("t", nil, "SELECT 1 AS id"))
	gone := p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`^UPDATE .*_TARGETS`), Do: snowfake.Vanish})
	p.server.Fault(snowfake.Fault{Match: regexp.MustCompile(`login-request`), Nth: 2, Times: 1000, Do: snowfake.Drop})
	if _, err := p.bring(f, m); err == nil || gone.Hits() != 1 {
		t.Errorf("after %d faults, Bring says %v", gone.Hits(), err)
	}
}

// TestHourly: what a warehouse costs is told by its size, type and generation, or by the configuration; max_credits needs one of them.
func TestHourly(t *testing.T) {
	for _, c := range []struct {
		size, kind, generation, constraint string
		want                               float64
		known                              bool
	}{
		{"X-Small", "STANDARD", "", "", 1, true}, {"Medium", "STANDARD", "1", "STANDARD_GEN_1", 4, true}, {"Large", "STANDARD", "2", "STANDARD_GEN_2", 10.8, true},
		{"Small", "STANDARD", "", "STANDARD_GEN_2", 2.7, true}, {"Small", "STANDARD", "3", "", 2, false}, {"Medium", "SNOWPARK-OPTIMIZED", "", "MEMORY_16X", 6, true},
		{"Large", "SNOWPARK-OPTIMIZED", "", "MEMORY_64X", 8, false}, {"Large", "SNOWPARK-OPTIMIZED", "", "", 12, true}, {"7X-Large", "STANDARD", "1", "", 0, false}, {"Small", "INTERACTIVE", "", "", 2, false},
	} {
		got, known := hourly(map[string]string{"size": c.size, "type": c.kind, "generation": c.generation, "resource_constraint": c.constraint})
		if math.Abs(got-c.want) > 1e-9 || known != c.known {
			t.Errorf("%+v costs %v, known %v", c, got, known)
		}
	}
	p := newPlace(t, func(c *snowfake.AccountConfig) {
		c.Warehouses = []snowfake.WarehouseSpec{{Name: "LOAD_WH", Generation: "9"}}
	})
	x := newTruth(t)
	limit := func(c *Config) { c.MaxCredits = 1 }
	if err := p.follower(x, limit).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "write credits_per_hour:") {
		t.Errorf("of a warehouse whose price is not known, Prepare says %v", err)
	}
	for _, f := range []*Follower{p.follower(x), p.follower(x, limit, func(c *Config) { c.Hourly = 2 })} {
		if err := f.Prepare(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
