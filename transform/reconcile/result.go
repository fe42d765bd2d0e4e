package reconcile

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/warehouse"
)

// Result is what a comparison found.
type Result struct {
	Left      Total     `json:"left"` // what is expected
	Right     Total     `json:"right"`
	Key       []string  `json:"key,omitempty"`
	Columns   []*Column `json:"columns"`              // that both sides have, the key first
	OnlyLeft  []string  `json:"only_left,omitempty"`  // columns of one side, not compared
	OnlyRight []string  `json:"only_right,omitempty"` //

	Missing   int64 `json:"missing"`   // rows that only the left side has
	Extra     int64 `json:"extra"`     // rows that only the right side has
	Different int64 `json:"different"` // rows with the same key and other values
	Newer     int64 `json:"newer"`     // rows that the left side has got, or changed, since the right side was made; not among the others
	Diverted  int64 `json:"diverted"`  // rows that were kept out of the right side on purpose; not among the others

	Tolerance config.Threshold `json:"tolerance"`
	Numeric   config.Tolerance `json:"numeric,omitzero"`
	Sample    *Sample          `json:"sample,omitempty"`
	List      warehouse.File   `json:"-"`      // all differences, one in each row
	ByRow     bool             `json:"by_row"` // single rows were compared, and their number decides
	keepsGone bool
	countless bool // the number of rows was not asked for
	figured   bool // figures of columns decide: no values were compared, from which they would follow
}

// Total is one side as a whole.
type Total struct {
	Name         string `json:"name"`
	Rows         int64  `json:"rows"`
	RepeatedKeys int64  `json:"repeated_keys"` // keys that more than one row has
	RepeatedRows int64  `json:"repeated_rows"` // rows that have these
	NullKeys     int64  `json:"null_keys"`     // rows whose key has a NULL
}

// Column is a column that both sides have.
type Column struct {
	Name      string    `json:"name"`
	LeftType  string    `json:"left_type"`
	RightType string    `json:"right_type"`
	Key       bool      `json:"key,omitempty"`
	Left      Figures   `json:"left"`
	Right     Figures   `json:"right"`
	Differs   []Measure `json:"differs,omitempty"`   // figures that are not equal
	Different int64     `json:"different,omitempty"` // rows of which this value differs
	Why       string    `json:"why,omitempty"`       // it was not compared

	at     int
	secret bool
}

// Figures are those of a column on one side. A nil one was not measured, or there is none.
type Figures struct {
	Nulls int64   `json:"nulls"`
	Sum   *string `json:"sum,omitempty"`
	Min   *string `json:"min,omitempty"`
	Max   *string `json:"max,omitempty"`

	size float64 // sum of the sizes of floats
}

// Sample is a few of the differences. A nil cell is NULL.
type Sample struct {
	Columns []string    `json:"columns"`
	Rows    [][]*string `json:"rows"`
}

// Failing is the number of rows that are not as expected. Where only figures were compared it is by how many rows the sides
// differ, and at least one when another figure differs.
func (r *Result) Failing() int64 {
	n := r.Missing + r.Different
	if !r.keepsGone {
		n += r.Extra
	}
	if !r.ByRow && !r.countless {
		n = max(r.Left.Rows-r.Right.Rows, r.Right.Rows-r.Left.Rows)
	}
	if n == 0 && r.figuresDiffer() {
		n = 1
	}
	return n
}

// figuresDiffer says whether something differs that no single row shows.
func (r *Result) figuresDiffer() bool {
	for _, c := range r.Columns {
		if c.Why != "" || r.figured && len(c.Differs) > 0 {
			return true
		}
	}
	return false
}

// Same says whether nothing differs at all.
func (r *Result) Same() bool { return r.Failing() == 0 }

// Within says whether what differs is within the tolerance.
func (r *Result) Within() bool {
	return !r.figuresDiffer() && !r.Tolerance.Exceeded(r.Failing(), r.Left.Rows)
}

// Summary says in words what was found.
func (r *Result) Summary() string {
	var parts []string
	if r.ByRow {
		parts = append(parts, r.rowWords()...)
	} else if r.Left.Rows != r.Right.Rows && !r.countless {
		parts = append(parts, fmt.Sprintf("%s in %s, %d in %s", rows(r.Left.Rows), r.Left.Name, r.Right.Rows, r.Right.Name))
	}
	var columns []string
	for _, c := range r.Columns {
		switch {
		case c.Why != "":
			columns = append(columns, fmt.Sprintf("%s cannot be compared (%s)", c.Name, c.Why))
		case r.figured && len(c.Differs) > 0:
			columns = append(columns, fmt.Sprintf("%s of %s differ", c.figures(), c.Name))
		}
	}
	if len(columns) > 0 {
		parts = append(parts, some(columns, "; "))
	}
	if len(parts) == 0 {
		parts = append(parts, "all "+rows(r.Left.Rows)+" are the same")
		if !r.ByRow {
			parts[0] = "all figures of " + rows(r.Left.Rows) + " are the same"
		}
		switch {
		case r.Left.Rows == 0 && r.Right.Rows == 0:
			parts[0] = "both sides are empty"
		case r.Newer+r.Diverted > 0:
			parts[0] = "nothing else differs, of " + rows(r.Left.Rows)
		}
	}
	return strings.Join(append(parts, r.notes()...), "; ")
}

func (c *Column) figures() string {
	names := make([]string, len(c.Differs))
	for i, m := range c.Differs {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}

// rowWords are the counts of rows, as "3 missing, 1 extra, 2 different (amount 2)".
func (r *Result) rowWords() []string {
	var parts []string
	for _, of := range []struct {
		n    int64
		what string
	}{{r.Missing, "missing"}, {r.Extra, "extra"}, {r.Different, "different"}} {
		if of.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.n, of.what))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	text := strings.Join(parts, ", ")
	var columns []string
	for _, c := range r.Columns {
		if c.Different > 0 {
			columns = append(columns, fmt.Sprintf("%s %d", c.Name, c.Different))
		}
	}
	if len(columns) > 0 {
		text += " (" + some(columns, ", ") + ")"
	}
	return []string{fmt.Sprintf("%s, of %s", text, rows(r.Left.Rows))}
}

// notes are what was found and is not judged.
func (r *Result) notes() []string {
	var notes []string
	note := func(n int64, format string, args ...any) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	if r.keepsGone {
		note(r.Extra, "extra rows are kept by the table on purpose")
	}
	note(r.Newer, "%s newer than the table", are(r.Newer))
	note(r.Diverted, "%s in quarantine", are(r.Diverted))
	for _, t := range []Total{r.Left, r.Right} {
		note(t.RepeatedKeys, "%s: %s share %s", t.Name, rows(t.RepeatedRows), plural(t.RepeatedKeys, "key"))
		note(t.NullKeys, "%s: %s with a NULL in the key", t.Name, rows(t.NullKeys))
	}
	note(int64(len(r.OnlyLeft)), "only %s has %s", r.Left.Name, some(r.OnlyLeft, ", "))
	note(int64(len(r.OnlyRight)), "only %s has %s", r.Right.Name, some(r.OnlyRight, ", "))
	return notes
}

// namedColumns is how many columns a summary names.
const namedColumns = 10

// some joins what is said of the first columns, and tells how many more there are.
func some(said []string, sep string) string {
	if more := len(said) - namedColumns; more > 0 {
		said = append(said[:namedColumns:namedColumns], fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(said, sep)
}

func are(n int64) string {
	if n == 1 {
		return "1 row is"
	}
	return fmt.Sprintf("%d rows are", n)
}

func rows(n int64) string { return plural(n, "row") }

func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
