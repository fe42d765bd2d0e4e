package files

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/textcast"
)

// parsed is the SQL that reads x, JSON that normalize has made: every key of t there, every scalar a text.
func parsed(x string, t duckType) string {
	shape, _ := json.Marshal(shapeOf(t))
	return fmt.Sprintf("from_json(%s, %s)", x, text(string(shape)))
}

// shapeOf is the type in the form that from_json wants, with text for every scalar.
func shapeOf(t duckType) any {
	switch t.base {
	case "LIST":
		return []any{shapeOf(*t.elem)}
	case "STRUCT":
		m := fieldOrder{}
		for _, f := range t.fields {
			m = append(m, fieldShape{f.name, shapeOf(f.typ)})
		}
		return m
	}
	return "VARCHAR"
}

type fieldShape struct {
	name  string
	shape any
}

// fieldOrder is a JSON object that keeps its order.
type fieldOrder []fieldShape

func (f fieldOrder) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, s := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(s.name)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(s.shape)
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// nestedValue is the SQL that turns e, which is parsed, into a t; a scalar that does not convert becomes NULL there,
// and is for nestedBad to find.
func nestedValue(e string, t duckType, r textcast.Rules, depth int) string {
	switch t.base {
	case "LIST":
		v := fmt.Sprintf("e%d", depth)
		return fmt.Sprintf("list_transform(%s, lambda %s: %s)", e, v, nestedValue(v, *t.elem, r, depth+1))
	case "STRUCT":
		var parts []string
		for _, f := range t.fields {
			parts = append(parts, fmt.Sprintf("%s := %s", ident(f.name), nestedValue(fmt.Sprintf("struct_extract(%s, %s)", e, text(f.name)), f.typ, r, depth)))
		}
		return fmt.Sprintf("CASE WHEN %s IS NULL THEN NULL ELSE struct_pack(%s) END", e, strings.Join(parts, ", "))
	}
	return exact(e, t, r)
}

// nestedBad is the SQL that is true when a scalar anywhere in e does not convert.
func nestedBad(e string, t duckType, r textcast.Rules, depth int) string {
	switch t.base {
	case "LIST":
		v := fmt.Sprintf("e%d", depth)
		return fmt.Sprintf("coalesce(list_bool_or(list_transform(%s, lambda %s: %s)), false)", e, v, nestedBad(v, *t.elem, r, depth+1))
	case "STRUCT":
		var parts []string
		for _, f := range t.fields {
			parts = append(parts, nestedBad(fmt.Sprintf("struct_extract(%s, %s)", e, text(f.name)), f.typ, r, depth))
		}
		return "(" + strings.Join(parts, " OR ") + ")"
	}
	if t.base == "VARCHAR" {
		return "false"
	}
	return bad(e, exact(e, t, r))
}
