package warehouse

import (
	"slices"
	"testing"
)

// TestRemade: readers of a table that grows find the types of its SELECT as long as all of its rows had them.
func TestRemade(t *testing.T) {
	const days = "ENUM('mon', 'tue')"
	for name, c := range map[string]struct{ next, before, made, want string }{
		"a new table":                   {"VARCHAR", "", "INTERVAL", "INTERVAL"},
		"the same again":                {"VARCHAR", days, days, days},
		"a value more":                  {"VARCHAR", days, "ENUM('mon', 'tue', 'wed')", "VARCHAR"},
		"texts from now on":             {"VARCHAR", "INTERVAL", "VARCHAR", "VARCHAR"},
		"texts up to now":               {"VARCHAR", "VARCHAR", "INTERVAL", "VARCHAR"},
		"the SELECT has it no more":     {"VARCHAR", "INTERVAL", "", "INTERVAL"},
		"a sum, and now a whole number": {"DECIMAL(38,0)", "HUGEINT", "BIGINT", "HUGEINT"},
		"a whole number, and now a sum": {"DECIMAL(38,0)", "BIGINT", "HUGEINT", "DECIMAL(38,0)"},
		"a sum, and now a fraction":     {"DECIMAL(38,2)", "HUGEINT", "DECIMAL(9,2)", "DECIMAL(38,2)"},
		"batches of two types":          {"VARCHAR", "", "", "VARCHAR"},
		"what files have":               {"BIGINT", "BIGINT", "BIGINT", "BIGINT"},
	} {
		column := func(typ string) []Column {
			if typ == "" {
				return nil
			}
			return []Column{{"Day", typ}}
		}
		if got := Remade(column(c.next), column(c.before), column(c.made)); !slices.Equal(got, column(c.want)) {
			t.Errorf("%s: %v, not %s", name, got, c.want)
		}
	}
}
