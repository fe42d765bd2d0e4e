package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// SchemaTyper is implemented by types that read themselves from a text or a Node and know their own JSON Schema.
type SchemaTyper interface {
	SchemaType() map[string]any
}

// SchemaDefiner is a SchemaTyper whose schema is too large to be repeated wherever the type occurs.
type SchemaDefiner interface {
	// SchemaDefinitions returns what to put under definitions, and which of it is the type's schema. The definitions refer to
	// each other as #/definitions/name.
	SchemaDefinitions() (name string, definitions map[string]any)
}

// Variant is one shape a Node field may have, chosen by the key "type".
type Variant struct {
	Type    string // the value of "type"; "" for the only shape of a union without a type
	Doc     string
	Structs []any // the structs that share the mapping, as given to Node.Decode
	// Unions replaces SchemaOptions.Unions inside this variant: the streams of a source depend on its type.
	Unions map[string][]Variant
}

// SchemaOptions says what the Go types alone do not tell.
type SchemaOptions struct {
	ID     string // $id of the schema
	Title  string
	Unions map[string][]Variant // by the union tag of a Node, []Node or Map[Node] field
}

// Schema returns the JSON Schema (draft-07) of the YAML that decodes into v, a struct or a pointer to one. Encoded
// with encoding/json it is the same text each time.
func Schema(v any, opts SchemaOptions) map[string]any {
	s := schemer{defs: map[string]any{}, names: map[reflect.Type]string{}, unions: opts.Unions}
	root := s.object([]reflect.Type{structType(v)})
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	if opts.ID != "" {
		root["$id"] = opts.ID
	}
	if opts.Title != "" {
		root["title"] = opts.Title
	}
	if len(s.defs) > 0 {
		root["definitions"] = s.defs
	}
	return root
}

func structType(v any) reflect.Type {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		panic("config: Schema needs structs, not " + t.String())
	}
	return t
}

type schemer struct {
	defs   map[string]any
	names  map[reflect.Type]string
	unions map[string][]Variant
	scope  string // prefix of the definitions of a variant with unions of its own
}

const refPattern = `\$\{`

// orRef lets a value that is not a text be a reference as well.
func orRef(schema map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "string", "pattern": refPattern}}}
}

// object returns the schema of a mapping shared by several structs.
func (s *schemer) object(types []reflect.Type) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, t := range types {
		for _, f := range fieldsOf(t) {
			if f.origin || properties[f.name] != nil {
				continue
			}
			properties[f.name] = s.field(f)
			if f.required {
				required = append(required, f.name)
			}
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (s *schemer) field(f field) map[string]any {
	if f.union != "" && s.unions[f.union] == nil {
		f.union = ""
	}
	schema := s.typ(f.typ, f)
	notes := map[string]any{}
	if f.doc != "" {
		notes["description"] = f.doc
	}
	if f.hasDef {
		notes["default"] = defaultNode(f).plainValue()
	}
	if f.example != "" {
		notes["examples"] = []any{exampleValue(f)}
	}
	if schema["$ref"] != nil && len(notes) > 0 { // draft-07 ignores what stands beside $ref
		schema = map[string]any{"allOf": []any{schema}}
	}
	for k, v := range notes {
		schema[k] = v
	}
	return schema
}

func exampleValue(f field) any {
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String {
		return f.example
	}
	parsed, problems := Parse("example", []byte(f.example))
	if problems != nil {
		return f.example
	}
	return parsed.root.plainValue()
}

// plainValue returns what a node is in JSON.
func (n *node) plainValue() any {
	v, _ := (&decoder{file: &File{}}).any(n, "")
	return v
}

func (s *schemer) typ(t reflect.Type, f field) map[string]any {
	switch {
	case t.Kind() == reflect.Pointer:
		inner := s.typ(t.Elem(), f)
		return map[string]any{"anyOf": []any{inner, map[string]any{"type": "null"}}}
	case t == nodeType:
		return s.union(f)
	case t == secretType:
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	}
	if sd, ok := reflect.New(t).Interface().(SchemaDefiner); ok {
		name, defs := sd.SchemaDefinitions()
		maps.Copy(s.defs, defs)
		return map[string]any{"$ref": "#/definitions/" + name}
	}
	if st, ok := reflect.New(t).Interface().(SchemaTyper); ok {
		return st.SchemaType()
	}
	if m, ok := reflect.New(t).Interface().(orderedMap); ok {
		return map[string]any{"type": "object", "additionalProperties": s.typ(m.elem(), f)}
	}
	if reflect.PointerTo(t).Implements(textType) {
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	}
	if reflect.PointerTo(t).Implements(nodeDecodable) {
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.define(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.typ(t.Elem(), f)}
	case reflect.Slice:
		list := map[string]any{"type": "array", "items": s.typ(t.Elem(), f)}
		if t == reflect.TypeFor[StringList]() {
			return map[string]any{"anyOf": []any{s.typ(t.Elem(), f), list}}
		}
		return list
	case reflect.Interface:
		return map[string]any{}
	case reflect.String:
		return stringSchema(f)
	case reflect.Bool:
		return orRef(map[string]any{"type": "boolean"})
	case reflect.Float32, reflect.Float64:
		return orRef(map[string]any{"type": "number"})
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		number := map[string]any{"type": "integer"}
		if f.bounds != nil {
			number["minimum"], number["maximum"] = f.bounds[0], f.bounds[1]
		}
		return orRef(number)
	}
	panic("config: no schema for " + t.String())
}

func stringSchema(f field) map[string]any {
	if f.enum != nil {
		values := make([]any, len(f.enum))
		for i, e := range f.enum {
			values[i] = e
		}
		return orRef(map[string]any{"enum": values})
	}
	if f.pattern != "" {
		return orRef(map[string]any{"type": "string", "pattern": f.pattern})
	}
	return map[string]any{"type": "string"}
}

// define puts a struct under definitions, which is what lets a type contain itself, and returns the reference.
func (s *schemer) define(t reflect.Type) map[string]any {
	name, ok := s.names[t]
	if !ok {
		name = s.free(s.scope + t.Name())
		s.names[t] = name
		s.defs[name] = true
		s.defs[name] = s.object([]reflect.Type{t})
	}
	return map[string]any{"$ref": "#/definitions/" + name}
}

// free returns name, or name with a number when it is taken.
func (s *schemer) free(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)
	if name == "" {
		name = "object"
	}
	for i, base := 2, name; s.defs[name] != nil; i++ {
		name = fmt.Sprintf("%s%d", base, i)
	}
	return name
}

// union returns the schema of a Node: one shape for each value of "type".
func (s *schemer) union(f field) map[string]any {
	variants := s.unions[f.union]
	if f.union == "" || len(variants) == 0 {
		return map[string]any{}
	}
	if len(variants) == 1 && variants[0].Type == "" {
		return s.variant(f.union, variants[0])
	}
	var types, branches []any
	for _, v := range variants {
		types = append(types, v.Type)
		branches = append(branches, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"type": map[string]any{"const": v.Type}}, "required": []any{"type"}},
			"then": s.variant(f.union, v),
		})
	}
	name := s.scope + f.union
	if _, done := s.defs[name]; !done {
		s.defs[name] = map[string]any{
			"type": "object", "required": []any{"type"}, "allOf": branches,
			"properties": map[string]any{"type": map[string]any{"enum": types}},
		}
	}
	return map[string]any{"$ref": "#/definitions/" + name}
}

