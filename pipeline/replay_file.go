package pipeline

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/transform/check"
)

// Formats of files of corrected rows, as `millrace rejects export` writes them.
const (
	formatCSV     = ".csv"
	formatJSON    = ".jsonl"
	formatParquet = ".parquet"
)

// fileLine is the column of the texts of a file that tells where a row stands in it.
const fileLine = "_millrace_line"

// textFile is a file of corrected rows, read as texts.
type textFile struct {
	path    string // as it was named
	format  string
	columns []string
	rows    int64
}

// correctedHint is what to do about a file that cannot be taken.
const correctedHint = "millrace rejects export NODE -o FILE writes one to correct: keep its column " + check.QuarantinedID

func (f *textFile) refuse(line int, next, format string, args ...any) error {
	place := f.path
	if line > 0 {
		place = fmt.Sprintf("%s:%d", f.path, line)
	}
	return refused(next, "%s: %s", place, fmt.Sprintf(format, args...))
}

// readTexts reads a CSV or JSON file, record by record, into a Parquet file of texts with the columns of its own, and
// fileLine.
func readTexts(path, to string) (_ *textFile, err error) {
	f := &textFile{path: path, format: strings.ToLower(filepath.Ext(path))}
	if f.format != formatCSV && f.format != formatJSON {
		return nil, f.refuse(0, "", "name a file that ends in .csv, .jsonl or .parquet")
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, refused("", "read corrected rows: %v", err)
	}
	defer in.Close()
	var next func() ([]*string, int, error)
	if f.format == formatCSV {
		next, err = f.csv(in)
	} else {
		next, err = f.json(in)
	}
	if err != nil {
		return nil, err
	}
	out, err := os.Create(to)
	if err != nil {
		return nil, fmt.Errorf("stage corrected rows: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return f, f.write(out, next)
}

// write brings the records to Parquet until next gives io.EOF.
func (f *textFile) write(out io.Writer, next func() ([]*string, int, error)) error {
	group := parquet.Group{fileLine: parquet.Int(64)}
	for _, c := range f.columns {
		group[c] = parquet.Optional(parquet.String())
	}
	names := make([]string, 0, len(group)) // a group has its columns in this order
	for name := range group {
		names = append(names, name)
	}
	slices.Sort(names)
	w := parquet.NewWriter(out, parquet.NewSchema("rows", group), parquet.MaxRowsPerRowGroup(10_000))
	row := make(parquet.Row, len(names))
	for {
		values, line, err := next()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil {
			return err
		}
		for i, name := range names {
			k := slices.Index(f.columns, name)
			switch {
			case k < 0:
				row[i] = parquet.Int64Value(int64(line)).Level(0, 0, i)
			case values[k] == nil:
				row[i] = parquet.NullValue().Level(0, 0, i)
			case !utf8.ValidString(*values[k]):
				return f.refuse(line, "save it as UTF-8", "column %q is not UTF-8", name)
			default:
				row[i] = parquet.ByteArrayValue([]byte(*values[k])).Level(0, 1, i)
			}
		}
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			return fmt.Errorf("stage corrected rows: %w", err)
		}
		f.rows++
	}
}

// csv reads CSV with commas, or with the semicolons or tabs that spreadsheets put in some countries. An empty cell is NULL.
func (f *textFile) csv(in *os.File) (func() ([]*string, int, error), error) {
	r, err := f.openCSV(in)
	if err != nil {
		return nil, err
	}
	return func() ([]*string, int, error) {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, 0, f.refuse(wrong.Line, "", "%v", wrong.Err)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", f.path, err)
		}
		values := make([]*string, len(record))
		for i, cell := range record {
			if cell != "" {
				text := plainCell(cell)
				values[i] = &text
			}
		}
		line, _ := r.FieldPos(0)
		return values, line, nil
	}, nil
}

