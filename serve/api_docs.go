package serve

import (
	_ "embed" // the page is a file of its own
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

//go:embed api_docs.gohtml
var docsText string

var docsTemplate = template.Must(template.New("docs").Parse(docsText))

// docRoutes are those of the document about the API.
func (s *Server) docRoutes() []route {
	return []route{
		{method: "GET", pattern: apiPrefix + "/openapi.json", role: Viewer, handle: func(w http.ResponseWriter, _ *http.Request) error {
			return writeJSON(w, http.StatusOK, s.document)
		}},
		{method: "GET", pattern: "/api/docs", role: Viewer, handle: s.docsPage},
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
func (s *Server) docsPage(w http.ResponseWriter, _ *http.Request) error {
	entries := []docEntry{}
	for _, r := range s.table {
		if r.api == nil {
			continue
		}
		e := docEntry{Method: r.method, Path: r.pattern, ID: r.api.id, Summary: r.api.summary, Role: r.role.String(), Deprecated: r.api.retire != nil, Media: r.api.media}
		for _, m := range pathParam.FindAllStringSubmatch(r.pattern, -1) {
			e.Params = append(e.Params, docParam{m[1], "path", "text", pathDocs[m[1]]})
		}
		for _, p := range r.api.query {
			kind := "text"
			if p.integer {
				kind = "number"
			}
			if p.enum != nil {
				kind = strings.Join(p.enum, " | ")
			}
			e.Params = append(e.Params, docParam{p.name, "query", kind, p.doc})
		}
		if r.api.in != nil {
			e.Body = nameOf(r.api.in)
		}
		if out := r.api.out; out != nil {
			if out.Kind() == reflect.Pointer {
				out = out.Elem()
			}
			e.Answer = nameOf(out)
		}
		entries = append(entries, e)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return docsTemplate.Execute(w, struct {
		Entries []docEntry
		Schemas []docSchema
	}{entries, s.docSchemas()})
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
