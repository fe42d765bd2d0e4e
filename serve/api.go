package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// This file is how a part of the API is declared: what its function takes and gives is what the document says, because the
// document is made of the same types.

// operation is what the document says of a route of the API.
type operation struct {
	id, summary string
	query       []param
	in, out     reflect.Type // of the JSON sent and answered; nil for none
	status      int          // of the answer when all went well
	media       string       // of the answer; application/json when ""
	retire      *retirement
}

// param is a parameter of the query.
type param struct {
	name, doc string
	enum      []string
	integer   bool
	least     int // of an integer
	most      int // of it; 0: any
}

// retirement is when a part of the API goes. Its answers say so, as RFC 9745 and RFC 8594 have it.
type retirement struct {
	deprecated, sunset time.Time
	successor          string // what takes its place
}

// headers announces the end.
func (r *retirement) headers(h http.Header) {
	h.Set("Deprecation", "@"+strconv.FormatInt(r.deprecated.Unix(), 10))
	h.Set("Sunset", r.sunset.UTC().Format(http.TimeFormat))
	h.Add("Link", "<"+r.successor+`>; rel="successor-version"`)
	h.Add("Link", "<"+problemTypes+`versions>; rel="deprecation"`)
}

// call is a request of the API.
type call struct {
	*http.Request
	values url.Values
	status int           // of the answer when all goes well
	once   *journal.Once // by what it is known; nil without a key
}

// apiPrefix begins the paths of the API.
const apiPrefix = "/api/v1"

// get declares a part of the API that answers with JSON and changes nothing.
func get[Out any](s *Server, path, id, summary string, f func(*call) (Out, error), query ...param) route {
	op := &operation{id: id, summary: summary, query: query, out: reflect.TypeFor[Out](), status: http.StatusOK}
	return route{method: "GET", pattern: apiPrefix + path, role: Viewer, api: op, handle: func(w http.ResponseWriter, r *http.Request) error {
		c, err := newCall(r, op)
		if err != nil {
			return err
		}
		out, err := f(c)
		if err != nil {
			return err
		}
		if p, ok := any(out).(pager); ok && p.more() != "" {
			w.Header().Add("Link", "<"+c.nextPage(p.more())+`>; rel="next"`)
		}
		return writeJSON(w, op.status, s.clean(out))
	}}
}

// post declares a part of the API that takes JSON and changes something; it takes an operator.
func post[In, Out any](s *Server, path, id, summary string, status int, f func(*call, In) (Out, error)) route {
	op := &operation{id: id, summary: summary, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), status: status}
	return route{method: "POST", pattern: apiPrefix + path, role: Operator, api: op, handle: func(w http.ResponseWriter, r *http.Request) error {
		c, err := newCall(r, op)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return s.once(w, c, identityOf(r.Context()).id, body, apiKeep, func() (any, error) {
			var in In
			if err := decode(r.Header.Get("Content-Type"), body, &in); err != nil {
				return nil, err
			}
			return f(c, in)
		})
	}}
}

// newCall refuses parameters that the operation does not know: a filter with a typing error must not look like one that
// found everything.
func newCall(r *http.Request, op *operation) (*call, error) {
	c := &call{Request: r, values: r.URL.Query(), status: op.status}
	invalid := &Problem{kind: kindInvalid, Detail: "the query has mistakes"}
	for name, values := range c.values {
		i := slices.IndexFunc(op.query, func(p param) bool { return p.name == name })
		switch {
		case i < 0:
			invalid.add(name, "unknown parameter")
		case len(values) > 1:
			invalid.add(name, "given twice")
		default:
			invalid.check(op.query[i], values[0])
		}
	}
	return c, invalid.orNil()
}

// check holds a value against its parameter.
func (p *Problem) check(of param, value string) {
	switch {
	case of.enum != nil && !slices.Contains(of.enum, value):
		p.add(of.name, "must be one of "+strings.Join(of.enum, ", "))
	case of.integer:
		n, err := strconv.Atoi(value)
		switch {
		case of.most > 0 && (err != nil || n < of.least || n > of.most):
			p.add(of.name, fmt.Sprintf("must be a number from %d to %d", of.least, of.most))
		case err != nil || n < of.least:
			p.add(of.name, "must be a number from "+strconv.Itoa(of.least))
		}
	}
}

func (p *Problem) add(field, detail string) {
	p.Problems = append(p.Problems, FieldProblem{cut(field, 100), detail})
}

