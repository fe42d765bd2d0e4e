package files

import (
	"encoding/json"
	"fmt"
	"strings"
)

// value is the SQL that turns the text x into a t, or NULL when it is not exactly one. For a nested t, x is JSON that
// normalize has made: every key there, every scalar a string. What is wrong in there is for badNested to find.
func value(x string, t duckType, r castRules) string {
	if !t.nested() {
		return exact(x, t, r)
	}
	return nestedValue(parsed(x, t), t, r, 0)
}

// badNested is the SQL that is true when a scalar anywhere in x does not convert.
func badNested(x string, t duckType, r castRules) string {
	return fmt.Sprintf("coalesce(%s, false)", nestedBad(parsed(x, t), t, r, 0))
}

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

func nestedValue(e string, t duckType, r castRules, depth int) string {
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

func nestedBad(e string, t duckType, r castRules, depth int) string {
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
