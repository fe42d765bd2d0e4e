package warehousetest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/warehouse"
)

func runWarehouse(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	var sqlErr *warehouse.SQLError

	for _, q := range []string{"SELECT 1; SELECT 2", "DROP TABLE x", "COPY (SELECT 1) TO 'x'", "SELECT 1) TO 'x' --"} {
		if err := b.w.CheckSelect(b.Context(), q); !errors.As(err, &sqlErr) {
			t.Errorf("CheckSelect(%s) = %v", q, err)
		}
		if _, err := b.w.Write(b.Context(), q, b.path()); err == nil {
			t.Errorf("Write(%s) works", q)
		}
		if _, err := b.w.Query(b.Context(), q); err == nil {
			t.Errorf("Query(%s) works", q)
		}
	}
	if err := b.w.CheckSelect(b.Context(), "SELECT * FROM nowhere.there; -- yet"); err != nil {
		t.Error(err)
	}
	if _, err := b.w.Query(b.Context(), "SELECT 1,\n  nosuch"); !errors.As(err, &sqlErr) || sqlErr.Offset != 12 {
		t.Errorf("offset %+v", err)
	}
	if _, err := b.w.Write(b.Context(), "SELECT 1 AS a,\n  nosuch", b.path()); !errors.As(err, &sqlErr) || sqlErr.Offset != 17 {
		t.Errorf("offset %+v", err)
	}

	// Write
	path := b.path()
	if _, err := b.w.Write(b.Context(), "SELECT 1 AS a, 2 AS A", path); err == nil || !strings.Contains(err.Error(), `"a" and "A"`) {
		t.Errorf("two columns of one name: %v", err)
	}
	f, err := b.w.Write(b.Context(), "SELECT i AS \"odd \"\"name\", 'x' AS s FROM range(1000) t(i) -- all", path)
	if err != nil {
		t.Fatal(err)
	}
	sum, size, err := warehouse.Hash(path)
	if err != nil || f.Rows != 1000 || f.Bytes != size || f.SHA256 != sum || *f.Stats[`odd "name`].Max != "999" || f.Stats["s"].Nulls != 0 {
		t.Errorf("%+v, %v", f, err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := b.w.Write(ctx, "SELECT 1 AS a", b.path()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// Ingest
	in, err := b.w.Ingest(b.Context(), batches(3, 1000, nil), b.path())
	if err != nil || in.Rows != 3000 || *in.Stats["id"].Max != "2999" || in.Stats["d"].Nulls != 3000 {
		t.Errorf("%+v, %v", in, err)
	}
	broken := errors.New("broken pipe")
	path = b.path()
	if _, err := b.w.Ingest(b.Context(), batches(3, 1000, broken), path); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a failed Ingest left its file")
	}

	// several at once
	var group sync.WaitGroup
	for i := range 8 {
		path := b.path()
		group.Go(func() {
			v := warehouse.Version{Name: warehouse.Name{Schema: "s", Table: fmt.Sprintf("t%d", i)}, Columns: []warehouse.Column{{Name: "id", Type: "BIGINT"}}}
			var err error
			var f warehouse.File
			if i%2 == 0 {
				f, err = b.w.Ingest(b.Context(), batches(2, 100, nil), path)
			} else {
				f, err = b.w.Write(b.Context(), "SELECT i AS id FROM range(200) t(i)", path)
			}
			v.Base = []warehouse.File{f}
			if err == nil {
				err = b.w.Expose(b.Context(), v)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range 8 {
		if got := b.text(fmt.Sprintf("SELECT count(*), max(id) FROM s.t%d", i)); got != "[[200 199]]" {
			t.Error(i, got)
		}
	}
}

// batches reads n batches, then err.
func batches(n, rows int, err error) array.RecordReader {
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "d", Type: arrow.FixedWidthTypes.MonthDayNanoInterval, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return array.ReaderFromIter(schema, func(yield func(arrow.RecordBatch, error) bool) {
		for i := range n {
			for r := range rows {
				b.Field(0).(*array.Int64Builder).Append(int64(i*rows + r))
				b.Field(1).AppendNull()
			}
			if !yield(b.NewRecordBatch(), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	})
}

// runTypes writes every type at its extremes and reads the file with parquet-go. What comes back, cast to the type
// it was, must be what went in.
func runTypes(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	for _, c := range []struct{ typ, values, want string }{
		{"BOOLEAN", "true, false", "true false"},
		{"TINYINT", "-128, 127", "-128 127"},
		{"SMALLINT", "-32768, 32767", "-32768 32767"},
		{"INTEGER", "-2147483648, 2147483647", "-2147483648 2147483647"},
		{"BIGINT", "-9223372036854775808, 9223372036854775807", "-9223372036854775808 9223372036854775807"},
		{"UTINYINT", "0, 255", "0 255"},
		{"USMALLINT", "0, 65535", "0 65535"},
		{"UINTEGER", "0, 4294967295", "0 -1"},          // the same 32 bits
		{"UBIGINT", "0, 18446744073709551615", "0 -1"}, // the same 64 bits
		{"HUGEINT", "-99999999999999999999999999999999999999, 99999999999999999999999999999999999999", "0xb4c4b357a5793b85f675ddc000000001 0x4b3b4ca85a86c47a098a223fffffffff"},
		{"UHUGEINT", "0, 99999999999999999999999999999999999999", "0x00000000000000000000000000000000 0x4b3b4ca85a86c47a098a223fffffffff"},
		{"BIGNUM", "'-123456789012345678901234567890123456789012345678901234567890', 0", "-123456789012345678901234567890123456789012345678901234567890 0"},
		{"FLOAT", "'-inf', 'nan', 1.4e-45, 3.4028235e38", "-Inf NaN 1e-45 3.4028235e+38"},
		{"DOUBLE", "'inf', 'nan', 5e-324, 1.7976931348623157e308", "+Inf NaN 5e-324 1.7976931348623157e+308"},
		{"DECIMAL(4,1)", "-999.9, 999.9", "-9999 9999"},
		{"DECIMAL(9,0)", "-999999999, 999999999", "-999999999 999999999"},
		{"DECIMAL(18,18)", "-0.999999999999999999, 0.000000000000000001", "-999999999999999999 1"},
		{"DECIMAL(38,10)", "'-9999999999999999999999999999.9999999999', '9999999999999999999999999999.9999999999'", "0xb4c4b357a5793b85f675ddc000000001 0x4b3b4ca85a86c47a098a223fffffffff"},
		{"VARCHAR", "'', 'é' || chr(0) || '🜚', repeat('x', 3)", "'' é\x00🜚 xxx"},
		{"JSON", `'{"a": [1, null]}', 'null'`, `{"a": [1, null]} null`},
		{"BLOB", `'\x00\xFF'::BLOB, ''::BLOB`, "0x00ff ''"},
		{"BIT", "'0101', '1'", "0101 1"},
		{"UUID", "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'", "0x00000000000000000000000000000000 0xffffffffffffffffffffffffffffffff"},
		{"ENUM('a', 'it''s, (b)')", "'a', 'it''s, (b)'", "a it's, (b)"},
		{"DATE", "'5877642-06-25 (BC)', '5881580-07-10', 'infinity', '1969-12-31'", "-2147483646 2147483646 2147483647 -1"},
		{"TIME", "'00:00:00', '23:59:59.999999', '24:00:00'", "0 86399999999 86400000000"},
		{"TIME_NS", "'23:59:59.999999999'", "23:59:59.999999999"},
		{"TIME WITH TIME ZONE", "'00:00:00+15:59:59', '23:59:59.999999-15:59:59'", "00:00:00+15:59:59 23:59:59.999999-15:59:59"},
		{"TIMESTAMP", "'290309-12-22 (BC) 00:00:00', '294247-01-10 04:00:54.775806', '-infinity'", "-9223372022400000000 9223372036854775806 -9223372036854775807"},
		{"TIMESTAMP_S", "'1970-01-01 00:00:01', '9999-12-31 23:59:59'", "1000000 253402300799000000"},
		{"TIMESTAMP_MS", "'1970-01-01 00:00:00.001', 'infinity'", "1000 9223372036854775807"},
		{"TIMESTAMP_NS", "'1677-09-22 00:00:00', '2262-04-11 23:47:16.854775806'", "-9223286400000000000 9223372036854775806"},
		{"TIMESTAMP WITH TIME ZONE", "'290309-12-22 (BC) 00:00:00+00', '294247-01-10 04:00:54.775806+00'", "-9223372022400000000 9223372036854775806"},
		{"INTERVAL", "'-3 months 5 days -1 microsecond', '0 days'", "-3 months 5 days -00:00:00.000001 00:00:00"},
		{"INTEGER[3]", "[1, NULL, 3]", "1 <null> 3"},
		{"HUGEINT[]", "[1, NULL], []", "0x00000000000000000000000000000001 <null> <null>"},
		{"STRUCT(a TIME WITH TIME ZONE, \"b c\" ENUM('x')[])", "{'a': '10:00:00+02', 'b c': ['x']}", "10:00:00+02 x"},
		{"MAP(VARCHAR, UHUGEINT)", "MAP {'k': 7}", "k 0x00000000000000000000000000000007"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			var selects []string
			for _, v := range append(splitTop(c.values), "NULL") {
				selects = append(selects, fmt.Sprintf("SELECT CAST(%s AS %s) AS v", v, c.typ))
			}
			query := strings.Join(selects, " UNION ALL ")
			f, err := b.w.Write(t.Context(), query, b.path())
			if err != nil {
				t.Fatal(err)
			}
			got, err := values(f.Path)
			if err != nil {
				t.Fatal(err)
			}
			if want := c.want + " <null>"; !strings.HasPrefix(got, want) { // a nested NULL gives one for each leaf
				t.Errorf("in the file: %s\nwant         %s", got, want)
			}
			columns := b.columns(query)
			if err := warehouse.Verify(f.Path, f, columns, true); err != nil {
				t.Error(err)
			}
			if err := b.w.Expose(t.Context(), warehouse.Version{Name: warehouse.Name{Schema: "types", Table: "t"}, Columns: columns, Base: []warehouse.File{f}}); err != nil {
				t.Fatal(err)
			}
			text := "SELECT v::VARCHAR AS v FROM (%s)"
			before, after := fmt.Sprintf(text, query), fmt.Sprintf(text, "FROM types.t")
			if got := b.text(fmt.Sprintf("(%s EXCEPT ALL %s) UNION ALL (%[2]s EXCEPT ALL %[1]s)", before, after)); got != "[]" {
				t.Errorf("went in or came out, not both: %s", got)
			}
			if len(f.Stats) == 0 {
				t.Error("no statistics")
			}
		})
	}
	for _, c := range []struct{ query, want string }{
		{"SELECT 1::VARIANT AS x", `column "x"`},
		{"SELECT union_value(a := 1) AS x", `column "x"`},
		{"SELECT [union_value(a := 1)] AS x", "UNION"},
		{"SELECT 170141183460469231731687303715884105727::HUGEINT AS x", "Conversion"},
	} {
		if _, err := b.w.Write(b.Context(), c.query, b.path()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.query, err)
		}
	}
	if f := b.write("SELECT NULL AS n, sum(1) AS s"); f.Stats["n"].Nulls != 1 || *f.Stats["s"].Max != "1" {
		t.Errorf("%+v", f)
	}
}

// splitTop splits at the commas that are in no bracket or quote.
func splitTop(s string) []string {
	var out []string
	depth, quoted, from := 0, false, 0
	for i, r := range s {
		switch {
		case r == '\'':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		case r == ',' && depth == 0:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

// values are all values of a file as parquet-go reads them, in the file's order.
func values(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	p, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		return "", err
	}
	var out []string
	for _, group := range p.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 10)
		for {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				for _, v := range row {
					out = append(out, show(v))
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return "", err
			}
		}
		if err := rows.Close(); err != nil {
			return "", err
		}
	}
	return strings.Join(out, " "), nil
}

func show(v parquet.Value) string {
	switch {
	case v.IsNull():
		return "<null>"
	case v.Kind() == parquet.FixedLenByteArray, v.Kind() == parquet.ByteArray && (len(v.ByteArray()) == 0 || v.ByteArray()[0] == 0):
		if s := v.ByteArray(); v.Kind() == parquet.ByteArray && len(s) == 0 {
			return "''"
		}
		return "0x" + hex.EncodeToString(v.ByteArray())
	case v.Kind() == parquet.Float:
		return fmt.Sprint(v.Float())
	case v.Kind() == parquet.Double:
		return fmt.Sprint(v.Double())
	default:
		return v.String()
	}
}
