package report

import (
	_ "embed" // the page and its style are files of their own, so that editors know them
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

//go:embed page.gohtml
var pageText string

//go:embed page.css
var pageStyle string

// What a page shows at most, so that it opens at once whatever went wrong. JSON has the rest.
const (
	maxCards      = 200   // checks told in full
	maxSampleRows = 20    // of each
	maxSampleCols = 40    // of each
	maxPlainSQL   = 400   // checks up to which those that passed show their query
	maxPageSQL    = 4_000 // characters of one query
)

// page is what the template sees.
type page struct {
	*Run
	Style     template.CSS
	Groups    []cardGroup
	CardsLeft int // checks that have no card because there are too many
	PlainSQL  bool
	Nodes     []nodeView
	Trend     Strip
	Seconds   *Chart
	anchors   map[journal.CheckName]string
}

// Anchor is the name of a check's card; "" when it has none.
func (p *page) Anchor(node, check string) string {
	return p.anchors[journal.CheckName{Node: node, Name: check}]
}

// cardGroup are checks of one kind of outcome, told in full.
type cardGroup struct {
	Title, Lead string
	Open        bool
	Cards       []checkView
}

// nodeView is a node with what its section needs.
type nodeView struct {
	Node
	Anchor string
	Open   bool
	Views  []checkView
	Counts string
	View   bool // it has no rows of its own
}

// checkView is a check with what its card or line needs.
type checkView struct {
	Check
	Anchor string // of its card; "" when it has none
	Strip  Strip
	Chart  *Chart
	Sample *SampleView
}

// SampleView is a sample cut to what fits a page.
type SampleView struct {
	Columns  []string
	Rows     [][]*string
	RowsLeft int
	ColsLeft int
}

// HTML writes the report as one page that needs nothing else: no script, no request, no other file.
func HTML(w io.Writer, r *Run) error {
	t, err := Parts(template.New("page"))
	if err == nil {
		t, err = t.Parse(pageText)
	}
	if err != nil {
		return fmt.Errorf("parse report page: %w", err)
	}
	if err := t.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("write report page: %w", err)
	}
	return nil
}

// newPage orders the facts for reading.
func newPage(r *Run) *page {
	p := &page{Run: r, Style: template.CSS(reportStyle()), PlainSQL: r.Totals.Checks <= maxPlainSQL, Trend: RunStrip(r.Runs), Seconds: SecondsChart(r.Runs)}
	p.addCards(r)
	for i, n := range r.Nodes {
		v := nodeView{Node: n, Anchor: fmt.Sprintf("node-%d", i+1), Counts: checkCounts(n.Checks),
			View: n.Kind == "model" && n.Status == journal.Succeeded && len(n.Equations) == 0}
		for _, c := range n.Checks {
			v.Open = v.Open || rank(c) < 3
			v.Views = append(v.Views, checkView{Check: c, Anchor: p.Anchor(n.Name, c.Name), Strip: CheckStrip(c.History)})
		}
		p.Nodes = append(p.Nodes, v)
	}
	return p
}

// addCards picks the checks that are told in full, the gravest first, and names their anchors.
func (p *page) addCards(r *Run) {
	var grave []Check
	for _, n := range r.Nodes {
		for _, c := range n.Checks {
			if rank(c) < 4 {
				grave = append(grave, c)
			}
		}
	}
	slices.SortStableFunc(grave, func(a, b Check) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return severityRank(a.Severity) - severityRank(b.Severity)
	})
	if len(grave) > maxCards {
		p.CardsLeft = len(grave) - maxCards
		grave = grave[:maxCards]
	}
	p.Groups = []cardGroup{
		{Title: "Failing checks", Lead: "Their tables are not published until this is mended.", Open: true},
		{Title: "Warnings", Lead: "They keep nothing from being published."},
		{Title: "Quarantined", Lead: "These rows went to the table’s quarantine instead of the table."},
	}
	if r.Subject != "" {
		p.Groups[0].Lead, p.Groups[1].Lead = "These tables do not hold what is expected of them.", "They do not make the judgement fail."
	}
	p.anchors = map[journal.CheckName]string{}
	for i, c := range grave {
		v := checkView{Check: c, Anchor: fmt.Sprintf("check-%d", i+1), Strip: CheckStrip(c.History), Chart: FailingChart(c.History), Sample: NewSample(c.Result.Sample)}
		p.anchors[journal.CheckName{Node: c.Node, Name: c.Name}] = v.Anchor
		group := max(rank(c)-1, 0)
		p.Groups[group].Cards = append(p.Groups[group].Cards, v)
	}
}

// NewSample cuts a sample to what fits a page; nil for one without rows.
func NewSample(s *check.Sample) *SampleView {
	if s == nil || len(s.Rows) == 0 {
		return nil
	}
	v := &SampleView{Columns: s.Columns, Rows: s.Rows}
	if len(v.Columns) > maxSampleCols {
		v.ColsLeft, v.Columns = len(v.Columns)-maxSampleCols, v.Columns[:maxSampleCols]
	}
	if len(v.Rows) > maxSampleRows {
		v.RowsLeft, v.Rows = len(v.Rows)-maxSampleRows, v.Rows[:maxSampleRows]
	}
	if v.ColsLeft > 0 {
		v.Rows = slices.Clone(v.Rows)
		for i, row := range v.Rows {
			v.Rows[i] = row[:min(len(row), maxSampleCols)]
		}
	}
	return v
}

