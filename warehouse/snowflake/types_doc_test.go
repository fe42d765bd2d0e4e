package snowflake_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// documented are the types of docs/snowflake-types.md, in its order. What they become is asked of the code.
var documented = []struct{ typ, example, note string }{
	{"BOOLEAN", "true", ""},
	{"TINYINT", "-128", ""}, {"SMALLINT", "-32768", ""}, {"INTEGER", "-2147483648", ""}, {"BIGINT", "-9223372036854775808", ""},
	{"UTINYINT", "255", ""}, {"USMALLINT", "65535", ""}, {"UINTEGER", "4294967295", ""}, {"UBIGINT", "18446744073709551615", ""},
	{"HUGEINT", "99999999999999999999999999999999999999", "a number of more than 38 digits makes the load fail"},
	{"UHUGEINT", "99999999999999999999999999999999999999", "the same"},
	{"DECIMAL(12,2)", "-0.05", "at most 37 digits after the point"},
	{"FLOAT", "0.1", "becomes the nearest number of 64 bits, which is the same one: 0.10000000149011612"},
	{"DOUBLE", "1e300", "NaN and ±Infinity are sent as they are: see what is not proven"},
	{"VARCHAR", "it's ü🤦", "up to 16 MB"},
	{"JSON", `{"a": 1}`, "the text, exactly as it is"},
	{"ENUM('a', 'b')", "a", "its label"},
	{"UUID", "0b8e7f0a-0000-4000-8000-00000000000f", "lower case"},
	{"BLOB", "00FF10", "up to 8 MB"},
	{"DATE", "2024-02-29", "years 1 to 9999"},
	{"TIME", "23:59:59.999999", "24:00:00 is refused"},
	{"TIMESTAMP", "2024-02-29 12:00:00.000001", "years 1 to 9999"},
	{"TIMESTAMP_S", "2024-02-29 12:00:00", "the same"}, {"TIMESTAMP_MS", "2024-02-29 12:00:00.001", "the same"},
	{"TIMESTAMP WITH TIME ZONE", "2024-02-29 12:00:00+00", "the instant; years 1 to 9999"},
	{"INTEGER[]", "[1,null]", "JSON, as DuckDB's to_json writes it; a NaN in it is written NaN, which is no JSON"},
	{"STRUCT(a INTEGER)", `{"a":1}`, "the same"},
	{"MAP(VARCHAR, INTEGER)", `{"k":1}`, "the same"},
	{"INTERVAL", "1 day 02:00:00", "its text, as the local target has it"},
	{"TIME WITH TIME ZONE", "12:00:00+02", "the same"}, {"TIME_NS", "12:00:00.000000001", "the same"}, {"BIT", "101", "the same"},
	{"BIGNUM", "100000000000000000000000000000000000000000", "the same"},
}

// refused are the types that Columns refuses, or that the local target has refused before; what Columns says of them is asked of it.
var refused = []string{"TIMESTAMP_NS", "DECIMAL(38,38)", "UNION(a INTEGER, b VARCHAR)", "VARIANT"}

// published is a column as the local target has it, and what it becomes.
func published(t *testing.T, typ string) (stored string, c snowflake.Column) {
	t.Helper()
	stored, err := warehouse.Stored(typ)
	if err != nil {
		t.Fatal(err)
	}
	return stored, columns(t, "x", stored)[0]
}

// TestTypesDoc keeps docs/snowflake-types.md what the code does; -update rewrites it.
func TestTypesDoc(t *testing.T) {
	var taken, not strings.Builder
	for _, d := range documented {
		stored, c := published(t, d.typ)
		file := c.File
		if own, err := warehouse.ParseType(d.typ); err == nil && file == "" {
			if file = "as it is"; own.String() != stored {
				file += ": " + stored
			}
		}
		fmt.Fprintf(&taken, "| %s | %s | %s | `%s` | %s |\n", d.typ, c.Type, file, d.example, d.note)
	}
	for _, typ := range refused {
		_, err := snowflake.Columns([]warehouse.Column{{Name: "x", Type: typ}})
		if err == nil {
			t.Fatalf("%s is not refused", typ)
		}
		_, why, _ := strings.Cut(err.Error(), "cannot be brought to Snowflake: ")
		fmt.Fprintf(&not, "| %s | %s |\n", typ, why)
	}
	const path = "../../docs/snowflake-types.md"
	want := fmt.Sprintf(typesDoc, taken.String(), not.String())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the code does (%v): go test ./warehouse/snowflake -run TypesDoc -update", path, err)
	}
}

