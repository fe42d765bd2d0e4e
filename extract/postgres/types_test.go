package postgres

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "rewrite golden files")

// documented are the types of docs/postgres-types.md, in its order. What they land as is asked of the code.
var documented = []struct {
	typ  string
	attr attribute
	note string
}{
	{"boolean", base("x", oidBool, -1), ""},
	{"smallint", base("x", oidInt2, -1), ""},
	{"integer", base("x", oidInt4, -1), ""},
	{"bigint", base("x", oidInt8, -1), ""},
	{"oid", base("x", oidOID, -1), ""},
	{"real", base("x", oidFloat4, -1), "with NaN, ±Infinity and -0"},
	{"double precision", base("x", oidFloat8, -1), "with NaN, ±Infinity and -0"},
	{"numeric(12,2)", base("x", oidNumeric, numericMod(12, 2)), "p up to 38; NaN is rejected"},
	{"numeric(3,-4)", base("x", oidNumeric, numericMod(3, -4)), "DECIMAL has no negative scale, so it is wider"},
	{"numeric(2,5)", base("x", oidNumeric, numericMod(2, 5)), "nor a scale above its precision"},
	{"numeric(39,2) and wider", base("x", oidNumeric, numericMod(39, 2)), ""},
	{"numeric", base("x", oidNumeric, -1), ""},
	{"money", base("x", oidMoney, -1), "the scale is that of the server's lc_monetary"},
	{"text, varchar, name, citext", base("x", oidText, -1), "exactly as stored"},
	{"char(n)", base("x", oidBpchar, -1), "exactly as stored, with the blanks that fill it up"},
	{`"char"`, base("x", oidChar, -1), `one byte; beyond ASCII as \ooo, as PostgreSQL 16 prints it`},
	{"bytea", base("x", oidBytea, -1), ""},
	{"date", base("x", oidDate, -1), "with BC and ±infinity"},
	{"time", base("x", oidTime, -1), "with 24:00:00"},
	{"timestamp", base("x", oidTimestamp, -1), "with BC and ±infinity; rejected after 294247-01-10 04:00:54.775806"},
	{"timestamptz", base("x", oidTimestamptz, -1), "the same"},
	{"uuid", base("x", oidUUID, -1), ""},
	{"json", base("x", oidJSON, -1), "exactly as stored; half of a surrogate pair, which PostgreSQL lets pass and DuckDB does not, is rejected"},
	{"jsonb", base("x", oidJSONB, -1), ""},
	{"an enum", attribute{name: "x", typ: pgType{oid: 99999, kind: "e"}}, "its label"},
	{"integer[]", arrayOf("x", oidInt4, -1, 1), "and so for each type above; see arrays"},
	{"integer[][]", arrayOf("x", oidInt4, -1, 2), "as many lists as dimensions were declared"},
	{"time with time zone, interval", base("x", 1186, -1), ""},
	{"inet", base("x", oidInet, -1), ""},
	{"cidr, macaddr, macaddr8", base("x", 650, -1), ""},
	{"bit, bit varying", base("x", 1560, -1), ""},
	{"ranges and multiranges", attribute{name: "x", typ: pgType{oid: 3904, kind: "r"}}, ""},
	{"composite types", attribute{name: "x", typ: pgType{oid: 99998, kind: "c"}}, ""},
	{"point, line, lseg, box, path, polygon, circle", base("x", 600, -1), ""},
	{"tsvector, tsquery, xml, jsonpath, pg_lsn", base("x", 3614, -1), ""},
	{"oidvector, int2vector, xid, xid8, cid, tid, regclass and its like", base("x", 30, -1), ""},
	{"hstore, geometry, vector and other types of extensions", attribute{name: "x", typ: pgType{oid: 99997, kind: "b", extension: "hstore"}}, ""},
	{"interval[]", arrayOf("x", 1186, -1, 1), "and so for each type that lands as text"},
}

