package snowflaketest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// provenTypes are the columns of the rows to prove: a type of DuckDB for each way in which a proof writes values.
var provenTypes = []string{"BOOLEAN", "INTEGER", "BIGINT", "UBIGINT", "HUGEINT", "DECIMAL(12,2)", "DECIMAL(4,4)", "DECIMAL(38,10)", "DOUBLE", "DOUBLE", "DOUBLE", "VARCHAR", "UUID", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}

// provenRows are as fill takes them: bytes in hex, a TIMESTAMP in microseconds.
var provenRows = []string{
	"true | 1 | 9223372036854775807 | 18446744073709551615 | 99999999999999999999999999999999999999 | 9999999999.99 | 0.9999 | 9999999999999999999999999999.9999999999 | 1.5 | 52.520006599 | 1.7976931348623157e308 | it's ü🤦\\ ~ | 0b8e7f0a-0000-4000-8000-00000000000f | 00ff10 | 9999-12-31 | 23:59:59.999999 | 253402300799999999 | 9999-12-31 23:59:59.999999+00:00",
	"false | -2147483648 | -9223372036854775808 | 0 | -99999999999999999999999999999999999999 | -0.01 | -0.0001 | -0.0000000001 | -1e300 | 1.2345678e-12 | 5e-324 |  | 00000000-0000-0000-0000-000000000000 | 00 | 0001-01-01 | 00:00:00 | -62135596800000000 | 0001-01-01 00:00:00+00:00",
	"true | 0 | 0 | 1 | 0 | 0 | 0 | 0 | 0.30000000000000004 | 1 | 1 | " + strings.Repeat("é", 600) + " | ffffffff-ffff-4fff-bfff-ffffffffffff | " + strings.Repeat("ab", 1001) + " | 1969-12-31 | 12:00:00.1 | -1 | 2024-03-31 02:30:00+01:00",
	"~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~ | ~",
}

// Prove holds proofs of the same rows in Snowflake and in DuckDB, w, against each other; and, of other rows, finds that they differ.
func Prove(t *testing.T, exec Exec, database, schema string, w warehouse.Warehouse) {
	b := bench{t, exec, snowflake.Table{Database: database, Schema: schema}}
	columns := make([]warehouse.Column, len(provenTypes))
	for i, typ := range provenTypes {
		columns[i] = warehouse.Column{Name: fmt.Sprintf("v%d", i), Type: typ}
	}
	cols, err := snowflake.Columns(columns)
	if err != nil {
		t.Fatal(err)
	}
	there := b.table("PROVEN")
	for name, rows := range map[string][]string{"all": provenRows, "nulls": provenRows[3:], "none": nil} {
		b.fill(there, cols, rows)
		far := b.proof(there, cols)
		if diff := snowflake.Compare(cols, b.localProof(w, columns, cols, rows), far); len(diff) > 0 {
			t.Errorf("%s: DuckDB here, Snowflake there:\n%s", name, strings.Join(diff, "\n"))
		}
		if diff := snowflake.Compare(cols, b.localProof(w, columns, cols, provenRows[1:]), far); len(diff) == 0 {
			t.Errorf("%s: other rows have the same proof", name)
		}
	}
}

func (b bench) proof(t snowflake.Table, cols []snowflake.Column) map[string]string {
	b.Helper()
	result := b.must(snowflake.Statement{SQL: snowflake.Proof(t.String(), cols)})
	out := map[string]string{}
	for i, name := range result.Columns {
		if v := result.Rows[0][i]; v != nil {
			out[name] = *v
		}
	}
	return out
}

func (b bench) localProof(w warehouse.Warehouse, columns []warehouse.Column, cols []snowflake.Column, rows []string) map[string]string {
	b.Helper()
	selects := []string{}
	for _, row := range append([]string{strings.Repeat("~ |", len(columns)-1) + "~"}, rows...) {
		items := make([]string, len(columns))
		for i, v := range split(row) {
			items[i] = fmt.Sprintf(`CAST(%s AS %s) AS "%s"`, duckValue(v, columns[i].Type), columns[i].Type, columns[i].Name)
		}
		selects = append(selects, "SELECT "+strings.Join(items, ", "))
	}
	selects[0] += " WHERE 1 = 0" // the columns, where there are no rows
	answer, err := w.Query(b.Context(), snowflake.LocalProof("("+strings.Join(selects, "\nUNION ALL ")+")", cols))
	if err != nil {
		b.Fatal(err)
	}
	out := map[string]string{}
	for i, c := range answer.Columns {
		if v, ok := answer.Rows[0][i].(string); ok {
			out[strings.ToLower(c.Name)] = v
		}
	}
	return out
}

func duckValue(v, typ string) string {
	switch {
	case v == "~":
		return "NULL"
	case typ == "BLOB":
		return "unhex('" + v + "')"
	case typ == "TIMESTAMP":
		return "make_timestamp(" + v + ")"
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}
