package snowflake_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// TestRefusedColumns: an error names the column and the way out.
func TestRefusedColumns(t *testing.T) {
	col := func(of ...string) (out []warehouse.Column) {
		for i := 0; i < len(of); i += 2 {
			out = append(out, warehouse.Column{Name: of[i], Type: of[i+1]})
		}
		return out
	}
	for want, in := range map[string][]warehouse.Column{
		"cast it to TIMESTAMP":                col("at", "TIMESTAMP_NS"),
		"cast it to VARCHAR or JSON":          col("at", "UNION(a INTEGER, b VARCHAR)"),
		"cast it to VARCHAR in a":             col("at", "BIT"),
		"DECIMAL(38,37)":                      col("at", "DECIMAL(38,38)"),
		"those of the loader":                 col("at", "INTEGER", "_mr_op", "VARCHAR"),
		`columns "at" and "AT" would both be`: col("at", "INTEGER", "AT", "INTEGER"),
		"is empty":                            col("", "INTEGER"),
		"256 characters":                      col(strings.Repeat("a", 256), "INTEGER"),
		"unexpected":                          col("at", "INTEGER x"),
	} {
		got, err := snowflake.Columns(in)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "column") {
			t.Errorf("%v: %v %v, want an error with %q", in, got, err, want)
		}
	}
}

// TestTooWideInteger: digits that NUMBER has not make the file fail, rather than become others.
func TestTooWideInteger(t *testing.T) {
	w, dir := open(t)
	for typ, value := range map[string]string{"HUGEINT": "-170141183460469231731687303715884105728", "UHUGEINT": "340282366920938463463374607431768211455"} {
		cols := columns(t, "n", typ)
		from := "(SELECT CAST('" + value + "' AS " + typ + ") AS n)"
		_, written := w.Write(t.Context(), snowflake.FileSelect(cols, from), dir+"/x.parquet")
		_, proven := w.Query(t.Context(), snowflake.LocalProof(from, cols))
		for what, err := range map[string]error{"written": written, "proven": proven} {
			if err == nil || !strings.Contains(err.Error(), "DECIMAL(38,0)") {
				t.Errorf("%s: %s is %s: %v", typ, value, what, err)
			}
		}
	}
}

// TestFits: what Snowflake cannot hold is told from the proof of the local rows.
func TestFits(t *testing.T) {
	w, _ := open(t)
	for value, want := range map[string]string{
		"DATE '9999-12-31'": "", "DATE '0001-01-01'": "", "DATE '10000-01-01'": "10000-01-01", "DATE '0001-01-01' - 1": "years 1 to 9999", "DATE 'infinity'": "infinity",
		"TIME '23:59:59.999999'": "", "TIME '24:00:00'": "00:00:00 in a model",
		"TIMESTAMP '9999-12-31 23:59:59.999999'": "", "TIMESTAMP '10000-01-01 00:00:00'": "10000-01-01", "TIMESTAMP '0001-01-01 00:00:00'": "",
		"TIMESTAMP '0001-01-01 00:00:00' - INTERVAL 1 MICROSECOND": "cannot be held", "TIMESTAMP 'infinity'": "infinity", "TIMESTAMPTZ '-infinity'": "-infinity",
		"repeat('é', 8388608)": "", "repeat('é', 8388608) || 'a'": "16777217 bytes", "CAST(repeat('a', 8388609) AS BLOB)": "8388609 bytes",
		"CAST(NULL AS DATE)": "", "CAST(NULL AS TIMESTAMP)": "", "CAST(NULL AS VARCHAR)": "", "CAST(NULL AS TIME)": "",
	} {
		answer, err := w.Describe(t.Context(), "SELECT "+value+" AS x")
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		cols := columns(t, "x", answer[0].Type)
		err = snowflake.Fits(cols, localProof(t, w, "(SELECT "+value+" AS x)", cols))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `column "x"`)) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}

