package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

// copyOptions say how a copyDecoder treats what it reads.
type copyOptions struct {
	stream    string // named in rejects and errors
	fail      bool   // a row with a bad value ends the stream, instead of becoming a reject
	maxRow    int    // a row with more bytes is bad; 0: no limit
	checkUTF8 bool   // for databases whose texts the server does not check (SQL_ASCII)
}

// copyDecoder takes a COPY (FORMAT binary) stream as an io.Writer, in pieces of any size, and builds Arrow batches
// of it. Call finish after the last Write: only its nil says that the stream was whole. It has one user at a time.
type copyDecoder struct {
	ctx     context.Context
	columns []column
	checks  []func([]byte) *badValue // by column; nil: nothing to check
	extra   int
	batch   *arrowx.Batcher
	fields  []array.Builder
	reject  func(extract.Reject) error
	opts    copyOptions

	read           int64    // rows, counted as each is seen whole
	bytes          int64    // of the stream
	last           [][]byte // the extra columns of the last row; nil: NULL
	rest           []byte   // the start of a row whose end has not come yet
	cells          [][]byte // the row at hand: its columns, then the extra ones
	rows, lastRows int      // in the batch at hand and in the one before it
	state          copyState
	err            error
}

type copyState int

const (
	inHeader copyState = iota
	inRows
	atEnd // after the trailer
)

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// maxMessage is the most that the server sends at once; what asks for more is no COPY stream.
const maxMessage = 1 << 30

// newCopyDecoder makes a decoder of rows with the columns given and extra more behind them: texts that are not
// landed but kept, of the last row, for resume. It feeds b, whose fields are those of the columns, and gives rows
// that cannot be landed to reject. ctx ends it between batches.
func newCopyDecoder(ctx context.Context, columns []column, extra int, b *arrowx.Batcher, reject func(extract.Reject) error, opts copyOptions) *copyDecoder {
	d := &copyDecoder{ctx: ctx, columns: columns, extra: extra, batch: b, fields: b.Fields(), reject: reject, opts: opts,
		checks: make([]func([]byte) *badValue, len(columns)), last: make([][]byte, extra), cells: make([][]byte, len(columns)+extra)}
	for i, c := range columns {
		d.checks[i] = c.check
		if opts.checkUTF8 && c.textual {
			d.checks[i] = checkUTF8(c)
		}
	}
	return d
}

// Write takes the next piece of the stream. Its error ends the stream, and comes again from each further call.
func (d *copyDecoder) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	d.bytes += int64(len(p))
	data := p
	if len(d.rest) > 0 {
		d.rest = append(d.rest, p...)
		data = d.rest
	}
	used, err := d.take(data)
	if err != nil {
		d.err = err
		return 0, err
	}
	switch {
	case len(d.rest) == 0:
		d.rest = append(d.rest, data[used:]...)
	case used > 0:
		d.rest = d.rest[:copy(d.rest, data[used:])]
	}
	if len(d.rest) > maxMessage {
		d.err = fmt.Errorf("%s: a row of more than %d bytes", d.place(1), maxMessage)
		return 0, d.err
	}
	return len(p), nil
}

// finish says whether the stream was whole, and emits the last batch.
func (d *copyDecoder) finish() error {
	if d.err != nil {
		return d.err
	}
	if d.state != atEnd || len(d.rest) > 0 {
		d.err = fmt.Errorf("the copy of %q was cut off after %d rows: %w", d.opts.stream, d.read, io.ErrUnexpectedEOF)
		return d.err
	}
	d.err = d.batch.Flush()
	return d.err
}

// resume gives the extra columns of the last row that was read; none before the first.
func (d *copyDecoder) resume() []*string {
	if d.read == 0 {
		return nil
	}
	values := make([]*string, d.extra)
	for i, v := range d.last {
		if v != nil {
			s := string(v)
			values[i] = &s
		}
	}
	return values
}

func (d *copyDecoder) place(more int64) string {
	return fmt.Sprintf("row %d of the copy of %q", d.read+more, d.opts.stream)
}

// take decodes all that is whole in data, and says how much that was.
func (d *copyDecoder) take(data []byte) (used int, err error) {
	if d.state == inHeader {
		if used, err = d.header(data); used == 0 || err != nil {
			return 0, err
		}
		d.state = inRows
	}
	for d.state == inRows {
		n, err := d.split(data[used:])
		if err != nil || n == 0 {
			return used, err
		}
		if used += n; d.state == atEnd {
			break
		}
		if err := d.row(n); err != nil {
			return used, err
		}
	}
	if d.state == atEnd && used < len(data) {
		return used, fmt.Errorf("the copy of %q goes on after its end", d.opts.stream)
	}
	return used, nil
}

// header is the signature, flags, and an extension to skip.
func (d *copyDecoder) header(data []byte) (int, error) {
	if n := min(len(data), len(copySignature)); !bytes.Equal(data[:n], copySignature[:n]) {
		return 0, fmt.Errorf("the copy of %q is not in COPY's binary format", d.opts.stream)
	}
	const fixed = 11 + 4 + 4
	if len(data) < fixed {
		return 0, nil
	}
	// The upper half of the flags is for what a reader must know. Of these only 1<<16 was ever used, for OIDs.
	if flags := binary.BigEndian.Uint32(data[11:]); flags>>16 != 0 {
		return 0, fmt.Errorf("the copy of %q has unknown flags %#x", d.opts.stream, flags)
	}
	extension := int32(binary.BigEndian.Uint32(data[15:]))
	if extension < 0 || extension > maxMessage {
		return 0, fmt.Errorf("the copy of %q has a header extension of %d bytes", d.opts.stream, extension)
	}
	if len(data) < fixed+int(extension) {
		return 0, nil
	}
	return fixed + int(extension), nil
}

