package alert

import (
	"regexp"
	"strings"
	"unicode"
)

// Errors of engines and drivers quote the values that they stumble over. Messages leave the journal for places with other readers,
// so what is quoted there is hidden, but for names of things.

var (
	quoted = regexp.MustCompile(`'[^'\n]*'|"[^"\n]*"`)
	// namedBefore are words behind which a quoted text is the name of something.
	namedBefore = regexp.MustCompile(`(?i)\b(relation|column|table|view|schema|model|node|stream|source|pipeline|database|role|user|function|type|command|secret|variable|host|check|target|file|folder|snapshot|open|read|ref|connect to)[ (]$`)
	nameLike    = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_.$/-]*$`)
	varying     = regexp.MustCompile(`[0-9a-f]{6,}|[0-9]+|…`)
)

// safe is the first line of an error for other eyes.
func (a *Alerter) safe(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(a.Redact(text)), "\n")
	names := a.knownNames()
	var b strings.Builder
	last := 0
	for _, at := range quoted.FindAllStringIndex(text, -1) {
		inner := text[at[0]+1 : at[1]-1]
		b.WriteString(text[last:at[0]])
		if names[inner] || nameLike.MatchString(inner) && namedBefore.MatchString(text[:at[0]]) {
			b.WriteString(text[at[0]:at[1]])
		} else {
			b.WriteString(text[at[0]:at[0]+1] + "…" + text[at[1]-1:at[1]])
		}
		last = at[1]
	}
	b.WriteString(text[last:])
	return cut(visible(b.String()), mostText)
}

// knownNames are what the project calls things: no values.
func (a *Alerter) knownNames() map[string]bool {
	p := a.Project()
	if p == a.named {
		return a.names
	}
	names := map[string]bool{"": true}
	for _, n := range p.Nodes {
		names[n.Name()], names[n.Table], names[n.Schema] = true, true, true
		for _, c := range n.Columns {
			names[c.Name] = true
		}
		for _, c := range n.Checks {
			names[c.Name] = true
		}
	}
	for _, pl := range p.Pipelines {
		names[pl.Name] = true
	}
	a.named, a.names = p, names
	return names
}

// visible drops what would turn a line round or hide a part of it.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.Is(unicode.Cf, r) || unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// pattern is a text without what differs each time: numbers, ids, values.
func pattern(text string) string { return varying.ReplaceAllString(text, "") }
