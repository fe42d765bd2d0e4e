package check

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/millrace/millrace/models"
)

// implied are the rules that no row can fail without failing another of the rules, by that other: a text of the right pattern
// has the right length, and one of the accepted values matches. Only rows that fail the other need be asked.
func implied(rules []*rule) map[*rule]*rule {
	by := map[*rule]*rule{}
	for _, weak := range rules {
		for _, strong := range rules {
			if weak != strong && by[strong] == nil && implies(strong.check, weak.check) {
				by[weak] = strong
				break
			}
		}
	}
	for weak, strong := range by { // what implies must itself be asked
		for by[strong] != nil {
			strong = by[strong]
		}
		by[weak] = strong
	}
	return by
}

// implies says whether every value that passes strong passes weak. NULL passes all rules that are looked at here.
func implies(strong, weak *models.Check) bool {
	if strong.Where != "" || weak.Where != "" || len(strong.Columns) != 1 || len(weak.Columns) != 1 || strong.Columns[0] != weak.Columns[0] {
		return false
	}
	switch s := strong.Args.(type) {
	case *models.AcceptedValues:
		return allPass(s.Values, weak)
	case *models.Regex:
		w, isLength := weak.Args.(*models.Length)
		if !isLength || s.Not || s.Match == "partial" {
			return false
		}
		tree, err := syntax.Parse(s.Pattern, syntax.Perl)
		if err != nil {
			return false
		}
		least, most := lengths(tree)
		return (w.Min == nil || int64(least) >= *w.Min) && (w.Max == nil || most >= 0 && int64(most) <= *w.Max)
	}
	return false
}

// allPass says whether each of the values passes a rule about texts.
func allPass(values []models.Literal, weak *models.Check) bool {
	switch w := weak.Args.(type) {
	case *models.Length:
		for _, v := range values {
			n := int64(utf8.RuneCountInString(v.Text))
			if !v.Null && (v.Number || w.Min != nil && n < *w.Min || w.Max != nil && n > *w.Max) {
				return false
			}
		}
		return true
	case *models.Regex:
		if w.Not || w.Match == "partial" {
			return false
		}
		// Go's syntax is RE2's but for \C; its matching is the same.
		pattern, err := regexp.Compile(`\A(?:` + w.Pattern + `)\z`)
		if err != nil {
			return false
		}
		for _, v := range values {
			if !v.Null && (v.Number || !pattern.MatchString(v.Text)) {
				return false
			}
		}
		return true
	}
	return false
}

// lengths are the fewest and most characters that a pattern matches; most is -1 when there is no limit.
func lengths(t *syntax.Regexp) (least, most int) {
	switch t.Op {
	case syntax.OpLiteral:
		return len(t.Rune), len(t.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 1
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return 0, 0
	case syntax.OpCapture:
		return lengths(t.Sub[0])
	case syntax.OpConcat:
		endless := false
		for _, sub := range t.Sub {
			l, m := lengths(sub)
			least, most, endless = least+l, most+m, endless || m < 0
		}
		if endless {
			most = -1
		}
		return least, most
	case syntax.OpAlternate:
		least, most = lengths(t.Sub[0])
		endless := most < 0
		for _, sub := range t.Sub[1:] {
			l, m := lengths(sub)
			least, most, endless = min(least, l), max(most, m), endless || m < 0
		}
		if endless {
			most = -1
		}
		return least, most
	case syntax.OpQuest:
		_, most = lengths(t.Sub[0])
		return 0, most
	case syntax.OpRepeat:
		l, m := lengths(t.Sub[0])
		if t.Max < 0 || m < 0 && t.Max > 0 {
			return l * t.Min, -1
		}
		return l * t.Min, m * t.Max
	case syntax.OpPlus:
		l, _ := lengths(t.Sub[0])
		return l, -1
	}
	return 0, -1 // a star, and whatever a later version of the syntax has
}
