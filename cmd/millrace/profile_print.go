package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/transform/profile"
)

// printProfile shows a profile to people: a line for each column, then the details, then the proposed checks.
func (a *app) printProfile(p *profile.Profile) error {
	out := bufio.NewWriter(a.stdout)
	width := a.terminalWidth()
	rows := plural(int(p.Rows), "row")
	if p.Of > 0 {
		rows = fmt.Sprintf("a sample of %d of %d rows", p.Rows, p.Of)
	}
	fmt.Fprintf(out, "%s: %s, %s\n\n", oneLine(a.redactor.Redact(p.Table)), rows, plural(len(p.Columns), "column"))
	if err := profileGrid(p, width).print(out); err != nil {
		return err
	}
	a.printKeys(out, p)
	for _, c := range p.Columns {
		printColumn(out, c, width)
	}
	fmt.Fprintf(out, "\n%s", "# Checks that these rows pass, to paste under the table in models/*.yml, under its stream, or in a checks file.\n")
	fmt.Fprint(out, a.redactor.Redact(profile.YAML(p.Proposals, 0)))
	return out.Flush()
}

func (a *app) printKeys(out io.Writer, p *profile.Profile) {
	for i, key := range p.Keys {
		lead := "\ncandidate keys  "
		if i > 0 {
			lead = "                "
		}
		fmt.Fprintln(out, lead+oneLine(strings.Join(key, " + ")))
	}
}

func profileGrid(p *profile.Profile, width int) *grid {
	g := &grid{header: []string{"COLUMN", "TYPE", "NULLS", "DISTINCT", "MIN", "MAX", "MEAN", "NOTES"},
		right: []bool{false, false, true, true, true, true, true}, width: width}
	for _, c := range p.Columns {
		mean := ""
		if c.Number != nil && c.Number.Mean != nil {
			mean = figure(*c.Number.Mean)
		}
		notes := strings.Join(c.Remarks, "; ")
		if notes == "" && c.Unique && c.Nulls == 0 {
			notes = "unique"
		}
		g.add(oneLine(c.Name), cut(oneLine(c.Type), 24), percent(c.NullShare, c.Nulls), distinct(c), value(c.Min, 20), value(c.Max, 20), mean, cut(oneLine(notes), 60))
	}
	return g
}

// percent does not round something to nothing.
func percent(share float64, n int64) string {
	switch {
	case n == 0:
		return "0"
	case share < 0.001:
		return "<0.1%"
	case share < 1 && share > 0.999:
		return ">99.9%"
	}
	return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
}

func distinct(c *profile.Column) string {
	n := strconv.FormatInt(c.Distinct, 10)
	if c.Estimated {
		return "~" + n
	}
	return n
}

func value(s *string, most int) string {
	if s == nil {
		return ""
	}
	return cut(oneLine(*s), most)
}

// figure is a number of four significant digits, and all before the point.
func figure(f float64) string {
	if a := math.Abs(f); a >= 1000 && a < 1e15 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}

// printColumn shows what one line has no room for.
func printColumn(out io.Writer, c *profile.Column, width int) {
	var lines []string
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-10s%s", name, fmt.Sprintf(format, args...)))
	}
	if n := c.Number; n != nil && len(n.Quantiles) > 0 {
		var parts []string
		for _, q := range n.Quantiles {
			parts = append(parts, fmt.Sprintf("%g%% %s", q.Percent, short(q.Value)))
		}
		add("quantiles", "%s%s", tilde(c.Sketched), strings.Join(parts, "  "))
	}
	if n := c.Number; n != nil && c.Values > 0 {
		stddev := ""
		if n.StdDev != nil {
			stddev = "stddev " + figure(*n.StdDev) + ", "
		}
		add("spread", "%szero %s, negative %s", stddev, part(n.Zero, c.Values), part(n.Negative, c.Values))
	}
	if n := len(c.Histogram); n > 1 {
		add("histogram", "%s  %s to %s", skyline(c.Histogram), c.Histogram[0].From, c.Histogram[n-1].To)
	}
	if t := c.Time; t != nil && t.NewestAge != nil {
		add("newest", "%s", age(*t.NewestAge))
	}
	if l := c.Length; l != nil {
		add("length", "%d to %d, mean %s", l.Min, l.Max, figure(l.Mean))
	}
	if t := c.Text; t != nil {
		patterns(add, "pattern", t.Patterns, 5)
		if len(t.Shapes) > 0 && t.Shapes[0].Share >= 0.1 { // else they are words
			patterns(add, tilde(t.Sampled > 0)+"shape", t.Shapes, 5)
		}
	}
	if len(lines) == 0 && len(c.Top) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n%s", oneLine(c.Name), join(lines))
	if len(c.Top) > 0 && c.Top[0].Rows > 1 {
		top := make([]bar, len(c.Top))
		for i, v := range c.Top {
			top[i] = bar{oneLine(v.Value), v.Rows, v.Share}
			if v.Cut {
				top[i].label += "…"
			}
		}
		printBars(out, tilde(c.Sketched)+"top", top, width)
	}
}

// skyline draws the classes of a histogram side by side. A class with any rows shows.
func skyline(bins []profile.Bin) string {
	most := int64(1)
	for _, b := range bins {
		most = max(most, b.Rows)
	}
	var line strings.Builder
	for _, b := range bins {
		if b.Rows == 0 {
			line.WriteByte('_')
			continue
		}
		line.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, b.Rows*8/most)])
	}
	return line.String()
}

func join(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func tilde(estimated bool) string {
	if estimated {
		return "~"
	}
	return ""
}

func part(n, of int64) string {
	share := 0.0
	if of > 0 {
		share = float64(n) / float64(of)
	}
	return percent(share, n)
}

func age(seconds int64) string {
	if seconds < 0 {
		return ago(-seconds) + " in the future"
	}
	return ago(seconds) + " old"
}

// short takes the dust off a float that was made from a decimal.
func short(number string) string {
	if f, err := strconv.ParseFloat(number, 64); err == nil && len(number) > 10 && strings.Contains(number, ".") {
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return number
}

func patterns(add func(string, string, ...any), name string, found []profile.Pattern, most int) {
	var parts []string
	for _, p := range found[:min(len(found), most)] {
		parts = append(parts, oneLine(p.Name)+" "+percent(p.Share, p.Rows))
	}
	if len(parts) > 0 {
		add(name, "%s", strings.Join(parts, "  "))
	}
}

// bar is a line of a bar chart.
type bar struct {
	label string
	rows  int64
	share float64
}

// printBars draws bars where a terminal has room for them.
func printBars(out io.Writer, name string, bars []bar, width int) {
	const room, label = 70, 32
	most, wide := int64(1), 0
	for _, b := range bars {
		most = max(most, b.rows)
		wide = max(wide, min(utf8.RuneCountInString(b.label), label))
	}
	for i, b := range bars {
		if i > 0 {
			name = ""
		}
		text := cut(b.label, label)
		line := fmt.Sprintf("  %-10s%s%s  %9d  %6s", name, text, strings.Repeat(" ", wide-utf8.RuneCountInString(text)), b.rows, percent(b.share, b.rows))
		if width >= room {
			line += "  " + blocks(float64(b.rows)/float64(most), min(30, width-utf8.RuneCountInString(line)-3))
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

// blocks is a bar of eighths of a character.
func blocks(share float64, width int) string {
	if width <= 0 {
		return ""
	}
	eighths := int(math.Ceil(share * float64(width) * 8))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}
