package extract

import (
	"fmt"
	"math/big"
	"regexp"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Range is a piece of the past that a backfill reads again, cut into slices: of moments, or of numbers.
type Range struct {
	// Moments are the edges of the slices, rising, in the zone whose days they follow; none where the range is one of numbers.
	Moments        []time.Time
	from, to, step *big.Rat // of numbers; to nil: up to the stream's cursor; step nil: one slice
	// Open is of a range that was asked for without an end, which is where the stream's cursor stands.
	Open bool
}

// MaxSlices is how many slices a range may have.
const MaxSlices = 10_000

// RangeError says which part of a range cannot be, and what can.
type RangeError struct{ Field, Message, Next string }

func (e *RangeError) Error() string { return fmt.Sprintf("--%s: %s", e.Field, e.Message) }

// Hint says what can be.
func (e *RangeError) Hint() string { return e.Next }

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// ParseRange reads a range as people write it: dates and times of the zone, RFC 3339, or numbers. to "" means up to the
// stream's cursor, which is not after now; slice "" means days, or one slice of numbers.
func ParseRange(from, to, slice string, zone *time.Location, now time.Time) (*Range, error) {
	if number.MatchString(from) {
		return numbers(from, to, slice)
	}
	begin, err := moment("from", from, zone)
	if err != nil {
		return nil, err
	}
	end := now.In(zone)
	if to == "" && !begin.Before(end) {
		return nil, &RangeError{"from", begin.Format(time.RFC3339) + " has not come yet, and without --to the range ends where the cursor stands", "begin before the cursor of the stream: millrace state show lists them"}
	}
	if to != "" {
		if end, err = moment("to", to, zone); err != nil {
			return nil, err
		}
	}
	if !begin.Before(end) {
		return nil, &RangeError{"to", fmt.Sprintf("nothing lies from %s up to %s", begin.Format(time.RFC3339), end.Format(time.RFC3339)), "the range ends before its --to, which must come after --from"}
	}
	step := config.Duration(24 * time.Hour)
	if slice != "" {
		if err := step.UnmarshalText([]byte(slice)); err != nil || step <= 0 {
			return nil, &RangeError{"slice", fmt.Sprintf("%q is no span of time", slice), "write 1d, 12h or 1w"}
		}
	}
	r := &Range{Open: to == ""}
	for i := 0; ; i++ {
		edge := after(begin, step.Std(), i)
		if i == MaxSlices+1 {
			return nil, tooMany("a longer one, such as 7d")
		}
		if !edge.Before(end) {
			break
		}
		r.Moments = append(r.Moments, edge)
	}
	r.Moments = append(r.Moments, end)
	if len(r.Moments) > MaxSlices+1 {
		return nil, tooMany("a longer one, such as 7d")
	}
	return r, nil
}

// after is n steps later. Whole days follow the calendar: where clocks change they have 23 or 25 hours.
func after(t time.Time, step time.Duration, n int) time.Time {
	const day = 24 * time.Hour
	if step%day == 0 {
		return t.AddDate(0, 0, n*int(step/day))
	}
	return t.Add(time.Duration(n) * step)
}

func tooMany(hint string) error {
	return &RangeError{"slice", fmt.Sprintf("the range has more than %d slices", MaxSlices), "take " + hint}
}

func moment(field, text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.In(zone), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return widest(field, t), nil
		}
	}
	return time.Time{}, &RangeError{field, fmt.Sprintf("%q is no date, time or number", text), "write 2026-03-01, 2026-03-01T06:00, RFC 3339, or a number where the cursor is one"}
}

// widest is the moment at which a range begins or ends whose local time comes twice, as clocks go back an hour.
func widest(field string, t time.Time) time.Time {
	other := t.Add(time.Hour)
	if field == "from" {
		other = t.Add(-time.Hour)
	}
	if other.Format(time.DateTime) == t.Format(time.DateTime) {
		return other
	}
	return t
}

func numbers(from, to, slice string) (*Range, error) {
	r := &Range{Open: to == ""}
	r.from, _ = new(big.Rat).SetString(from)
	if to != "" {
		if !number.MatchString(to) {
			return nil, &RangeError{"to", fmt.Sprintf("%q is no number", to), "--from is one: both are dates, or both are numbers"}
		}
		if r.to, _ = new(big.Rat).SetString(to); r.from.Cmp(r.to) >= 0 {
			return nil, &RangeError{"to", fmt.Sprintf("nothing lies from %s up to %s", from, to), "the range ends before its --to, which must be greater than --from"}
		}
	}
	if slice == "" {
		return r, nil
	}
	if !number.MatchString(slice) {
		return nil, &RangeError{"slice", fmt.Sprintf("%q is no number", slice), "the range is one of numbers, and so are its slices: 100000"}
	}
	if r.step, _ = new(big.Rat).SetString(slice); r.step.Sign() <= 0 {
		return nil, &RangeError{"slice", fmt.Sprintf("%q is no size", slice), "write a number greater than 0"}
	}
	if r.to == nil {
		return r, nil
	}
	_, _, err := r.Numbers(r.to)
	return r, err
}

// Numbers are the edges of the slices, rising and up to until, which may cut them; none when the range begins behind it, or
// is one of moments.
func (r *Range) Numbers(until *big.Rat) (edges []*big.Rat, cut bool, err error) {
	if r.from == nil {
		return nil, false, nil
	}
	end := until
	if cut = r.to == nil || r.to.Cmp(until) > 0; !cut {
		end = r.to
	}
	for edge := r.from; edge.Cmp(end) < 0; edge = new(big.Rat).Add(edge, r.step) {
		if edges = append(edges, edge); len(edges) > MaxSlices {
			return nil, cut, tooMany("a greater one")
		}
		if r.step == nil {
			break
		}
	}
	if edges == nil {
		return nil, cut, nil
	}
	return append(edges, end), cut, nil
}

// NumberText writes a number of a range as SQL takes it.
func NumberText(n *big.Rat) string {
	if n.IsInt() {
		return n.Num().String()
	}
	digits, _ := n.FloatPrec()
	return n.FloatString(digits)
}
