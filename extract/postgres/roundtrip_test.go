package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// exact gives a connection to a database of its own, with the settings under which the server's texts are read.
func exact(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := connect(t, testserver.Postgres(t).Database(t))
	run(t, conn, `SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmloption = 'content'`)
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// psql gives what psql prints: the text that the simple protocol brings. nil is NULL.
func psql(t testing.TB, conn *pgx.Conn, sql string) (cells []*string) {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range results[0].Rows {
		if row[0] == nil {
			cells = append(cells, nil)
			continue
		}
		s := string(row[0])
		cells = append(cells, &s)
	}
	return cells
}

func engine(t testing.TB) (warehouse.Warehouse, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Temp: filepath.Join(dir, "tmp"), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, dir
}

// land copies a table's columns into a Parquet file, verifies it, and gives what DuckDB reads of column v, in the
// order of column id: its text, or a JSON list of the texts in a list. nil is NULL.
func land(t testing.TB, conn *pgx.Conn, w warehouse.Warehouse, dir, table string, pins map[string]string) (c column, cells []*string, rejects []extract.Reject) {
	t.Helper()
	var oid uint32
	if err := conn.QueryRow(t.Context(), "SELECT $1::regclass::oid", table).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	attrs, err := loadAttributes(t.Context(), conn, oid)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := columnsFor(attrs, pins)
	if err != nil {
		t.Fatal(err)
	}
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = c.expr
		if landed, err := arrowx.DuckType(c.field.Type); err != nil || landed != c.duckType {
			t.Fatalf("column %q lands as %s, and is said to land as %s (%v)", c.name, landed, c.duckType, err)
		}
	}
	sql := fmt.Sprintf("COPY (SELECT %s, id::text, NULL::text FROM %s AS t ORDER BY t.id) TO STDOUT (FORMAT binary)", strings.Join(exprs, ", "), table)
	var read int64
	var last []*string
	reader := arrowx.NewReader(t.Context(), schemaOf(columns), func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		b := arrowx.NewBatcher(schemaOf(columns), emit)
		defer b.Release()
		d := newCopyDecoder(ctx, columns, 2, b, func(r extract.Reject) error { rejects = append(rejects, r); return nil }, copyOptions{stream: table, checkUTF8: true})
		if _, err := conn.PgConn().CopyTo(ctx, d, sql); err != nil {
			return err
		}
		err := d.finish()
		read, last = d.read, d.resume()
		return err
	})
	defer reader.Release()
	path := filepath.Join(dir, strings.ReplaceAll(table, `"`, "")+fmt.Sprint(rand.Int())+".parquet")
	f, err := w.Ingest(t.Context(), reader, path)
	if err != nil {
		t.Fatal(err)
	}
	if read != f.Rows+int64(len(rejects)) {
		t.Errorf("%d rows read, %d landed, %d rejected", read, f.Rows, len(rejects))
	}
	want := make([]warehouse.Column, len(columns))
	for i, c := range columns {
		want[i] = warehouse.Column{Name: c.name, Type: c.duckType}
	}
	for _, full := range []bool{false, true} {
		if err := warehouse.Verify(path, f, want, full); err != nil {
			t.Errorf("%s as %s: %v", attrs[1].sqlType, columns[1].duckType, err)
		}
	}
	c = columns[1]
	text := func(x, of string) string { // a BLOB's own text is neither PostgreSQL's nor one that can be told apart
		if of == "BLOB" {
			return `'\x' || lower(hex(` + x + `))`
		}
		return x + "::VARCHAR"
	}
	show := text("v", c.duckType)
	if c.dims > 0 {
		elem := strings.TrimSuffix(c.duckType, strings.Repeat("[]", c.dims))
		show = text("x0", elem)
		for i := range c.dims {
			over := fmt.Sprintf("x%d", i+1)
			if i == c.dims-1 {
				over = "v"
			}
			show = fmt.Sprintf("list_transform(%s, lambda x%d: %s)", over, i, show)
		}
		show = "to_json(" + show + ")::VARCHAR"
	}
	query := fmt.Sprintf("SELECT %s FROM read_parquet('%s') ORDER BY id", show, path)
	if c.duckType == "JSON" { // to read it as it lies in the file, not as DuckDB may print it
		query = fmt.Sprintf("SELECT v::VARCHAR FROM read_parquet('%s') ORDER BY id", path)
	}
	rows, err := w.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows.Rows {
		if row[0] == nil {
			cells = append(cells, nil)
			continue
		}
		s := row[0].(string)
		cells = append(cells, &s)
	}
	if n := len(cells); n > 0 && len(rejects) == 0 {
		if max := psql(t, conn, "SELECT max(id) FROM "+table); *last[0] != *max[0] || last[1] != nil {
			t.Errorf("resume at %v, not %s", last, *max[0])
		}
	}
	return c, cells, rejects
}

