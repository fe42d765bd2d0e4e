package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/millrace/millrace/pipeline/journal"
)

// GitHub takes 65,536 characters in a comment. Bytes are counted, of which a text has no fewer than characters, and some
// are left for what a pipeline writes around the report.
const markdownLimit = 65_000

// What a comment shows of one check: the report itself has the rest.
const (
	markdownRows  = 5
	markdownCols  = 12
	markdownCell  = 80
	markdownText  = 600
	markdownSQL   = 1_500
	markdownNodes = 60
)

// markdown collects blocks as long as they fit.
type markdown struct {
	b    strings.Builder
	full bool
	left map[string]int // blocks that did not fit, by what they are
}

// leftRoom is kept for the closing note.
const leftRoom = 600

func (m *markdown) add(kind, block string) {
	if m.full || m.b.Len()+len(block) > markdownLimit-leftRoom {
		m.full = true // what comes later must not slip in: readers would take it for all there is
		if kind != "" {
			m.left[kind]++
		}
		return
	}
	m.b.WriteString(block)
}

// Markdown writes the report for a comment on a pull request: the verdict, causes, failing checks and warnings folded up,
// what changed, and the nodes. It is never longer than GitHub takes.
func Markdown(w io.Writer, r *Run) error {
	m := &markdown{left: map[string]int{}}
	m.head(r)
	for _, text := range r.Warnings {
		m.add("", "⚠️ "+prose(cut(text, markdownText))+"\n\n")
	}
	for _, c := range r.Causes {
		m.cause(c)
	}
	m.changes(r.Changes)
	p := newPage(r)
	for _, g := range p.Groups {
		for i, c := range g.Cards {
			if i == 0 {
				m.add("", "\n**"+g.Title+"**\n\n")
			}
			m.add("check", checkBlock(c))
		}
	}
	if p.CardsLeft > 0 {
		m.left["check"] += p.CardsLeft
	}
	if r.Subject != "" {
		m.tables(r.Nodes)
	} else {
		m.nodes(r.Nodes)
	}
	m.foot(r)
	_, err := io.WriteString(w, m.b.String())
	return err
}

func (m *markdown) head(r *Run) {
	sign := map[Word]string{WordPassed: "✅", WordWarned: "⚠️", WordFailed: "❌", WordPartial: "❌"}[r.Verdict.Word]
	if sign == "" {
		sign = "⏳"
	}
	title := verdictWord(r.Verdict.Word)
	if r.Project != "" {
		title = prose(r.Project) + ": " + strings.ToLower(title[:1]) + title[1:]
	}
	m.add("", fmt.Sprintf("### %s %s\n\n%s\n\n", sign, title, prose(cut(r.Verdict.Sentence, markdownText))))
	t := r.Totals
	if r.Subject != "" {
		m.add("", fmt.Sprintf("| passed | warned | failed | errors |\n|--:|--:|--:|--:|\n| %s | %s | %s | %s |\n\n", number(t.Passed), number(t.Warned), number(t.Failed), number(t.Errors)))
		return
	}
	m.add("", fmt.Sprintf("| passed | warned | failed | errors | skipped | quarantined | rejected |\n|--:|--:|--:|--:|--:|--:|--:|\n| %s | %s | %s | %s | %s | %s | %s |\n\n",
		number(t.Passed), number(t.Warned), number(t.Failed), number(t.Errors), number(t.Skipped), number(t.Quarantined), number(t.Rejected)))
}

func (m *markdown) cause(c Cause) {
	name := "The run"
	if c.Node != "" {
		name = code(c.Node)
	}
	block := fmt.Sprintf("**%s**: %s\n", name, prose(cut(c.Message, markdownText)))
	if c.Hint != "" {
		block += "→ " + prose(cut(c.Hint, markdownText)) + "\n"
	}
	if len(c.Held) > 0 {
		block += fmt.Sprintf("\n<details><summary>%s kept back because of it</summary>\n\n", count(len(c.Held), "node"))
		for i, h := range c.Held {
			if i == markdownNodes {
				block += fmt.Sprintf("- and %s more\n", number(len(c.Held)-i))
				break
			}
			block += "- " + code(h.Node) + " " + nodeWord(h.Status) + "\n"
		}
		block += "\n</details>\n"
	}
	m.add("cause", block+"\n")
}

