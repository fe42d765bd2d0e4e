package postgres

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/extract"
)

// TestValues gives each codec bytes as the server sends them. bad is part of the message of a value that cannot land.
func TestValues(t *testing.T) {
	f8 := func(f float64) []byte { return be64(int64(math.Float64bits(f))) }
	f4 := func(f float32) []byte { return be32(int(math.Float32bits(f))) }
	num := func(p, s int) attribute { return base("x", oidNumeric, numericMod(p, s)) }
	for _, c := range []struct {
		attr  attribute
		value []byte
		want  string
		bad   string
	}{
		{base("x", oidBool, -1), []byte{1}, "true", ""},
		{base("x", oidBool, -1), []byte{0}, "false", ""},
		{base("x", oidInt2, -1), be16(-32768), "-32768", ""},
		{base("x", oidInt4, -1), be32(-1), "-1", ""},
		{base("x", oidInt8, -1), be64(math.MinInt64), "-9223372036854775808", ""},
		{base("x", oidOID, -1), be32(-1), "4294967295", ""},
		{base("x", oidFloat4, -1), f4(float32(math.Inf(-1))), "-Inf", ""},
		{base("x", oidFloat8, -1), f8(math.NaN()), "NaN", ""},
		{base("x", oidFloat8, -1), f8(math.Copysign(0, -1)), "-0", ""},
		{base("x", oidText, -1), []byte{}, "", ""},
		{base("x", oidText, -1), []byte("é\n"), "é\n", ""},
		{base("x", oidBpchar, -1), []byte("a  "), "a  ", ""},
		{base("x", oidChar, -1), []byte{'x'}, "x", ""},
		{base("x", oidChar, -1), []byte{0}, "", ""},
		{base("x", oidChar, -1), []byte{0x80}, `\200`, ""},
		{base("x", oidChar, -1), []byte{0xff}, `\377`, ""},
		{base("x", oidBytea, -1), []byte{0, 1, 2}, "AAEC", ""},
		{base("x", oidDate, -1), be32(0), "2000-01-01", ""},
		{base("x", oidDate, -1), be32(-10957), "1970-01-01", ""},
		{base("x", oidDate, -1), be32(math.MaxInt32 - 1 - epochDays), "5881580-07-10", ""},
		{base("x", oidDate, -1), be32(math.MaxInt32 - epochDays), "", "no date"},
		{base("x", oidTime, -1), be64(0), "00:00:00.000000", ""},
		{base("x", oidTime, -1), be64(86_400_000_001), "", "no time of day"},
		{base("x", oidTime, -1), be64(-1), "", "no time of day"},
		{base("x", oidTimestamp, -1), be64(1), "2000-01-01T00:00:00.000001", ""},
		{base("x", oidTimestamptz, -1), be64(-1), "1999-12-31T23:59:59.999999Z", ""},
		{base("x", oidTimestamp, -1), be64(math.MaxInt64 - epochMicros), "", "294247-01-10 04:00:54.775807 is beyond what TIMESTAMP holds"},
		{base("x", oidTimestamptz, -1), be64(9223371331199999999), "", "294276-12-31 23:59:59.999999+00 is beyond what TIMESTAMP WITH TIME ZONE holds (to 294247-01-10 04:00:54.775806); the pin `columns: {x: VARCHAR}`"},
		{base("x", oidUUID, -1), bytes.Repeat([]byte{0xab}, 16), "abababab-abab-abab-abab-abababababab", ""},
		{base("x", oidJSON, -1), []byte(`{"a": 1}`), `{"a": 1}`, ""},
		{base("x", oidJSON, -1), []byte(`"\ud83d\ude00\\ud800\n"`), `"\ud83d\ude00\\ud800\n"`, ""},
		{base("x", oidJSON, -1), []byte(`["a\ud83d"]`), "", `\ud83d is half of a surrogate pair`},
		{base("x", oidJSON, -1), []byte(`"\ude00\ud83d"`), "", `\ude00 is half of a surrogate pair`},
		{base("x", oidJSON, -1), []byte(`"\ud83d\ud83d\ude00"`), "", `\ud83d is half`},
		{base("x", oidJSON, -1), []byte(`"\uD83D\u0041"`), "", `\uD83D is half`},
		{base("x", oidJSONB, -1), []byte("\x01[1]"), "[1]", ""},
		{base("x", oidJSONB, -1), []byte("\x02[1]"), "", "unknown format"},
		{base("x", oidJSONB, -1), []byte{}, "", "unknown format"},
		{num(5, 2), wireNumeric("-999.99"), "-999.99", ""},
		{num(5, 2), wireNumeric("0.01"), "0.01", ""},
		{num(5, 2), wireNumeric("0"), "0", ""},
		{num(5, 2), wireNumeric("1000"), "", "1000 is too large for DECIMAL(5,2)"},
		{num(5, 2), wireNumeric("-1000.5"), "", "-1000.5 is too large"},
		{num(5, 2), wireNumeric("1.005"), "", "1.005 has more digits after the point than DECIMAL(5,2), and is not rounded"},
		{num(5, 2), wireNumeric("0.00001"), "", "0.00001 has more digits"},
		{num(5, 2), wireNumeric("1.000"), "1", ""},
		{num(5, 2), wireNumeric("NaN"), "", "NaN is no DECIMAL(5,2)"},
		{num(5, 2), wireNumeric("Infinity"), "", "Infinity is no"},
		{num(5, 2), wireNumeric("-Infinity"), "", "-Infinity is no"},
		{num(5, 2), join(be16(3), be16(0), be16(0), be16(2), be16(0), be16(7), be16(0)), "", "has more digits after the point"},
		{num(9, 4), join(be16(3), be16(0), be16(0), be16(2), be16(0), be16(7), be16(0)), "0.0007", ""}, // zeros that the server leaves out
		{num(5, 2), join(be16(1), be16(0), be16(0), be16(0), be16(10000)), "", "no numeric"},
		{num(5, 2), join(be16(1), be16(0), be16(1), be16(0), be16(1)), "", "no numeric"},
		{num(5, 2), join(be16(2), be16(0), be16(0), be16(0), be16(1)), "", "no numeric"},
		{num(5, 2), join(be16(-1), be16(0), be16(0), be16(0)), "", "no numeric"},
		{num(5, 2), join(be16(1), be16(32767), be16(0), be16(0), be16(1)), "", "too large"},
		{num(5, 2), join(be16(1), be16(-32768), be16(0), be16(65535), be16(1)), "", "more digits"},
		{num(5, 2), []byte{1}, "", "no numeric"},
		{num(3, -4), wireNumeric("9990000"), "9990000", ""},
		{num(2, 5), wireNumeric("-0.00099"), "-0.00099", ""},
		{arrayOf("x", oidInt4, -1, 0), wireArray(23, nil, nil), "[]", ""},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{3}, []int{1}, be32(1), nil, be32(-3)), "[1,null,-3]", ""},
		{arrayOf("x", oidInt4, -1, 2), wireArray(23, []int{2, 2}, []int{1, 1}, be32(1), nil, be32(3), be32(4)), "[[1,null],[3,4]]", ""},
		{arrayOf("x", oidInt4, -1, 3), wireArray(23, nil, nil), "[]", ""},
		{arrayOf("x", oidInt4, -1, 9), wireArray(23, []int{1, 1, 1, 1, 1, 1}, []int{1, 1, 1, 1, 1, 1}, be32(1)), "[[[[[[1]]]]]]", ""},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{1, 1}, []int{1, 1}, be32(1)), "", "2 dimensions where the column's type has 1: the pin `columns: {x: VARCHAR}` keeps its text"},
		{arrayOf("x", oidInt4, -1, 2), wireArray(23, []int{1}, []int{1}, be32(1)), "", "1 dimension where the column's type has 2"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{1}, []int{0}, be32(1)), "", "starts at index 0"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{1}, []int{1}, be64(1)), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{2}, []int{1}, be32(1)), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{1}, []int{1}, be32(1), be32(2)), "", "behind its end"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{-1}, []int{1}), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{0}, []int{1}), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, []int{math.MaxInt32}, []int{1}), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 2), wireArray(23, []int{2, math.MaxInt32}, []int{1, 1}), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), join(be32(7), be32(0), be32(23)), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), join(be32(1), be32(0), be32(23)), "", "broken array"},
		{arrayOf("x", oidInt4, -1, 1), []byte{}, "", "broken array"},
		{arrayOf("x", oidNumeric, numericMod(5, 2), 1), wireArray(1700, []int{2}, []int{1}, wireNumeric("1.5"), wireNumeric("NaN")), "", "NaN is no DECIMAL(5,2)"},
		{arrayOf("x", oidTimestamp, -1, 1), wireArray(1114, []int{1}, []int{1}, be64(math.MaxInt64-1)), "", "beyond what TIMESTAMP holds"},
		{arrayOf("x", oidUUID, -1, 1), wireArray(2950, []int{1}, []int{1}, bytes.Repeat([]byte{1}, 16)), `["01010101-0101-0101-0101-010101010101"]`, ""},
	} {
		columns := mustColumns(t, c.attr)
		got := decode(t, columns, 0, join(wireHeader(), wireRow(nil), wireRow(c.value), wireRow(nil), wireEnd()), 0, copyOptions{})
		switch {
		case got.err != nil:
			t.Errorf("%s %x: %v", columns[0].duckType, c.value, got.err)
		case c.bad != "":
			if len(got.rejects) != 1 || !strings.Contains(got.rejects[0].Message, c.bad) || len(got.rows) != 2 {
				t.Errorf("%s %x: %q, rejects %+v", columns[0].duckType, c.value, got.rows, got.rejects)
			}
		case len(got.rejects) > 0 || !slices.Equal(got.rows, []string{"NULL", c.want, "NULL"}):
			t.Errorf("%s %x: %q, rejects %+v; want %q", columns[0].duckType, c.value, got.rows, got.rejects, c.want)
		}
	}
}

