package jinja

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// Snapshot is a `{% snapshot name %}` block of a file.
type Snapshot struct {
	Name     string
	Position Position
	// Template renders the body of the block. Its places are those of the file, whose macros it can call.
	Template *Template
}

// Snapshots returns the snapshot blocks of the template, in order.
func (t *Template) Snapshots() []Snapshot {
	var out []Snapshot
	for _, n := range t.body {
		if s, ok := n.(*snapshotNode); ok {
			out = append(out, Snapshot{s.name, t.position(s.at()), t.part(s)})
		}
	}
	return out
}

// part is a template of one snapshot block and the macros of the file.
func (t *Template) part(s *snapshotNode) *Template {
	spans := [][2]int{{s.at(), s.end}}
	p := &Template{name: t.name, src: t.src, lines: t.lines, bound: t.bound, env: t.env, span: spans[0]}
	for _, m := range t.macros() {
		p.body = append(p.body, m)
		spans = append(spans, [2]int{m.at(), m.end})
	}
	p.body = append(p.body, s.body...)
	inside := func(off int) bool {
		return slices.ContainsFunc(spans, func(span [2]int) bool { return off >= span[0] && off < span[1] })
	}
	for _, c := range t.calls {
		if inside(c.at()) {
			p.calls = append(p.calls, c)
		}
	}
	for _, r := range t.refs {
		if inside(r.off) {
			p.refs = append(p.refs, r)
		}
	}
	return p
}

// Body is the text of the block that the template is a part of its file for, without its tags; of others the whole text.
func (t *Template) Body() string {
	if t.span[1] == 0 {
		return strings.TrimSpace(t.src)
	}
	text := t.src[t.span[0]:t.span[1]]
	if begin, end := strings.Index(text, "%}"), strings.LastIndex(text, "{%"); begin >= 0 && end > begin {
		text = text[begin+2 : end]
	}
	return strings.TrimSpace(text)
}

// Doc is a `{% docs name %}` block of a Markdown file.
type Doc struct {
	Name, Text string // the text without white space around it
	Position   Position
}

var (
	docsTag = regexp.MustCompile(`^\{%[-+]?\s*docs(?:\s+(\w+))?\s*[-+]?%\}`)
	docsEnd = regexp.MustCompile(`^\{%[-+]?\s*enddocs\s*[-+]?%\}`)
)

// Docs finds the docs blocks of a Markdown file; other text is left alone, braces in it mean nothing. Jinja in a block
// is rendered as dbt does, without any globals; where it cannot be, the text stays as it is. The error is an *Error.
func Docs(name, src string) ([]Doc, error) {
	t := &Template{name: name, src: normalize(src)}
	t.countLines()
	var out []Doc
	var open *Doc
	start := 0
	lastComment, lastRaw := strings.LastIndex(t.src, "#}"), strings.LastIndex(t.src, "endraw")
	for i := 0; i < len(t.src); {
		j := strings.IndexByte(t.src[i:], '{')
		if j < 0 {
			break
		}
		i += j
		rest := t.src[i:]
		switch {
		case open == nil && docsTag.MatchString(rest):
			m := docsTag.FindStringSubmatch(rest)
			if m[1] == "" {
				return nil, t.errorAt(i, "a docs block has no name", "write {% docs a_name %}")
			}
			open = &Doc{Name: m[1], Position: t.position(i)}
			i += len(m[0])
			start = i
		case open != nil && docsEnd.MatchString(rest):
			open.Text = docsText(name, t.src[start:i])
			out = append(out, *open)
			open = nil
			i += len(docsEnd.FindString(rest))
		case open != nil && docsTag.MatchString(rest):
			return nil, t.errorAt(i, "the docs block '"+open.Name+"' is not closed before the next one", "add '{% enddocs %}'")
		case docsEnd.MatchString(rest):
			return nil, t.errorAt(i, "unexpected 'enddocs'; no docs block is open here", "")
		default:
			i += max(hidden(rest, i < lastComment, i < lastRaw), 1)
		}
	}
	if open != nil {
		p := open.Position
		return nil, &Error{File: p.File, Line: p.Line, Col: p.Col, Msg: "the docs block '" + open.Name + "' is never closed",
			Hint: "add '{% enddocs %}'"}
	}
	return out, nil
}

// hidden is the length of a comment or raw block at the beginning of s: tags inside mean nothing. It is told whether one
// ends at all, so that a file full of beginnings is not searched again and again.
func hidden(s string, comment, raw bool) int {
	if comment && strings.HasPrefix(s, "{#") {
		if end := strings.Index(s, "#}"); end >= 0 {
			return end + 2
		}
		return 0
	}
	if raw && rawBegin.MatchString(s) {
		if end := rawEnd.FindStringIndex(s); end != nil {
			return end[1]
		}
	}
	return 0
}

// docsText renders the text of a docs block.
func docsText(name, text string) string {
	if strings.Contains(text, "{{") || strings.Contains(text, "{%") || strings.Contains(text, "{#") {
		if t, err := Parse(name, text); err == nil {
			if out, err := t.Render(context.Background(), nil, Options{Steps: 100_000}); err == nil {
				text = out.Text
			}
		}
	}
	return strings.TrimFunc(text, isSpace)
}
