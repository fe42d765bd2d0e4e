package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/csvrec"
	"github.com/millrace/millrace/internal/duckdb"
)

// TestRefused is about files that must not be read, each with what the message has to say.
func TestRefused(t *testing.T) {
	full := formats["parquet"](sales(1, 100))
	forged := bytes.Clone(full)
	if i := bytes.LastIndex(forged, []byte("PAR1")); i > 0 {
		for k := i - 60; k < i-8; k++ {
			forged[k] ^= 0x5a
		}
	}
	bomb := gz(append([]byte("id,name,day\n"), bytes.Repeat([]byte("1,x,1\n"), 4<<20)...))
	arrowAll := formats["arrow"](sales(1, 1000))
	streamAll := formats["arrows"](sales(1, 1000))
	cases := []struct {
		name, file, want string
		content          []byte
		opt              StreamOptions
		setup            func(t *testing.T, s *shop)
	}{
		{name: "cut gzip", file: "a.csv.gz", content: gz(formats["csv"](sales(1, 5000)))[:3000], want: "cut off"},
		{name: "cut zstd", file: "a.csv.zst", content: zst(formats["csv"](sales(1, 5000)))[:3000], want: "cut off"},
		{name: "cut gzip ndjson", file: "a.ndjson.gz", content: gz(formats["ndjson"](sales(1, 5000)))[:3000], want: "cut off"},
		{name: "not gzip", file: "a.csv.gz", content: []byte("id,name,day\n1,x,1\n"), want: "compression: none"},
		{name: "cut parquet", file: "a.parquet", content: full[:len(full)/2], want: "cut off"},
		{name: "tiny parquet", file: "a.parquet", content: []byte("PAR1"), want: "cut off"},
		{name: "not parquet", file: "a.parquet", content: []byte("hello world, hello"), want: "not a Parquet file"},
		{name: "forged parquet", file: "a.parquet", content: forged, want: "not a sound Parquet file"},
		{name: "cut arrow", file: "a.arrow", content: arrowAll[:len(arrowAll)-100], want: "cut off"},
		{name: "cut arrow stream", file: "a.arrows", content: streamAll[:len(streamAll)-8], want: "cut off"},
		{name: "empty json", file: "a.json", content: nil, want: "is empty"},
		{name: "bomb", file: "a.csv.gz", content: bomb, opt: StreamOptions{MaxExpanded: config.Size(1 << 20)}, want: "max_expanded"},
		{name: "missing column", file: "a.csv", content: []byte("id,nmae,day\n1,x,1\n"), want: `did you mean "nmae"`},
		{name: "extra column", file: "a.csv", content: []byte("id,name,day,more\n1,x,1,2\n"), want: "more"},
		{name: "double header", file: "a.csv", content: []byte("id,name,ID,day\n1,x,1,2\n"), want: "both named"},
		{name: "pipe", file: "", want: "named pipe", opt: StreamOptions{Path: "p.csv"}, setup: func(t *testing.T, s *shop) {
			if err := syscall.Mkfifo(filepath.Join(s.dir, "p.csv"), 0o600); err != nil {
				t.Skip(err)
			}
		}},
		{name: "folder", want: "is a folder", opt: StreamOptions{Path: "*.csv"}, setup: func(t *testing.T, s *shop) { os.Mkdir(filepath.Join(s.dir, "d.csv"), 0o755) }},
		{name: "link out", want: "leads out", opt: StreamOptions{Path: "*.csv"}, setup: func(t *testing.T, s *shop) {
			os.Symlink("/etc/passwd", filepath.Join(s.dir, "l.csv"))
		}},
		{name: "relative link out", want: "leads out", opt: StreamOptions{Path: "l.csv"}, setup: func(t *testing.T, s *shop) {
			os.Symlink("../../../../../../../etc/passwd", filepath.Join(s.dir, "l.csv"))
		}},
		{name: "folder link out", want: "leads out", opt: StreamOptions{Path: "d/passwd", Format: "csv"}, setup: func(t *testing.T, s *shop) {
			os.Symlink("/etc", filepath.Join(s.dir, "d"))
		}},
		{name: "traversal", want: `".." is not allowed`, opt: StreamOptions{Path: "../*.csv"}, file: "a.csv"},
		{name: "no match", want: "in_2024.csv", opt: StreamOptions{Path: "inn_*.csv"}, file: "in_2024.csv", content: []byte("id\n1\n")},
		{name: "no folder", want: "no folder", opt: StreamOptions{Path: "x/*.csv"}},
		{name: "two formats", want: "others are", opt: StreamOptions{Path: "a.*"}, file: "a.csv", content: []byte("id,name,day\n"), setup: func(t *testing.T, s *shop) { s.write("a.json", "[]") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			if c.file != "" {
				s.write(c.file, string(c.content))
			}
			if c.setup != nil {
				c.setup(t, s)
			}
			o := c.opt
			if o.Path == "" {
				o.Path = c.file
			}
			_, err := s.land(stream(columns(&o, "id", "BIGINT", "name", "VARCHAR", "day", "BIGINT"), extract.Full), "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

// TestUnreadable needs a user who is not root.
func TestUnreadable(t *testing.T) {
	s := newShop(t)
	p := s.write("a.csv", "id\n1\n")
	os.Chmod(p, 0)
	if f, err := os.Open(p); err == nil {
		f.Close()
		t.Skip("this user may read everything")
	}
	_, err := s.land(stream(columns(&StreamOptions{Path: "*.csv"}, "id", "BIGINT"), extract.Full), "")
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("err = %v", err)
	}
}

// TestChangedWhileRead changes a file between Read and Outcome.
func TestChangedWhileRead(t *testing.T) {
	for format, encode := range formats {
		t.Run(format, func(t *testing.T) {
			s := newShop(t)
			p := s.write("a."+format, string(encode(sales(1, 100))))
			st := stream(columns(&StreamOptions{Path: "a.*"}, "id", "BIGINT", "name", "VARCHAR", "day", "BIGINT"), extract.Full)
			w := must[*extract.Window](t)(s.src.Window(context.Background(), st, "", nil))
			snap := must[*extract.Snapshot](t)(s.src.Read(context.Background(), extract.Request{Stream: st, Window: w, Slice: w.Slices[0], Scratch: t.TempDir(), Progress: func(int64, int64) {}}))
			defer snap.Close()
			if snap.Reader != nil {
				for snap.Reader.Next() {
				}
				defer snap.Reader.Release()
			}
			f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("101,late,1\n")
			f.Close()
			if _, err := snap.Outcome(); !errors.Is(err, extract.ErrChanged) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// TestSameSizeSameTime is a change that only the content shows.
func TestSameSizeSameTime(t *testing.T) {
	s := newShop(t)
	p := s.write("a.csv", "id\n1\n")
	st := stream(columns(&StreamOptions{Path: "*.csv"}, "id", "BIGINT"), extract.Append)
	w := must[*extract.Window](t)(s.src.Window(context.Background(), st, "", nil))
	info, _ := os.Stat(p)
	f, _ := os.OpenFile(p, os.O_WRONLY, 0)
	f.WriteString("id\n2\n")
	f.Close()
	os.Chtimes(p, info.ModTime(), info.ModTime())
	if _, err := s.landWindow(st, w); !errors.Is(err, extract.ErrChanged) {
		t.Errorf("err = %v", err)
	}
}

func TestAppendIdentity(t *testing.T) {
	s := newShop(t)
	st := stream(columns(&StreamOptions{Path: "*.csv"}, "id", "BIGINT"), extract.Append)
	p := s.write("a.csv", "id\n1\n")
	l := must[*landing](t)(s.land(st, ""))
	// Touched: not read again, no note.
	later := time.Now().Add(time.Hour)
	os.Chtimes(p, later, later)
	l = must[*landing](t)(s.land(st, l.window.Hi))
	if l.Read != 0 || len(l.window.Notes) != 0 {
		t.Errorf("touched: %+v", l.window)
	}
	// Renamed: skipped with a note, and the note is given once.
	os.Rename(p, filepath.Join(s.dir, "b.csv"))
	l = must[*landing](t)(s.land(st, l.window.Hi))
	if l.Read != 0 || len(l.window.Notes) != 1 || !strings.Contains(l.window.Notes[0], "same content as a.csv") {
		t.Errorf("renamed: %+v", l.window)
	}
	l = must[*landing](t)(s.land(st, l.window.Hi))
	if len(l.window.Notes) != 0 {
		t.Errorf("renamed, again: %+v", l.window)
	}
	// Replaced: read as a new file, loudly.
	s.write("b.csv", "id\n1\n2\n")
	l = must[*landing](t)(s.land(st, l.window.Hi))
	l.want(t, "1", "2")
	if len(l.window.Notes) != 1 || !strings.Contains(l.window.Notes[0], "REPLACED") {
		t.Errorf("replaced: %+v", l.window)
	}
	// All gone after something was read: nothing new, no error.
	os.Remove(filepath.Join(s.dir, "b.csv"))
	l = must[*landing](t)(s.land(st, l.window.Hi))
	if l.Read != 0 {
		t.Errorf("gone: %+v", l.window)
	}
}

func TestMinAge(t *testing.T) {
	s := newShop(t)
	p := s.write("a.csv", "id\n1\n")
	s.write("b.csv", "id\n2\n")
	old := time.Now().Add(-time.Hour)
	os.Chtimes(p, old, old)
	st := stream(columns(&StreamOptions{Path: "*.csv", MinAge: config.Duration(time.Minute)}, "id", "BIGINT"), extract.Append)
	l := must[*landing](t)(s.land(st, ""))
	l.want(t, "1")
	if len(l.window.Notes) != 1 {
		t.Errorf("notes %q", l.window.Notes)
	}
}

func TestThousandFiles(t *testing.T) {
	s := newShop(t)
	want := 0
	for i := range 1000 {
		s.write(fmt.Sprintf("d%d/f%04d.csv", i%10, i), fmt.Sprintf("id,name\n%d,x\n%d,\"y, z\"\n", 2*i, 2*i+1))
		want += 2
	}
	l := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "**/*.csv", FilenameColumn: "file"}, "id", "BIGINT", "name", "VARCHAR"), extract.Append), ""))
	if len(l.Rows) != want || l.Fallbacks != 0 {
		t.Errorf("%d rows, %d fallbacks", len(l.Rows), l.Fallbacks)
	}
	for _, r := range l.Rows {
		if strings.HasPrefix(r, "246|") && r != "246|x|d3/f0123.csv" {
			t.Error(r)
		}
	}
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name, content string
		opt           StreamOptions
		cols          []string
		want          []string
		fast          bool
	}{
		{"bom, crlf", "\ufeffid,n\r\n1,\"a\r\nb\"\r\n\r\n2,c", StreamOptions{}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|a\r\nb", "2|c"}, false},
		{"crlf", "id,n\r\n1,a\r\n2,c\r\n", StreamOptions{}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|a", "2|c"}, true},
		{"header only", "id,n\n", StreamOptions{}, []string{"id", "BIGINT", "n", "VARCHAR"}, nil, true},
		{"zero bytes", "", StreamOptions{}, []string{"id", "BIGINT"}, nil, true},
		{"no header", "1,a\n2,b\n", StreamOptions{CSV: CSV{Header: "false"}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|a", "2|b"}, true},
		{"one column, blank lines", "n\na\n\nb\n", StreamOptions{}, []string{"n", "VARCHAR"}, []string{"a", "∅", "b"}, false},
		{"odd numbers", "id,n\n+1,1.500\n 2 ,2\n3,.5\n", StreamOptions{}, []string{"id", "BIGINT", "n", "DECIMAL(9,2)"}, []string{"1|1.50", "2|2.00", "3|0.50"}, true},
		{"order differs, spaces", "the name,id\na,1\n", StreamOptions{}, []string{"id", "BIGINT", "the name", "VARCHAR"}, []string{"1|a"}, true},
		{"null texts", "id,n\n1,NA\nNA,\"\"\n", StreamOptions{CSV: CSV{Null: config.StringList{"NA", ""}}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|∅", "∅|∅"}, true},
		{"german", "id;n;d\n1;1,5;31.12.2024\n2;-0,25;01.02.2024\n", StreamOptions{CSV: CSV{Delimiter: ";", Decimal: ",", DateFormat: "%d.%m.%Y"}}, []string{"id", "BIGINT", "n", "DECIMAL(9,2)", "d", "DATE"}, []string{"1|1.50|2024-12-31", "2|-0.25|2024-02-01"}, true},
		{"skip, comment", "report\n\nid,n\n#no\n1,a\n", StreamOptions{CSV: CSV{Skip: 2, Comment: "#"}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|a"}, true},
		{"backslash escape", "id,n\n1,\"a\\\"b\"\n", StreamOptions{CSV: CSV{Escape: "\\"}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{`1|a"b`}, true},
		{"no quotes", "id,n\n1,\"a\n", StreamOptions{CSV: CSV{Quote: new(string)}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{`1|"a`}, true},
		{"latin-1", "id,n\n1,\xe9\n", StreamOptions{CSV: CSV{Encoding: "latin-1"}}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|é"}, true},
		{"utf-16", "\xff\xfei\x00d\x00\n\x001\x00\n\x00", StreamOptions{CSV: CSV{Encoding: "utf-16"}}, []string{"id", "BIGINT"}, []string{"1"}, true},
		{"missing as null", "id\n1\n", StreamOptions{OnMissing: "null"}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|∅"}, true},
		{"ignore extra", "id,x,n\n1,2,3\n", StreamOptions{Extra: "ignore"}, []string{"id", "BIGINT", "n", "VARCHAR"}, []string{"1|3"}, true},
		{"big and small", "id,n\n9223372036854775807,-99999999999999999999999999999999999999\n", StreamOptions{}, []string{"id", "BIGINT", "n", "HUGEINT"}, []string{"9223372036854775807|-99999999999999999999999999999999999999"}, true},
		{"times", "t,z,c\n2024-01-01 10:00:00.123456,2024-01-01T10:00:00+02:00,23:59:59\n2024-01-01,2024-01-01 10:00,00:00:00.5\n", StreamOptions{}, []string{"t", "TIMESTAMP", "z", "TIMESTAMPTZ", "c", "TIME"}, []string{"2024-01-01 10:00:00.123456|2024-01-01 08:00:00+00|23:59:59", "2024-01-01 00:00:00|2024-01-01 10:00:00+00|00:00:00.5"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			s.write("a.csv", c.content)
			o := c.opt
			o.Path = "a.csv"
			l, err := s.land(stream(columns(&o, c.cols...), extract.Full), "")
			if err != nil {
				t.Fatal(err)
			}
			l.want(t, c.want...)
			l.wantRejects(t)
			if told := strings.Contains(strings.Join(l.window.Notes, "\n"), "not even a header"); told != (c.content == "") {
				t.Errorf("notes %q", l.window.Notes)
			}
			if l.slow() == c.fast {
				t.Errorf("slow = %v", l.slow())
			}
		})
	}
}

// TestNeverSilent is the list of what DuckDB's own reader would change without a word.
func TestNeverSilent(t *testing.T) {
	for _, c := range []struct{ typ, value string }{
		{"INTEGER", "1.5"}, {"BIGINT", "1e-1"}, {"BIGINT", "0x10"}, {"BIGINT", "1_000"}, {"DECIMAL(12,2)", "12.349"}, {"DECIMAL(12,2)", "1_0.5"}, {"DOUBLE", "1e400"}, {"DOUBLE", "1_000"}, {"DOUBLE", "1e-400"},
		{"DATE", "2024-01-01 10:00"}, {"DATE", "2024-01-01x"}, {"DATE", "infinity"}, {"DATE", "epoch"}, {"TIMESTAMP", "2024-01-01 10:00:00.1234567"},
		{"TIMESTAMP", "2024-01-01 24:00:00"}, {"TIMESTAMP", "2024-01-01 10:00:00+02"}, {"TIME", "10:00:00.1234567"}, {"TIME", "10:00:00+02"}, {"TIME", "2024-01-01 10:00:00"},
		{"TIMESTAMPTZ", "2024-01-01 10:00:00.123456789Z"}, {"TIMESTAMP_S", "2024-01-01 10:00:00.5"}, {"UTINYINT", "-1"}, {"TINYINT", "128"}, {"BOOLEAN", "maybe"}, {"FLOAT", "1e39"},
	} {
		for _, quote := range []string{"", `"`} {
			s := newShop(t)
			// The bad value stands beyond the sample that settles how columns are read.
			good := map[string]string{"BOOLEAN": "true", "DATE": "2024-01-01", "TIME": "10:00:00"}[c.typ]
			if strings.HasPrefix(c.typ, "TIMESTAMP") {
				good = "2024-01-01 10:00:00"
			} else if good == "" {
				good = "1"
			}
			n := sampleBytes/(len(good)+4) + 10
			s.write("a.csv", "x,y\n"+strings.Repeat(good+",z\n", n)+quote+c.value+quote+",z\n"+good+",z\n")
			l, err := s.land(stream(columns(&StreamOptions{Path: "a.csv"}, "x", c.typ, "y", "VARCHAR"), extract.Full), "")
			if err != nil && !strings.Contains(err.Error(), "more than") {
				t.Errorf("%s %q: %v", c.typ, c.value, err)
				continue
			}
			if err == nil && (len(l.Rejects) != 1 || l.Rejects[0].Line != int64(n+2) || l.Rejects[0].Column != "x") {
				t.Errorf("%s %q: rejects %+v", c.typ, c.value, l.Rejects)
			}
		}
	}
}

// TestResync is about quotes that are never closed: the lines after them load.
func TestResync(t *testing.T) {
	s := newShop(t)
	s.write("a.csv", "id,n\n1,\"open\n2,b\n3,\"c\"d\n4,\"e\"\"f\"\n5,x\"y\n6,\"g\n7,h\"\n8,\"i\n")
	l := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "a.csv"}, "id", "BIGINT", "n", "VARCHAR"), extract.Full), ""))
	// 6 and 7 are one record by any reading of the file.
	l.want(t, "2|b", `4|e"f`, `5|x"y`, "6|g\n7,h")
	l.wantRejects(t, "a.csv:2@5  unterminated_quote", "a.csv:4@17  unterminated_quote", "a.csv:9@49  unterminated_quote")
}

func TestTooLong(t *testing.T) {
	s := newShop(t)
	s.write("a.csv", "id,n\n1,a\n2,"+strings.Repeat("x", 300_000)+"\n3,b\n")
	l := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "a.csv", MaxRecord: config.Size(100_000)}, "id", "BIGINT", "n", "VARCHAR"), extract.Full), ""))
	l.want(t, "1|a", "3|b")
	if len(l.Rejects) != 1 || l.Rejects[0].Reason != extract.ReasonTooLong || l.Rejects[0].Line != 3 {
		t.Errorf("%+v", l.Rejects)
	}
	for _, name := range []string{"b.ndjson", "b.json"} {
		s := newShop(t)
		s.write(name, `{"id":1}`+"\n"+`{"id":2,"n":"`+strings.Repeat("x", 300_000)+`"}`+"\n"+`{"id":3}`+"\n")
		l := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: name, MaxRecord: config.Size(100_000)}, "id", "BIGINT", "n", "VARCHAR"), extract.Full), ""))
		l.want(t, "1|∅", "3|∅")
		if len(l.Rejects) != 1 || l.Rejects[0].Reason != extract.ReasonTooLong || l.Rejects[0].Line != 2 {
			t.Errorf("%s: %+v", name, l.Rejects)
		}
	}
}

