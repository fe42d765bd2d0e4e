package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
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

func readRows(ctx context.Context, rows driver.Rows, in intake, b *arrowx.Batcher) (taken, error) {
	names := rows.Columns()
	if len(names) != len(in.columns)+in.extra {
		return taken{}, fmt.Errorf("the result has %d columns, %d were asked for", len(names), len(in.columns)+in.extra)
	}
	r := rowReader{intake: in, b: b, fields: b.Fields(), came: make([]driver.Value, len(names)), values: make([][]byte, len(names)), texts: make([][]byte, len(names)), last: make([][]byte, in.extra)}
	for {
		err := rows.Next(r.came)
		if err == io.EOF {
			break
		}
		if err != nil {
			return taken{}, err
		}
		if err := r.row(ctx); err != nil {
			return taken{}, err
		}
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
	b      *arrowx.Batcher
	fields []array.Builder
	came   []driver.Value // of the row at hand; texts point into the driver's buffer
	values [][]byte       // the same as texts; nil is NULL, and a number whose column takes numbers
	texts  [][]byte       // room for the texts of numbers
	last   [][]byte
	rows   int64
	// of which progress was not told yet
	newBytes, newRows int64
}

func (r *rowReader) row(ctx context.Context) error {
	size, err := r.spell()
	if err != nil {
		return err
	}
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
		return r.refuse("", &badValue{extract.ReasonTooLong, fmt.Sprintf("the row has %d bytes, the limit is %d", size, r.maxRow)})
	}
	for i := range r.columns {
		c := &r.columns[i]
		if c.check == nil || r.values[i] == nil { // NULL, or a number that its column takes
			continue
		}
		if problem := c.check(r.values[i]); problem != nil {
			return r.refuse(c.name, problem)
		}
	}
	for i := range r.columns {
		c := &r.columns[i]
		if n, ok := r.came[i].(int64); ok && r.values[i] == nil {
			c.number(r.fields[i], n)
			continue
		}
		c.append(r.fields[i], r.values[i])
	}
	return r.b.Row(ctx, size)
}

// spell makes texts of what the driver has parsed, but for numbers that are appended as they are, and gives the size of
// the row.
func (r *rowReader) spell() (size int, err error) {
	for i, v := range r.came {
		text := r.texts[i][:0]
		switch v := v.(type) {
		case nil:
			r.values[i] = nil
			continue
		case []byte:
			r.values[i] = v
			size += len(v)
			continue
		case int64:
			if i < len(r.columns) && r.columns[i].number != nil && r.columns[i].check == nil {
				r.values[i] = nil
				size += 8
				continue
			}
			text = strconv.AppendInt(text, v, 10)
		case uint64:
			text = strconv.AppendUint(text, v, 10)
		case float32:
			text = strconv.AppendFloat(text, float64(v), 'g', -1, 32)
		case float64:
			text = strconv.AppendFloat(text, v, 'g', -1, 64)
		default:
			return 0, fmt.Errorf("the driver gave a %T", v)
		}
		r.texts[i], r.values[i] = text, text
		size += len(text)
	}
	return size, nil
}

func (r *rowReader) report() {
	if r.progress != nil && r.newRows > 0 {
		r.progress(r.newBytes, r.newRows)
	}
	r.newBytes, r.newRows = 0, 0
}

// refuse rejects the row, or ends the reading when nobody takes rejects.
func (r *rowReader) refuse(column string, problem *badValue) error {
	if r.reject == nil {
		if column == "" {
			return errors.New(problem.message)
		}
		return fmt.Errorf("column %q: %s", column, problem.message)
	}
	return r.reject(extract.Reject{File: r.stream, Offset: -1, Column: column,
		Reason: problem.reason, Message: problem.message, Raw: rawRow(r.columns, r.came, r.values)})
}

// rawRow is the row as JSON, each value as the server's text or, for bytes, as hex; cut at extract.MaxRaw.
func rawRow(columns []column, came []driver.Value, values [][]byte) string {
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
		case v == nil && came[i] != nil:
			fmt.Fprintf(&b, `"%d"`, came[i])
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
