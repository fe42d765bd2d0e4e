// Package seed reads the CSV files of a project that become tables: it cuts them into records, finds out the types of their columns
// as dbt does, and gives the SELECT that turns their texts into values. It builds and publishes nothing. Read Read first.
package seed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/csvrec"
	"github.com/millrace/millrace/models"
)

// File is a seed's file and how it is to be read.
type File struct {
	Path string // absolute
	Name string // as messages call it: relative to the project
	// Delimiter is one character, 0: a comma.
	Delimiter byte
	// Types are those of columns whose types are not to be found out, by name.
	Types map[string]string
	// NullWords says that "null" is NULL in texts too, as dbt has it with fast: false.
	NullWords bool
	// Personal says of which columns no value may be told.
	Personal func(column string) bool
}

// Of is the file of a project's seed.
func Of(p *models.Project, n *models.Node) File {
	s := n.Seed
	f := File{Path: filepath.Join(p.Dir, filepath.FromSlash(s.Path)), Name: s.Path, Types: s.Types, Personal: n.IsPII}
	if s.Delimiter != "" {
		f.Delimiter = s.Delimiter[0]
	}
	if fast, ok := s.Config.Get("fast"); ok {
		f.NullWords = fast == false
	}
	return f
}

// Column is one column of a seed.
type Column struct {
	Name, Type string
	Declared   bool // the project says the type

	format string // of strptime; "" where the values are written as ISO 8601 has them

	notes notes
}

// Table is a seed that was read: its records lie as texts in a file.
type Table struct {
	File
	Columns []Column
	Records int64  // that were read
	Hash    string // of the file's content
	Bytes   int64
	texts   string // path of the file of texts
}

// Problem is what is wrong with a seed's file, at its place.
type Problem struct {
	File         string
	Line, Column int64 // 0: of the file as a whole, of the line
	Message      string
	Hint         string
	More         int // how many others there are at least
}

// Pos is file:line:column, as far as that is known.
func (p *Problem) Pos() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func (p *Problem) Error() string {
	if p.More > 0 {
		return fmt.Sprintf("%s (and %d more such records)", p.Message, p.More)
	}
	return p.Message
}

const (
	maxRecord = 16 << 20
	maxMore   = 1000 // bad records that are counted before reading ends
)

// Header are the names of a seed's columns, as dbt gives them, of the beginning of its file.
func Header(f File, begin io.Reader) ([]string, error) {
	return f.header(f.splitter(begin))
}

func (f *File) splitter(r io.Reader) *csvrec.Splitter {
	d := csvrec.Dialect{Delim: f.Delimiter, Quote: '"', Escape: '"'}
	if d.Delim == 0 {
		d.Delim = ','
	}
	return csvrec.New(r, d, maxRecord)
}

// header reads the first record and names the columns.
func (f *File) header(s *csvrec.Splitter) ([]string, error) {
	rec, err := s.Next(-1)
	switch {
	case err == io.EOF:
		return nil, &Problem{File: f.Name, Message: "the file is empty", Hint: "its first line must name the columns"}
	case err != nil:
		return nil, err
	case rec.Reason != "":
		return nil, f.bad(rec)
	}
	names := deduplicate(rec.Fields)
	seen := map[string]int{}
	for i, name := range names {
		low := strings.ToLower(name)
		if k, known := seen[low]; known {
			return nil, &Problem{File: f.Name, Line: 1, Column: column(rec, i), Message: fmt.Sprintf("columns %d and %d are both named %q: names that differ by case only are one", k+1, i+1, name),
				Hint: "rename one of them in the file"}
		}
		seen[low] = i
	}
	return names, nil
}

// deduplicate names columns as dbt does: one without a name gets a letter, a second one of a name a number.
func deduplicate(fields [][]byte) []string {
	var names []string
	have := map[string]bool{}
	for i, field := range fields {
		name := string(field)
		if name == "" {
			name = strings.Repeat(string(rune('a'+i%26)), i/26+1)
		}
		unique := name
		for n := 2; have[unique]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		have[unique] = true
		names = append(names, unique)
	}
	return names
}

