package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

// Wire bytes, as the server's send functions write them.

func be16(n int) []byte   { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte   { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// wireNumeric makes a numeric of a plain text ("-12.50").
func wireNumeric(s string) []byte {
	switch s {
	case "NaN":
		return join(be16(0), be16(0), be16(numericNaN), be16(0))
	case "Infinity":
		return join(be16(0), be16(0), be16(numericPlusInf), be16(32))
	case "-Infinity":
		return join(be16(0), be16(0), be16(numericMinusInf), be16(32))
	}
	sign := 0
	if s[0] == '-' {
		sign, s = numericNegative, s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	scale := len(fraction)
	for len(whole)%4 != 0 {
		whole = "0" + whole
	}
	for len(fraction)%4 != 0 {
		fraction += "0"
	}
	weight := len(whole)/4 - 1
	all := whole + fraction
	for strings.HasPrefix(all, "0000") {
		all, weight = all[4:], weight-1
	}
	for strings.HasSuffix(all, "0000") {
		all = all[:len(all)-4]
	}
	if all == "" {
		weight = 0
	}
	v := join(be16(len(all)/4), be16(weight), be16(sign), be16(scale))
	for ; len(all) > 0; all = all[4:] {
		n := 0
		fmt.Sscanf(all[:4], "%d", &n)
		v = append(v, be16(n)...)
	}
	return v
}

func wireHeader() []byte { return join(copySignature, be32(0), be32(0)) }

func wireRow(values ...[]byte) []byte {
	row := be16(len(values))
	for _, v := range values {
		if v == nil {
			row = append(row, be32(-1)...)
			continue
		}
		row = append(append(row, be32(len(v))...), v...)
	}
	return row
}

func wireEnd() []byte { return be16(-1) }

func wireArray(oid int, lengths, lowers []int, items ...[]byte) []byte {
	v := join(be32(len(lengths)), be32(0), be32(oid))
	for i := range lengths {
		v = join(v, be32(lengths[i]), be32(lowers[i]))
	}
	for _, item := range items {
		if item == nil {
			v = append(v, be32(-1)...)
			continue
		}
		v = append(append(v, be32(len(item))...), item...)
	}
	return v
}

// base is an attribute of a built-in type.
func base(name string, oid uint32, typmod int32) attribute {
	return attribute{name: name, sqlType: fmt.Sprintf("type %d", oid), typ: pgType{oid: oid, kind: "b", typmod: typmod, moneyScale: 2}}
}

func arrayOf(name string, oid uint32, typmod int32, dims int) attribute {
	elem := base(name, oid, typmod).typ
	return attribute{name: name, sqlType: fmt.Sprintf("type %d[]", oid), dims: dims, typ: pgType{kind: "b", typmod: typmod, elem: &elem}}
}

func numericMod(p, s int) int32 { return int32(p<<16|s&0x7ff) + 4 }

func mustColumns(t testing.TB, attrs ...attribute) []column {
	t.Helper()
	columns, err := columnsFor(attrs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

func schemaOf(columns []column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field
	}
	return arrow.NewSchema(fields, nil)
}

// copied is what a decoder made of a stream.
type copied struct {
	rows    []string // of each column the text of Arrow, with | between
	batches int
	rejects []extract.Reject
	read    int64
	resume  []*string
	err     error
}

// decode feeds a stream in pieces of step bytes; 0: all at once.
func decode(t testing.TB, columns []column, extra int, stream []byte, step int, opts copyOptions) (c copied) {
	t.Helper()
	b := arrowx.NewBatcher(schemaOf(columns), func(r arrow.RecordBatch) error {
		defer r.Release()
		c.batches++
		for i := range int(r.NumRows()) {
			var cells []string
			for _, col := range r.Columns() {
				if col.IsNull(i) {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, col.ValueStr(i))
				}
			}
			c.rows = append(c.rows, strings.Join(cells, "|"))
		}
		return nil
	})
	defer b.Release()
	if opts.stream == "" {
		opts.stream = "s"
	}
	d := newCopyDecoder(t.Context(), columns, extra, b, func(r extract.Reject) error { c.rejects = append(c.rejects, r); return nil }, opts)
	if step == 0 {
		step = len(stream) + 1
	}
	for len(stream) > 0 && c.err == nil {
		n := min(step, len(stream))
		_, c.err = d.Write(stream[:n])
		stream = stream[n:]
	}
	if err := d.finish(); c.err == nil {
		c.err = err
	} else if err == nil {
		t.Error("finish is content after a failed Write")
	}
	c.read, c.resume = d.read, d.resume()
	return c
}

func TestCopyInPieces(t *testing.T) {
	columns := mustColumns(t, base("id", oidInt4, -1), base("v", oidText, -1))
	stream := join(copySignature, be32(7), be32(3), []byte("ext"),
		wireRow(be32(1), []byte("a"), []byte("x"), nil),
		wireRow(be32(-2), nil, []byte("y"), []byte("")),
		wireRow(be32(3), []byte(""), nil, []byte("z")), wireEnd())
	for step := range len(stream) {
		c := decode(t, columns, 2, stream, step, copyOptions{})
		if c.err != nil || c.read != 3 || strings.Join(c.rows, ",") != "1|a,-2|NULL,3|" {
			t.Fatalf("step %d: %+v", step, c)
		}
		if c.resume[0] != nil || *c.resume[1] != "z" {
			t.Errorf("step %d: resume %v", step, c.resume)
		}
	}
	for cut := range len(stream) {
		for _, step := range []int{0, 1, 5} {
			c := decode(t, columns, 2, stream[:cut], step, copyOptions{})
			if !errors.Is(c.err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d: %v", cut, c.err)
			}
		}
	}
	c := decode(t, columns, 2, stream[:len(stream)-2-2], 0, copyOptions{})
	if c.read != 2 || c.resume[1] == nil || *c.resume[0] != "y" || *c.resume[1] != "" {
		t.Errorf("resume of the last whole row: %+v", c)
	}
	if c := decode(t, columns, 2, join(wireHeader(), wireEnd()), 1, copyOptions{}); c.err != nil || c.resume != nil || c.batches != 0 {
		t.Errorf("no rows: %+v", c)
	}
}

func TestCopyBroken(t *testing.T) {
	columns := mustColumns(t, base("id", oidInt4, -1), base("v", oidText, -1))
	row := wireRow(be32(1), []byte("a"))
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"text":        {[]byte("1\ta\n2\tb\n3\tc\n4\td\n5\te\n"), "not in COPY's binary format"},
		"flags":       {join(copySignature, be32(1<<16), be32(0)), "unknown flags"},
		"extension":   {join(copySignature, be32(0), be32(-5)), "header extension"},
		"columns":     {join(wireHeader(), row, wireRow(be32(1))), "row 2 of the copy of \"s\" has 1 columns, not 2"},
		"no columns":  {join(wireHeader(), be16(-2)), "has -2 columns"},
		"length":      {join(wireHeader(), be16(2), be32(-2)), "column 1 has -2 bytes"},
		"far too big": {join(wireHeader(), be16(2), be32(math.MaxInt32)), "column 1 has 2147483647 bytes"},
		"size":        {join(wireHeader(), wireRow(be64(1), []byte("a"))), `row 1 of the copy of "s": column "id" of type type 23 has 8 bytes, not 4`},
		"beyond end":  {join(wireHeader(), row, wireEnd(), []byte("x")), "goes on after its end"},
	} {
		for _, step := range []int{0, 1} {
			if got := decode(t, columns, 0, c.stream, step, copyOptions{}); got.err == nil || !strings.Contains(got.err.Error(), c.want) {
				t.Errorf("%s: %v", name, got.err)
			}
		}
	}
}

func TestCopyRejects(t *testing.T) {
	columns := mustColumns(t, base("id", oidInt8, -1), base("n", oidNumeric, numericMod(5, 2)), base("v", oidText, -1), arrayOf("l", oidText, -1, 1))
	list := wireArray(25, []int{2}, []int{1}, []byte("p"), nil)
	stream := join(wireHeader(),
		wireRow(be64(1), wireNumeric("1.5"), []byte("a"), list, []byte("r1")),
		wireRow(be64(2), wireNumeric("NaN"), []byte("q\"\n"), list, []byte("r2")),
		wireRow(be64(3), nil, []byte(strings.Repeat("x", 200)), nil, []byte("r3")),
		wireRow(be64(4), nil, []byte("\xff!"), nil, []byte("r4")),
		wireRow(be64(5), nil, nil, wireArray(25, []int{1}, []int{1}, []byte("\xfe")), []byte("r5")),
		wireRow(be64(6), nil, nil, wireArray(25, nil, nil), []byte("r6")),
		wireRow(be64(7), nil, nil, wireArray(25, []int{1}, []int{0}, []byte("p")), []byte("r7")),
		wireEnd())
	c := decode(t, columns, 1, stream, 0, copyOptions{maxRow: 150, checkUTF8: true})
	if c.err != nil || c.read != 7 || strings.Join(c.rows, ",") != `1|1.5|a|["p",null],6|NULL|NULL|[]` || *c.resume[0] != "r7" {
		t.Fatalf("%+v", c)
	}
	want := []extract.Reject{
		{File: "s", Offset: -1, Column: "n", Reason: extract.ReasonCast, Raw: `{"id":"2","n":"NaN","v":"q\"\u000a","l":"{p,NULL}"}`},
		{File: "s", Offset: -1, Reason: extract.ReasonTooLong, Raw: `{"id":"3","n":null,"v":"` + strings.Repeat("x", 200) + `","l":null}`},
		{File: "s", Offset: -1, Column: "v", Reason: extract.ReasonEncoding, Raw: `{"id":"4","n":null,"v":"\xff!","l":null}`},
		{File: "s", Offset: -1, Column: "l", Reason: extract.ReasonEncoding, Raw: `{"id":"5","n":null,"v":null,"l":"{\xfe}"}`},
		{File: "s", Offset: -1, Column: "l", Reason: extract.ReasonCast, Raw: `{"id":"7","n":null,"v":null,"l":"{p}"}`},
	}
	if len(c.rejects) != len(want) {
		t.Fatalf("%+v", c.rejects)
	}
	for i, r := range c.rejects {
		if r.Message == "" {
			t.Errorf("reject %d has no message", i)
		}
		if r.Message = ""; r != want[i] {
			t.Errorf("reject %d:\n%+v\nwant\n%+v", i, r, want[i])
		}
	}
	c = decode(t, columns, 1, stream, 0, copyOptions{fail: true})
	for _, part := range []string{`column "n" in row 2 of the copy of "s"`, "NaN", `"id":"2"`, "columns: {n: VARCHAR}"} {
		if c.err == nil || !strings.Contains(c.err.Error(), part) {
			t.Errorf("%q is not in: %v", part, c.err)
		}
	}
	if c.batches != 0 {
		t.Error("a batch was emitted after the failure")
	}
}

func TestCopyRawIsCut(t *testing.T) {
	columns := mustColumns(t, base("v", oidText, -1), base("w", oidBytea, -1))
	stream := join(wireHeader(), wireRow([]byte(strings.Repeat("é", extract.MaxRaw)), make([]byte, 1<<20)), wireEnd())
	c := decode(t, columns, 0, stream, 1000, copyOptions{maxRow: 10})
	if c.err != nil || len(c.rejects) != 1 || len(c.rejects[0].Raw) > extract.MaxRaw || !strings.HasPrefix(c.rejects[0].Raw, `{"v":"éé`) {
		t.Errorf("%v, %d", c.err, len(c.rejects))
	}
}

func TestCopyErrorsOfOthers(t *testing.T) {
	columns := mustColumns(t, base("d", oidDate, -1))
	stream := join(wireHeader(), wireRow(be32(math.MaxInt32-1)), wireEnd())
	boom := errors.New("boom")
	b := arrowx.NewBatcher(schemaOf(columns), func(r arrow.RecordBatch) error { r.Release(); return boom })
	defer b.Release()
	d := newCopyDecoder(t.Context(), columns, 0, b, func(extract.Reject) error { return boom }, copyOptions{})
	if _, err := d.Write(stream); !errors.Is(err, boom) {
		t.Errorf("Write: %v", err)
	}
	if _, err := d.Write(stream); !errors.Is(err, boom) {
		t.Errorf("Write again: %v", err)
	}
	d = newCopyDecoder(t.Context(), columns, 0, b, nil, copyOptions{})
	if _, err := d.Write(join(wireHeader(), wireRow(be32(1)), wireEnd())); err != nil {
		t.Error(err)
	}
	if err := d.finish(); !errors.Is(err, boom) {
		t.Errorf("finish: %v", err)
	}
}

// everyCodec has a column of each codec.
func everyCodec(t testing.TB) []column {
	var attrs []attribute
	for i, oid := range []uint32{oidBool, oidBytea, oidChar, oidInt8, oidInt2, oidInt4, oidText, oidOID, oidJSON, oidFloat4, oidFloat8,
		oidMoney, oidDate, oidTime, oidTimestamp, oidTimestamptz, oidUUID, oidJSONB} {
		attrs = append(attrs, base(fmt.Sprintf("c%d", i), oid, -1), arrayOf(fmt.Sprintf("l%d", i), oid, -1, 1+i%3))
	}
	attrs = append(attrs, base("n1", oidNumeric, numericMod(38, 0)), base("n2", oidNumeric, numericMod(3, 5)), base("n3", oidNumeric, numericMod(30, 30)))
	return mustColumns(t, attrs...)
}

// FuzzCopy: whatever comes, in whatever pieces, there is no panic, every row is landed or rejected, and the pieces
// make no difference.
func FuzzCopy(f *testing.F) {
	columns := everyCodec(f)
	f.Add(everyValue(columns), uint8(3), uint8(0))
	f.Add(everyValue(columns), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, step, extra uint8) {
		anyStream(t, columns, stream, int(step), int(extra)%3)
	})
}

// TestCopyMutated is FuzzCopy for every day: good streams with some bytes changed, cut out or doubled.
func TestCopyMutated(t *testing.T) {
	columns := everyCodec(t)
	good := everyValue(columns)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		stream := slices.Clone(good)
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(stream))
			switch rng.IntN(8) {
			case 0:
				stream = slices.Delete(stream, at, min(len(stream), at+1+rng.IntN(8)))
			case 1:
				stream = slices.Insert(stream, at, stream[at:min(len(stream), at+1+rng.IntN(8))]...)
			default:
				stream[at] = byte(rng.IntN(256) >> rng.IntN(8))
			}
		}
		anyStream(t, columns, stream, 1+rng.IntN(500), rng.IntN(8)/7)
	}
}

