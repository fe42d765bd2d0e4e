package database

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
)

// CheckNames refuses options that name columns which are not among names.
func CheckNames(s extract.Stream, o *StreamOptions, names []string) error {
	wanted := append([]string(nil), o.Exclude...)
	for name := range o.Columns.All() {
		wanted = append(wanted, name)
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return NoColumn(s.Name, name, names)
		}
	}
	return nil
}

// Choose gives the columns that a stream reads, of all that are there; the names of those that the published table has
// not; and notes. describe says how a column lands, and what is to be said of it, or "".
func Choose[C any](s extract.Stream, o *StreamOptions, all []C, describe func(C) (extract.Column, string)) (columns []C, added, notes []string, err error) {
	now, remarks := make([]extract.Column, len(all)), make([]string, len(all))
	for i, c := range all {
		now[i], remarks[i] = describe(c)
	}
	left, err := leftOut(s, o, now)
	if err != nil {
		return nil, nil, nil, err
	}
	var kept []extract.Column
	var names, told []string
	for i, c := range now {
		if !left[c.Name] {
			columns, kept = append(columns, all[i]), append(kept, c)
			names, told = append(names, c.Name), append(told, remarks[i])
		}
	}
	if !s.Closed {
		added = newColumns(s.Known, kept)
	}
	return columns, added, grouped(names, told), nil
}

// leftOut says which of a stream's columns are left out by exclude:. now are all columns that are there.
func leftOut(s extract.Stream, o *StreamOptions, now []extract.Column) (map[string]bool, error) {
	left := map[string]bool{}
	for _, name := range o.Exclude {
		left[name] = true
	}
	if !slices.ContainsFunc(now, func(c extract.Column) bool { return !left[c.Name] }) {
		return nil, &Trouble{Message: fmt.Sprintf("%s has no columns to read", s.Name), Advice: "exclude: leaves none, or the table has none"}
	}
	return left, nil
}

// grouped says each note once, with the columns that it is about. names and notes go together; "" is no note.
func grouped(names, notes []string) []string {
	var order []string
	about := map[string][]string{}
	for i, note := range notes {
		if note == "" {
			continue
		}
		if about[note] == nil {
			order = append(order, note)
		}
		about[note] = append(about[note], names[i])
	}
	var out []string
	for _, note := range order {
		out = append(out, strings.Join(about[note], ", ")+": "+note)
	}
	return out
}

// NoColumn says that a column is not there, and which was meant perhaps.
func NoColumn(stream, name string, names []string) error {
	t := &Trouble{Message: fmt.Sprintf("%s has no column %q", stream, name), Advice: "the columns are: " + strings.Join(names, ", ")}
	if near := config.Suggest(name, names); near != "" {
		t.Advice = fmt.Sprintf("did you mean %q? %s", near, t.Advice)
	}
	return t
}

// Class says how a cursor's values come to be.
type Class int

// The classes of cursors: moments, moments without a zone, days, and numbers that are given out in order.
const (
	Moments Class = iota + 1
	LocalMoments
	Days
	Numbers
)

// IndexColumns are the columns of an index that serves reading by cursor and key.
func IndexColumns(cursor string, key []string) []string {
	return append([]string{cursor}, slices.DeleteFunc(slices.Clone(key), func(k string) bool { return k == cursor })...)
}

// LikelyCursor says whether a column of that name could order changes: it leaves out numbers that are most likely no
// version of a row, and moments that are facts of the row rather than of its last change.
func LikelyCursor(name string, c Class) bool {
	return changeName(name) || createName(name) && (c == Moments || c == LocalMoments)
}

func changeName(name string) bool {
	low := strings.ToLower(name)
	return slices.ContainsFunc([]string{"updat", "modif", "chang", "last_", "version", "rev"}, func(word string) bool { return strings.Contains(low, word) })
}

func createName(name string) bool {
	low := strings.ToLower(name)
	return strings.Contains(low, "creat") || strings.Contains(low, "insert")
}

// SortCursors puts the best first: what tells of changes before what tells of creation, what is never NULL and indexed
// before the rest. It says which tell of creation.
func SortCursors(candidates []extract.CursorCandidate) {
	rank := func(c extract.CursorCandidate) int {
		r := 0
		if !changeName(c.Column) {
			r += 4
		}
		if c.Nullable {
			r += 2
		}
		if !c.Indexed {
			r++
		}
		return r
	}
	for i, c := range candidates {
		candidates[i].Creation = createName(c.Column) && !changeName(c.Column)
	}
	slices.SortStableFunc(candidates, func(a, b extract.CursorCandidate) int { return rank(a) - rank(b) })
}
