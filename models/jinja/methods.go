package jinja

import (
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// method is one method of a builtin type; raw ones take their arguments as written.
type method struct {
	params []Param
	do     func(r *render, self any, a []any) (any, error)
	raw    func(self any, a Args) (any, error)
}

func (m *method) call(self any, a Args) (any, error) {
	if m.raw != nil {
		return m.raw(self, a)
	}
	vals, err := a.Bind(m.params...)
	if err != nil {
		return nil, err
	}
	return m.do(a.r, self, vals)
}

func wantString(v any, what string) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if u, ok := v.(*Undefined); ok {
		return "", undefinedErr(u)
	}
	return "", failf("%s must be str, not %s", what, typeName(v))
}

func wantInt(v any) (int64, error) {
	if n, ok := integer(v); ok {
		return n, nil
	}
	if u, ok := v.(*Undefined); ok {
		return 0, undefinedErr(u)
	}
	return 0, failf("'%s' object cannot be interpreted as an integer", typeName(v))
}

func buildStrMethods() map[string]*method {
	m := map[string]*method{}
	text := func(name string, do func(string) string) {
		m[name] = &method{params: []Param{}, do: func(r *render, self any, _ []any) (any, error) {
			return do(self.(string)), r.charge(len(self.(string)))
		}}
	}
	add := func(name string, do func(r *render, s string, a []any) (any, error), params ...Param) {
		m[name] = &method{params: params, do: func(r *render, self any, a []any) (any, error) {
			if err := r.charge(len(self.(string))); err != nil {
				return nil, err
			}
			return do(r, self.(string), a)
		}}
	}
	all := func(name string, ok func(rune) bool) {
		add(name, func(_ *render, s string, _ []any) (any, error) {
			return s != "" && strings.IndexFunc(s, func(c rune) bool { return !ok(c) }) < 0, nil
		})
	}
	text("upper", upper)
	text("lower", strings.ToLower)
	text("casefold", func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ß", "ss") })
	text("title", pyTitle)
	text("capitalize", capitalize)
	text("swapcase", func(s string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsUpper(c) {
				return unicode.ToLower(c)
			}
			return unicode.ToUpper(c)
		}, s)
	})
	all("isdigit", func(c rune) bool {
		return unicode.IsDigit(c) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", c)
	})
	all("isdecimal", unicode.IsDigit)
	all("isnumeric", unicode.IsNumber)
	all("isalpha", unicode.IsLetter)
	all("isalnum", func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })
	all("isspace", isSpace)
	add("isascii", func(_ *render, s string, _ []any) (any, error) {
		return strings.IndexFunc(s, func(c rune) bool { return c > unicode.MaxASCII }) < 0, nil
	})
	add("isprintable", func(_ *render, s string, _ []any) (any, error) {
		return strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0, nil
	})
	add("istitle", func(_ *render, s string, _ []any) (any, error) { return isTitle(s), nil })
	add("isupper", func(_ *render, s string, _ []any) (any, error) {
		return s == strings.ToUpper(s) && s != strings.ToLower(s), nil
	})
	add("islower", func(_ *render, s string, _ []any) (any, error) {
		return s == strings.ToLower(s) && s != strings.ToUpper(s), nil
	})
	add("isidentifier", func(_ *render, s string, _ []any) (any, error) {
		return s != "" && !unicode.IsDigit([]rune(s)[0]) && strings.IndexFunc(s, func(c rune) bool { return !isNameRune(c) }) < 0, nil
	})
	for name, side := range map[string][2]bool{"strip": {true, true}, "lstrip": {true, false}, "rstrip": {false, true}} {
		add(name, func(_ *render, s string, a []any) (any, error) { return strip(s, a[0], side[0], side[1]) }, opt("chars", nil))
	}
	add("split", func(r *render, s string, a []any) (any, error) { return r.split(s, a[0], a[1], false) }, opt("sep", nil), opt("maxsplit", int64(-1)))
	add("rsplit", func(r *render, s string, a []any) (any, error) { return r.split(s, a[0], a[1], true) }, opt("sep", nil), opt("maxsplit", int64(-1)))
	add("splitlines", func(r *render, s string, a []any) (any, error) {
		return textList(splitLines(s, truth(a[0]))), nil
	}, opt("keepends", false))
	add("partition", func(_ *render, s string, a []any) (any, error) { return partition(s, a[0], strings.Index, false) }, req("sep"))
	add("rpartition", func(_ *render, s string, a []any) (any, error) { return partition(s, a[0], strings.LastIndex, true) }, req("sep"))
	add("startswith", func(_ *render, s string, a []any) (any, error) { return affix(s, a, strings.HasPrefix, "startswith") },
		req("prefix"), opt("start", nil), opt("end", nil))
	add("endswith", func(_ *render, s string, a []any) (any, error) { return affix(s, a, strings.HasSuffix, "endswith") },
		req("suffix"), opt("start", nil), opt("end", nil))
	add("removeprefix", func(_ *render, s string, a []any) (any, error) {
		p, err := wantString(a[0], "argument")
		return strings.TrimPrefix(s, p), err
	}, req("prefix"))
	add("removesuffix", func(_ *render, s string, a []any) (any, error) {
		p, err := wantString(a[0], "argument")
		return strings.TrimSuffix(s, p), err
	}, req("suffix"))
	for _, name := range []string{"find", "rfind", "index", "rindex", "count"} {
		add(name, func(_ *render, s string, a []any) (any, error) { return search(name, s, a) },
			req("sub"), opt("start", nil), opt("end", nil))
	}
	add("replace", func(r *render, s string, a []any) (any, error) {
		old, err := wantString(a[0], "replace() argument 1")
		if err != nil {
			return nil, err
		}
		repl, err := wantString(a[1], "replace() argument 2")
		if err != nil {
			return nil, err
		}
		n, err := wantInt(a[2])
		if err != nil {
			return nil, err
		}
		return r.replace(s, old, repl, n)
	}, req("old"), req("new"), opt("count", int64(-1)))
	add("join", func(r *render, s string, a []any) (any, error) {
		items, err := r.items(a[0])
		if err != nil {
			return nil, err
		}
		return r.joinText(items, s, true)
	}, req("iterable"))
	add("zfill", func(r *render, s string, a []any) (any, error) {
		sign := ""
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[:1], s[1:]
		}
		n, err := wantInt(a[0])
		if err != nil {
			return nil, err
		}
		out, err := r.justify(s, n-int64(len(sign)), "0", "rjust")
		if err != nil {
			return nil, err
		}
		return sign + out.(string), nil
	}, req("width"))
	for _, name := range []string{"ljust", "rjust", "center"} {
		add(name, func(r *render, s string, a []any) (any, error) {
			fill, err := wantString(a[1], "the fill character")
			if err != nil || utf8.RuneCountInString(fill) != 1 {
				return nil, failf("the fill character must be exactly one character long")
			}
			return r.justify(s, a[0], fill, name)
		}, req("width"), opt("fillchar", " "))
	}
	add("expandtabs", func(r *render, s string, a []any) (any, error) {
		return expandTabs(r, s, a[0])
	}, opt("tabsize", int64(8)))
	m["format"] = &method{raw: func(self any, a Args) (any, error) { return a.r.strFormat(self.(string), a) }}
	add("format_map", func(r *render, s string, a []any) (any, error) {
		d, ok := a[0].(*Dict)
		if !ok {
			return nil, failf("format_map() needs a dict, not %s", typeName(a[0]))
		}
		args := Args{r: r, name: "str.format_map()"}
		for k, v := range d.All() {
			if name, ok := k.(string); ok {
				args.Kw = append(args.Kw, KwArg{name, v})
			}
		}
		return r.strFormat(s, args)
	}, req("mapping"))
	for name, hint := range map[string]string{"encode": "text needs no encoding here", "translate": "use replace()", "maketrans": "use replace()"} {
		m[name] = &method{raw: func(any, Args) (any, error) {
			return nil, &Error{Msg: "str." + name + "() is not supported", Hint: hint}
		}}
	}
	return m
}