// Spelling that differs between the two, by DuckDB type; everything else must be equal byte for byte.
var spelling = map[string]func(pg, duck string) (string, string){
	"BOOLEAN": func(pg, duck string) (string, string) { // t, f against true, false
		return map[string]string{"t": "true", "f": "false"}[pg], duck
	},
	"FLOAT":  func(pg, duck string) (string, string) { return floatBits(pg, 32), floatBits(duck, 32) },
	"DOUBLE": func(pg, duck string) (string, string) { return floatBits(pg, 64), floatBits(duck, 64) },
	"DATE":   beforeChrist, "TIMESTAMP": beforeChrist, "TIMESTAMP WITH TIME ZONE": beforeChrist,
}

// floatBits: both print the shortest digits that are read back as the same number, and put exponents differently.
func floatBits(s string, bits int) string {
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return "no number: " + s
	}
	return strconv.FormatUint(math.Float64bits(f), 16)
}

var duckBC = regexp.MustCompile(`^(-?\d+-\d\d-\d\d) \(BC\)(.*)$`)

// beforeChrist: PostgreSQL writes BC at the end, DuckDB (BC) after the day.
func beforeChrist(pg, duck string) (string, string) {
	return pg, duckBC.ReplaceAllString(duck, "$1$2 BC")
}

func same(duckType, pg, duck string) bool {
	if f, ok := spelling[duckType]; ok {
		pg, duck = f(pg, duck)
	}
	if strings.HasPrefix(duckType, "DECIMAL") {
		pg = strings.NewReplacer("$", "", ",", "").Replace(pg) // money, in the locale of the server
		if strings.HasPrefix(duck, ".") || strings.HasPrefix(duck, "-.") {
			duck = strings.Replace(duck, ".", "0.", 1) // DECIMAL(2,2) is .25 and -.25
		}
	}
	return pg == duck
}

// sameList compares PostgreSQL's {a,"b c",NULL} with a JSON list.
func sameList(duckType, pg, duck string) bool {
	want, rest := parseArray(pg)
	var got any
	if err := json.Unmarshal([]byte(duck), &got); err != nil || rest != "" {
		return false
	}
	var equal func(a, b any) bool
	equal = func(a, b any) bool {
		switch a := a.(type) {
		case []any:
			list, ok := b.([]any)
			return ok && slices.EqualFunc(a, list, equal)
		case string:
			s, ok := b.(string)
			return ok && same(duckType, a, s)
		}
		return a == b
	}
	return equal(want, got)
}

// parseArray reads an array's text: strings, nil for NULL, []any for a list.
func parseArray(s string) (any, string) {
	switch {
	case strings.HasPrefix(s, "{"):
		list := []any{}
		for s = s[1:]; !strings.HasPrefix(s, "}"); s = strings.TrimPrefix(s, ",") {
			if s == "" {
				return nil, "cut off"
			}
			var item any
			item, s = parseArray(s)
			list = append(list, item)
		}
		return list, s[1:]
	case strings.HasPrefix(s, `"`):
		var b strings.Builder
		for s = s[1:]; s != "" && s[0] != '"'; s = s[1:] {
			if s[0] == '\\' {
				s = s[1:]
			}
			b.WriteByte(s[0])
		}
		return b.String(), strings.TrimPrefix(s, `"`)
	}
	i := strings.IndexAny(s, ",}")
	if i < 0 {
		return nil, "cut off"
	}
	if s[:i] == "NULL" {
		return nil, s[i:]
	}
	return s[:i], s[i:]
}

