package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/arrowx"
)

// Read implements extract.Source: one SELECT, whose rows are decoded while they come. All reads share the session that
// holds the snapshot, one after the other.
func (s *source) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	var pc piece
	if err := json.Unmarshal([]byte(r.Slice.Spec), &pc); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", r.Slice.ID, r.Stream.Name, err)
	}
	snap, err := s.read(ctx, r, pc)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", r.Stream.Name, s.explain(ctx, err))
	}
	return snap, nil
}

func (s *source) read(ctx context.Context, r extract.Request, pc piece) (*extract.Snapshot, error) {
	h, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	if pc.AsOf != "" && pc.AsOf != h.asOf.ID {
		return nil, fmt.Errorf("the session that held the snapshot was lost: %w", extract.ErrChanged)
	}
	done, err := h.use(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := s.selectRows(ctx, r, pc, h, done)
	if err != nil {
		done()
	}
	return snap, err
}

// selectRows starts the SELECT. The snapshot that it gives frees the session.
func (s *source) selectRows(ctx context.Context, r extract.Request, pc piece, h *holder, done func()) (*extract.Snapshot, error) {
	rel, err := s.relation(ctx, h.session, r.Stream)
	if err != nil {
		return nil, err
	}
	if rel.fingerprint() != pc.Columns {
		return nil, fmt.Errorf("%s was altered while it was read: %w", rel.from, extract.ErrChanged)
	}
	query, columns, err := rel.statement(pc, r.Resume)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var got taken // of the producer; the reader's end orders it before Outcome
	reader := arrowx.NewReader(ctx, schema(columns), func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		defer close(ended)
		defer done()
		b := arrowx.NewBatcher(schema(columns), emit)
		defer b.Release()
		in := intake{stream: r.Stream.Name, columns: columns, extra: len(pc.Order), maxRow: rel.option.RowLimit(), reject: r.Reject, progress: r.Progress}
		if rel.option.OnInexact == database.Fail {
			in.reject = nil
		}
		var err error
		if got, err = readQuery(ctx, h.Conn, query, in, b); err != nil {
			if serverCode(err) == definitionChanged { // of a table that the window's look did not come to
				s.drop(h)
			}
			return s.explain(ctx, err)
		}
		return b.Flush()
	})
	return &extract.Snapshot{
		Reader: reader,
		Outcome: func() (extract.Outcome, error) {
			if err := reader.Err(); err != nil {
				return extract.Outcome{}, err
			}
			out := extract.Outcome{Read: got.rows, Detail: map[string]string{"as_of": h.asOf.ID, "position": h.asOf.Position}}
			if len(pc.Order) > 0 && got.rows == int64(rel.option.Page()) {
				texts := make([]string, len(got.last))
				for i, v := range got.last {
					if !utf8.Valid(v) { // half a surrogate pair: as JSON it would be another text, and rows would be left out
						return out, &database.Trouble{Message: fmt.Sprintf("%s of the last row of a page is no valid text: the next page cannot begin there", pc.Order[i]), Advice: "mend the row, or set page_rows: to another number"}
					}
					texts[i] = string(v)
				}
				text, err := json.Marshal(texts)
				if err != nil {
					return out, err
				}
				out.Next = string(text)
			}
			return out, nil
		},
		Close: func() { cancel(); <-ended },
	}, nil
}

// statement is the SELECT of a piece. Behind the columns to land come those of pc.Order as texts: the resume point is
// made of those of the last row.
func (r *relation) statement(pc piece, resume string) (query string, columns []column, err error) {
	var where []string
	columns = r.columns
	cursor := ""
	if r.cursor != nil {
		cursor = quoteName(r.cursor.name)
	}
	switch pc.What {
	case allRows:
		if pc.Top != "" {
			where = append(where, cursor+" <= "+r.cursor.value(pc.Top))
		}
	case changedRows:
		changed := cursor + " > " + r.cursor.value(pc.Lo) + " AND " + cursor + " <= " + r.cursor.value(pc.Top)
		if r.cursor.unindexedNulls() && r.stream.Mode == extract.Incremental {
			changed = "(" + changed + " OR " + cursor + " IS NULL)"
		}
		where = append(where, changed)
	case rangeRows:
		where = append(where, cursor+" >= "+r.cursor.value(pc.Lo), cursor+" < "+r.cursor.value(pc.Top))
	case nullRows:
		where = append(where, cursor+" IS NULL")
	case keysOnly:
		columns = nil
		for _, name := range r.stream.Key {
			columns = append(columns, *r.column(name))
			where = append(where, quoteName(name)+" IS NOT NULL")
		}
	case noRows:
		where = append(where, "FALSE")
	default:
		return "", nil, fmt.Errorf("a slice of what: %q", pc.What)
	}
	selected, tail := selectList(columns), ""
	if len(pc.Order) > 0 {
		for _, name := range pc.Order {
			expr, _, ok := r.pageKey(name)
			if !ok {
				return "", nil, fmt.Errorf("column %s is not what it was: %w", name, extract.ErrChanged)
			}
			selected += ", " + expr
		}
		if resume != "" {
			after, err := r.after(pc.Order, resume)
			if err != nil {
				return "", nil, err
			}
			where = append(where, after)
		}
		qualified := make([]string, len(pc.Order)) // by the table's columns: an expression of the SELECT may have their name
		for i, name := range pc.Order {
			qualified[i] = r.from + "." + quoteName(name)
		}
		tail = fmt.Sprintf(" ORDER BY %s LIMIT %d", strings.Join(qualified, ", "), r.option.Page())
	}
	query = "SELECT " + selected + " FROM " + r.from
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	return query + tail, columns, nil
}

// after keeps the rows behind a resume point. The servers make no use of an index for (a, b) > (x, y): it is spelt out,
// with a bound on the first column that an index can be entered by.
func (r *relation) after(order []string, resume string) (string, error) {
	var values []string
	if err := json.Unmarshal([]byte(resume), &values); err != nil || len(values) != len(order) {
		return "", fmt.Errorf("resume point %q: %w", resume, extract.ErrChanged)
	}
	literals := make([]string, len(order))
	for i, name := range order {
		_, literal, ok := r.pageKey(name)
		if !ok {
			return "", fmt.Errorf("column %s is not what it was: %w", name, extract.ErrChanged)
		}
		literals[i] = literal(values[i])
	}
	text := ""
	for i := len(order) - 1; i >= 0; i-- {
		greater := quoteName(order[i]) + " > " + literals[i]
		if text == "" {
			text = greater
		} else {
			text = greater + " OR (" + quoteName(order[i]) + " = " + literals[i] + " AND (" + text + "))"
		}
	}
	return quoteName(order[0]) + " >= " + literals[0] + " AND (" + text + ")", nil
}
