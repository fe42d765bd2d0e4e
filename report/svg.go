package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// Strip is a row of bars, one a run, the latest at the right. Height and colour both tell the outcome. Runs of equal bars
// are one line that the style cuts into bars by a dash pattern: a report of 1,600 checks has 144,000 of them.
type Strip struct {
	Label string // for those who do not see it
	Paths []StripPath
	Width int
	Dots  []StripDot // a title for each bar; only where there are few strips
}

// StripPath is all bars of one class.
type StripPath struct {
	Class string
	D     string
}

// StripDot is an invisible bar that has a title.
type StripDot struct {
	X     int
	Title string
}

// barPitch is the distance of bars. The style's dash pattern, 3 and 1, makes them 3 wide.
const barPitch = 4

// newStrip draws classes, oldest first, right-aligned in the width of a whole trend so that strips in a column compare.
func newStrip(label string, classes []string) Strip {
	s := Strip{Label: label, Width: trendRuns * barPitch}
	byClass, order := map[string]*strings.Builder{}, []string{}
	for i := 0; i < len(classes); {
		end := i + 1
		for end < len(classes) && classes[end] == classes[i] {
			end++
		}
		b := byClass[classes[i]]
		if b == nil {
			b = &strings.Builder{}
			byClass[classes[i]] = b
			order = append(order, classes[i])
		}
		x := s.x(i, len(classes))
		fmt.Fprintf(b, "M%d %dH%d", x, middle(classes[i]), x+(end-i)*barPitch)
		i = end
	}
	for _, class := range order {
		s.Paths = append(s.Paths, StripPath{class, byClass[class].String()})
	}
	return s
}

// middle is the height of a bar's middle, for bars that stand on one line: the style makes failed ones 16 high, warned ones
// 11, passed ones 6 and skipped ones 2.
func middle(class string) int {
	switch class {
	case "fail", "error":
		return 8
	case "warn":
		return 11
	case "pass":
		return 13
	}
	return 15
}

func (s Strip) x(i, of int) int { return s.Width - (of-i)*barPitch }

// CheckStrip is the trend of a check.
func CheckStrip(history []journal.CheckPoint) Strip {
	classes := make([]string, len(history))
	counts, last := map[check.Status]int{}, ""
	for i, p := range history {
		classes[i] = string(p.Status)
		counts[p.Status]++
		if p.Status.Bad() {
			last = "; last failed " + p.At.UTC().Format("2006-01-02")
		}
	}
	label := "no earlier runs"
	if len(history) > 0 {
		label = count(len(history), "run") + ":"
		for _, s := range []struct {
			status check.Status
			word   string
		}{{check.StatusPass, "passed"}, {check.StatusWarn, "warned"}, {check.StatusFail, "failed"}, {check.StatusError, "with an error"}, {check.StatusSkipped, "skipped"}} {
			if n := counts[s.status]; n > 0 {
				label += fmt.Sprintf(" %s %s,", number(n), s.word)
			}
		}
		label = strings.TrimSuffix(label, ",") + last
	}
	return newStrip(label, classes)
}

// RunStrip is the trend of the runs. Each bar has a title.
func RunStrip(runs []RunPoint) Strip {
	classes := make([]string, len(runs))
	green := 0
	for i, p := range runs {
		classes[i] = "skipped"
		switch p.Status {
		case journal.Succeeded:
			classes[i] = "pass"
			green++
		case journal.Partial:
			classes[i] = "warn"
		case journal.Failed:
			classes[i] = "fail"
		}
	}
	s := newStrip(fmt.Sprintf("%s: %s green", count(len(runs), "run"), number(green)), classes)
	for i, p := range runs {
		s.Dots = append(s.Dots, StripDot{s.x(i, len(runs)), fmt.Sprintf("%s · %s · %s", p.LogicalTime.UTC().Format("2006-01-02 15:04"), p.Status, p.ID)})
	}
	return s
}

// chart is a row of bars whose height is a number.
type Chart struct {
	Label  string
	D      string
	Width  int
	Height int
	Top    string // what the highest bar stands for
}

const chartHeight = 40

// newChart draws values, oldest first. A value that is not zero is never invisible.
func newChart(label string, values []float64, text func(float64) string) Chart {
	c := Chart{Label: label, Width: trendRuns * barPitch, Height: chartHeight}
	top := 0.0
	for _, v := range values {
		top = math.Max(top, v)
	}
	c.Top = text(top)
	var b strings.Builder
	for i, v := range values {
		if v <= 0 {
			continue
		}
		h := math.Max(v/top*chartHeight, 1.5)
		// The middle of the bar, as the strips have it: their dash is 3 of 4 wide.
		fmt.Fprintf(&b, "M%.1f %dv%.1f", float64(c.Width-(len(values)-i)*barPitch)+1.5, chartHeight, -h)
	}
	c.D = b.String()
	return c
}

// FailingChart shows how many rows failed a check; nil when none ever did or one point is all there is.
func FailingChart(history []journal.CheckPoint) *Chart {
	values, any := make([]float64, len(history)), false
	for i, p := range history {
		values[i] = float64(p.Failing)
		any = any || p.Failing > 0
	}
	if !any || len(history) < 2 {
		return nil
	}
	c := newChart("failing rows in the latest "+count(len(history), "run"), values, func(v float64) string { return count(int64(v), "row") })
	return &c
}

// SecondsChart shows how long the runs took.
func SecondsChart(runs []RunPoint) *Chart {
	values, any := make([]float64, len(runs)), false
	for i, p := range runs {
		values[i] = p.Seconds
		any = any || p.Seconds > 0
	}
	if !any {
		return nil
	}
	c := newChart("time of the latest "+count(len(runs), "run"), values, func(v float64) string { return duration(seconds(v)) })
	return &c
}
