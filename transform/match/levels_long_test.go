package match

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/transform/match/similar"
)

// TestLongTexts: they are measured as short ones are, and in time.
func TestLongTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		letters := make([]rune, r.IntN(14))
		for i := range letters {
			letters[i] = []rune("abcä語")[r.IntN(5)]
		}
		return string(letters)
	}
	for range 3000 {
		a, b := text(), text()
		if r.IntN(2) == 0 && len(a) > 3 { // near to each other
			b = strings.Replace(a, string([]rune(a)[1]), "x", 1) + "a"
		}
		if got, want := longJaroWinkler(a, b), similar.JaroWinkler(a, b); got-want > slack || want-got > slack {
			t.Fatalf("Jaro-Winkler of %q and %q: %v, want %v", a, b, got, want)
		}
		for most := range 4 {
			if got, want := editsUpTo(a, b, most, false), min(similar.Levenshtein(a, b), most+1); got != want {
				t.Fatalf("Levenshtein of %q and %q up to %d: %d, want %d", a, b, most, got, want)
			}
			if got, want := editsUpTo(a, b, most, true), min(similar.OSA(a, b), most+1); got != want {
				t.Fatalf("OSA of %q and %q up to %d: %d, want %d", a, b, most, got, want)
			}
		}
	}
	long := strings.Repeat("abcdefghij klm", 10_000)
	began := time.Now()
	if s := longJaroWinkler(long+"1", long+"2"); s < 0.99 || s == 1 {
		t.Error(s)
	}
	if n := editsUpTo(long+"ab", long+"ba", 3, true); n != 1 {
		t.Error(n)
	}
	if took := time.Since(began); took > 20*time.Second { // letter by letter it is minutes
		t.Error(took)
	}
}
