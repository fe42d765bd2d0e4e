package steward

import (
	"slices"
	"strings"
	"testing"
)

func TestLost(t *testing.T) {
	a, b, c := Record{Source: "p", Key: "1"}, Record{Source: "q", Key: "1"}, Record{Source: "q", Key: "2"}
	split := Decision{ID: "s", Kind: Split, A: a, B: b}
	match := Decision{ID: "m", Kind: Match, A: a, B: c}
	revoke := Decision{ID: "r", Kind: Revoke, Of: "m"}
	table := Decision{ID: "t", Kind: Split, A: b, B: c, Unordered: true}
	own := []Decision{split, match, revoke}
	rulings, err := Rule(append([]Decision{table}, own...))
	if err != nil {
		t.Fatal(err)
	}
	before := Standing(own, rulings)
	anew := Decision{ID: "other", Kind: Split, A: b, B: a, Why: "written by hand"}
	for _, test := range []struct {
		name string
		now  []Decision
		want string
	}{
		{"all there", own, ""},
		{"none", nil, "s"}, // the match did not hold, and its revoke has nothing to take back
		{"without the revoke", []Decision{split, match}, "r"},
		{"without what was revoked", []Decision{split, revoke}, ""},
		{"written anew", []Decision{anew, match, revoke}, ""},
		{"revoked since", append(slices.Clone(own), Decision{ID: "r2", Kind: Revoke, Of: "s"}), ""},
	} {
		if got := strings.Join(Lost(before, test.now), " "); got != test.want {
			t.Errorf("%s: lost %q, want %q", test.name, got, test.want)
		}
	}
}
