package master

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/transform/match/golden"
)

// TestPushes: however many pairs are pushed out, the tables tell of some and name few decisions, and all are counted.
func TestPushes(t *testing.T) {
	for _, c := range []struct {
		a, b []string
		want string
	}{
		{nil, nil, "a condition of always"},
		{nil, []string{"d2"}, "decision d2"},
		{[]string{"d2"}, []string{"d1", "d3"}, "decision d1, d2, d3"},
		{[]string{"d5", "d6", "d7", "d8"}, []string{"d1", "d9"}, "decision d1, d5, d6 and 3 more"},
	} {
		if got := forcedBy(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %q, want %q", c.a, c.b, got, c.want)
		}
	}
	told := pushes{first: map[string]golden.Pushed{}, count: map[string]int{}}
	for i := range uint32(3 * mostPushed) {
		told.add(golden.Pushed{A: i, B: i + 1, By: fmt.Sprint("decision ", i%2)})
	}
	if len(told.pairs) != mostPushed || told.count["decision 0"] != 3*mostPushed/2 || told.first["decision 1"].A != 1 {
		t.Errorf("%d pairs, counted %v, first %v", len(told.pairs), told.count, told.first)
	}
}
