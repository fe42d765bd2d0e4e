package jinja

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// htmlFilters are the filters of Jinja2 that are about HTML and prose. Nothing is escaped unless a filter asks for it,
// and text that was escaped is text like any other: `x | e | e` escapes twice, where Jinja2 remembers.
func htmlFilters() map[string]*filterDef {
	escape := &filterDef{params: []Param{}, do: func(r *render, v any, _ []any) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		out := htmlEscape(s)
		return out, r.charge(len(out))
	}}
	plain := &filterDef{params: []Param{}, do: func(r *render, v any, _ []any) (any, error) { return r.str(v) }}
	refuse := func(msg, hint string) *filterDef {
		return &filterDef{raw: func(*render, any, Args) (any, error) { return nil, &Error{Msg: msg, Hint: hint} }}
	}
	return map[string]*filterDef{
		"escape": escape, "e": escape, "forceescape": escape, "safe": plain,
		"striptags": {params: []Param{}, do: filterStripTags},
		"truncate": {params: []Param{opt("length", int64(255)), opt("killwords", false), opt("end", "..."), opt("leeway", nil)},
			do: filterTruncate},
		"wordwrap": {params: []Param{opt("width", int64(79)), opt("break_long_words", true), opt("wrapstring", nil),
			opt("break_on_hyphens", true)}, do: filterWordwrap},
		"filesizeformat": {params: []Param{opt("binary", false)}, do: filterFileSize},
		"urlencode":      {params: []Param{}, do: filterURLEncode},
		"xmlattr":        {params: []Param{opt("autospace", true)}, do: filterXMLAttr},
		"pprint":         {params: []Param{}, do: filterPrettyPrint},
		"random":         {params: []Param{}, do: filterRandom},
		"urlize":         refuse("filter 'urlize' is not supported: it makes links of HTML", "write the text yourself"),
	}
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

func htmlEscape(s string) string { return htmlEscaper.Replace(s) }

var htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)

var htmlUnescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#39;", "'", "&#34;", `"`, "&quot;", `"`, "&amp;", "&")

func filterStripTags(r *render, v any, _ []any) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if err := r.spend(len(s) / 4); err != nil { // the expression is slow
		return nil, err
	}
	s = htmlComment.ReplaceAllString(s, "")
	var b strings.Builder
	for s != "" {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			break
		}
		end := strings.IndexByte(s[open:], '>')
		if end < 0 {
			break
		}
		b.WriteString(s[:open])
		s = s[open+end+1:]
	}
	b.WriteString(s)
	return htmlUnescaper.Replace(strings.Join(splitSpace(b.String(), -1, false), " ")), r.charge(b.Len())
}

func filterTruncate(r *render, v any, a []any) (any, error) {
	s, err := wantString(v, "the value")
	if err != nil {
		return nil, err
	}
	length, err := wantInt(a[0])
	if err != nil {
		return nil, err
	}
	end, err := wantString(a[2], "end")
	if err != nil {
		return nil, err
	}
	leeway := int64(5)
	if a[3] != nil {
		if leeway, err = wantInt(a[3]); err != nil {
			return nil, err
		}
	}
	runes, tail := []rune(s), int64(utf8.RuneCountInString(end))
	switch {
	case length < tail:
		return nil, failf("filter 'truncate': length must be at least %d, got %d", tail, length)
	case leeway < 0:
		return nil, failf("filter 'truncate': leeway must not be negative")
	case int64(len(runes)) <= length || int64(len(runes))-length <= leeway:
		return s, nil
	}
	s = string(runes[:length-tail])
	if i := strings.LastIndexByte(s, ' '); i >= 0 && !truth(a[1]) {
		s = s[:i]
	}
	return s + end, r.charge(len(s))
}

