package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// filterJSON is Jinja2's tojson: sorted keys, ASCII only, and no characters that mean something in HTML.
func filterJSON(r *render, v any, a []any) (any, error) {
	indent := -1
	if a[0] != nil {
		n, err := wantInt(a[0])
		if err != nil {
			return nil, err
		}
		if n > 1000 {
			return nil, failf("filter 'tojson': indent is too large")
		}
		indent = int(max(n, 0))
	}
	s, err := r.dumps(v, indent, true)
	if err != nil {
		return nil, err
	}
	s = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "'", `\u0027`).Replace(s)
	return s, r.charge(len(s))
}

// dumps is Python's json.dumps; indent -1 is one line.
func (r *render) dumps(v any, indent int, sortKeys bool) (string, error) {
	w := jsonWriter{dumper{r: r, format: "JSON", sort: sortKeys}, indent}
	err := w.value(v, 0)
	return w.b.String(), err
}

type jsonWriter struct {
	dumper
	indent int
}

func (w *jsonWriter) newline(depth int) {
	if w.indent >= 0 {
		w.b.WriteString("\n" + strings.Repeat(" ", w.indent*depth))
	}
}

func (w *jsonWriter) comma(depth int) {
	if w.indent >= 0 {
		w.b.WriteString(",")
		w.newline(depth)
		return
	}
	w.b.WriteString(", ")
}

func (w *jsonWriter) value(v any, depth int) error {
	if err := w.enter(depth); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		w.b.WriteString("null")
	case bool:
		w.b.WriteString(strconv.FormatBool(v))
	case int64:
		w.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.b.WriteString(jsonFloat(v))
	case string:
		if err := w.r.charge(len(v)); err != nil {
			return err
		}
		w.string(v)
	case *List:
		return w.items(v.Items, depth)
	case *Tuple:
		return w.items(v.Items, depth)
	case *Dict:
		return w.dict(v, depth)
	case *Undefined:
		return &Error{Msg: v.msg, Hint: v.hint}
	default:
		return failf("object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

func (w *jsonWriter) string(s string) {
	w.b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			w.b.WriteByte('\\')
			w.b.WriteRune(c)
		case c == '\n':
			w.b.WriteString(`\n`)
		case c == '\r':
			w.b.WriteString(`\r`)
		case c == '\t':
			w.b.WriteString(`\t`)
		case c == '\b':
			w.b.WriteString(`\b`)
		case c == '\f':
			w.b.WriteString(`\f`)
		case c >= ' ' && c < 0x7f:
			w.b.WriteRune(c)
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			w.b.WriteString(`\u` + hex(hi, 4) + `\u` + hex(lo, 4))
		case c == 0x7f:
			w.b.WriteRune(c)
		default:
			w.b.WriteString(`\u` + hex(c, 4))
		}
	}
	w.b.WriteByte('"')
}

func (w *jsonWriter) items(items []any, depth int) error {
	if len(items) == 0 {
		w.b.WriteString("[]")
		return nil
	}
	w.b.WriteByte('[')
	w.newline(depth + 1)
	for i, x := range items {
		if i > 0 {
			w.comma(depth + 1)
		}
		if err := w.value(x, depth+1); err != nil {
			return err
		}
	}
	w.newline(depth)
	w.b.WriteByte(']')
	return nil
}

func (w *jsonWriter) dict(d *Dict, depth int) error {
	if d.Len() == 0 {
		w.b.WriteString("{}")
		return nil
	}
	keys, err := w.keys(d)
	if err != nil {
		return err
	}
	w.b.WriteByte('{')
	w.newline(depth + 1)
	for i, k := range keys {
		if i > 0 {
			w.comma(depth + 1)
		}
		switch k := k.(type) {
		case string:
			w.string(k)
		case nil:
			w.string("null")
		case bool:
			w.string(strconv.FormatBool(k))
		case int64:
			w.string(strconv.FormatInt(k, 10))
		case float64:
			w.string(jsonFloat(k))
		default:
			return failf("keys must be str, int, float, bool or None, not %s", typeName(k))
		}
		w.b.WriteString(": ")
		v, _ := d.Get(k)
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.newline(depth)
	w.b.WriteByte('}')
	return nil
}

// loads is json.loads: objects keep the order of their keys.
func loads(s string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	v, err := loadValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, failf("extra text after the JSON value")
	}
	return v, nil
}

func loadValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDataDepth {
		return nil, failf("JSON is nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, failf("JSON cannot be read: %v", err)
	}
	switch t := tok.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n, nil
		}
		if !strings.ContainsAny(t.String(), ".eE") {
			return nil, errOverflow()
		}
		f, _ := strconv.ParseFloat(t.String(), 64)
		return f, nil
	case json.Delim:
		if t == '[' {
			l := &List{}
			for dec.More() {
				v, err := loadValue(dec, depth+1)
				if err != nil {
					return nil, err
				}
				l.Items = append(l.Items, v)
			}
			_, err := dec.Token()
			return l, jsonErr(err)
		}
		d := NewDict()
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				return nil, jsonErr(err)
			}
			v, err := loadValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if err := d.Set(k, v); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return d, jsonErr(err)
	}
	return tok, nil
}

func jsonErr(err error) error {
	if err == nil {
		return nil
	}
	return failf("JSON cannot be read: %v", err)
}

// MarshalJSON writes the dict in its order. A key that is no text is written as it prints.
func (d *Dict) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for k, v := range d.All() {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(fmt.Sprint(k))
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(forJSON(v))
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalJSON writes the list's elements.
func (l *List) MarshalJSON() ([]byte, error) {
	items := make([]any, len(l.Items))
	for i, v := range l.Items {
		items[i] = forJSON(v)
	}
	return json.Marshal(items)
}

// forJSON is a value that JSON has a word for: tuples are lists, and what is nothing else is what it prints.
func forJSON(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case *Tuple:
		return &List{v.Items}
	case *Undefined:
		return nil
	case *Dict, *List:
	case fmt.Stringer:
		return v.String()
	}
	return v
}
