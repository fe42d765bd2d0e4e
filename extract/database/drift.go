package database

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
)

// Drift compares the columns that a stream has now with the published ones (none: there is nothing to compare) and says
// by the policy which to leave out. Names are compared without regard to case, as DuckDB does.
func Drift(policy string, known, now []extract.Column) (leave []string, notes []string, err error) {
	if len(known) == 0 || policy == Evolve || policy == "" {
		return nil, nil, nil
	}
	var wrong []string
	for _, c := range now {
		switch was := find(known, c.Name); {
		case was == nil && policy == Freeze:
			leave = append(leave, c.Name)
			notes = append(notes, fmt.Sprintf("column %q is new and left out (on_schema_change: freeze)", c.Name))
		case was == nil:
			wrong = append(wrong, fmt.Sprintf("column %q is new (%s)", c.Name, c.Type))
		case was.Type != c.Type:
			wrong = append(wrong, fmt.Sprintf("column %q was %s and is %s", c.Name, was.Type, c.Type))
		}
	}
	for _, c := range known {
		if find(now, c.Name) == nil {
			wrong = append(wrong, fmt.Sprintf("column %q is gone", c.Name))
		}
	}
	if len(wrong) > 0 {
		return nil, nil, &Trouble{Message: "the columns have changed, and on_schema_change: " + policy + " forbids it: " + strings.Join(wrong, ", "),
			Advice: "when the change is right: on_schema_change: evolve, or run with --full-refresh to begin the table anew"}
	}
	return leave, notes, nil
}

// newColumns are the columns that a stream has now and the published table has not.
func newColumns(known, now []extract.Column) []string {
	var names []string
	for _, c := range now {
		if len(known) > 0 && find(known, c.Name) == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// AddedNote says what a new column means for a stream that reads what has changed.
func AddedNote(added []string, mode extract.Mode) string {
	if mode == extract.Append {
		return fmt.Sprintf("new columns (%s): rows that were read before have NULL in them; --full-refresh reads them anew", strings.Join(added, ", "))
	}
	return fmt.Sprintf("new columns (%s): all rows are read this time, since those that have not changed may hold values in them", strings.Join(added, ", "))
}

func find(list []extract.Column, name string) *extract.Column {
	i := slices.IndexFunc(list, func(c extract.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return nil
	}
	return &list[i]
}
