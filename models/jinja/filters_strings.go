package jinja

import (
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

func capitalize(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	if c == 'ß' {
		return "Ss" + strings.ToLower(s[n:])
	}
	return string(unicode.ToTitle(c)) + strings.ToLower(s[n:])
}

// titleFilter starts words after white space, hyphens and open brackets, and lowers the rest: Jinja2's own rule.
func titleFilter(s string) string {
	var b strings.Builder
	start := true
	for _, c := range s {
		switch {
		case isSpace(c) || strings.ContainsRune("-({[<", c):
			start = true
			b.WriteRune(c)
		case start:
			start = false
			b.WriteString(strings.ToUpper(string(c)))
		default:
			b.WriteString(strings.ToLower(string(c)))
		}
	}
	return b.String()
}

func filterTrim(r *render, v any, a []any) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return strip(s, a[0], true, true)
}

func filterJoin(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if items, err = r.attributes(items, a[1], nil); err != nil {
		return nil, err
	}
	sep, err := r.str(a[0])
	if err != nil {
		return nil, err
	}
	return r.joinText(items, sep, false)
}

// joinText joins the printed items; strict wants strings, as str.join does.
func (r *render) joinText(items []any, sep string, strict bool) (any, error) {
	parts := make([]string, len(items))
	total := 0
	for i, x := range items {
		if strict && !isString(x) {
			return nil, failf("sequence item %d: expected str instance, %s found", i, typeName(x))
		}
		s, err := r.str(x)
		if err != nil {
			return nil, err
		}
		parts[i] = s
		if total += len(s) + len(sep); total > r.opts.OutputBytes+len(sep) {
			return nil, r.checkSize(total)
		}
	}
	return strings.Join(parts, sep), r.charge(total)
}

func filterLength(r *render, v any, _ []any) (any, error) {
	if err := r.read(v); err != nil {
		return nil, err
	}
	n, ok := length(v)
	if !ok {
		e := failf("object of type '%s' has no len()", typeName(v))
		if _, ok := v.(*generator); ok {
			e.Hint = "add '| list' before it"
		}
		return nil, e
	}
	return int64(n), nil
}

func filterReplace(r *render, v any, a []any) (any, error) {
	var s [3]string
	for i, x := range []any{v, a[0], a[1]} {
		var err error
		if s[i], err = r.str(x); err != nil {
			return nil, err
		}
	}
	n := int64(-1)
	if a[2] != nil {
		var ok bool
		if n, ok = integer(a[2]); !ok {
			return nil, failf("'%s' object cannot be interpreted as an integer", typeName(a[2]))
		}
	}
	return r.replace(s[0], s[1], s[2], n)
}

func (r *render) replace(s, old, new string, n int64) (any, error) {
	limit := -1
	if n >= 0 {
		limit = int(min(n, math.MaxInt32))
	}
	if hits := strings.Count(s, old); len(new) > len(old) {
		if limit >= 0 {
			hits = min(hits, limit)
		}
		if err := r.charge(len(s)); err != nil {
			return nil, err
		}
		if grown := float64(hits) * float64(len(new)-len(old)); grown > float64(r.opts.OutputBytes) {
			return nil, r.checkSize(math.MaxInt)
		}
		if err := r.charge(len(s) + hits*(len(new)-len(old))); err != nil {
			return nil, err
		}
	}
	return strings.Replace(s, old, new, limit), r.charge(len(s))
}

func filterFormat(r *render, v any, a Args) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.Pos) > 0 && len(a.Kw) > 0 {
		return nil, failf("can't handle positional and keyword arguments at the same time")
	}
	if len(a.Kw) == 0 {
		return r.percentFormat(s, &Tuple{Items: a.Pos})
	}
	d := NewDict()
	for _, k := range a.Kw {
		if err := d.Set(k.Name, k.Value); err != nil {
			return nil, err
		}
	}
	return r.percentFormat(s, d)
}

func filterIndent(r *render, v any, a []any) (any, error) {
	s, err := wantString(v, "the value")
	if err != nil {
		return nil, err
	}
	pad, ok := a[0].(string)
	if !ok {
		n, ok := integer(a[0])
		if !ok {
			return nil, failf("filter 'indent': width must be an integer or a string")
		}
		if n > 1_000_000 {
			return nil, failf("filter 'indent': width is too large")
		}
		pad = strings.Repeat(" ", int(max(n, 0)))
	}
	if float64(strings.Count(s, "\n")+1)*float64(len(pad))+float64(len(s)) > float64(r.opts.OutputBytes) {
		return nil, r.checkSize(math.MaxInt)
	}
	// Jinja2 appends a line end and then splits, so that one final line end is kept and the text after it not indented.
	lines := splitLines(s+"\n", false)
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i > 0 && (line != "" || truth(a[2])) || i == 0 && truth(a[1]) {
			b.WriteString(pad)
		}
		b.WriteString(line)
	}
	return b.String(), r.charge(b.Len())
}

var wordRE = regexp.MustCompile(`[\pL\pN_]+`)

func filterWordcount(r *render, v any, _ []any) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if err := r.spend(len(s)); err != nil { // the expression is slow
		return nil, err
	}
	return int64(len(wordRE.FindAllStringIndex(s, -1))), nil
}

func filterCenter(r *render, v any, a []any) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return r.justify(s, a[0], " ", "center")
}