func TestParquetPins(t *testing.T) {
	s := newShop(t)
	db := must[*duckdb.DB](t)(duckdb.Open(context.Background(), duckdb.Config{Dirs: []string{s.dir}}))
	defer db.Close()
	must[*duckdb.Copied](t)(db.Copy(context.Background(), "SELECT * FROM (VALUES (1::BIGINT, 1.50::DOUBLE, '7'), (2, 2.345, 'x'), (3000000000, 1, '9')) t(a, b, c)", filepath.Join(s.dir, "a.parquet"), asIs))
	l := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "a.parquet"}, "a", "INTEGER", "b", "DECIMAL(9,2)", "c", "BIGINT"), extract.Full), ""))
	l.want(t, "1|1.50|7")
	l.wantRejects(t, "a.parquet:2@-1 b bad_cast", "a.parquet:3@-1 a bad_cast")
}

// TestFastEqualsSlow is the property that both ways of reading a clean file give the same rows.
func TestFastEqualsSlow(t *testing.T) {
	words := []string{"", "a", "é", "x,y", `q"r`, "l\nm", " sp ", "NULL", "0", "日本"}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		eol := []string{"\n", "\r\n"}[r.IntN(2)]
		b.WriteString("a,b,c,d,e,f" + eol)
		rows := r.IntN(200)
		field := func(v string) string {
			if strings.ContainsAny(v, ",\"\n") || r.IntN(4) == 0 {
				return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			return v
		}
		for i := range rows {
			nul := func(v string) string {
				if r.IntN(10) == 0 {
					return ""
				}
				return v
			}
			cells := []string{nul(fmt.Sprint(r.Int64N(1<<62) - 1<<61)), nul(fmt.Sprintf("%d.%02d", r.IntN(1e9)-5e8, r.IntN(100))), words[r.IntN(len(words))],
				nul(fmt.Sprintf("%04d-%02d-%02d", 1+r.IntN(9998), 1+r.IntN(12), 1+r.IntN(28))), nul(fmt.Sprintf("2024-01-%02d %02d:%02d:%02d", 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))), nul(fmt.Sprintf("%g", r.NormFloat64()*1e3))}
			for k, c := range cells {
				if k > 0 {
					b.WriteByte(',')
				}
				b.WriteString(field(c))
			}
			if i < rows-1 || r.IntN(2) == 0 {
				b.WriteString(eol)
			}
			if r.IntN(20) == 0 && i < rows-1 {
				b.WriteString(eol)
			}
		}
		s := newShop(t)
		s.write("a.csv", b.String())
		cols := []string{"a", "BIGINT", "b", "DECIMAL(12,2)", "c", "VARCHAR", "d", "DATE", "e", "TIMESTAMP", "f", "DOUBLE"}
		fast := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "a.csv"}, cols...), extract.Full), ""))
		// A comment character that never occurs sends the file the slow way.
		slow := must[*landing](t)(s.land(stream(columns(&StreamOptions{Path: "a.csv", CSV: CSV{Comment: "\x01"}}, cols...), extract.Full), ""))
		if fast.slow() {
			t.Errorf("seed %d: the fast way fell back", seed)
		}
		if len(fast.Rejects)+len(slow.Rejects) > 0 || strings.Join(fast.Rows, "\n") != strings.Join(slow.Rows, "\n") || fast.Read != int64(rows) {
			t.Fatalf("seed %d: %d fast, %d slow rows of %d; rejects %v %v\n%s", seed, len(fast.Rows), len(slow.Rows), rows, fast.Rejects, slow.Rejects, b.String())
		}
	}
}

