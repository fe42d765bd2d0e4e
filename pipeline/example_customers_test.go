package pipeline_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestExampleCustomers runs the example of docs/master-data.md: a couple that shares address and telephone stays two, a company's records are
// one though only one has its legal form, and a row whose country nobody knows is kept out.
func TestExampleCustomers(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/customers")); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/master-data.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("../examples/customers/entities/customer.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(file), "\n") // but for the description
	if !strings.Contains(string(page), shown) {
		t.Error("docs/master-data.md shows another file than the example has")
	}
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	for _, note := range step(t, r, "main.customer_golden").Notes {
		if !strings.Contains(string(page), "     note: "+note+"\n") {
			t.Errorf("docs/master-data.md does not show the note: %s", note)
		}
	}
	read := step(t, r, "main.customer_golden").Equations[0]
	if read.Rows != 35 || read.Get("records") != 34 || read.Get("quarantined") != 1 {
		t.Errorf("read: %s", read)
	}
	for what, c := range map[string]struct{ sql, want string }{
		"golden records": {"SELECT count(*), sum(records) FROM main.customer_golden", "[[17 34]]"},
		"a couple": {`SELECT name, records, count(*) OVER (PARTITION BY household_id) FROM main.customer_golden WHERE name LIKE '%Schneider' ORDER BY name`,
			"[[Anna Schneider 3 2] [Martin Schneider 3 2]]"},
		"a company": {"SELECT company, records FROM main.customer_golden WHERE company IS NOT NULL", "[[Kurt Müller & Söhne GmbH 2]]"},
		"records of the couple": {`SELECT string_agg(source_key, ' ' ORDER BY source_key) FROM main.customer_xref AS x JOIN main.customer_golden AS g USING (golden_id)
WHERE g.name = 'Anna Schneider'`, "[[9000 B-100 c001]]"},
		"a newer e-mail address": {"SELECT email, records FROM main.customer_golden WHERE name = 'Greta Koch'", "[[gkoch@example.org 2]]"},
	} {
		if got := fmt.Sprint(query(t, e, c.sql)); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}
