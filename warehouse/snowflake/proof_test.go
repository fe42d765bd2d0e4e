package snowflake_test

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// cell is a value: as DuckDB's SQL, and what a proof makes of it, told by Go.
type cell struct {
	sql   string
	null  bool
	text  string   // what stands in the row's text
	order *big.Rat // nil: it has no minimum
	shown string   // as a minimum
	size  int      // in bytes, of texts and bytes
	sum   *big.Rat // nil: it has none
}

var null = cell{sql: "NULL", null: true}

type maker func(r *rand.Rand) cell

// makers make values of all types that Snowflake takes, extremes among them.
var makers = map[string]maker{
	"BOOLEAN": func(r *rand.Rand) cell {
		if r.IntN(2) == 0 {
			return cell{sql: "false", text: "0", sum: new(big.Rat)}
		}
		return cell{sql: "true", text: "1", sum: big.NewRat(1, 1)}
	},
	"TINYINT": integer(7, true), "SMALLINT": integer(15, true), "INTEGER": integer(31, true), "BIGINT": integer(63, true),
	"UTINYINT": integer(8, false), "USMALLINT": integer(16, false), "UINTEGER": integer(32, false), "UBIGINT": integer(64, false), "HUGEINT": integer(126, true),
	"DECIMAL(12,2)": decimal(12, 2), "DECIMAL(4,4)": decimal(4, 4), "DECIMAL(38,10)": decimal(38, 10),
	"FLOAT": float(32), "DOUBLE": float(64),
	"VARCHAR": varchar(func(s string) string { return s }), "JSON": varchar(func(s string) string { return `{"k": ` + fmt.Sprint(len(s)) + `}` }),
	"UUID": func(r *rand.Rand) cell {
		return textCell(fmt.Sprintf("%08x-0000-4000-8000-%012x", r.Uint32(), r.Uint64()>>16))
	},
	"BLOB": func(r *rand.Rand) cell {
		b := make([]byte, []int{0, 1, 5, 1000, 1001}[r.IntN(5)])
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		c := textCell(strings.ToUpper(hex.EncodeToString(b)))
		c.sql, c.size = "unhex('"+hex.EncodeToString(b)+"')", len(b)
		c.text = rowText(strings.ToUpper(hex.EncodeToString(b)), len(b))
		return c
	},
	"DATE": func(r *rand.Rand) cell {
		d := instant(r).Truncate(24 * time.Hour)
		return cell{sql: "DATE '" + d.Format(time.DateOnly) + "'", text: d.Format(time.DateOnly), order: new(big.Rat).SetInt64(d.Unix()), shown: d.Format(time.DateOnly)}
	},
	"TIME": func(r *rand.Rand) cell {
		us := []int64{0, 1, 86399999999, r.Int64N(86400e6)}[r.IntN(4)]
		return micros(us, "TIME '"+time.UnixMicro(us).UTC().Format("15:04:05.999999")+"'")
	},
	"TIMESTAMP": timestamp("TIMESTAMP", time.Microsecond), "TIMESTAMP_S": timestamp("TIMESTAMP_S", time.Second), "TIMESTAMP WITH TIME ZONE": timestamp("TIMESTAMPTZ", time.Microsecond),
	"INTEGER[]":                        nested([2]string{"[1, NULL]", "[1,null]"}, [2]string{"[]", "[]"}),
	`STRUCT("a" INTEGER, "b" VARCHAR)`: nested([2]string{`{'a': 1, 'b': 'x"|y'}`, `{"a":1,"b":"x\"|y"}`}, [2]string{"{'a': NULL, 'b': NULL}", `{"a":null,"b":null}`}),
	"MAP(VARCHAR, INTEGER)":            nested([2]string{"MAP {'k': 1}", `{"k":1}`}, [2]string{"MAP {}", "{}"}),
}