// TestAuditAgreesWithDuckDB holds what the fast way rests on: where the audit finds a file clean, DuckDB's reader and
// the splitter see the same records in it.
func TestAuditAgreesWithDuckDB(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	db := must[*duckdb.DB](t)(duckdb.Open(ctx, duckdb.Config{Dirs: []string{dir}}))
	defer db.Close()
	alphabet := []string{"a", "1", ",", ",", "\"", "\n", "\n", "\r\n", "\r", " ", "é", "\"\"", "\"x\"", "a,b\n", "\"p\n,q\","}
	r := rand.New(rand.NewPCG(3, 4))
	clean := 0
	for i := range 6000 {
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		s := b.String()
		n := 1 + r.IntN(3)
		d := &dialect{Delim: ',', Quote: '"', Escape: '"', Null: []string{""}}
		a := newAudit(d, make([]auditColumn, n))
		if a.run(strings.NewReader(s), make([]byte, 16), 1<<20, func(int64, int64) {}) != nil {
			continue
		}
		clean++
		var want []string
		sp := csvrec.New(strings.NewReader(s), d.cut(), 1<<20)
		for {
			rec, err := sp.Next(n)
			if err != nil {
				break
			}
			if rec.Reason != "" {
				t.Fatalf("%q is clean for the audit, the splitter says %s", s, rec.Message)
			}
			var cells []string
			for _, f := range rec.Fields {
				if len(f) == 0 {
					cells = append(cells, "∅")
				} else {
					cells = append(cells, string(f))
				}
			}
			want = append(want, strings.Join(cells, "|"))
		}
		if int64(len(want)) != a.records {
			t.Fatalf("%q: the audit counts %d records, the splitter %d", s, a.records, len(want))
		}
		path := filepath.Join(dir, "x.csv")
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
		var decl []string
		for k := range n {
			decl = append(decl, fmt.Sprintf("'c%d': 'VARCHAR'", k))
		}
		c := &csvRead{job: &job{opt: &StreamOptions{}}, d: d}
		rows, err := db.Query(ctx, fmt.Sprintf("SELECT * FROM read_csv(%s, auto_detect=false, %s, columns={%s})", text(path), c.dialectSQL(), strings.Join(decl, ", ")))
		if err != nil {
			continue // raises, so the splitter is asked
		}
		var got []string
		for _, v := range rows.Values {
			var cells []string
			for _, x := range v {
				if x == nil {
					x = "∅"
				}
				cells = append(cells, x.(string))
			}
			got = append(got, strings.Join(cells, "|"))
		}
		if strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("case %d, %d columns: %q: DuckDB reads %q, we %q", i, n, s, got, want)
		}
	}
	if clean < 300 {
		t.Errorf("only %d clean files", clean)
	}
	t.Logf("%d clean files", clean)
}

