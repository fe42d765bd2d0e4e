package mysql

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

var update = flag.Bool("update", false, "rewrite docs/mysql-types.md")

// documented are the rows of docs/mysql-types.md: each type, what it lands as by columnsFor, and what to know of it.
var documented = []struct {
	show string // the type as people write it
	attribute
	pins string
	note string
}{
	{"TINYINT, BOOL, BOOLEAN", attribute{dataType: "tinyint", columnType: "tinyint(1)"}, "BOOLEAN", "`BOOL` is only another word for `TINYINT(1)`, and what is in it is not guessed. With `BOOLEAN`, values but 0 and 1 are bad."},
	{"TINYINT UNSIGNED", attribute{dataType: "tinyint", columnType: "tinyint(3) unsigned"}, "BOOLEAN", ""},
	{"SMALLINT", attribute{dataType: "smallint", columnType: "smallint(6)"}, "", ""},
	{"SMALLINT UNSIGNED", attribute{dataType: "smallint", columnType: "smallint(5) unsigned"}, "", ""},
	{"MEDIUMINT, INT", attribute{dataType: "int", columnType: "int(11)"}, "", "`ZEROFILL` shows zeros before a number, and is no part of it; `VARCHAR` keeps them."},
	{"MEDIUMINT UNSIGNED, INT UNSIGNED", attribute{dataType: "int", columnType: "int(10) unsigned"}, "", ""},
	{"BIGINT", attribute{dataType: "bigint", columnType: "bigint(20)"}, "", ""},
	{"BIGINT UNSIGNED", attribute{dataType: "bigint", columnType: "bigint(20) unsigned"}, "", ""},
	{"DECIMAL(p,s), p ≤ 38", attribute{dataType: "decimal", columnType: "decimal(12,2)", precision: 12, scale: 2}, "DECIMAL(p,s)", "With another `DECIMAL(p,s)`, values that do not fit, or would lose a decimal that is not zero, are bad."},
	{"DECIMAL(p,s), p > 38", attribute{dataType: "decimal", columnType: "decimal(65,30)", precision: 65, scale: 30}, "DECIMAL(p,s)", "No engine here has more than 38 digits: the server's text, every digit of it. Pin `DECIMAL(p,s)` if the values have fewer."},
	{"FLOAT, FLOAT(M,D)", attribute{dataType: "float", columnType: "float"}, "", "Every bit of it. Clients show 6 digits: 16777216 as 16777200; it is read as the `DOUBLE` that it equals."},
	{"DOUBLE, REAL, DOUBLE(M,D)", attribute{dataType: "double", columnType: "double(10,2)"}, "", "Every bit of it, also of a `DOUBLE(M,D)`, which clients show rounded to D decimals."},
	{"BIT(n)", attribute{dataType: "bit", columnType: "bit(8)", precision: 8}, "BOOLEAN, of BIT(1)", "The number that the bits are. `BIT(1)` is not guessed to be true or false."},
	{"YEAR", attribute{dataType: "year", columnType: "year(4)"}, "", "0000 is 0. A `YEAR(2)` has the two digits that the server shows."},
	{"DATE", attribute{dataType: "date", columnType: "date"}, "", "0000-00-00, a year, month or day of zero, and the 31st of February (`ALLOW_INVALID_DATES`) are bad values. They never become NULL."},
	{"DATETIME(n)", attribute{dataType: "datetime", columnType: "datetime(6)"}, "", "As it is written, without a zone. Bad values as of `DATE`."},
	{"TIMESTAMP(n)", attribute{dataType: "timestamp", columnType: "timestamp"}, "", "An instant: it is read in UTC, whatever the server's zone. 0000-00-00 00:00:00 is a bad value."},
	{"TIME(n)", attribute{dataType: "time", columnType: "time(6)"}, "TIME", "A span from -838:59:59 to 838:59:59, which nothing here holds: the server's text. With `TIME`, values below 00:00:00 and from 24:00:00 are bad."},
	{"CHAR, VARCHAR, TINYTEXT … LONGTEXT", attribute{dataType: "varchar", columnType: "varchar(20)"}, "", "Of any character set; the server converts it. A `CHAR` comes without the spaces at its end, as clients show it. What is no Unicode text, such as half of a surrogate pair in `ucs2`, is a bad value."},
	{"ENUM, SET", attribute{dataType: "enum", columnType: "enum('a','b')"}, "", "The texts. The server's mark of a wrong value of an `ENUM` is the empty text, and stays it."},
	{"JSON (MySQL)", attribute{dataType: "json", columnType: "json"}, "", ""},
	{"JSON (MariaDB)", attribute{dataType: "longtext", columnType: "longtext", json: true}, "", "A `LONGTEXT` with the check `json_valid` of itself. A value that is no JSON, from a time without the check, is bad. In a query it is `VARCHAR`."},
	{"BINARY, VARBINARY, TINYBLOB … LONGBLOB", attribute{dataType: "blob", columnType: "blob"}, "", "Also texts with `CHARACTER SET binary`. A `BINARY(n)` has the zeros that fill it up. With `VARCHAR`, what is not UTF-8 is bad."},
	{"GEOMETRY, POINT …", attribute{dataType: "geometry", columnType: "geometry"}, "", "The server's own bytes: four of SRID, the lowest first, then WKB; `ST_GeomFromWKB(shape[5:])` in DuckDB's spatial extension. `VARCHAR` gives the text of `ST_AsText`, without the SRID."},
	{"VECTOR(n)", attribute{dataType: "vector", columnType: "vector(4)"}, "", "The server's own bytes: four a number, the lowest first. `VARCHAR` gives them in hex."},
	{"UUID (MariaDB)", attribute{dataType: "uuid", columnType: "uuid"}, "", "In a query it is `VARCHAR`."},
	{"INET4, INET6 (MariaDB)", attribute{dataType: "inet6", columnType: "inet6"}, "", ""},
}

