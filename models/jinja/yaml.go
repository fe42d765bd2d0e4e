package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	yamlparser "github.com/goccy/go-yaml/parser"
)

// callFromYAML is fromyaml(value, default): YAML 1.1 as Python's safe_load reads it; what cannot be read gives the default.
func callFromYAML(a Args) (any, error) {
	v, err := a.Bind(req("value"), opt("default", nil))
	if err != nil {
		return nil, err
	}
	s, err := wantString(v[0], "fromyaml() argument")
	if err != nil {
		return nil, err
	}
	if err := a.r.chargeItems(len(s)); err != nil {
		return nil, err
	}
	if len(s) > maxYAML {
		return nil, failf("fromyaml(): the text is longer than %d bytes", maxYAML)
	}
	x, err := readYAML(s)
	if err != nil {
		return v[1], nil
	}
	return x, nil
}

// maxYAML bounds how deep a text can be nested, which the parser follows by calling itself.
const maxYAML = 100_000

// readYAML reads the first document.
func readYAML(s string) (v any, err error) {
	defer func() { // the parser has panicked on malformed input before
		if r := recover(); r != nil {
			err = failf("YAML cannot be read")
		}
	}()
	file, err := yamlparser.ParseBytes([]byte(s), 0)
	if err != nil {
		return nil, err
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return (&yamlReader{anchors: map[string]any{}}).value(doc.Body, 0)
		}
	}
	return nil, nil
}

type yamlReader struct{ anchors map[string]any }