func FuzzSplitter(f *testing.F) {
	f.Add("a,b\n1,\"x\ny\"\r\n\n2,\"z", byte(','), 2)
	f.Add("\ufeff\"\"\"\",\"\"x\n", byte(','), 1)
	f.Fuzz(func(t *testing.T, s string, delim byte, n int) {
		if delim == '"' || delim == '\n' || delim == '\r' || n < 1 || n > 20 {
			return
		}
		d := &dialect{Delim: delim, Quote: '"', Escape: '"'}
		sp := csvrec.New(strings.NewReader(s), d.cut(), 1000)
		at := int64(0)
		if strings.HasPrefix(s, "\ufeff") {
			at = 3
		}
		for i := 0; ; i++ {
			rec, err := sp.Next(n)
			if err != nil {
				if strings.Trim(s[at:], "\r\n") != "" {
					t.Fatalf("%q: %q is left over", s, s[at:])
				}
				return
			}
			if i > len(s) || rec.Offset < at || strings.Trim(s[at:rec.Offset], "\r\n") != "" || !strings.HasPrefix(s[rec.Offset:], string(rec.Raw)) {
				t.Fatalf("%q: record %d at %d after %d: %+v", s, i, rec.Offset, at, rec)
			}
			before := s[:rec.Offset]
			if line := 1 + strings.Count(before, "\n") + strings.Count(strings.ReplaceAll(before, "\r\n", ""), "\r"); int64(line) != rec.Line {
				t.Fatalf("%q: record %d on line %d, not %d", s, i, rec.Line, line)
			}
			if rec.Reason == "" && len(rec.Fields) != n {
				t.Fatalf("%q: %d fields", s, len(rec.Fields))
			}
			at = rec.Offset + int64(len(rec.Raw))
		}
	})
}

