package mysql

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	driver "github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/internal/arrowx"
	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/warehouse"
)

// roundtrip is one column of the table that goes from the server to Parquet and is compared, cell by cell, with what
// the command-line client shows of it.
type roundtrip struct {
	name, ddl, pin string
	duck           string                     // what it is landed as
	show           string                     // what the client is asked for; the column when ""
	extremes       []string                   // SQL literals
	random         func(r *rand.Rand) string  // one more
	same           func(string, string) bool  // client's and ours, when their texts differ; equal text when nil
	normal         func(client string) string // what DuckDB shows of the client's text
}

func literalText(r *rand.Rand, n int, alphabet []rune) string {
	var b strings.Builder
	for range r.IntN(n + 1) {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return literal(b.String())
}

func literal(s string) string {
	return "CONVERT(x'" + hex.EncodeToString([]byte(s)) + "' USING utf8mb4)"
}

func literalBytes(r *rand.Rand, n int) string {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return "x'" + hex.EncodeToString(b) + "'"
}

func between(low, high int64) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return strconv.FormatInt(low+int64(r.Uint64N(uint64(high-low)+1)), 10) }
}

func digits(r *rand.Rand, precision, scale int) string {
	n := r.IntN(precision + 1)
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	b.WriteByte('0')
	for i := range n {
		if i == n-scale {
			b.WriteByte('.')
		}
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	return b.String()
}

func datetime(r *rand.Rand, fsp int) string {
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", 1+r.IntN(9999), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	if fsp > 0 {
		s += fmt.Sprintf(".%0*d", fsp, r.IntN(int(math.Pow10(fsp))))
	}
	return "'" + s + "'"
}

// The differences between the texts of the client and of DuckDB for one value.
var (
	asNumber  = func(s string) string { return strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:] } // ZEROFILL pads with zeros
	asHex     = func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }     // the client shows bytes as they are
	fromBits  = func(s string) string { return strconv.FormatUint(bitsOf([]byte(s)), 10) }          // the same for BIT
	shortTime = func(s string) string {                                                             // DuckDB leaves out zeros after the point
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	zoned    = func(s string) string { return shortTime(s) + "+00" }
	truth    = func(s string) string { return map[string]string{"0": "false", "1": "true"}[s] }
	bitTruth = func(s string) string { return truth(fromBits(s)) }
	sameBits = func(client, ours string) bool { // shortest texts of one DOUBLE may differ in their exponent
		a, err1 := strconv.ParseFloat(client, 64)
		b, err2 := strconv.ParseFloat(ours, 64)
		return err1 == nil && err2 == nil && math.Float64bits(a) == math.Float64bits(b)
	}
	sameFloat = func(client, ours string) bool { // the client shows the FLOAT as the DOUBLE it equals
		a, err1 := strconv.ParseFloat(client, 64)
		b, err2 := strconv.ParseFloat(ours, 32)
		return err1 == nil && err2 == nil && a == b
	}
)