// openCSV reads the header with the separator by which it names the ids.
func (f *textFile) openCSV(in *os.File) (*csv.Reader, error) {
	for _, comma := range ",;\t" {
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read %s: %w", f.path, err)
		}
		buffered := bufio.NewReaderSize(in, 1<<16)
		if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
			_, _ = buffered.Discard(3)
		}
		r := csv.NewReader(buffered)
		r.Comma, r.ReuseRecord = comma, true
		header, err := r.Read()
		if err != nil || !slices.Contains(header, check.QuarantinedID) {
			continue
		}
		for _, name := range header {
			f.columns = append(f.columns, plainCell(name))
		}
		return r, f.distinct(1)
	}
	return nil, f.refuse(1, correctedHint, "there is no column %s, which says which quarantined row each row corrects", check.QuarantinedID)
}

// distinct refuses column names that are the same, but for case.
func (f *textFile) distinct(line int) error {
	seen := map[string]bool{strings.ToLower(fileLine): true}
	for i, name := range f.columns {
		if name == "" {
			return f.refuse(line, "take it out, or name it", "column %d has no name", i+1)
		}
		if seen[strings.ToLower(name)] {
			return f.refuse(line, "", "there are two columns %q", name)
		}
		seen[strings.ToLower(name)] = true
	}
	return nil
}

// json reads one object a line, all with the same keys.
func (f *textFile) json(in io.Reader) (func() ([]*string, int, error), error) {
	r, line := bufio.NewReaderSize(in, 1<<16), 0
	read := func() (object map[string]json.RawMessage, err error) {
		for object == nil {
			text, err := r.ReadBytes('\n')
			if line++; len(bytes.TrimSpace(text)) == 0 {
				if err != nil {
					return nil, err
				}
				continue
			}
			if err := json.Unmarshal(text, &object); err != nil {
				return nil, f.refuse(line, "", "%v", err)
			}
		}
		return object, nil
	}
	first, err := read()
	if errors.Is(err, io.EOF) || err == nil && first[check.QuarantinedID] == nil {
		return nil, f.refuse(line, correctedHint, "there is no key %s, which says which quarantined row each row corrects", check.QuarantinedID)
	}
	if err != nil {
		return nil, err
	}
	for name := range first {
		f.columns = append(f.columns, name)
	}
	slices.Sort(f.columns)
	return func() ([]*string, int, error) {
		object := first
		if first = nil; object == nil {
			var err error
			if object, err = read(); err != nil {
				return nil, line, err
			}
		}
		values, err := f.jsonTexts(object, line)
		return values, line, err
	}, f.distinct(line)
}

func (f *textFile) jsonTexts(object map[string]json.RawMessage, line int) ([]*string, error) {
	values := make([]*string, len(f.columns))
	for i, name := range f.columns {
		raw, found := object[name]
		if !found || len(object) != len(f.columns) {
			return nil, f.refuse(line, "give each line the keys of the first", "its keys are not those of the first line: %s", strings.Join(f.columns, ", "))
		}
		text := string(raw)
		switch {
		case text == "null":
			continue
		case text[0] == '"':
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, f.refuse(line, "", "%v", err)
			}
		}
		values[i] = &text
	}
	return values, nil
}

// field is the place of a value in a file, as file:line:column where that can be told; the line is that of its record.
func (f *textFile) field(line int64, column string) string {
	place := fmt.Sprintf("%s:%d", f.path, line)
	if f.format != formatCSV {
		return place
	}
	in, err := os.Open(f.path)
	if err != nil {
		return place
	}
	defer in.Close()
	again := &textFile{path: f.path}
	r, err := again.openCSV(in)
	for err == nil {
		if _, err = r.Read(); err != nil {
			break
		}
		if at, _ := r.FieldPos(0); int64(at) == line {
			row, col := r.FieldPos(slices.IndexFunc(f.columns, func(c string) bool { return strings.EqualFold(c, column) }))
			return fmt.Sprintf("%s:%d:%d", f.path, row, col)
		}
	}
	return place
}
