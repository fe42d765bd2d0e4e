// Package config reads YAML strictly: every problem of every file at once, each with its place, a caret and a hint.
//
// [Parse] turns bytes into a [File], [File.Decode] fills structs whose tags (yaml, doc, required, enum, default,
// example, pattern, bounds) are also what [Schema] prints for editors. [Node] keeps a subtree undecoded until its type is
// known, [Origin] remembers where each key stood, so that later checks can point at it. The package knows nothing of
// sources, models or targets, opens no file, and reads no environment: references such as ${HOME} go to a [Resolver].
// Read [File] first.
package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity says whether a Problem stops the work.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is one thing wrong at one place of a file.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`   // from 1; 0 when the problem is of the whole file
	Column   int      `json:"column,omitempty"` // from 1, in characters
	Length   int      `json:"length,omitempty"` // characters to underline
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Source   string   `json:"source,omitempty"` // the text of the line, with literal secrets masked
	Severity Severity `json:"severity"`
}

// Error returns the one-line form, file:line:column: message.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Render returns the form for people: message, source line, caret, hint.
func (p *Problem) Render() string {
	var b strings.Builder
	b.WriteString(p.Error())
	if p.Line > 0 && strings.TrimSpace(p.Source) != "" {
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s", p.Line, p.Source, caret(p.Source, p.Column, p.Length))
	}
	if p.Hint != "" {
		b.WriteString("\n   " + strings.ReplaceAll(p.Hint, "\n", "\n   "))
	}
	return b.String()
}

// caret returns the line of ^~~~ below source. Tabs are kept so that the caret stands right at any tab width.
func caret(source string, column, length int) string {
	runes := []rune(source)
	start := min(max(column-1, 0), len(runes))
	var b strings.Builder
	for _, r := range runes[:start] {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('^')
	b.WriteString(strings.Repeat("~", max(0, min(length, len(runes)-start)-1)))
	return b.String()
}

// Problems is a list of problems; as an error it prints all of them.
type Problems []*Problem

// Error renders all problems for people.
func (ps Problems) Error() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.Render()
	}
	return strings.Join(parts, "\n")
}

// HasErrors reports whether a problem of severity error is among them.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p *Problem) bool { return p.Severity != SeverityWarning })
}

// Err returns the problems as an error when one of them is an error, else nil.
func (ps Problems) Err() error {
	if !ps.HasErrors() {
		return nil
	}
	return ps
}

// Sort orders the problems by file, line and column and drops repetitions; it returns the sorted list.
func (ps Problems) Sort() Problems {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	seen := make(map[Problem]bool, len(ps))
	return slices.DeleteFunc(ps, func(p *Problem) bool {
		key := *p
		key.Source = ""
		if seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}

// Pos is a place in a file. The zero Pos is nowhere.
type Pos struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`

	length int
	src    *File
}

// String returns file:line:column.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// IsZero reports whether p is nowhere.
func (p Pos) IsZero() bool { return p.Line == 0 && p.File == "" }

// Problem returns an error at this place; hint may be empty.
func (p Pos) Problem(message, hint string) *Problem {
	problem := &Problem{
		File: p.File, Line: p.Line, Column: p.Column, Length: max(p.length, 1),
		Message: message, Hint: hint, Severity: SeverityError,
	}
	if p.Line == 0 {
		problem.Column, problem.Length = 0, 0
	}
	if p.src != nil {
		problem.Source = p.src.line(p.Line)
	}
	return problem
}

// Warning returns a warning at this place; hint may be empty.
func (p Pos) Warning(message, hint string) *Problem {
	problem := p.Problem(message, hint)
	problem.Severity = SeverityWarning
	return problem
}

// sensitive finds keys whose literal value must not be shown in an error, with that value.
var sensitive = regexp.MustCompile(
	`(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|private_?key|access_?key|credential)[a-z0-9_-]*["']?\s*:\s+)` +
		`("[^"]*"?|'[^']*'?|(?:\$\{[^}]*\}|[^\s,{}\[\]#])+)`)

// urlPassword finds the password of a URL.
var urlPassword = regexp.MustCompile(`(://[^\s:/@"']*:)([^\s/"']+)@`)

// mask hides literal secrets in a source line with as many * as they have characters, so that carets stay right.
func mask(line string, secrets []string) string {
	stars := func(s string) string { return strings.Repeat("*", utf8.RuneCountInString(s)) }
	cover := func(re *regexp.Regexp, line, tail string) string {
		return re.ReplaceAllStringFunc(line, func(m string) string {
			g := re.FindStringSubmatch(m)
			key := strings.ToLower(strings.TrimRight(g[1], " \t:\"'"))
			if strings.Contains(g[2], "${") || strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_url") { // where it is is no secret
				return m
			}
			return g[1] + stars(g[2]) + tail
		})
	}
	for _, s := range secrets {
		line = strings.ReplaceAll(line, s, stars(s))
	}
	return cover(urlPassword, cover(sensitive, line, ""), "@")
}

// Suggest returns the candidate most like word, or "" when none is close enough to be worth a "did you mean".
func Suggest(word string, candidates []string) string {
	normal := func(s string) string { return strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(s)) }
	best, bestDistance := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, c := range candidates {
		if c == "" || c == word {
			continue
		}
		if d := distance(normal(word), normal(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best != "" && bestDistance >= utf8.RuneCountInString(word) {
		return "" // every letter would change
	}
	return best
}

// distance is the optimal string alignment distance: insert, delete, replace, swap neighbours.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 100 || len(t) > 100 {
		return 100
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}

// DidYouMean is the hint for a word that is not among the known ones: the one that is most like it, or what else there is to say.
func DidYouMean(word string, known []string, otherwise string) string {
	if s := Suggest(word, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return otherwise
}

// didYouMean is DidYouMean, or all that is known.
func didYouMean(word string, known []string, what string) string {
	if len(known) == 0 {
		return ""
	}
	return DidYouMean(word, known, what+": "+strings.Join(known, ", "))
}
