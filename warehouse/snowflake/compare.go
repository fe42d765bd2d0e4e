package snowflake

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Measure is one number of a proof, on both sides.
type Measure struct {
	Column, Name, Here, There string // Column is "" for those of whole rows
	Equal                     bool
}

// measureNames are those that a proof may have of a column, as people read them.
var measureNames = []struct{ key, name string }{
	{"c", "values"}, {"min", "minimum"}, {"max", "maximum"}, {"sum", "sum"}, {"bytes", "bytes"}, {"longest", "longest"},
}

// Measures puts two proofs side by side. Their keys are the names of the proof's columns in lower case; what is NULL is "" or absent.
func Measures(columns []Column, here, there map[string]string) []Measure {
	out := []Measure{
		{Name: "rows", Here: here["n"], There: there["n"], Equal: here["n"] == there["n"]},
		{Name: "hash", Here: here["hash"], There: there["hash"], Equal: here["hash"] == there["hash"]},
	}
	for i, c := range columns {
		for _, m := range measureNames {
			key := m.key + strconv.Itoa(i)
			a, b := here[key], there[key]
			if a == "" && b == "" {
				continue
			}
			equal := a == b || c.family() == floats && m.key != "c" && close(a, b)
			out = append(out, Measure{c.Source, m.name, a, b, equal})
		}
	}
	return out
}

// Compare says what differs between two proofs, a line each.
func Compare(columns []Column, here, there map[string]string) []string {
	var lines []string
	onlyHash := true
	for _, m := range Measures(columns, here, there) {
		switch {
		case m.Equal:
		case m.Column != "":
			lines = append(lines, fmt.Sprintf("column %q: %s %s here, %s there", m.Column, m.Name, orNull(m.Here), orNull(m.There)))
			onlyHash = false
		case m.Name == "rows":
			lines = append(lines, fmt.Sprintf("%s rows here, %s there", orNull(m.Here), orNull(m.There)))
			onlyHash = false
		default:
			lines = append(lines, fmt.Sprintf("hash of all rows %s here, %s there", orNull(m.Here), orNull(m.There)))
		}
	}
	if onlyHash && len(lines) > 0 {
		lines[0] += ": some value differs that no sum, minimum or maximum shows"
	}
	return lines
}

func orNull(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// close says whether two texts are the same float but for how many digits of it are written. What a FLOAT of 32 bits cuts is more.
func close(a, b string) bool {
	x, okX := float(a)
	y, okY := float(b)
	if !okX || !okY {
		return false
	}
	if math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0) || math.IsInf(y, 0) {
		return math.IsNaN(x) && math.IsNaN(y) || x == y
	}
	return math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
}

// float reads a text; the largest float, written with fewer digits than it has, may be beyond all floats.
func float(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) && math.IsInf(x, 0) {
		return math.Copysign(math.MaxFloat64, x), true
	}
	return x, err == nil
}

// The times that Snowflake has: years 1 to 9999, and a day without its end (docs.snowflake.com/en/sql-reference/data-types-datetime).
var (
	firstInstant = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	endOfTime    = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	endOfDay     = (24 * time.Hour).Microseconds()
)

// Fits says by a LocalProof whether Snowflake can hold all values, before anything is sent.
func Fits(columns []Column, here map[string]string) error {
	for i, c := range columns {
		at := strconv.Itoa(i)
		if err := c.fits(here["min"+at], here["max"+at], here["longest"+at]); err != nil {
			return fmt.Errorf("column %q: %w", c.Source, err)
		}
	}
	return nil
}

func (c Column) fits(least, most, longest string) error {
	switch c.family() {
	case texts:
		return atMost(longest, MaxText)
	case binaries:
		return atMost(longest, MaxBinary)
	case dates:
		for _, v := range []string{least, most} {
			if _, err := time.Parse(time.DateOnly, v); v != "" && (err != nil || strings.HasPrefix(v, "0000")) {
				return fmt.Errorf("the date %s is beyond Snowflake's, which are of the years 1 to 9999: make it NULL or another one in a model", v)
			}
		}
	case times:
		return between(most, 0, endOfDay, "24:00:00 is no time in Snowflake: make it 00:00:00 in a model")
	case instants:
		const why = "Snowflake's are of the years 1 to 9999: make it NULL or another one in a model"
		if err := between(least, firstInstant, endOfTime, why); err != nil {
			return err
		}
		return between(most, firstInstant, endOfTime, why)
	}
	return nil
}

func atMost(longest string, limit int64) error {
	if n, err := strconv.ParseInt(longest, 10, 64); longest != "" && (err != nil || n > limit) {
		return fmt.Errorf("a value has %s bytes, and Snowflake takes %d: shorten it in a model, or leave the column out", longest, limit)
	}
	return nil
}

// between looks at a time in microseconds; end is the first that is too late.
func between(v string, first, end int64, why string) error {
	if v == "" {
		return nil
	}
	micros, err := strconv.ParseInt(v, 10, 64)
	if err == nil && first <= micros && micros < end {
		return nil
	}
	if err == nil {
		v = time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05.999999")
	}
	return fmt.Errorf("the time %s cannot be held: %s", v, why)
}
