package database

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
)

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