// everyValue is a stream with a row of NULLs and two of values.
func everyValue(columns []column) []byte {
	good := make([][]byte, len(columns))
	for i, c := range columns {
		switch {
		case c.dims > 0:
			lengths, lowers := []int{2, 1, 1}[:c.dims], []int{1, 1, 1}[:c.dims]
			good[i] = wireArray(25, lengths, lowers, nil, nil)
		case strings.HasPrefix(c.duckType, "DECIMAL"):
			good[i] = wireNumeric("0.00001")
		case c.duckType == "JSON":
			good[i] = []byte("\x01{}")
		default:
			good[i] = make([]byte, max(c.size, 1))
		}
	}
	return join(wireHeader(), wireRow(good...), wireRow(make([][]byte, len(columns))...), wireRow(good...), wireEnd())
}

// anyStream decodes a stream twice, at once and in pieces, which must make no difference.
func anyStream(t *testing.T, columns []column, stream []byte, step, extra int) {
	t.Helper()
	columns = columns[:len(columns)-extra]
	opts := copyOptions{maxRow: 1000, checkUTF8: step%2 == 0}
	whole, pieces := decode(t, columns, extra, stream, 0, opts), decode(t, columns, extra, stream, step, opts)
	if whole.err == nil && whole.read != int64(len(whole.rows)+len(whole.rejects)) {
		t.Errorf("%x: %d rows read, %d landed, %d rejected", stream, whole.read, len(whole.rows), len(whole.rejects))
	}
	if (whole.err == nil) != (pieces.err == nil) || whole.read != pieces.read || !slices.Equal(whole.rows, pieces.rows) {
		t.Errorf("%x: in pieces of %d bytes %d rows, %v; at once %d rows, %v", stream, step, pieces.read, pieces.err, whole.read, whole.err)
	}
}

