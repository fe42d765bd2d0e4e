package models_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
)

// shop is a project with a stream, two models, and what a test adds.
func shop(more map[string]string) map[string]string {
	files := map[string]string{
		"millrace.yml":         "name: p\nvars: { least: 5 }\nsources:\n  erp:\n    type: fake\n    streams:\n      - { name: orders, key: [id] }\n      - { name: returns, key: [id] }\n",
		"models/customers.sql": "select 1 as id",
		"models/sales.sql":     "{{ config(materialized='table') }} select * from {{ source('erp', 'orders') }} join {{ ref('customers') }} using (id)",
	}
	for name, content := range more {
		files[name] = content
	}
	return files
}

// native puts a list of checks under a model's checks:, dbt under data_tests:, column under those of its column amount.
func native(list string) map[string]string {
	return shop(map[string]string{"models/m.yml": "models:\n  - name: sales\n    checks:\n" + indent(list, "      ")})
}

func dbt(list string) map[string]string {
	return shop(map[string]string{"models/m.yml": "version: 2\nmodels:\n  - name: sales\n    data_tests:\n" + indent(list, "      ")})
}

func column(list string) map[string]string {
	return shop(map[string]string{"models/m.yml": "version: 2\nmodels:\n  - name: sales\n    columns:\n      - name: amount\n        tests:\n" + indent(list, "          ")})
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by) + "\n"
}

// written is a check in the form that the tests below compare: kind, columns, arguments, and the settings that are not
// the defaults.
func written(c *models.Check) string {
	what := c.Args
	if r, ok := what.(*models.Relationships); ok { // without the table itself
		what = map[string]any{"To": r.To, "Field": r.Field}
	}
	if r, ok := what.(*models.Reconcile); ok {
		text := fmt.Sprintf("%s %v %v %v %s %s", r.Against, r.Key, r.Ignore, r.Measures, r.Tolerance, r.Numeric)
		if r.Node != nil {
			text += " " + r.Node.Name()
		}
		what = text
	}
	args, err := json.Marshal(what)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Kind, strings.Join(c.Columns, ","), compact(string(args))))
	add := func(key, value, usual string) {
		if value != usual {
			text += " " + key + "=" + value
		}
	}
	add("severity", string(c.Severity), "error")
	add("where", c.Where, "")
	add("warn_if", c.WarnIf.String(), "")
	add("error_if", c.ErrorIf.String(), "")
	add("limit", fmt.Sprint(c.Limit), "10")
	add("owner", c.Owner, "")
	add("tags", strings.Join(c.Tags, ","), "")
	add("deferred", fmt.Sprint(c.Deferred), "false")
	return text
}

// compact leaves out what is usual in arguments.
func compact(args string) string {
	return strings.NewReplacer(
		`,"Strictly":false,"MinValue":{"Text":"","Number":false,"Null":false},"MaxValue":{"Text":"","Number":false,"Null":false},"Inclusive":true`, "",
		`,"Number":false`, "", `,"Null":false`, "", `,"Quote":true`, "", `"WarnSigma":2,"ErrorSigma":3,"MinRuns":7,"Window":90,"Weekday":true`, "usual", `,"Path":""`, "",
	).Replace(args)
}