func filterWordwrap(r *render, v any, a []any) (any, error) {
	s, err := wantString(v, "the value")
	if err != nil {
		return nil, err
	}
	width, err := wantInt(a[0])
	if err != nil {
		return nil, err
	}
	if width <= 0 {
		return nil, failf("filter 'wordwrap': invalid width %d (must be > 0)", width)
	}
	sep := "\n"
	if a[2] != nil {
		if sep, err = wantString(a[2], "wrapstring"); err != nil {
			return nil, err
		}
	}
	var lines []string
	for _, line := range splitLines(s, false) {
		wrapped := wrapLine(line, int(min(width, math.MaxInt32)), truth(a[1]), truth(a[3]))
		lines = append(lines, strings.Join(wrapped, sep))
	}
	if float64(len(s))*float64(len(sep)) > float64(r.opts.OutputBytes) {
		return nil, r.checkSize(math.MaxInt)
	}
	return strings.Join(lines, sep), r.charge(2 * len(s))
}

// wrapLine is Python's textwrap.wrap.
func wrapLine(line string, width int, breakLong, onHyphens bool) []string {
	chunks := wrapChunks([]rune(line), onHyphens)
	var out []string
	for len(chunks) > 0 {
		if len(out) > 0 && unicode.IsSpace(chunks[0][0]) {
			chunks = chunks[1:]
			continue
		}
		var row []rune
		last := 0 // where its last chunk begins
		for len(chunks) > 0 && len(row)+len(chunks[0]) <= width {
			last = len(row)
			row, chunks = append(row, chunks[0]...), chunks[1:]
		}
		if len(chunks) > 0 && len(chunks[0]) > width {
			if n := width - len(row); breakLong {
				if onHyphens && n > 0 {
					n = hyphenBefore(chunks[0], n)
				}
				row, chunks[0], last = append(row, chunks[0][:n]...), chunks[0][n:], len(row)
			} else if len(row) == 0 {
				row, chunks = append(row, chunks[0]...), chunks[1:]
			}
		}
		if strings.TrimFunc(string(row[last:]), isSpace) == "" {
			row = row[:last]
		}
		if len(row) > 0 {
			out = append(out, string(row))
		}
	}
	return out
}

// hyphenBefore is where a word too long for n more characters is cut: behind its last hyphen before that, if it has one.
func hyphenBefore(word []rune, n int) int {
	for i := n - 1; i > 0; i-- {
		if word[i] == '-' {
			if strings.Trim(string(word[:i]), "-") != "" {
				return i + 1
			}
			break
		}
	}
	return n
}

// wrapChunks cuts a line into pieces that may stand on different lines: runs of white space, words, parts of words
// with hyphens.
func wrapChunks(line []rune, onHyphens bool) [][]rune {
	var out [][]rune
	start := 0
	cut := func(i int) {
		if i > start {
			out = append(out, line[start:i:i])
			start = i
		}
	}
	letter := func(i int) bool { return i >= 0 && i < len(line) && unicode.IsLetter(line[i]) }
	for i := range line {
		switch {
		case i > 0 && isSpace(line[i]) != isSpace(line[i-1]):
			cut(i)
		case onHyphens && line[i] == '-' && letter(i-1) && (letter(i-2) || i >= 2 && line[i-2] == '-' && letter(i-3)) &&
			letter(i+1) && (letter(i+2) || i+2 < len(line) && line[i+2] == '-' && letter(i+3)):
			cut(i + 1)
		}
	}
	cut(len(line))
	return out
}

func filterFileSize(_ *render, v any, a []any) (any, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, undefinedErr(u)
	}
	_, f, _, ok := number(v)
	if s, isStr := v.(string); isStr {
		f, ok = parseFloat(s)
	}
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, failf("filter 'filesizeformat' needs a number, not %s", typeName(v))
	}
	base, prefixes := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if truth(a[0]) {
		base, prefixes = 1024.0, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case f == 1:
		return "1 Byte", nil
	case f < base:
		return strconv.FormatFloat(math.Trunc(f), 'f', 0, 64) + " Bytes", nil
	}
	unit := base
	for i, prefix := range prefixes {
		unit *= base
		if f < unit || i == len(prefixes)-1 {
			return strconv.FormatFloat(base*f/unit, 'f', 1, 64) + " " + prefix, nil
		}
	}
	return nil, nil
}

