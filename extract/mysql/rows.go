package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

// intake says what becomes of the rows of one result.
type intake struct {
	stream  string                     // for a Reject's File
	columns []column                   // the first columns of the result
	extra   int                        // how many more it has: texts by which the reading can go on
	maxRow  int                        // bytes of a row that is too long; 0: no limit
	reject  func(extract.Reject) error // nil: the first row that cannot be landed is an error
	// progress is told of bytes and rows about once a thousand rows, and at the end.
	progress func(bytes, rows int64)
}

// taken is what came of a result that was read to its end.
type taken struct {
	rows int64 // seen, also those that were rejected
	// last are the extra columns of the last row, nil for NULL. There are none when there was no row.
	last [][]byte
}

// schema is what the columns are landed as.
func schema(columns []column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field
	}
	return arrow.NewSchema(fields, nil)
}

// selectList is what the columns are read by, in their order.
func selectList(columns []column) string {
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = c.expr
	}
	return strings.Join(exprs, ", ")
}

// readQuery runs a query on a session and appends its rows to b as they come, and leaves the last batch to be flushed.
// What came is whole only when the error is nil. It asks the driver itself: database/sql would turn numbers, which the
// driver has parsed, into texts again.
func readQuery(ctx context.Context, conn *sql.Conn, query string, in intake, b *arrowx.Batcher) (got taken, err error) {
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, query, nil)
		if err != nil {
			return err
		}
		got, err = readRows(ctx, rows, in, b)
		return errors.Join(err, rows.Close())
	})
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // the driver calls a connection that it has cut invalid
	}
	return got, err
}

