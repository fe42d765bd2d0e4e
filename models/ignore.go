package models

import (
	"regexp"
	"strings"
)

// This file reads dbt's .dbtignore, which is written like a .gitignore.

const ignoreFile = ".dbtignore"

// ignore are the patterns of one file; the last that meets a path decides. The zero value ignores nothing.
type ignore struct{ rules []ignoreRule }

type ignoreRule struct {
	path *regexp.Regexp
	keep bool // it began with an exclamation mark
}

// match says whether a path below the file's folder is left out.
func (i *ignore) match(path string) bool {
	out := false
	for _, r := range i.rules {
		if r.path.MatchString(path) {
			out = !r.keep
		}
	}
	return out
}

// readIgnore reads the patterns, and gives the lines that are none.
func readIgnore(text string) (all *ignore, bad []int) {
	all = &ignore{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line == "/" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, keep := strings.CutPrefix(line, "!")
		path, err := regexp.Compile(ignorePattern(pattern))
		if err != nil {
			bad = append(bad, i+1)
			continue
		}
		all.rules = append(all.rules, ignoreRule{path, keep})
	}
	return all, bad
}

// ignorePattern is a pattern as a regular expression. One with a slash before its end holds from the folder on, others at any depth; what
// is met is left out with all that is below it.
func ignorePattern(pattern string) string {
	pattern, onlyFolders := strings.CutSuffix(pattern, "/")
	anchored := strings.Contains(pattern, "/")
	pattern = strings.TrimPrefix(pattern, "/")
	var re strings.Builder
	re.WriteString("^")
	if !anchored {
		re.WriteString("(?:.*/)?")
	}
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "**" && last:
			re.WriteString(".*")
		case s == "**":
			re.WriteString("(?:.*/)?")
		default:
			re.WriteString(segmentPattern(s))
			if !last {
				re.WriteString("/")
			}
		}
	}
	switch {
	case segments[len(segments)-1] == "**":
	case onlyFolders:
		re.WriteString("/.*")
	default:
		re.WriteString("(?:/.*)?")
	}
	return re.String() + "$"
}

// segmentPattern is what stands between two slashes.
func segmentPattern(s string) string {
	var re strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '*':
			re.WriteString("[^/]*")
		case '?':
			re.WriteString("[^/]")
		case '[':
			end := strings.IndexByte(s[min(i+2, len(s)):], ']') // the first may be a bracket itself
			if end < 0 {
				re.WriteString(`\[`)
				continue
			}
			class := s[i+1 : i+2+end]
			i += 2 + end
			if strings.HasPrefix(class, "!") {
				class = "^" + class[1:]
			}
			re.WriteString("[" + strings.ReplaceAll(class, `\`, `\\`) + "]")
		case '\\':
			if i++; i < len(s) {
				re.WriteString(regexp.QuoteMeta(s[i : i+1]))
			}
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return re.String()
}
