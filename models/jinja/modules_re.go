package jinja

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// reModule is modules.re.
var reModule = sync.OnceValue(func() *memberObject {
	m := map[string]any{"escape": Func(reEscape), "compile": Func(reCompile)}
	for _, name := range []string{"match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"} {
		m[name] = Func(func(a Args) (any, error) {
			a.name = "re." + name + "()"
			return callRe(a, name, nil)
		})
	}
	for name, flag := range map[string]int64{"IGNORECASE": reIgnoreCase, "MULTILINE": reMultiLine, "DOTALL": reDotAll, "VERBOSE": reVerbose,
		"ASCII": reASCII, "UNICODE": reUnicode, "I": reIgnoreCase, "M": reMultiLine, "S": reDotAll,
		"X": reVerbose, "A": reASCII, "U": reUnicode} {
		m[name] = flag
	}
	return members("module re", m)
})

func reEscape(a Args) (any, error) {
	n, err := names(a, req("pattern"))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, c := range n[0] {
		if strings.ContainsRune("()[]{}?*+-|^$\\.&~# \t\n\r\v\f", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String(), nil
}

func reCompile(a Args) (any, error) {
	a.name = "re.compile()"
	v, err := a.Bind(req("pattern"), opt("flags", int64(0)))
	if err != nil {
		return nil, err
	}
	return wantPattern(v[0], v[1])
}

// wantPattern is a pattern given as text or compiled.
func wantPattern(v, flags any) (*pyPattern, error) {
	if p, ok := v.(*pyPattern); ok {
		return p, nil
	}
	src, err := wantString(v, "the pattern")
	if err != nil {
		return nil, err
	}
	n, err := wantInt(flags)
	if err != nil {
		return nil, err
	}
	if len(src) > 10_000 {
		return nil, failf("modules.re: the pattern is too long")
	}
	return compilePattern(src, n)
}

func (p *pyPattern) typeName() string { return "Pattern" }

// String is the pattern as Python shows it.
func (p *pyPattern) String() string { return "re.compile(" + quote(p.src) + ")" }

// Attr returns the attributes of a compiled pattern.
func (p *pyPattern) Attr(name string) (any, bool) {
	switch name {
	case "pattern":
		return p.src, true
	case "flags":
		return int64(p.flags | reUnicode), true
	case "groups":
		return int64(len(p.names) - 1), true
	case "match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split":
		return Func(func(a Args) (any, error) {
			a.name = "pattern." + name + "()"
			return callRe(a, name, p)
		}), true
	}
	return nil, false
}

// callRe is a function of the module, or a method of a compiled pattern.
func callRe(a Args, name string, p *pyPattern) (any, error) {
	var params []Param
	if p == nil {
		params = append(params, req("pattern"))
	}
	switch name {
	case "sub", "subn":
		params = append(params, req("repl"), req("string"), opt("count", int64(0)))
	case "split":
		params = append(params, req("string"), opt("maxsplit", int64(0)))
	default:
		params = append(params, req("string"))
	}
	if p == nil {
		params = append(params, opt("flags", int64(0)))
	}
	v, err := a.Bind(params...)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if p, err = wantPattern(v[0], v[len(v)-1]); err != nil {
			return nil, err
		}
		v = v[1 : len(v)-1]
	}
	var repl any
	if strings.HasPrefix(name, "sub") {
		repl, v = v[0], v[1:]
	}
	text, err := wantString(v[0], a.name+": the text")
	if err != nil {
		return nil, err
	}
	if err := a.r.charge(len(text)); err != nil {
		return nil, err
	}
	limit := int64(0)
	if len(v) > 1 {
		if limit, err = wantInt(v[1]); err != nil {
			return nil, err
		}
	}
	return p.run(a, name, text, repl, limit)
}

func (p *pyPattern) run(a Args, name, text string, repl any, limit int64) (any, error) {
	switch name {
	case "match":
		return p.one(a.r, atStart, text)
	case "search":
		return p.one(a.r, anywhere, text)
	case "fullmatch":
		return p.one(a.r, wholeText, text)
	case "findall", "finditer":
		all, err := p.all(a.r, text)
		if err != nil {
			return nil, err
		}
		out := &List{}
		for _, m := range all {
			if name == "finditer" {
				out.Items = append(out.Items, &matchValue{p, text, m})
				continue
			}
			out.Items = append(out.Items, (&matchValue{p, text, m}).found())
		}
		return out, a.r.chargeItems(len(all))
	case "split":
		return p.split(a, text, limit)
	}
	s, n, err := p.replace(a, text, repl, limit)
	if err != nil || name == "sub" {
		return s, err
	}
	return pair(s, n), nil
}

func (p *pyPattern) one(r *render, place, text string) (any, error) {
	m, err := p.find(r, place, text)
	if m == nil || err != nil {
		return nil, err
	}
	return &matchValue{p, text, m}, nil
}

func (p *pyPattern) split(a Args, text string, limit int64) (any, error) {
	all, err := p.all(a.r, text)
	if err != nil {
		return nil, err
	}
	out, from := &List{}, 0
	for i, m := range all {
		if limit > 0 && int64(i) >= limit {
			break
		}
		out.Items = append(out.Items, text[from:m[0]])
		v := &matchValue{p, text, m}
		for g := 1; g < len(m)/2; g++ {
			out.Items = append(out.Items, v.group(g, nil))
		}
		from = m[1]
	}
	out.Items = append(out.Items, text[from:])
	return out, a.r.chargeItems(len(out.Items))
}

// replace is sub: repl is text with \1 and \g<name>, or something to call with the match.
func (p *pyPattern) replace(a Args, text string, repl any, limit int64) (string, int64, error) {
	all, err := p.all(a.r, text)
	if err != nil {
		return "", 0, err
	}
	var b strings.Builder
	from, n := 0, int64(0)
	for _, m := range all {
		if limit > 0 && n >= limit {
			break
		}
		v := &matchValue{p, text, m}
		s, err := v.replacement(a, repl)
		if err != nil {
			return "", 0, err
		}
		b.WriteString(text[from:m[0]])
		b.WriteString(s)
		if err := a.r.checkSize(b.Len()); err != nil {
			return "", 0, err
		}
		from = m[1]
		n++
	}
	b.WriteString(text[from:])
	return b.String(), n, a.r.charge(b.Len())
}

// matchValue is a match.
type matchValue struct {
	p    *pyPattern
	text string
	at   []int
}

func (m *matchValue) typeName() string { return "Match" }

// String is the match as Python shows it.
func (m *matchValue) String() string {
	s, e := m.span(0)
	return "<re.Match object; span=(" + strconv.Itoa(s) + ", " + strconv.Itoa(e) + "), match=" + quote(m.text[m.at[0]:m.at[1]]) + ">"
}

// span counts characters, as Python does.
func (m *matchValue) span(g int) (int, int) {
	if m.at[2*g] < 0 {
		return -1, -1
	}
	s := utf8.RuneCountInString(m.text[:m.at[2*g]])
	return s, s + utf8.RuneCountInString(m.text[m.at[2*g]:m.at[2*g+1]])
}

// group is the text of a group, or def where it took no part.
func (m *matchValue) group(g int, def any) any {
	if m.at[2*g] < 0 {
		return def
	}
	return m.text[m.at[2*g]:m.at[2*g+1]]
}

// found is what findall gives of the match.
func (m *matchValue) found() any {
	switch n := len(m.at)/2 - 1; n {
	case 0:
		return m.group(0, "")
	case 1:
		return m.group(1, "")
	default:
		t := &Tuple{}
		for g := 1; g <= n; g++ {
			t.Items = append(t.Items, m.group(g, ""))
		}
		return t
	}
}

// number finds a group by number or name.
func (m *matchValue) number(v any) (int, error) {
	if i, ok := integer(v); ok && i >= 0 && i < int64(len(m.at)/2) {
		return int(i), nil
	}
	if name, ok := v.(string); ok {
		if i := slices.Index(m.p.names, name); i > 0 {
			return i, nil
		}
	}
	return 0, failf("no such group in the pattern %s", quote(m.p.src))
}

func (m *matchValue) item(_ *render, key any) (any, bool, error) {
	if _, isInt := integer(key); !isInt && !isString(key) {
		return nil, false, nil
	}
	g, err := m.number(key)
	if err != nil {
		return nil, false, nil
	}
	return m.group(g, nil), true, nil
}

// Attr returns the attributes of a match.
func (m *matchValue) Attr(name string) (any, bool) {
	switch name {
	case "group":
		return Func(m.callGroup), true
	case "groups":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(opt("default", nil))
			if err != nil {
				return nil, err
			}
			t := &Tuple{}
			for g := 1; g < len(m.at)/2; g++ {
				t.Items = append(t.Items, m.group(g, v[0]))
			}
			return t, nil
		}), true
	case "groupdict":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(opt("default", nil))
			if err != nil {
				return nil, err
			}
			d := NewDict()
			for g, n := range m.p.names {
				if n != "" {
					if err := d.Set(n, m.group(g, v[0])); err != nil {
						return nil, err
					}
				}
			}
			return d, nil
		}), true
	case "start", "end", "span":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(opt("group", int64(0)))
			if err != nil {
				return nil, err
			}
			g, err := m.number(v[0])
			if err != nil {
				return nil, err
			}
			s, e := m.span(g)
			switch name {
			case "start":
				return s, nil
			case "end":
				return e, nil
			}
			return pair(int64(s), int64(e)), nil
		}), true
	case "expand":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("template"))
			if err != nil {
				return nil, err
			}
			return m.expand(n[0])
		}), true
	case "string":
		return m.text, true
	case "re":
		return m.p, true
	case "lastindex":
		for g := len(m.at)/2 - 1; g > 0; g-- {
			if m.at[2*g] >= 0 {
				return int64(g), true
			}
		}
		return nil, true
	}
	return nil, false
}