func integer(bits uint, signed bool) maker {
	return func(r *rand.Rand) cell {
		most := new(big.Int).Lsh(big.NewInt(1), bits)
		n := new(big.Int).Sub(most, big.NewInt(1))
		switch r.IntN(4) {
		case 0:
			n = big.NewInt(0)
		case 1:
			n.Rsh(n, uint(r.IntN(int(bits))))
		case 2:
			if n.Rsh(n, 1); signed {
				n.Neg(most)
			}
		}
		if least := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil); n.CmpAbs(least) >= 0 {
			n.Quo(n, big.NewInt(10))
		}
		v := new(big.Rat).SetInt(n)
		c := cell{sql: n.String(), text: n.String(), order: v, shown: n.String()}
		if bits <= 64 {
			c.sum = v
		}
		return c
	}
}

func decimal(width, scale int) maker {
	return func(r *rand.Rand) cell {
		most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(width)), nil)
		n := new(big.Int).Sub(most, big.NewInt(1))
		switch r.IntN(4) {
		case 0:
			n = big.NewInt(int64(r.IntN(2)))
		case 1:
			n.Rsh(n, uint(r.IntN(width*3)))
		}
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		v := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		c := cell{sql: fmt.Sprintf("CAST('%s' AS DECIMAL(%d,%d))", v.FloatString(scale), width, scale), text: v.FloatString(scale), order: v, shown: v.FloatString(scale)}
		if width <= 28 {
			c.sum = v
		}
		return c
	}
}

func float(bits int) maker {
	return func(r *rand.Rand) cell {
		v := []float64{0, math.MaxFloat32, -math.SmallestNonzeroFloat32, r.NormFloat64()}[r.IntN(4)]
		if bits == 32 {
			v = float64(float32(v))
		}
		return cell{sql: fmt.Sprintf("CAST('%v' AS DOUBLE)", v), text: "f", order: new(big.Rat).SetFloat64(v), shown: fmt.Sprint(v)}
	}
}

