package jinja

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterDef is one filter: `do` gets its arguments bound to params; `raw` gets them as written.
type filterDef struct {
	params []Param
	do     func(r *render, v any, a []any) (any, error)
	raw    func(r *render, v any, a Args) (any, error)
}

// env is the fixed part of the language. It is built once and never changes.
type env struct {
	filters                                            map[string]*filterDef
	tests                                              map[string]*testDef
	globals                                            map[string]Func
	strMethods, listMethods, dictMethods, tupleMethods map[string]*method
}

func req(name string) Param          { return Param{Name: name, Required: true} }
func opt(name string, def any) Param { return Param{Name: name, Default: def} }

func buildFilters() map[string]*filterDef {
	type fn = func(r *render, v any, a []any) (any, error)
	f := func(do fn, params ...Param) *filterDef {
		if params == nil {
			params = []Param{}
		}
		return &filterDef{params: params, do: do}
	}
	raw := func(do func(r *render, v any, a Args) (any, error)) *filterDef { return &filterDef{raw: do} }
	same := f(func(_ *render, v any, _ []any) (any, error) { return v, nil })
	text := func(do func(string) string) *filterDef {
		return f(func(r *render, v any, _ []any) (any, error) {
			s, err := r.str(v)
			if err != nil {
				return nil, err
			}
			return do(s), r.charge(len(s))
		})
	}
	attr, cased := opt("attribute", nil), opt("case_sensitive", false)
	all := textFilters()
	maps.Copy(all, map[string]*filterDef{
		"as_bool": same, "as_number": same, "as_native": same, "as_text": same, // no effect in SQL; see RenderNative
		"is_list": f(func(_ *render, v any, _ []any) (any, error) { _, ok := v.(*List); return ok, nil }),
		"lower":   text(strings.ToLower), "upper": text(upper), "string": text(strings.Clone),
		"capitalize": text(capitalize), "title": text(titleFilter),
		"trim":   f(filterTrim, opt("chars", nil)),
		"join":   f(filterJoin, opt("d", ""), attr),
		"length": f(filterLength), "count": f(filterLength),
		"replace":   f(filterReplace, req("old"), req("new"), opt("count", nil)),
		"format":    raw(filterFormat),
		"indent":    f(filterIndent, opt("width", int64(4)), opt("first", false), opt("blank", false)),
		"wordcount": f(filterWordcount),
		"center":    f(filterCenter, opt("width", int64(80))),

		"int":    f(filterInt, opt("default", int64(0)), opt("base", int64(10))),
		"float":  f(filterFloat, opt("default", 0.0)),
		"abs":    f(filterAbs),
		"round":  f(filterRound, opt("precision", int64(0)), opt("method", "common")),
		"tojson": f(filterJSON, opt("indent", nil)),

		"default": f(filterDefault, opt("default_value", ""), opt("boolean", false)),
		"d":       f(filterDefault, opt("default_value", ""), opt("boolean", false)),

		"list": f(filterList), "first": f(filterFirst), "last": f(filterLast), "reverse": f(filterReverse),
		"sort":   f(filterSort, opt("reverse", false), cased, attr),
		"unique": f(filterUnique, cased, attr),
		"min":    f(filterMin, cased, attr), "max": f(filterMax, cased, attr),
		"sum":      f(filterSum, attr, opt("start", int64(0))),
		"batch":    f(filterBatch, req("linecount"), opt("fill_with", nil)),
		"slice":    f(filterSlice, req("slices"), opt("fill_with", nil)),
		"groupby":  f(filterGroupby, req("attribute"), opt("default", nil), cased),
		"dictsort": f(filterDictsort, cased, opt("by", "key"), opt("reverse", false)),
		"items":    f(filterItems),
		"attr":     f(filterAttr, req("name")),
		"map":      raw(filterMap),
		"select":   raw(selector(false, true)), "reject": raw(selector(false, false)),
		"selectattr": raw(selector(true, true)), "rejectattr": raw(selector(true, false)),
	})
	return all
}

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

