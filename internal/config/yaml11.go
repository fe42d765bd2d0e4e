package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Read11 reads the plain scalars of the document as YAML 1.1 has them, which other tools write: yes, no, on and off are booleans, 010 is
// eight, 1_000 a thousand. Keys stay as they are.
func (f *File) Read11() {
	if f.root != nil {
		f.root.read11(map[*node]bool{})
	}
}

var (
	bool11  = map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"}
	octal11 = regexp.MustCompile(`^[-+]?0[0-7_]+$`)
	int11   = regexp.MustCompile(`^[-+]?[1-9][0-9_]*_[0-9_]*$`)
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
	case octal11.MatchString(n.text):
		if v, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 8, 64); err == nil {
			n.kind, n.text = intKind, strconv.FormatInt(v, 10)
		}
	case int11.MatchString(n.text):
		n.kind, n.text = intKind, strings.ReplaceAll(n.text, "_", "")
	}
}
