package match

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// householdPersons is how many persons TestQuality invents: 40,000, or HOUSEHOLDS. 800,000 are a million records.
func householdPersons(t *testing.T) int {
	n := os.Getenv("HOUSEHOLDS")
	if n == "" {
		return 40_000
	}
	persons, err := strconv.Atoi(n)
	check(t, err)
	return persons
}

// writeHouseholds makes persons of whom one in ten lives with others that share surname, telephone, street and postcode, and a quarter as
// many duplicates as persons, with errors. It returns the SELECT that reads them.
func writeHouseholds(t *testing.T, persons int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "households.csv")
	random := rand.New(rand.NewPCG(7, 11))
	var out strings.Builder
	out.WriteString("id,truth,first_name,surname,dob,phone,email,street,postcode\n")
	var home []string
	id := 0
	write := func(truth int, v []string) {
		fmt.Fprintf(&out, "%d,%d,%s\n", id, truth, strings.Join(v, ","))
		id++
	}
	for i := range persons {
		first, last := syllables(random, 400), syllables(random, 3000)
		p := []string{first, last, birthday(random), fmt.Sprintf("07%09d", random.IntN(1e9)), "", street(random), fmt.Sprintf("%c%c%d %d", 'a'+random.IntN(20), 'a'+random.IntN(20), 1+random.IntN(30), 100+random.IntN(300))}
		if home != nil && random.Float64() < 0.1 {
			p[1], p[3], p[5], p[6] = home[1], home[3], home[5], home[6]
		} else {
			home = p
		}
		p[4] = fmt.Sprintf("%s.%s%d@%s.com", p[0], p[1], random.IntN(1000), []string{"mail", "post", "web"}[random.IntN(3)])
		if random.Float64() < 0.3 {
			p[4] = ""
		}
		write(i, p)
		if random.Float64() < 0.25 {
			write(i, spoil(random, p))
		}
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("SELECT id AS _key, truth AS _truth, * FROM read_csv('%s', all_varchar=true)", file)
}

// syllables is one of n names, the first being far more frequent than the last.
func syllables(random *rand.Rand, n int) string {
	k := int(float64(n) * random.Float64() * random.Float64())
	parts := []string{"ma", "ri", "so", "ten", "ba", "lu", "ker", "no", "wil", "da", "fen", "go", "hart", "is", "jo", "pel"}
	return parts[k%16] + parts[k/16%16] + parts[(k/256+k)%16]
}

func birthday(random *rand.Rand) string {
	return fmt.Sprintf("%d-%02d-%02d", 1930+random.IntN(75), 1+random.IntN(12), 1+random.IntN(28))
}

func street(random *rand.Rand) string {
	return fmt.Sprintf("%d %s %s", 1+random.IntN(150), syllables(random, 2000), []string{"street", "road", "avenue"}[random.IntN(3)])
}

// spoil is a copy with one to three errors.
func spoil(random *rand.Rand, p []string) []string {
	q := append([]string{}, p...)
	for range 1 + random.IntN(3) {
		switch k := random.IntN(len(q)); random.IntN(6) {
		case 0, 1, 2:
			q[k] = typo(random, q[k])
		case 3:
			q[k] = ""
		case 4: // moved
			q[5], q[6] = street(random), fmt.Sprintf("zz%d %d", random.IntN(30), random.IntN(300))
		case 5:
			q[3] = fmt.Sprintf("07%09d", random.IntN(1e9))
		}
	}
	return q
}

func typo(random *rand.Rand, s string) string {
	if len(s) < 3 {
		return s
	}
	i := 1 + random.IntN(len(s)-2)
	switch random.IntN(3) {
	case 0:
		return s[:i] + s[i+1:]
	case 1:
		return s[:i] + string(s[i+1]) + string(s[i]) + s[i+2:]
	}
	return s[:i] + string(rune('a'+random.IntN(26))) + s[i+1:]
}
