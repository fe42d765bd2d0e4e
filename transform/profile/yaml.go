package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// YAML spells proposals as the checks: of a stream or a model, each line behind so many spaces. A reason stands above
// the checks that it is the reason of.
func YAML(proposals []Proposal, indent int) string {
	margin := strings.Repeat(" ", indent)
	var b strings.Builder
	b.WriteString(margin + "checks:\n")
	if len(proposals) == 0 {
		return margin + "checks: []\n"
	}
	why := ""
	for _, p := range proposals {
		if p.Why != why {
			why = p.Why
			fmt.Fprintf(&b, "%s  # %s\n", margin, why)
		}
		fmt.Fprintf(&b, "%s  - %s: %s\n", margin, p.Kind, body(p))
	}
	return b.String()
}

// body is the short form where the columns say all.
func body(p Proposal) string {
	if len(p.Args) == 0 {
		if len(p.Columns) == 1 {
			return scalar(p.Columns[0])
		}
		return flow(p.Columns)
	}
	var parts []string
	if len(p.Columns) == 1 {
		parts = append(parts, "column: "+scalar(p.Columns[0]))
	} else if len(p.Columns) > 1 {
		parts = append(parts, "columns: "+flow(p.Columns))
	}
	for _, a := range p.Args {
		switch v := a.Value.(type) {
		case []string:
			parts = append(parts, a.Key+": "+flow(v))
		case Literal:
			parts = append(parts, a.Key+": "+string(v))
		case string:
			parts = append(parts, a.Key+": "+quoted(v))
		}
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func flow(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = scalar(t)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*( [A-Za-z0-9_]+)*$`)

// scalar writes a text bare when no reader of YAML could take it for something else.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return quoted(s)
	}
	if plainScalar.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted writes a text in JSON's quotes, which are YAML's too. A ${ would be taken for a reference.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(strings.ReplaceAll(s, "${", "$${"))
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
