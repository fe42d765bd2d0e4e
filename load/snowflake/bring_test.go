package snowflake

import (
	"errors"
	"testing"

	"github.com/millrace/millrace/load"
)

// TestFollowing goes through versions of tables of each kind, and reads back every row after each.
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
	m := x.publish("r1", events, orders, view)
	l := p.brought(f, m)
	if got := modes(l); got != "events new, orders new, totals new" {
		t.Errorf("first: %s", got)
	}
	check := func() {
		t.Helper()
		for _, table := range []string{"events", "orders", "totals"} {
			v := m.Table(events.Name)
			for i := range m.Tables {
				if m.Tables[i].Table == table {
					v = &m.Tables[i]
				}
			}
			p.holds(x, v, "ANALYTICS.MART."+table)
		}
		compared, err := f.Verify(t.Context(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range compared {
			if !c.Equal || c.Behind {
				t.Errorf("verify: %+v", c)
			}
		}
	}
	check()
}