// bad says what is wrong with a record.
func (f *File) bad(rec csvrec.Record) *Problem {
	p := &Problem{File: f.Name, Line: rec.Line, Message: "the record cannot be read: " + rec.Message}
	switch rec.Reason {
	case csvrec.ReasonQuote:
		p.Hint = `a field that holds quotes, delimiters or line ends stands in double quotes, and a quote inside it is written twice: "a ""b"""`
	case csvrec.ReasonEncoding:
		p.Hint = "seeds are UTF-8: iconv -f latin1 -t utf-8 converts a file"
	case csvrec.ReasonTooManyColumns, csvrec.ReasonTooFewColumns:
		p.Hint = "each record has as many fields as the first line; a field that holds the delimiter stands in double quotes"
		p.Column = utf8Column(rec.Raw)
	}
	return p
}

// utf8Column is the place behind a record's last character.
func utf8Column(raw []byte) int64 { return int64(utf8.RuneCount(raw)) + 1 }

// column is where a field's text begins in its first line, counted in characters from 1.
func column(rec csvrec.Record, i int) int64 {
	_, col := place(rec, i)
	return col
}

// place is the line and the character at which a record's field begins.
func place(rec csvrec.Record, i int) (line, col int64) {
	line, begin := rec.Line, 0
	before := rec.Raw[:rec.At[i]]
	for k := 0; k < len(before); k++ {
		if before[k] == '\n' || before[k] == '\r' {
			if before[k] == '\r' && k+1 < len(before) && before[k+1] == '\n' {
				k++
			}
			line, begin = line+1, k+1
		}
	}
	return line, int64(utf8.RuneCount(before[begin:])) + 1
}

// Read reads the file once, from its beginning to its end, and writes its records as texts to the path. It holds one record, and a
// bounded number of bytes beside it, in memory.
func Read(ctx context.Context, f File, path string) (_ *Table, err error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, fmt.Errorf("open seed: %w", err)
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read seed %s: %w", f.Name, err)
	}
	sum := sha256.New()
	s := f.splitter(io.TeeReader(file, sum))
	names, err := f.header(s)
	if err != nil {
		return nil, err
	}
	t := &Table{File: f, texts: path, Bytes: before.Size()}
	guesses := make([]guess, len(names))
	for i := range guesses {
		guesses[i] = newGuess()
	}
	w, err := csvrec.NewScratch(path, len(names))
	if err != nil {
		return nil, fmt.Errorf("stage seed: %w", err)
	}
	err = t.records(ctx, s, w, guesses)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	after, err := os.Stat(f.Path)
	if err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, &Problem{File: f.Name, Message: "the file changed while it was read", Hint: "run again when nothing writes to it any more"}
	}
	t.Hash = hex.EncodeToString(sum.Sum(nil))
	for i, name := range names {
		typ, declared := f.Types[name]
		if !declared {
			typ = guesses[i].typ()
		}
		t.Columns = append(t.Columns, Column{Name: name, Type: typ, Declared: declared, notes: guesses[i].notes})
	}
	return t, nil
}

// records writes the records and looks at their values. Each is counted, whatever becomes of it.
func (t *Table) records(ctx context.Context, s *csvrec.Splitter, w *csvrec.Scratch, guesses []guess) error {
	var first *Problem
	for {
		rec, err := s.Next(len(guesses))
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read seed %s: %w", t.Name, err)
		}
		t.Records++
		if rec.Reason != "" {
			if first == nil {
				first = t.bad(rec)
			} else if first.More++; first.More == maxMore {
				return first
			}
		}
		if first != nil {
			continue
		}
		w.Place("", rec.Line, rec.Offset, "")
		for i, field := range rec.Fields {
			if len(field) == 0 || t.NullWords && nullWord(string(field)) {
				w.Null(i)
			} else {
				w.Value(i, field)
				guesses[i].see(field, rec.Line)
			}
		}
		if err := w.End(ctx); err != nil {
			return fmt.Errorf("stage seed: %w", err)
		}
	}
	if first != nil {
		return first
	}
	return nil
}

// record is the record that begins at an offset of the file.
func (f *File) record(offset, line int64) (csvrec.Record, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return csvrec.Record{}, err
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return csvrec.Record{}, err
	}
	rec, err := f.splitter(file).Next(-1)
	rec.Line = line
	return rec, err
}