// split finds the cells of the row that data starts with, and its length; 0: the row is not whole yet.
func (d *copyDecoder) split(data []byte) (int, error) {
	if len(data) < 2 {
		return 0, nil
	}
	if n := int16(binary.BigEndian.Uint16(data)); int(n) != len(d.cells) {
		if n == -1 {
			d.state = atEnd
			return 2, nil
		}
		return 0, fmt.Errorf("%s has %d columns, not %d", d.place(1), n, len(d.cells))
	}
	at := 2
	for i := range d.cells {
		if len(data)-at < 4 {
			return 0, nil
		}
		n := int(int32(binary.BigEndian.Uint32(data[at:])))
		at += 4
		if n < 0 {
			if n != -1 {
				return 0, fmt.Errorf("%s: column %d has %d bytes", d.place(1), i+1, n)
			}
			d.cells[i] = nil
			continue
		}
		if n > len(data)-at {
			if n > maxMessage {
				return 0, fmt.Errorf("%s: column %d has %d bytes", d.place(1), i+1, n)
			}
			return 0, nil
		}
		d.cells[i] = data[at : at+n : at+n]
		at += n
	}
	return at, nil
}

// row lands the row in d.cells, of n bytes on the wire, or rejects it.
func (d *copyDecoder) row(n int) error {
	d.read++
	for i, v := range d.cells[len(d.columns):] {
		if d.last[i] = append(d.last[i][:0], v...); v == nil {
			d.last[i] = nil
		} else if d.last[i] == nil {
			d.last[i] = []byte{}
		}
	}
	cells := d.cells[:len(d.columns)]
	for i := range cells {
		v := cells[i]
		if v == nil {
			continue
		}
		if size := d.columns[i].size; size != 0 && size != len(v) {
			return fmt.Errorf("%s: column %q of type %s has %d bytes, not %d", d.place(0), d.columns[i].name, d.columns[i].sqlType, len(v), size)
		}
	}
	if d.opts.maxRow > 0 && n > d.opts.maxRow {
		return d.bad("", &badValue{extract.ReasonTooLong, fmt.Sprintf("the row has %d bytes, more than the limit of %d", n, d.opts.maxRow)})
	}
	for i, check := range d.checks {
		if check == nil || cells[i] == nil {
			continue
		}
		if fault := check(cells[i]); fault != nil {
			return d.bad(d.columns[i].name, fault)
		}
	}
	if d.rows == 0 && d.lastRows > 0 { // a new batch, which is likely to become as long as the one before
		for _, b := range d.fields {
			b.Reserve(d.lastRows)
		}
	}
	for i := range cells {
		d.columns[i].append(d.fields[i], cells[i])
	}
	d.rows++
	if err := d.batch.Row(d.ctx, n); err != nil {
		return err
	}
	if d.fields[0].Len() == 0 {
		d.lastRows, d.rows = d.rows, 0
	}
	return nil
}

// bad rejects the row at hand, or ends the stream.
func (d *copyDecoder) bad(column string, fault *badValue) error {
	raw := d.raw()
	if d.opts.fail || d.reject == nil {
		what := d.place(0)
		if column != "" {
			what = fmt.Sprintf("column %q in %s", column, what)
		}
		return fmt.Errorf("%s: %s (%s): the row is %s", what, fault.message, fault.reason, cut(raw, 500))
	}
	return d.reject(extract.Reject{File: d.opts.stream, Offset: -1, Column: column, Reason: fault.reason, Message: fault.message, Raw: raw})
}

// raw spells the row at hand as an object of texts.
func (d *copyDecoder) raw() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range d.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		quoteText(&b, c.name)
		b.WriteByte(':')
		switch v := d.cells[i]; {
		case v == nil:
			b.WriteString("null")
		case len(v) > extract.MaxRaw && c.dims == 0 && c.textual:
			quoteText(&b, string(v[:extract.MaxRaw]))
		case len(v) > extract.MaxRaw:
			quoteText(&b, hexText(v[:extract.MaxRaw]))
		default:
			quoteText(&b, c.text(v))
		}
		if b.Len() > extract.MaxRaw {
			break
		}
	}
	b.WriteByte('}')
	return cut(b.String(), extract.MaxRaw)
}

// quoteText writes a text in quotes. Bytes that are no UTF-8 are spelled \xNN, which JSON does not know: it is for
// people.
func quoteText(b *strings.Builder, s string) {
	b.WriteByte('"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(b, `\x%02x`, s[0])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	b.WriteByte('"')
}

// cut shortens s to n bytes at most, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// checkUTF8 is a column's check with one that its texts are UTF-8.
func checkUTF8(c column) func([]byte) *badValue {
	return func(v []byte) *badValue {
		if c.check != nil {
			if fault := c.check(v); fault != nil {
				return fault
			}
		}
		if c.dims == 0 {
			return invalidUTF8(v)
		}
		shape, rest, _ := arrayShape(v)
		for range shape.elements {
			var item []byte
			item, rest, _ = next(rest)
			if fault := invalidUTF8(item); fault != nil {
				return fault
			}
		}
		return nil
	}
}

func invalidUTF8(v []byte) *badValue {
	if utf8.Valid(v) {
		return nil
	}
	return &badValue{extract.ReasonEncoding, "the text is not UTF-8, and the database (SQL_ASCII) does not say what it is; convert it in a view or a query, with convert_from"}
}
