package pipeline

import (
	"fmt"
	"strings"
)

// longDiff is the number of lines that are compared, longer texts are told by their first changed line; context is how many equal lines
// stand around those that differ.
const (
	longDiff = 2000
	around   = 3
)

// diffLine is one line of a comparison: of both texts, of the old one or of the new one.
type diffLine struct {
	mark     byte // ' ', '-', '+'
	text     string
	old, new int // its number there, from 1
}

// textDiff is what turns one text into another, in the unified format without the names of files; "" when they are equal.
func textDiff(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	lines := diffLines(a, b)
	var out strings.Builder
	for i := 0; i < len(lines); {
		if lines[i].mark == ' ' {
			i++
			continue
		}
		from, to, last := max(0, i-around), i, i
		for to < len(lines) && to-last <= 2*around+1 {
			if lines[to].mark != ' ' {
				last = to
			}
			to++
		}
		to = min(len(lines), last+1+around)
		writeHunk(&out, lines[from:to])
		i = to
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func writeHunk(out *strings.Builder, lines []diffLine) {
	olds, news := 0, 0
	for _, l := range lines {
		if l.mark != '+' {
			olds++
		}
		if l.mark != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", lines[0].old, olds, lines[0].new, news)
	for _, l := range lines {
		fmt.Fprintf(out, "%c%s\n", l.mark, l.text)
	}
}

// diffLines compares two texts by the longest sequence of lines that both have, behind what is equal at their ends.
func diffLines(a, b []string) []diffLine {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var lines []diffLine
	i, k := 0, 0
	add := func(mark byte) {
		l := diffLine{mark: mark, old: i + 1, new: k + 1}
		if mark == '+' {
			l.text = b[k]
		} else {
			l.text = a[i]
		}
		if mark != '+' {
			i++
		}
		if mark != '-' {
			k++
		}
		lines = append(lines, l)
	}
	for i < head {
		add(' ')
	}
	common := longest(a[head:len(a)-tail], b[head:len(b)-tail])
	for i < len(a)-tail || k < len(b)-tail {
		switch {
		case i == len(a)-tail:
			add('+')
		case k == len(b)-tail:
			add('-')
		case common != nil && a[i] == b[k]:
			add(' ')
		case common == nil || common[i-head+1][k-head] >= common[i-head][k-head+1]:
			add('-')
		default:
			add('+')
		}
	}
	for i < len(a) {
		add(' ')
	}
	return lines
}

// longest has for each pair of places how many lines the rest of both texts have in common, in order; nil when they are too long.
func longest(a, b []string) [][]int32 {
	if len(a) > longDiff || len(b) > longDiff {
		return nil
	}
	n := make([][]int32, len(a)+1)
	for i := range n {
		n[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if a[i] == b[k] {
				n[i][k] = n[i+1][k+1] + 1
			} else {
				n[i][k] = max(n[i+1][k], n[i][k+1])
			}
		}
	}
	return n
}
