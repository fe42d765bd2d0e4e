package database

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
)

// Mark is what the cursor of a database stream holds.
type Mark struct {
	// Value is the cursor column's, as the server's text at full resolution: every row at or below it was read, and
	// no row can appear there any more.
	Value string `json:"value"`
	// At is when that was found, by the server's clock, and Ahead how far it was ahead of ours: by both it shows when a
	// clock is set back.
	At    time.Time     `json:"at,omitzero"`
	Ahead time.Duration `json:"ahead,omitzero"`
	// Offset is the distance of local time from UTC then, for cursors without a zone. A source that sees to summer time
	// itself leaves that out.
	Offset time.Duration `json:"offset,omitzero"`
	// Seen is a value that becomes the mark's when it was seen long enough ago, for cursors that are numbers where
	// nothing shows how far they are complete.
	Seen   string    `json:"seen,omitzero"`
	SeenAt time.Time `json:"seen_at,omitzero"`
	// Sum is of all the rest. Without it the mark is taken for what a person has written.
	Sum string `json:"sum,omitzero"`
}

// ParseMark reads a cursor. A plain text, as a person sets it, is a value; of a mark that a person has changed its value is
// kept and what runs have found out is not.
func ParseMark(c extract.Cursor) (Mark, error) {
	if !strings.HasPrefix(string(c), "{") {
		return Mark{Value: string(c)}, nil
	}
	var m Mark
	if err := json.Unmarshal([]byte(c), &m); err != nil {
		return m, fmt.Errorf("cursor %s: %w", c, err)
	}
	if m.Value == "" && m.Seen == "" { // another source's
		return m, fmt.Errorf("cursor %s has no value", c)
	}
	sum := m.Sum
	if m.Sum = ""; sum != m.sum() {
		return Mark{Value: m.Value}, nil
	}
	return m, nil
}

// sum is over what Cursor keeps. m has none yet.
func (m Mark) sum() string {
	text, _ := json.Marshal(m) // a plain struct
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(text))
}

// ByHand says that a person has set the mark: no run has proven it.
func (m Mark) ByHand() bool { return m.At.IsZero() }

// InFuture is the error of a mark of the stream's cursor column that was set by hand to a moment that has not come where it
// is now, or to a word such as yesterday, which means another one in each run: rows that come until then would never be read.
func (m Mark) InFuture(s extract.Stream, now string) error {
	return &Trouble{Message: fmt.Sprintf("the cursor %q of %s is no moment of the past (it is %s there): rows that come until then would never be read", m.Value, s.Cursor, now),
		Advice: fmt.Sprintf("millrace state set %s takes a date or a time up to now", s.Node)}
}

// TooFar is the error of one that was set by hand beyond the greatest number that there is.
func (m Mark) TooFar(s extract.Stream, top string) error {
	return &Trouble{Message: fmt.Sprintf("the cursor %s of %s lies beyond the greatest that there is, %s: rows up to it would never be read", m.Value, s.Cursor, top),
		Advice: fmt.Sprintf("millrace state set %s takes a number up to that", s.Node)}
}

// Next is the cursor of a window that ends at hi, where since was and the greatest value that there is is top. present is a
// mark of now. ripening: nothing shows how far a number is complete, and top is kept to count when it is old enough.
func (m Mark) Next(since extract.Cursor, present Mark, hi, top string, ripening bool) extract.Cursor {
	next := present
	next.Value, next.Seen, next.SeenAt = hi, m.Seen, m.SeenAt
	if ripening && (m.Seen == "" || hi == m.Seen) {
		next.Seen, next.SeenAt = top, present.At
	}
	if held := m.ByHand() && top != ""; next.Value == m.Value && next.Seen == m.Seen && !held {
		return since // nothing has moved: nothing is to be published, but that a mark set by hand was held against what is there
	}
	return next.Cursor()
}

// Cursor is the mark as the engine keeps it.
func (m Mark) Cursor() extract.Cursor {
	if m.Value == "" && m.Seen == "" {
		return ""
	}
	m.Ahead, m.Sum = m.Ahead.Round(time.Millisecond), ""
	m.Sum = m.sum()
	text, _ := json.Marshal(m) // a plain struct
	return extract.Cursor(text)
}

// jitter is by how much two clocks may seem to drift between runs without anyone having set them.
const jitter = 2 * time.Second

// SetBack says by how much local time at the server was set back since m was made: by hand, by NTP, or by another zone.
// now is a mark of the present. 0: it was not, as far as can be seen.
func (m Mark) SetBack(now Mark) time.Duration {
	if m.At.IsZero() {
		return 0
	}
	back := max(m.Ahead-now.Ahead, m.At.Sub(now.At))
	if back < jitter {
		back = 0
	}
	return back + max(m.Offset-now.Offset, 0)
}
