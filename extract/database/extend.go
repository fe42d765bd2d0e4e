package database

import (
	"slices"

	"github.com/millrace/millrace/extract"
)

// Extend makes a window that was fixed in an earlier state of the source show a later one: after the rows that it names come
// those that have changed since, which more names as everything beyond fixed.Hi. Parts that are landed of it stay good.
// The keys of the earlier state are of no more use: those of the later one are in more.
func Extend(fixed, more *extract.Window) {
	fixed.Slices = slices.DeleteFunc(fixed.Slices, func(s extract.Slice) bool { return s.Keys })
	for _, s := range more.Slices {
		s.ID += "@" + more.AsOf.ID
		fixed.Slices = append(fixed.Slices, s)
	}
	fixed.Hi, fixed.AsOf, fixed.Overlaps = more.Hi, more.AsOf, more.Overlaps
	fixed.Notes = append(more.Notes, "gone on in a later state of the source: what has changed since is read too")
}
