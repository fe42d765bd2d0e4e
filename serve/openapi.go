package serve

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// This file makes the OpenAPI 3.1 document of the routes and the Go types that their functions take and give. A library would
// bring a router of its own; ours is the table of routes that the guard stands on, and there must be one.

// enums are the words of types that are a text with few values.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[journal.Status]():      {"running", "succeeded", "partial", "failed", "interrupted", "abandoned", "upstream_failed", "checks_failed", "withheld"},
	reflect.TypeFor[pipeline.RunState]():   {"running", "succeeded", "partial", "failed", "interrupted", "abandoned", "checks_failed"},
	reflect.TypeFor[journal.Trigger]():     {"command", "schedule", "after", "api", "webhook", "backfill"},
	reflect.TypeFor[journal.FiringState](): {"waiting", "started", "succeeded", "failed", "skipped", "cancelled"},
	reflect.TypeFor[check.Status]():        {"pass", "warn", "fail", "error", "skipped"},
	reflect.TypeFor[models.Kind]():         {"stream", "seed", "model", "table", "entity"},
	reflect.TypeFor[models.Severity]():     {"warn", "error", "quarantine"},
}

// schemaNames are the names of types whose own says too little outside of their package.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[check.Result](): "CheckResult", reflect.TypeFor[check.Sample](): "RowSample", reflect.TypeFor[journal.Replay](): "ReplayAsk",
}

type object = map[string]any

// documenter collects the schemas of types as operations need them.
type documenter struct {
	schemas object
	types   map[string]reflect.Type
	err     error // the first type that cannot be told
}

// document is the OpenAPI document of the routes.
func document(routes []route, version string) (object, error) {
	d := &documenter{schemas: object{}, types: map[string]reflect.Type{}}
	paths := object{}
	for _, r := range routes {
		if r.api == nil {
			continue
		}
		item, _ := paths[r.pattern].(object)
		if item == nil {
			item = object{}
			paths[r.pattern] = item
		}
		item[strings.ToLower(r.method)] = d.operation(r)
	}
	d.schema(reflect.TypeFor[Problem]())
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Millrace", "version": version, "summary": "Runs, tables, checks and schedules of a Millrace project.",
			"description": "Errors are application/problem+json (RFC 9457); the fragment of their type is their kind. Fields are added within v1, never renamed or removed: ignore those that you do not know."},
		"paths":    paths,
		"security": []any{object{"bearer": []any{}}, object{"session": []any{}}},
		"components": object{"schemas": d.schemas, "securitySchemes": object{
			"bearer":  object{"type": "http", "scheme": "bearer", "description": "A token of millrace tokens add, or of serve.tokens: in millrace.yml."},
			"session": object{"type": "apiKey", "in": "cookie", "name": "__Host-millrace", "description": "A browser's login; without TLS the cookie is millrace-PORT."}}},
	}, d.err
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// pathDocs say what the parameters of paths are.
var pathDocs = map[string]string{"run": "Id of a run.", "id": "Id of a firing.", "pipeline": "Name of a pipeline.", "name": "Name of a node, as schema.table.", "entity": "Name of an entity.",
	"golden": "Id of a golden record, or the beginning of it.", "decision": "Id of a decision."}

