package models_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
)

// promising loads a shop whose types are read by a stand-in for the engine: models knows no type.
func promising(files map[string]string) (*models.Project, string) {
	fs := fstest.MapFS{}
	for name, content := range files {
		fs[name] = &fstest.MapFile{Data: []byte(content)}
	}
	columnType := func(text string) (string, int, error) {
		if strings.Contains(text, "VARCHR") {
			return "", 0, errors.New("there is no type VARCHR")
		}
		length := 0
		name, _, _ := strings.Cut(text, "(")
		if name == "VARCHAR" && name != text {
			_, err := fmt.Sscanf(text, "VARCHAR(%d)", &length)
			return name, length, err
		}
		return text, 0, nil
	}
	p, problems := models.Load(models.Loading{Dir: "/p", Files: fs, Sources: []models.SourceSpec{fakeSource}, ColumnType: columnType})
	if problems != nil {
		return p, problems.Error()
	}
	return p, ""
}

// onSales puts keys under the model sales, onOrders under the stream orders.
func onSales(keys string) map[string]string {
	return shop(map[string]string{"models/m.yml": "version: 2\nmodels:\n  - name: sales\n" + indent(keys, "    ")})
}

func onOrders(keys string) map[string]string {
	files := shop(nil)
	files["millrace.yml"] = strings.Replace(files["millrace.yml"], "name: orders, key: [id]", "name: orders, key: [id], "+keys, 1)
	return files
}

