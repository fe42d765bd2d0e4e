package warehouse_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

func TestContractType(t *testing.T) {
	for in, want := range map[string]struct {
		typ    string
		length int
	}{
		"varchar(3)": {"VARCHAR", 3}, "CHAR ( 2 )": {"VARCHAR", 2}, "character varying(256)": {"VARCHAR", 256}, "string": {"VARCHAR", 0},
		"int8": {"BIGINT", 0}, "numeric(9, 2)": {"DECIMAL(9,2)", 0}, "DECIMAL": {"DECIMAL(18,3)", 0}, "double precision": {"DOUBLE", 0},
		"timestamp without time zone": {"TIMESTAMP", 0}, "timestamptz": {"TIMESTAMP WITH TIME ZONE", 0}, "text[]": {"VARCHAR[]", 0},
		"STRUCT(a INT, b DATE)": {`STRUCT("a" INTEGER, "b" DATE)`, 0}, "decimal(38,38)": {"DECIMAL(38,38)", 0},
	} {
		if typ, length, err := warehouse.ContractType(in); err != nil || typ != want.typ || length != want.length {
			t.Errorf("%s: %s, %d, %v", in, typ, length, err)
		}
	}
	for in, want := range map[string]string{
		"": "expected a type", "VARCHR": "there is no type VARCHR", "VARCHR(2)[]": "there is no type", "DECIMAL(40,2)": "out of range", "DECIMAL(5,6)": "out of range",
		"INTEGER(4)": "only texts have a length", "VARCHAR(0)": "at least 1", "VARCHAR(max)": "at least 1", "VARCHAR(10,2)": "at least 1", "VARCHAR(2)[]": "a length inside",
		"HUGEINT": "stored as DECIMAL(38,0): write that", "ENUM('a')": "stored as VARCHAR", "GEOMETRY": "cannot be stored", "date time": "unexpected",
	} {
		if typ, _, err := warehouse.ContractType(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v", in, typ, err)
		}
	}
}

func TestFitOf(t *testing.T) {
	for pair, want := range map[[2]string]warehouse.Fit{
		{"BIGINT", "int8"}: warehouse.FitsSame, {"INTEGER", "BIGINT"}: warehouse.Widens, {"BIGINT", "INTEGER"}: warehouse.Narrows, {"UBIGINT", "BIGINT"}: warehouse.Narrows,
		{"DECIMAL(5,2)", "DECIMAL(10,4)"}: warehouse.Widens, {"DECIMAL(10,4)", "DECIMAL(10,2)"}: warehouse.Narrows, {"DECIMAL(38,10)", "INTEGER"}: warehouse.Narrows,
		{"SMALLINT", "DECIMAL(10,2)"}: warehouse.Widens, {"BIGINT", "DECIMAL(10,2)"}: warehouse.Narrows, {"INTEGER", "DOUBLE"}: warehouse.Widens, {"BIGINT", "DOUBLE"}: warehouse.FitsNot,
		{"DOUBLE", "DECIMAL(10,2)"}: warehouse.FitsNot, {"DOUBLE", "FLOAT"}: warehouse.FitsNot, {"VARCHAR", "DATE"}: warehouse.FitsNot, {"DATE", "TIMESTAMP"}: warehouse.FitsNot,
		{"VARCHAR", "INTEGER"}: warehouse.FitsNot, {"INTEGER", "VARCHAR"}: warehouse.FitsNot, {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}: warehouse.FitsNot, {"JSON", "VARCHAR"}: warehouse.Widens,
		{"INTEGER[]", "BIGINT[]"}: warehouse.Widens, {"BIGINT[]", "INTEGER[]"}: warehouse.FitsNot,
	} {
		if got := warehouse.FitOf(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
}