func TestCheck(t *testing.T) {
	for want, o := range map[string]*StreamOptions{
		"path":            {Path: "../x.csv"},
		"columns":         columns(&StreamOptions{Path: "x.csv"}, "a", "BIGIMT"),
		"csv":             {Path: "x.json", CSV: CSV{Delimiter: ";"}},
		"csv.delimiter":   {Path: "x.csv", CSV: CSV{Delimiter: "||"}},
		"format":          {Path: "x.dat"},
		"compression":     {Path: "x.parquet", Compression: "gzip"},
		"records":         {Path: "x.csv", Records: "a.b"},
		"csv.date_format": {Path: "x.csv", CSV: CSV{DateFormat: "%Y-%m-%d %H"}},
		"extra_columns":   columns(&StreamOptions{Path: "x.csv", Extra: "evolve"}, "a", "BIGINT"),
		"csv.decimal":     {Path: "x.csv", CSV: CSV{Decimal: ";"}},
		"filename_column": columns(&StreamOptions{Path: "x.csv", FilenameColumn: "a"}, "a", "BIGINT"),
	} {
		got := check(&Options{}, []extract.Stream{stream(o, extract.Full)})
		if len(got) != 1 || got[0].Key != want || got[0].Stream != "s" {
			t.Errorf("%s: %+v", want, got)
		}
	}
	if got := check(&Options{}, []extract.Stream{stream(columns(&StreamOptions{Path: "a/**/x_[0-9].csv.gz"}, "a", "STRUCT(x INT)[]"), extract.Full)}); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	if got := check(&Options{}, []extract.Stream{stream(columns(&StreamOptions{Path: "x.ndjson"}, "a", `STRUCT("x y" INT, z DECIMAL(9,2)[])[]`, "b", "hugeint", "c", "timestamp with time zone"), extract.Full)}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestNeverSilentFormats: with a format DuckDB takes infinity and epoch for 1900-01-01.
func TestNeverSilentFormats(t *testing.T) {
	for _, c := range []struct{ typ, good, value string }{
		{"DATE", "31.12.2024", "infinity"}, {"DATE", "31.12.2024", "epoch"}, {"DATE", "31.12.2024", "-infinity"}, {"DATE", "31.12.2024", "31.12.2024 10:00"},
		{"TIMESTAMP", "31.12.2024 10:00:00", "epoch"}, {"TIMESTAMP", "31.12.2024 10:00:00", "31.12.2024 10:00:00.5"}, {"TIMESTAMPTZ", "31.12.2024 10:00:00", "infinity"},
	} {
		for _, n := range []int{1, sampleBytes / 10} {
			s := newShop(t)
			s.write("a.csv", "x,y\n"+strings.Repeat(c.good+",z\n", n)+c.value+",z\n")
			o := columns(&StreamOptions{Path: "a.csv", CSV: CSV{DateFormat: "%d.%m.%Y", TimestampFormat: "%d.%m.%Y %H:%M:%S"}}, "x", c.typ, "y", "VARCHAR")
			l := must[*landing](t)(s.land(stream(o, extract.Full), ""))
			if len(l.Rejects) != 1 || l.Rejects[0].Line != int64(n+2) {
				t.Errorf("%s %q after %d: %d rows, rejects %+v", c.typ, c.value, n, len(l.Rows), l.Rejects)
			}
		}
	}
}
