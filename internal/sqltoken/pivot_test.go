package sqltoken

import (
	"slices"
	"strings"
	"testing"
)

// A § marks where a PIVOT lacks its IN.
func TestOpenPivots(t *testing.T) {
	for _, marked := range []string{
		"PIVOT t ON a§ USING sum(b)",
		"pivot t on a§",
		"-- pivot x on y\nselect * from (pivot a.t as q on a§, b in (1, 2), c§ using sum(b) group by d)",
		"with x as (pivot (select 1 as a) on a§ using count(*)) select * from x",
		"pivot read_csv('x.csv') on a || b§ using sum(b) order by 1;",
		"pivot t on a in ('x') using sum(b)",
		"select * from t pivot (sum(b) for k in ('a'))",
		"select * from t pivot (sum(b) for k in ('a')) p join u on p.a = u.a",
		"unpivot t on a, b", "select pivot from pivot", "pivot", "pivot t", "pivot t on§", "pivot (on", "pivot a.",
	} {
		parts := strings.Split(marked, "§")
		var want []int
		at := 0
		for _, part := range parts[:len(parts)-1] {
			at += len(part)
			want = append(want, at)
		}
		if got := OpenPivots(strings.Join(parts, "")); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", marked, got, want)
		}
	}
}
