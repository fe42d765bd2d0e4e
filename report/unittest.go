package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipeline"
)

// This file tells what unit tests of models have found.

// The marks of rows in a unit test's difference.
const (
	rowChanged = "~"
	rowLacking = "-"
	rowExtra   = "+"
)

// UnitDiff is the difference of a unit test, row by row: a mark and the cells. ~ is a row in which some cells differ, which are written
// expected → got; - is a row that is lacking, + one that was not expected.
func UnitDiff(r pipeline.UnitResult) [][]string {
	var rows [][]string
	extra := slices.Clone(r.Extra)
	for _, m := range r.Missing {
		want := r.Expected[m]
		best, most := -1, 0
		for i, e := range extra {
			if same := sameCells(want, r.Got[e]); same > most {
				best, most = i, same
			}
		}
		if best < 0 && len(extra) > 0 && len(want) == 1 { // of one column: nothing says which belong together
			best = 0
		}
		if best < 0 {
			rows = append(rows, marked(rowLacking, want, nil))
			continue
		}
		rows = append(rows, marked(rowChanged, want, r.Got[extra[best]]))
		extra = slices.Delete(extra, best, best+1)
	}
	for _, e := range extra {
		rows = append(rows, marked(rowExtra, r.Got[e], nil))
	}
	return rows
}

// sameCells counts the values that two rows have in common.
func sameCells(a, b []*string) int {
	n := 0
	for i := range a {
		if a[i] != nil && cellText(a[i]) == cellText(b[i]) {
			n++
		}
	}
	return n
}

func marked(mark string, cells, other []*string) []string {
	row := []string{mark}
	for i, c := range cells {
		text := cellText(c)
		if other != nil && text != cellText(other[i]) {
			text += " → " + cellText(other[i])
		}
		row = append(row, text)
	}
	return row
}

// cellText tells NULL from the text NULL.
func cellText(c *string) string {
	switch {
	case c == nil:
		return "NULL"
	case *c == "" || strings.TrimSpace(*c) != *c || *c == "NULL" || strings.Contains(*c, "→"):
		return `"` + oneLine(*c) + `"`
	}
	return oneLine(*c)
}

// mostDiff is how many rows of a difference are told.
const mostDiff = 50

// UnitText tells a unit test that did not pass, as lines of plain text.
func UnitText(r pipeline.UnitResult) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Message)
	if r.Hint != "" {
		fmt.Fprintln(&b, "→ "+r.Hint)
	}
	rows := UnitDiff(r)
	left := len(rows) - mostDiff
	if left > 0 {
		rows = rows[:mostDiff]
	}
	if len(rows) > 0 {
		writeTable(&b, append([][]string{append([]string{""}, r.Columns...)}, rows...))
	}
	if left > 0 {
		fmt.Fprintf(&b, "… and %s more\n", count(left, "row"))
	}
	if len(rows) > 0 {
		fmt.Fprintln(&b, "- lacking, + not expected, ~ other values: expected → got")
	}
	return strings.TrimRight(b.String(), "\n")
}

func writeTable(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 1 {
				line.WriteString(" | ")
			} else if i == 1 {
				line.WriteString(" ")
			}
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(b, strings.TrimRight(line.String(), " "))
	}
}

// UnitJUnit writes a suite for each model and a case for each of its unit tests.
func UnitJUnit(w io.Writer, project string, results []pipeline.UnitResult) error {
	all := junitSuites{Name: plain(orElse(project, "millrace")) + ": unit tests"}
	at := map[string]int{}
	took := 0.0
	for _, r := range results {
		i, known := at[r.Node]
		if !known {
			i = len(all.Suites)
			at[r.Node] = i
			all.Suites = append(all.Suites, junitSuite{Name: plain(r.Node)})
		}
		c := junitCase{Name: plain(r.Name), Classname: plain(r.Node), Time: junitTime(r.Took)}
		outcome := &junitOutcome{"unit_test", plain(firstLine(r.Message)), plain(r.At + "\n" + UnitText(r) + "\n\nQuery:\n" + r.SQL)}
		switch r.Status {
		case pipeline.UnitFail:
			c.Failure = outcome
		case pipeline.UnitError:
			c.Error = outcome
		}
		all.Suites[i].Cases = append(all.Suites[i].Cases, c)
		took += r.Seconds
	}
	all.Time = fmt.Sprintf("%.3f", took)
	for i := range all.Suites {
		s := &all.Suites[i]
		s.count()
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("write unit tests as JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