// parseInt is Python's int(str, base); ok is false where it raises ValueError.
func parseInt(s string, base int) (n int64, ok, overflow bool) {
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	lower := strings.ToLower(s)
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if (base == b || base == 0) && strings.HasPrefix(lower, prefix) {
			s, base = strings.TrimPrefix(s[2:], "_"), b
		}
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '-' || s[0] == '+' {
		return 0, false, false
	}
	if base == 0 {
		if base = 10; s[0] == '0' && strings.Trim(s, "0_") != "" {
			return 0, false, false
		}
	}
	n, err := strconv.ParseInt(sign+strings.ReplaceAll(s, "_", ""), base, 64)
	if e, isNum := err.(*strconv.NumError); isNum {
		return 0, false, e.Err == strconv.ErrRange
	}
	return n, err == nil, false
}

// parseFloat is Python's float(str).
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
		return f, true
	}
	return f, err == nil
}

func floatToInt(f float64, def any) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return def, nil
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errOverflow()
	}
	return int64(f), nil
}

func filterInt(_ *render, v any, a []any) (any, error) {
	switch v := v.(type) {
	case bool:
		return asInt(v), nil
	case int64:
		return v, nil
	case float64:
		return floatToInt(v, a[0])
	case numeric:
		return floatToInt(v.float(), a[0])
	case string:
		base, ok := integer(a[1])
		if !ok || base != 0 && (base < 2 || base > 36) {
			return nil, failf("filter 'int': base must be 0 or 2 to 36")
		}
		n, ok, overflow := parseInt(v, int(base))
		if overflow {
			return nil, errOverflow()
		}
		if ok {
			return n, nil
		}
		if f, ok := parseFloat(v); ok {
			return floatToInt(f, a[0])
		}
	case *Undefined:
		return nil, undefinedErr(v)
	}
	return a[0], nil
}

func filterFloat(_ *render, v any, a []any) (any, error) {
	if _, f, _, ok := number(v); ok {
		return f, nil
	}
	switch v := v.(type) {
	case string:
		if f, ok := parseFloat(v); ok {
			return f, nil
		}
	case *Undefined:
		return nil, undefinedErr(v)
	}
	return a[0], nil
}

func filterAbs(_ *render, v any, _ []any) (any, error) {
	i, f, isInt, ok := number(v)
	switch {
	case !ok:
		return nil, failf("bad operand type for abs(): '%s'", typeName(v))
	case isInt && i < 0:
		return mulInt(i, -1)
	case isInt:
		return i, nil
	}
	return math.Abs(f), nil
}

func filterRound(_ *render, v any, a []any) (any, error) {
	i, f, isInt, ok := number(v)
	prec, pok := integer(a[0])
	if !ok || !pok {
		if u, ok := v.(*Undefined); ok {
			return nil, undefinedErr(u)
		}
		return nil, failf("type %s cannot be rounded", typeName(v))
	}
	if prec < -400 || prec > 400 {
		return nil, failf("filter 'round': precision is out of range")
	}
	switch a[1] {
	case "common":
		if isInt && prec >= 0 {
			return i, nil
		}
		if isInt {
			return roundInt(i, int(-prec))
		}
		return roundFloat(f, int(prec)), nil
	case "ceil", "floor":
		scale := math.Pow(10, float64(prec))
		if a[1] == "ceil" {
			return math.Ceil(f*scale) / scale, nil
		}
		return math.Floor(f*scale) / scale, nil
	}
	return nil, failf("filter 'round': method must be common, ceil or floor")
}

// roundFloat rounds the exact decimal value, ties to even, as Python does.
func roundFloat(f float64, prec int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	if prec >= 0 {
		g, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', prec, 64), 64)
		return g
	}
	scale := math.Pow(10, float64(-prec))
	if math.IsInf(scale, 0) {
		return math.Copysign(0, f)
	}
	return math.RoundToEven(f/scale) * scale
}

func roundInt(i int64, digits int) (any, error) {
	if digits > 18 {
		return int64(0), nil
	}
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	q, m := i/scale, i%scale
	if m < 0 {
		q, m = q-1, m+scale
	}
	if m > scale-m || m == scale-m && q%2 != 0 {
		q++
	}
	return mulInt(q, scale)
}