func (y *yamlReader) value(n ast.Node, depth int) (any, error) {
	if depth > maxDataDepth {
		return nil, failf("YAML is nested too deeply")
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.IntegerNode:
		if v, err := FromGo(n.Value); err == nil {
			return v, nil
		}
		return nil, errOverflow()
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.InfinityNode:
		return n.Value, nil
	case *ast.NanNode:
		return n.GetValue(), nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.StringNode:
		if n.Token != nil && n.Token.Indicator.String() != "NotIndicator" && strings.ContainsAny(n.Token.Origin, `'"`) {
			return n.Value, nil
		}
		return plainScalar(n.Value), nil
	case *ast.AnchorNode:
		v, err := y.value(n.Value, depth+1)
		y.anchors[n.Name.String()] = v
		return v, err
	case *ast.AliasNode:
		v, ok := y.anchors[n.Value.String()]
		if !ok {
			return nil, failf("YAML has no anchor %s", n.Value)
		}
		return v, nil
	case *ast.SequenceNode:
		l := &List{}
		for _, x := range n.Values {
			v, err := y.value(x, depth+1)
			if err != nil {
				return nil, err
			}
			l.Items = append(l.Items, v)
		}
		return l, nil
	case *ast.MappingValueNode:
		d := NewDict()
		return d, y.entry(d, n, depth)
	case *ast.MappingNode:
		d := NewDict()
		for _, e := range n.Values {
			if err := y.entry(d, e, depth); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, failf("YAML of this kind is not supported")
}

func (y *yamlReader) entry(d *Dict, e *ast.MappingValueNode, depth int) error {
	v, err := y.value(e.Value, depth+1)
	if err != nil {
		return err
	}
	if e.Key.IsMergeKey() {
		if base, ok := v.(*Dict); ok {
			for k, x := range base.All() {
				if _, own := d.Get(k); !own {
					if err := d.Set(k, x); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	key, ok := e.Key.(ast.Node)
	if !ok {
		return failf("YAML has a key of this kind")
	}
	k, err := y.value(key, depth+1)
	if err != nil {
		return err
	}
	return d.Set(k, v)
}

var (
	yamlTrue   = regexp.MustCompile(`^(?:yes|Yes|YES|on|On|ON|true|True|TRUE)$`)
	yamlFalse  = regexp.MustCompile(`^(?:no|No|NO|off|Off|OFF|false|False|FALSE)$`)
	yamlNull   = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlNumber = regexp.MustCompile(`^[-+]?(?:[0-9][0-9_]*)?(?:\.[0-9_]*)?(?:[eE][-+][0-9]+)?$|^0x[0-9a-fA-F_]+$|` +
		`^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$|^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`)
	yamlDate = regexp.MustCompile(`^\d{4}-\d\d?-\d\d?(?:[Tt ]|$)`)
)

// plainScalar is what YAML 1.1 reads in unquoted text that YAML 1.2 takes for a string.
func plainScalar(s string) any {
	switch {
	case yamlTrue.MatchString(s):
		return true
	case yamlFalse.MatchString(s):
		return false
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return date{t}
	}
	if t, err := time.Parse("2006-01-02 15:04:05", strings.Replace(s, "T", " ", 1)); err == nil {
		return datetime{t, nil}
	}
	return s
}

// callToYAML is toyaml(value, default, sort_keys): Python's safe_dump.
func callToYAML(a Args) (any, error) {
	v, err := a.Bind(req("value"), opt("default", nil), opt("sort_keys", false))
	if err != nil {
		return nil, err
	}
	w := &yamlWriter{dumper{r: a.r, format: "YAML", sort: truth(v[2])}}
	ok, err := w.block(v[0], "", 0)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return v[1], nil
	case isCollection(v[0]):
	case strings.IndexByte("'\"[{", w.b.String()[0]) >= 0:
		w.b.WriteString("\n")
	default: // a plain scalar could go on
		w.b.WriteString("\n...\n")
	}
	return w.b.String(), a.r.charge(w.b.Len())
}

func isCollection(v any) bool {
	switch v := v.(type) {
	case *List:
		return len(v.Items) > 0
	case *Dict:
		return v.Len() > 0
	}
	return false
}

type yamlWriter struct{ dumper }

// block writes a value at an indent, without the line end of a scalar; false says that YAML cannot hold it.
func (w *yamlWriter) block(v any, indent string, depth int) (bool, error) {
	if err := w.enter(depth); err != nil {
		return false, err
	}
	switch v := v.(type) {
	case *List:
		return w.list(v, indent, depth)
	case *Dict:
		return w.dict(v, indent, depth)
	case string:
		w.b.WriteString(yamlString(v))
	case nil:
		w.b.WriteString("null")
	case bool:
		w.b.WriteString(strconv.FormatBool(v))
	case int64:
		w.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.b.WriteString(formatFloat(v))
	case date:
		w.b.WriteString(v.String())
	case datetime:
		w.b.WriteString(v.String())
	default:
		return false, nil
	}
	return true, nil
}

func (w *yamlWriter) list(l *List, indent string, depth int) (bool, error) {
	if len(l.Items) == 0 {
		w.b.WriteString("[]")
		return true, nil
	}
	for i, x := range l.Items {
		if i > 0 {
			w.b.WriteString(indent)
		}
		w.b.WriteString("- ")
		if ok, err := w.block(x, indent+"  ", depth+1); !ok || err != nil {
			return ok, err
		}
		if !isCollection(x) {
			w.b.WriteString("\n")
		}
	}
	return true, nil
}

func (w *yamlWriter) dict(d *Dict, indent string, depth int) (bool, error) {
	if d.Len() == 0 {
		w.b.WriteString("{}")
		return true, nil
	}
	keys, err := w.keys(d)
	if err != nil {
		return false, err
	}
	for i, k := range keys {
		if i > 0 {
			w.b.WriteString(indent)
		}
		if isCollection(k) {
			return false, nil
		}
		if ok, err := w.block(k, "", depth+1); !ok || err != nil {
			return ok, err
		}
		w.b.WriteString(":")
		v, _ := d.Get(k)
		inner := indent
		if _, is := v.(*Dict); is { // the items of a list stand below the key itself
			inner += "  "
		}
		if isCollection(v) {
			w.b.WriteString("\n" + inner)
		} else {
			w.b.WriteString(" ")
		}
		if ok, err := w.block(v, inner, depth+1); !ok || err != nil {
			return ok, err
		}
		if !isCollection(v) {
			w.b.WriteString("\n")
		}
	}
	return true, nil
}

// yamlString quotes a text where it would be read as something else.
func yamlString(s string) string {
	plain := s != "" && !yamlTrue.MatchString(s) && !yamlFalse.MatchString(s) && !yamlNull.MatchString(s) && !yamlNumber.MatchString(s) &&
		!yamlDate.MatchString(s) && strings.TrimSpace(s) == s && !strings.Contains(s, ": ") && !strings.Contains(s, " #") &&
		!strings.HasSuffix(s, ":") && strings.IndexByte("-?:,[]{}#&*!|>'\"%@`=", s[0]) < 0
	for _, c := range s {
		if c < ' ' || c == 0x7f || c > 0x7e {
			return yamlDouble(s)
		}
	}
	if len(s) > 1 && strings.IndexByte("-?:", s[0]) >= 0 && s[1] != ' ' && !strings.Contains(s, ": ") && !strings.Contains(s, " #") &&
		!yamlNumber.MatchString(s) && !strings.HasSuffix(s, ":") && strings.TrimSpace(s) == s && !strings.HasPrefix(s, "---") {
		plain = true
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func yamlDouble(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c >= ' ' && c <= '~':
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + strings.ToUpper(hex(c, 2)))
		case c < 0x10000:
			b.WriteString(`\u` + strings.ToUpper(hex(c, 4)))
		default:
			b.WriteString(`\U` + strings.ToUpper(hex(c, 8)))
		}
	}
	b.WriteByte('"')
	return b.String()
}
