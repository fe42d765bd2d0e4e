package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// TestContractRules: rows that a cast would change, or that are longer or emptier than the contract allows, fail; no others.
// What passes is cast here, and must be the value that came.
func TestContractRules(t *testing.T) {
	for _, c := range []struct {
		column models.ContractColumn
		rows   string
		fail   int64
	}{
		{models.ContractColumn{Type: "DECIMAL(10,2)", Nullable: true}, "(0.005::DECIMAL(18,3)), (-0.005), (0.010), (99999999.990), (99999999.999), (100000000.000), (NULL)", 4},
		{models.ContractColumn{Type: "DECIMAL(38,0)", Nullable: true}, "(0.5::DECIMAL(38,10)), (9999999999999999999999999999.0), (-9999999999999999999999999999.5), (NULL)", 2},
		{models.ContractColumn{Type: "DECIMAL(38,37)", Nullable: true}, "(9::DECIMAL(38,0)), (10), (-10), (99999999999999999999999999999999999999), (NULL)", 3},
		{models.ContractColumn{Type: "DECIMAL(3,1)", Nullable: true}, "(9.99::DECIMAL(3,2)), (9.90), (-9.95)", 2}, // 9.99 would be 10.0, which is too wide to come back
		{models.ContractColumn{Type: "INTEGER", Nullable: true}, "(2147483647::BIGINT), (2147483648), (-2147483648), (-2147483649), (NULL)", 2},
		{models.ContractColumn{Type: "BIGINT", Nullable: true}, "(9223372036854775807::UBIGINT), (9223372036854775808), (18446744073709551615), (0)", 2},
		{models.ContractColumn{Type: "UTINYINT", Nullable: true}, "(255::SMALLINT), (256), (-1), (NULL)", 2},
		{models.ContractColumn{Type: "SMALLINT", Nullable: true}, "(1.0::DECIMAL(10,1)), (1.5), (-0.5), (32767.0), (32768.0), (NULL)", 3},
		{models.ContractColumn{Type: "DECIMAL(4,2)", Nullable: true}, "(99::INTEGER), (100), (-99), (NULL)", 1},
		{models.ContractColumn{Type: "VARCHAR", Length: 2, Nullable: true}, "('ÄÖ'), ('日本'), ('日本語'), ('abc'), (''), ('  '), (NULL)", 2},
		{models.ContractColumn{Type: "VARCHAR", Length: 2}, "('ab'), ('abc'), (NULL)", 2},
		{models.ContractColumn{Type: "DATE"}, "(DATE '2024-01-01'), (NULL), (NULL)", 2},
		{models.ContractColumn{Type: "BIGINT", Nullable: true}, "(1::INTEGER), (NULL)", 0},
		{models.ContractColumn{Type: "INTEGER"}, "(1::BIGINT), (3000000000), (NULL)", 2},
	} {
		t.Run(fmt.Sprintf("%s of %.20s", &c.column, c.rows), func(t *testing.T) {
			l := open(t)
			c.column.Name = "a"
			l.node.Checks = []*models.Check{{Name: "contract_a", Kind: models.KindContract, Node: l.node, Columns: []string{"a"}, Args: &c.column,
				CheckSettings: models.CheckSettings{Severity: models.SeverityError, Limit: 10}}}
			table := l.table(t, "SELECT a FROM (VALUES "+c.rows+") AS v(a)")
			if r := l.count(t, table)[0]; r.Failing != c.fail || r.Status.Bad() != (c.fail > 0) || r.Expected != c.column.String() {
				t.Errorf("%+v", r)
			}
			rows := Rows{Files: table.Files, Columns: table.Columns}
			d, err := l.Divide(t.Context(), rows, l.node.Checks)
			if err != nil || d.Results[0].Quarantined != c.fail || !d.Equation.Closes() {
				t.Fatalf("%+v, %v", d, err)
			}
			changed := fmt.Sprintf("SELECT count(*) FROM (%s) AS r WHERE CAST(CAST(a AS %s) AS %s) IS DISTINCT FROM a", l.Warehouse.Dialect().Scan(d.Good, table.Columns), c.column.Type, table.Columns[0].Type)
			if answer, err := l.Warehouse.Query(t.Context(), changed); err != nil || answer.Rows[0][0] != int64(0) {
				t.Errorf("%v, %v", answer, err)
			}
		})
	}
}