// TestDocs keeps docs/mysql-types.md true.
func TestDocs(t *testing.T) {
	const path = "../../docs/mysql-types.md"
	var b strings.Builder
	b.WriteString(`# Types of MySQL and MariaDB

What each type lands as. Nothing is rounded, cut, or made NULL: a value that the type cannot hold is a bad value, which
is rejected with its reason or ends the run, as the stream says. Any column can be pinned as ` + "`VARCHAR`" + `, which is the
server's text of it with every digit. This page is written by ` + "`go test ./extract/mysql -run TestDocs -update`" + `.

| type | lands as | can be pinned as | to know |
|---|---|---|---|
`)
	for _, d := range documented {
		d.attribute.name = "c"
		columns, err := columnsFor([]attribute{d.attribute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		duck := columns[0].duckType
		if d.precision == 12 {
			duck = "DECIMAL(p,s)"
		}
		pins := "VARCHAR"
		switch {
		case duck == "VARCHAR":
			pins = d.pins
		case d.pins != "":
			pins = d.pins + ", VARCHAR"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.show, duck, pins, d.note)
		for pin := range strings.SplitSeq(pins, ", ") { // what is said to be possible is
			pin = map[string]string{"DECIMAL(p,s)": "DECIMAL(9,4)", "BOOLEAN": "BOOLEAN"}[pin] + map[bool]string{true: pin}[pin == "VARCHAR" || pin == "TIME"]
			if _, err := columnsFor([]attribute{d.attribute}, map[string]string{"c": pin}); pin != "" && d.dataType != "bit" && err != nil {
				t.Error(err)
			}
		}
	}
	b.WriteString(`
Generated and invisible columns are columns like others. A view has the types of its columns. The result of a query is
known by less: its decimals are landed with one digit more where the server does not say whether they are unsigned, and
what MariaDB sends as text (JSON, UUID, INET6) is text.
`)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, []byte(b.String())) {
		t.Errorf("%s is not what the code does (%v): run with -update and read the difference", path, err)
	}
}

func TestPins(t *testing.T) {
	attrs := map[string]attribute{
		"int":  {name: "c", dataType: "int", columnType: "int(11)"},
		"dec":  {name: "c", dataType: "decimal", columnType: "decimal(10,2)", precision: 10, scale: 2},
		"bit1": {name: "c", dataType: "bit", columnType: "bit(1)", precision: 1},
		"bit8": {name: "c", dataType: "bit", columnType: "bit(8)", precision: 8},
		"new":  {name: "c", dataType: "xmltype", columnType: "xmltype"},
	}
	for _, c := range []struct{ attr, pin, want, err string }{
		{"int", "bigint", "", "int(11) cannot be landed as bigint, only as INTEGER, VARCHAR"},
		{"int", "INTEGER", "INTEGER", ""},
		{"dec", "decimal( 5 , 1)", "DECIMAL(5,1)", ""},
		{"dec", "DECIMAL(39,1)", "", "only as DECIMAL(10,2), VARCHAR, DECIMAL(p,s) up to 38 digits"},
		{"dec", "DOUBLE", "", "cannot be landed as DOUBLE"},
		{"bit1", "boolean", "BOOLEAN", ""},
		{"bit8", "BOOLEAN", "", "bit(8) cannot be landed as BOOLEAN, only as UBIGINT, VARCHAR"},
		{"new", "", "", "the type xmltype is not known: pin it as VARCHAR"},
		{"new", "VARCHAR", "VARCHAR", ""},
		{"new", "JSON", "", "only as VARCHAR"},
	} {
		pins := map[string]string{}
		if c.pin != "" {
			pins["c"] = c.pin
		}
		columns, err := columnsFor([]attribute{attrs[c.attr]}, pins)
		switch {
		case c.err == "" && (err != nil || columns[0].duckType != c.want):
			t.Errorf("%s as %s: %v, %v", c.attr, c.pin, columns, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s as %s: %v, want %q", c.attr, c.pin, err, c.err)
		}
	}
	if _, err := columnsFor(nil, map[string]string{"x": "VARCHAR"}); err == nil {
		t.Error("a pin without its column passed")
	}
}

func TestChecks(t *testing.T) {
	dec := decimalText{5, 2}
	for _, c := range []struct {
		what   string
		check  func([]byte) *badValue
		value  string
		reason string
	}{
		{"date", checkDate, "2000-02-29", ""},
		{"date", checkDate, "1900-02-29", extract.ReasonCast},
		{"date", checkDate, "2024-02-31", extract.ReasonCast},
		{"date", checkDate, "0000-00-00", reasonZeroDate},
		{"date", checkDate, "2024-00-15", reasonZeroDate},
		{"date", checkDate, "2024-10-00", reasonZeroDate},
		{"date", checkDate, "0000-01-01", reasonZeroDate},
		{"date", checkDate, "2024-13-01", extract.ReasonCast},
		{"date", checkDate, "", extract.ReasonCast},
		{"date", checkDate, "2024-01-01T00:00:00Z", extract.ReasonCast},
		{"datetime", checkDatetime, "2024-01-01 23:59:59.999999", ""},
		{"datetime", checkDatetime, "2024-01-01 24:00:00", extract.ReasonCast},
		{"datetime", checkDatetime, "0000-00-00 00:00:00", reasonZeroDate},
		{"datetime", checkDatetime, "2024-01-01 23:59:59.", extract.ReasonCast},
		{"datetime", checkDatetime, "2024-01-01 23:59:59.1234567", extract.ReasonCast},
		{"datetime", checkDatetime, "2024-01-01", extract.ReasonCast},
		{"time", checkTime, "23:59:59.9", ""},
		{"time", checkTime, "24:00:00", extract.ReasonCast},
		{"time", checkTime, "-00:00:01", extract.ReasonCast},
		{"time", checkTime, "838:59:59", extract.ReasonCast},
		{"decimal", dec.check, "999.99", ""},
		{"decimal", dec.check, "-999.9900", ""},
		{"decimal", dec.check, "00999.9", ""},
		{"decimal", dec.check, "1000", extract.ReasonCast},
		{"decimal", dec.check, "1.001", extract.ReasonInexact},
		{"decimal", dec.check, "1e2", extract.ReasonCast},
		{"integer", fits(8, false), "-128", ""},
		{"integer", fits(8, false), "128", extract.ReasonCast},
		{"integer", fits(32, true), "-1", extract.ReasonCast},
		{"integer", fits(64, true), "18446744073709551615", ""},
		{"bool", checkBool, "2", extract.ReasonInexact},
		{"bool", checkBool, "1", ""},
		{"bool", checkBool, "-1", extract.ReasonInexact},
		{"bit", checkBitBool, "\x02", extract.ReasonInexact},
		{"text", checkText, "ä\x00", ""},
		{"text", checkText, "\xed\xa0\x80", extract.ReasonEncoding},
		{"json", checkJSON, `{"a":1`, extract.ReasonSyntax},
		{"json", checkJSON, `"` + "\xff" + `"`, extract.ReasonEncoding},
		{"uuid", checkUUID, "00000000-0000-0000-0000-00000000000g", extract.ReasonCast},
	} {
		got := ""
		if problem := c.check([]byte(c.value)); problem != nil {
			got = problem.reason
		}
		if got != c.reason {
			t.Errorf("%s %q: %q, want %q", c.what, c.value, got, c.reason)
		}
	}
}

func TestDecimalText(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, c := range []struct {
		d          decimalText
		text, want string
	}{
		{decimalText{38, 0}, nines, nines},
		{decimalText{38, 0}, "-" + nines, "-" + nines},
		{decimalText{38, 38}, "-0." + nines, "-0." + nines},
		{decimalText{5, 2}, "-0.5", "-0.50"},
		{decimalText{5, 2}, "0", "0.00"},
		{decimalText{38, 10}, "18446744073709551616", "18446744073709551616.0000000000"},
	} {
		n, problem := c.d.parse([]byte(c.text))
		if problem != nil || n.ToString(int32(c.d.scale)) != c.want {
			t.Errorf("%s: %s, %v", c.text, n.ToString(int32(c.d.scale)), problem)
		}
	}
}

// TestNoAllocation: a good value costs no memory but its place in the batch.
func TestNoAllocation(t *testing.T) {
	for _, d := range documented {
		value := map[string]string{"decimal": "-12345.67", "float": "0.10000000149011612", "double": "1.5e-7", "date": "2024-02-29",
			"datetime": "2024-02-29 12:34:56.123456", "timestamp": "2024-02-29 12:34:56", "time": "-12:00:00", "uuid": "12345678-9abc-def0-1234-56789abcdef0",
			"json": `{"a": [1, "x"]}`, "longtext": `{"a": [1, "x"]}`, "enum": "ä", "varchar": "some text", "blob": "\xff\x00", "bit": "\xff"}[d.dataType]
		if value == "" {
			value = "123"
		}
		d.attribute.name = "c"
		columns, err := columnsFor([]attribute{d.attribute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b := arrowx.NewBatcher(schema(columns), nil)
		field := b.Field(0)
		field.Reserve(4096)
		switch f := field.(type) {
		case *array.StringBuilder:
			f.ReserveData(1 << 20)
		case *array.BinaryBuilder:
			f.ReserveData(1 << 20)
		case *array.ExtensionBuilder:
			f.StorageBuilder().(*array.StringBuilder).ReserveData(1 << 20)
		}
		v := []byte(value)
		if n := testing.AllocsPerRun(1000, func() {
			if c := columns[0]; c.check != nil && c.check(v) != nil {
				t.Fatalf("%s: %q is bad", d.show, v)
			}
			columns[0].append(field, v)
		}); n > 0 {
			t.Errorf("%s: %v allocations a value", d.show, n)
		}
		b.Release()
	}
}

func TestNumbers(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for _, want := range []int64{math.MinInt64, math.MaxInt64, 0, -1} {
		appendInt64(b, fmt.Append(nil, want))
		if got := b.Value(b.Len() - 1); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}
