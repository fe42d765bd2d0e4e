package models_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// worded is a project with terms, and with what its properties say of columns of orders.
func worded(terms, columns string) map[string]string {
	files := shop(map[string]string{"models/terms.yml": "models:\n  - name: sales\n    columns:\n" + indent(columns, "      ")})
	files["terms/shop.yml"] = "terms:\n" + indent(terms, "  ")
	return files
}

const customers = "- { name: customer, description: Who has bought something, owner: sales, type: bigint, synonyms: [client], see: [lead] }\n- { name: Lead, description: Who may buy something }"

func TestTerms(t *testing.T) {
	p, text := load(worded(customers, "- { name: client_no, term: customer }\n- { name: other, description: Its own, meta: { term: client } }\n- { name: lead, term: none }"))
	if text != "" {
		t.Fatal(text)
	}
	customer := p.Term("Client")
	if customer == nil || customer != p.Term("customer") || len(customer.See) != 1 || customer.See[0] != p.Term("lead") || p.Term("nobody") != nil {
		t.Fatalf("%+v", customer)
	}
	if len(customer.Columns) != 2 || customer.Columns[0].Column != "client_no" || customer.Columns[0].Node.Table != "sales" {
		t.Errorf("%+v", customer.Columns)
	}
	columns := customer.Columns[0].Node.Columns
	if columns[0].Description != "Who has bought something" || columns[1].Description != "Its own" || columns[1].Term != "customer" {
		t.Errorf("%+v", columns)
	}
}

func TestTermProblems(t *testing.T) {
	for name, c := range map[string]struct{ terms, columns, want, hint string }{
		"twice":             {customers + "\n- { name: LEAD, description: Again }", "- { name: a, term: lead }", `the term "LEAD" is defined at terms/shop.yml:3:13 too`, ""},
		"unknown":           {customers, "- { name: a, term: custmer }", `models/terms.yml:4:26: there is no term "custmer"`, `did you mean "customer"?`},
		"unknown see":       {"- { name: a, description: b, see: [c] }", "- { name: x, term: a }", `there is no term "c"`, "millrace schema terms"},
		"synonym of two":    {customers + "\n- { name: account, description: x, synonyms: [client] }", "- { name: a, term: account }", `the synonym "client" of "account" stands at terms/shop.yml:2:`, "one word has one meaning"},
		"other type":        {customers, "- { name: a, term: customer, data_type: VARCHAR }", `warning: column "a" of main.sales is a VARCHAR; as "customer" it should be a bigint, which the term is`, "give both one type"},
		"types of two":      {customers, "- { name: a, term: lead, data_type: DATE }\n- { name: b, term: lead, data_type: VARCHAR }\n- { name: c, term: customer }", `column "b" of main.sales is a VARCHAR; as "Lead" it should be a DATE, which main.sales.a is`, ""},
		"named like it":     {customers, "- { name: Client, description: Something else }\n- { name: a, term: customer }", `warning: named like the term "customer", and not linked to it: main.sales.Client (described otherwise)`, "term: none"},
		"unused":            {customers + "\n- { name: vendor, description: x }", "- { name: a, term: customer }", "warning: no column and no other term uses: vendor", ""},
		"no description":    {"- { name: a }", "- { name: x, term: a }", "description", ""},
		"a reserved name":   {"- { name: none, description: x }", "- { name: x }", `a term cannot be named "none"`, ""},
		"an unknown key":    {"- { name: a, description: x, synonym: [b] }", "- { name: x, term: a }", "synonym", "synonyms"},
		"a list that is no": {"name: a", "- { name: x }", "terms", ""},
	} {
		_, text := load(worded(c.terms, c.columns))
		if !strings.Contains(text, c.want) || !strings.Contains(text, c.hint) {
			t.Errorf("%s: %s\nwant %s\n%s", name, text, c.want, c.hint)
		}
	}
}

// TestTermOfAContract: columns of streams link to terms where their contract stands.
func TestTermOfAContract(t *testing.T) {
	files := onOrders("contract: { columns: [ { name: id, type: BIGINT, term: customer }, { name: lead, type: DATE } ] }")
	maps.Copy(files, map[string]string{"terms/a.yml": "terms:\n" + indent(customers, "  ")})
	p, text := load(files)
	if strings.Contains(text, "error") || p == nil {
		t.Fatal(text)
	}
	if c := p.Term("customer").Columns; len(c) != 1 || c[0].Column != "id" || c[0].Node.Kind != models.KindStream {
		t.Errorf("%+v, %s", c, text)
	}
}
