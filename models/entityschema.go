package models

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/config"
)

// EntitySchema is the JSON Schema of entities' files, for editors.
func EntitySchema([]SourceSpec) ([]byte, error) {
	schema := config.Schema(entityFile{}, config.SchemaOptions{
		ID: "https://millrace.dev/schema/entity.json", Title: "Millrace entity",
		Unions: map[string][]config.Variant{"decide": {{Structs: []any{decideKeys{}}}}},
	})
	definitions := schema["definitions"].(object)
	limit(schema, "sources", object{"minItems": 1})
	limit(schema, "max_pairs", object{"minimum": 0})
	limit(definitions["decide.item"], "auto", object{"exclusiveMinimum": 0, "maximum": 1})
	limit(definitions["decide.item"], "review", object{"exclusiveMinimum": 0, "maximum": 1})
	limit(definitions["clusterEntry"], "max_size", object{"minimum": 0, "not": object{"const": 1}})
	limit(definitions["relateEntry"], "by", object{"minItems": 1})
	definitions["relateEntry"].(object)["oneOf"] = []any{requires("by"), requires("hierarchy")}
	text, err := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n'), err
}

// limit adds to what is asked of a key's value. Limits of numbers and lists leave other types alone.
func limit(schema any, key string, limits object) {
	maps.Copy(schema.(object)["properties"].(object)[key].(object), limits)
}

// requires is the schema of mappings that have all of the keys.
func requires(keys ...string) object { return object{"required": asAny(keys)} }

// formOf is the schema of a mapping that stands within another schema, which has the definitions of what stands in it.
func formOf(v any) object {
	schema := config.Schema(v, config.SchemaOptions{})
	delete(schema, "$schema")
	delete(schema, "definitions")
	return schema
}

// refTo refers to a definition.
func refTo(name string) object { return object{"$ref": "#/definitions/" + name} }

var textSchema = object{"type": "string"}

// orForm is the schema of a value that has a short form beside the mapping.
func orForm(v any, short ...any) object { return object{"anyOf": append(short, formOf(v))} }

// textList is the schema of a list of texts, which may be one.
func textList() object {
	return object{"anyOf": []any{textSchema, textsOf(1)}}
}

// textsOf is the schema of a list of so many texts at least.
func textsOf(least int) object {
	return object{"type": "array", "items": textSchema, "minItems": least}
}

// SchemaType implements config.SchemaTyper.
func (entitySource) SchemaType() map[string]any {
	type plain entitySource
	schema := config.Schema(plain{}, config.SchemaOptions{})
	decay := schema["definitions"].(object)["trustDecay"]
	delete(schema, "$schema")
	delete(schema, "definitions")
	schema["properties"].(object)["trust_decay"] = decay
	limit(schema, "trust", object{"minimum": 0, "maximum": 100})
	limit(decay, "floor", object{"minimum": 0, "maximum": 100})
	return object{"anyOf": []any{textSchema, schema}}
}

// SchemaType implements config.SchemaTyper.
func (blockEntry) SchemaType() map[string]any {
	type plain blockEntry
	form := formOf(plain{})
	limit(form, "max_block", object{"minimum": 0, "not": object{"const": 1}})
	limit(form, "keys", object{"minItems": 1})
	limit(form, "similar", object{"minItems": 1})
	form["oneOf"] = []any{requires("keys"), requires("similar")}
	return object{"anyOf": []any{textList(), form}}
}

// SchemaType implements config.SchemaTyper.
func (correlatedEntry) SchemaType() map[string]any {
	type plain correlatedEntry
	form := formOf(plain{})
	form["properties"].(object)["fields"] = textsOf(2)
	limit(form, "max_weight", object{"minimum": 0})
	return object{"anyOf": []any{textsOf(2), form}}
}

// SchemaType implements config.SchemaTyper.
func (weightsEntry) SchemaType() map[string]any {
	type plain weightsEntry
	return orForm(plain{}, textSchema)
}

// SchemaType implements config.SchemaTyper.
func (labelsEntry) SchemaType() map[string]any {
	type plain labelsEntry
	return orForm(plain{}, textSchema)
}

// SchemaType implements config.SchemaTyper.
func (overridesEntry) SchemaType() map[string]any {
	type plain overridesEntry
	return orForm(plain{}, textSchema)
}

// SchemaType implements config.SchemaTyper.
func (describeEntry) SchemaType() map[string]any {
	type plain describeEntry
	return orForm(plain{}, textSchema)
}

// SchemaDefinitions implements config.SchemaDefiner: each figure is known.
func (expectations) SchemaDefinitions() (string, map[string]any) {
	type plain expectEntry
	properties := object{}
	for _, metric := range slices.Sorted(maps.Keys(EntityMetrics)) {
		properties[metric] = object{"description": EntityMetrics[metric], "allOf": []any{refTo("expectation")}}
	}
	return "expect", object{"expectation": orForm(plain{}, textSchema), "expect": object{"type": "object", "properties": properties, "additionalProperties": false}}
}

// expectations are expect:, by figure.
type expectations struct{ config.Map[expectEntry] }

// DecodeNode implements config.NodeDecoder.
func (e *expectations) DecodeNode(n config.Node) config.Problems { return n.Decode(&e.Map) }
