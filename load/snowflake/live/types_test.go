package live_test

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/snowflake"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// everyType has a row of ordinary values, one of extreme ones, and one of NULLs, in each type that may be brought.
const everyType = `SELECT * FROM (VALUES
  (1::TINYINT, 1::SMALLINT, 1::INTEGER, 1::BIGINT, 1::UTINYINT, 1::USMALLINT, 1::UINTEGER, 1::UBIGINT, 1::HUGEINT, 12.50::DECIMAL(10,2), 0.5::DECIMAL(1,1), 0.000001::DECIMAL(38,10), 0.1::FLOAT, 0.1::DOUBLE, true,
   'Grüße'::VARCHAR, '00000000-0000-0000-0000-000000000001'::UUID, '{"a": [1, null]}'::JSON, '\x00\xFFz'::BLOB, DATE '2026-03-01', TIME '12:34:56.000001', TIMESTAMP '2026-03-01 02:03:04.123456', TIMESTAMPTZ '2026-03-01 02:03:04.123456+02', ['a', NULL], {'x': 1, 'y': 'z'}, '\N'),
  (-128, -32768, -2147483648, -9223372036854775808, 255, 65535, 4294967295, 18446744073709551615, 99999999999999999999999999999999999999::HUGEINT, -99999999.99, -0.9, 9999999999999999999999999999.9999999999, -3.25, 1.7976931348623157e308, false,
   '', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', ''::BLOB, DATE '0001-01-01', TIME '00:00:00', TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMPTZ '1970-01-01 00:00:00+00', [], NULL, ' two  blanks '),
  (127, 32767, 2147483647, 9223372036854775807, 0, 0, 0, 0, -99999999999999999999999999999999999999::HUGEINT, 99999999.99, 0.9, -9999999999999999999999999999.9999999999, 3.25, -1.7976931348623157e308, false,
   'a|b''"\\c' || chr(10) || chr(9) || '😀', 'ffffffff-ffff-ffff-ffff-fffffffffffe', '[]', 'abc'::BLOB, DATE '9999-12-31', TIME '23:59:59.999999', TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMPTZ '9999-12-31 00:00:00+00', [''], {'x': NULL, 'y': ''}, 'NULL'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) AS t(tiny, small, int, big, utiny, usmall, uint, ubig, huge, money, tenth, wide, single, double, bool, text, uuid, json, bytes, day, clock, ntz, ltz, list, struct, null_like)`

// TestTypes: values of every type arrive as they were, by each measure of the proof, in columns of the types that were asked for.
func TestTypes(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("TYPES")
		columns := p.fill(to, everyType)
		here, there := p.proofs(to, columns, everyType)
		for _, line := range sf.Compare(columns, here, there) {
			p.Error(line)
		}
		if here["n"] != "4" || here["hash"] == "" {
			p.Errorf("the proof is none: %v", here)
		}
		described := rows(p.exec(p.session, sf.Describe(to)))
		if len(described) != len(columns) {
			p.Fatalf("%d columns, not %d", len(described), len(columns))
		}
		for i, d := range described {
			if d["name"] != columns[i].Name || d["type"] != columns[i].Type {
				p.Errorf("%s is a %s, not a %s", d["name"], d["type"], columns[i].Type)
			}
		}
	})
}

