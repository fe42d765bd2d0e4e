package models

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/config"
)

// EntitySchema is the JSON Schema of entities' files, for editors.
func EntitySchema([]SourceSpec) ([]byte, error) {
	return config.SchemaText(entityFile{}, config.SchemaOptions{
		ID: "https://millrace.dev/schema/entity.json", Title: "Millrace entity",
		Unions: map[string][]config.Variant{"decide": {{Structs: []any{decideKeys{}}}}},
	})
}

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
	return object{"anyOf": []any{textSchema, object{"type": "array", "items": textSchema}}}
}

// SchemaType implements config.SchemaTyper.
func (entitySource) SchemaType() map[string]any {
	type plain entitySource
	schema := config.Schema(plain{}, config.SchemaOptions{})
	decay := schema["definitions"].(object)["trustDecay"]
	delete(schema, "$schema")
	delete(schema, "definitions")
	schema["properties"].(object)["trust_decay"] = decay
	return object{"anyOf": []any{textSchema, schema}}
}

// SchemaType implements config.SchemaTyper.
func (blockEntry) SchemaType() map[string]any {
	type plain blockEntry
	return orForm(plain{}, textList())
}

// SchemaType implements config.SchemaTyper.
func (correlatedEntry) SchemaType() map[string]any {
	type plain correlatedEntry
	return orForm(plain{}, textList())
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
