package clean

import "unicode/utf8"

// osa is the optimal string alignment distance of two texts, in code points. Short ones of ASCII, which most are, go by Hyyrö's bit vectors
// (2003): a column of the table of edits is a few operations on 64 bits.
func osa(a, b string) int32 {
	if a == b {
		return 0
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return int32(utf8.RuneCountInString(b))
	}
	if len(a) <= 64 && isASCII(a) && isASCII(b) {
		return osaBits(a, b)
	}
	return osaTable([]rune(a), []rune(b))
}

func osaBits(a, b string) int32 {
	var at [128]uint64 // where in a each letter stands
	for i := range len(a) {
		at[a[i]] |= 1 << i
	}
	var (
		last     = uint64(1) << (len(a) - 1)
		up, down = ^uint64(0), uint64(0) // rows at which the table rises and falls from one row to the next
		diagonal uint64                  // rows at which nothing was edited
		before   uint64                  // at of b's letter before
		distance = int32(len(a))
	)
	for i := range len(b) {
		here := at[b[i]]
		swapped := ((^diagonal & here) << 1) & before
		diagonal = (((here & up) + up) ^ up) | here | down | swapped
		right, left := down|^(diagonal|up), diagonal&up
		switch {
		case right&last != 0:
			distance++
		case left&last != 0:
			distance--
		}
		right, left = right<<1|1, left<<1
		up, down = left|^(diagonal|right), right&diagonal
		before = here
	}
	return distance
}

// osaTable fills the table of edits, three rows of it at a time.
func osaTable(x, y []rune) int32 {
	rows := make([]int32, 3*(len(y)+1))
	before, last, row := rows[:len(y)+1], rows[len(y)+1:2*(len(y)+1)], rows[2*(len(y)+1):]
	for k := range last {
		last[k] = int32(k)
	}
	for i := range x {
		row[0] = int32(i + 1)
		for k := range y {
			edit := last[k] + 1
			if x[i] == y[k] {
				edit = last[k]
			}
			row[k+1] = min(edit, last[k+1]+1, row[k]+1)
			if i > 0 && k > 0 && x[i] == y[k-1] && x[i-1] == y[k] {
				row[k+1] = min(row[k+1], before[k-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