func TestWiden(t *testing.T) {
	for _, c := range [][3]string{
		{"NUMBER(10,0)", "NUMBER(19,0)", "NUMBER(19,0)"}, {"NUMBER(38,0)", "NUMBER(19,0)", ""}, {"NUMBER(12,2)", "NUMBER(14,2)", "NUMBER(14,2)"}, {"NUMBER(12,2)", "NUMBER(14,3)", "error"},
		{"VARCHAR(36)", "VARCHAR(16777216)", "VARCHAR(16777216)"}, {"VARCHAR(134217728)", "VARCHAR(16777216)", ""}, {"BINARY(100)", "BINARY(8388608)", "error"}, {"BINARY(67108864)", "BINARY(8388608)", ""},
		{"NUMBER(10,0)", "FLOAT", "error"}, {"VARCHAR(36)", "NUMBER(5,0)", "error"}, {"VARCHAR(36)", "BINARY(8388608)", "error"}, {"FLOAT", "FLOAT", ""}, {"DATE", "TIMESTAMP_NTZ(6)", "error"},
		{"VARCHAR", "VARCHAR(16777216)", ""}, {"BINARY", "BINARY(8388608)", ""}, {"VARCHAR", "BINARY(8388608)", "error"}, {"VARCHAR(16777216) COLLATE 'en-ci'", "VARCHAR(16777216)", "error"},
		{"TIMESTAMP_NTZ(9)", "TIMESTAMP_NTZ(6)", "error"}, {"VARIANT", "VARCHAR(16777216)", "error"}, {"NUMBER(99999999999999999999,0)", "NUMBER(5,0)", "error"},
	} {
		got, err := snowflake.Widen(warehouse.Name{Schema: "erp", Table: "orders"}, "AMOUNT", c[0], c[1])
		if c[2] == "error" {
			if err == nil || !strings.Contains(err.Error(), "AMOUNT") || !strings.Contains(err.Error(), "erp.orders") {
				t.Errorf("%s to %s: %q %v", c[0], c[1], got, err)
			}
		} else if err != nil || got != c[2] {
			t.Errorf("%s to %s: %q %v, want %q", c[0], c[1], got, err, c[2])
		}
	}
	_, err := snowflake.Widen(warehouse.Name{Schema: "erp", Table: "orders"}, "AMOUNT", "DATE", "FLOAT")
	if err == nil || !strings.Contains(err.Error(), "`millrace push --renew erp.orders`") {
		t.Error(err)
	}
	_, err = snowflake.Widen(warehouse.Name{Schema: "erp", Table: "orders"}, "NOTE", "VARCHAR(36) COLLATE 'de-ci'", "VARCHAR(16777216)")
	if err == nil || !strings.Contains(err.Error(), "collation de-ci") || !strings.Contains(err.Error(), "`millrace push --renew erp.orders`") {
		t.Error(err)
	}
}

func TestCompare(t *testing.T) {
	cols := columns(t, "f", "DOUBLE", "n", "INTEGER")
	here := map[string]string{"n": "2", "hash": "1", "c0": "2", "min0": "0.30000000000000004", "max0": "nan", "c1": "2", "min1": "1", "max1": "2", "sum1": "3"}
	with := func(key, value string) map[string]string {
		out := map[string]string{}
		for k, v := range here {
			out[k] = v
		}
		out[key] = value
		return out
	}
	for _, c := range [][3]string{
		{"n", "2", ""}, {"min0", "0.3", ""}, {"max0", "NaN", ""}, {"min0", "0.30000001", `column "f": minimum`}, {"max0", "inf", `column "f": maximum`}, {"min0", "", "none there"},
		{"c0", "2.0000000001", `column "f": values`}, {"sum1", "4", `column "n": sum 3 here, 4 there`}, {"n", "3", "2 rows here, 3 there"}, {"hash", "2", "no sum, minimum or maximum shows"},
	} {
		diff := strings.Join(snowflake.Compare(cols, here, with(c[0], c[1])), "\n")
		if c[2] == "" && diff != "" || !strings.Contains(diff, c[2]) {
			t.Errorf("%s = %s: %q, want %q", c[0], c[1], diff, c[2])
		}
	}
}