func TestReasonsOfDecimals(t *testing.T) {
	c, err := columnsFor([]attribute{base("x", oidNumeric, -1)}, map[string]string{"x": "DECIMAL(4,1)"})
	if err != nil {
		t.Fatal(err)
	}
	for text, reason := range map[string]string{"1.25": extract.ReasonInexact, "1000": extract.ReasonCast, "NaN": extract.ReasonCast, "999.9": "", "-0.10": ""} {
		bad := c[0].check(wireNumeric(text))
		if (bad == nil) != (reason == "") || bad != nil && bad.reason != reason {
			t.Errorf("%s: %+v", text, bad)
		}
	}
}

// TestDecimalsAgainstBig compares with arbitrary precision: what fits must be equal, what does not must be refused.
func TestDecimalsAgainstBig(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fits := 0
	for range 200_000 {
		precision := 1 + rng.IntN(38)
		scale := rng.IntN(precision + 1)
		whole, fraction := digits(rng, rng.IntN(42)), digits(rng, rng.IntN(42))
		if rng.IntN(2) == 0 {
			whole, fraction = digits(rng, rng.IntN(precision-scale+1)), digits(rng, rng.IntN(scale+1))
		}
		if rng.IntN(4) == 0 {
			whole += strings.Repeat("0", rng.IntN(20))
		}
		if rng.IntN(4) == 0 {
			fraction = strings.Repeat("0", rng.IntN(20)) + fraction
		}
		text := pick(rng, "", "-") + "0" + whole
		if fraction != "" {
			text += "." + fraction
		}
		v := wireNumeric(text)
		number, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		scaled := new(big.Rat).Mul(number, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
		exact := scaled.IsInt() && new(big.Int).Abs(scaled.Num()).Cmp(limit) < 0
		code := decimalCodec("x", precision, scale)
		if bad := code.check(v); (bad == nil) != exact {
			t.Fatalf("%s as DECIMAL(%d,%d): %+v", text, precision, scale, bad)
		}
		if exact {
			fits++
			if got := decimal(v, scale).BigInt(); got.Cmp(scaled.Num()) != 0 {
				t.Fatalf("%s as DECIMAL(%d,%d): %s", text, precision, scale, got)
			}
		}
		if got, ok := new(big.Rat).SetString(numericText(v)); !ok || got.Cmp(number) != 0 {
			t.Fatalf("%s is spelled %s", text, numericText(v))
		}
	}
	if fits < 50_000 {
		t.Errorf("only %d fit", fits)
	}
}

// TestTexts: what a reject shows of a row.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		attr  attribute
		value []byte
		want  string
	}{
		{base("x", oidDate, -1), be32(-730119), "0001-01-01"},
		{base("x", oidDate, -1), be32(-730120), "0001-12-31 BC"},
		{base("x", oidDate, -1), be32(math.MinInt32), "-infinity"},
		{base("x", oidTimestamp, -1), be64(math.MaxInt64), "infinity"},
		{base("x", oidTimestamptz, -1), be64(-1_500_000), "1999-12-31 23:59:58.5+00"},
		{base("x", oidTime, -1), be64(86_400_000_000), "24:00:00.000000"},
		{base("x", oidNumeric, numericMod(9, 2)), wireNumeric("-1234567.80"), "-1234567.80"},
		{base("x", oidNumeric, numericMod(9, 2)), []byte{1}, `\x01`},
		{base("x", oidBytea, -1), []byte{0xff}, `\xff`},
		{arrayOf("x", oidInt4, -1, 2), wireArray(23, []int{2, 1}, []int{1, 1}, be32(1), nil), "{{1},{NULL}}"},
		{arrayOf("x", oidInt4, -1, 1), wireArray(23, nil, nil), "{}"},
		{arrayOf("x", oidInt4, -1, 1), []byte{1}, `\x01`},
	} {
		if got := mustColumns(t, c.attr)[0].text(c.value); got != c.want {
			t.Errorf("%x: %s, want %s", c.value, got, c.want)
		}
	}
}