func TestChecks(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  string // the only check of sales
	}{
		{"a text is a column", native("- not_null: id"), `not_null id {}`},
		{"a list is columns", native("- not_null: [a, b]"), `not_null a,b {}`},
		{"column", native("- unique: { column: id }"), `unique id {}`},
		{"columns", native("- unique: { columns: [a, b] }"), `unique a,b {}`},
		{"condition", native("- expression: \"a > 0\""), `expression  {"Expression":"a \u003e 0","Null":"pass"}`},
		{"condition in full", native("- expression: { expression: a = 1, null: fail }"), `expression  {"Expression":"a = 1","Null":"fail"}`},
		{"a query", native("- sql: select * from {{ this }} where a < 0"), `sql  {"Query":"select * from {{ this }} where a \u003c 0"}`},
		{"a query of lines", native("- sql: |\n    select 1\n    where false"), `sql  {"Query":"select 1\nwhere false\n"}`},
		{"alone", native("- volume"), `volume  {usual,"New":false}`},
		{"alone, with a colon", native("- volume:"), `volume  {usual,"New":false}`},
		{"values", native("- accepted_values: { column: s, values: [a, 1, 1.50, true, null] }"),
			`accepted_values s {"Values":[{"Text":"a"},{"Text":"1","Number":true},{"Text":"1.50","Number":true},{"Text":"true"},{"Text":"","Null":true}]}`},
		{"no values", native("- rejected_values: { column: s, values: [x] }"), `rejected_values s {"Values":[{"Text":"x"}]}`},
		{"range", native("- range: { column: a, min: 0, max: 0x10 }"), `range a {"Min":{"Text":"0","Number":true},"Max":{"Text":"16","Number":true}}`},
		{"range of dates", native("- range: { column: d, min: 2020-01-01 }"), `range d {"Min":{"Text":"2020-01-01"},"Max":{"Text":""}}`},
		{"range with a variable", native("- range:\n    column: a\n    min: \"${var:least}\"\n    max: ${var:least}"), `range a {"Min":{"Text":"5"},"Max":{"Text":"5","Number":true}}`},
		{"range without one bound", native("- range: { column: a, min: null, max: 3 }"), `range a {"Min":{"Text":""},"Max":{"Text":"3","Number":true}}`},
		{"length", native("- length: { column: a, min: 1, max: 3 }"), `length a {"Min":1,"Max":3}`},
		{"regex", native("- regex: { column: a, pattern: '[a-z]+', match: partial, not: true }"), `regex a {"Pattern":"[a-z]+","Match":"partial","Not":true}`},
		{"row count", native("- row_count: { min: 1 }"), `row_count  {"Min":1,"Max":null,"Equals":null}`},
		{"freshness", native("- freshness: { column: at, warn_after: 24h, error_after: { count: 2, period: day } }"), `freshness at {"WarnAfter":"1d","ErrorAfter":"2d"}`},
		{"distribution", native("- distribution: { column: a, metric: mean, min: 1, max: 2.5 }"), `distribution a {"Metric":"mean","Min":1,"Max":2.5,"Quantile":null,usual}`},
		{"settings", native("- not_null: { column: id, severity: warn, where: a > 1, warn_if: '> 5', limit: 3, owner: me, tags: [x, y] }"),
			`not_null id {} severity=warn where=a > 1 warn_if=> 5 limit=3 owner=me tags=x,y`},
		{"thresholds", native("- not_null: { column: id, warn_if: 5, error_if: '>= 1.5%' }"), `not_null id {} warn_if=> 5 error_if=>= 1.5%`},
		{"quarantine has a limit", native("- not_null: { column: id, severity: quarantine }"), `not_null id {} severity=quarantine error_if=> 10%`},
		{"quarantine with a limit of its own", native("- not_null: { column: id, severity: quarantine, error_if: '> 50%' }"), `not_null id {} severity=quarantine error_if=> 50%`},
		{"relationship to a model", native("- relationships: { column: customer, to: customers, field: id }"), `relationships customer {"Field":["id"],"To":"customers"}`},
		{"relationship to a stream", native("- relationships: { column: order, to: erp.returns, field: id }"), `relationships order {"Field":["id"],"To":"erp.returns"}`},
		{"the same names on both sides", native("- relationships: { columns: [a, b], to: customers }"), `relationships a,b {"Field":["a","b"],"To":"customers"}`},
		{"disabled", native("- not_null: { column: id, enabled: false }"), ``},
		{"disabled, in another shape", native("- not_null: { column: id, config: { enabled: false } }"), ``},
		{"nothing", native(""), ``},

		{"dbt: a column's test", column("- not_null"), `not_null amount {}`},
		{"dbt: with settings", column("- unique:\n    config: { severity: warn, where: \"a > 0\", warn_if: '>10' }"), `unique amount {} severity=warn where=a > 0 warn_if=> 10`},
		{"dbt: settings beside, config wins", column("- unique: { severity: error, limit: 4, config: { severity: warn } }"), `unique amount {} severity=warn limit=4`},
		{"dbt: values", column("- accepted_values:\n    values: [1, 2]\n    quote: false"), `accepted_values amount {"Values":[{"Text":"1","Number":true},{"Text":"2","Number":true}],"Quote":false}`},
		{"dbt: arguments", column("- accepted_values:\n    arguments: { values: [x] }\n    config: { severity: warn }"), `accepted_values amount {"Values":[{"Text":"x"}]} severity=warn`},
		{"dbt: columns among the arguments", dbt("- dbt_utils.unique_combination_of_columns:\n    arguments: { combination_of_columns: [a, b], quote_columns: true }"), `unique a,b {}`},
		{"reconcile in short", native("- reconcile: previous"), `reconcile  "previous [] [] [] 0 0%"`},
		{"reconcile with a table", native("- reconcile: { with: ref('customers'), key: id, columns: [a, b], ignore: at, measures: [keys, sums], tolerance: 0.5%, numeric: 0.01, severity: warn }"),
			`reconcile a,b "table [id] [at] [keys sums] 0.5% 0.01 main.customers" severity=warn`},
		{"reconcile with a stream", native("- reconcile: { with: \"source('erp', 'orders')\", numeric: 1%, error_if: '> 5' }"), `reconcile  "table [] [] [] 0 1% erp.orders" error_if=> 5`},
		{"reconcile at the source", native("- reconcile: { with: \"live('erp', 'orders')\" }"), `reconcile  "source [] [] [] 0 0% erp.orders"`},
		{"dbt: relationship", column("- relationships: { to: ref('customers'), field: id }"), `relationships amount {"Field":["id"],"To":"ref('customers')"}`},
		{"dbt: relationship in a template", column("- relationships: { to: \"{{ source('erp', \\\"returns\\\") }}\", field: id }"), `relationships amount {"Field":["id"],"To":"{{ source('erp', \"returns\") }}"}`},
		{"dbt: test_name", column("- { name: mine, test_name: not_null, config: { limit: 2 } }"), `not_null amount {} limit=2`},
		{"dbt: store_failures", column("- unique: { config: { store_failures: true, store_failures_as: view, meta: { a: 1 } } }"), `unique amount {}`},
		{"dbt_utils: range", column("- dbt_utils.accepted_range: { min_value: 0, max_value: \"'x''y'\", inclusive: false }"),
			`range amount {"Min":{"Text":"0","Number":true},"Max":{"Text":"x'y"},"Strictly":true,"MinValue":{"Text":"0","Number":true},"MaxValue":{"Text":"'x''y'"},"Inclusive":false}`},
		{"dbt_utils: condition behind the column", column("- dbt_utils.expression_is_true: { expression: \">= 1\" }"), `expression amount {"Expression":"\"amount\" \u003e= 1","Null":"pass"}`},
		{"dbt_utils: condition of a table", dbt("- dbt_utils.expression_is_true: { expression: \"a >= b\" }"), `expression  {"Expression":"a \u003e= b","Null":"pass"}`},
		{"dbt_utils: key", dbt("- dbt_utils.unique_combination_of_columns: { combination_of_columns: [a, b] }"), `unique a,b {}`},
		{"dbt_utils: no values", column("- dbt_utils.not_accepted_values: { values: [x] }"), `rejected_values amount {"Values":[{"Text":"x"}]}`},
		{"a table's check under a column", column("- volume"), `volume  {usual,"New":false}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, problems := load(c.files)
			if problems != "" {
				t.Fatal(problems)
			}
			var got []string
			for _, check := range p.Model("sales").Checks {
				got = append(got, written(check))
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// TestCheckMistakes: each is told at its key, with what to do.
func TestCheckMistakes(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no list", shop(map[string]string{"models/m.yml": "models:\n  - name: sales\n    checks: { not_null: id }\n"}), []string{"models/m.yml:3:13: checks are a list", "write - not_null: id"}},
		{"a text for a list", shop(map[string]string{"models/m.yml": "models:\n  - name: sales\n    checks: not_null\n"}), []string{"models/m.yml:3:13: checks are a list"}},
		{"unknown kind", native("- not_nul: id"), []string{`models/m.yml:4:9: unknown kind of check "not_nul"`, `did you mean "not_null"?`}},
		{"unknown kind, like none", native("- excellent"), []string{"models/m.yml:4:9", "known kinds: accepted_values, "}},
		{"unknown kind of a package", native("- dbt_utils.accepted_rang: { column: a }"), []string{"models/m.yml:4:9", `did you mean "dbt_utils.accepted_range"?`}},
		{"a number for a kind", native("- 5"), []string{`models/m.yml:4:9: unknown kind of check "5"`}},
		{"two kinds in one item", native("- not_null: id\n  unique: id"), []string{"models/m.yml:4:9: a check is a kind with its arguments, in one key"}},
		{"nothing in an item", native("- "), []string{"models/m.yml:4:", "a check is a kind with its arguments"}},
		{"unknown key", native("- range: { column: a, mim: 1 }"), []string{`models/m.yml:4:29: unknown key "mim"`, `did you mean "min"?`}},
		{"unknown key under config", column("- unique: { config: { severty: warn } }"), []string{"models/m.yml:7:33", `did you mean "severity"?`}},
		{"unknown key under arguments", column("- accepted_values: { arguments: { values: [a], name: x } }"), []string{`unknown key "name"`}},
		{"a number for a column", native("- not_null: 5"), []string{"models/m.yml:4:19: the value must be a text, found"}},
		{"a mapping in the columns", native("- not_null: [{ column: a }]"), []string{"models/m.yml:4:20", "must be a text"}},
		{"threshold", native("- not_null: { column: a, warn_if: many }"), []string{`models/m.yml:4:41: "warn_if" must be an operator and a number of rows or a share`}},
		{"threshold beyond all", native("- not_null: { column: a, error_if: '> 101%' }"), []string{"models/m.yml:4:42", "must not be more than 100%"}},
		{"half a row", native("- not_null: { column: a, error_if: '> 0.5' }"), []string{"models/m.yml:4:42", "must be a count such as 100 or a share such as 1%"}},
		{"min and max", native("- range: { column: a, min: 5, max: 3 }"), []string{"models/m.yml:4:34: range: min 5 and max 3 leave no value"}},
		{"strictly", native("- range: { column: a, min: 5, max: 5, strictly: true }"), []string{"leave no value"}},
		{"min and max under arguments", column("- dbt_utils.accepted_range:\n    arguments: { min_value: 9, max_value: 1 }"), []string{"range: min 9 and max 1 leave no value"}},
		{"length", native("- length: { column: a, min: 5, max: 3 }"), []string{"models/m.yml:4:35: length: min 5 is greater than max 3"}},
		{"negative length", native("- length: { column: a, max: -1 }"), []string{"models/m.yml:4:35", "must not be negative"}},
		{"row count", native("- row_count: { min: 5, equals: 5 }"), []string{"models/m.yml:4:38: row_count: equals stands beside min or max"}},
		{"row count without a number", native("- row_count"), []string{"models/m.yml:4:9: row_count: needs min or max"}},
		{"no values", native("- accepted_values: { column: s, values: [] }"), []string{"models/m.yml:4:47: accepted_values: there are no values", "name at least one"}},
		{"values forgotten", native("- accepted_values: s"), []string{`models/m.yml:4:9: accepted_values: missing key "values"`, "values: The values that may occur."}},
		{"values forgotten, in full", native("- accepted_values: { column: s }"), []string{"models/m.yml:4:26", `missing key "values"`}},
		{"condition forgotten", native("- expression"), []string{`models/m.yml:4:9: expression: missing key "expression"`}},
		{"condition empty", native("- expression: { expression: '' }"), []string{"models/m.yml:4:35: expression: the expression is empty"}},
		{"conditions", native("- expression: [a, b]"), []string{"models/m.yml:4:21: expression takes one expression, not a list"}},
		{"query forgotten", native("- sql:"), []string{`models/m.yml:4:9: sql: missing key "query"`}},
		{"metric forgotten", native("- distribution: a"), []string{`missing key "metric"`}},
		{"other table forgotten", native("- relationships: a"), []string{`missing key "to"`}},
		{"bounds forgotten", native("- range: a"), []string{"models/m.yml:4:9: range: needs min or max", "write - range: { column: amount, min: 0 }"}},
		{"no column", native("- not_null"), []string{"models/m.yml:4:9: not_null needs a column", "write - not_null: id"}},
		{"two columns", native("- range: { columns: [a, b], min: 0 }"), []string{"range is about one column, not about 2", "write one check for each"}},
		{"columns of a table's check", native("- row_count: { column: a, min: 1 }"), []string{"models/m.yml:4:30: row_count is about the whole table"}},
		{"quarantine of a table", native("- row_count: { min: 1, severity: quarantine }"), []string{"models/m.yml:4:40: row_count judges the whole table", "use severity: error or warn"}},
		{"quarantine of a query", native("- sql: { query: select 1, severity: quarantine }"), []string{"models/m.yml:4:43: sql judges the whole table"}},
		{"quarantine under config", dbt("- sql:\n    query: select 1\n    config: { severity: quarantine }"), []string{"models/m.yml:7:31: sql judges the whole table"}},
		{"error_if that only warns", native("- not_null: { column: a, severity: warn, error_if: '> 5' }"), []string{"models/m.yml:4:58: error_if has no effect with severity: warn"}},
		{"threshold without rows", native("- row_count: { min: 1, warn_if: '> 5' }"), []string{"models/m.yml:4:39: warn_if has no effect on row_count"}},
		{"severity", native("- not_null: { column: a, severity: fatal }"), []string{"models/m.yml:4:42", "must be one of warn, error, quarantine"}},
		{"limit", native("- not_null: { column: a, limit: -1 }"), []string{"models/m.yml:4:39: limit must not be negative"}},
		{"where of a query", native("- sql: { query: select 1, where: a }"), []string{"models/m.yml:4:40: where has no effect on a query"}},
		{"a template for where", native("- not_null: { column: a, where: \"d > '{{ var('d') }}'\" }"), []string{"models/m.yml:4:39: where is plain SQL", "${var:name}"}},
		{"a template for a condition", native("- expression: \"a > {{ var('d') }}\""), []string{"models/m.yml:4:9: expression: it is plain SQL"}},
		{"freshness", native("- freshness: at"), []string{"freshness: needs warn_after or error_after"}},
		{"freshness upside down", native("- freshness: { column: at, warn_after: 2d, error_after: 1d }"), []string{"models/m.yml:4:46: freshness: warn_after 2d is later than error_after 1d"}},
		{"freshness before now", native("- freshness: { column: at, warn_after: { count: -1, period: day } }"), []string{"models/m.yml:4:55: count must not be negative"}},
		{"sigmas", native("- volume: { warn_sigma: 4 }"), []string{"volume: error_sigma 3 is less than warn_sigma 4"}},
		{"no sigma", native("- volume: { warn_sigma: 0 }"), []string{"models/m.yml:4:31: volume: warn_sigma must be greater than 0"}},
		{"window", native("- volume: { window: 3 }"), []string{"models/m.yml:4:27: volume: window 3 is less than min_runs 7"}},
		{"a condition that reaches out", native("- not_null: { column: a, where: \"a > 0) or (true\" }"), []string{"models/m.yml:4:39: where is no condition by itself"}},
		{"another", native("- expression: \"a > 0) OR (1=1\""), []string{"it is no condition by itself"}},
		{"a quote that is open", native("- expression: \"a <> 'x\""), []string{"it is no condition by itself"}},
		{"twice", native("- unique: [a, A]"), []string{"unique names the column A twice"}},
		{"a share of percent", native("- distribution: { column: a, metric: null_share, max: 50 }"), []string{"a share is between 0 and 1"}},
		{"rows of a run", native("- volume: { new: true, where: a > 1 }"), []string{"models/m.yml:4:37: where has no effect with new: true"}},
		{"drift has no least", native("- distribution: { column: a, metric: drift, min: 0 }"), []string{"models/m.yml:4:44: distribution: drift is 0 when nothing has moved"}},
		{"quantile", native("- distribution: { column: a, metric: mean, quantile: 0.5 }"), []string{"models/m.yml:4:60: distribution: quantile must be between 0 and 1"}},
		{"pattern", native("- regex: { column: a, pattern: '' }"), []string{"models/m.yml:4:38: regex: the pattern is empty"}},
		{"two of one name", native("- not_null: { column: a, name: x }\n- unique: { column: a, name: x }"), []string{`models/m.yml:5:36: main.sales has two checks named "x"`, "give one of them another name"}},
		{"reconcile a model with its source", native("- reconcile"), []string{"models/m.yml:4:9: reconcile: main.sales is a model", "with: previous"}},
		{"reconcile with nothing", native("- reconcile: { with: ref('custmers') }"), []string{"models/m.yml:4:28: reconcile: no table is named ref('custmers')", `did you mean "customers"?`}},
		{"reconcile with itself", native("- reconcile: { with: ref('sales') }"), []string{"models/m.yml:4:28: reconcile: main.sales is always the same as itself"}},
		{"reconcile with no stream", native("- reconcile: { with: \"live('erp', 'oders')\" }"), []string{"reconcile: no table is named live('erp', 'oders')", `did you mean "erp.orders"?`}},
		{"reconcile with a condition", native("- reconcile: a = 1"), []string{`reconcile: "a = 1" is nothing to compare with`, "live('erp', 'orders')"}},
		{"unknown measure", native("- reconcile: { with: previous, measures: [sum] }"), []string{"measures", `did you mean "sums"?`}},
		{"bad tolerance", native("- reconcile: { with: previous, numeric: a lot }"), []string{"must be an amount such as 0.01 or a share such as 0.1%"}},
		{"reconcile cannot quarantine", native("- reconcile: { with: previous, severity: quarantine }"), []string{"reconcile judges the whole table"}},
		{"relationship to nothing", native("- relationships: { column: a, to: ref('custmers') }"), []string{"models/m.yml:4:41: relationships: no table is named ref('custmers')", `did you mean "customers"?`}},
		{"relationship to a condition", native("- relationships: { column: a, to: a = 1 }"), []string{`models/m.yml:4:41: relationships: "a = 1" is not a table`, "to: ref('customers')"}},
		{"relationship of two to one", native("- relationships: { columns: [a, b], to: customers, field: id }"), []string{"models/m.yml:4:65: relationships: columns: has 2 and field: 1"}},
		{"relationship to one of two", shop(map[string]string{
			"sources/web.yml": "type: fake\nstreams: [ { name: orders } ]\n",
			"models/m.yml":    "models:\n  - name: sales\n    checks: [ { relationships: { column: a, to: orders } } ]\n",
		}), []string{"models/m.yml:3:49: relationships: orders may be erp.orders or web.orders", "write to: erp.orders"}},
		{"quarantine too late", shop(map[string]string{
			"models/m.yml": "sources:\n  - name: erp\n    tables:\n      - name: orders\n        checks:\n          - relationships: { column: a, to: sales, field: id, severity: quarantine }\n",
		}), []string{"models/m.yml:6:73: relationships_a reads tables that are built after erp.orders", "put the check on a model"}},
		{"a query with a wrong ref", native("- sql: |\n    select *\n    from {{ ref('custmers') }}"), []string{"models/m.yml:4:", `ref("custmers")`, `did you mean "customers"?`}},
		{"a query that is no template", native("- sql:\n    query: \"select {{\""), []string{"models/m.yml:5:18: query, line 1:"}},
		{"a query with config()", native("- sql:\n    query: \"{{ config(severity='warn') }} select 1\""), []string{"models/m.yml:5:18: config() has no effect in the query of a check"}},

		{"singular: reads nothing", shop(map[string]string{"checks/x.sql": "select 1"}), []string{"checks/x.sql:1:1: the check reads no table of the project", "{{ ref('model') }}"}},
		{"singular: wrong ref", shop(map[string]string{"checks/x.sql": "select *\nfrom {{ ref('custmers') }}"}), []string{"checks/x.sql:2:9", `did you mean "customers"?`}},
		{"singular: unknown key", shop(map[string]string{"checks/x.sql": "{{ config(severty='warn') }} select * from {{ ref('sales') }}"}), []string{"checks/x.sql:1:", `config() of a check has no key "severty"`, `did you mean "severity"?`}},
		{"singular: severity", shop(map[string]string{"checks/x.sql": "{{ config(severity='quarantine') }} select * from {{ ref('sales') }}"}), []string{"checks/x.sql:1:", "a query is of severity warn or error"}},
		{"singular: threshold", shop(map[string]string{"checks/x.sql": "{{ config(warn_if='some') }} select * from {{ ref('sales') }}"}), []string{`checks/x.sql:1:`, `warn_if="some": must be an operator`}},
		{"singular: limit", shop(map[string]string{"checks/x.sql": "{{ config(limit='ten') }} select * from {{ ref('sales') }}"}), []string{`limit="ten": it must be a whole number`}},
		{"singular: enabled", shop(map[string]string{"checks/x.sql": "{{ config(enabled='no') }} select * from {{ ref('sales') }}"}), []string{`enabled="no": it must be true or false`}},
		{"singular: error_if that only warns", shop(map[string]string{"checks/x.sql": "{{ config(severity='warn', error_if='> 5') }} select * from {{ ref('sales') }}"}), []string{"checks/x.sql:1:1: error_if has no effect"}},
		{"singular: two of one name", shop(map[string]string{"checks/a/x.sql": "select * from {{ ref('sales') }}", "checks/b/x.sql": "select * from {{ ref('sales') }}"}), []string{"checks/b/x.sql:1:1", `two checks named "x"`, "rename the file"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, text := load(c.files)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said in:\n%s", want, text)
				}
			}
			if strings.Count(text, "models/m.yml:")+strings.Count(text, "checks/") > 1 && !strings.HasPrefix(c.name, "singular: two") {
				t.Errorf("more than one problem:\n%s", text)
			}
			if strings.Contains(text, "warning: ") || p == nil {
				t.Errorf("no error:\n%s", text)
			}
		})
	}
}

// TestTestsNotRun: what dbt would run and Millrace does not is said, and stops nothing.
func TestTestsNotRun(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"a macro of the project", column("- is_positive"), []string{`models/m.yml:7:13: warning: test "is_positive" is not run: there is no such test macro`}},
		{"a package", column("- dbt_expectations.expect_column_values_to_be_between: { min_value: 1 }"),
			[]string{`models/m.yml:7:13: warning: test "dbt_expectations.expect_column_values_to_be_between" is not run`, `the kind "range" can say the same`}},
		{"a package without a match", dbt("- elementary.volume_anomalies: { a: 1 }"), []string{`models/m.yml:5:9: warning: test "elementary.volume_anomalies" is not run`}},
		{"a bound in SQL", column("- dbt_utils.accepted_range: { max_value: \"current_date\" }"), []string{`models/m.yml:7:13: warning: test "dbt_utils.accepted_range" is not run: its bound current_date is SQL`}},
		{"singular tests of dbt", shop(map[string]string{"tests/x.sql": "select 1"}), []string{"tests/x.sql: warning: ", "move singular tests to checks/"}},
		{"a model that is gone", shop(map[string]string{"models/m.yml": "models:\n  - name: salse\n    data_tests: [ { not_null: { column_name: a } } ]\n"}), []string{`models/m.yml:2:11: warning: no model is named "salse"`, `did you mean "sales"?`}},
		{"a source that is elsewhere", shop(map[string]string{"models/m.yml": "sources:\n  - name: crm\n    tables:\n      - name: leads\n        data_tests: [ x ]\n"}), []string{`models/m.yml:4:15: warning: source "crm" of this project has no stream "leads": its tests are not run`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, text := load(c.files)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said in:\n%s", want, text)
				}
			}
			if p == nil || len(p.Model("sales").Checks) > 0 {
				t.Errorf("the project did not load, or has checks of it: %s", text)
			}
		})
	}
}

// TestChecksOfStreams: in the project file, and in dbt's sources.
func TestChecksOfStreams(t *testing.T) {
	files := shop(map[string]string{"models/m.yml": "sources:\n  - name: erp\n    tables:\n      - name: orders\n        tests: [ { not_null: { column_name: a } } ]\n        columns:\n          - { name: id, data_tests: [ unique ] }\n"})
	files["millrace.yml"] = strings.Replace(files["millrace.yml"], "key: [id] }", "key: [id], owner: ann, checks: [ { not_null: id }, volume, reconcile ] }", 1)
	p, problems := load(files)
	if problems != "" {
		t.Fatal(problems)
	}
	var got []string
	for _, c := range p.Node("erp.orders").Checks {
		got = append(got, c.Name+" "+c.Owner+" "+c.Pos.String())
	}
	want := "not_null_id ann millrace.yml:7:58, volume ann millrace.yml:7:76, reconcile ann millrace.yml:7:84, not_null_a ann models/m.yml:5:18, unique_id ann models/m.yml:7:39"
	if strings.Join(got, ", ") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestSingularChecks(t *testing.T) {
	p, problems := load(shop(map[string]string{
		"checks/deep/lost.sql": "{{ config(severity='warn', warn_if='> 3', limit=5, tags=['x'], description='why', enabled=true, meta={'a': 1}) }}\nselect * from {{ ref('sales') }} anti join {{ source('erp', 'orders') }} using (id)",
		"checks/off.sql":       "{{ config(enabled=false) }} select * from {{ ref('sales') }}",
		"checks/streams.sql":   "select * from {{ source('erp', 'returns') }} anti join {{ source('erp', 'orders') }} using (id)",
		"checks/mixed.sql":     "select * from {{ ref('customers') }} join {{ source('erp', 'returns') }} using (id)",
	}))
	if problems != "" {
		t.Fatal(problems)
	}
	for name, want := range map[string]string{
		"main.sales":     `[sql  {"Query":""} severity=warn warn_if=> 3 limit=5 tags=x]`,
		"erp.returns":    `[sql  {"Query":""}]`,
		"main.customers": `[sql  {"Query":""}]`, // the model: the stream is there before it
		"erp.orders":     `[]`,
	} {
		got := []string{}
		for _, c := range p.Node(name).Checks {
			c.Args.(*models.SQL).Path = ""
			got = append(got, written(c))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	if c := p.Node("main.sales").Check("lost"); c == nil || len(c.Reads) != 1 || c.Reads[0] != p.Node("erp.orders") || c.Pos.String() != "checks/deep/lost.sql:1:1" {
		t.Errorf("%+v", c)
	}
	if after := p.Node("erp.returns").After; len(after) != 1 || after[0] != p.Node("erp.orders") {
		t.Errorf("returns waits for %v", after)
	}
}

// TestNames: without a name a check has one of its kind and columns, and the second a number.
func TestNames(t *testing.T) {
	p, problems := load(native("- not_null: [a, b c]\n- not_null: { columns: [a, b c], where: x }\n- unique: { column: a, name: mine }\n- row_count: { min: 1 }"))
	if problems != "" {
		t.Fatal(problems)
	}
	var got []string
	for _, c := range p.Model("sales").Checks {
		got = append(got, c.Name)
	}
	if want := "not_null_a_b_c not_null_a_b_c_2 mine row_count"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestRelationshipsWait: a table is checked when the other is there; where two look at each other, or a table at what is
// built from it, one check waits for the end of the run.
func TestRelationshipsWait(t *testing.T) {
	to := func(model, other string) string {
		return "  - name: " + model + "\n    checks: [ { relationships: { column: id, to: " + other + " } } ]\n"
	}
	files := map[string]string{"millrace.yml": head, "models/a.sql": "select 1 as id", "models/b.sql": "select 1 as id", "models/c.sql": "select * from {{ ref('a') }}"}
	for name, c := range map[string]struct{ checks, want string }{
		"one way":               {to("a", "b"), "a:false b: c:"},
		"each other":            {to("a", "b") + to("b", "a"), "a:false b:true c:"},
		"in a ring":             {to("a", "b") + to("b", "c"), "a:false b:true c:"},
		"itself":                {to("a", "a"), "a:false b: c:"},
		"what is built from it": {to("a", "c"), "a:true b: c:"},
		"what it is built from": {to("c", "a"), "a: b: c:false"},
	} {
		files["models/m.yml"] = "models:\n" + c.checks
		p, problems := load(files)
		if problems != "" {
			t.Fatal(problems)
		}
		var got []string
		for _, n := range []string{"a", "b", "c"} {
			text := n + ":"
			for _, check := range p.Model(n).Checks {
				text += fmt.Sprint(check.Deferred)
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// TestLintLeavesReferences: lint resolves nothing, and must not judge what it does not know.
func TestLintLeavesReferences(t *testing.T) {
	files := native(strings.Join([]string{
		"- range: { column: a, min: '${var:least}', max: 3 }", "- row_count:", "    min: 5", "    max: ${var:least}", "- volume:", "    window: ${W}",
		"- freshness: { column: a, error_after: { count: 1, period: '${P}' } }", "- relationships: { column: id, to: '${var:to}', field: id }",
		"- not_null: { column: a, warn_if: '${N}', severity: '${S}' }",
	}, "\n"))
	fs := fstest.MapFS{}
	for name, content := range files {
		fs[name] = &fstest.MapFile{Data: []byte(content)}
	}
	if _, problems := models.Load(models.Loading{Dir: "/p", Files: fs, Sources: []models.SourceSpec{fakeSource}}); problems != nil {
		t.Error(problems)
	}
}

func TestRelation(t *testing.T) {
	for text, want := range map[string]string{
		"ref('a')": "|a", `ref("a")`: "|a", " ref( 'a' ) ": "|a", "ref('pkg', 'a')": "|a", "{{ ref('a') }}": "|a", "{{ref('a')}}": "|a",
		"source('s', 'a')": "s|a", `source("s","a b")`: "s|a b", "a": "|a", "s.a": "s|a", "s.a.b": "s|a.b", "größe": "|größe",
		"": "!", "ref()": "!", "ref('')": "!", "source('s')": "!", "source('s', '')": "!", "source('', 'a')": "!", "ref('a\")": "!", "ref(a)": "!",
		"a b": "!", "a.": "!", ".a": "!", "{{ this }}": "!", "ref('a', v=2)": "!", "reff('a')": "!", "'a'": "!",
	} {
		source, name, ok := models.Relation(text)
		got := source + "|" + name
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestConditionHolds(t *testing.T) {
	for _, c := range []struct {
		condition        string
		failing, checked int64
		want             bool
	}{
		{"> 10", 10, 100, false}, {"> 10", 11, 100, true}, {"10", 11, 100, true}, {">= 10", 10, 100, true}, {"< 10", 9, 100, true}, {"<= 10", 11, 100, false},
		{"= 0", 0, 0, true}, {"== 1", 1, 1, true}, {"!= 0", 1, 100, true}, {"<> 0", 0, 100, false},
		{"> 10%", 10, 100, false}, {"> 10%", 11, 100, true}, {">= 10%", 10, 100, true}, {"= 33.3%", 333, 1000, true}, {"> 0.1%", 1, 1000, false}, {"> 0.1%", 2, 1000, true},
		{"> 0%", 0, 100, false}, {"> 0%", 1, 1 << 60, true},
		// No rows: no share fails.
		{"> 10%", 0, 0, false}, {">= 10%", 0, 0, false}, {"> 0%", 0, 0, false}, {"= 0%", 0, 0, true}, {"!= 0%", 0, 0, false}, {"< 5%", 0, 0, true},
		// Of a query's rows there may be more than the table has.
		{"> 10%", 3, 0, true}, {">= 100%", 3, 0, true}, {"> 100%", 3, 2, true}, {"= 0%", 3, 0, false},
	} {
		var condition models.Condition
		if err := condition.UnmarshalText([]byte(c.condition)); err != nil {
			t.Fatal(err)
		}
		if got := condition.Holds(c.failing, c.checked); got != c.want {
			t.Errorf("%d of %d %s: %t", c.failing, c.checked, c.condition, got)
		}
	}
	for text, holds := range map[string][]int64{"between 1 and 5": {1, 5}, " NOT  Between 1 and 5": {0, 6}, "between 6 and 5": {}} {
		var condition, again models.Condition
		if err := condition.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText([]byte(condition.String())); err != nil || again != condition {
			t.Errorf("%s is written as %s: %v", text, condition, err)
		}
		for _, failing := range []int64{0, 1, 5, 6} {
			if condition.Holds(failing, 100) != slices.Contains(holds, failing) {
				t.Errorf("%s of %d: %t", text, failing, condition.Holds(failing, 100))
			}
		}
	}
	if (models.Condition{}).Holds(5, 5) || !(models.Condition{}).IsZero() {
		t.Error("the zero condition holds")
	}
}

// FuzzCondition: what can be read can be written, and is the same then.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{"> 10", ">= 1%", "!= 0", "5", "<>3", " == 0.50 % ", "<", "> 1e3", "> 99999999999999999999", "= 100%", "> -1", ">10 rows", "> 0.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c, again models.Condition
		if err := c.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if c.IsZero() {
			t.Fatalf("%q is the zero condition", text)
		}
		if err := again.UnmarshalText([]byte(c.String())); err != nil || again != c {
			t.Fatalf("%q becomes %q, and that %+v (%v)", text, c.String(), again, err)
		}
		inverse := models.Condition{Op: map[string]string{"=": "!=", "!=": "=", ">": "<=", "<=": ">", "<": ">=", ">=": "<"}[c.Op], Limit: c.Limit}
		for _, n := range []int64{0, 1, 10, 1000} {
			if c.Holds(n, 1000) == inverse.Holds(n, 1000) {
				t.Fatalf("%s and %s agree about %d of 1000", c, inverse, n)
			}
		}
	})
}