// orNil is the problem when there is one; its fields are in order.
func (p *Problem) orNil() error {
	if len(p.Problems) == 0 {
		return nil
	}
	slices.SortStableFunc(p.Problems, func(a, b FieldProblem) int { return strings.Compare(a.Field, b.Field) })
	return p
}

func (c *call) text(name string) string { return c.values.Get(name) }

func (c *call) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(c.values.Get(name)); err == nil {
		return n
	}
	return otherwise
}

// time reads a parameter as RFC 3339, or as a day.
func (c *call) time(name string) (time.Time, error) {
	text := c.values.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	p := &Problem{kind: kindInvalid, Detail: "the query has mistakes"}
	p.add(name, "must be a time such as 2026-11-27T02:00:00Z, or a day")
	return time.Time{}, p
}

// Page is a part of a list. Next, given back as cursor, brings the part after it; "" says that there is none.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

type pager interface{ more() string }

func (p Page[T]) more() string { return p.Next }

// The size of a page.
const (
	pageSize = 50
	mostPage = 500
)

var paging = []param{{name: "limit", doc: fmt.Sprintf("Items of a page: %d when absent, at most %d.", pageSize, mostPage), integer: true, least: 1, most: mostPage},
	{name: "cursor", doc: "Where the page begins: next of the page before."}}

// limit is how many items the page is to have.
func (c *call) limit() int { return c.number("limit", pageSize) }

// The keys behind which pages begin: ids of runs and firings, numbers of events, places in a file.
var (
	idKey     = regexp.MustCompile(`^f?\d{8}T\d{6}-[0-9a-z]+$`)
	numberKey = regexp.MustCompile(`^\d{1,18}$`)
)

// after is the key behind which the page begins, of that form; "" for the first.
func (c *call) after(form *regexp.Regexp) (string, error) {
	key, err := base64.RawURLEncoding.DecodeString(c.text("cursor"))
	if c.text("cursor") != "" && (err != nil || !form.Match(key)) {
		p := &Problem{kind: kindInvalid, Detail: "the query has mistakes"}
		p.add("cursor", "is none that the API gave")
		return "", p
	}
	return string(key), nil
}

// page makes a page of limit items from limit+1; key is what the next one begins behind.
func page[T any](items []T, limit int, key func(T) string) Page[T] {
	p := Page[T]{Items: items}
	if p.Items == nil {
		p.Items = []T{}
	}
	if len(items) > limit {
		p.Items = items[:limit]
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1])))
	}
	return p
}

// list is a page that has all there is.
func list[T any](items []T) Page[T] { return page(items, len(items), nil) }

// nextPage is the address of the next page.
func (c *call) nextPage(cursor string) string {
	v := url.Values{}
	for name := range c.values {
		v.Set(name, c.values.Get(name))
	}
	v.Set("cursor", cursor)
	return c.URL.Path + "?" + v.Encode()
}

// decode reads the JSON of a request strictly, and tells every mistake at once.
func decode(contentType string, body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return validate(into)
	}
	media, params, err := mime.ParseMediaType(contentType)
	if charset, other := params["charset"]; err != nil || media != "application/json" || other && !strings.EqualFold(charset, "utf-8") {
		return &Problem{kind: kindMedia, Detail: "the body is taken as Content-Type: application/json, in UTF-8"}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return &Problem{kind: kindInvalid, Detail: "the body is no JSON object"}
	}
	invalid := &Problem{kind: kindInvalid, Detail: "the body has mistakes"}
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		text, given := fields[name]
		delete(fields, name)
		if given && json.Unmarshal(text, v.Field(i).Addr().Interface()) != nil {
			invalid.add(name, "must be "+article(v.Type().Field(i).Type))
		}
	}
	for name := range fields {
		invalid.add(name, "unknown field")
	}
	if err := invalid.orNil(); err != nil {
		return err
	}
	return validate(into)
}

// article is a type in words.
func article(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[*time.Time]():
		return "a time such as 2026-11-27T02:00:00Z"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list of texts"
	}
	return "a text"
}

// validate asks what was sent for its mistakes, where it knows any.
func validate(in any) error {
	v, ok := in.(interface{ mistakes() []FieldProblem })
	if !ok {
		return nil
	}
	return (&Problem{kind: kindInvalid, Detail: "the body has mistakes", Problems: v.mistakes()}).orNil()
}
