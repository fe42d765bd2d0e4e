package database

import (
	"encoding/json"
	"fmt"
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
}

// ParseMark reads a cursor. A plain text, as a person sets it, is a value.
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
	return m, nil
}

// ByHand says that a person has set the mark: no run has proven it.
func (m Mark) ByHand() bool { return m.At.IsZero() }

// InFuture is the error of a mark that was set by hand to a moment that has not come where it is now, or to a word such as
// yesterday, which means another one in each run: rows that come until then would never be read.
func (m Mark) InFuture(source, stream, column, now string) error {
	return &Trouble{Message: fmt.Sprintf("the cursor %q of %s is no moment of the past (it is %s there): rows that come until then would never be read", m.Value, column, now),
		Advice: fmt.Sprintf("millrace state set %s.%s takes a date or a time up to now", source, stream)}
}

// Cursor is the mark as the engine keeps it.
func (m Mark) Cursor() extract.Cursor {
	if m.Value == "" && m.Seen == "" {
		return ""
	}
	m.Ahead = m.Ahead.Round(time.Millisecond)
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