func (m *markdown) changes(c *Changes) {
	if c == nil {
		return
	}
	var b strings.Builder
	list := func(title string, refs []CheckRef) {
		if len(refs) == 0 {
			return
		}
		names := make([]string, 0, len(refs))
		for i, r := range refs {
			if i == 10 {
				names = append(names, fmt.Sprintf("and %s more", number(len(refs)-i)))
				break
			}
			names = append(names, code(r.Node+"."+r.Name))
		}
		fmt.Fprintf(&b, "- %s: %s\n", title, strings.Join(names, ", "))
	}
	list("Newly failing", c.NewlyFailing)
	list("Still failing", c.StillFailing)
	list("Newly warning", c.NewlyWarning)
	list("Passing again", c.NewlyPassing)
	if c.Project {
		b.WriteString("- The project's files changed\n")
	}
	for i, row := range c.Rows {
		if i == 10 {
			fmt.Fprintf(&b, "- and the rows of %s more\n", count(len(c.Rows)-i, "table"))
			break
		}
		fmt.Fprintf(&b, "- Rows of %s: %s → %s %s\n", code(row.Node), number(row.Was), number(row.Now), percent(row.Was, row.Now))
	}
	if b.Len() > 0 {
		m.add("change", fmt.Sprintf("<details><summary>Since the last green run, %s</summary>\n\n%s\n</details>\n\n", tag(c.Since), b.String()))
	}
}

