// Package fileread finds where a SELECT reads files by itself: FROM read_csv('a.csv'), FROM 'a.parquet'. It goes by the tree of DuckDB's
// own parser, opens nothing and knows nothing of projects. Read Find first.
package fileread

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Read is one place of a SELECT that reads files.
type Read struct {
	At       int      // offset in bytes of the function's name, or of the path
	Function string   // that reads them, by its first name: read_csv for read_csv_auto
	Bare     bool     // nothing but the path is written
	Alias    string   // by which the SELECT calls it; what DuckDB calls it where it has none
	Aliased  bool     // the SELECT gives it the alias
	Paths    []string // as they are written
	Filename string   // the column that tells of each row which file it is of; "" for none
	Trouble  *Trouble // why it cannot be read; nil when it can
}

// Trouble is why files cannot be read, and what to do instead.
type Trouble struct{ Why, Hint string }

func (t *Trouble) Error() string { return t.Why }

// readers are the functions of the engine that read files, by what they are called, and by their first names.
var readers = map[string]string{
	"read_csv": "read_csv", "read_csv_auto": "read_csv", "read_parquet": "read_parquet", "parquet_scan": "read_parquet",
	"read_json": "read_json", "read_json_auto": "read_json", "read_ndjson": "read_ndjson", "read_ndjson_auto": "read_ndjson",
	"read_json_objects": "read_json_objects", "read_json_objects_auto": "read_json_objects", "read_ndjson_objects": "read_ndjson_objects",
	"read_text": "read_text", "read_blob": "read_blob", "parquet_metadata": "parquet_metadata", "parquet_schema": "parquet_schema",
	"parquet_file_metadata": "parquet_file_metadata", "parquet_kv_metadata": "parquet_kv_metadata", "sniff_csv": "sniff_csv",
}

// tells are the columns in which a function names each row's file, asked or not.
var tells = map[string]string{"read_text": "filename", "read_blob": "filename",
	"parquet_metadata": "file_name", "parquet_schema": "file_name", "parquet_file_metadata": "file_name", "parquet_kv_metadata": "file_name"}

// foreign are functions of extensions that the engine does not have, and what else reads what they read.
var foreign = map[string]string{
	"read_xlsx":      "save the sheet as CSV",
	"st_read":        "convert the file to Parquet or CSV",
	"iceberg_scan":   "read its Parquet files",
	"delta_scan":     "read its Parquet files",
	"glob":           "name the files in the function that reads them",
	"sqlite_scan":    "convert it to Parquet or CSV",
	"postgres_scan":  "define a source of type postgres",
	"postgres_query": "define a source of type postgres",
	"mysql_scan":     "define a source of type mysql",
	"mysql_query":    "define a source of type mysql",
	"read_gsheet":    "save the sheet as CSV",
	"read_avro":      "convert the file to Parquet",
}

var suspicious = regexp.MustCompile(`(?i)\b(?:read_\w+|parquet_\w+|sniff_csv|glob|\w+_scan|\w+_query|st_read)\s*\(|` +
	`(?i)\.(?:csv|tsv|parquet|json|jsonl|ndjson)(?:\.gz|\.zst)?["']`)

// marks are parts of what suspicious finds: to look for them costs less.
var marks = []string{"read", "parquet", "_scan", "_query", "sniff_csv", "glob", ".csv", ".tsv", ".json", ".ndjson"}

// Suspected says whether a text may read files at all: to ask the parser costs more.
func Suspected(sql string) bool {
	low := strings.ToLower(sql)
	return slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(low, mark) }) && suspicious.MatchString(sql)
}

// ErrUnparsed means that the tree says no more than that the parser does not understand the text.
var ErrUnparsed = errors.New("the text cannot be parsed as a SELECT")

// Find gives the places of a SELECT that read files, in the order of the text, by the tree that json_serialize_sql writes of it.
func Find(tree []byte) ([]Read, error) {
	root, err := Parse(tree)
	if err != nil {
		return nil, err
	}
	if root["error"] == true {
		return nil, ErrUnparsed
	}
	var found []Read
	Walk(root, func(n Node) {
		if r, is := n.Read(); is {
			found = append(found, *r)
		}
	})
	slices.SortFunc(found, func(a, b Read) int { return a.At - b.At })
	return found, nil
}

// Node is one of the parser's tree.
type Node map[string]any

// Parse reads a tree. Its numbers stay as they are written, so that the tree can be given back.
func Parse(tree []byte) (Node, error) {
	var root Node
	d := json.NewDecoder(strings.NewReader(string(tree)))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, fmt.Errorf("read the parser's tree: %w", err)
	}
	return root, nil
}

