package alert

import (
	"regexp"
	"strings"
	"unicode"
)

// Errors of engines and drivers hold the values that they stumble over, quoted or not. Messages leave the journal for places with
// other readers, so of a text only what cannot be a value goes with them: an error of an engine is told by its class, what is quoted
// is hidden but for names of things, and so are mail addresses and long numbers. The report has the text as it was.

var (
	quoted = regexp.MustCompile(`'[^'"\n]*'|"[^'"\n]*"`)
	// apostrophe is one that quotes nothing: can't, the run's.
	apostrophe = regexp.MustCompile(`\p{L}'[st]\b`)
	// namedBefore are words behind which a quoted text is the name of something.
	namedBefore = regexp.MustCompile(`(?i)\b(relation|column|table|view|schema|model|node|stream|source|pipeline|database|role|user|function|type|command|secret|variable|host|check|target|file|folder|snapshot|open|read|ref|connect to)[ (]$`)
	nameLike    = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_.$/-]*$`)
	varying     = regexp.MustCompile(`[0-9a-f]{6,}|[0-9]+|…`)
	// engineError is an error as DuckDB tells it, class first.
	engineError = regexp.MustCompile(`([A-Z][A-Za-z]*(?: [A-Za-z]+)*) Error:`)
	// dataState is a SQLSTATE of the classes that are about values: data, and constraints.
	dataState = regexp.MustCompile(`\b(?:SQLSTATE |Error [0-9]{4} \()(2[123][0-9A-Z]{3})\b`)
	// word is what is looked at by itself: a place in a file, a code, a mail address, a number, or a name with one in it.
	word  = regexp.MustCompile(`[\w./-]+\.(?:sql|ya?ml):\d+(?::\d+)?|SQLSTATE [0-9A-Z]{5}\b|[^\s'"<>()]+@[^\s'"<>()]+|[\p{L}\p{N}_.$-]+`)
	place = regexp.MustCompile(`^[\w./-]+\.(?:sql|ya?ml):\d+(?::\d+)?$`)
	// ownID is one of a run, a firing or a message, to be pasted into a command.
	ownID = regexp.MustCompile(`^[af]?[0-9]{8}T[0-9]{6}-[0-9a-z]+$`)
	// longNumber is a number of four digits or more, also in groups: 4111-1111.
	longNumber = regexp.MustCompile(`\p{N}(?:[-.]?\p{N}){3,}`)
)

// namesOnly are the classes of engine errors whose texts are about names and the machine, and not about values.
var namesOnly = map[string]bool{"Binder": true, "Catalog": true, "Parser": true, "IO": true, "HTTP": true, "Out of Memory": true, "Permission": true,
	"Not implemented": true, "Dependency": true, "Connection": true, "Interrupt": true}

// inReport stands for what a message does not say.
const inReport = "the run's report has its text"

// safe is the first line of an error for other eyes.
func (a *Alerter) safe(text string) string {
	return cut(a.hideWords(a.hideQuoted(classOnly(a.firstLine(text)))), mostText)
}

// plain is the first line of a text that Millrace made of the project's files and of the clock: no value of a table is in it.
func (a *Alerter) plain(text string) string { return cut(a.firstLine(text), mostText) }

func (a *Alerter) firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(a.Redact(text)), "\n")
	return visible(text)
}

// classOnly ends an error at the class of what an engine says, when that class may speak of values.
func classOnly(text string) string {
	for _, at := range engineError.FindAllStringSubmatchIndex(text, -1) {
		if !namesOnly[text[at[2]:at[3]]] {
			return text[:at[1]-1] + "; " + inReport
		}
	}
	if state := dataState.FindStringSubmatch(text); state != nil {
		return "the database refuses a value (SQLSTATE " + state[1] + "); " + inReport
	}
	return text
}

// hideQuoted hides everything from the first quote to the last one that does not quote a name: which quotes belong together cannot be
// told when values hold some.
func (a *Alerter) hideQuoted(text string) string {
	names := a.knownNames()
	shown := []byte(text) // with blanks for what may be shown
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			shown[i] = ' '
		}
	}
	for _, at := range quoted.FindAllStringIndex(text, -1) {
		inner := text[at[0]+1 : at[1]-1]
		if names[inner] || nameLike.MatchString(inner) && !longNumber.MatchString(inner) && namedBefore.MatchString(text[:at[0]]) {
			blank(at[0], at[1])
		}
	}
	for _, at := range apostrophe.FindAllIndex(shown, -1) {
		blank(at[0], at[1])
	}
	first, last := strings.IndexAny(string(shown), `'"`), strings.LastIndexAny(string(shown), `'"`)
	if first < 0 {
		return text
	}
	if first == last { // its end was cut off
		return text[:first+1] + "…"
	}
	return text[:first+1] + "…" + text[last:]
}

// hideWords hides mail addresses and long numbers, but for names and places of the project and ids of its runs.
func (a *Alerter) hideWords(text string) string {
	names := a.knownNames()
	return word.ReplaceAllStringFunc(text, func(w string) string {
		switch {
		case names[w] || names[strings.TrimRight(w, ".")] || place.MatchString(w) || ownID.MatchString(strings.TrimRight(w, ".")) || strings.HasPrefix(w, "SQLSTATE "):
			return w
		case strings.Contains(w, "@"):
			return "…"
		}
		return longNumber.ReplaceAllString(w, "…")
	})
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
