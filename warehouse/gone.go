package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The part of a merge that deals with rows which the source does not have any more.

// prepareGone checks the key set and adds the column of the mark.
func (m *merger) prepareGone(ctx context.Context) error {
	if len(m.in.Present) > 0 {
		m.in.HasPresent = true
		if err := m.matchPresent(ctx); err != nil {
			return fmt.Errorf("key set: %w", err)
		}
	}
	if m.in.Mark == "" {
		return nil
	}
	if m.in.MarkedAt.IsZero() {
		return errors.New("a mark needs its time")
	}
	m.columns = m.withMark(m.columns)
	mark := m.columns[len(m.columns)-1]
	switch m.in.Mark = mark.Name; {
	case mark.Type != markType:
		return fmt.Errorf("column %q is to mark deleted rows, but is a column of type %s already: name another one", mark.Name, mark.Type)
	case mark.Name == m.in.Cursor || slices.Contains(m.in.Key, mark.Name):
		return fmt.Errorf("column %q cannot mark deleted rows: it is the key or the cursor", mark.Name)
	}
	return nil
}

// withMark moves the mark to the end of the columns, or adds it there.
func (m *merger) withMark(columns []Column) []Column {
	if m.in.Mark == "" {
		return columns
	}
	mark := Column{m.in.Mark, markType}
	out := make([]Column, 0, len(columns)+1)
	for _, c := range columns {
		if strings.EqualFold(c.Name, m.in.Mark) {
			mark = c
			continue
		}
		out = append(out, c)
	}
	return append(out, mark)
}

// matchPresent makes sure that the key set can be compared with the table: it has the key, and a wider type of its
// widens the table's as a landed one would. A column that is not there would read as NULL, and every row be gone.
func (m *merger) matchPresent(ctx context.Context) error {
	paths := make([]string, len(m.in.Present))
	for i, f := range m.in.Present {
		paths[i] = f.Path
	}
	found, err := m.w.Describe(ctx, "SELECT * FROM "+m.d.Files(paths))
	if err != nil {
		return err
	}
	var wider []Column
	for _, k := range m.only(m.in.Key...) {
		i := slices.IndexFunc(found, func(c Column) bool { return strings.EqualFold(c.Name, k.Name) })
		if i < 0 {
			return fmt.Errorf("there is no column %q", k.Name)
		}
		if stored, err := Stored(k.Type); err != nil || stored != found[i].Type { // else the file spells the same type
			wider = append(wider, found[i])
		}
	}
	m.columns, err = UnionColumns(m.columns, wider)
	return err
}

// gone is a file with the keys that the source does not have any more: published, not marked yet, and neither landed
// nor in the key set, or said to be deleted.
func (m *merger) gone(ctx context.Context, winners []File) ([]File, error) {
	if !m.in.HasPresent && len(m.in.Deleted) == 0 {
		return nil, nil
	}
	key := m.only(m.in.Key...)
	landed, deleted := m.d.Scan(winners, key), m.d.Scan(m.in.Deleted, key)
	var kept, gone string
	if m.in.HasPresent {
		stay := m.d.Scan(m.in.Present, key)
		if len(m.in.Deleted) > 0 {
			stay = m.d.Without(stay, deleted, m.in.Key)
		}
		kept, gone = m.divide(m.d.Union(stay, landed))
	} else {
		gone, kept = m.divide(m.d.Without(deleted, landed, m.in.Key))
	}
	write, name, term := m.write, "deletes-keys", "deleted"
	if m.in.Mark != "" {
		write, name, term = m.temp, "gone", "marked"
		kept = m.d.Union(kept, m.keysOf(*m.in.Prev, func(rows string) string { return m.d.Marked(rows, m.in.Mark) }))
	}
	f, err := write(ctx, name, gone)
	if err != nil {
		return nil, fmt.Errorf("find deleted rows: %w", err)
	}
	n, err := m.count(ctx, kept)
	if err != nil {
		return nil, err
	}
	m.account("before", m.in.Prev.Rows, Term{Name: "kept", Rows: n}, Term{Name: term, Rows: f.Rows})
	if f.Rows == 0 {
		return nil, nil
	}
	return []File{f}, nil
}

// divide selects the live published rows whose key is among these, and the others.
func (m *merger) divide(keys string) (among, without string) {
	among = m.live(*m.in.Prev, func(rows string) string { return m.d.Among(rows, keys, m.in.Key) })
	without = m.live(*m.in.Prev, func(rows string) string { return m.d.Without(rows, keys, m.in.Key) })
	return among, without
}

// live are the keys of a version's rows that are not marked and that keep lets through.
func (m *merger) live(v Version, keep func(rows string) string) string {
	return m.keysOf(v, func(rows string) string {
		if m.in.Mark != "" {
			rows = m.d.Unmarked(rows, m.in.Mark)
		}
		return keep(rows)
	})
}

// keysOf reads the key and the mark, if there is one, of a version's rows.
func (m *merger) keysOf(v Version, keep func(rows string) string) string {
	v.Columns = m.only(append(slices.Clone(m.in.Key), m.in.Mark)...)
	return m.d.SelectWhere(v, keep)
}

// mark is a file with the published rows of these keys, marked.
func (m *merger) mark(ctx context.Context, gone []File) ([]File, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	f, err := m.write(ctx, "upserts-marked", m.d.SetMark(m.published(m.columns), m.d.Scan(gone, m.only(m.in.Key...)), m.columns, m.in.Key, m.in.Mark, m.in.MarkedAt))
	if err != nil {
		return nil, fmt.Errorf("mark deleted rows: %w", err)
	}
	return []File{f}, nil
}

// missed looks every present key up in the next version. There, one that Classify would insert was missed.
func (m *merger) missed(ctx context.Context) error {
	if !m.in.HasPresent {
		return nil
	}
	key, live := m.only(m.in.Key...), m.live(m.out.Version, func(rows string) string { return rows })
	present := m.d.Scan(m.in.Present, key)
	keyed := m.d.WithKey(present, m.in.Key)
	counts, err := m.outcomes(ctx, m.d.Classify(keyed, live, key, m.in.Key, Order{}))
	if err != nil {
		return err
	}
	keyless, err := m.count(ctx, m.d.Keyless(present, m.in.Key))
	if err != nil {
		return err
	}
	if counts["inserted"] > 0 { // rows: a key may repeat
		row, err := m.row(ctx, m.d.KeyStats(m.d.Without(keyed, live, m.in.Key), m.in.Key))
		if err != nil {
			return fmt.Errorf("count missed keys: %w", err)
		}
		m.out.Missed = row[1]
	}
	m.account("present", rowsOf(m.in.Present), Term{Name: "found", Rows: counts["unchanged"]},
		Term{Name: "missed", Rows: counts["inserted"]}, Term{Name: "keyless", Rows: keyless})
	return nil
}