// checkCounts is a node's checks in words: "12 checks: 1 failed, 11 passed".
func checkCounts(checks []Check) string {
	if len(checks) == 0 {
		return "no checks"
	}
	var t Totals
	for _, c := range checks {
		t.count(c.Status)
	}
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{t.Errors, "with an error"}, {t.Failed, "failed"}, {t.Warned, "warned"}, {t.Skipped, "skipped"}, {t.Passed, "passed"}} {
		if p.n == len(checks) {
			return count(len(checks), "check") + ", " + verb(p.n, "", "all ") + p.word
		}
		if p.n > 0 {
			parts = append(parts, number(p.n)+" "+p.word)
		}
	}
	return count(len(checks), "check") + ": " + strings.Join(parts, ", ")
}

// fact is a line of a card.
type fact struct {
	Name, Text string
}

// facts are what is known of a check beside its message, in the words of the project's files.
func facts(c Check) []fact {
	var all []fact
	add := func(name, text string) {
		if text != "" {
			all = append(all, fact{name, oneLine(text)})
		}
	}
	add("Failing", failing(c))
	if c.Value != nil {
		add("Found", fmt.Sprintf("%v", *c.Value))
	}
	add("Expected", c.Expected)
	if c.Quarantined > 0 && c.Severity == models.SeverityQuarantine {
		add("Quarantined", count(c.Quarantined, "row"))
	}
	add("Severity", string(c.Severity))
	add("Decided by", c.Threshold)
	add("Columns", strings.Join(c.Columns, ", "))
	add("Kind", c.Kind)
	add("Owner", c.Owner)
	add("Defined at", c.Pos)
	add("Tags", strings.Join(c.Tags, ", "))
	add("Found by", howText(c.How))
	if c.Took > 0 {
		add("Took", duration(c.Took))
	}
	return all
}

// failing is the number of failing rows with what it is to be compared with; "" for a check of the table as a whole that found none.
func failing(c Check) string {
	if c.Status == check.StatusSkipped || c.Failing == 0 && (c.Checked == 0 || c.Value != nil) {
		return ""
	}
	text := number(c.Failing)
	if c.Checked > 0 {
		text += " of " + count(c.Checked, "row")
	}
	if c.Failing > 0 && c.Checked > 0 {
		text += fmt.Sprintf(" (%s)", share(c.Failing, c.Checked))
	}
	if c.Keys > 0 {
		text += fmt.Sprintf(", %s", count(c.Keys, "distinct value"))
	}
	return text
}

func share(n, of int64) string {
	p := float64(n) / float64(of) * 100
	if p < 0.01 {
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", p)
}

func howText(h check.How) string {
	switch h {
	case check.HowStatistics:
		return "the files’ statistics; no row was read"
	case check.HowScan:
		return "the table’s one scan"
	case check.HowContract:
		return "another check that says more"
	case check.HowQuery:
		return "a query of its own"
	case check.HowHistory:
		return "comparison with earlier runs"
	}
	return string(h)
}

// mark is a sign for a status, so that it does not hang on colour. The word stands beside it.
func mark(s check.Status) string {
	switch s {
	case check.StatusPass:
		return "✓"
	case check.StatusWarn:
		return "▲"
	case check.StatusFail:
		return "✕"
	case check.StatusError:
		return "⊘"
	}
	return "–"
}

func word(s check.Status) string {
	switch s {
	case check.StatusPass:
		return "passed"
	case check.StatusWarn:
		return "warning"
	case check.StatusFail:
		return "failed"
	case check.StatusSkipped, check.StatusError:
		return string(s)
	}
	return "unknown"
}

func nodeMark(s journal.Status) string {
	switch s {
	case journal.Succeeded:
		return mark(check.StatusPass)
	case journal.Failed, journal.ChecksFailed:
		return mark(check.StatusFail)
	case journal.Running, journal.Interrupted:
		return "…"
	}
	return mark(check.StatusSkipped)
}

func nodeWord(s journal.Status) string {
	switch s {
	case journal.Succeeded:
		return "built"
	case journal.UpstreamFailed:
		return "skipped"
	case journal.ChecksFailed:
		return "checks failed"
	case "":
		return "checked"
	}
	return string(s)
}

func verdictMark(w Word) string {
	switch w {
	case WordPassed:
		return "✓"
	case WordWarned:
		return "▲"
	case WordFailed, WordPartial:
		return "✕"
	}
	return "…"
}

func verdictWord(w Word) string {
	switch w {
	case WordWarned:
		return "Passed with warnings"
	case WordPartial:
		return "Failed in part"
	case "":
		return "Unknown"
	}
	return strings.ToUpper(string(w[:1])) + string(w[1:])
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