// filterURLEncode quotes a text for a URL, or makes a query of a dict or of pairs.
func filterURLEncode(r *render, v any, _ []any) (any, error) {
	if u, ok := v.(*Undefined); ok {
		return "", r.charge(len(u.msg))
	}
	d, isDict := v.(*Dict)
	if isDict {
		v = &viewValue{d, "items"}
	}
	if _, err := iterate(v); err != nil || isString(v) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		return urlQuote(s, "/"), r.charge(3 * len(s))
	}
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, it := range items {
		kv, err := r.items(it)
		if err != nil {
			return nil, err
		}
		if len(kv) != 2 {
			return nil, failf("filter 'urlencode' needs pairs, got %s", plural(len(kv), "item"))
		}
		k, err := r.str(kv[0])
		if err != nil {
			return nil, err
		}
		x, err := r.str(kv[1])
		if err != nil {
			return nil, err
		}
		parts[i] = strings.ReplaceAll(urlQuote(k, ""), "%20", "+") + "=" + strings.ReplaceAll(urlQuote(x, ""), "%20", "+")
		if err := r.charge(len(parts[i])); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, "&"), nil
}

func urlQuote(s, safe string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && (unicode.IsLetter(rune(c)) || isDigit(c) || strings.IndexByte("_.-~"+safe, c) >= 0) {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(hex(rune(c), 2)))
	}
	return b.String()
}

func filterXMLAttr(r *render, v any, a []any) (any, error) {
	d, ok := v.(*Dict)
	if !ok {
		return nil, failf("filter 'xmlattr' needs a dict, not %s", typeName(v))
	}
	var parts []string
	for k, x := range d.All() {
		if x == nil || IsUndefined(x) {
			continue
		}
		name, err := wantString(k, "the name of an attribute")
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(name, " \t\n\r\f\v/>=") {
			return nil, failf("invalid character in attribute name: %s", quote(name))
		}
		s, err := r.str(x)
		if err != nil {
			return nil, err
		}
		parts = append(parts, htmlEscape(name)+`="`+htmlEscape(s)+`"`)
		if err := r.charge(6 * (len(s) + len(name))); err != nil {
			return nil, err
		}
	}
	s := strings.Join(parts, " ")
	if s != "" && truth(a[0]) {
		s = " " + s
	}
	return s, nil
}

// filterPrettyPrint prints a value with the keys of its dicts sorted; Python breaks lines beyond 80 characters, too.
func filterPrettyPrint(r *render, v any, _ []any) (any, error) {
	sorted, err := r.sortKeys(v, 0)
	if err != nil {
		return nil, err
	}
	return r.repr(sorted)
}

func (r *render) sortKeys(v any, depth int) (any, error) {
	if err := r.tick(); err != nil {
		return nil, err
	}
	if depth > maxDataDepth {
		return nil, failf("value is nested too deeply to print")
	}
	each := func(items []any) ([]any, error) {
		out := make([]any, len(items))
		for i, x := range items {
			var err error
			if out[i], err = r.sortKeys(x, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	switch v := v.(type) {
	case *List:
		items, err := each(v.Items)
		return &List{items}, err
	case *Tuple:
		items, err := each(v.Items)
		return &Tuple{Items: items}, err
	case *Dict:
		keys := v.keys()
		if sorted, err := r.sorted(keys, keys, false); err == nil { // Python falls back to the types' names
			keys = sorted
		}
		out := NewDict()
		for _, k := range keys {
			x, _ := v.Get(k)
			x, err := r.sortKeys(x, depth+1)
			if err != nil {
				return nil, err
			}
			if err := out.Set(k, x); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func filterRandom(r *render, v any, _ []any) (any, error) {
	switch v.(type) {
	case string, *List, *Tuple, *rangeValue, *Undefined:
	default:
		return nil, failf("filter 'random' needs a sequence, not %s", typeName(v))
	}
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &Undefined{msg: "no random item, sequence was empty"}, nil
	}
	return slices.Clone(items)[rand.IntN(len(items))], nil
}
