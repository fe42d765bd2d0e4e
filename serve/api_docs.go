package serve

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// docRoutes are those of the document about the API.
func (s *Server) docRoutes() []route {
	return []route{
		{method: "GET", pattern: apiPrefix + "/openapi.json", role: Viewer, handle: func(w http.ResponseWriter, _ *http.Request) error {
			return writeJSON(w, http.StatusOK, s.document)
		}},
	}
}

// docEntry is an operation as the page shows it.
type docEntry struct {
	Method, Path, ID, Summary, Role string
	Deprecated                      bool
	Params                          []docParam
	Body, Answer                    string // names of schemas
	Media                           string
}

type docParam struct{ Name, In, Type, Doc string }

type docSchema struct {
	Name   string
	Fields []docField
}

type docField struct {
	Name, Type, Doc string
	Required        bool
}

// docsPage shows the document without any script: it is rendered here.
func (p *site) docsPage(w http.ResponseWriter, r *http.Request) error {
	entries := []docEntry{}
	for _, of := range p.Server.table {
		if of.api == nil {
			continue
		}
		e := docEntry{Method: of.method, Path: of.pattern, ID: of.api.id, Summary: of.api.summary, Role: of.role.String(), Deprecated: of.api.retire != nil, Media: of.api.media}
		for _, m := range pathParam.FindAllStringSubmatch(of.pattern, -1) {
			e.Params = append(e.Params, docParam{m[1], "path", "text", pathDocs[m[1]]})
		}
		for _, q := range of.api.query {
			kind := "text"
			if q.integer {
				kind = "number"
			}
			if q.enum != nil {
				kind = strings.Join(q.enum, " | ")
			}
			e.Params = append(e.Params, docParam{q.name, "query", kind, q.doc})
		}
		if of.api.in != nil {
			e.Body = nameOf(of.api.in)
		}
		if out := of.api.out; out != nil {
			if out.Kind() == reflect.Pointer {
				out = out.Elem()
			}
			e.Answer = nameOf(out)
		}
		entries = append(entries, e)
	}
	return p.show(w, r, "api", view{Title: "API v1", Section: "API", Data: struct {
		Entries []docEntry
		Schemas []docSchema
	}{entries, p.docSchemas()}})
}

// docSchemas lists the document's schemas by name.
func (s *Server) docSchemas() []docSchema {
	all := []docSchema{}
	schemas := s.document["components"].(object)["schemas"].(object)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schema := schemas[name].(object)
		properties, required := schema["properties"].(object), []string{}
		if r, ok := schema["required"].([]string); ok {
			required = r
		}
		one := docSchema{Name: name}
		for _, field := range slices.Sorted(maps.Keys(properties)) {
			p := properties[field].(object)
			doc, _ := p["description"].(string)
			one.Fields = append(one.Fields, docField{field, shown(p), doc, slices.Contains(required, field)})
		}
		all = append(all, one)
	}
	return all
}

// shown is a schema in a few words.
func shown(schema object) string {
	if ref, ok := schema["$ref"].(string); ok {
		return ref[strings.LastIndex(ref, "/")+1:]
	}
	if items, ok := schema["items"].(object); ok {
		return "list of " + shown(items)
	}
	if words, ok := schema["enum"].([]string); ok {
		return strings.Join(words, " | ")
	}
	text, err := json.Marshal(schema["type"])
	if err != nil || string(text) == "null" {
		return "any"
	}
	return strings.Trim(string(text), `"`)
}