// TestBadValuesOfTheServer: what PostgreSQL holds and DuckDB does not is rejected with its place, and a pin keeps it.
func TestBadValuesOfTheServer(t *testing.T) {
	conn := exact(t)
	w, dir := engine(t)
	for i, c := range []struct{ typ, good, bad, reason string }{
		{"numeric(5,2)", "1.50", "NaN", extract.ReasonCast},
		{"timestamp", "2000-01-01", "294247-01-10 04:00:54.775807", extract.ReasonCast},
		{"timestamptz", "2000-01-01", "294276-12-31 23:59:59.999999", extract.ReasonCast},
		{"int[]", "{1,NULL}", "{{1,2},{3,4}}", extract.ReasonCast},
		{"int[]", "{}", "[0:1]={1,2}", extract.ReasonCast},
		{"int[][]", "{{1},{2}}", "{1,2}", extract.ReasonCast},
		{"text[][]", "{{a}}", "[2:2][1:1]={{a}}", extract.ReasonCast},
		{"numeric(5,2)[]", "{1.5}", "{1.5,NaN}", extract.ReasonCast},
		{"json", `{"a": 1}`, `"\ud800"`, extract.ReasonCast},
	} {
		table := fmt.Sprintf("bad%d", i)
		run(t, conn, fmt.Sprintf("CREATE TEMP TABLE %[1]s (id int8, v %[2]s); INSERT INTO %[1]s VALUES (1, '%[3]s'), (2, '%[4]s'), (3, NULL)", table, c.typ, c.good, c.bad))
		want := psql(t, conn, "SELECT v FROM "+table+" ORDER BY id")
		column, got, rejects := land(t, conn, w, dir, table, nil)
		if len(got) != 2 || len(rejects) != 1 || rejects[0].Column != "v" || rejects[0].Reason != c.reason || !strings.Contains(rejects[0].Raw, `{"id":"2","v":"`) || !strings.Contains(rejects[0].Message, "VARCHAR") {
			t.Errorf("%s %s: %d rows, rejects %+v", c.typ, c.bad, len(got), rejects)
			continue
		}
		compare(t, column, []*string{want[0], want[2]}, got)
		column, got, rejects = land(t, conn, w, dir, table, map[string]string{"v": "VARCHAR"})
		if len(rejects) > 0 || len(got) != 3 {
			t.Fatalf("%s pinned: %+v", c.typ, rejects)
		}
		compare(t, column, want, got)
	}
	// A pinned numeric: what fits exactly lands, and nothing is rounded.
	run(t, conn, "CREATE TEMP TABLE pinned (id int8, v numeric); INSERT INTO pinned VALUES (1, 1.25), (2, 1.255), (3, 1e10), (4, 'Infinity'), (5, 99999999.99), (6, 1.1000)")
	column, got, rejects := land(t, conn, w, dir, "pinned", map[string]string{"v": "DECIMAL(10,2)"})
	if len(rejects) != 3 || rejects[0].Reason != extract.ReasonInexact || rejects[1].Reason != extract.ReasonCast || rejects[2].Reason != extract.ReasonCast {
		t.Errorf("%+v", rejects)
	}
	compare(t, column, psql(t, conn, "SELECT v::numeric(10,2) FROM pinned WHERE id IN (1, 5, 6) ORDER BY id"), got)
}