// variant puts one shape of a union under definitions and returns the reference.
func (s *schemer) variant(union string, v Variant) map[string]any {
	name := s.scope + union
	if v.Type != "" {
		name += "." + v.Type
	} else {
		name += ".item"
	}
	if _, done := s.defs[name]; done {
		return map[string]any{"$ref": "#/definitions/" + name}
	}
	s.defs[name] = true
	var types []reflect.Type
	for _, st := range v.Structs {
		if t := structType(st); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	inner := s
	if v.Unions != nil {
		unions := map[string][]Variant{}
		for k, u := range s.unions {
			unions[k] = u
		}
		for k, u := range v.Unions {
			unions[k] = u
		}
		inner = &schemer{defs: s.defs, names: map[reflect.Type]string{}, unions: unions, scope: name + "."}
	}
	object := inner.object(types)
	if v.Doc != "" {
		object["description"] = v.Doc
	}
	s.defs[name] = object
	return map[string]any{"$ref": "#/definitions/" + name}
}

// SchemaText returns the schema as indented JSON.
func SchemaText(v any, opts SchemaOptions) ([]byte, error) {
	text, err := json.MarshalIndent(Schema(v, opts), "", "  ")
	return append(text, '\n'), err
}

// FieldDoc is what the tags of one key say, for the pages that list the options of a connector.
type FieldDoc struct {
	Key      string   `json:"key"`
	Type     string   `json:"type"` // in words: text, whole number, list of texts, …
	Doc      string   `json:"doc,omitempty"`
	Required bool     `json:"required,omitempty"`
	Default  string   `json:"default,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Example  string   `json:"example,omitempty"`
}

// Docs lists the keys of a struct, embedded structs included, in the order of its fields.
func Docs(v any) []FieldDoc {
	var docs []FieldDoc
	for _, f := range fieldsOf(structType(v)) {
		if !f.origin {
			docs = append(docs, FieldDoc{f.name, typeWords(f.typ), f.doc, f.required, f.def, f.enum, f.example})
		}
	}
	return docs
}

func typeWords(t reflect.Type) string {
	switch t {
	case nodeType:
		return "mapping"
	case secretType:
		return "secret"
	case reflect.TypeFor[Duration]():
		return "time span"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Threshold]():
		return "count or percentage"
	case reflect.TypeFor[StringList]():
		return "text or list of texts"
	}
	if m, ok := reflect.New(t).Interface().(orderedMap); ok {
		return "mapping to " + typeWords(m.elem())
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWords(t.Elem())
	case reflect.Slice:
		return "list of " + typeWords(t.Elem()) + "s"
	case reflect.Map:
		return "mapping to " + typeWords(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Interface:
		return "any value"
	}
	return "text"
}