// isTitle is str.istitle: upper case starts each word and stands nowhere else.
func isTitle(s string) bool {
	inWord, found := false, false
	for _, c := range s {
		switch {
		case unicode.IsUpper(c) || unicode.IsTitle(c):
			if inWord {
				return false
			}
			inWord, found = true, true
		case unicode.IsLower(c):
			if !inWord {
				return false
			}
		default:
			inWord = false
		}
	}
	return found
}

// upper is str.upper: Go maps letters one to one, Python turns ß into SS.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

// pyTitle is str.title: a letter after anything but a letter begins a word.
func pyTitle(s string) string {
	start := true
	return strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) {
			start = true
			return c
		}
		if start {
			start = false
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

func strip(s string, chars any, left, right bool) (any, error) {
	cut := isSpace
	if chars != nil {
		set, err := wantString(chars, "strip arg")
		if err != nil {
			return nil, err
		}
		cut = func(c rune) bool { return strings.ContainsRune(set, c) }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s, nil
}

func textList(parts []string) *List {
	l := &List{make([]any, len(parts))}
	for i, p := range parts {
		l.Items[i] = p
	}
	return l
}

func (r *render) split(s string, sep, maxSplit any, fromRight bool) (any, error) {
	n, err := wantInt(maxSplit)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		n = math.MaxInt32
	}
	if err := r.chargeItems(len(s)); err != nil {
		return nil, err
	}
	if sep == nil {
		return textList(splitSpace(s, n, fromRight)), nil
	}
	by, err := wantString(sep, "sep")
	if err != nil {
		return nil, err
	}
	if by == "" {
		return nil, failf("empty separator")
	}
	if !fromRight {
		return textList(strings.SplitN(s, by, int(min(n+1, math.MaxInt32)))), nil
	}
	var parts []string
	for i := strings.LastIndex(s, by); n > 0 && i >= 0; i = strings.LastIndex(s, by) {
		parts = append(parts, s[i+len(by):])
		s = s[:i]
		n--
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return textList(parts), nil
}

func splitSpace(s string, n int64, fromRight bool) []string {
	var parts []string
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
			i := strings.LastIndexFunc(s, isSpace)
			if n == 0 || i < 0 {
				parts = append(parts, s)
				break
			}
			_, size := utf8.DecodeRuneInString(s[i:])
			parts = append(parts, s[i+size:])
			s = s[:i]
			n--
		}
		slices.Reverse(parts)
		return parts
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		i := strings.IndexFunc(s, isSpace)
		if n == 0 || i < 0 {
			return append(parts, s)
		}
		parts = append(parts, s[:i])
		s = s[i:]
		n--
	}
	return parts
}