func filterDefault(_ *render, v any, a []any) (any, error) {
	if IsUndefined(v) || truth(a[1]) && !truth(v) {
		return a[0], nil
	}
	return v, nil
}

func filterList(r *render, v any, _ []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	return &List{items}, nil
}

func filterFirst(_ *render, v any, _ []any) (any, error) {
	next, err := iterate(v)
	if err != nil {
		return nil, err
	}
	x, ok, err := next()
	if !ok && err == nil {
		return &Undefined{msg: "no first item, sequence was empty"}, nil
	}
	return x, err
}

func filterLast(r *render, v any, _ []any) (any, error) {
	if _, ok := v.(*generator); ok {
		return nil, &Error{Msg: "'generator' object is not reversible", Hint: "add '| list' before it"}
	}
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &Undefined{msg: "no last item, sequence was empty"}, nil
	}
	return items[len(items)-1], nil
}

func filterReverse(r *render, v any, _ []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	slices.Reverse(items)
	if isString(v) {
		return r.joinText(items, "", true)
	}
	return &generator{items: items}, nil
}

// attributes maps items to their attribute: a dotted name or an index; nil is the item itself. def, if not nil, stands
// in for a missing one.
func (r *render) attributes(items []any, attr, def any) ([]any, error) {
	if attr == nil {
		return items, nil
	}
	out := make([]any, len(items))
	for i, x := range items {
		var err error
		if out[i], err = r.path(x, attr, def); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *render) path(v, attr, def any) (any, error) {
	parts := []any{attr}
	if s, ok := attr.(string); ok {
		parts = parts[:0]
		for _, p := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(p, 10, 64); err == nil && p[0] != '-' && p[0] != '+' {
				parts = append(parts, n)
			} else {
				parts = append(parts, p)
			}
		}
	}
	for _, p := range parts {
		if err := r.tick(); err != nil {
			return nil, err
		}
		var err error
		if v, err = r.getItem(v, p); err != nil {
			return nil, err
		}
		if IsUndefined(v) && def != nil {
			v = def
		}
	}
	return v, nil
}

// keys returns what items are compared by: the attribute, with strings lowered unless cased.
func (r *render) keys(items []any, attr any, cased bool) ([]any, error) {
	keys, err := r.attributes(items, attr, nil)
	if err != nil {
		return nil, err
	}
	return fold(keys, cased), r.chargeItems(len(keys))
}

func fold(keys []any, cased bool) []any {
	if cased {
		return keys
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k
		if s, ok := k.(string); ok {
			out[i] = strings.ToLower(s)
		}
	}
	return out
}

// sorted returns items in the order of their keys, stably; reverse keeps equal items in order, too.
func (r *render) sorted(items, keys []any, reverse bool) ([]any, error) {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	var failed error
	slices.SortStableFunc(order, func(i, j int) int {
		if failed != nil {
			return 0
		}
		a, b := keys[i], keys[j]
		less, err := r.less(a, b, "<")
		greater := false
		if err == nil && !less {
			greater, err = r.less(b, a, "<")
		}
		failed = err
		c := cmp3(less, greater)
		if reverse {
			return -c
		}
		return c
	})
	out := make([]any, len(items))
	for i, o := range order {
		out[i] = items[o]
	}
	return out, failed
}

func filterSort(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	// "a,b" sorts by several attributes.
	var cols [][]any
	attrs := []any{a[2]}
	if s, ok := a[2].(string); ok {
		attrs = nil
		for _, p := range strings.Split(s, ",") {
			attrs = append(attrs, p)
		}
	}
	for _, attr := range attrs {
		k, err := r.keys(items, attr, truth(a[1]))
		if err != nil {
			return nil, err
		}
		cols = append(cols, k)
	}
	keys := make([]any, len(items)) // lists even for one attribute, as in Jinja2: two that are equal need no order
	for i := range keys {
		t := &Tuple{}
		for _, c := range cols {
			t.Items = append(t.Items, c[i])
		}
		keys[i] = t
	}
	out, err := r.sorted(items, keys, truth(a[0]))
	return &List{out}, err
}

