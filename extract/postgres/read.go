package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/arrowx"
)

// Read implements extract.Source: one COPY, decoded while it comes.
func (s *source) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	var sp piece
	if err := json.Unmarshal([]byte(r.Slice.Spec), &sp); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", r.Slice.ID, r.Stream.Name, err)
	}
	snap, err := s.read(ctx, r, sp)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", r.Stream.Name, err)
	}
	return snap, nil
}

func (s *source) read(ctx context.Context, r extract.Request, sp piece) (*extract.Snapshot, error) {
	h, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	lost := fmt.Errorf("the session that held the snapshot was lost: %w", extract.ErrChanged)
	if sp.AsOf != "" && sp.AsOf != h.asOf.ID {
		return nil, lost
	}
	c, err := s.worker(ctx, h)
	if errors.Is(err, errLost) {
		s.drop(h)
		if sp.AsOf != "" {
			return nil, lost
		}
		return nil, fmt.Errorf("%w: %w", extract.ErrTransient, err)
	}
	if err != nil {
		return nil, err
	}
	snap, err := s.copyOut(ctx, r, sp, h, c)
	if err != nil {
		c.close()
		if code(err) == lockNotAvailable {
			return nil, s.giveWay(r, sp, h)
		}
		return nil, s.explain(ctx, err)
	}
	return snap, nil
}

// giveWay ends the snapshot for a session that waits to alter the table: it waits for the lock that our holder has, and we
// would wait behind it. Its turn comes first; what is read in a snapshot starts over.
func (s *source) giveWay(r extract.Request, sp piece, h *holder) error {
	s.drop(h)
	if sp.AsOf != "" {
		return fmt.Errorf("another session waits to alter %s, and goes first: %w", r.Stream.Name, extract.ErrChanged)
	}
	return fmt.Errorf("another session waits to alter %s, and goes first: %w", r.Stream.Name, extract.ErrTransient)
}

// copyOut starts the COPY. The snapshot that it gives ends the session.
func (s *source) copyOut(ctx context.Context, r extract.Request, sp piece, h *holder, c *session) (*extract.Snapshot, error) {
	rel, err := s.relation(ctx, c, h.facts, r.Stream)
	if err != nil {
		return nil, err
	}
	if rel.fingerprint() != sp.Columns || sp.File != "" && sp.File != rel.file {
		return nil, fmt.Errorf("%s was altered while it was read: %w", rel.name, extract.ErrChanged)
	}
	if err := rel.rewritten(ctx, c); err != nil {
		return nil, err
	}
	sql, columns, extra, err := rel.statement(sp, r.Resume)
	if err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(columns))
	for i, col := range columns {
		fields[i] = col.field
	}
	schema := arrow.NewSchema(fields, nil)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var d *copyDecoder // of the producer; the reader's end orders it before Outcome
	reader := arrowx.NewReader(ctx, schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		defer close(done)
		defer c.close()
		var bytes int64
		b := arrowx.NewBatcher(schema, func(batch arrow.RecordBatch) error {
			r.Progress(d.bytes-bytes, batch.NumRows())
			bytes = d.bytes
			return emit(batch)
		})
		defer b.Release()
		d = newCopyDecoder(ctx, columns, extra, b, r.Reject, copyOptions{stream: r.Stream.Name, maxRow: rel.option.RowLimit(), fail: rel.option.OnInexact == database.Fail, checkUTF8: h.encoding == "SQL_ASCII"})
		tag, err := c.PgConn().CopyTo(ctx, d, "COPY ("+sql+") TO STDOUT (FORMAT binary)")
		if d.err != nil { // what stopped the stream, not its echo
			return d.err
		}
		if err != nil {
			return s.explain(ctx, err)
		}
		if err := d.finish(); err != nil {
			return s.explain(ctx, err)
		}
		if n := tag.RowsAffected(); n != d.read {
			return fmt.Errorf("the server sent %d rows, %d were read", n, d.read)
		}
		return nil
	})
	return &extract.Snapshot{
		Reader: reader,
		Outcome: func() (extract.Outcome, error) {
			if err := reader.Err(); err != nil {
				return extract.Outcome{}, err
			}
			out := extract.Outcome{Read: d.read, Detail: map[string]string{"as_of": h.asOf.ID, "lsn": h.asOf.Position}}
			if sp.Paged && d.read == int64(rel.option.Page()) {
				text, err := json.Marshal(d.resume())
				if err != nil {
					return out, err
				}
				out.Next = string(text)
			}
			return out, nil
		},
		Close: func() { cancel(); <-done },
	}, nil
}