func roundtrips() []roundtrip {
	latin, all := []rune("abcXYZ äöü€ß\t\n\\'\"%"), []rune("az ÄЖ中😀\u0000\t\n\r\\'\"\u200b\uffff")
	text := func(r *rand.Rand) string { return literalText(r, 12, all) }
	return []roundtrip{
		{name: "ti", ddl: "TINYINT", duck: "TINYINT", extremes: []string{"-128", "127", "0"}, random: between(-128, 127)},
		{name: "tiu", ddl: "TINYINT UNSIGNED", duck: "UTINYINT", extremes: []string{"0", "255"}, random: between(0, 255)},
		{name: "ti1", ddl: "TINYINT(1)", duck: "TINYINT", extremes: []string{"0", "1", "127"}, random: between(-3, 3)},
		{name: "bo", ddl: "BOOL", pin: "BOOLEAN", duck: "BOOLEAN", extremes: []string{"TRUE", "FALSE"}, random: between(0, 1), normal: truth},
		{name: "si", ddl: "SMALLINT", duck: "SMALLINT", extremes: []string{"-32768", "32767"}, random: between(-32768, 32767)},
		{name: "siu", ddl: "SMALLINT UNSIGNED", duck: "USMALLINT", extremes: []string{"65535"}, random: between(0, 65535)},
		{name: "mi", ddl: "MEDIUMINT", duck: "INTEGER", extremes: []string{"-8388608", "8388607"}, random: between(-8388608, 8388607)},
		{name: "miu", ddl: "MEDIUMINT UNSIGNED", duck: "UINTEGER", extremes: []string{"16777215"}, random: between(0, 16777215)},
		{name: "i", ddl: "INT", duck: "INTEGER", extremes: []string{"-2147483648", "2147483647"}, random: between(math.MinInt32, math.MaxInt32)},
		{name: "iu", ddl: "INT UNSIGNED", duck: "UINTEGER", extremes: []string{"4294967295"}, random: between(0, math.MaxUint32)},
		{name: "iz", ddl: "INT(10) UNSIGNED ZEROFILL", duck: "UINTEGER", extremes: []string{"0", "7", "4294967295"}, random: between(0, 1000), normal: asNumber},
		{name: "bi", ddl: "BIGINT", duck: "BIGINT", extremes: []string{"-9223372036854775808", "9223372036854775807"}, random: func(r *rand.Rand) string { return strconv.FormatInt(int64(r.Uint64()), 10) }},
		{name: "biu", ddl: "BIGINT UNSIGNED", duck: "UBIGINT", extremes: []string{"18446744073709551615", "9223372036854775808"}, random: func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 10) }},
		{name: "biv", ddl: "BIGINT UNSIGNED ZEROFILL", pin: "VARCHAR", duck: "VARCHAR", extremes: []string{"18446744073709551615", "1"}, random: between(0, 9)},
		{name: "d10", ddl: "DECIMAL(10,2)", duck: "DECIMAL(10,2)", extremes: []string{"-99999999.99", "99999999.99", "0", "-0.01"}, random: func(r *rand.Rand) string { return digits(r, 10, 2) }},
		{name: "d10z", ddl: "DECIMAL(10,2) UNSIGNED ZEROFILL", duck: "DECIMAL(10,2)", extremes: []string{"99999999.99", "0.50"}, random: func(r *rand.Rand) string { return strings.TrimPrefix(digits(r, 10, 2), "-") },
			normal: func(s string) string { return asNumber(s[:8]) + s[8:] }},
		{name: "d38", ddl: "DECIMAL(38,0)", duck: "DECIMAL(38,0)", extremes: []string{"-" + strings.Repeat("9", 38), strings.Repeat("9", 38)}, random: func(r *rand.Rand) string { return digits(r, 38, 0) }},
		{name: "d38s", ddl: "DECIMAL(38,30)", duck: "DECIMAL(38,30)", extremes: []string{"-99999999." + strings.Repeat("9", 30), "0." + strings.Repeat("0", 29) + "1"}, random: func(r *rand.Rand) string { return digits(r, 38, 30) }},
		{name: "d65", ddl: "DECIMAL(65,30)", duck: "VARCHAR", extremes: []string{"-" + strings.Repeat("9", 35) + "." + strings.Repeat("9", 30)}, random: func(r *rand.Rand) string { return digits(r, 65, 30) }},
		{name: "d65p", ddl: "DECIMAL(65,4)", pin: "decimal(38, 4)", duck: "DECIMAL(38,4)", extremes: []string{"-" + strings.Repeat("9", 34) + ".9999", "0"}, random: func(r *rand.Rand) string { return digits(r, 38, 4) }},
		{name: "f", ddl: "FLOAT", duck: "FLOAT", show: "f + 0e0", extremes: []string{"3.4028234663852886e38", "-3.4028234663852886e38", "1.1754943508222875e-38", "1.401298464324817e-45", "16777217", "0.1", "0"},
			random: randomFloat32, same: sameFloat},
		{name: "fd", ddl: "FLOAT(7,3)", duck: "FLOAT", show: "fd + 0e0", extremes: []string{"9999.999", "0.001"}, random: func(r *rand.Rand) string { return digits(r, 6, 3) }, same: sameFloat},
		{name: "d", ddl: "DOUBLE", duck: "DOUBLE", extremes: []string{"1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "0.1", "9007199254740993", "1e15", "123456789012345680"}, random: randomFloat64, same: sameBits},
		{name: "dd", ddl: "DOUBLE(20,2)", duck: "DOUBLE", show: "dd + 0e0", extremes: []string{"999999999999999999.99", "0.1"}, random: func(r *rand.Rand) string { return digits(r, 16, 2) }, same: sameBits},
		{name: "fv", ddl: "FLOAT", pin: "VARCHAR", duck: "VARCHAR", show: "fv + 0e0", extremes: []string{"0.1"}, random: randomFloat32},
		{name: "b1", ddl: "BIT(1)", duck: "UBIGINT", extremes: []string{"0", "1"}, random: between(0, 1), normal: fromBits},
		{name: "b1b", ddl: "BIT(1)", pin: "BOOLEAN", duck: "BOOLEAN", extremes: []string{"0", "1"}, random: between(0, 1), normal: bitTruth},
		{name: "b12", ddl: "BIT(12)", duck: "UBIGINT", extremes: []string{"4095"}, random: between(0, 4095), normal: fromBits},
		{name: "b64", ddl: "BIT(64)", duck: "UBIGINT", extremes: []string{"18446744073709551615"}, random: func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 10) }, normal: fromBits},
		{name: "b64v", ddl: "BIT(64)", pin: "VARCHAR", duck: "VARCHAR", extremes: []string{"18446744073709551615"}, random: func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 10) }, normal: fromBits},
		{name: "y", ddl: "YEAR", duck: "SMALLINT", extremes: []string{"0", "1901", "2155"}, random: between(1901, 2155), normal: asNumber},
		{name: "dt", ddl: "DATE", duck: "DATE", extremes: []string{"'0001-01-01'", "'9999-12-31'", "'2000-02-29'", "'1582-10-10'", "'1969-12-31'"}, random: func(r *rand.Rand) string { return datetime(r, 0)[:11] + "'" }},
		{name: "dm0", ddl: "DATETIME", duck: "TIMESTAMP", extremes: []string{"'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"}, random: func(r *rand.Rand) string { return datetime(r, 0) }},
		{name: "dm3", ddl: "DATETIME(3)", duck: "TIMESTAMP", extremes: []string{"'1969-12-31 23:59:59.999'"}, random: func(r *rand.Rand) string { return datetime(r, 3) }, normal: shortTime},
		{name: "dm6", ddl: "DATETIME(6)", duck: "TIMESTAMP", extremes: []string{"'9999-12-31 23:59:59.999999'", "'0001-01-01 00:00:00.000001'"}, random: func(r *rand.Rand) string { return datetime(r, 6) }, normal: shortTime},
		{name: "ts0", ddl: "TIMESTAMP NULL", duck: "TIMESTAMP WITH TIME ZONE", extremes: []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"}, random: func(r *rand.Rand) string { return "FROM_UNIXTIME(" + between(1, math.MaxInt32)(r) + ")" }, normal: zoned},
		{name: "ts6", ddl: "TIMESTAMP(6) NULL", duck: "TIMESTAMP WITH TIME ZONE", extremes: []string{"'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.999999'"}, random: func(r *rand.Rand) string { return "FROM_UNIXTIME(" + between(1, math.MaxInt32)(r) + ".25)" }, normal: zoned},
		{name: "tm", ddl: "TIME(6)", duck: "VARCHAR", extremes: []string{"'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.000001'", "'24:00:00'"}, random: func(r *rand.Rand) string { return "SEC_TO_TIME(" + digits(r, 9, 3) + ")" }},
		{name: "tmp", ddl: "TIME(3)", pin: "TIME", duck: "TIME", extremes: []string{"'00:00:00'", "'23:59:59.999'"}, random: func(r *rand.Rand) string { return "SEC_TO_TIME(" + between(0, 86399)(r) + ".125)" }, normal: shortTime},
		{name: "tm0", ddl: "TIME", duck: "VARCHAR", extremes: []string{"'-838:59:59'"}, random: func(r *rand.Rand) string { return "SEC_TO_TIME(" + between(-100000, 100000)(r) + ")" }},
		{name: "dtv", ddl: "DATETIME(2)", pin: "VARCHAR", duck: "VARCHAR", extremes: []string{"'0000-00-00 00:00:00'", "'2024-00-15 01:02:03.5'"}, random: func(r *rand.Rand) string { return datetime(r, 2) }},
		{name: "ch", ddl: "CHAR(12)", duck: "VARCHAR", extremes: []string{"''", "'ab   '"}, random: text},
		{name: "vc", ddl: "VARCHAR(60)", duck: "VARCHAR", extremes: []string{"''", "'ab   '", "'NULL'", "'\\\\N'"}, random: text},
		{name: "l1", ddl: "VARCHAR(60) CHARACTER SET latin1", duck: "VARCHAR", extremes: []string{"_latin1 x'80a3e4ff81'", "''"}, random: func(r *rand.Rand) string { return literalText(r, 12, latin) }},
		{name: "u16", ddl: "VARCHAR(60) CHARACTER SET utf16", duck: "VARCHAR", extremes: []string{"_utf16 x'd83dde000041'"}, random: text},
		{name: "u3", ddl: "VARCHAR(60) CHARACTER SET utf8mb3", duck: "VARCHAR", extremes: []string{"'ä中'"}, random: func(r *rand.Rand) string { return literalText(r, 12, []rune("aä中Ж")) }},
		{name: "sj", ddl: "VARCHAR(60) CHARACTER SET sjis", duck: "VARCHAR", extremes: []string{"_sjis x'93fa967b'"}, random: func(r *rand.Rand) string { return literalText(r, 12, []rune("日本アz")) }},
		{name: "ub", ddl: "VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", duck: "VARCHAR", extremes: []string{"''"}, random: text},
		{name: "tx", ddl: "LONGTEXT", duck: "VARCHAR", extremes: []string{"REPEAT('ä', 200000)"}, random: text},
		{name: "tt", ddl: "TINYTEXT", duck: "VARCHAR", extremes: []string{"REPEAT('a', 255)"}, random: text},
		{name: "bn", ddl: "BINARY(6)", duck: "BLOB", extremes: []string{"''", "x'00ff'", "'NULL'"}, random: func(r *rand.Rand) string { return literalBytes(r, 6) }, normal: asHex},
		{name: "vb", ddl: "VARBINARY(40)", duck: "BLOB", extremes: []string{"''", "x'00'", "x'c328'"}, random: func(r *rand.Rand) string { return literalBytes(r, 20) }, normal: asHex},
		{name: "bl", ddl: "LONGBLOB", duck: "BLOB", extremes: []string{"REPEAT(x'ff00', 100000)"}, random: func(r *rand.Rand) string { return literalBytes(r, 30) }, normal: asHex},
		{name: "cb", ddl: "TEXT CHARACTER SET binary", duck: "BLOB", extremes: []string{"x'ff'"}, random: func(r *rand.Rand) string { return literalBytes(r, 9) }, normal: asHex},
		{name: "bv", ddl: "VARBINARY(60)", pin: "VARCHAR", duck: "VARCHAR", extremes: []string{"'ä'"}, random: text},
		{name: "en", ddl: "ENUM('a','B','ü, x','')", duck: "VARCHAR", extremes: []string{"''", "'B'", "0", "'ü, x'"}, random: func(r *rand.Rand) string { return between(1, 4)(r) }},
		{name: "st", ddl: "SET('x','y','ü')", duck: "VARCHAR", extremes: []string{"''", "'x,ü'", "7"}, random: between(0, 7)},
		{name: "js", ddl: "JSON", duck: "JSON", extremes: []string{`'{"a": [1, 2.50, null, "\\u00e4"]}'`, `'null'`, `'"x"'`, `'  1'`}, random: func(r *rand.Rand) string {
			return fmt.Sprintf(`'{"n":%d,"t":"%s"}'`, r.Int64(), strings.Repeat("ж", r.IntN(4)))
		}},
		{name: "uu", ddl: "UUID", duck: "UUID", extremes: []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}, random: func(r *rand.Rand) string {
			return fmt.Sprintf("'%08x-%04x-%04x-%04x-%012x'", r.Uint32(), r.IntN(65536), r.IntN(65536), r.IntN(65536), r.Int64N(1<<48))
		}},
		{name: "i4", ddl: "INET4", duck: "VARCHAR", extremes: []string{"'0.0.0.0'", "'255.255.255.255'"}, random: func(r *rand.Rand) string { return fmt.Sprintf("'10.%d.%d.1'", r.IntN(256), r.IntN(256)) }},
		{name: "i6", ddl: "INET6", duck: "VARCHAR", extremes: []string{"'::'", "'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'"}, random: func(r *rand.Rand) string { return fmt.Sprintf("'fe80::%x'", r.IntN(65536)) }},
		{name: "ge", ddl: "GEOMETRY", duck: "BLOB", extremes: []string{"ST_GeomFromText('POINT(0.1 -2)', 4326)", "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"}, random: func(r *rand.Rand) string {
			return fmt.Sprintf("ST_GeomFromText('POINT(%v %v)')", r.Float64(), r.Float64())
		}, normal: asHex},
		{name: "gt", ddl: "POINT", pin: "VARCHAR", duck: "VARCHAR", show: "ST_AsText(gt)", extremes: []string{"ST_GeomFromText('POINT(0.1 -2)')"}, random: func(r *rand.Rand) string { return fmt.Sprintf("ST_GeomFromText('POINT(%v 1)')", r.Float64()) }},
		{name: "inv", ddl: "INT INVISIBLE", duck: "INTEGER", extremes: []string{"5"}, random: between(0, 9)},
	}
}