func filterUnique(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	keys, err := r.keys(items, a[1], truth(a[0]))
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	var out []any
	for i, k := range keys {
		h, err := hashKey(k)
		if err == nil {
			err = r.read(k)
		}
		if err != nil {
			return nil, err
		}
		if !seen[h] {
			seen[h] = true
			out = append(out, items[i])
		}
	}
	return &generator{items: out}, nil
}

func filterMin(r *render, v any, a []any) (any, error) { return r.extreme(v, a, "<") }
func filterMax(r *render, v any, a []any) (any, error) { return r.extreme(v, a, ">") }

func (r *render) extreme(v any, a []any, op string) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &Undefined{msg: "no aggregated item, sequence was empty"}, nil
	}
	keys, err := r.keys(items, a[1], truth(a[0]))
	if err != nil {
		return nil, err
	}
	best := 0
	for i := range keys {
		better, err := r.compare(op, keys[i], keys[best])
		if err != nil {
			return nil, err
		}
		if better {
			best = i
		}
	}
	return items[best], nil
}

func filterSum(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if items, err = r.attributes(items, a[0], nil); err != nil {
		return nil, err
	}
	total := a[1]
	for _, x := range items {
		if isString(x) {
			return nil, &Error{Msg: "strings cannot be summed", Hint: "use join"}
		}
		if total, err = r.binary("+", total, x); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterBatch(r *render, v any, a []any) (any, error) {
	n, ok := integer(a[0])
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if !ok || n == 0 {
		return nil, failf("filter 'batch': linecount must be an integer other than 0")
	}
	if n < 0 {
		n = math.MaxInt32 // one batch of all
	}
	if n > maxRange && a[1] != nil {
		return nil, failf("filter 'batch': linecount must be at most %d to be filled up", maxRange)
	}
	n = min(n, int64(max(len(items), maxRange)))
	var out []any
	for part := range slices.Chunk(items, int(n)) {
		row := slices.Clone(part)
		for a[1] != nil && len(row) < int(n) {
			row = append(row, a[1])
		}
		out = append(out, &List{row})
	}
	return &generator{items: out}, r.chargeItems(len(out))
}

func filterSlice(r *render, v any, a []any) (any, error) {
	n, ok := integer(a[0])
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if !ok || n < 1 || n > maxRange {
		return nil, failf("filter 'slice': slices must be an integer from 1 to %d", maxRange)
	}
	per, extra := len(items)/int(n), len(items)%int(n)
	var out []any
	for i, start := 0, 0; i < int(n); i++ {
		end := start + per + int(asInt(i < extra))
		row := slices.Clone(items[start:end])
		if a[1] != nil && i >= extra {
			row = append(row, a[1])
		}
		out = append(out, &List{row})
		start = end
	}
	return &generator{items: out}, r.chargeItems(int(n))
}

func filterGroupby(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	real, err := r.attributes(items, a[0], a[1])
	if err != nil {
		return nil, err
	}
	keys := fold(real, truth(a[2]))
	pairs := make([]any, len(items))
	for i := range items {
		pairs[i] = &Tuple{Items: []any{items[i], keys[i], real[i]}}
	}
	if pairs, err = r.sorted(pairs, keys, false); err != nil {
		return nil, err
	}
	out := []any{}
	var group *Tuple
	var key any
	for _, p := range pairs {
		t := p.(*Tuple).Items
		same := false
		if group != nil {
			if same, err = r.equal(key, t[1]); err != nil {
				return nil, err
			}
		}
		if !same {
			// The key shown is that of the first item of the group, in its own case.
			group, key = &Tuple{Items: []any{t[2], &List{}}, names: []string{"grouper", "list"}}, t[1]
			out = append(out, group)
		}
		l := group.Items[1].(*List)
		l.Items = append(l.Items, t[0])
	}
	return &List{out}, nil
}

func filterDictsort(r *render, v any, a []any) (any, error) {
	d, ok := v.(*Dict)
	if u, isUndefined := v.(*Undefined); isUndefined {
		return nil, undefinedErr(u)
	}
	if !ok {
		return nil, failf("filter 'dictsort' needs a dict, not %s", typeName(v))
	}
	pos := map[any]int{"key": 0, "value": 1}
	by, isStr := a[1].(string)
	p, ok := pos[by]
	if !isStr || !ok {
		return nil, failf("filter 'dictsort': by must be 'key' or 'value'")
	}
	var items, keys []any
	for k, x := range d.All() {
		items, keys = append(items, pair(k, x)), append(keys, []any{k, x}[p])
	}
	if err := r.chargeItems(len(items)); err != nil {
		return nil, err
	}
	out, err := r.sorted(items, fold(keys, truth(a[0])), truth(a[2]))
	return &List{out}, err
}

func filterItems(r *render, v any, _ []any) (any, error) {
	switch d := v.(type) {
	case *Undefined:
		return &generator{}, nil
	case *Dict:
		items, err := r.items(&viewValue{d, "items"})
		return &generator{items: items}, err
	}
	return nil, failf("can only get item pairs from a mapping")
}

func filterAttr(r *render, v any, a []any) (any, error) {
	name, err := r.str(a[0])
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, undefinedErr(u)
	}
	x, ok, err := r.attribute(v, name)
	if err == nil && !ok {
		return r.noAttr(v, name), nil
	}
	return x, err
}

// itemsOrNone reads v; what is false, such as None, has no items, as in Jinja2.
func (r *render) itemsOrNone(v any) ([]any, error) {
	if !truth(v) {
		return nil, nil
	}
	return r.items(v)
}

// filterMap is map('filter', args…) or map(attribute='a.b', default=…).
func filterMap(r *render, v any, a Args) (any, error) {
	items, err := r.itemsOrNone(v)
	if err != nil {
		return nil, err
	}
	if len(a.Pos) == 0 {
		vals, err := a.Bind(Param{Name: "attribute", Required: true}, opt("default", nil))
		if err != nil {
			return nil, err
		}
		items, err = r.attributes(items, vals[0], vals[1])
		return &generator{items: items}, err
	}
	name, _ := a.Pos[0].(string)
	def := r.env.filters[name]
	if def == nil {
		return nil, &Error{Msg: "unknown filter '" + name + "' in map", Hint: suggest(name, keysOf(r.env.filters))}
	}
	a.Pos, a.name = a.Pos[1:], "filter '"+name+"'"
	for i, x := range items {
		if items[i], err = r.applyFilter(def, x, a); err != nil {
			return nil, err
		}
	}
	return &generator{items: items}, nil
}

// selector makes select, reject, selectattr and rejectattr.
func selector(byAttr, keep bool) func(r *render, v any, a Args) (any, error) {
	return func(r *render, v any, a Args) (any, error) {
		items, err := r.itemsOrNone(v)
		if err != nil {
			return nil, err
		}
		subjects := items
		if byAttr {
			if len(a.Pos) == 0 {
				return nil, failf("missing parameter for attribute name")
			}
			if subjects, err = r.attributes(items, a.Pos[0], nil); err != nil {
				return nil, err
			}
			a.Pos = a.Pos[1:]
		}
		var def *testDef
		if len(a.Pos) > 0 {
			name, _ := a.Pos[0].(string)
			if def = r.env.tests[name]; def == nil {
				return nil, &Error{Msg: "unknown test '" + name + "'", Hint: suggest(name, keysOf(r.env.tests))}
			}
			a.Pos, a.name = a.Pos[1:], "test '"+name+"'"
		}
		var out []any
		for i, x := range subjects {
			ok := any(truth(x))
			if def != nil {
				if ok, err = r.applyTest(def, x, a); err != nil {
					return nil, err
				}
			}
			if err := r.tick(); err != nil {
				return nil, err
			}
			if truth(ok) == keep {
				out = append(out, items[i])
			}
		}
		return &generator{items: out}, nil
	}
}
