package models

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/config"
)

// checkList is a list of checks as it is written.
type checkList struct{ config.Node }

// DecodeNode implements config.NodeDecoder.
func (c *checkList) DecodeNode(n config.Node) config.Problems { c.Node = n; return nil }

// object is a part of a JSON Schema.
type object = map[string]any

// SchemaDefinitions implements config.SchemaDefiner. What all kinds have in common is defined once, in "check": each kind
// repeats its keys as references, for a mapping that allows no other keys cannot be put together from two.
func (checkList) SchemaDefinitions() (string, map[string]any) {
	common := config.Schema(struct {
		checkEntry    `yaml:",inline"`
		CheckSettings `yaml:",inline"`
	}{}, config.SchemaOptions{})
	settings := config.Schema(CheckSettings{}, config.SchemaOptions{})
	delete(common, "$schema")
	delete(settings, "$schema")
	common["properties"].(object)["config"] = object{"$ref": "#/definitions/check.config"}
	defs := object{"check": common, "check.config": settings}
	kinds := object{}
	for kind, spec := range checkKinds {
		defs["check."+kind] = spec.schema(common["properties"].(object))
		kinds[kind] = object{"$ref": "#/definitions/check." + kind}
	}
	for name, kind := range foreignKinds {
		kinds[name] = kinds[kind]
	}
	var names []any
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		names = append(names, name)
	}
	item := object{"anyOf": []any{
		object{"enum": names},
		object{"type": "object", "properties": kinds, "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
		object{"type": "object", "required": []any{"test_name"}},
	}}
	defs["checks"] = object{"anyOf": []any{object{"type": "null"}, object{"type": "array", "items": item}}}
	return "checks", defs
}

// schema is that of what stands behind a kind.
func (spec checkKind) schema(common object) object {
	properties := config.Schema(spec.args(), config.SchemaOptions{})["properties"].(object)
	columns := config.Schema(checkColumns{}, config.SchemaOptions{})["properties"].(object)
	for key := range common {
		if _, isColumn := columns[key]; properties[key] == nil && !(isColumn && spec.columns == 0 && spec.short == "") {
			properties[key] = object{"$ref": "#/definitions/check/properties/" + key}
		}
	}
	forms := []any{object{"type": "object", "properties": properties, "additionalProperties": false}}
	switch {
	case spec.short != "":
		forms = append(forms, object{"type": "string"})
	case spec.columns > 0:
		forms = append(forms, object{"type": []any{"string", "null"}}, object{"type": "array", "items": object{"type": "string"}})
	default:
		forms = append(forms, object{"type": "null"})
	}
	return object{"description": spec.doc, "anyOf": forms}
}
