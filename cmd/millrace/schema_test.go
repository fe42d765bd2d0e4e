package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/millrace/millrace/models"
)

// TestSchema stands here because the sources' options do: models knows no source.
func TestSchema(t *testing.T) {
	text, err := models.Schema(specs())
	if err != nil {
		t.Fatal(err)
	}
	validate := validator(t, text)
	examples, err := filepath.Glob("../../examples/*/millrace.yml")
	if err != nil || len(examples) < 2 {
		t.Fatalf("examples: %v, %v", examples, err)
	}
	for _, path := range examples {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, src); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	f := found{Project: "x", Source: "s", Root: "/a b", Streams: []foundStream{{Name: "o", Path: "o*.csv"}}}
	if err := validate(t, []byte(f.yaml())); err != nil {
		t.Errorf("init: %v", err)
	}
	checks := func(list string) string {
		return "name: x\nsources: { s: { type: generate, streams: [ { name: a, checks: " + list + " } ] } }\n"
	}
	for _, list := range []string{
		"[]", "[volume, not_null: id, unique: [a, b], expression: a > 0]", "[row_count: { min: 1, severity: warn, where: a > 1 }]",
		"[not_null: { columns: [a, b], severity: quarantine, error_if: '> 5%', limit: 3, tags: x, name: n, owner: me }]",
		"[range: { column: a, min: 1, max: '2030-01-01', config: { severity: warn, warn_if: 5 } }]", "[accepted_values: { column: a, values: [1, a, null] }]",
		"[relationships: { column: a, to: ref('b'), field: id }]", "[freshness: { column: a, warn_after: 24h, error_after: { count: 2, period: day } }]",
		"[distribution: { column: a, metric: mean, warn_sigma: 2.5 }]", "[sql: { query: select 1 }]", "[regex: { column: a, arguments: { pattern: x } }]",
		"[dbt_utils.accepted_range: { column_name: a, min_value: 1 }]", "[{ test_name: not_null, column_name: a }]",
	} {
		if err := validate(t, []byte(checks(list))); err != nil {
			t.Errorf("checks: %s: %v", list, err)
		}
	}
	for _, alerts := range []string{
		"{ channels: { ops: { type: slack, url: 'https://x' } } }",
		"{ channels: { m: { type: email, to: a@b, from: c@b, smtp: 'smtp://h', tls: none }, p: { type: command, command: [x] } }, rules: [ { to: m, on: [late, warning] } ], heartbeat: { url: 'https://x' } }",
	} {
		if err := validate(t, []byte("name: x\nalerts: "+alerts+"\n")); err != nil {
			t.Errorf("alerts: %s: %v", alerts, err)
		}
	}
	for _, keys := range []string{"token: x", "user: u, private_key_file: k.p8, tables: { 'mart.*': { mode: scd2, cluster_by: [day] } }", "oauth: { client_id: a, client_secret: b, token_url: 'https://x' }, max_credits: 0.5, uploads: 8"} {
		if err := validate(t, []byte(snowflakeTarget(keys))); err != nil {
			t.Errorf("snowflake: %s: %v", keys, err)
		}
	}
	if len(text) > 220_000 { // editors fetch it for each file
		t.Errorf("%d bytes", len(text))
	}
	for name, src := range map[string]string{
		"checks without a list":  checks("volume"),
		"unknown kind of check":  checks("[not_nul: id]"),
		"unknown kind alone":     checks("[volum]"),
		"two kinds in one item":  checks("[{ not_null: id, unique: id }]"),
		"unknown key of check":   checks("[range: { column: a, mim: 1 }]"),
		"key of another kind":    checks("[not_null: { column: a, min: 1 }]"),
		"columns of a table":     checks("[row_count: { column: a, min: 1 }]"),
		"severity":               checks("[not_null: { column: a, severity: fatal }]"),
		"severity under config":  checks("[not_null: { column: a, config: { severity: fatal } }]"),
		"threshold":              checks("[not_null: { column: a, warn_if: many }]"),
		"text for a table":       checks("[volume: a]"),
		"unknown key":            "name: x\nsauces: {}\n",
		"unknown key of target":  "name: x\ntargets: { local: { type: local, pth: w } }\n",
		"unknown type":           "name: x\nsources: { s: { type: filez, streams: [] } }\n",
		"unknown key of source":  "name: x\nsources: { s: { type: files, rooot: ., streams: [] } }\n",
		"unknown key of stream":  "name: x\nsources: { s: { type: files, streams: [ { name: a, path: b, moode: full } ] } }\n",
		"key of another source":  "name: x\nsources: { s: { type: generate, streams: [ { name: a, path: b } ] } }\n",
		"no path":                "name: x\nsources: { s: { type: files, streams: [ { name: a } ] } }\n",
		"wrong mode":             "name: x\nsources: { s: { type: generate, streams: [ { name: a, mode: some } ] } }\n",
		"wrong type of a number": "name: x\nsources: { s: { type: generate, streams: [ { name: a, rows: many } ] } }\n",
		"no name":                "sources: {}\n",
		"no channels":            "name: x\nalerts: {}\n",
		"unknown channel":        "name: x\nalerts: { channels: { a: { type: pager } } }\n",
		"key of another channel": "name: x\nalerts: { channels: { a: { type: slack, url: x, to: y } } }\n",
		"a password":             snowflakeTarget("password: x"),
		"a key of dbt":           snowflakeTarget("private_key_path: x"),
		"mode of a table":        snowflakeTarget("tables: { a.b: { mode: upsert } }"),
		"Snowflake's local key":  "name: x\ntargets: { a: { type: local, warehouse: WH } }\n",
		"no account":             "name: x\ntargets: { a: { type: snowflake, warehouse: WH, database: DB } }\n",
		"unknown occasion":       "name: x\nalerts: { channels: { a: { type: slack, url: x } }, rules: [ { to: a, on: fail } ] }\n",
	} {
		if err := validate(t, []byte(src)); err == nil {
			t.Errorf("%s is allowed:\n%s", name, src)
		}
	}
	if !strings.HasSuffix(string(text), "}\n") {
		t.Error("no line end")
	}
}

