package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
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
// of it. It gathers some rows and then works column by column, which halves the time. Call finish after the last
// Write: only its nil says that the stream was whole. It has one user at a time.
type copyDecoder struct {
	ctx     context.Context
	columns []column
	checks  []func([]byte) *badValue // by column; nil: nothing to check
	appends []appendFunc
	fields  []array.Builder
	batch   *arrowx.Batcher
	reject  func(extract.Reject) error
	opts    copyOptions

	read  int64 // rows, counted as each is seen whole
	bytes int64 // of the stream

	state copyState
	err   error
	buf   []byte // what came, from the first row that waits
	at    int    // in buf: where the next row begins

	widths  []int    // of values on the wire, by column; 0: they vary
	cells   [][]span // in buf, by column, then by row that waits; the extra columns come last
	waiting int      // rows in cells
	sizes   []int    // of them, on the wire
	faults  []fault  // of them
	last    [][]byte // the extra columns of the last row; nil: NULL

	rows, lastRows int // in the batch at hand and in the one before it
}

// fault is a row that cannot be landed.
type fault struct {
	row    int
	column string
	*badValue
}

// Rows are worked off when so many wait, or so many bytes: what stays in the processor's cache.
const (
	chunkRows  = 128
	chunkBytes = 64 << 10
)

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
	d := &copyDecoder{ctx: ctx, columns: columns, batch: b, fields: b.Fields(), reject: reject, opts: opts, buf: make([]byte, 0, 2*chunkBytes),
		widths: make([]int, len(columns)+extra), cells: make([][]span, len(columns)+extra), sizes: make([]int, chunkRows), last: make([][]byte, extra)}
	for i := range d.cells {
		d.cells[i] = make([]span, chunkRows)
	}
	for i, c := range columns {
		check := c.check
		if opts.checkUTF8 && c.textual {
			check = checkUTF8(c)
		}
		d.checks = append(d.checks, check)
		d.widths[i] = c.size
		d.appends = append(d.appends, c.bind(d.fields[i]))
	}
	return d
}

// Write takes the next piece of the stream. Its error ends the stream, and comes again from each further call; it
// may be about a row of an earlier piece.
func (d *copyDecoder) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.err = d.take(p); d.err != nil {
		return 0, d.err
	}
	return len(p), nil
}

// finish says whether the stream was whole, and emits the last batch.
func (d *copyDecoder) finish() error {
	if d.err == nil && d.state != atEnd {
		d.err = fmt.Errorf("the copy of %q was cut off after %d rows: %w", d.opts.stream, d.read, io.ErrUnexpectedEOF)
	}
	if d.err == nil {
		d.err = d.batch.Flush()
	}
	return d.err
}

// resume gives the extra columns of the last row that was read; none before the first.
func (d *copyDecoder) resume() []*string {
	if d.read == 0 {
		return nil
	}
	values := make([]*string, len(d.last))
	for i, v := range d.last {
		if v != nil {
			s := string(v)
			values[i] = &s
		}
	}
	return values
}

// place names a row; the first is 1.
func (d *copyDecoder) place(row int64) string {
	return fmt.Sprintf("row %d of the copy of %q", row, d.opts.stream)
}

func (d *copyDecoder) take(p []byte) error {
	d.bytes += int64(len(p))
	if len(p) > cap(d.buf)-len(d.buf) {
		if err := d.work(); err != nil {
			return err
		}
		d.makeRoom(len(p))
	}
	d.buf = append(d.buf, p...)
	if d.state == inHeader {
		n, err := d.header(d.buf)
		if err != nil || n == 0 {
			return err
		}
		d.at, d.state = n, inRows
	}
	for d.state == inRows {
		n, err := d.split(d.buf[d.at:])
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if d.at += n; d.state == inRows {
			if d.keep(n); d.waiting == min(chunkRows, d.batch.Room()) {
				if err := d.work(); err != nil {
					return err
				}
			}
		}
	}
	if d.state == atEnd {
		if d.at < len(d.buf) {
			return fmt.Errorf("the copy of %q goes on after its end", d.opts.stream)
		}
		return d.work()
	}
	if len(d.buf)-d.at > maxMessage {
		return fmt.Errorf("%s has more than %d bytes", d.place(d.read+1), maxMessage)
	}
	return nil
}