// Walk calls f for every node.
func Walk(v any, f func(Node)) {
	switch v := v.(type) {
	case Node:
		Walk(map[string]any(v), f)
	case map[string]any:
		f(v)
		for _, child := range v {
			Walk(child, f)
		}
	case []any:
		for _, child := range v {
			Walk(child, f)
		}
	}
}

func (n Node) text(key string) string { s, _ := n[key].(string); return s }

func (n Node) sub(key string) Node { m, _ := n[key].(map[string]any); return m }

func (n Node) nodes(key string) []Node {
	list, _ := n[key].([]any)
	all := make([]Node, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

// at is where the node stands, or -1.
func (n Node) at() int {
	number, _ := n["query_location"].(json.Number)
	at, err := number.Int64()
	if err != nil || at > math.MaxInt32 {
		return -1
	}
	return int(at)
}

// Read says what a node of FROM reads, when it is files.
func (n Node) Read() (*Read, bool) {
	switch n.text("type") {
	case "BASE_TABLE":
		return n.bare()
	case "TABLE_FUNCTION":
		return n.call()
	}
	return nil, false
}

// bare is a path in the place of a table's name. What DuckDB takes for one goes by how it ends.
func (n Node) bare() (*Read, bool) {
	name := n.text("table_name")
	function := readerOf(name)
	if function == "" || n.text("schema_name") != "" || n.text("catalog_name") != "" {
		return nil, false
	}
	r := &Read{At: n.at(), Function: function, Bare: true, Alias: n.text("alias"), Paths: []string{name}}
	if r.Aliased = r.Alias != ""; !r.Aliased {
		r.Alias = name // as DuckDB has it of a pattern
		if !strings.ContainsAny(name, "*?[") {
			r.Alias, _, _ = strings.Cut(path.Base(name), ".")
		}
	}
	r.Trouble = remote(r.Paths)
	return r, true
}

// readerOf is the function that DuckDB reads a file of that name with; "" when it takes the name for a table's.
func readerOf(name string) string {
	low := strings.ToLower(name)
	low = strings.TrimSuffix(strings.TrimSuffix(low, ".gz"), ".zst")
	switch path.Ext(low) {
	case ".csv", ".tsv":
		return "read_csv"
	case ".parquet":
		return "read_parquet"
	case ".json", ".jsonl", ".ndjson":
		return "read_json"
	}
	return ""
}

// call is a function that reads files.
func (n Node) call() (*Read, bool) {
	f := n.sub("function")
	name := strings.ToLower(f.text("function_name"))
	r := &Read{At: n.at(), Function: readers[name], Alias: n.text("alias")}
	r.Filename = tells[r.Function]
	if r.Aliased = r.Alias != ""; !r.Aliased {
		r.Alias = name
	}
	if hint, known := foreign[name]; known && r.Function == "" {
		why := "%s() is of an extension of DuckDB, and none is loaded"
		if name == "glob" {
			why = "%s() lists files, and the engine that runs models sees none"
		}
		r.Function, r.Trouble = name, &Trouble{fmt.Sprintf(why, name), hint}
		return r, true
	}
	if name == "query_table" && len(f.nodes("children")) > 0 {
		for _, table := range f.nodes("children")[0].texts() {
			if readerOf(table) != "" {
				r.Function, r.Trouble = name, &Trouble{
					fmt.Sprintf("query_table() cannot read %s: which files a model reads must stand in its own FROM", table), "write FROM " + quoted(table)}
				return r, true
			}
		}
	}
	if r.Function == "" {
		return nil, false
	}
	for i, arg := range f.nodes("children") {
		name, value := arg.named()
		switch {
		case i == 0 && name == "":
			if r.Paths = value.texts(); r.Paths == nil {
				r.Trouble = &Trouble{"which files are read must be plain to see: the path is not a constant",
					"write the path, or put it together by the template: {{ var('folder') }}/x.csv"}
			}
		case !value.constant():
			r.Trouble = &Trouble{fmt.Sprintf("how files are read must be plain to see: %s is not a constant", argument(name, i)),
				"write a constant, or put it in by the template: {{ var('x') }}"}
		case name == "filename":
			r.Filename = value.filename()
		}
	}
	switch {
	case r.Trouble != nil:
	case len(r.Paths) == 0:
		r.Trouble = &Trouble{name + "() names no file", "write the path as its first argument"}
	default:
		r.Trouble = remote(r.Paths)
	}
	return r, true
}

// Query is a call of query() in a SELECT: it reads what its text does.
type Query struct {
	At   int
	Text string
}

// Queries are the calls of query() whose texts are plain to see.
func Queries(tree []byte) ([]Query, error) {
	root, err := Parse(tree)
	if err != nil {
		return nil, err
	}
	var found []Query
	Walk(root, func(n Node) {
		f := n.sub("function")
		if n.text("type") != "TABLE_FUNCTION" || !strings.EqualFold(f.text("function_name"), "query") || len(f.nodes("children")) == 0 {
			return
		}
		if text := f.nodes("children")[0].texts(); len(text) == 1 {
			found = append(found, Query{n.at(), text[0]})
		}
	})
	return found, nil
}

// Reading is the place of a query() whose text reads files.
func (q Query) Reading() Read {
	return Read{At: q.At, Function: "query", Alias: "query", Trouble: &Trouble{
		"query() cannot read files: which files a model reads must stand in its own FROM", "write the SELECT in the place of query()"}}
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func argument(name string, i int) string {
	if name == "" {
		return fmt.Sprintf("argument %d", i+1)
	}
	return name
}

// named takes an argument apart that is written name = value, name := value or name => value.
func (n Node) named() (string, Node) {
	if n.text("type") == "COMPARE_EQUAL" && n.sub("left").text("type") == "COLUMN_REF" {
		if names, _ := n.sub("left")["column_names"].([]any); len(names) == 1 {
			name, _ := names[0].(string)
			return strings.ToLower(name), n.sub("right")
		}
	}
	return strings.ToLower(n.text("alias")), n
}

// constant says whether an argument has the same value whoever looks.
func (n Node) constant() bool {
	switch n.text("type") {
	case "VALUE_CONSTANT":
		return true
	case "OPERATOR_CAST":
		return n.sub("child").constant()
	case "ARRAY_CONSTRUCTOR":
		return allConstant(n.nodes("children"))
	case "FUNCTION":
		return slices.Contains([]string{"list_value", "struct_pack", "map", "row", "||", "-"}, n.text("function_name")) &&
			allConstant(n.nodes("children"))
	}
	return false
}

func allConstant(nodes []Node) bool {
	return !slices.ContainsFunc(nodes, func(n Node) bool { return !n.constant() })
}

// texts are the paths that an argument names; nil when it is no constant.
func (n Node) texts() []string {
	children := n.nodes("children")
	switch {
	case n.text("type") == "VALUE_CONSTANT":
		if s, ok := n.sub("value")["value"].(string); ok {
			return []string{s}
		}
	case n.text("type") == "OPERATOR_CAST":
		return n.sub("child").texts()
	case n.text("function_name") == "||" && len(children) == 2:
		if a, b := children[0].texts(), children[1].texts(); len(a) == 1 && len(b) == 1 {
			return []string{a[0] + b[0]}
		}
	case n.text("function_name") == "list_value", n.text("type") == "ARRAY_CONSTRUCTOR":
		var all []string
		for _, c := range children {
			one := c.texts()
			if len(one) != 1 {
				return nil
			}
			all = append(all, one...)
		}
		return all
	}
	return nil
}

// filename is the column that filename = … asks for.
func (n Node) filename() string {
	switch v := n.sub("value")["value"].(type) {
	case bool:
		if v {
			return "filename"
		}
		return ""
	case string:
		return v
	}
	if n.text("type") == "OPERATOR_CAST" { // true is written so
		if s := strings.ToLower(n.sub("child").filename()); s == "t" || s == "true" {
			return "filename"
		}
	}
	return ""
}

var scheme = regexp.MustCompile(`(?i)^(?:[a-z][a-z0-9+.-]*://|md:)`)

// remote refuses what is on another machine.
func remote(paths []string) *Trouble {
	for _, p := range paths {
		if scheme.MatchString(p) {
			return &Trouble{fmt.Sprintf("%s is on another machine, which a run reaches by its sources only: what they bring is counted and kept", p),
				"fetch the file before the run and name it by its path, " +
					"or define a source in millrace.yml that brings its rows, and read it by source()"}
		}
	}
	return nil
}

// Canonical is a call that reads the same, spelled in one way: by the text of the call, or of a path alone.
func (r *Read) Canonical(text string) string {
	if r.Bare {
		return r.Function + "(" + quoted(r.Paths[0]) + ")"
	}
	_, args, _ := strings.Cut(text, "(")
	return r.Function + "(" + args
}