// randomFloat32 and randomFloat64 are any finite bits.
func randomFloat32(r *rand.Rand) string {
	for {
		if f := float64(math.Float32frombits(r.Uint32())); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.FormatFloat(f, 'e', -1, 64)
		}
	}
}

func randomFloat64(r *rand.Rand) string {
	for {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.FormatFloat(f, 'e', -1, 64)
		}
	}
}

// TestRoundTrip: every type at its extremes and at random, from the server to Parquet, is what the client shows.
func TestRoundTrip(t *testing.T) {
	db, cfg := testDatabase(t)
	conn := testConn(t, db)
	list := roundtrips()
	ddl, pins := []string{"id INT PRIMARY KEY"}, map[string]string{}
	for _, c := range list {
		ddl = append(ddl, quoteName(c.name)+" "+c.ddl)
		if c.pin != "" {
			pins[c.name] = c.pin
		}
	}
	ddl = append(ddl, "gen INT AS (id * 2) VIRTUAL", "gens INT AS (id * 3) STORED", "`odd ``name` INT")
	mustExec(t, conn, "CREATE TABLE r ("+strings.Join(ddl, ", ")+") ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4", "SET sql_mode = ''")
	random := rand.New(rand.NewPCG(1, 2))
	const rows = 400
	for id := range rows {
		names, values := []string{"id"}, []string{strconv.Itoa(id)}
		for _, c := range list {
			value := "NULL"
			switch {
			case id < len(c.extremes):
				value = c.extremes[id]
			case random.IntN(8) > 0:
				value = c.random(random)
			}
			names, values = append(names, quoteName(c.name)), append(values, value)
		}
		mustExec(t, conn, "INSERT INTO r ("+strings.Join(names, ",")+") VALUES ("+strings.Join(values, ",")+")")
	}
	mustExec(t, conn, sessionSettings...)

	ctx := context.Background()
	attrs, err := loadAttributes(ctx, conn, cfg.DBName, "r")
	if err != nil {
		t.Fatal(err)
	}
	columns, err := columnsFor(attrs, pins)
	if err != nil {
		t.Fatal(err)
	}
	path, got := land(t, conn, "SELECT "+selectList(columns)+", id FROM r ORDER BY id", intake{stream: "r", columns: columns, extra: 1})
	if got.rows != rows || string(got.last[0]) != strconv.Itoa(rows-1) {
		t.Errorf("%d rows, last %q", got.rows, got.last)
	}

	list = append(list, roundtrip{name: "gen", duck: "INTEGER"}, roundtrip{name: "gens", duck: "INTEGER"}, roundtrip{name: "odd `name", duck: "INTEGER"})
	duck := map[string]string{}
	for _, c := range columns {
		duck[c.name] = c.duckType
	}
	engine := openDuck(t, filepath.Dir(path))
	for _, c := range list {
		if duck[c.name] != c.duck {
			t.Errorf("%s %s: landed as %s, want %s", c.name, c.ddl, duck[c.name], c.duck)
		}
		show := c.show
		if show == "" {
			show = quoteName(c.name)
		}
		client := clientCells(t, cfg, fmt.Sprintf("SELECT id, %s, %s IS NULL FROM r ORDER BY id", show, quoteName(c.name)))
		item := fmt.Sprintf(`CAST("%s" AS VARCHAR)`, c.name)
		switch c.duck {
		case "BLOB":
			item = fmt.Sprintf(`hex("%s")`, c.name)
		case "TIMESTAMP WITH TIME ZONE":
			item = fmt.Sprintf(`CAST("%s" AT TIME ZONE 'UTC' AS VARCHAR) || '+00'`, c.name)
		}
		answer, err := engine.Query(ctx, fmt.Sprintf(`SELECT "id", %s AS x FROM read_parquet('%s') ORDER BY "id"`, item, path))
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for i, row := range answer.Values {
			want, null := client[i][1], client[i][2] == "1"
			if null != (row[1] == nil) {
				t.Errorf("%s, row %d: %v, the client shows %q", c.name, i, row[1], want)
				continue
			}
			if null {
				continue
			}
			if c.normal != nil {
				want = c.normal(want)
			}
			ours := row[1].(string)
			if ok := ours == want; !ok && (c.same == nil || !c.same(want, ours)) {
				if wrong++; wrong < 4 {
					t.Errorf("%s %s, row %d: %.80q, the client shows %.80q", c.name, c.ddl, i, ours, want)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d cells differ", c.name, wrong)
		}
	}
}

// land reads a query into a Parquet file, and has the file verified by second implementations.
func land(t *testing.T, on querier, query string, in intake) (path string, got taken) {
	t.Helper()
	ctx := context.Background()
	reader := arrowx.NewReader(ctx, schema(in.columns), func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		b := arrowx.NewBatcher(schema(in.columns), emit)
		defer b.Release()
		var err error
		if got, err = onSession(on, query, in, b); err != nil {
			return err
		}
		return b.Flush()
	})
	defer reader.Release()
	dir := t.TempDir()
	path = filepath.Join(dir, "r.parquet")
	engine, err := duckdb.Open(ctx, duckdb.Config{Dirs: []string{dir}, Arrow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	copied, err := engine.CopyReader(ctx, reader, path, func(c duckdb.Column) (string, error) { return warehouse.Stored(c.Type) })
	if err != nil {
		t.Fatal(err)
	}
	var want []warehouse.Column
	for i, c := range copied.Columns {
		if c.Type != in.columns[i].duckType || c.Name != in.columns[i].name {
			t.Errorf("column %s %s was written as %s %s", in.columns[i].name, in.columns[i].duckType, c.Name, c.Type)
		}
		want = append(want, warehouse.Column{Name: c.Name, Type: c.Type})
	}
	sum, size, err := warehouse.Hash(path)
	if err != nil {
		t.Fatal(err)
	}
	file := warehouse.File{Path: path, Rows: copied.Rows, Bytes: size, SHA256: sum, Stats: map[string]warehouse.Stats{}}
	for name, s := range copied.Stats {
		file.Stats[name] = warehouse.Stats{Nulls: s.Nulls, Min: s.Min, Max: s.Max}
	}
	if err := warehouse.Verify(path, file, want, true); err != nil {
		t.Error(err)
	}
	return path, got
}

func openDuck(t *testing.T, dir string) *duckdb.DB {
	t.Helper()
	engine, err := duckdb.Open(context.Background(), duckdb.Config{Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// clientCells is what the command-line client prints: in batch mode it escapes tabs, newlines, NULs and backslashes,
// which is undone here.
func clientCells(t *testing.T, cfg *driver.Config, query string) [][]string {
	t.Helper()
	host, port, _ := strings.Cut(cfg.Addr, ":")
	cmd := exec.Command("mariadb", "--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--max-allowed-packet=64M",
		"-h", host, "-P", port, "-u", cfg.User, cfg.DBName, "-e", "SET time_zone = '+00:00'; "+query)
	cmd.Env = append(cmd.Environ(), "MYSQL_PWD="+cfg.Passwd)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", query, err, problems.String())
	}
	unescape := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\0`, "\x00")
	var cells [][]string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n"), "\n") {
		row := strings.Split(line, "\t")
		for i := range row {
			row[i] = unescape.Replace(row[i])
		}
		cells = append(cells, row)
	}
	return cells
}
