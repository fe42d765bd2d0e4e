package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
)

// Message is what people are told. Its JSON form, which webhooks and commands get, is a promise: fields are added, never renamed.
type Message struct {
	Kind        string     `json:"kind"` // what rules are on: failure, recovery, …; digest for several in one; test
	Project     string     `json:"project"`
	Pipeline    string     `json:"pipeline,omitempty"`
	Run         string     `json:"run,omitempty"`
	Attempt     int        `json:"attempt,omitempty"`
	Trigger     string     `json:"trigger,omitempty"`
	LogicalTime *time.Time `json:"logical_time,omitempty"`
	At          time.Time  `json:"at"` // when it happened
	Took        string     `json:"took,omitempty"`
	Title       string     `json:"title"` // all of it in one line
	Text        string     `json:"text,omitempty"`
	Node        string     `json:"node,omitempty"` // the root of the trouble
	Hint        string     `json:"hint,omitempty"` // what to do
	Checks      []Check    `json:"checks,omitempty"`
	MoreChecks  int        `json:"more_checks,omitempty"`
	Others      []string   `json:"other_causes,omitempty"`
	Held        []string   `json:"held_back,omitempty"` // tables that were kept back because of it
	Published   string     `json:"published,omitempty"`
	Rows        int64      `json:"rows"` // that the run built or landed
	Owners      []string   `json:"owners,omitempty"`
	Tags        []string   `json:"tags,omitempty"`
	Severity    []string   `json:"severity,omitempty"`
	First       bool       `json:"first,omitempty"`          // the first failure of a series
	Failures    int        `json:"failures,omitempty"`       // of the series so far
	Since       *time.Time `json:"since,omitempty"`          // when the series began
	Untold      int        `json:"untold,omitempty"`         // failures since the last message
	Quiet       string     `json:"quiet_until,omitempty"`    // nothing more is told of a pipeline that fails and recovers again and again
	Command     string     `json:"command,omitempty"`        // to be pasted
	Link        string     `json:"link,omitempty"`           // to the run's page
	Members     []Member   `json:"members,omitempty"`        // of a digest, at most mostMembers
	Count       int        `json:"members_count,omitempty"`  // of all of them
	Worst       string     `json:"worst_kind,omitempty"`     // of all of them
	Fresh       []string   `json:"overdue_tables,omitempty"` // of a freshness message

	before []facts // of the failures of the series before
}

// Check is a failing check. It has counts, and no values.
type Check struct {
	Node     string `json:"node"`
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Status   string `json:"status"`
	Failing  int64  `json:"failing"`
	Checked  int64  `json:"checked"`
	Owner    string `json:"owner,omitempty"`
}

// Member is one message of a digest.
type Member struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Pipeline string `json:"pipeline,omitempty"`
	Run      string `json:"run,omitempty"`
	Title    string `json:"title"`
}

// Kinds of messages that no rule is on.
const (
	kindDigest = "digest"
	kindTest   = "test"
)

// Limits of one message, so that it can be read and no channel refuses it.
const (
	mostChecks  = 10
	mostNames   = 10
	mostText    = 600
	mostMembers = 20
)

// block is a part of a message as every channel shows it: a line of text, or names and values.
type block struct {
	label string // "" for a plain text
	text  string
	code  bool // to be copied
}

// blocks are the message below its title.
func (m *Message) blocks() []block {
	var all []block
	add := func(label, text string) {
		if text != "" {
			all = append(all, block{label: label, text: text})
		}
	}
	if !strings.HasSuffix(m.Title, m.Text) {
		add("", m.Text)
	}
	add("", checkLines(m.Checks, m.MoreChecks))
	add("", memberLines(m.Members, m.Count))
	add("Also failed", listing(m.Others))
	add("Kept back because of it", listing(m.Held))
	add("Tables", listing(m.Fresh))
	add("What to do", m.Hint)
	add("Published", m.Published)
	if m.Kind == models.OnFailure && m.Failures > 1 && m.Since != nil {
		series := fmt.Sprintf("failed %d times since %s", m.Failures, clockText(*m.Since))
		if m.Untold > 0 {
			series += fmt.Sprintf(", %d of them since the last message", m.Untold)
		}
		add("Series", series)
	}
	if m.Quiet != "" {
		add("", "It fails and recovers again and again: nothing more is told of it before "+m.Quiet+".")
	}
	add("Owner", strings.Join(m.Owners, ", "))
	if m.Run != "" {
		run := m.Run
		if m.Attempt > 1 {
			run += fmt.Sprintf(", attempt %d", m.Attempt)
		}
		if m.Took != "" {
			run += ", took " + m.Took
		}
		add("Run", run)
	}
	if m.Command != "" {
		all = append(all, block{label: "Retry", text: m.Command, code: true})
	}
	return all
}

func checkLines(checks []Check, more int) string {
	var lines []string
	for _, c := range checks {
		line := fmt.Sprintf("%s of %s: %s of %s rows", c.Name, c.Node, number(c.Failing), number(c.Checked))
		if c.Status == "error" {
			line = fmt.Sprintf("%s of %s: could not be run", c.Name, c.Node)
		}
		if c.Severity != "error" {
			line += " (" + c.Severity + ")"
		}
		lines = append(lines, "• "+line)
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("• and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func memberLines(members []Member, count int) string {
	var lines []string
	for _, m := range members {
		lines = append(lines, "• "+m.Title)
	}
	if count > len(members) {
		lines = append(lines, fmt.Sprintf("• and %d more", count-len(members)))
	}
	return strings.Join(lines, "\n")
}

// listing names the first few.
func listing(names []string) string {
	if len(names) <= mostNames {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:mostNames], ", ") + fmt.Sprintf(" and %d more", len(names)-mostNames)
}

func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// number is readable: 1234567 is 1,234,567.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// cut shortens a text to so many bytes, at a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + "…"
}

// unique sorts names and leaves out repetitions and empty ones.
func unique(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
	slices.Sort(names)
	return slices.Compact(names)
}