func rowText(s string, size int) string {
	if size > 1000 {
		sum := md5.Sum([]byte(s))
		s = hex.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%d:%s", size, s)
}

func textCell(s string) cell {
	return cell{sql: "'" + strings.ReplaceAll(s, "'", "''") + "'", text: rowText(s, len(s)), size: len(s)}
}

func varchar(shape func(string) string) maker {
	of := []string{"", "~", "|", "0:", "1:a|2:bc", "it's", "ü🤦\u200d", "\x1f\n\t\\", "NULL", "\U0010FFFF\u0001", strings.Repeat("é", 500), strings.Repeat("é", 501), " "}
	return func(r *rand.Rand) cell { return textCell(shape(of[r.IntN(len(of))])) }
}

func nested(of ...[2]string) maker {
	return func(r *rand.Rand) cell {
		pick := of[r.IntN(len(of))]
		c := textCell(pick[1])
		c.sql = pick[0]
		return c
	}
}

func instant(r *rand.Rand) time.Time {
	switch r.IntN(4) {
	case 0:
		return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	case 1:
		return time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	case 2:
		return time.Unix(-1, 1000).UTC()
	}
	return time.UnixMicro(r.Int64N(4e15)).UTC()
}

func timestamp(typ string, to time.Duration) maker {
	return func(r *rand.Rand) cell {
		t := instant(r).Truncate(to)
		zone := ""
		if typ == "TIMESTAMPTZ" {
			zone = "+00"
		}
		return micros(t.UnixMicro(), "CAST('"+t.Format("2006-01-02 15:04:05.999999")+zone+"' AS "+typ+")")
	}
}

func micros(us int64, sql string) cell {
	return cell{sql: sql, text: fmt.Sprint(us), order: new(big.Rat).SetInt64(us), shown: fmt.Sprint(us)}
}

// goProof is a proof as Go has it.
func goProof(rows [][]cell, columns []snowflake.Column) map[string]string {
	hash := new(big.Int)
	for _, row := range rows {
		fields := make([]string, len(row))
		for i, c := range row {
			if fields[i] = c.text; c.null {
				fields[i] = "~"
			}
			if c.null && sized(columns[i]) {
				fields[i] = "~:"
			}
		}
		sum := md5.Sum([]byte(strings.Join(fields, "|")))
		hash.Add(hash, new(big.Int).SetUint64(binary.BigEndian.Uint64(sum[8:])))
	}
	out := map[string]string{"n": fmt.Sprint(len(rows)), "hash": hash.String()}
	for i, c := range columns {
		column(rows, i, c, out)
	}
	return out
}

func column(rows [][]cell, i int, c snowflake.Column, out map[string]string) {
	var count, bytes, longest int
	var least, most *cell
	var sum *big.Rat
	for _, row := range rows {
		v := row[i]
		if v.null {
			continue
		}
		count++
		bytes, longest = bytes+v.size, max(longest, v.size)
		if v.order != nil {
			if least == nil || v.order.Cmp(least.order) < 0 {
				least = &v
			}
			if most == nil || v.order.Cmp(most.order) > 0 {
				most = &v
			}
		}
		if v.sum != nil {
			if sum == nil {
				sum = new(big.Rat)
			}
			sum.Add(sum, v.sum)
		}
	}
	key := func(name string) string { return fmt.Sprintf("%s%d", name, i) }
	out[key("c")] = fmt.Sprint(count)
	if least != nil {
		out[key("min")], out[key("max")] = least.shown, most.shown
	}
	if sum != nil {
		var width, scale int
		fmt.Sscanf(c.Type, "NUMBER(%d,%d)", &width, &scale)
		out[key("sum")] = sum.FloatString(scale)
	}
	if count > 0 && sized(c) {
		out[key("bytes")], out[key("longest")] = fmt.Sprint(bytes), fmt.Sprint(longest)
	}
	if strings.HasPrefix(c.Type, "BOOLEAN") && len(rows) > 0 && count == 0 {
		out[key("sum")] = "0"
	}
}

// sized says whether a column's values stand behind their lengths.
func sized(c snowflake.Column) bool {
	return strings.HasPrefix(c.Type, "VARCHAR") || strings.HasPrefix(c.Type, "BINARY")
}

func open(t *testing.T) (warehouse.Warehouse, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 1, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, dir
}

func localProof(t *testing.T, w warehouse.Warehouse, from string, columns []snowflake.Column) map[string]string {
	t.Helper()
	answer, err := w.Query(t.Context(), snowflake.LocalProof(from, columns))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i, c := range answer.Columns {
		if v := answer.Rows[0][i]; v != nil {
			out[strings.ToLower(c.Name)] = v.(string)
		}
	}
	return out
}

// from is a table expression of rows with these columns.
func from(rows [][]cell, of []string) string {
	selects := make([]string, len(rows))
	for r, row := range rows {
		items := make([]string, len(row))
		for i, c := range row {
			items[i] = fmt.Sprintf(`CAST(%s AS %s) AS "%s"`, c.sql, of[2*i+1], of[2*i])
		}
		selects[r] = "SELECT " + strings.Join(items, ", ")
	}
	return "(" + strings.Join(selects, "\nUNION ALL ") + ")"
}

// TestLocalProof holds DuckDB's proof of random rows against Go's, and that of the file that is made of them against both.
func TestLocalProof(t *testing.T) {
	w, dir := open(t)
	cols := columns(t, everyType...)
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 6))
		rows := make([][]cell, 1+r.IntN(8))
		for i := range rows {
			rows[i] = make([]cell, len(cols))
			for j, c := range cols {
				if rows[i][j] = makers[c.DuckDB](r); r.IntN(5) == 0 || seed == 0 && j%2 == 0 {
					rows[i][j] = null
				}
			}
		}
		here := localProof(t, w, from(rows, everyType), cols)
		if diff := snowflake.Compare(cols, here, goProof(rows, cols)); len(diff) > 0 {
			t.Fatalf("seed %d: DuckDB here, Go there:\n%s", seed, strings.Join(diff, "\n"))
		}
		if err := snowflake.Fits(cols, here); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.parquet", seed))
		if _, err := w.Write(t.Context(), snowflake.FileSelect(cols, from(rows, everyType)), path); err != nil {
			t.Fatal(err)
		}
		if diff := snowflake.Compare(cols, here, localProof(t, w, "read_parquet('"+path+"')", snowflake.Written(cols))); len(diff) > 0 {
			t.Fatalf("seed %d: rows here, their file there:\n%s", seed, strings.Join(diff, "\n"))
		}
		if seed == 1 {
			mutate(t, w, r, rows, cols, here)
		}
	}
}

