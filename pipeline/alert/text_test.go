package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestSafe: what may be a value of a table does not leave, and what helps to find the place does.
func TestSafe(t *testing.T) {
	w := newWorld(t)
	w.project.Nodes[0].Table = "orders_20240101"
	more := "; " + inReport
	for text, want := range map[string]string{
		`Conversion Error: Could not convert string 'O'Brien-Secret Street' to INT32`:              "Conversion Error" + more,
		`Conversion Error: Type INT64 with value 4111111111111111 can't be cast`:                   "Conversion Error" + more,
		`Invalid Input Error: cust alice@example.com is bad`:                                       "Invalid Input Error" + more,
		`models/a.sql:3:1: Constraint Error: Duplicate key "id: 5"`:                                "models/a.sql:3:1: Constraint Error" + more,
		`Some New Error: it is bob`:                                                                "Some New Error" + more,
		`Binder Error: a Conversion Error: it is bob`:                                              "Binder Error: a Conversion Error" + more,
		`ERROR: invalid input syntax for type integer: bob (SQLSTATE 22P02)`:                       "the database refuses a value (SQLSTATE 22P02)" + more,
		`Error 1062 (23000): Duplicate entry bob`:                                                  "the database refuses a value (SQLSTATE 23000)" + more,
		`Could not convert string 'O'Brien-Secret Street' to INT32`:                                `Could not convert string '…' to INT32`,
		`value 'it's table 'Secret' of' is bad`:                                                    `value '…' is bad`,
		`value 'Secret`:                                                                            `value '…`,
		`the run's lock can't be had`:                                                              `the run's lock can't be had`,
		`value 4111-1111-1111-1111, 12-34-56 of bob@example.com`:                                   `value …, … of …`,
		`Catalog Error: Table with name "main.fct_orders" does not exist`:                          `Catalog Error: Table with name "main.fct_orders" does not exist`,
		`ERROR: relation "shop.orders" does not exist (SQLSTATE 42P01)`:                            `ERROR: relation "shop.orders" does not exist (SQLSTATE 42P01)`,
		`models/a.sql:1200:3: column "n" of orders_20240101 has 12,345 rows, 300 of them are new`:  `models/a.sql:1200:3: column "n" of orders_20240101 has 12,345 rows, 300 of them are new`,
		`millrace report 20261127T022640-cd0c8e shows the rows of 20261127 and of born 1980-02-03`: `millrace report 20261127T022640-cd0c8e shows the rows of … and of born …`,
		`f20261127T022640-kz3qb5w2ya of firing 20261127T022640-4111@example.com`:                   `f20261127T022640-kz3qb5w2ya of firing …`,
	} {
		if got := w.alerter.safe(text); got != want {
			t.Errorf("%s\n  is  %s\n  not %s", text, got, want)
		}
	}
	s := &sight{Alerter: w.alerter, rules: &models.Alerts{}}
	cause := journal.Cause{Node: "main.fct_orders", Message: "models/fct_orders.sql:3:8: main.fct_orders: Conversion Error: canary"}
	if got := s.causeText(cause, nil); strings.Contains(got, "canary") || !strings.Contains(got, "models/fct_orders.sql:3:8") {
		t.Error(got)
	}
}

// TestTookText: a run of less than a second took some time too.
func TestTookText(t *testing.T) {
	for took, want := range map[time.Duration]string{308123 * time.Microsecond: "308ms", 17*time.Minute + 400*time.Millisecond: "17m0s"} {
		if got := tookText(took); got != want {
			t.Error(got, want)
		}
	}
}
