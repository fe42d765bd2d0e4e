package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// The elements of JUnit XML as Jenkins' schema (junit-10.xsd) has them, in the order in which they are written. All that
// reads JUnit reads this subset.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Time     string       `xml:"time,attr,omitempty"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string           `xml:"name,attr"`
	Tests      int              `xml:"tests,attr"`
	Failures   int              `xml:"failures,attr"`
	Errors     int              `xml:"errors,attr"`
	Skipped    int              `xml:"skipped,attr"`
	Time       string           `xml:"time,attr,omitempty"`
	Timestamp  string           `xml:"timestamp,attr,omitempty"`
	Properties *junitProperties `xml:"properties"`
	Cases      []junitCase      `xml:"testcase"`
}

type junitProperties struct {
	All []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	Classname string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr,omitempty"`
	Skipped   *junitOutcome `xml:"skipped"`
	Error     *junitOutcome `xml:"error"`
	Failure   *junitOutcome `xml:"failure"`
	Out       string        `xml:"system-out,omitempty"`
}

type junitOutcome struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a suite for each node and a case for each check. A warning is a case that passes, with its text as output.
// A step that failed for another reason than its checks is a case of its own, and so is one that was kept back and has no
// checks to tell it.
func JUnit(w io.Writer, r *Run) error {
	all := junitSuites{Name: plain(orElse(r.Project, "millrace")) + ": " + plain(orElse(r.Subject, r.ID))}
	if r.Finished != nil {
		all.Time = junitTime(r.Finished.Sub(r.Started))
	}
	for _, n := range r.Nodes {
		s := newJUnitSuite(r, n)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
	}
	for _, c := range r.Causes { // of the run as a whole: publishing failed
		if c.Node == "" && len(c.Held) == 0 {
			s := junitSuite{Name: "run", Cases: []junitCase{{Name: "publish", Classname: "run", Error: &junitOutcome{"run", plain(firstLine(c.Message)), plain(c.Message)}}}}
			s.count()
			all.Tests, all.Errors = all.Tests+1, all.Errors+1
			all.Suites = append(all.Suites, s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("write report as JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newJUnitSuite(r *Run, n Node) junitSuite {
	s := junitSuite{Name: plain(n.Name), Properties: &junitProperties{}}
	property := func(name, value string) {
		s.Properties.All = append(s.Properties.All, junitProperty{name, plain(value)})
	}
	if r.Subject == "" {
		property("run", r.ID)
	} else {
		property("from", n.From)
	}
	if n.Status == "" && n.Started.IsZero() && len(n.Checks) == 0 {
		property("status", "not checked")
	} else {
		property("status", nodeWord(n.Status))
	}
	property("rows", fmt.Sprint(n.Rows))
	property("rejected", fmt.Sprint(n.Rejected))
	property("quarantined", fmt.Sprint(n.Quarantined))
	for _, e := range n.Equations {
		property("equation", e.Text)
	}
	if !n.Started.IsZero() {
		s.Timestamp = n.Started.UTC().Format("2006-01-02T15:04:05")
	}
	if n.Finished != nil {
		s.Time = junitTime(n.Finished.Sub(n.Started))
	}
	bad := false
	for _, c := range n.Checks {
		bad = bad || c.Status.Bad()
		s.Cases = append(s.Cases, newJUnitCase(c))
	}
	if c := stepCase(n, bad); c != nil {
		s.Cases = append([]junitCase{*c}, s.Cases...)
	}
	s.count()
	return s
}

// stepCase is the case of the step itself, nil when its checks say all.
func stepCase(n Node, badChecks bool) *junitCase {
	name := "build"
	switch n.Kind {
	case "stream":
		name = "extract"
	case "seed", "table":
		name = "read"
	}
	c := &junitCase{Name: name, Classname: plain(n.Name)}
	switch {
	case n.Status == journal.Failed || n.Status == journal.ChecksFailed && !badChecks:
		text := n.Error
		if n.Hint != "" {
			text += "\n→ " + n.Hint
		}
		c.Error = &junitOutcome{"step", plain(firstLine(n.Error)), plain(text)}
	case (n.Status == journal.UpstreamFailed || n.Status == journal.Withheld) && len(n.Checks) == 0:
		c.Skipped = &junitOutcome{string(n.Status), plain(n.Error), ""}
	default:
		return nil
	}
	return c
}

func newJUnitCase(c Check) junitCase {
	out := junitCase{Name: plain(c.Name), Classname: plain(c.Node)}
	if c.Took > 0 {
		out.Time = junitTime(c.Took)
	}
	outcome := &junitOutcome{plain(orElse(c.Kind, "check")), plain(firstLine(c.Message)), ""}
	switch c.Status {
	case check.StatusFail:
		outcome.Text = plain(inFull(c))
		out.Failure = outcome
	case check.StatusError:
		outcome.Text = plain(inFull(c))
		out.Error = outcome
	case check.StatusSkipped:
		out.Skipped = outcome
	case check.StatusWarn:
		out.Out = plain("WARNING\n" + inFull(c))
	default:
		if c.Quarantined > 0 {
			out.Out = plain(inFull(c))
		}
	}
	return out
}

func (s *junitSuite) count() {
	for _, c := range s.Cases {
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
}

// inFull is a check as plain text: what a build server shows of it.
func inFull(c Check) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Message)
	if c.Description != "" {
		fmt.Fprintln(&b, c.Description)
	}
	for _, f := range facts(c) {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Text)
	}
	if c.FailingRuns > 1 {
		fmt.Fprintf(&b, "Failing since: run %s, %s\n", c.FailingSince, count(c.FailingRuns, "run"))
	}
	if s := NewSample(c.Sample); s != nil {
		fmt.Fprintf(&b, "\nRows that fail:\n%s\n", strings.Join(s.Columns, " | "))
		for _, row := range s.Rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = "NULL"
				if cell != nil {
					cells[i] = oneLine(*cell)
				}
			}
			fmt.Fprintln(&b, strings.Join(cells, " | "))
		}
	}
	if c.SQL != "" {
		fmt.Fprintf(&b, "\nQuery:\n%s\n", c.SQL)
	}
	return strings.TrimRight(b.String(), "\n")
}

// plain is a text without what XML 1.0 forbids: no escape can express a control character there.
func plain(s string) string { return strings.ToValidUTF8(visible(s), "\uFFFD") }

// junitTime has no exponent and no more than milliseconds, as the schema's pattern wants it.
func junitTime(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