// kind is a type with its extremes and a maker of others, all as PostgreSQL's input functions take them.
type kind struct {
	typ      string
	lands    string
	extremes []string
	random   func(*rand.Rand) string
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func digits(r *rand.Rand, n int) string {
	s := ""
	for range n {
		s += string('0' + rune(r.IntN(10)))
	}
	return s
}

func randomNumeric(whole, scale int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		return pick(r, "", "-") + "0" + digits(r, r.IntN(whole+1)) + "." + digits(r, r.IntN(scale+1))
	}
}

func randomText(r *rand.Rand) string {
	s := ""
	for range r.IntN(20) {
		s += pick(r, "a", "B", " ", "é", "日", "😀", `"`, `\`, "'", ",", "{", "}", "\n", "\t", "NULL", "0", "\x01", "\u00a0")
	}
	return s
}

func randomDate(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("%04d-%02d-%02d BC", 1+r.IntN(4000), 1+r.IntN(12), 1+r.IntN(28))
	case 1:
		return fmt.Sprintf("%04d-%02d-%02d", 1+r.IntN(287000), 1+r.IntN(12), 1+r.IntN(28))
	}
	return fmt.Sprintf("%04d-%02d-%02d", 1900+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28))
}

func randomTime(r *rand.Rand) string {
	return fmt.Sprintf("%02d:%02d:%02d.%s", r.IntN(24), r.IntN(60), r.IntN(60), digits(r, 1+r.IntN(6)))
}

func randomMoment(r *rand.Rand) string {
	day, bc, ok := strings.Cut(randomDate(r), " ")
	at := day + " " + randomTime(r)
	if ok {
		at += " " + bc
	}
	return at
}

func randomBits(r *rand.Rand) uint64 { return r.Uint64() >> r.IntN(64) }

func arrayText1(r *rand.Rand, n int, item func(*rand.Rand) string) string {
	var items []string
	for range n {
		if r.IntN(6) == 0 {
			items = append(items, "NULL")
			continue
		}
		items = append(items, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(item(r))+`"`)
	}
	return "{" + strings.Join(items, ",") + "}"
}

func listOf(k kind) kind {
	return kind{typ: k.typ + "[]", lands: k.lands + "[]", extremes: append([]string{"{}", "{NULL}"}, wrapped(k.extremes)...),
		random: func(r *rand.Rand) string { return arrayText1(r, r.IntN(5), k.random) }}
}

func matrixOf(k kind) kind {
	return kind{typ: k.typ + "[][]", lands: k.lands + "[][]", extremes: []string{"{}", "{{NULL}}", "{{NULL,NULL},{NULL,NULL}}"},
		random: func(r *rand.Rand) string {
			n, rows := 1+r.IntN(3), []string{}
			for range 1 + r.IntN(3) {
				rows = append(rows, arrayText1(r, n, k.random))
			}
			return "{" + strings.Join(rows, ",") + "}"
		}}
}

func wrapped(values []string) (all []string) {
	for _, v := range values {
		all = append(all, `{"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"}`)
	}
	return all
}

func kinds() []kind {
	text := kind{"text", "VARCHAR", []string{"", " ", "NULL", "\\", "a\nb", "\u0001", "\ufeff", strings.Repeat("long é ", 40000)}, randomText}
	boolean := kind{"bool", "BOOLEAN", []string{"t", "f"}, func(r *rand.Rand) string { return pick(r, "t", "f") }}
	int4 := kind{"int4", "INTEGER", []string{"-2147483648", "2147483647", "0", "-1"}, func(r *rand.Rand) string { return fmt.Sprint(int32(r.Uint32() >> r.IntN(32))) }}
	int8 := kind{"int8", "BIGINT", []string{"-9223372036854775808", "9223372036854775807", "0", "-1"}, func(r *rand.Rand) string { return fmt.Sprint(int64(randomBits(r))) }}
	float4 := kind{"float4", "FLOAT", []string{"NaN", "Infinity", "-Infinity", "-0", "0", "1e-45", "3.4028235e38", "-3.4028235e38", "1.17549435e-38", "0.1"},
		func(r *rand.Rand) string {
			return strconv.FormatFloat(float64(math.Float32frombits(r.Uint32())), 'g', -1, 32)
		}}
	float8 := kind{"float8", "DOUBLE", []string{"NaN", "Infinity", "-Infinity", "-0", "0", "5e-324", "1.7976931348623157e308", "2.2250738585072014e-308", "0.1", "1e20", "123456789012345680"},
		func(r *rand.Rand) string {
			return strconv.FormatFloat(math.Float64frombits(r.Uint64()), 'g', -1, 64)
		}}
	bytea := kind{"bytea", "BLOB", []string{`\x`, `\x00`, `\xff00`, `\x5c`}, func(r *rand.Rand) string {
		s := `\x`
		for range r.IntN(30) {
			s += fmt.Sprintf("%02x", r.IntN(256))
		}
		return s
	}}
	date := kind{"date", "DATE", []string{"infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0001-12-31 BC", "0001-01-01", "1969-12-31", "2000-02-29", "10000-01-01"}, randomDate}
	clock := kind{"time", "TIME", []string{"00:00:00", "24:00:00", "23:59:59.999999", "00:00:00.000001"}, randomTime}
	stamp := kind{"timestamp", "TIMESTAMP", []string{"infinity", "-infinity", "4714-11-24 00:00:00 BC", "294247-01-10 04:00:54.775806", "0001-12-31 23:59:59.999999 BC", "0001-01-01", "1969-12-31 23:59:59.999999", "2000-01-01"}, randomMoment}
	// DuckDB prints moments with a zone by way of milliseconds in a DOUBLE, which is exact up to the year 287396. What
	// is stored of later ones TestFarMoments looks at.
	zoned := kind{"timestamptz", "TIMESTAMP WITH TIME ZONE", append([]string{"287396-01-01", "2000-01-01 12:00:00+14"}, append(stamp.extremes[:3:3], stamp.extremes[4:]...)...), randomMoment}
	money := kind{"money", "DECIMAL(19,2)", []string{"-92233720368547758.08", "92233720368547758.07", "0", "-0.01"}, func(r *rand.Rand) string { return randomNumeric(15, 2)(r) }}
	uuid := kind{"uuid", "UUID", []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "80000000-0000-0000-0000-000000000001", "7fffffff-ffff-ffff-8000-000000000000"},
		func(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }}
	jsonText := kind{"json", "JSON", []string{"null", `"a"`, "1e400", `{"a": 1,  "a":2}`, " [1 , 2] ", `"\u0000"`, `"\ud83d\ude00\\ud800"`, strings.Repeat("[", 3000) + strings.Repeat("]", 3000), `""`, "12345678901234567890123", `{}`},
		func(r *rand.Rand) string {
			s, _ := json.Marshal(map[string]any{randomText(r): r.IntN(1000), "l": []any{nil, true, randomText(r)}})
			return strings.ReplaceAll(string(s), ",", pick(r, ",", " , "))
		}}
	jsonb := jsonText
	jsonb.typ, jsonb.extremes = "jsonb", []string{"null", `"a"`, "1e400", `{"a": 1,  "a":2}`, " [1 , 2] ", `""`, "12345678901234567890123", "{}"}
	mood := kind{"mood", "VARCHAR", []string{"sad", "so so", "é"}, func(r *rand.Rand) string { return pick(r, "sad", "so so", "é") }}
	citext := kind{"citext", "VARCHAR", []string{"", "Ab"}, randomText}
	numeric12 := kind{"numeric(12,2)", "DECIMAL(12,2)", []string{"9999999999.99", "-9999999999.99", "0", "0.01", "-0.10", "100000000", "10000"}, randomNumeric(10, 2)}
	interval := kind{"interval", "VARCHAR", []string{"0", "178000000 years", "-1 mon +2 days -03:04:05.5", "1 year 2 mons"}, func(r *rand.Rand) string {
		return fmt.Sprintf("%d mons %d days %d microseconds", r.IntN(200)-100, r.IntN(200)-100, r.Int64N(1e12)-5e11)
	}}
	any9 := strings.Repeat("9", 131072)
	all := []kind{
		boolean, int4, int8, float4, float8, bytea, text, date, clock, stamp, zoned, money, uuid, jsonText, jsonb, mood, citext, numeric12, interval,
		{"int2", "SMALLINT", []string{"-32768", "32767", "0"}, func(r *rand.Rand) string { return fmt.Sprint(int16(r.Uint32())) }},
		{"oid", "UINTEGER", []string{"0", "4294967295", "2147483648"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint32()) }},
		{"varchar(20)", "VARCHAR", []string{"", "x"}, randomText}, {"name", "VARCHAR", []string{"", "x"}, randomText},
		{"char(20)", "VARCHAR", []string{"", "x", "é"}, randomText},
		{`"char"`, "VARCHAR", []string{"", "x", " ", "~", "\x01"}, func(r *rand.Rand) string { return string(rune(1 + r.IntN(127))) }},
		{"numeric(38,0)", "DECIMAL(38,0)", []string{strings.Repeat("9", 38), "-" + strings.Repeat("9", 38), "1" + strings.Repeat("0", 37), "0"}, randomNumeric(38, 0)},
		{"numeric(38,38)", "DECIMAL(38,38)", []string{"0." + strings.Repeat("9", 38), "-0." + strings.Repeat("9", 38), "0." + strings.Repeat("0", 37) + "1", "0"}, randomNumeric(0, 38)},
		{"numeric(38,19)", "DECIMAL(38,19)", []string{strings.Repeat("9", 19) + "." + strings.Repeat("9", 19), "0.0000000000000000001", "1"}, randomNumeric(19, 19)},
		{"numeric(19,4)", "DECIMAL(19,4)", []string{"999999999999999.9999", "-0.0001"}, randomNumeric(15, 4)},
		{"numeric(18,5)", "DECIMAL(18,5)", []string{"9999999999999.99999", "0.00001", "10000.0001"}, randomNumeric(13, 5)},
		{"numeric(4,3)", "DECIMAL(4,3)", []string{"9.999", "-0.001"}, randomNumeric(1, 3)},
		{"numeric(2,2)", "DECIMAL(2,2)", []string{"0.99", "-0.01", "0"}, randomNumeric(0, 2)},
		{"numeric(3,-4)", "DECIMAL(7,0)", []string{"9990000", "-10000", "4999", "5000"}, randomNumeric(6, 2)},
		{"numeric(2,5)", "DECIMAL(5,5)", []string{"0.00099", "-0.00001", "0"}, func(r *rand.Rand) string { return pick(r, "", "-") + "0.000" + digits(r, 2) }},
		{"numeric", "VARCHAR", []string{"NaN", "Infinity", "-Infinity", "1.10", "0", "-0.000", "0." + any9[:16383], any9, "1e-100"}, randomNumeric(60, 60)},
		{"numeric(39,2)", "VARCHAR", []string{"NaN", strings.Repeat("9", 37) + ".99"}, randomNumeric(37, 2)},
		{"timetz", "VARCHAR", []string{"24:00:00+15:59:59", "00:00:00-15:59:59"}, func(r *rand.Rand) string { return randomTime(r) + pick(r, "+02", "-03:30") }},
		{"inet", "VARCHAR", []string{"0.0.0.0/0", "::1", "10.0.0.1/8", "10.0.0.1"}, func(r *rand.Rand) string { return fmt.Sprintf("10.%d.%d.1/%d", r.IntN(256), r.IntN(256), r.IntN(33)) }},
		{"cidr", "VARCHAR", []string{"0.0.0.0/0", "::/0"}, func(r *rand.Rand) string { return fmt.Sprintf("10.%d.%d.0/24", r.IntN(256), r.IntN(256)) }},
		{"macaddr", "VARCHAR", []string{"00:00:00:00:00:00"}, func(r *rand.Rand) string { return fmt.Sprintf("%012x", r.Uint64()>>16) }},
		{"macaddr8", "VARCHAR", []string{"ff:ff:ff:ff:ff:ff:ff:ff"}, func(r *rand.Rand) string { return fmt.Sprintf("%016x", r.Uint64()) }},
		{"bit(5)", "VARCHAR", []string{"00000", "11111"}, func(r *rand.Rand) string { return fmt.Sprintf("%05b", r.IntN(32)) }},
		{"varbit", "VARCHAR", []string{"", "1"}, func(r *rand.Rand) string { return fmt.Sprintf("%b", randomBits(r)) }},
		{"int4range", "VARCHAR", []string{"empty", "(,)", "[1,2]"}, func(r *rand.Rand) string { return fmt.Sprintf("[%d,%d)", r.IntN(9), 9+r.IntN(9)) }},
		{"tstzrange", "VARCHAR", []string{"empty", "[2020-01-01,infinity]"}, func(r *rand.Rand) string { return "[2020-01-01," + pick(r, "2021-01-01", "infinity", "") + ")" }},
		{"int4multirange", "VARCHAR", []string{"{}", "{[1,2),[5,9)}"}, func(r *rand.Rand) string { return fmt.Sprintf("{[%d,%d)}", r.IntN(9), 9+r.IntN(9)) }},
		{"tsvector", "VARCHAR", []string{"", "'a b':1A"}, func(r *rand.Rand) string { return pick(r, "a", "b:1", "c:2B d") }},
		{"tsquery", "VARCHAR", []string{"", "a & !b"}, func(r *rand.Rand) string { return pick(r, "a", "b|c", "a<->b") }},
		{"pg_lsn", "VARCHAR", []string{"0/0", "FFFFFFFF/FFFFFFFF"}, func(r *rand.Rand) string { return fmt.Sprintf("%X/%X", r.Uint32(), r.Uint32()) }},
		{"xml", "VARCHAR", []string{"", "<a b='c'>é</a>", "x"}, func(r *rand.Rand) string { return "<a>" + pick(r, "1", "é", "&lt;") + "</a>" }},
		{"hstore", "VARCHAR", []string{"", `a=>NULL,"b c"=>"d"`}, func(r *rand.Rand) string { return fmt.Sprintf("a=>%d", r.IntN(99)) }},
		{"pair", "VARCHAR", []string{"(,)", `(1,"a b")`}, func(r *rand.Rand) string { return fmt.Sprintf(`(%d,"x, y")`, r.IntN(99)) }},
		{"point", "VARCHAR", []string{"(0,-0)", "(NaN,Infinity)"}, func(r *rand.Rand) string { return fmt.Sprintf("(%g,%g)", r.Float64(), r.NormFloat64()) }},
		{"box", "VARCHAR", []string{"(1,1),(0,0)"}, func(r *rand.Rand) string { return fmt.Sprintf("(%g,1),(0,0)", r.Float64()) }},
		{"path", "VARCHAR", []string{"((0,0),(1,1))", "[(0,0),(1,1)]"}, func(r *rand.Rand) string { return fmt.Sprintf("[(0,0),(1,%g)]", r.Float64()) }},
		{"oidvector", "VARCHAR", []string{"", "1 2"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint32(), r.Uint32()) }},
		{"int2vector", "VARCHAR", []string{"", "1 2"}, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(99)) }},
		{"regclass", "VARCHAR", []string{"pg_class", "pg_catalog.pg_type"}, func(r *rand.Rand) string { return pick(r, "pg_class", "pg_type") }},
		{"xid", "VARCHAR", []string{"0", "4294967295"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint32()) }},
		{"tid", "VARCHAR", []string{"(0,0)"}, func(r *rand.Rand) string { return fmt.Sprintf("(%d,1)", r.IntN(9)) }},
		{"jsonpath", "VARCHAR", []string{"$"}, func(r *rand.Rand) string { return pick(r, "$.a", "$[*]") }},
		{"cents", "DECIMAL(12,2)", numeric12.extremes, numeric12.random}, {"cents2", "DECIMAL(12,2)", []string{"1"}, func(r *rand.Rand) string { return digits(r, 5) }},
		{"tags", "VARCHAR[]", []string{"{}", "{a,NULL}"}, func(r *rand.Rand) string { return arrayText1(r, r.IntN(4), randomText) }},
	}
	for _, k := range []kind{boolean, int4, int8, float4, float8, bytea, text, date, clock, stamp, zoned, money, uuid, jsonText, jsonb, mood, citext, numeric12, interval,
		{"cents", "DECIMAL(12,2)", numeric12.extremes, numeric12.random},
		{"numeric", "VARCHAR", []string{"NaN", "1.10"}, randomNumeric(30, 30)},
		{`"char"`, "VARCHAR", []string{"", "x"}, func(r *rand.Rand) string { return string(rune(1 + r.IntN(127))) }},
		{"pair", "VARCHAR", []string{"(,)"}, func(r *rand.Rand) string { return fmt.Sprintf(`(%d,"x, y")`, r.IntN(99)) }},
		{"int4range", "VARCHAR", []string{"empty"}, func(r *rand.Rand) string { return fmt.Sprintf("[%d,%d)", r.IntN(9), 9+r.IntN(9)) }},
		{"hstore", "VARCHAR", []string{""}, func(r *rand.Rand) string { return fmt.Sprintf("a=>%d", r.IntN(99)) }},
	} {
		all = append(all, listOf(k))
		if k.typ != "cents" { // a column's type, which alone has dimensions that are kept
			all = append(all, matrixOf(k))
		}
	}
	return all
}