// splitLines is str.splitlines, with all the line ends Python knows.
func splitLines(s string, keep bool) []string {
	var out []string
	for s != "" {
		i := strings.IndexFunc(s, func(c rune) bool {
			return c >= '\n' && c <= '\r' || c >= 0x1c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029
		})
		if i < 0 {
			return append(out, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			out = append(out, s[:i+n])
		} else {
			out = append(out, s[:i])
		}
		s = s[i+n:]
	}
	return out
}

func partition(s string, sep any, find func(s, sep string) int, right bool) (any, error) {
	by, err := wantString(sep, "sep")
	if err != nil {
		return nil, err
	}
	if by == "" {
		return nil, failf("empty separator")
	}
	i := find(s, by)
	switch {
	case i >= 0:
		return &Tuple{Items: []any{s[:i], by, s[i+len(by):]}}, nil
	case right:
		return &Tuple{Items: []any{"", "", s}}, nil
	}
	return &Tuple{Items: []any{s, "", ""}}, nil
}

// window is s[start:end] in characters, and the number of characters before it; ok is false if start is beyond s.
func window(s string, start, end any) (sub string, before int64, ok bool, err error) {
	if start == nil && end == nil {
		return s, 0, true, nil
	}
	runes := []rune(s)
	lo, hi := int64(0), int64(len(runes))
	for _, b := range []struct {
		v   any
		out *int64
	}{{start, &lo}, {end, &hi}} {
		if b.v == nil {
			continue
		}
		n, err := wantInt(b.v)
		if err != nil {
			return "", 0, false, err
		}
		if n < 0 {
			n = max(n+int64(len(runes)), 0)
		}
		*b.out = n
	}
	hi = min(hi, int64(len(runes)))
	if lo > hi {
		return "", lo, false, nil
	}
	return string(runes[lo:hi]), lo, true, nil
}

func affix(s string, a []any, has func(s, x string) bool, name string) (any, error) {
	sub, _, ok, err := window(s, a[1], a[2])
	if err != nil {
		return nil, err
	}
	options := []any{a[0]}
	if t, isTuple := a[0].(*Tuple); isTuple {
		options = t.Items
	}
	for _, o := range options {
		x, isStr := o.(string)
		if !isStr {
			return nil, failf("%s first arg must be str or a tuple of str, not %s", name, typeName(o))
		}
		if ok && has(sub, x) {
			return true, nil
		}
	}
	return false, nil
}

func search(name, s string, a []any) (any, error) {
	sub, err := wantString(a[0], "argument")
	if err != nil {
		return nil, err
	}
	in, before, ok, err := window(s, a[1], a[2])
	if err != nil {
		return nil, err
	}
	i := -1
	switch {
	case name == "count":
		if !ok {
			return int64(0), nil
		}
		return int64(strings.Count(in, sub)), nil
	case !ok:
	case name == "find" || name == "index":
		i = strings.Index(in, sub)
	default:
		i = strings.LastIndex(in, sub)
	}
	if i < 0 {
		if name == "index" || name == "rindex" {
			return nil, failf("substring not found")
		}
		return int64(-1), nil
	}
	return before + int64(utf8.RuneCountInString(in[:i])), nil
}

// justify pads s to a width in characters: ljust, rjust or center.
func (r *render) justify(s string, width any, fill, how string) (any, error) {
	w, err := wantInt(width)
	if err != nil {
		return nil, err
	}
	n := int64(utf8.RuneCountInString(s))
	if w <= n {
		return s, nil
	}
	if w > math.MaxInt32 {
		return nil, r.checkSize(math.MaxInt)
	}
	if err := r.charge(int(w) * len(fill)); err != nil {
		return nil, err
	}
	pad := int(w - n)
	left := 0
	switch how {
	case "rjust":
		left = pad
	case "center":
		left = pad/2 + pad&int(w)&1
	}
	return strings.Repeat(fill, left) + s + strings.Repeat(fill, pad-left), nil
}

func expandTabs(r *render, s string, size any) (any, error) {
	n, err := wantInt(size)
	if err != nil {
		return nil, err
	}
	if n > 1000 {
		return nil, failf("tab size is too large")
	}
	var b strings.Builder
	col := int64(0)
	for _, c := range s {
		switch c {
		case '\t':
			if n > 0 {
				pad := n - col%n
				b.WriteString(strings.Repeat(" ", int(pad)))
				col += pad
			}
		case '\n', '\r':
			b.WriteRune(c)
			col = 0
		default:
			b.WriteRune(c)
			col++
		}
		if err := r.checkSize(b.Len()); err != nil {
			return nil, err
		}
	}
	return b.String(), r.charge(b.Len())
}

// numberAttr is what Python's numbers have besides operators.
func numberAttr(v any, name string) (any, bool) {
	i, f, isInt, _ := number(v)
	none := func(x any) any {
		return &funcValue{name: typeName(v) + "." + name, fn: func(a Args) (any, error) { _, err := a.Bind(); return x, err }}
	}
	switch name {
	case "real":
		if isInt {
			return i, true
		}
		return f, true
	case "imag":
		if isInt {
			return int64(0), true
		}
		return 0.0, true
	case "is_integer":
		if !isInt {
			return none(f == math.Trunc(f) && !math.IsInf(f, 0)), true
		}
	case "conjugate":
		return none(v), true
	case "numerator", "denominator", "bit_length", "bit_count":
		size := uint64(i)
		if i < 0 {
			size = -size
		}
		switch {
		case !isInt:
		case name == "numerator":
			return i, true
		case name == "denominator":
			return int64(1), true
		case name == "bit_length":
			return none(int64(bits.Len64(size))), true
		default:
			return none(int64(bits.OnesCount64(size))), true
		}
	}
	return nil, false
}

func buildListMethods() map[string]*method {
	m := map[string]*method{}
	add := func(name string, do func(r *render, l *List, a []any) (any, error), params ...Param) {
		m[name] = &method{params: params, do: func(r *render, self any, a []any) (any, error) { return do(r, self.(*List), a) }}
	}
	add("append", func(_ *render, l *List, a []any) (any, error) { l.Items = append(l.Items, a[0]); return nil, nil }, req("object"))
	add("extend", func(r *render, l *List, a []any) (any, error) {
		items, err := r.items(a[0])
		l.Items = append(l.Items, items...)
		return nil, err
	}, req("iterable"))
	add("insert", func(r *render, l *List, a []any) (any, error) {
		i, err := wantInt(a[0])
		if err != nil {
			return nil, err
		}
		n := int64(len(l.Items))
		if i < 0 {
			i = max(i+n, 0)
		}
		l.Items = slices.Insert(l.Items, int(min(i, n)), a[1])
		return nil, r.spend(len(l.Items) / 8)
	}, req("index"), req("object"))
	add("pop", func(r *render, l *List, a []any) (any, error) {
		i, err := wantInt(a[0])
		if err != nil {
			return nil, err
		}
		if len(l.Items) == 0 {
			return nil, failf("pop from empty list")
		}
		if i < 0 {
			i += int64(len(l.Items))
		}
		if i < 0 || i >= int64(len(l.Items)) {
			return nil, failf("pop index out of range")
		}
		v := l.Items[i]
		err = r.spend((len(l.Items) - int(i)) / 8)
		l.Items = slices.Delete(l.Items, int(i), int(i)+1)
		return v, err
	}, opt("index", int64(-1)))
	add("remove", func(r *render, l *List, a []any) (any, error) {
		i, err := r.find(l.Items, a[0])
		if err != nil {
			return nil, err
		}
		if i < 0 || i >= len(l.Items) {
			return nil, failf("list.remove(x): x not in list")
		}
		l.Items = slices.Delete(l.Items, i, i+1)
		return nil, r.spend((len(l.Items) - i) / 8)
	}, req("value"))
	add("reverse", func(r *render, l *List, _ []any) (any, error) {
		slices.Reverse(l.Items)
		return nil, r.chargeItems(len(l.Items))
	})
	add("sort", func(r *render, l *List, a []any) (any, error) {
		if a[0] != nil {
			return nil, &Error{Msg: "list.sort() has no key here", Hint: "use the sort filter with attribute="}
		}
		out, err := r.sorted(l.Items, l.Items, truth(a[1]))
		if err == nil {
			l.Items = out
		}
		return nil, err
	}, opt("key", nil), opt("reverse", false))
	add("copy", func(r *render, l *List, _ []any) (any, error) {
		return &List{slices.Clone(l.Items)}, r.chargeItems(len(l.Items))
	})
	add("clear", func(_ *render, l *List, _ []any) (any, error) { l.Items = nil; return nil, nil })
	m["index"] = &method{params: []Param{req("value"), opt("start", nil), opt("stop", nil)}, do: indexOf}
	m["count"] = &method{params: []Param{req("value")}, do: countOf}
	return m
}

func buildTupleMethods() map[string]*method {
	return map[string]*method{
		"index": {params: []Param{req("value"), opt("start", nil), opt("stop", nil)}, do: indexOf},
		"count": {params: []Param{req("value")}, do: countOf},
	}
}

func elements(v any) []any {
	switch v := v.(type) {
	case *Tuple:
		return v.Items
	case *rangeValue:
		items := make([]any, v.n)
		for i := range items {
			items[i] = v.at(int64(i))
		}
		return items
	}
	return v.(*List).Items
}

// find returns the position of x, or -1.
func (r *render) find(items []any, x any) (int, error) {
	for i, y := range items {
		if eq, err := r.equal(y, x); err != nil || eq {
			return i, err
		}
	}
	return -1, nil
}

func indexOf(r *render, self any, a []any) (any, error) {
	items, first := elements(self), 0
	if a[1] != nil || a[2] != nil {
		var bounds [2]*int64
		for i, v := range a[1:] {
			if v == nil {
				continue
			}
			n, err := wantInt(v)
			if err != nil {
				return nil, err
			}
			bounds[i] = &n
		}
		start, _, count := sliceBounds(bounds[0], bounds[1], nil, int64(len(items)))
		items, first = items[start:start+count], int(start)
	}
	i, err := r.find(items, a[0])
	if err == nil && i < 0 {
		s, err := r.repr(a[0])
		if err != nil {
			return nil, err
		}
		return nil, failf("%s is not in %s", s, typeName(self))
	}
	return int64(first + i), err
}

func countOf(r *render, self any, a []any) (any, error) {
	n := int64(0)
	for _, y := range elements(self) {
		eq, err := r.equal(y, a[0])
		if err != nil {
			return nil, err
		}
		n += asInt(eq)
	}
	return n, nil
}

func buildDictMethods() map[string]*method {
	m := map[string]*method{}
	add := func(name string, do func(r *render, d *Dict, a []any) (any, error), params ...Param) {
		m[name] = &method{params: params, do: func(r *render, self any, a []any) (any, error) {
			d := self.(*Dict)
			if d.frozen && (name == "pop" || name == "popitem" || name == "clear") {
				return nil, errFrozen()
			}
			return do(r, d, a)
		}}
	}
	for _, kind := range []string{"keys", "values", "items"} {
		add(kind, func(_ *render, d *Dict, _ []any) (any, error) { return &viewValue{d, kind}, nil })
	}
	add("get", func(r *render, d *Dict, a []any) (any, error) {
		if err := r.read(a[0]); err != nil {
			return nil, err
		}
		if _, err := hashKey(a[0]); err != nil {
			return nil, err
		}
		if v, ok := d.Get(a[0]); ok {
			return v, nil
		}
		return a[1], nil
	}, req("key"), opt("default", nil))
	add("setdefault", func(r *render, d *Dict, a []any) (any, error) {
		if err := r.read(a[0]); err != nil {
			return nil, err
		}
		if v, ok := d.Get(a[0]); ok {
			return v, nil
		}
		return a[1], d.Set(a[0], a[1])
	}, req("key"), opt("default", nil))
	missing := &Undefined{}
	add("pop", func(r *render, d *Dict, a []any) (any, error) {
		if err := r.read(a[0]); err != nil {
			return nil, err
		}
		v, ok := d.Get(a[0])
		if ok {
			d.Delete(a[0])
			return v, nil
		}
		if a[1] != missing {
			return a[1], nil
		}
		s, err := r.repr(a[0])
		if err != nil {
			return nil, err
		}
		return nil, failf("key %s is not in the dict", s)
	}, req("key"), opt("default", missing))
	add("popitem", func(_ *render, d *Dict, _ []any) (any, error) {
		for i := len(d.entries) - 1; i >= 0; i-- {
			if e := d.entries[i]; !e.dead {
				v := d.value(i)
				d.Delete(e.key)
				d.entries = d.entries[:min(i, len(d.entries))]
				return pair(e.key, v), nil
			}
		}
		return nil, failf("popitem(): dictionary is empty")
	})
	add("copy", func(r *render, d *Dict, _ []any) (any, error) {
		c := NewDict()
		return c, r.updateDict(c, d)
	})
	add("fromkeys", func(r *render, _ *Dict, a []any) (any, error) {
		items, err := r.items(a[0])
		if err != nil {
			return nil, err
		}
		out := NewDict()
		for _, k := range items {
			if err := out.Set(k, a[1]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, req("iterable"), opt("value", nil))
	add("clear", func(_ *render, d *Dict, _ []any) (any, error) { *d = *NewDict(); return nil, nil })
	m["update"] = &method{raw: func(self any, a Args) (any, error) { return nil, a.r.fillDict(self.(*Dict), a) }}
	return m
}

// fillDict is dict(…) and dict.update(…): a mapping or pairs, then keywords.
func (r *render) fillDict(d *Dict, a Args) error {
	if len(a.Pos) > 1 {
		return failf("%s takes at most 1 positional argument, got %d", a.name, len(a.Pos))
	}
	if len(a.Pos) == 1 {
		if err := r.updateDict(d, a.Pos[0]); err != nil {
			return err
		}
	}
	for _, k := range a.Kw {
		if err := d.Set(k.Name, k.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r *render) updateDict(d *Dict, v any) error {
	if src, ok := v.(*Dict); ok {
		if err := r.chargeItems(src.Len()); err != nil || src == d {
			return err
		}
		for k, x := range src.All() {
			if err := d.Set(k, x); err != nil {
				return err
			}
		}
		return nil
	}
	items, err := r.items(v)
	if err != nil {
		return err
	}
	for i, it := range items {
		kv, err := r.items(it)
		if err != nil {
			return failf("cannot convert dictionary update sequence element #%d to a sequence", i)
		}
		if len(kv) != 2 {
			return failf("dictionary update sequence element #%d has length %d; 2 is required", i, len(kv))
		}
		if err := d.Set(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}