// FuzzValues gives each codec a value of its own.
func FuzzValues(f *testing.F) {
	columns := everyCodec(f)
	f.Add(wireNumeric("-12345.678"))
	f.Add(wireArray(25, []int{2, 2}, []int{1, 1}, nil, []byte("1"), nil, []byte("22")))
	f.Add(be64(-1))
	f.Fuzz(func(t *testing.T, v []byte) {
		for _, c := range columns {
			if c.size != 0 && c.size != len(v) {
				continue
			}
			c := []column{c}
			got := decode(t, c, 0, join(wireHeader(), wireRow(v), wireEnd()), 0, copyOptions{checkUTF8: true})
			if got.err != nil || len(got.rows)+len(got.rejects) != 1 {
				t.Errorf("%s: %+v", c[0].duckType, got)
			}
			_ = c[0].text(v)
		}
	})
}

// lineitem is a stream like TPC-H's greatest table.
func lineitem(rows int) ([]column, [][]byte) {
	attrs := []attribute{base("l_orderkey", oidInt8, -1), base("l_partkey", oidInt4, -1), base("l_suppkey", oidInt4, -1), base("l_linenumber", oidInt4, -1),
		base("l_quantity", oidNumeric, numericMod(15, 2)), base("l_extendedprice", oidNumeric, numericMod(15, 2)), base("l_discount", oidNumeric, numericMod(15, 2)), base("l_tax", oidNumeric, numericMod(15, 2)),
		base("l_returnflag", oidBpchar, -1), base("l_linestatus", oidBpchar, -1), base("l_shipdate", oidDate, -1), base("l_commitdate", oidDate, -1), base("l_receiptdate", oidDate, -1),
		base("l_shipinstruct", oidBpchar, -1), base("l_shipmode", oidBpchar, -1), base("l_comment", oidVarchar, -1)}
	columns, err := columnsFor(attrs, nil)
	if err != nil {
		panic(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	modes := []string{"AIR       ", "TRUCK     ", "REG AIR   ", "SHIP      "}
	messages := make([][]byte, rows)
	for i := range messages {
		messages[i] = wireRow(be64(int64(i/4)), be32(rng.IntN(200000)), be32(rng.IntN(10000)), be32(i%7),
			wireNumeric(fmt.Sprintf("%d.00", 1+rng.IntN(50))), wireNumeric(fmt.Sprintf("%d.%02d", 900+rng.IntN(100000), rng.IntN(100))),
			wireNumeric(fmt.Sprintf("0.%02d", rng.IntN(11))), wireNumeric(fmt.Sprintf("0.%02d", rng.IntN(9))),
			[]byte("NAR"[i%3:i%3+1]), []byte("OF"[i%2:i%2+1]), be32(-2000+rng.IntN(2500)), be32(-2000+rng.IntN(2500)), be32(-2000+rng.IntN(2500)),
			[]byte("DELIVER IN PERSON        "), []byte(modes[i%4]), []byte(strings.Repeat("carefully final ", 3)[:10+rng.IntN(34)]))
	}
	return columns, messages
}

// cpu is what this process has used, on all processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCopy decodes rows as the server sends them, one a message; 6M rows are what the bar is given for.
func BenchmarkCopy(b *testing.B) {
	columns, messages := lineitem(10_000)
	var size int64
	for _, m := range messages {
		size += int64(len(m))
	}
	b.SetBytes(size / int64(len(messages)))
	b.ReportAllocs()
	batcher := arrowx.NewBatcher(schemaOf(columns), func(r arrow.RecordBatch) error { r.Release(); return nil })
	defer batcher.Release()
	d := newCopyDecoder(b.Context(), columns, 0, batcher, nil, copyOptions{fail: true})
	if _, err := d.Write(wireHeader()); err != nil {
		b.Fatal(err)
	}
	at, before := 0, cpu()
	for b.Loop() {
		if _, err := d.Write(messages[at]); err != nil {
			b.Fatal(err)
		}
		if at++; at == len(messages) {
			at = 0
		}
	}
	b.ReportMetric((cpu()-before).Seconds()*6e6/float64(b.N), "cpu-s/6Mrows")
}