// TestScanner: what the vectorized scanner of COPY makes of Parquet's logical types, read back without the proof's SQL.
func TestScanner(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("SCANNED")
		p.fill(to, everyType)
		got := p.values(p.session, `SELECT TO_VARCHAR("UBIG"), TO_VARCHAR("HUGE"), TO_VARCHAR("WIDE"), TO_VARCHAR("DAY", 'YYYY-MM-DD'), HEX_ENCODE("BYTES"), TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "NTZ")), TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "LTZ")), "TEXT", "NULL_LIKE" FROM `+to.String()+` ORDER BY "UBIG" NULLS LAST, "HUGE"`)
		want := strings.Join([]string{
			"0|-99999999999999999999999999999999999999|-9999999999999999999999999999.9999999999|9999-12-31|616263|253402300799999999|253402214400000000|a|b'\"\\\\c\n\t😀|NULL",
			"1|1|0.0000010000|2026-03-01|00FF7A|1772330584123456|1772323384123456|Grüße|\\N",
			"18446744073709551615|99999999999999999999999999999999999999|9999999999999999999999999999.9999999999|0001-01-01||-1|0|| two  blanks ",
			"~|~|~|~|~|~|~|~|~"}, "\n")
		if got != want {
			p.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestFloats: a FLOAT is told with all of its digits, as the proof asks for it, and so are those that are no numbers.
func TestFloats(t *testing.T) {
	everywhere(t, func(p *place) {
		const query = `SELECT * FROM (VALUES (1, 0.1::DOUBLE + 0.2::DOUBLE), (2, 52.520006599), (3, 1.2345678e-12), (4, 1.7976931348623157e308), (5, -5e-324),
  (6, 'NaN'::DOUBLE), (7, 'inf'::DOUBLE), (8, '-inf'::DOUBLE)) AS t(id, x)`
		to := p.table("FLOATS")
		columns := p.fill(to, query)
		here, there := p.proofs(to, columns, query)
		for _, line := range sf.Compare(columns, here, there) {
			p.Error(line)
		}
		got := strings.Split(p.values(p.session, `SELECT TO_VARCHAR("X", 'TME') FROM `+to.String()+` ORDER BY "ID"`), "\n")
		tenth := 0.1
		for i, want := range []float64{tenth + 0.2, 52.520006599, 1.2345678e-12, math.MaxFloat64, -math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
			if x, err := strconv.ParseFloat(got[i], 64); err != nil || x != want && !(math.IsNaN(x) && math.IsNaN(want)) {
				p.Errorf("%v is told as %s", want, got[i])
			}
		}
	})
}

// TestHash: MD5_NUMBER_LOWER64 is the last eight bytes of MD5 as a number, the most significant first. The proof stands on it.
func TestHash(t *testing.T) {
	everywhere(t, func(p *place) {
		for _, text := range []string{"", "a", "Grüße", "😀|~", strings.Repeat("x", 5000)} {
			sum := md5.Sum([]byte(text))
			want := fmt.Sprint(binary.BigEndian.Uint64(sum[8:]))
			r := p.bound(p.session, sf.Statement{SQL: "SELECT TO_VARCHAR(MD5_NUMBER_LOWER64(?)) AS H", Args: []any{text}})
			if got := column(r, "h")[0]; got != want {
				p.Errorf("of %d bytes: %s, want %s", len(text), got, want)
			}
		}
	})
}

// TestProofFinds: one value of 5,000 rows that differs is found, wherever it is.
func TestProofFinds(t *testing.T) {
	everywhere(t, func(p *place) {
		const query = "SELECT i AS id, CAST(i * 7 % 11 AS DECIMAL(12,2)) AS amount, 'row ' || i AS name FROM range(5000) AS r(i)"
		to := p.table("PROVEN")
		columns := p.fill(to, query)
		here, there := p.proofs(to, columns, query)
		if lines := sf.Compare(columns, here, there); len(lines) > 0 {
			p.Fatalf("equal rows differ: %v", lines)
		}
		for _, change := range []string{
			`UPDATE ` + to.String() + ` SET "NAME" = 'raw 4711' WHERE "ID" = 4711`,
			`DELETE FROM ` + to.String() + ` WHERE "ID" = 17`,
			`INSERT INTO ` + to.String() + ` ("ID", "AMOUNT", "NAME") VALUES (1, 7, 'row 1')`,
		} {
			p.exec(p.session, "BEGIN", change)
			_, there := p.proofs(to, columns, query)
			p.exec(p.session, "ROLLBACK")
			if lines := sf.Compare(columns, here, there); len(lines) == 0 {
				p.Errorf("not found: %s", change)
			}
		}
	})
}

// TestNames: reserved words, blanks and quotes are names like others.
func TestNames(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table(`SELECT "ÄÖ" FROM`)
		const query = `SELECT 1 AS "order", 'x' AS "a ""quoted"" name", 2 AS "größe"`
		columns := p.fill(to, query)
		here, there := p.proofs(to, columns, query)
		if lines := sf.Compare(columns, here, there); len(lines) > 0 {
			p.Error(lines)
		}
		if r := rows(p.exec(p.session, sf.ShowTables(to))); len(r) != 1 || r[0]["name"] != to.Name {
			p.Errorf("SHOW TABLES lists %v", r)
		}
	})
}

// TestWidening: a number gets more digits and a text more room, and the rows stay.
func TestWidening(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("NARROW")
		p.exec(p.session, "CREATE TABLE "+to.String()+` ("A" NUMBER(5,0), "B" VARCHAR(10))`, "INSERT INTO "+to.String()+` ("A", "B") VALUES (12345, 'b')`,
			sf.AlterType(to, "A", "NUMBER(19,0)"), sf.AlterType(to, "B", "VARCHAR(100)"))
		p.exec(p.session, sf.AddColumns(to, []sf.Column{{Name: "C", Type: "BOOLEAN"}})...)
		p.exec(p.session, sf.AddColumns(to, []sf.Column{{Name: "C", Type: "BOOLEAN"}})...) // again
		if got := strings.Join(column(p.exec(p.session, sf.Describe(to)), "type"), " "); got != "BOOLEAN NUMBER(19,0) VARCHAR(100)" {
			p.Error(got)
		}
		if got := p.values(p.session, `SELECT TO_VARCHAR("A"), "B", "C" FROM `+to.String()); got != "12345|b|~" {
			p.Error(got)
		}
		if _, err := p.session.Exec(p.Context(), snowflake.Statement{SQL: sf.AlterType(to, "A", "NUMBER(19,2)")}); err == nil {
			p.Error("another scale was accepted")
		}
	})
}