// TestDocumentedExamples: each example is a value of its type, and reaches the file as it is told.
func TestDocumentedExamples(t *testing.T) {
	w, _ := open(t)
	for _, d := range documented {
		stored, c := published(t, d.typ)
		value := "CAST('" + strings.ReplaceAll(d.example, "'", "''") + "' AS " + d.typ + ")"
		switch {
		case d.typ == "BLOB":
			value = "unhex('" + d.example + "')"
		case strings.HasPrefix(d.typ, "STRUCT"):
			value = "{'a': 1}"
		case strings.HasPrefix(d.typ, "MAP"):
			value = "MAP {'k': 1}"
		}
		answer, err := w.Query(t.Context(), snowflake.FileSelect([]snowflake.Column{c}, "(SELECT CAST("+value+" AS "+stored+") AS x)"))
		if err != nil {
			t.Errorf("%s: %v", d.typ, err)
			continue
		}
		held, err := warehouse.Stored(answer.Columns[0].Type)
		if err != nil || held != answer.Columns[0].Type {
			t.Errorf("%s: the file would not hold a %s, but %s (%v)", d.typ, answer.Columns[0].Type, held, err)
		}
		if text, ok := answer.Rows[0][0].(string); ok && text != d.example {
			t.Errorf("%s: %s became %s", d.typ, d.example, text)
		}
	}
}

const typesDoc = `# What types become in Snowflake

What was published locally is the truth, and Snowflake follows it. Each column of a table becomes one of Snowflake's, by this
table. No value is ever rounded, cut or replaced: what the type on the right cannot hold is refused before anything is sent, with the column, the
reason and the way out.

| local (DuckDB) | Snowflake | in the file that is sent | example | remarks |
|---|---|---|---|---|
%s
*In the file*: where it says "as it is" for all columns of a table, its local Parquet files may be sent untouched. Otherwise they are written anew
with these types. So they are for a column whose name has letters beyond ASCII, because what a name without regard to case is then is nowhere told. What the local
target itself stores as another type is shown with that.

## What is refused

| local (DuckDB) | what to do |
|---|---|
%s
Values are refused too: a text of more than 16 MB (16,777,216 bytes) or bytes of more than 8 MB (8,388,608), which every account takes. Accounts with
Snowflake's bundle 2025_03 could take 128 MB and 64 MB, but Millrace makes tables that every account takes. A date or a time before the year 1 or
after 9999, an infinite one, and 24:00:00. Snowflake itself advises against years before 1582. A row of more than 16 MB in all is refused by COPY where
local files are sent as they are and their columns have small letters: names are then matched without regard to case, for which Snowflake makes one VARIANT of a row.

Names of columns become upper case. Two that would be one, a name of more than 255 characters, one with control characters, and one that begins
with ` + "`_mr_`" + ` are refused: rename the column in a model.

## When a type has changed

A NUMBER gets more digits before the point, and a text a greater length, by ALTER TABLE, before the load. Nothing else can be altered
in Snowflake: not the digits after the point, not the length of a BINARY, not one type into another. Such a load fails and names the column;
` + "`millrace push --renew schema.table`" + ` makes the table anew. A column that is new is added, with NULL in the rows that are there. A column that
is gone locally stays in Snowflake, and is NULL in new rows, until the table is made anew.

## How equality is proven

After COPY, and by ` + "`millrace verify --target`" + `, both sides count the same things, each with its own engine, and must agree:

- rows; for each column, how many values are not NULL;
- minimum and maximum of numbers, dates and times;
- sums of integers and decimals up to 28 digits, and of how often a BOOLEAN is true. Those with more digits are in the hash;
- of texts and bytes, how many bytes they have together and how many the longest. Not their minimum: a collation that somebody has set would
  change it;
- the sum, over all rows, of 64 bits of the MD5 of the row's text. That has numbers with all digits of their scale, dates as
  YYYY-MM-DD, times and timestamps as microseconds, bytes in hex, ` + "`~`" + ` for NULL, and texts behind their length, so that no two rows have the same
  text. A text of more than 1000 bytes stands there as its own MD5. Of a FLOAT it has only whether it is NULL, because engines do not write them alike.

So a FLOAT that differs between the minimum and the maximum of its column is not found. A decimal is: use one where every digit counts.

## What is not proven

No account could be asked. These rest on documentation, on what other tools do, or on nothing that can be cited, and the live suite looks at them; where one is wrong, the proof
finds that sides differ, and the load fails with the table untouched:

- that COPY keeps NaN and ±Infinity in a FLOAT;
- that ` + "`TO_VARCHAR(x, 'TME')`" + ` writes a FLOAT with its 17 digits, and NaN and ±Infinity in words that any reader of floats takes. A FLOAT in an answer of
  the JSON format has nine, so bounds are asked for as texts;
- that COPY takes a Parquet timestamp that is adjusted to UTC into TIMESTAMP_LTZ as the same instant, and a TIME in microseconds as itself;
- that a NUMBER is written with all digits of its scale by TO_VARCHAR, 0.50 and not .5 or 0.5;
- that years before 1582 are counted in both engines by today's calendar.
`