func (m *matchValue) callGroup(a Args) (any, error) {
	if len(a.Kw) > 0 {
		return nil, failf("group() takes no keyword arguments")
	}
	if len(a.Pos) == 0 {
		return m.group(0, nil), nil
	}
	t := &Tuple{}
	for _, v := range a.Pos {
		g, err := m.number(v)
		if err != nil {
			return nil, err
		}
		t.Items = append(t.Items, m.group(g, nil))
	}
	if len(t.Items) == 1 {
		return t.Items[0], nil
	}
	return t, nil
}

func (m *matchValue) replacement(a Args, repl any) (string, error) {
	if s, ok := repl.(string); ok {
		return m.expand(s)
	}
	v, err := a.CallValue(repl, m)
	if err != nil {
		return "", err
	}
	return wantString(v, "what the replacement gives")
}

var templatePart = regexp.MustCompile(`\\(?:g<([^>]*)>|(\d{1,2})|(.)|$)`)

// expand fills \1, \g<1>, \g<name> and the escapes of a template.
func (m *matchValue) expand(template string) (string, error) {
	var bad error
	out := templatePart.ReplaceAllStringFunc(template, func(part string) string {
		sub := templatePart.FindStringSubmatch(part)
		ref := any(sub[1])
		if sub[2] != "" {
			ref = sub[2]
		}
		if sub[3] != "" || part == `\` {
			simple := map[string]string{"n": "\n", "t": "\t", "r": "\r", "a": "\a", "f": "\f", "v": "\v", `\`: `\`}
			if s, ok := simple[sub[3]]; ok {
				return s
			}
			if c := sub[3]; c == "" || c >= "a" && c <= "z" || c >= "A" && c <= "Z" {
				bad = failf("modules.re: bad escape %s in the replacement", part)
			}
			return part
		}
		if n, err := strconv.ParseInt(ref.(string), 10, 64); err == nil {
			ref = n
		}
		g, err := m.number(ref)
		if err != nil {
			bad = err
			return ""
		}
		s, _ := m.group(g, "").(string)
		return s
	})
	return out, bad
}
