package serve

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the golden files")

// TestDocument compares the OpenAPI document with the one that was looked at.
func TestDocument(t *testing.T) {
	l := newLab(t, project, nil)
	got, err := json.MarshalIndent(l.s.document, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		l.must(os.MkdirAll("testdata", 0o755))
		l.must(os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the document of the API has changed (%v): look at it, and at what it breaks; -update writes %s", err, golden)
	}
	if w := l.ask("GET", "/api/v1/openapi.json", "", as(l.viewer)...); w.Code != 200 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d", w.Code)
	}
}

// conforms holds an answer against the document: its status, its media type and its schema.
func (l *lab) conforms(method, path string, w *httptest.ResponseRecorder) {
	l.t.Helper()
	mux, _ := l.s.mux()
	path, _, _ = strings.Cut(path, "?")
	r, _ := http.NewRequest(method, "http://x"+path, nil)
	_, pattern := mux.Handler(r)
	_, pattern, _ = strings.Cut(pattern, " ")
	item, ok := l.s.document["paths"].(object)[pattern].(object)
	if !ok {
		l.t.Errorf("%s is not in the document", path)
		return
	}
	responses := item[strings.ToLower(method)].(object)["responses"].(object)
	name := "default"
	if w.Code < 400 {
		if name = fmt.Sprint(w.Code); responses[name] == nil {
			l.t.Errorf("%s %s answers %d, and the document does not say so", method, path, w.Code)
			return
		}
	}
	media, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content, ok := responses[name].(object)["content"].(object)[media].(object)
	if !ok {
		l.t.Errorf("%s %s answers with %s, and the document does not say so", method, path, media)
		return
	}
	if !strings.Contains(media, "json") {
		return
	}
	answer, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		l.t.Error(err)
		return
	}
	if err := l.compiled(content["schema"].(object)).Validate(answer); err != nil {
		l.t.Errorf("%s %s: %v\n%s", method, path, err, w.Body)
	}
}

// compiled is a schema that refers to those of the document, with no field allowed that they do not name.
func (l *lab) compiled(schema object) *jsonschema.Schema {
	l.t.Helper()
	text, err := json.Marshal(object{"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": schema["$ref"], "type": schema["type"], "components": l.s.document["components"]})
	l.must(err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(string(text), `"type":null`, `"title":""`), `"properties":`, `"unevaluatedProperties":false,"properties":`)))
	l.must(err)
	c := jsonschema.NewCompiler()
	l.must(c.AddResource("doc.json", doc))
	c.AssertFormat()
	compiled, err := c.Compile("doc.json")
	l.must(err)
	return compiled
}

func TestDocsPage(t *testing.T) {
	l := newLab(t, project, nil)
	w := l.ask("GET", "/api/docs", "", as(l.viewer)...)
	page := w.Body.String()
	if w.Code != 200 || strings.Contains(page, "<style") || strings.Contains(page, " style=") || !strings.Contains(page, `id="schema-RunSummary"`) {
		t.Errorf("%d %s", w.Code, page)
	}
	for _, r := range l.s.table {
		if r.api != nil && !strings.Contains(page, `id="`+r.api.id+`"`) {
			t.Errorf("%s is not on the page", r.api.id)
		}
	}
}

// TestRetirement announces the end of a route that only this test has.
func TestRetirement(t *testing.T) {
	l := newLab(t, project, nil)
	r := get(l.s, "/old", "old", "Old.", func(*call) (Nothing, error) { return Nothing{}, nil })
	r.api.retire = &retirement{deprecated: time.Unix(1_790_000_000, 0), sunset: time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC), successor: "/api/v2/new"}
	w := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "http://127.0.0.1:4280/api/v1/old", nil)
	request.Header.Set("Authorization", "Bearer "+l.viewer)
	l.s.guard(r).ServeHTTP(w, request)
	h := w.Header()
	if w.Code != 200 || h.Get("Deprecation") != "@1790000000" || h.Get("Sunset") != "Sat, 01 May 2027 00:00:00 GMT" || !strings.HasPrefix(h.Get("Link"), `</api/v2/new>; rel="successor-version"`) {
		t.Errorf("%d %v", w.Code, h)
	}
	doc, err := document([]route{r}, "1")
	if err != nil || doc["paths"].(object)["/api/v1/old"].(object)["get"].(object)["deprecated"] != true {
		t.Errorf("%v, %v", doc, err)
	}
}
