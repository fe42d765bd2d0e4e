package report

import (
	_ "embed" // what is shared is in files of its own, too
	"html/template"
	"strings"
)

// This file is what reports share with the pages of millrace serve, so that both look and speak alike.

//go:embed look.css
var look string

//go:embed dark.css
var dark string

//go:embed graph.css
var graphStyle string

//go:embed parts.gohtml
var parts string

// Look is the style that reports share with pages: palette, type, tables, statuses and bars, and drawings of nodes. Dark
// follows it where the reader wants a dark page.
func Look() string { return look + graphStyle }

// Dark is the palette of dark pages.
func Dark() string { return dark }

// reportStyle is all of a report's style; the palette for paper comes last.
func reportStyle() string {
	return look + "@media (prefers-color-scheme: dark) {\n" + dark + "}\n" + pageStyle
}

// Parts adds to t the functions and templates that reports share with pages.
func Parts(t *template.Template) (*template.Template, error) {
	return t.Funcs(template.FuncMap{
		"number": number[int64], "count": count[int], "count64": count[int64], "when": when, "span": span, "visible": visible, "oneLine": oneLine,
		"percent": percent, "duration": duration, "firstLine": firstLine, "mark": mark, "word": word, "nodeWord": nodeWord, "nodeMark": nodeMark,
		"verdictMark": verdictMark, "verdictWord": verdictWord, "join": strings.Join, "cutSQL": func(s string) string { return cut(s, maxPageSQL) },
		"short": func(s string) string { return s[:min(len(s), 12)] }, "facts": facts, "cell": func(s *string) string { return oneLine(*s) }, "int64": func(n int) int64 { return int64(n) }, "middle": middle, "list": func(v ...any) []any { return v },
	}).Parse(parts)
}