const setup = `
	CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS hstore;
	CREATE TYPE pg_temp.mood AS ENUM ('sad', 'so so', 'é');
	CREATE TYPE pg_temp.pair AS (a int, b text);
	CREATE DOMAIN pg_temp.cents AS numeric(12,2);
	CREATE DOMAIN pg_temp.cents2 AS pg_temp.cents CHECK (VALUE >= 0);
	CREATE DOMAIN pg_temp.tags AS text[];
	SET search_path = public, pg_temp`

// TestRoundTrip lands every type's extremes and thousands of random values, and compares each cell of the Parquet
// file, as DuckDB prints it, with what psql prints. The server's own types are the judge, not our decoder.
func TestRoundTrip(t *testing.T) {
	conn := exact(t)
	run(t, conn, setup)
	w, dir := engine(t)
	rows := 2000
	if testing.Short() {
		rows = 100
	}
	for i, k := range kinds() {
		t.Run(k.typ, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, uint64(i)))
			values := []*string{nil}
			for _, v := range k.extremes {
				values = append(values, &v)
			}
			for len(values) < rows {
				v := k.random(rng)
				values = append(values, &v)
				if rng.IntN(20) == 0 {
					values = append(values, nil)
				}
			}
			table := fmt.Sprintf("t%d", i)
			run(t, conn, fmt.Sprintf("CREATE TEMP TABLE %s (id int8 NOT NULL, v %s)", table, k.typ))
			cast := k.typ
			if strings.HasSuffix(cast, "[][]") {
				cast = strings.TrimSuffix(cast, "[]")
			}
			if _, err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s SELECT n, x::text::%s FROM unnest($1::text[]) WITH ORDINALITY AS u(x, n)", table, cast), values); err != nil {
				t.Fatal(err)
			}
			want := psql(t, conn, "SELECT v FROM "+table+" ORDER BY id")
			c, got, rejects := land(t, conn, w, dir, table, nil)
			if c.duckType != k.lands {
				t.Errorf("lands as %s, not %s", c.duckType, k.lands)
			}
			if len(rejects) > 0 || len(got) != len(want) || len(want) < rows {
				t.Fatalf("%d rows of %d, rejects: %+v", len(got), len(want), rejects[:min(3, len(rejects))])
			}
			compare(t, c, want, got)
			if c.dims == 0 && c.duckType != "VARCHAR" {
				alone(t, conn, w, dir, k)
			}
			if c.duckType == "VARCHAR" {
				return
			}
			c, got, _ = land(t, conn, w, dir, table, map[string]string{"v": "VARCHAR"})
			if c.duckType != "VARCHAR" {
				t.Fatalf("pinned, it lands as %s", c.duckType)
			}
			for i := range want { // psql's t and f are no texts: text(bool) is true and false
				if want[i] != nil && k.typ == "bool" {
					*want[i] = map[string]string{"t": "true", "f": "false"}[*want[i]]
				}
			}
			compare(t, c, want, got)
		})
	}
}