// makeRoom moves the row that is not whole yet to the start of buf. No row waits.
func (d *copyDecoder) makeRoom(n int) {
	rest := d.buf[d.at:]
	need, room := len(rest)+n, cap(d.buf)
	if need > room {
		room = max(need, min(2*room, maxMessage))
	} else if need <= 2*chunkBytes && room > 16*chunkBytes { // a row far greater than the others has passed
		room = 2 * chunkBytes
	}
	if room != cap(d.buf) {
		d.buf = append(make([]byte, 0, room), rest...)
	} else {
		d.buf = d.buf[:copy(d.buf, rest)]
	}
	d.at = 0
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

// split finds the cells of the row that data, which is buf from at, starts with, and its length; 0: the row is not
// whole yet.
func (d *copyDecoder) split(data []byte) (int, error) {
	if len(data) < 2 {
		return 0, nil
	}
	if n := int16(binary.BigEndian.Uint16(data)); int(n) != len(d.cells) {
		if n == -1 {
			d.state = atEnd
			return 2, nil
		}
		return 0, fmt.Errorf("%s has %d columns, not %d", d.place(d.read+1), n, len(d.cells))
	}
	at, row, widths := 2, d.waiting, d.widths
	for i, cells := range d.cells {
		if len(data)-at < 4 {
			return 0, nil
		}
		n := int(int32(binary.BigEndian.Uint32(data[at:])))
		at += 4
		if n < 0 {
			if n != -1 {
				return 0, fmt.Errorf("%s: column %d has %d bytes", d.place(d.read+1), i+1, n)
			}
			cells[row] = span{size: -1}
			continue
		}
		if n > len(data)-at {
			if n > maxMessage {
				return 0, fmt.Errorf("%s: column %d has %d bytes", d.place(d.read+1), i+1, n)
			}
			return 0, nil
		}
		if widths[i] != 0 && widths[i] != n {
			return 0, fmt.Errorf("%s: column %q of type %s has %d bytes, not %d", d.place(d.read+1), d.columns[i].name, d.columns[i].sqlType, n, d.columns[i].size)
		}
		cells[row] = span{uint32(d.at + at), int32(n)}
		at += n
	}
	return at, nil
}

// keep counts the row that split has found, of n bytes, and lets it wait.
func (d *copyDecoder) keep(n int) {
	for i := range d.last {
		if s := d.cells[len(d.columns)+i][d.waiting]; s.size < 0 {
			d.last[i] = nil
		} else if d.last[i] = append(d.last[i][:0], s.of(d.buf)...); d.last[i] == nil {
			d.last[i] = []byte{}
		}
	}
	if d.opts.maxRow > 0 && n > d.opts.maxRow {
		message := fmt.Sprintf("the row has %d bytes, more than the limit of %d", n, d.opts.maxRow)
		d.faults = append(d.faults, fault{d.waiting, "", &badValue{extract.ReasonTooLong, message}})
	}
	d.sizes[d.waiting] = n
	d.waiting++
	d.read++
}

// work lands or rejects the rows that wait.
func (d *copyDecoder) work() error {
	if d.waiting == 0 {
		return nil
	}
	for i, check := range d.checks {
		if check == nil {
			continue
		}
		for row, s := range d.cells[i][:d.waiting] {
			if s.size < 0 {
				continue
			}
			if bad := check(s.of(d.buf)); bad != nil {
				d.faults = append(d.faults, fault{row, d.columns[i].name, bad})
			}
		}
	}
	if len(d.faults) > 0 {
		if err := d.sortOut(); err != nil {
			return err
		}
	}
	n := d.waiting
	d.waiting = 0
	if n == 0 {
		return nil
	}
	if d.rows == 0 && d.lastRows > 0 { // a new batch, which is likely to become as long as the one before
		for _, b := range d.fields {
			b.Reserve(d.lastRows)
		}
	}
	for i, add := range d.appends {
		add(d.buf, d.cells[i][:n])
	}
	bytes := 0
	for _, size := range d.sizes[:n] {
		bytes += size
	}
	d.rows += n
	if err := d.batch.Rows(d.ctx, n, bytes); err != nil {
		return err
	}
	if d.batch.Room() == arrowx.MaxRows {
		d.lastRows, d.rows = d.rows, 0
	}
	return nil
}

// sortOut rejects the rows with a fault, one reject each, and closes the gaps that they leave.
func (d *copyDecoder) sortOut() error {
	faults := d.faults
	d.faults = d.faults[:0]
	slices.SortStableFunc(faults, func(a, b fault) int { return a.row - b.row })
	to := 0
	for row := range d.waiting {
		if len(faults) > 0 && faults[0].row == row {
			if err := d.bad(row, faults[0]); err != nil {
				return err
			}
			for len(faults) > 0 && faults[0].row == row {
				faults = faults[1:]
			}
			continue
		}
		for i := range d.columns {
			d.cells[i][to] = d.cells[i][row]
		}
		d.sizes[to] = d.sizes[row]
		to++
	}
	d.waiting = to
	return nil
}

// bad rejects a row that waits, or ends the stream.
func (d *copyDecoder) bad(row int, f fault) error {
	raw := d.raw(row)
	if d.opts.fail || d.reject == nil {
		what := d.place(d.read - int64(d.waiting) + int64(row) + 1)
		if f.column != "" {
			what = fmt.Sprintf("column %q in %s", f.column, what)
		}
		return fmt.Errorf("%s: %s (%s): the row is %s", what, f.message, f.reason, cut(raw, 500))
	}
	return d.reject(extract.Reject{File: d.opts.stream, Offset: -1, Column: f.column, Reason: f.reason, Message: f.message, Raw: raw})
}

// raw spells a row that waits as an object of texts.
func (d *copyDecoder) raw(row int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range d.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		quoteText(&b, c.name)
		b.WriteByte(':')
		if d.cells[i][row].size < 0 {
			b.WriteString("null")
			continue
		}
		switch v := d.cells[i][row].of(d.buf); {
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