func TestContracts(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		node  string
		want  []string
	}{
		"of a stream": {onOrders("contract: { columns: [ { name: id, type: BIGINT, nullable: false }, { name: at, type: DATE }, { name: country, type: VARCHAR(2) } ], severity: quarantine }"), "erp.orders",
			[]string{"contract fail any", "contract_id BIGINT, not NULL quarantine > 10%", "contract_country VARCHAR(2) quarantine > 10%"}},
		"settings": {onOrders("contract: { columns: [ { name: id, type: DATE } ], extra: discard, order: strict }"), "erp.orders", []string{"contract discard strict"}},
		"types beside the columns": {onSales("contract: { extra: allow }\ncolumns:\n  - { name: id, data_type: BIGINT }\n  - { name: at, data_type: DATE }"), "main.sales",
			[]string{"contract allow any", "contract_id BIGINT error"}},
		"dbt": {onSales(`config: { contract: { enforced: true } }
constraints:
  - { type: unique, columns: [id, line] }
columns:
  - name: id
    data_type: BIGINT
    constraints: [ { type: primary_key }, { type: foreign_key, to: ref('customers'), to_columns: [id] } ]
    data_tests: [ not_null ]
  - { name: line, data_type: DOUBLE, constraints: [ { type: not_null }, { type: check, expression: line > 0, name: positive } ] }`), "main.sales",
			[]string{"not_null_id", "contract fail any", "unique_id error", "relationships_id error", "positive error", "unique_id_line error", "contract_id BIGINT, not NULL error", "contract_line DOUBLE, not NULL error"}},
		"dbt, not enforced": {onSales("config: { contract: { enforced: false } }\ncolumns: [ { name: id, data_type: BIGINT } ]"), "main.sales", nil},
		"of a stream, in properties": {shop(map[string]string{"models/m.yml": "sources:\n  - name: erp\n    tables:\n      - { name: orders, contract: {}, columns: [ { name: id, data_type: DATE } ] }\n"}), "erp.orders",
			[]string{"contract fail any"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, text := promising(c.files)
			if text != "" {
				t.Fatal(text)
			}
			var got []string
			for _, check := range p.Node(c.node).Checks {
				line := check.Name
				switch args := check.Args.(type) {
				case *models.Contract:
					line += " " + args.Extra + map[bool]string{true: " strict", false: " any"}[args.Strict]
				case *models.ContractColumn:
					line += strings.TrimRight(fmt.Sprintf(" %s %s %s", args, check.Severity, check.ErrorIf), " ")
				case *models.NotNull:
				default:
					line += " " + string(check.Severity)
				}
				got = append(got, line)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestContractMistakes: each is told with its place, and nothing of a contract is dropped without a word.
func TestContractMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no columns":          {onOrders("contract: {}"), []string{"millrace.yml:7:46", "names no column", "data_type"}},
		"nothing behind it":   {onOrders("contract: "), []string{"millrace.yml:7:", "the contract of erp.orders is empty"}},
		"no type":             {onSales("contract: {}\ncolumns: [ { name: id } ]"), []string{"models/m.yml:5:24", `"id" has no data_type`}},
		"unknown key":         {onOrders("contract: { extras: allow }"), []string{`unknown key "extras"`, `did you mean "extra"`}},
		"unreadable type":     {onOrders("contract: { columns: [ { name: id, type: VARCHR } ] }"), []string{"millrace.yml:7:77", `column "id": there is no type VARCHR`}},
		"unreadable, dbt":     {onSales("contract: {}\ncolumns: [ { name: id, data_type: VARCHR } ]"), []string{"models/m.yml:5:39", "VARCHR"}},
		"twice":               {onOrders("contract: { columns: [ { name: id, type: DATE }, { name: ID, type: DATE } ] }"), []string{`names the column "ID" twice`}},
		"ephemeral":           {shop(map[string]string{"models/e.sql": "{{ config(materialized='ephemeral') }} select 1 as id", "models/m.yml": "models:\n  - { name: e, contract: { columns: [ { name: id, type: DATE } ] } }\n"}), []string{"models/m.yml:2:26", "ephemeral"}},
		"quarantine of views": {shop(map[string]string{"models/m.yml": "models:\n  - { name: customers, contract: { columns: [ { name: id, type: BIGINT } ], severity: quarantine } }\n"}), []string{"materialized as view"}},
		"discarded key":       {onOrders("contract: { columns: [ { name: at, type: DATE } ], extra: discard }"), []string{"millrace.yml:7:30", `the key is about the column "id", which the contract at millrace.yml:7:46 discards`, "name the column in the contract"}},
		"discarded cursor":    {onOrders("mode: incremental, cursor: at, contract: { columns: [ { name: id, type: DATE } ], extra: discard }"), []string{"millrace.yml:7:63", `the cursor is about the column "at"`}},
		"discarded, checked":  {onOrders("checks: [ { range: { column: more, min: 0, severity: quarantine } } ], contract: { columns: [ { name: ID, type: DATE } ], extra: discard }"), []string{"millrace.yml:7:65", `range_more is about the column "more"`}},
		"name of a contract":  {onOrders("checks: [ { unique: { column: id, name: contract } } ]"), []string{"millrace.yml:7:76", "contract is the name of a check that Millrace makes", "give it another name"}},
		"name of a policy":    {onOrders("checks: [ { unique: { column: id, name: schema_change } } ]"), []string{"schema_change is the name of a check"}},
		"name of a column's":  {onOrders("checks: [ { unique: { column: at, name: contract_id } } ], contract: { columns: [ { name: id, type: BIGINT } ] }"), []string{"millrace.yml:7:76", "contract_id is the name of a check of the contract of erp.orders"}},
		"name of a file":      {shop(map[string]string{"checks/schema_change.sql": "select * from {{ ref('sales') }}"}), []string{"checks/schema_change.sql:1:1", "rename the file"}},
		"two contracts":       {onSales("contract: { columns: [ { name: id, type: DATE } ] }\nconfig: { contract: { enforced: true } }"), []string{"main.sales has two contracts"}},
		"and a policy":        {onOrders("on_schema_change: freeze, contract: { columns: [ { name: id, type: DATE } ] }"), []string{"millrace.yml:7:54", "contradicts the contract"}},
		"error_if":            {onOrders("contract: { columns: [ { name: id, type: DATE } ], error_if: 5 }"), []string{"error_if has no effect"}},
		"in config()":         {shop(map[string]string{"models/e.sql": "{{ config(contract={'enforced': true}) }} select 1 as id"}), []string{"models/e.sql:1:", "properties file"}},
		"under checks":        {native("- contract: {}"), []string{"models/m.yml:4:", "beside checks:"}},
		"constraint only":     {onSales("columns: [ { name: id, data_type: BIGINT, constraints: [ { type: not_null } ] } ]"), []string{"models/m.yml:4:62", "not enforced", "no contract"}},
		"foreign key as text": {onSales("contract: {}\ncolumns: [ { name: id, data_type: BIGINT, constraints: [ { type: foreign_key, expression: other (id) } ] } ]"), []string{"models/m.yml:5:62", "foreign_key is not enforced"}},
		"constraint nowhere":  {onSales("contract: {}\nconstraints: [ { type: unique, columns: [idd] } ]\ncolumns: [ { name: id, data_type: BIGINT } ]"), []string{`has no column "idd"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := promising(c.files)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s\nsays nothing of %q", text, want)
				}
			}
		})
	}
}