func snowflakeTarget(keys string) string {
	return "name: x\ntargets: { prod: { type: snowflake, account: a-b, warehouse: WH, database: DB, " + keys + " } }\n"
}

// validator holds YAML against a schema.
func validator(t *testing.T, text []byte) func(*testing.T, []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("millrace.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("millrace.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, src []byte) error {
		t.Helper()
		js, err := yaml.YAMLToJSON(src)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(js))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
}

func TestTablesSchema(t *testing.T) {
	text, err := models.TablesSchema(specs())
	if err != nil {
		t.Fatal(err)
	}
	validate := validator(t, text)
	for _, src := range []string{
		"tables: [ { name: a, from: a.parquet, checks: [ { unique: id } ] } ]",
		"vars: { x: 1 }\ntables: [ { name: a.b, from: { type: postgres, url: 'postgres://h/d', table: public.b, max_rejects: 1% }, columns: [ { name: id, tags: pii, data_tests: [unique] } ] } ]",
		"tables: [ { name: a, from: { type: files, path: '*.csv', csv: { delimiter: ; } } } ]",
	} {
		if err := validate(t, []byte(src)); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
	for _, src := range []string{
		"{}", "tables: [ { name: a } ]", "tables: [ { name: a, from: [b] } ]", "tables: [ { name: a, from: { type: postgers } } ]", "tables: [ { name: a, from: { type: files } } ]",
		"tables: [ { name: a, form: b } ]", "tables: [ { name: a, from: { type: files, path: x, mode: full } } ]", "tables: [ { name: a, from: b, checks: [ { uniqe: id } ] } ]",
	} {
		if err := validate(t, []byte(src)); err == nil {
			t.Errorf("%s is allowed", src)
		}
	}
}

func TestEntitySchema(t *testing.T) {
	text, err := models.EntitySchema(specs())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 125_000 { // editors fetch it for each file; the kinds of checks are most of it
		t.Errorf("%d bytes", len(text))
	}
	validate := validator(t, text)
	pages, err := os.ReadFile("../../docs/entities.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n# entities/(.*?)```").FindAllSubmatch(pages, -1)
	if len(examples) < 2 {
		t.Errorf("%d examples in docs/entities.md", len(examples))
	}
	for _, example := range examples {
		if err := validate(t, append([]byte("# "), example[1]...)); err != nil {
			t.Errorf("%s: %v", example[1], err)
		}
	}
	const top = "sources: [a, {table: b, key: [x, y], trust_decay: {half_life: 1d}}]\ncompare: [name]\n"
	for _, keys := range []string{"block: [[a], b, {similar: [c], top: 5}]", "standardize: {a: trim, b: [trim, {e164: DE}], c: {map: m, on_miss: keep}}", "survive: longest", "survive: {default: [min, max], a: {collect: all}, b: {longest: true}}",
		"correlated: [[a, b], {fields: [c, d], max_weight: 3}]", "weights: w.json", "thresholds: {auto: 0.9}", "expect: {pairs: '> 3', golden: {is: '> 1', severity: warn}}", "overrides: o", "checks: [{not_null: a}]"} {
		if err := validate(t, []byte(top+keys+"\n")); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
	}
	if err := validate(t, []byte("sources: [a]\ncompare: {a: , b: [exact, {jw: 0.9}, contains], c: {fields: [x, y], levels: [{km: 3}, {km: \"${var:far}\"}]}, d: [{within: 3d}, {within: 0}, {osa: 2}, {percent: 5}]}\n")); err != nil {
		t.Error(err)
	}
	for _, keys := range []string{"standardise: {}", "standardize: {a: trimm}", "standardize: {a: [{e165: DE}]}", "compare: {a: [exakt]}", "compare: {a: {level: [exact]}}", "survive: {a: longst}", "survive: {groups: [{field: [a]}]}",
		"expect: {pears: '> 3'}", "decide: {autom: 0.9}", "cluster: {method: any}", "block: [{key: [a]}]",
		"block: [{keys: [a], max_block: 1}]", "block: [{keys: [a], max_block: -1}]", "block: [[]]", "block: [{keys: [a], similar: [b]}]", "block: [{name: a}]",
		"decide: {auto: 98}", "decide: {review: 0}", "max_pairs: -1", "cluster: {max_size: 1}", "compare: {a: [{jw: 2}]}", "compare: {a: [{jw: 90%}]}", "compare: {a: [{percent: \"5\"}]}", "compare: {a: [{osa: 1.5}]}",
		"compare: {a: [{within: 3h}]}", "compare: []", "compare: {a: {levels: []}}", "correlated: [[a]]", "correlated: [{fields: [a]}]", "correlated: [a]",
		"relate: [{name: a}]", "relate: [{name: a, by: [b], hierarchy: c}]", "survive: {a: {collect: all, by: max}}", "survive: {a: {custom: max(a), from: b}}",
		"survive: {groups: [{fields: [a]}]}"} {
		if err := validate(t, []byte(keys+"\nsources: [a]\n")); err == nil {
			t.Errorf("%s is allowed", keys)
		}
	}
	if err := validate(t, []byte("sources: [{key: a}]\n")); err == nil {
		t.Error("a source without a table is allowed")
	}
}

func TestTermsSchema(t *testing.T) {
	text, err := models.TermsSchema(specs())
	if err != nil {
		t.Fatal(err)
	}
	validate := validator(t, text)
	if err := validate(t, []byte("terms: [ { name: customer, description: Who buys, owner: sales, type: BIGINT, synonyms: client, see: [lead] } ]")); err != nil {
		t.Error(err)
	}
	for _, src := range []string{"{}", "terms: [ { name: a } ]", "terms: [ { name: a, description: b, synonym: c } ]"} {
		if err := validate(t, []byte(src)); err == nil {
			t.Errorf("%s is allowed", src)
		}
	}
}
