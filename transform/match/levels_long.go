package match

// This file compares texts of any length in time that does not grow with its square: what similar says plainly takes minutes for two texts
// of a hundred thousand letters. The measures are the same.

// longText is how many bytes a text has from which it is compared so.
const longText = 256

// longJaroWinkler is similar.JaroWinkler.
func longJaroWinkler(a, b string) float64 {
	x, y := []rune(a), []rune(b)
	window := max(max(len(x), len(y))/2-1, 0)
	free := map[rune][]int32{} // places in y that are not taken, rising
	for k, r := range y {
		free[r] = append(free[r], int32(k))
	}
	taken := make([]bool, len(y))
	var common []rune
	for i, r := range x {
		places := free[r]
		for len(places) > 0 && int(places[0]) < i-window { // out of reach, for the letters behind i too
			places = places[1:]
		}
		if len(places) > 0 && int(places[0]) <= i+window {
			taken[places[0]] = true
			common = append(common, r)
			places = places[1:]
		}
		free[r] = places
	}
	moved, at := 0, 0
	for k, r := range y {
		if taken[k] {
			if r != common[at] {
				moved++
			}
			at++
		}
	}
	prefix := 0
	for prefix < min(len(x), len(y), 4) && x[prefix] == y[prefix] {
		prefix++
	}
	return jaroWinklerOf(len(x), len(y), len(common), moved, prefix)
}

// editsUpTo is similar.Levenshtein, or similar.OSA with transpose, as far as it is no more than most; else it is most+1. Of the table of
// distances only what is that near to its diagonal can tell.
func editsUpTo(a, b string, most int, transpose bool) int {
	x, y := []rune(a), []rune(b)
	if abs(len(x)-len(y)) > most {
		return most + 1
	}
	most = min(most, max(len(x), len(y)))
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for k := range last {
		last[k] = k
	}
	for i := 1; i <= len(x); i++ {
		from, to := max(1, i-most), min(len(y), i+most)
		if row[from-1] = most + 1; from == 1 {
			row[0] = i
		}
		least := row[from-1]
		for k := from; k <= to; k++ {
			cost := 1
			if x[i-1] == y[k-1] {
				cost = 0
			}
			row[k] = min(row[k-1]+1, last[k-1]+cost)
			if k < i+most || i == 1 { // above the band nothing is known
				row[k] = min(row[k], last[k]+1)
			}
			if transpose && i > 1 && k > 1 && x[i-1] == y[k-2] && x[i-2] == y[k-1] {
				row[k] = min(row[k], before[k-2]+1)
			}
			least = min(least, row[k])
		}
		if least > most && !transpose {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], most+1)
}
