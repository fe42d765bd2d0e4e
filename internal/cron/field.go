package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// field is what one of the five fields may hold.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var fieldsOf = [...]field{
	{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day-of-month", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day-of-week", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// check tells what is wrong with a field, in better words than the parser has.
func (f field) check(text string) error {
	for _, token := range strings.Split(text, ",") {
		if err := f.checkToken(token); err != nil {
			err.Message = fmt.Sprintf("%s %q: %s", f.name, text, err.Message)
			return err
		}
	}
	return nil
}

func (f field) checkToken(token string) *Error {
	span, step, stepped := strings.Cut(token, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1) {
		return &Error{fmt.Sprintf("the step %q is no number from 1", step), "write */5 for every fifth, from the first on"}
	}
	switch {
	case token == "":
		return &Error{"a value is missing beside a comma", "write values with one comma between two: 1,2"}
	case span == "?" && f.name != "day-of-month" && f.name != "day-of-week":
		return &Error{"? stands for no day in particular, and this is no field of days", "write *"}
	case span == "*" || span == "?":
		return nil
	}
	fromText, toText, ranged := strings.Cut(span, "-")
	from, wrong := f.value(fromText)
	if wrong != nil || !ranged {
		return wrong
	}
	to, wrong := f.value(toText)
	if wrong == nil && from > to {
		return &Error{fmt.Sprintf("%s comes after %s", fromText, toText), "write " + f.around(fromText, toText, from, to)}
	}
	return wrong
}

// value reads a number or a name.
func (f field) value(text string) (int, *Error) {
	upper := strings.ToUpper(text)
	if i := slices.Index(f.names, upper); i >= 0 {
		return f.min + i, nil
	}
	allowed := fmt.Sprintf("write a number from %d to %d", f.min, f.max)
	if f.names != nil {
		allowed += fmt.Sprintf(", or a name from %s to %s", f.names[0], f.names[len(f.names)-1])
	}
	if text == "" {
		return 0, &Error{"a value is missing", allowed}
	}
	if i := slices.IndexFunc(f.names, func(name string) bool { return strings.HasPrefix(upper, name) }); i >= 0 {
		return 0, &Error{fmt.Sprintf("names have three letters, and %s has %d", text, len(text)), "write " + f.names[i]}
	}
	if strings.Trim(text, "0123456789") != "" {
		return 0, &Error{fmt.Sprintf("%q is no such value", text), allowed}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max {
		return 0, &Error{fmt.Sprintf("%s is not between %d and %d", text, f.min, f.max), allowed}
	}
	return n, nil
}

// around writes a range that goes on at the beginning of the field: days and months by their names, all else as two ranges.
func (f field) around(fromText, toText string, from, to int) string {
	if f.names == nil || strings.Trim(fromText+toText, "0123456789") == "" {
		return fmt.Sprintf("%d-%d,%d-%d", from, f.last(), f.min, to)
	}
	var names []string
	for i := from - f.min; ; i = (i + 1) % len(f.names) {
		names = append(names, f.names[i])
		if i == to-f.min {
			return strings.Join(names, ",")
		}
	}
}

// last is the last value that is not the first again, as Sunday is.
func (f field) last() int {
	if f.name == "day-of-week" {
		return 6
	}
	return f.max
}

// onlyFirst says whether a step leads out of its range at once.
func (f field) onlyFirst(span string, step int) bool {
	fromText, toText, ranged := strings.Cut(span, "-")
	from, _ := f.value(fromText)
	to := f.max
	if ranged {
		to, _ = f.value(toText)
	}
	return span != "?" && from+step > to
}