const typesDoc = `# What PostgreSQL's types land as

A domain lands as what it is made of. No value is ever rounded, cut or replaced: what the type on the right cannot hold
is rejected, with its column, its row and the reason, or lands as text.

| PostgreSQL | lands as | SELECT | remarks |
|---|---|---|---|
%s
## Pins

` + "`columns: {name: TYPE}`" + ` under a stream says otherwise:

- ` + "`VARCHAR`" + ` on any column: its text, cast by the server. On an array, the whole array's text; ` + "`VARCHAR[]`" + ` keeps the list.
- ` + "`DECIMAL(p,s)`" + ` on numeric and money, ` + "`DECIMAL(p,s)[]`" + ` on their arrays: exactly, or rejected. A number with more digits after
  the point has the reason ` + "`inexact_cast`" + `, one that is too large, NaN and ±Infinity have ` + "`bad_cast`" + `.
- the type in the table, which changes nothing.

Anything else is an error before anything is read: convert in a view, in the stream's query, or in a model.

## Arrays

PostgreSQL does not hold a column to the dimensions that were declared for it, and forgets them in views and in
` + "`CREATE TABLE AS`" + `; where it does not tell, one is assumed. An array with another number of dimensions, or one that does not
start at index 1, is rejected; the pin ` + "`VARCHAR`" + ` keeps its text. An empty array is an empty list. Elements may be NULL.
`

// TestTypesDoc keeps docs/postgres-types.md what the code does; -update rewrites it.
func TestTypesDoc(t *testing.T) {
	var b strings.Builder
	for _, d := range documented {
		c := mustColumns(t, d.attr)[0]
		note := strings.Join(slices.DeleteFunc([]string{c.note, d.note}, func(s string) bool { return s == "" }), "; ")
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", d.typ, c.duckType, c.expr, note)
	}
	const path = "../../docs/postgres-types.md"
	want := fmt.Sprintf(typesDoc, b.String())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the code does (%v): go test ./extract/postgres -run TypesDoc -update", path, err)
	}
}