func (d *documenter) operation(r route) object {
	op, params := r.api, []any{}
	for _, m := range pathParam.FindAllStringSubmatch(r.pattern, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "description": pathDocs[m[1]], "schema": object{"type": "string"}})
	}
	for _, p := range op.query {
		schema := object{"type": "string"}
		if p.integer {
			schema = object{"type": "integer", "minimum": p.least}
			if p.most > 0 {
				schema["maximum"] = p.most
			}
		}
		if p.enum != nil {
			schema["enum"] = p.enum
		}
		params = append(params, object{"name": p.name, "in": "query", "description": p.doc, "schema": schema})
	}
	out := object{"operationId": op.id, "summary": op.summary, "x-role": r.role.String()}
	if op.in != nil {
		params = append(params, object{"name": "Idempotency-Key", "in": "header", "description": "At most 200 characters, such as a UUID. A request that is sent again with the same key within 24 hours gets the first answer and changes nothing more.",
			"schema": object{"type": "string", "maxLength": longestKey}})
		out["requestBody"] = object{"required": false, "content": object{"application/json": object{"schema": d.request(op.in)}}}
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if op.retire != nil {
		out["deprecated"] = true
	}
	out["responses"] = object{fmt.Sprint(op.status): d.answer(op),
		"default": object{"description": "A problem.", "content": object{"application/problem+json": object{"schema": d.schema(reflect.TypeFor[Problem]())}}}}
	return out
}

func (d *documenter) answer(op *operation) object {
	media, schema := op.media, object{"type": "string"}
	if media == "" {
		media, schema = "application/json", d.schema(op.out)
	}
	return object{"description": http.StatusText(op.status) + ".", "content": object{media: object{"schema": schema}}}
}

// request is the schema of what is sent: nothing but what is named.
func (d *documenter) request(t reflect.Type) object {
	d.schema(t)
	if named, ok := d.schemas[nameOf(t)].(object); ok {
		named["additionalProperties"] = false
	}
	return object{"$ref": "#/components/schemas/" + nameOf(t)}
}

// nameOf is the name of a type's schema.
func nameOf(t reflect.Type) string {
	if name, ok := schemaNames[t]; ok {
		return name
	}
	if strings.HasPrefix(t.Name(), "Page[") {
		item := t.Field(0).Type.Elem()
		if item == reflect.TypeFor[json.RawMessage]() {
			return "LogPage"
		}
		return nameOf(item) + "Page"
	}
	return t.Name()
}

// schema is how a value of the type looks as JSON, as encoding/json writes it after clean.
func (d *documenter) schema(t reflect.Type) object {
	switch {
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"type": "object"}
	case t == reflect.TypeFor[PinnedText]():
		return object{"type": "string"}
	case t.Implements(reflect.TypeFor[json.Marshaler]()):
		d.fail(t, "writes itself as JSON")
		return object{}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		if words := enums[t]; words != nil {
			return object{"type": "string", "enum": words}
		}
		return object{"type": "string"}
	case reflect.Interface: // a value of the project's data
		return object{"description": "The value as JSON has it: null, a text, a number, a boolean or a list of such; times as RFC 3339."}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		items := d.schema(t.Elem())
		if t.Elem().Kind() == reflect.Pointer {
			items = object{"anyOf": []any{items, object{"type": "null"}}}
		}
		return object{"type": "array", "items": items}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	}
	d.fail(t, "has no schema")
	return object{}
}

func (d *documenter) fail(t reflect.Type, why string) {
	if d.err == nil {
		d.err = fmt.Errorf("OpenAPI: type %s %s", t, why)
	}
}

// structure adds a struct's schema to the components and refers to it.
func (d *documenter) structure(t reflect.Type) object {
	name := nameOf(t)
	ref := object{"$ref": "#/components/schemas/" + name}
	if known, there := d.types[name]; there {
		if known != t {
			d.fail(t, "has the name of another: "+known.String())
		}
		return ref
	}
	d.types[name] = t
	properties, required := object{}, []string{}
	d.fields(t, properties, &required)
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	d.schemas[name] = schema
	return ref
}

// fields adds a struct's fields, those of embedded structs as its own.
func (d *documenter) fields(t reflect.Type, properties object, required *[]string) {
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case name == "" && f.Anonymous:
			d.fields(f.Type, properties, required)
			continue
		case name == "":
			name = f.Name
		}
		schema := d.schema(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if !strings.Contains(options, "omitempty") && f.Type.Kind() != reflect.Pointer {
			*required = append(*required, name)
		}
	}
}

// fieldsOf are the fields of a struct in order.
func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
