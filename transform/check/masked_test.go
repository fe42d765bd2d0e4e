package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// TestMasked: nothing of a value stays in what is said of an error, however the value tries.
func TestMasked(t *testing.T) {
	columns := []string{"email", "sum of pay"}
	hidden := ": what the engine says is not shown, for it may have personal values"
	for _, c := range []struct{ engine, want string }{
		{"Conversion Error: Could not convert string 'o'brien@x' to INT64 when casting from source column email", "Conversion Error in column email" + hidden},
		{"Conversion Error: Could not convert string 'a' to DATE when casting from source column sum of pay", "Conversion Error in column sum of pay" + hidden},
		{"Conversion Error: Could not convert string 'when casting from source column 4711", "Conversion Error" + hidden},
		{"Out of Range Error: Overflow in multiplication of INT32 (4711 * 4712)!", "Out of Range Error" + hidden},
		{"Invalid Input Error: Malformed JSON at byte 0 of input: \"4711", "Invalid Input Error" + hidden},
		{"Invalid Input Error: CSV Error on Line: 2\nOriginal Line: 1,ann@x\nError when converting column \"id\". Could not convert string \"ann@x\" to 'BIGINT'", "Invalid Input Error" + hidden},
		{"Constraint Error: Duplicate key \"email: ann@x\" violates unique constraint", "Constraint Error" + hidden},
		{"Conversion Error: Could not convert string 'Binder Error: ann@x' to INT32\n\nLINE 1: select cast(email as integer)\n               ^", "Conversion Error" + hidden},
		{"Out of Memory Error: failed to allocate data of size 16.0 MiB (255.9 MiB/256.0 MiB used)", "Out of Memory Error: failed to allocate data of size 16.0 MiB (255.9 MiB/256.0 MiB used)"},
		{`IO Error: No files found that match the pattern "a.csv"`, `IO Error: No files found that match the pattern "a.csv"`},
		{`Binder Error: Referenced column "emial" not found`, `Binder Error: Referenced column "emial" not found`},
	} {
		got := Masked(fmt.Errorf("compare rows: %w", &warehouse.SQLError{Message: c.engine}), columns)
		if got != "compare rows: "+c.want {
			t.Errorf("%s:\n%s", c.engine, got)
		}
	}
	if got := Masked(errors.New(`read it: value "4711" of 'o'brien@x' is none`), nil); got != "read it: value '***' is none" {
		t.Error(got)
	}
}

// TestMaskedOfOthers: the personal values may be those of the table that is compared with.
func TestMaskedOfOthers(t *testing.T) {
	err := &warehouse.SQLError{Message: "Conversion Error: Could not convert string 'ann@x' to INT64"}
	person := &models.Node{Columns: []models.Column{{Name: "email", Tags: []string{"pii"}}}}
	for _, c := range []*models.Check{
		{Node: person}, {Node: &models.Node{}, Reads: []*models.Node{person}}, {Node: &models.Node{}, Args: &models.Reconcile{Node: person}},
		{Node: &models.Node{Needs: []*models.Node{{Needs: []*models.Node{person}}}}},
	} {
		if got := Unrunnable(c, err).Message; strings.Contains(got, "ann@x") {
			t.Error(got)
		}
	}
	if got := Unrunnable(&models.Check{Node: &models.Node{}}, err).Message; !strings.Contains(got, "ann@x") {
		t.Error(got)
	}
}