func TestPins(t *testing.T) {
	for _, c := range []struct {
		attr      attribute
		pin       string
		duck      string
		expr      string
		complaint string
	}{
		{base("x", oidInt4, -1), "integer", "INTEGER", `"x"`, ""},
		{base("x", oidInt4, -1), "text", "VARCHAR", `"x"::pg_catalog.text`, ""},
		{base("x", oidInt4, -1), "BIGINT", "", "", "lands as INTEGER or VARCHAR"},
		{base("x", oidInt4, -1), "DECIMAL(9,0)", "", "", "lands as INTEGER or VARCHAR"},
		{base("x", oidText, -1), "string", "VARCHAR", `"x"`, ""},
		{base(`a"b`, oidTimestamptz, -1), "timestamp with  time zone", "TIMESTAMP WITH TIME ZONE", `"a""b"`, ""},
		{base("x", oidTimestamptz, -1), "TIMESTAMP", "", "", "lands as TIMESTAMP WITH TIME ZONE or VARCHAR"},
		{base("x", oidNumeric, -1), "decimal( 18 , 4 )", "DECIMAL(18,4)", `"x"`, ""},
		{base("x", oidNumeric, -1), "numeric(5)", "DECIMAL(5,0)", `"x"`, ""},
		{base("x", oidNumeric, -1), "DECIMAL", "DECIMAL(18,3)", `"x"`, ""},
		{base("x", oidNumeric, -1), "DECIMAL(39,1)", "", "", "lands as VARCHAR or DECIMAL(p,s) with p up to 38"},
		{base("x", oidNumeric, -1), "DECIMAL(3,4)", "", "", "cannot be pinned"},
		{base("x", oidNumeric, -1), "DECIMAL(3,4", "", "", "cannot be pinned"},
		{base("x", oidNumeric, -1), "DOUBLE", "", "", "type DOUBLE cannot be pinned"},
		{base("x", oidNumeric, numericMod(9, 2)), "DECIMAL(9,1)", "DECIMAL(9,1)", `"x"`, ""},
		{base("x", oidMoney, -1), "DECIMAL(9,2)", "DECIMAL(9,2)", `"x"::pg_catalog.numeric`, ""},
		{base("x", oidMoney, -1), "VARCHAR", "VARCHAR", `"x"::pg_catalog.text`, ""},
		{base("x", oidInet, -1), "VARCHAR", "VARCHAR", `pg_catalog.textin(pg_catalog.inet_out("x"))`, ""},
		{arrayOf("x", oidInet, -1, 1), "", "VARCHAR[]", `"x"::pg_catalog.text::pg_catalog.text[]`, ""},
		{arrayOf("x", oidInet, -1, 1), "VARCHAR", "VARCHAR", `"x"::pg_catalog.text`, ""},
		{arrayOf("x", oidInt8, -1, 2), "bigint[][]", "BIGINT[][]", `"x"`, ""},
		{arrayOf("x", oidInt8, -1, 2), "bigint[]", "", "", "lands as BIGINT[][] or VARCHAR or VARCHAR[][]"},
		{arrayOf("x", oidInt8, -1, 2), "VARCHAR", "VARCHAR", `"x"::pg_catalog.text`, ""},
		{arrayOf("x", oidInt8, -1, 2), "text[][]", "VARCHAR[][]", `"x"::pg_catalog.text[]`, ""},
		{arrayOf("x", oidNumeric, -1, 0), "DECIMAL(9,2)[]", "DECIMAL(9,2)[]", `"x"`, ""},
		{arrayOf("x", oidNumeric, -1, 0), "DECIMAL(9,2)", "", "", "lands as VARCHAR[] or DECIMAL(p,s)[] with p up to 38 or VARCHAR"},
		{arrayOf("x", oidMoney, -1, 0), "DECIMAL(9,2)[]", "DECIMAL(9,2)[]", `"x"::pg_catalog.numeric[]`, ""},
	} {
		pins := map[string]string{}
		if c.pin != "" {
			pins[c.attr.name] = c.pin
		}
		columns, err := columnsFor([]attribute{c.attr}, pins)
		switch {
		case c.complaint != "":
			if err == nil || !strings.Contains(err.Error(), c.complaint) || !strings.Contains(err.Error(), `column "x"`) {
				t.Errorf("%s pinned as %s: %v", c.attr.sqlType, c.pin, err)
			}
		case err != nil:
			t.Errorf("%s pinned as %s: %v", c.attr.sqlType, c.pin, err)
		case columns[0].duckType != c.duck || columns[0].expr != c.expr:
			t.Errorf("%s pinned as %q: %s by %s", c.attr.sqlType, c.pin, columns[0].duckType, columns[0].expr)
		}
	}
	if _, err := columnsFor([]attribute{base("a", oidInt4, -1)}, map[string]string{"b": "VARCHAR"}); err == nil || !strings.Contains(err.Error(), `"b" is pinned and is not there`) {
		t.Error(err)
	}
	if _, err := columnsFor([]attribute{base("a", oidInt4, -1), base("A", oidInt4, -1)}, nil); err == nil || !strings.Contains(err.Error(), `"a" and "A"`) {
		t.Error(err)
	}
}

