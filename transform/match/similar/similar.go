// Package similar measures how alike two texts are. Its functions are plain: they say what a measure means, letter by letter, and are what
// faster ones are held against. Letters are Unicode code points; DuckDB's functions of the same names compare bytes, and give the same for
// texts of ASCII letters only (warehouse.Similar has them compare letters). Read JaroWinkler.
package similar

import (
	"slices"
	"strings"
)

// JaroWinkler is the similarity of Winkler (1990), from 0 to 1: Jaro's, raised by 0.1 for each of up to four equal letters at the beginning
// when it is above 0.7.
func JaroWinkler(a, b string) float64 {
	x, y := []rune(a), []rune(b)
	j := jaro(x, y)
	if j <= 0.7 {
		return j
	}
	prefix := 0
	for prefix < min(len(x), len(y), 4) && x[prefix] == y[prefix] {
		prefix++
	}
	return j + float64(prefix)*0.1*(1-j)
}

func jaro(x, y []rune) float64 {
	if len(x) == 0 || len(y) == 0 {
		if len(x) == len(y) {
			return 1
		}
		return 0
	}
	window := max(max(len(x), len(y))/2-1, 0)
	taken := make([]bool, len(y))
	var common []rune
	for i, r := range x {
		for k := max(0, i-window); k < min(len(y), i+window+1); k++ {
			if !taken[k] && y[k] == r {
				taken[k] = true
				common = append(common, r)
				break
			}
		}
	}
	if len(common) == 0 {
		return 0
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
	m := float64(len(common))
	return (m/float64(len(x)) + m/float64(len(y)) + (m-float64(moved/2))/m) / 3
}

// Levenshtein is the least number of letters to insert, delete or replace.
func Levenshtein(a, b string) int { return edits([]rune(a), []rune(b), false) }

// OSA is the same with a transposition of two neighbours as one edit, no part of the text being edited twice: optimal string alignment.
func OSA(a, b string) int { return edits([]rune(a), []rune(b), true) }

func edits(x, y []rune, transpose bool) int {
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for k := range last {
		last[k] = k
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for k := 1; k <= len(y); k++ {
			cost := 1
			if x[i-1] == y[k-1] {
				cost = 0
			}
			row[k] = min(last[k]+1, row[k-1]+1, last[k-1]+cost)
			if transpose && i > 1 && k > 1 && x[i-1] == y[k-2] && x[i-2] == y[k-1] {
				row[k] = min(row[k], before[k-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// Words are the distinct words of a text, sorted. White space alone parts words: the cleaning functions have dealt with the rest.
func Words(text string) []string {
	words := strings.Fields(text)
	slices.Sort(words)
	return slices.Compact(words)
}

// Trigrams are the distinct sequences of three letters of each word, with two blanks before it and one behind it, sorted. (PostgreSQL's
// pg_trgm has the same.)
func Trigrams(text string) []string {
	var all []string
	for _, w := range strings.Fields(text) {
		r := []rune("  " + w + " ")
		for i := 0; i+3 <= len(r); i++ {
			all = append(all, string(r[i:i+3]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Common is how many entries two sorted lists of distinct entries share.
func Common(a, b []string) int {
	n := 0
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch c := strings.Compare(a[i], b[k]); {
		case c < 0:
			i++
		case c > 0:
			k++
		default:
			n, i, k = n+1, i+1, k+1
		}
	}
	return n
}