// mutate changes one value at a time: each change shows, but that of a float within its bounds.
func mutate(t *testing.T, w warehouse.Warehouse, r *rand.Rand, rows [][]cell, cols []snowflake.Column, here map[string]string) {
	t.Helper()
	for j, c := range cols {
		if strings.HasPrefix(c.Type, "FLOAT") {
			continue
		}
		i := r.IntN(len(rows))
		old := rows[i][j]
		for range 20 {
			if rows[i][j] = makers[c.DuckDB](r); rows[i][j].text != old.text || old.null {
				break
			}
		}
		if diff := snowflake.Compare(cols, localProof(t, w, from(rows, everyType), cols), here); len(diff) == 0 {
			t.Errorf("column %s: %s became %s, and the proof is the same", c.Name, old.sql, rows[i][j].sql)
		}
		rows[i][j] = old
	}
}

// TestLowerHalfOfMD5 has the numbers that Snowflake's documentation of MD5_NUMBER_LOWER64 gives, of the function itself and of Snowpark's:
// so do DuckDB's spelling of it and the stand-in.
func TestLowerHalfOfMD5(t *testing.T) {
	w, _ := open(t)
	there := standIn(t)
	for s, want := range map[string]uint64{"Snowflake": 9203306159527282910, "test": 14618207765679027446, "hello": 13362634815750784402} {
		sum := md5.Sum([]byte(s))
		if got := binary.BigEndian.Uint64(sum[8:]); got != want {
			t.Errorf("%s: %d, want %d", s, got, want)
		}
		here, err := w.Query(t.Context(), "SELECT CAST("+warehouse.DuckDB.TextHash("'"+s+"'")+" AS VARCHAR) AS h")
		if err != nil || here.Rows[0][0] != fmt.Sprint(want) {
			t.Errorf("%s: %v in DuckDB, want %d (%v)", s, here, want, err)
		}
		answer, err := there(t.Context(), snowflake.Statement{SQL: "SELECT TO_VARCHAR(" + snowflake.Dialect.TextHash("?") + ") AS H", Args: []any{s}})
		if err != nil || *answer.Rows[0][0] != fmt.Sprint(want) {
			t.Errorf("%s: %v in the stand-in, want %d (%v)", s, answer, want, err)
		}
	}
}

// TestRowsCannotShift: rows that would be the same if their texts were only put together are told apart.
func TestRowsCannotShift(t *testing.T) {
	w, _ := open(t)
	cols := columns(t, "a", "VARCHAR", "b", "VARCHAR")
	seen := map[string]string{}
	for _, row := range []string{"'x|1:y', 'z'", "'x', 'y|1:z'", "NULL, '~'", "'~', NULL", "NULL, NULL", "'', NULL", "NULL, ''", "'', ''", "'|', ''", "'', '|'"} {
		hash := localProof(t, w, "(VALUES ("+row+")) AS v(a, b)", cols)["hash"]
		if other, ok := seen[hash]; ok {
			t.Errorf("%s and %s are one row to the proof", row, other)
		}
		seen[hash] = row
	}
}

// TestBoundsOfFloats: bounds are the same float, however many digits of it are written.
func TestBoundsOfFloats(t *testing.T) {
	cols := columns(t, "x", "DOUBLE")
	for _, c := range []struct {
		here, there string
		same        bool
	}{
		{"0.30000000000000004", "3.0000000000000004E-1", true}, {"1e300", "1E300", true}, {"-0.0", "0", true}, {"NaN", "NAN", true}, {"inf", "INF", true},
		{"1.7976931348623157e+308", "1.79769313486232E308", true}, {"5e-324", "4.9406564584124654E-324", true},
		{"0.1", "1.0000000149011612E-1", false}, {"inf", "1.7976931348623157E308", false}, {"NaN", "inf", false}, {"0", "5E-324", false}, {"1", "one", false},
	} {
		side := func(x string) map[string]string {
			return map[string]string{"n": "1", "hash": "1", "c0": "1", "min0": x, "max0": x}
		}
		if diff := snowflake.Compare(cols, side(c.here), side(c.there)); (len(diff) == 0) != c.same {
			t.Errorf("%s here and %s there: %v", c.here, c.there, diff)
		}
	}
}