func TestCatalog(t *testing.T) {
	conn := exact(t)
	run(t, conn, setup)
	run(t, conn, `
		CREATE DOMAIN pg_temp.grid AS cents2[][];
		CREATE DOMAIN pg_temp.grids AS grid;
		CREATE TEMP TABLE base (id int8 PRIMARY KEY, gone int, "Née ""x""" varchar(5) NOT NULL, m mood, c cents2, g grids, gs grids[], ct citext, h hstore, ms money[], a int[][], v oidvector, twice int GENERATED ALWAYS AS (1 + 1) STORED);
		ALTER TABLE base DROP COLUMN gone;
		CREATE TEMP VIEW seen AS SELECT * FROM base;
		CREATE TEMP TABLE empty ()`)
	describe := func(attrs []attribute, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		columns, err := columnsFor(attrs, nil)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, c := range columns {
			lines = append(lines, fmt.Sprintf("%s: %s as %s, null %v", c.expr, c.sqlType, c.duckType, c.nullable))
		}
		return strings.Join(lines, "\n")
	}
	oid := func(table string) (oid uint32) {
		if err := conn.QueryRow(t.Context(), "SELECT $1::regclass::oid", table).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		return oid
	}
	want := `"id": bigint as BIGINT, null false
"Née ""x""": character varying(5) as VARCHAR, null false
"m": mood as VARCHAR, null true
"c": cents2 as DECIMAL(12,2), null true
"g": grids as DECIMAL(12,2)[], null true
"gs"::pg_catalog.text[]: grids[] as VARCHAR[], null true
"ct": citext as VARCHAR, null true
"h"::pg_catalog.text: hstore as VARCHAR, null true
"ms"::pg_catalog.numeric[]: money[] as DECIMAL(19,2)[], null true
"a": integer[] as INTEGER[][], null true
"v"::pg_catalog.text: oidvector as VARCHAR, null true
"twice": integer as INTEGER, null true`
	want = strings.Replace(want, "as DECIMAL(12,2)[], null", "as DECIMAL(12,2)[][], null", 1) // a domain declares dimensions too
	if got := describe(loadAttributes(t.Context(), conn, oid("base"))); got != want {
		t.Errorf("table:\n%s\nwant\n%s", got, want)
	}
	// A view forgets what was NOT NULL and how many dimensions an array has.
	blind := strings.ReplaceAll(want, "null false", "null true")
	if got := describe(loadAttributes(t.Context(), conn, oid("seen"))); got != strings.Replace(blind, "INTEGER[][]", "INTEGER[]", 1) {
		t.Errorf("view:\n%s", got)
	}
	if got := describe(loadQueryAttributes(t.Context(), conn, "SELECT * FROM base WHERE id > 3")); got != blind {
		t.Errorf("query:\n%s\nwant\n%s", got, blind)
	}
	if got := describe(loadQueryAttributes(t.Context(), conn, `SELECT 1 AS a, 'x' AS b, NULL AS c, ROW(1, 2) AS d, most_common_vals AS e, 1.5 AS f, '{1}'::int[] AS g FROM pg_stats`)); got != `"a": integer as INTEGER, null true
"b": text as VARCHAR, null true
"c": text as VARCHAR, null true
"d"::pg_catalog.text: record as VARCHAR, null true
"e"::pg_catalog.text: anyarray as VARCHAR, null true
"f"::pg_catalog.text: numeric as VARCHAR, null true
"g": integer[] as INTEGER[], null true` {
		t.Errorf("query without a table:\n%s", got)
	}
	if got := describe(loadAttributes(t.Context(), conn, oid("empty"))); got != "" {
		t.Errorf("no columns: %s", got)
	}
	if _, err := loadQueryAttributes(t.Context(), conn, "SELECT nothing"); err == nil || !strings.Contains(err.Error(), "prepare the query") {
		t.Error(err)
	}
	// What was described can be copied.
	columns, err := columnsFor(mustAttrs(t, conn, `SELECT ROW(1, 2) AS d, most_common_vals AS e FROM pg_stats`), nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, conn, fmt.Sprintf("SELECT %s, %s FROM (SELECT ROW(1, 2) AS d, most_common_vals AS e FROM pg_stats) AS q", columns[0].expr, columns[1].expr))
}

func mustAttrs(t *testing.T, conn *pgx.Conn, query string) []attribute {
	attrs, err := loadQueryAttributes(t.Context(), conn, query)
	if err != nil {
		t.Fatal(err)
	}
	return attrs
}
