package textcast

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/duckdb"
)

// TestNested: what a cast would change inside a list, a struct or a map is no value of the type.
func TestNested(t *testing.T) {
	db, err := duckdb.Open(t.Context(), duckdb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct{ text, typ, want string }{
		{"[4.01, 2.50]", "DECIMAL(9,2)[]", "[4.01, 2.50]"},
		{"[4.010,2.5, NULL, 3]", "DECIMAL(9,2)[]", "[4.01, 2.50, NULL, 3.00]"},
		{"[4.005]", "DECIMAL(9,2)[]", "<nil>"},
		{"[1.5,2]", "INTEGER[]", "<nil>"},
		{"[1.0, 20]", "INTEGER[]", "[1, 20]"},
		{"{'a': 1.50, 'b': 'X y'}", "STRUCT(a DECIMAL(9,2), b VARCHAR)", "{'a': 1.50, 'b': X y}"},
		{"{'a': 1.505, 'b': x}", "STRUCT(a DECIMAL(9,2), b VARCHAR)", "<nil>"},
		{"{k=1.20}", "MAP(VARCHAR, DECIMAL(9,1))", "{k=1.2}"},
		{"{k=1.25}", "MAP(VARCHAR, DECIMAL(9,1))", "<nil>"},
		{"[2026-01-01 10:00:00]", "DATE[]", "<nil>"},
		{"[1", "INTEGER[]", "<nil>"},
	} {
		rows, err := db.Query(t.Context(), "SELECT CAST("+Exact(text(c.text), Type{Spelled: c.typ}, Rules{})+" AS VARCHAR)")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(rows.Values[0][0]); got != c.want {
			t.Errorf("%s as %s is %s, not %s", c.text, c.typ, got, c.want)
		}
	}
}