// checkBlock is a check that folds out.
func checkBlock(c checkView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary>%s %s: %s</summary>\n\n", mark(c.Status), tag(c.Node+"."+c.Name), prose(cut(firstLine(c.Message), 200)))
	if c.Description != "" {
		fmt.Fprintf(&b, "%s\n\n", prose(cut(c.Description, markdownText)))
	}
	var parts []string
	for _, f := range facts(c.Check) {
		switch f.Name {
		case "Failing", "Found", "Expected", "Severity", "Decided by", "Owner", "Defined at":
			parts = append(parts, strings.ToLower(f.Name)+" "+code(cut(f.Text, 200)))
		}
	}
	if c.FailingRuns > 1 {
		parts = append(parts, "failing for "+count(c.FailingRuns, "run"))
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(parts, " · "))
	if c.Sample != nil {
		b.WriteString("\n" + sampleTable(c.Sample))
	}
	if c.SQL != "" {
		fence := strings.Repeat("`", max(3, longestRun(c.SQL, '`')+1))
		fmt.Fprintf(&b, "\n%ssql\n%s\n%s\n", fence, plain(cut(c.SQL, markdownSQL)), fence)
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

func sampleTable(s *SampleView) string {
	var b strings.Builder
	width := min(len(s.Columns), markdownCols)
	for _, name := range s.Columns[:width] {
		b.WriteString("| " + code(cut(name, markdownCell)) + " ")
	}
	b.WriteString("|\n" + strings.Repeat("|---", width) + "|\n")
	for _, row := range s.Rows[:min(len(s.Rows), markdownRows)] {
		for _, cell := range row[:min(len(row), width)] {
			text := "*NULL*"
			if cell != nil && *cell == "" {
				text = "*empty*"
			} else if cell != nil {
				text = code(cut(*cell, markdownCell))
			}
			b.WriteString("| " + text + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// nodes is the table of all nodes, folded up.
func (m *markdown) nodes(nodes []Node) {
	if len(nodes) == 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s, every row accounted for</summary>\n\n| node | state | rows | equations | checks |\n|---|---|--:|---|---|\n", count(len(nodes), "node"))
	for i, n := range nodes {
		if i == markdownNodes {
			fmt.Fprintf(&b, "\n%s more.\n", count(len(nodes)-i, "node"))
			break
		}
		equations := make([]string, 0, len(n.Equations))
		for _, e := range n.Equations {
			equations = append(equations, code(cut(e.Short(), 200)))
		}
		state := nodeWord(n.Status)
		if n.Unchanged && n.Status == journal.Succeeded {
			state = "unchanged"
		}
		if n.Status == journal.Failed || n.Status == journal.ChecksFailed {
			state = "**" + state + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(cut(n.Name, markdownCell)), state, number(n.Rows), strings.Join(equations, "<br>"), checkCounts(n.Checks))
	}
	b.WriteString("\n</details>\n")
	m.add("table of nodes", b.String())
}

// tables is the table of all tables of a judgement, folded up.
func (m *markdown) tables(nodes []Node) {
	if len(nodes) == 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n| table | rows | read from | checks |\n|---|--:|---|---|\n", count(len(nodes), "table"))
	for i, n := range nodes {
		if i == markdownNodes {
			fmt.Fprintf(&b, "\n%s more.\n", count(len(nodes)-i, "table"))
			break
		}
		rows, from := number(n.Rows), code(cut(orElse(n.From, "the target"), markdownCell))
		if n.Finished == nil {
			rows, from = "not checked", ""
		} else if n.Status == journal.Failed {
			rows = "**not read**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(cut(n.Name, markdownCell)), rows, from, checkCounts(n.Checks))
	}
	b.WriteString("\n</details>\n")
	m.add("table of nodes", b.String())
}

// foot says what was left out. There is room for it.
func (m *markdown) foot(r *Run) {
	m.full = false
	var left []string
	for _, kind := range []string{"cause", "change", "check", "table of nodes"} {
		switch n := m.left[kind]; {
		case n == 0:
		case kind == "table of nodes":
			left = append(left, "the table of nodes")
		case kind == "change":
			left = append(left, "what changed")
		default:
			left = append(left, count(n, kind))
		}
	}
	if len(left) > 0 {
		m.b.WriteString("\nLeft out, because a comment has its limits: " + listing(left) + ".\n")
	}
	if r.Subject != "" {
		fmt.Fprintf(&m.b, "\n<sub>%s · all of it: %s</sub>\n", tag(cut(r.Subject, 80)), tag(r.Command()))
		return
	}
	fmt.Fprintf(&m.b, "\n<sub>run %s · all of it: %s</sub>\n", tag(cut(r.ID, 80)), tag("millrace report "+cut(r.ID, 80)))
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// entities writes a text, on one line, so that nothing in it is markup: neither Markdown nor HTML nor what GitHub makes of
// names, numbers and links. As entities the characters are only themselves, and a table does not end a cell at them.
func entities(s string) string {
	var b strings.Builder
	runes := []rune(oneLine(s))
	for i, c := range runes {
		if markup(runes, i) {
			fmt.Fprintf(&b, "&#%d;", c)
		} else {
			b.WriteRune(c)
		}
	}
	// Links without a scheme, which GitHub makes of a bare www.
	return strings.NewReplacer("www.", "www&#46;", "WWW.", "WWW&#46;").Replace(b.String())
}

// markup says whether the character could be taken for more than itself where it stands.
func markup(s []rune, i int) bool {
	wordAt := func(i int) bool {
		return i >= 0 && i < len(s) && (unicode.IsLetter(s[i]) || unicode.IsDigit(s[i]))
	}
	switch s[i] {
	case '&', '<', '>', '\\', '`', '*', '[', ']', '#', '|', '~', '@', '$':
		return true
	case '_': // inside a word it is a letter
		return !wordAt(i-1) || !wordAt(i+1)
	case ':': // of a link or of an emoji's name
		return i+1 < len(s) && (s[i+1] == '/' || unicode.IsLetter(s[i+1]))
	}
	return false
}

// code shows a name or a value. GitHub mentions nobody and links nothing inside it.
func code(s string) string {
	line := oneLine(s)
	if strings.ContainsAny(line, "`|\\") || strings.TrimSpace(line) != line || line == "" {
		return tag(s)
	}
	return "`" + line + "`"
}

// tag is code where only HTML counts, such as in a summary, or for a text that backticks cannot hold.
func tag(s string) string { return "<code>" + entities(s) + "</code>" }

// prose shows a sentence. An invisible character keeps @name from calling people and #1 from linking issues: GitHub
// looks for both behind the entities. What would begin a list or a heading does not stand at the beginning of a line.
func prose(s string) string {
	s = strings.TrimSpace(s)
	if rest := strings.TrimLeft(s, "0123456789"); s != "" && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, ")") || strings.ContainsRune("-+=", rune(s[0]))) {
		s = "\u200b" + s
	}
	return strings.NewReplacer("&#64;", "&#64;&#8203;", "&#35;", "&#35;&#8203;").Replace(entities(s))
}