// statement is the SELECT of a piece. extra columns behind those to land are texts: the resume point is made of those of
// the last row.
func (r *relation) statement(sp piece, resume string) (sql string, columns []column, extra int, err error) {
	var where []string
	columns = r.columns
	cursor := ""
	if r.cursor != nil {
		cursor = quoteIdent(r.cursor.name)
	}
	switch sp.What {
	case allRows:
		if sp.From > 0 {
			where = append(where, fmt.Sprintf("ctid >= '(%d,0)'::tid", sp.From))
		}
		if sp.To > 0 {
			where = append(where, fmt.Sprintf("ctid < '(%d,0)'::tid", sp.To))
		}
		if sp.Top != "" {
			where = append(where, cursor+" <= "+r.cursor.value(sp.Top))
		}
	case changedRows:
		changed := cursor + " > " + r.cursor.value(sp.Lo) + " AND " + cursor + " <= " + r.cursor.value(sp.Top)
		if r.cursor.oneScan() && r.stream.Mode == extract.Incremental {
			changed = "(" + strings.Join(append([]string{changed}, r.cursor.outside()...), " OR ") + ")"
		}
		where = append(where, changed)
	case rangeRows:
		where = append(where, cursor+" >= "+r.cursor.value(sp.Lo), cursor+" < "+r.cursor.value(sp.Top))
	case nullRows:
		where = append(where, "("+strings.Join(r.cursor.outside(), " OR ")+")")
	case keysOnly:
		columns = r.keyColumns()
		for _, k := range columns {
			where = append(where, quoteIdent(k.name)+" IS NOT NULL")
		}
	case noRows:
		where = append(where, "FALSE")
	default:
		return "", nil, 0, fmt.Errorf("a slice of what: %q", sp.What)
	}
	tail := ""
	selected := columns
	if sp.Paged {
		order := append([]string{r.stream.Cursor}, r.stream.Key...)
		if resume != "" {
			after, err := r.after(order, resume)
			if err != nil {
				return "", nil, 0, err
			}
			where = append(where, after)
		}
		selected = append([]column(nil), columns...)
		for _, name := range order {
			selected = append(selected, column{expr: quoteIdent(name) + "::text"})
		}
		extra = len(order)
		// By the table's columns, not by those of the SELECT, which may be casts of the same name.
		tail = fmt.Sprintf(" ORDER BY %s LIMIT %d", joinIdents("q.", order), r.option.Page())
	}
	if len(where) > 0 {
		tail = " WHERE " + strings.Join(where, " AND ") + tail
	}
	return r.selects(selected, tail), columns, extra, nil
}

// after keeps the rows behind a resume point, in the order of cursor and key.
func (r *relation) after(order []string, resume string) (string, error) {
	var values []string
	if err := json.Unmarshal([]byte(resume), &values); err != nil || len(values) != len(order) {
		return "", fmt.Errorf("resume point %q: %w", resume, extract.ErrChanged)
	}
	literals := make([]string, len(values))
	for i, v := range values {
		literals[i] = literal(v) + "::" + r.typeOf(order[i])
	}
	return "(" + joinIdents("", order) + ") > (" + strings.Join(literals, ", ") + ")", nil
}

// typeOf is the type that a literal for the column is cast to: the column's own, but without a precision, which would
// round it.
func (r *relation) typeOf(name string) string {
	if r.cursor != nil && name == r.cursor.name {
		return r.cursor.sqlType
	}
	return r.column(name).sqlType
}
