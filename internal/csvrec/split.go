// Package csvrec cuts CSV files into records, whatever is in them, and keeps records as text in a Parquet file until types are cast.
// It knows no types and no columns. Read Splitter first.
package csvrec

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// Why a record is not whole.
const (
	ReasonTooManyColumns = "too_many_columns"
	ReasonTooFewColumns  = "too_few_columns"
	ReasonQuote          = "unterminated_quote"
	ReasonEncoding       = "invalid_utf8"
	ReasonTooLong        = "too_long" // above the size limit
)

// MaxRaw is how much of a record that is too long is kept.
const MaxRaw = 64 << 10

// Dialect are the characters that a file is cut by; 0: none.
type Dialect struct{ Delim, Quote, Escape, Comment byte }

var newline = []byte{'\n'}

// Splitter cuts a CSV file into records and survives what DuckDB's reader does not: a quote that is never closed
// costs its own line and no more. It holds one record in memory, up to limit bytes.
type Splitter struct {
	r     io.Reader
	d     Dialect
	limit int

	buf        []byte
	start, end int
	eof        bool
	err        error
	begun      bool

	line   int64 // of buf[start]
	offset int64 // of buf[start]

	fields [][]byte
	starts []int
	store  []byte // unescaped fields of the current record
}

// Record is what the splitter found. Fields and Raw are valid until the next call.
type Record struct {
	Line, Offset int64
	Fields       [][]byte
	At           []int  // where in Raw each field begins, blanks and quotes before its text included
	Raw          []byte // without the line end
	Reason       string // "" when the record is whole
	Message      string
}

// New makes a Splitter of a file, whose records have up to limit bytes.
func New(r io.Reader, d Dialect, limit int64) *Splitter {
	return &Splitter{r: r, d: d, limit: int(limit), buf: make([]byte, 64<<10), line: 1}
}

