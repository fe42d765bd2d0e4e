package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Read11 reads the plain scalars of the document as YAML 1.1 has them, which other tools write: yes, no, on and off are booleans, 010 is
// eight, 1_000 a thousand, 0b11 three and 1:30 ninety. A number with an exponent has a point and the exponent its sign, and 0o17 is none: they
// are texts. Keys stay as they are.
func (f *File) Read11() {
	if f.root != nil {
		f.root.read11(map[*node]bool{})
	}
}

var (
	bool11   = map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"}
	octal11  = regexp.MustCompile(`^[-+]?0[0-7_]+$`)
	int11    = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*)$`)
	based11  = regexp.MustCompile(`^[-+]?0(b[01_]+|x[0-9a-fA-F_]+)$`)
	float11  = regexp.MustCompile(`^([-+]?[0-9][0-9_]*)?\.[0-9_]*([eE][-+][0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)
	minute11 = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$`)
	second11 = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*$`)
)

func (n *node) read11(seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	for _, item := range n.items {
		item.read11(seen)
	}
	for _, e := range n.entries {
		e.value.read11(seen)
	}
	if !n.plain || n.kind >= listKind {
		return
	}
	word := n.text == strings.ToLower(n.text) || n.text == strings.ToUpper(n.text) || n.text == strings.ToUpper(n.text[:1])+strings.ToLower(n.text[1:])
	switch text, isBool := bool11[strings.ToLower(n.text)]; {
	case isBool && word:
		n.kind, n.text = boolKind, text
	case n.kind == nullKind || n.kind == boolKind:
	default:
		n.number11(strings.ReplaceAll(n.text, "_", ""))
	}
}

// number11 reads a number; digits is the text without underscores.
func (n *node) number11(digits string) {
	whole := func(v int64, err error) {
		if err == nil { // too large for us
			n.kind, n.text = intKind, strconv.FormatInt(v, 10)
		}
	}
	switch {
	case octal11.MatchString(n.text):
		whole(strconv.ParseInt(digits, 8, 64))
	case based11.MatchString(n.text):
		whole(strconv.ParseInt(digits, 0, 64))
	case int11.MatchString(n.text):
		n.kind, n.text = intKind, digits
	case minute11.MatchString(n.text):
		if v, ok := sexagesimal(digits); ok {
			whole(int64(v), nil)
		}
	case second11.MatchString(n.text):
		if v, ok := sexagesimal(digits); ok {
			n.kind, n.text = floatKind, strconv.FormatFloat(v, 'f', -1, 64)
		}
	case float11.MatchString(n.text) && digits != ".":
		n.kind, n.text = floatKind, digits
	case n.kind == intKind || n.kind == floatKind:
		n.kind = stringKind
	}
}

// sexagesimal reads 12:30:00, as so many of the last place; false where it is too large to be exact.
func sexagesimal(digits string) (v float64, ok bool) {
	bare := strings.TrimLeft(digits, "+-")
	for part := range strings.SplitSeq(bare, ":") {
		x, err := strconv.ParseFloat(part, 64)
		if v = v*60 + x; err != nil || v >= 1<<53 {
			return 0, false
		}
	}
	if strings.HasPrefix(digits, "-") {
		v = -v
	}
	return v, true
}
