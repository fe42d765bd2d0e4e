package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
// What came is whole only when the error is nil.
func readQuery(ctx context.Context, conn *sql.Conn, text string, in intake, b *arrowx.Batcher) (taken, error) {
	r := rowReader{intake: in, b: b, fields: b.Fields(), last: make([][]byte, in.extra)}
	if err := query(ctx, conn, text, len(in.columns)+in.extra, func(cells [][]byte) error { return r.row(ctx, cells) }); err != nil {
		return taken{}, err
	}
	r.report()
	out := taken{rows: r.rows}
	if r.rows > 0 {
		out.last = r.last
	}
	return out, nil
}

type rowReader struct {
	intake
	b       *arrowx.Batcher
	fields  []array.Builder
	last    [][]byte
	rows    int64
	inBatch int // rows of the batch at hand
	// of which progress was not told yet
	newBytes, newRows int64
}

// row lands or rejects one row. Its cells are NULL where they are nil.
func (r *rowReader) row(ctx context.Context, cells [][]byte) error {
	size := 0
	for _, v := range cells {
		size += len(v)
	}
	r.rows++
	r.newRows++
	r.newBytes += int64(size)
	if r.newRows == 1024 {
		r.report()
	}
	for i, v := range cells[len(r.columns):] {
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
		if c.check == nil || cells[i] == nil {
			continue
		}
		if problem := c.check(cells[i]); problem != nil {
			return r.refuse(cells, c.name, problem)
		}
	}
	if r.b.Room() == arrowx.MaxRows { // the first row of a batch, which will be about as long as the one before
		r.b.Reserve(r.inBatch)
		r.inBatch = 0
	}
	r.inBatch++
	for i := range r.columns {
		r.columns[i].append(r.fields[i], cells[i])
	}
	return r.b.Row(ctx, size)
}

func (r *rowReader) report() {
	if r.progress != nil && r.newRows > 0 {
		r.progress(r.newBytes, r.newRows)
	}
	r.newBytes, r.newRows = 0, 0
}

// refuse rejects the row, or ends the reading when nobody takes rejects.
func (r *rowReader) refuse(cells [][]byte, column string, problem *badValue) error {
	if r.reject == nil {
		if column == "" {
			return errors.New(problem.message)
		}
		return fmt.Errorf("column %q: %s", column, problem.message)
	}
	return r.reject(extract.Reject{File: r.stream, Offset: -1, Column: column,
		Reason: problem.reason, Message: problem.message, Raw: rawRow(r.columns, cells)})
}

// rawRow is the row as JSON, each value as the server's text or, for bytes, as hex; cut at extract.MaxRaw.
func rawRow(columns []column, cells [][]byte) string {
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
		switch v := cells[i]; {
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
