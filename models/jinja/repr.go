package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str(): what printing a value writes.
func (r *render) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *Undefined:
		return "", nil
	case Object:
		if s := v.String(); !isAnonymous(v) {
			return s, nil
		}
	}
	return r.repr(v)
}

// repr is Python's repr().
func (r *render) repr(v any) (string, error) {
	p := printer{r: r}
	if err := p.print(v); err != nil {
		return "", err
	}
	return p.b.String(), nil
}

type printer struct {
	r     *render
	b     strings.Builder
	paid  int
	stack []any // the containers being printed, to stop at one that holds itself
}

func (p *printer) print(v any) error {
	if err := p.r.tick(); err != nil {
		return err
	}
	if n := p.b.Len(); n-p.paid > 4096 {
		if err := p.r.charge(n - p.paid); err != nil {
			return err
		}
		if err := p.r.checkSize(n); err != nil {
			return err
		}
		p.paid = n
	}
	switch v := v.(type) {
	case nil:
		p.b.WriteString("None")
	case bool:
		p.b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		p.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		p.b.WriteString(formatFloat(v))
	case string:
		p.b.WriteString(quote(v))
	case *Undefined:
		p.b.WriteString("Undefined")
	case *List:
		return p.items(v, v.Items, "[", "]")
	case *Tuple:
		if len(v.Items) == 1 {
			return p.items(v, v.Items, "(", ",)")
		}
		return p.items(v, v.Items, "(", ")")
	case *Dict:
		return p.dict(v)
	case *viewValue:
		next := iterDict(v.d, v.kind)
		var items []any
		for {
			x, ok, err := next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			items = append(items, x)
		}
		return p.items(v.d, items, "dict_"+v.kind+"([", "])")
	case *rangeValue:
		p.b.WriteString("range(" + strconv.FormatInt(v.start, 10) + ", " + strconv.FormatInt(v.at(v.n), 10))
		if v.step != 1 {
			p.b.WriteString(", " + strconv.FormatInt(v.step, 10))
		}
		p.b.WriteString(")")
	case *namespace:
		p.b.WriteString("<Namespace ")
		if err := p.dict(v.d); err != nil {
			return err
		}
		p.b.WriteString(">")
	case *generator:
		p.b.WriteString("<generator object>") // what packages log; SQL that has it does not parse
	case *funcValue, *macro:
		return &Error{Msg: "a function cannot be printed", Hint: "call it: write () after its name"}
	case *loopState:
		return &Error{Msg: "'loop' cannot be printed", Hint: "print loop.index"}
	case shown:
		s, err := v.show(p.r)
		if err != nil {
			return err
		}
		p.b.WriteString(s)
	case Object:
		p.b.WriteString(v.String())
	}
	return nil
}

// enter tells whether v is already being printed; if not, it is now.
func (p *printer) enter(v any) (bool, error) {
	if len(p.stack) > maxDataDepth {
		return false, failf("value is nested too deeply to print")
	}
	for _, s := range p.stack {
		if s == v {
			return true, nil
		}
	}
	p.stack = append(p.stack, v)
	return false, nil
}

func (p *printer) items(self any, items []any, open, end string) error {
	again, err := p.enter(self)
	if err != nil {
		return err
	}
	if again {
		p.b.WriteString("[...]")
		return nil
	}
	p.b.WriteString(open)
	for i, x := range items {
		if i > 0 {
			p.b.WriteString(", ")
		}
		if err := p.print(x); err != nil {
			return err
		}
	}
	p.b.WriteString(end)
	p.stack = p.stack[:len(p.stack)-1]
	return nil
}

func (p *printer) dict(d *Dict) error {
	again, err := p.enter(d)
	if err != nil {
		return err
	}
	if again {
		p.b.WriteString("{...}")
		return nil
	}
	p.b.WriteString("{")
	first := true
	for k, v := range d.All() {
		if !first {
			p.b.WriteString(", ")
		}
		first = false
		if err := p.print(k); err != nil {
			return err
		}
		p.b.WriteString(": ")
		if err := p.print(v); err != nil {
			return err
		}
	}
	p.b.WriteString("}")
	p.stack = p.stack[:len(p.stack)-1]
	return nil
}

// formatFloat is Python's repr of a float.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	_, exp, _ := strings.Cut(s, "e")
	if e, _ := strconv.Atoi(exp); e < -4 || e >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte(q)
	for _, c := range s {
		switch {
		case c == rune(q) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == ' ' || unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hex(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hex(c, 4))
		default:
			b.WriteString(`\U` + hex(c, 8))
		}
	}
	b.WriteByte(q)
	return b.String()
}

func hex(c rune, width int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(width-len(s), 0)) + s
}