// fill reads more of the file behind what is there; false when there is no more or no more is allowed.
func (s *Splitter) fill() bool {
	if s.eof || s.err != nil {
		return false
	}
	if s.end == len(s.buf) {
		if s.start > len(s.buf)/2 || s.start > 0 && s.end-s.start <= len(s.buf)/2 {
			s.end = copy(s.buf, s.buf[s.start:s.end])
			s.start = 0
		} else {
			if s.end-s.start > s.limit {
				return false
			}
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if err == io.EOF {
		s.eof = true
	} else if err != nil {
		s.err = err
	}
	return n > 0 || s.err == nil && !s.eof
}

// at gives the byte i places after the record's start, reading on as needed.
func (s *Splitter) at(i int) (byte, bool) {
	for s.start+i >= s.end {
		if !s.fill() {
			return 0, false
		}
	}
	return s.buf[s.start+i], true
}

// lineEnd gives the length of the line end at i, 0 when there is none there.
func (s *Splitter) lineEnd(i int) int {
	c, ok := s.at(i)
	switch {
	case ok && c == '\n':
		return 1
	case ok && c == '\r':
		if c, ok := s.at(i + 1); ok && c == '\n' {
			return 2
		}
		return 1
	}
	return 0
}

// physical gives the length of the line at the record's start, without and with its end, cut at limit.
func (s *Splitter) physical() (n int, ended int) {
	for i := 0; ; {
		if at := bytes.IndexAny(s.buf[s.start+i:s.end], "\r\n"); at >= 0 {
			return i + at, s.lineEnd(i + at)
		}
		i = s.end - s.start
		if i > s.limit || !s.fill() {
			return i, 0
		}
	}
}

// consume moves on by n bytes, counting the lines in them.
func (s *Splitter) consume(n int) {
	b := s.buf[s.start : s.start+n]
	s.line += int64(bytes.Count(b, newline))
	for i := 0; i < len(b); i++ { // carriage returns alone end lines too
		at := bytes.IndexByte(b[i:], '\r')
		if at < 0 {
			break
		}
		i += at
		if i+1 >= len(b) || b[i+1] != '\n' {
			s.line++
		}
	}
	s.start += n
	s.offset += int64(n)
}

// SkipLines passes over whole lines, whatever is in them.
func (s *Splitter) SkipLines(n int) error {
	s.begin()
	for ; n > 0; n-- {
		length, end := s.physical()
		s.consume(length + end)
		for end == 0 && length > 0 { // longer than limit
			length, end = s.physical()
			s.consume(length + end)
		}
	}
	return s.err
}

func (s *Splitter) begin() {
	if s.begun {
		return
	}
	s.begun = true
	s.at(2)
	if bytes.HasPrefix(s.buf[s.start:s.end], []byte("\xef\xbb\xbf")) {
		s.start += 3
		s.offset += 3
	}
}

// Next gives the next record of n columns; n < 0 takes any number. It gives io.EOF at the end.
func (s *Splitter) Next(n int) (Record, error) {
	s.begin()
	for {
		c, ok := s.at(0)
		if !ok {
			if s.err != nil {
				return Record{}, s.err
			}
			return Record{}, io.EOF
		}
		if s.d.Comment != 0 && c == s.d.Comment {
			length, end := s.physical()
			s.consume(length + end)
			for end == 0 && length > 0 {
				length, end = s.physical()
				s.consume(length + end)
			}
			continue
		}
		if end := s.lineEnd(0); end > 0 && n != 1 {
			s.consume(end)
			continue
		}
		break
	}
	return s.record(n)
}

// record cuts the record at start.
func (s *Splitter) record(n int) (Record, error) {
	s.fields, s.starts, s.store = s.fields[:0], s.starts[:0], s.store[:0]
	var cuts []cut
	i, quoted := 0, false // quoted: a line end was inside quotes
	for {
		s.starts = append(s.starts, i)
		f, next, err := s.field(i, &quoted)
		if err != "" {
			return s.badLine(err)
		}
		if s.err != nil {
			return Record{}, s.err
		}
		cuts = append(cuts, f)
		i = next
		if i > s.limit {
			return s.badLine("")
		}
		c, ok := s.at(i)
		if ok && c == s.d.Delim {
			i++
			continue
		}
		if s.err != nil {
			return Record{}, s.err
		}
		if !ok && !s.eof { // fill refused: the record is longer than the limit
			return s.badLine("")
		}
		break
	}
	end := s.lineEnd(i)
	raw := s.buf[s.start : s.start+i]
	rec := Record{Line: s.line, Offset: s.offset, Raw: raw}
	for _, f := range cuts {
		if f.stored {
			s.fields = append(s.fields, s.store[f.from:f.to:f.to])
		} else {
			s.fields = append(s.fields, raw[f.from:f.to:f.to])
		}
	}
	rec.Fields, rec.At = s.fields, s.starts
	switch {
	case n >= 0 && len(cuts) != n && quoted && s.nextLineStands(n):
		return s.badLine("a quoted field runs over the end of the line and the columns do not add up")
	case !utf8.Valid(raw):
		rec.Reason, rec.Message = ReasonEncoding, "the record is not valid UTF-8"
	case n >= 0 && len(cuts) > n:
		rec.Reason, rec.Message = ReasonTooManyColumns, fmt.Sprintf("%d columns, expected %d", len(cuts), n)
	case n >= 0 && len(cuts) < n:
		rec.Reason, rec.Message = ReasonTooFewColumns, fmt.Sprintf("%d columns, expected %d", len(cuts), n)
	}
	s.consume(i + end)
	return rec, nil
}

// cut is a field's place, in the record or, unescaped, in store.
type cut struct {
	from, to int
	stored   bool
}

// field cuts the field at i and gives the place after it; why is set when its quotes make no sense.
func (s *Splitter) field(i int, multi *bool) (f cut, next int, why string) {
	d := s.d
	from := i
	if d.Quote != 0 {
		for { // blanks before a quote do not count, as in DuckDB
			c, ok := s.at(i)
			if !ok || c != ' ' || d.Delim == ' ' {
				break
			}
			i++
		}
		if c, ok := s.at(i); ok && c == d.Quote {
			return s.quoted(i+1, multi)
		}
		i = from
	}
	for {
		b := s.buf[s.start+i : s.end]
		for k, c := range b {
			if c == d.Delim || c == '\n' || c == '\r' {
				return cut{from, i + k, false}, i + k, ""
			}
		}
		i += len(b)
		if i > s.limit || !s.fill() {
			return cut{from, i, false}, i, ""
		}
	}
}

// quoted cuts a quoted field whose text starts at i.
func (s *Splitter) quoted(i int, multi *bool) (f cut, next int, why string) {
	d := s.d
	escape := d.Escape
	if escape == 0 {
		escape = d.Quote
	}
	from := len(s.store)
	for {
		c, ok := s.at(i)
		if !ok || i > s.limit {
			return f, i, "a quote is not closed"
		}
		if c == escape {
			if n, ok := s.at(i + 1); ok && (n == d.Quote || n == escape) {
				s.store = append(s.store, n)
				i += 2
				continue
			}
		}
		if c == d.Quote {
			break
		}
		if c == '\n' || c == '\r' {
			*multi = true
		}
		s.store = append(s.store, c)
		i++
	}
	f = cut{from, len(s.store), true}
	i++
	for {
		c, ok := s.at(i)
		if !ok || c == d.Delim || c == '\n' || c == '\r' {
			return f, i, ""
		}
		if c != ' ' {
			return f, i, fmt.Sprintf("text after a closing quote (%q)", c)
		}
		i++
	}
}

// badLine gives the physical line at start as one reject, so that the lines after it are read again on their own.
// An empty message means that the record is too long.
func (s *Splitter) badLine(message string) (Record, error) {
	rec := Record{Line: s.line, Offset: s.offset, Reason: ReasonQuote, Message: message}
	n, end := s.physical()
	if s.err != nil {
		return Record{}, s.err
	}
	if n > s.limit || message == "" && end == 0 {
		rec.Reason, rec.Message = ReasonTooLong, fmt.Sprintf("the record is longer than %d bytes", s.limit)
		rec.Raw = append([]byte(nil), s.buf[s.start:s.start+min(n, MaxRaw)]...)
		s.consume(n)
		for end == 0 { // the rest of the line belongs to the same reject
			n, end = s.physical()
			s.consume(n)
			if end > 0 {
				s.consume(end)
			} else if n == 0 {
				return rec, s.err
			}
		}
		return rec, s.err
	}
	if message == "" { // too long by lines inside quotes
		rec.Reason, rec.Message = ReasonTooLong, fmt.Sprintf("the record is longer than %d bytes", s.limit)
	}
	rec.Raw = s.buf[s.start : s.start+n]
	s.consume(n + end)
	return rec, nil
}

// nextLineStands says whether the line after the first line of the current record is a whole record of n columns
// by itself: then the first line's quote is to blame for a record that does not add up.
func (s *Splitter) nextLineStands(n int) bool {
	length, end := s.physical()
	b := s.buf[s.start+length+end : s.end]
	if at := bytes.IndexAny(b, "\r\n"); at >= 0 {
		b = b[:at]
	}
	if bytes.IndexByte(b, s.d.Quote) >= 0 || len(b) == 0 {
		return false
	}
	return bytes.Count(b, []byte{s.d.Delim})+1 == n
}