// alone lands each extreme in a file of its own, where it is both bounds of its column.
func alone(t *testing.T, conn *pgx.Conn, w warehouse.Warehouse, dir string, k kind) {
	run(t, conn, fmt.Sprintf("CREATE TEMP TABLE alone (id int8, v %s)", k.typ))
	defer run(t, conn, "DROP TABLE alone")
	for _, v := range k.extremes {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO alone SELECT 1, $1::text::%s", k.typ), v); err != nil {
			t.Fatal(err)
		}
		want := psql(t, conn, "SELECT v FROM alone")
		c, got, _ := land(t, conn, w, dir, "alone", nil)
		compare(t, c, want, got)
		run(t, conn, "TRUNCATE alone")
	}
}

// TestFarMoments looks at the number that is stored, where DuckDB's text of it is not exact.
func TestFarMoments(t *testing.T) {
	conn := exact(t)
	w, dir := engine(t)
	run(t, conn, `CREATE TEMP TABLE far (id int8, v timestamptz); INSERT INTO far VALUES (1, '294247-01-10 04:00:54.775806'), (2, '289372-01-18 01:47:20.53117')`)
	land(t, conn, w, dir, "far", nil)
	files, _ := filepath.Glob(filepath.Join(dir, "far*.parquet"))
	rows, err := w.Query(t.Context(), fmt.Sprintf("SELECT epoch_us(v) FROM read_parquet('%s') ORDER BY id", files[0]))
	if err != nil {
		t.Fatal(err)
	}
	if rows.Rows[0][0] != int64(math.MaxInt64-1) || fmt.Sprint(rows.Rows[1][0]) != *psql(t, conn, "SELECT (extract(epoch FROM v) * 1000000)::int8 FROM far WHERE id = 2")[0] {
		t.Errorf("%v", rows.Rows)
	}
}

func compare(t *testing.T, c column, want, got []*string) {
	t.Helper()
	wrong := 0
	for i := range want {
		if want[i] == nil && got[i] == nil {
			continue
		}
		elem := strings.TrimSuffix(c.duckType, strings.Repeat("[]", c.dims))
		if want[i] != nil && got[i] != nil && (c.dims == 0 && same(elem, *want[i], *got[i]) || c.dims > 0 && sameList(elem, *want[i], *got[i])) {
			continue
		}
		if wrong++; wrong <= 3 {
			t.Errorf("row %d: psql prints %s, landed as %s: %s", i+1, shown(want[i]), c.duckType, shown(got[i]))
		}
	}
	if wrong > 3 {
		t.Errorf("%d of %d cells differ", wrong, len(want))
	}
}

func shown(s *string) string {
	if s == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", clip(*s))
}