// readRows reads in a goroutine of its own: the driver takes as much time for a row as decoding it does.
func readRows(ctx context.Context, rows driver.Rows, in intake, b *arrowx.Batcher) (taken, error) {
	width := len(rows.Columns())
	if width != len(in.columns)+in.extra {
		return taken{}, fmt.Errorf("the result has %d columns, %d were asked for", width, len(in.columns)+in.extra)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pump{rows: rows, width: width, full: make(chan *chunk, 2), free: make(chan *chunk, 3)}
	for range cap(p.free) {
		p.free <- &chunk{}
	}
	go p.run(ctx)
	r := rowReader{intake: in, b: b, fields: b.Fields(), width: width, values: make([][]byte, width), texts: make([][]byte, width), last: make([][]byte, in.extra)}
	var failed error
	for c := range p.full {
		for at := 0; at < len(c.cells) && failed == nil; at += width {
			if failed = r.row(ctx, c.cells[at:at+width], c.data); failed != nil {
				cancel()
			}
		}
		p.free <- c // there is room for all chunks
	}
	if failed == nil {
		failed = p.err
	}
	if failed != nil {
		return taken{}, failed
	}
	r.report()
	out := taken{rows: r.rows}
	if r.rows > 0 {
		out.last = r.last
	}
	return out, nil
}

// cell is a value as the driver gave it: NULL, a text in the data of its chunk, or a whole number.
type cell struct {
	kind     cellKind
	from, to int   // of a text
	number   int64 // of a number
}

type cellKind uint8

const (
	null cellKind = iota
	text
	whole
)

// chunk holds some rows, copied out of the driver's buffer.
type chunk struct {
	cells []cell
	data  []byte
}

// The size of a chunk: whichever comes first. What is much larger is not kept for the next rows.
const (
	chunkRows  = 256
	chunkBytes = 256 << 10
	chunkKept  = 4 << 20
)

// pump reads rows into chunks until they end.
type pump struct {
	rows  driver.Rows
	width int
	full  chan *chunk // closed at the end, when err is set
	free  chan *chunk
	err   error
}

func (p *pump) run(ctx context.Context) {
	defer close(p.full)
	defer func() {
		if v := recover(); v != nil { // here it would end the process: who calls us can only catch its own
			p.err = fmt.Errorf("panic while reading rows: %v\n%s", v, debug.Stack())
		}
	}()
	values := make([]driver.Value, p.width)
	for ended := false; !ended; {
		var c *chunk
		select {
		case c = <-p.free:
		case <-ctx.Done():
			p.err = ctx.Err()
			return
		}
		if c.cells = c.cells[:0]; c.data == nil || cap(c.data) > chunkKept {
			c.data = make([]byte, 0, chunkBytes) // never nil: an empty text is not NULL
		}
		c.data = c.data[:0]
		for range chunkRows {
			err := p.rows.Next(values)
			if err == nil {
				err = c.add(values)
			}
			if err != nil {
				ended = true
				if err != io.EOF { // the rows of this chunk are good, the result is not
					p.err = err
				}
				break
			}
			if len(c.data) >= chunkBytes {
				break
			}
		}
		select {
		case p.full <- c:
		case <-ctx.Done():
			p.err = ctx.Err()
			return
		}
	}
}

// add copies a row: the driver uses its buffer again.
func (c *chunk) add(values []driver.Value) error {
	for _, v := range values {
		next := cell{kind: text, from: len(c.data)}
		switch v := v.(type) {
		case nil:
			next.kind = null
		case []byte:
			c.data = append(c.data, v...)
		case int64:
			next.kind, next.number = whole, v
		case uint64:
			c.data = strconv.AppendUint(c.data, v, 10)
		case float32:
			c.data = strconv.AppendFloat(c.data, float64(v), 'g', -1, 32)
		case float64:
			c.data = strconv.AppendFloat(c.data, v, 'g', -1, 64)
		default:
			return fmt.Errorf("the driver gave a %T", v)
		}
		next.to = len(c.data)
		c.cells = append(c.cells, next)
	}
	return nil
}

type rowReader struct {
	intake
	b       *arrowx.Batcher
	fields  []array.Builder
	width   int
	values  [][]byte // of the row at hand; nil is NULL, or a number that its column takes
	texts   [][]byte // room for the texts of numbers
	last    [][]byte
	rows    int64
	inBatch int // rows of the batch at hand
	// of which progress was not told yet
	newBytes, newRows int64
}

func (r *rowReader) row(ctx context.Context, cells []cell, data []byte) error {
	size := r.spell(cells, data)
	r.rows++
	r.newRows++
	r.newBytes += int64(size)
	if r.newRows == 1024 {
		r.report()
	}
	for i, v := range r.values[len(r.columns):] {
		if v == nil {
			r.last[i] = nil
			continue
		}
		if r.last[i] == nil {
			r.last[i] = []byte{} // an empty text is not NULL
		}
		r.last[i] = append(r.last[i][:0], v...)
	}
	if r.maxRow > 0 && size > r.maxRow {
		return r.refuse(cells, "", &badValue{extract.ReasonTooLong, fmt.Sprintf("the row has %d bytes, the limit is %d", size, r.maxRow)})
	}
	for i := range r.columns {
		c := &r.columns[i]
		if c.check == nil || r.values[i] == nil { // NULL, or a number that its column takes
			continue
		}
		if problem := c.check(r.values[i]); problem != nil {
			return r.refuse(cells, c.name, problem)
		}
	}
	if r.b.Room() == arrowx.MaxRows { // the first row of a batch, which will be about as long as the one before
		r.b.Reserve(r.inBatch)
		r.inBatch = 0
	}
	r.inBatch++
	for i := range r.columns {
		c := &r.columns[i]
		if cells[i].kind == whole && r.values[i] == nil {
			c.number(r.fields[i], cells[i].number)
			continue
		}
		c.append(r.fields[i], r.values[i])
	}
	return r.b.Row(ctx, size)
}

// spell sets the values of a row, numbers as texts but for those that their columns take, and gives its size.
func (r *rowReader) spell(cells []cell, data []byte) (size int) {
	for i, c := range cells {
		r.values[i] = nil
		switch {
		case c.kind == text:
			r.values[i] = data[c.from:c.to:c.to]
			size += c.to - c.from
		case c.kind == whole:
			size += 8
			if i >= len(r.columns) || r.columns[i].number == nil || r.columns[i].check != nil {
				r.texts[i] = strconv.AppendInt(r.texts[i][:0], c.number, 10)
				r.values[i] = r.texts[i]
			}
		}
	}
	return size
}

func (r *rowReader) report() {
	if r.progress != nil && r.newRows > 0 {
		r.progress(r.newBytes, r.newRows)
	}
	r.newBytes, r.newRows = 0, 0
}

// refuse rejects the row, or ends the reading when nobody takes rejects.
func (r *rowReader) refuse(cells []cell, column string, problem *badValue) error {
	if r.reject == nil {
		if column == "" {
			return errors.New(problem.message)
		}
		return fmt.Errorf("column %q: %s", column, problem.message)
	}
	return r.reject(extract.Reject{File: r.stream, Offset: -1, Column: column,
		Reason: problem.reason, Message: problem.message, Raw: rawRow(r.columns, cells, r.values)})
}

// rawRow is the row as JSON, each value as the server's text or, for bytes, as hex; cut at extract.MaxRaw.
func rawRow(columns []column, cells []cell, values [][]byte) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range columns {
		if b.Len() > extract.MaxRaw {
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		quoted(&b, []byte(c.name))
		b.WriteByte(':')
		switch v := values[i]; {
		case v == nil && cells[i].kind == whole:
			fmt.Fprintf(&b, `"%d"`, cells[i].number)
		case v == nil:
			b.WriteString("null")
		case c.binary:
			fmt.Fprintf(&b, `"%x"`, v[:min(len(v), extract.MaxRaw)])
		default:
			quoted(&b, v[:min(len(v), extract.MaxRaw)])
		}
	}
	b.WriteByte('}')
	text := b.String()
	if len(text) <= extract.MaxRaw {
		return text
	}
	cut := extract.MaxRaw
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// quoted writes a text in quotes. Bytes that are not UTF-8 are spelled \xNN, which JSON does not know: it is for people.
func quoted(b *strings.Builder, v []byte) {
	b.WriteByte('"')
	for len(v) > 0 {
		r, n := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(b, `\x%02x`, v[0])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.Write(v[:n])
		}
		v = v[n:]
	}
	b.WriteByte('"')
}