// TestBoundsProveContracts: where the files' statistics say that all fits, no row is read.
func TestBoundsProveContracts(t *testing.T) {
	l := open(t)
	for _, c := range []models.ContractColumn{{Name: "a", Type: "INTEGER", Nullable: true}, {Name: "a", Type: "BIGINT"}, {Name: "a", Type: "BIGINT", Nullable: true}} {
		l.node.Checks = append(l.node.Checks, &models.Check{Name: c.String(), Kind: models.KindContract, Node: l.node, Columns: []string{"a"}, Args: &c})
	}
	for _, r := range l.count(t, l.table(t, "SELECT range AS a FROM range(10)")) {
		if r.Status != StatusPass || r.How != HowStatistics {
			t.Errorf("%+v", r)
		}
	}
}

// TestFit: what differs is told, and what a cast could change is wrong.
func TestFit(t *testing.T) {
	columns := func(list string) (all []warehouse.Column) {
		for _, text := range strings.Split(list, ", ") {
			name, typ, _ := strings.Cut(text, " ")
			all = append(all, warehouse.Column{Name: name, Type: typ})
		}
		return all
	}
	contract := func(c models.Contract) *models.Contract {
		c.Columns = []models.ContractColumn{{Name: "id", Type: "BIGINT"}, {Name: "amount", Type: "DECIMAL(9,2)"}}
		return &c
	}
	table := &models.Node{Schema: "s", Table: "t", Model: &models.Model{Materialized: models.Table}}
	view := &models.Node{Schema: "s", Table: "v", Model: &models.Model{Materialized: models.View}}
	stream := &models.Node{Schema: "s", Table: "t", Stream: &models.Stream{}}
	for name, c := range map[string]struct {
		node     *models.Node
		contract models.Contract
		have     string
		wrong    string
		diff     string
		gets     string
	}{
		"the same":      {table, models.Contract{}, "ID BIGINT, amount DECIMAL(9,2)", "", "", "ID BIGINT, amount DECIMAL(9,2)"},
		"other order":   {table, models.Contract{}, "amount DECIMAL(9,2), id BIGINT", "", "", "amount DECIMAL(9,2), id BIGINT"},
		"strict":        {table, models.Contract{Strict: true}, "amount DECIMAL(9,2), id BIGINT", "the columns come as amount, id, the contract says id, amount", "", ""},
		"strict, extra": {table, models.Contract{Strict: true, Extra: models.ExtraDiscarded}, "id BIGINT, x DATE, amount DECIMAL(9,2)", "", "+ extra column x DATE: left out", "id BIGINT, amount DECIMAL(9,2)"},
		"allowed":       {table, models.Contract{Extra: models.ExtraAllowed}, "id BIGINT, amount DECIMAL(9,2), x DATE", "", "+ extra column x DATE: allowed", "id BIGINT, amount DECIMAL(9,2), x DATE"},
		"everything": {stream, models.Contract{}, "id VARCHAR, x DATE", "~ id is VARCHAR, the contract says BIGINT: pin its type in the stream's columns:, or cast it in a model; + extra column x DATE; - missing column amount DECIMAL(9,2)",
			"", ""},
		"narrow":         {table, models.Contract{}, "id INTEGER, amount DECIMAL(12,4)", "", "~ id is INTEGER, the contract says BIGINT: converted; ~ amount is DECIMAL(12,4), the contract says DECIMAL(9,2): converted where it fits", "id BIGINT, amount DECIMAL(9,2)"},
		"narrow in view": {view, models.Contract{}, "id BIGINT, amount DECIMAL(12,4)", "~ amount is DECIMAL(12,4), the contract says DECIMAL(9,2): cast it in the SELECT", "", ""},
		"soft deletes":   {stream, models.Contract{}, "id BIGINT, amount DECIMAL(9,2), _deleted_at TIMESTAMP", "", "", "id BIGINT, amount DECIMAL(9,2)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := Fit(c.node, contract(c.contract), columns(c.have))
			if wrong, diff := strings.Join(f.Wrong, "; "), strings.Join(f.Diff, "; "); wrong != c.wrong || diff != c.diff {
				t.Errorf("wrong %s\ndiff %s", wrong, diff)
			}
			if c.gets != "" && fmt.Sprint(f.Columns) != fmt.Sprint(columns(c.gets)) {
				t.Errorf("gets %v", f.Columns)
			}
		})
	}
}
