package database

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
)

// wallLayout spells moments at full resolution; sessions are in UTC.
const wallLayout = "2006-01-02 15:04:05.999999"

// PlanRange makes w a window of the stream's range, of which slice adds a slice between two edges. since is the live cursor;
// added are columns that no run has read yet.
func PlanRange(w *extract.Window, st extract.Stream, class Class, since extract.Cursor, added []string, slice func(id, lo, hi string)) error {
	if len(added) > 0 {
		return notReadYet(st, added)
	}
	mark, err := ParseMark(since)
	if err != nil {
		return err
	}
	edges, cut, err := edgesOf(st, class, mark)
	if err != nil {
		return err
	}
	switch {
	case mark.Value == "":
		w.Notes = append(w.Notes, fmt.Sprintf("no run has moved the cursor of %s yet: the next one reads all of it", st.Node))
	case len(edges) < 2 && st.Range.Open:
		return &Trouble{Message: fmt.Sprintf("the range begins beyond the cursor %s of %s, which stands at %s, and without --to it ends there", st.Cursor, st.Node, mark.Value),
			Advice: fmt.Sprintf("begin before %s; what lies beyond is read by millrace run %s", mark.Value, st.Node)}
	case len(edges) < 2:
		w.Notes = append(w.Notes, fmt.Sprintf("all of the range lies beyond the cursor, %s: the next run reads it", mark.Value))
	case cut:
		w.Notes = append(w.Notes, fmt.Sprintf("the range ends at the cursor, %s: the next run reads on from there", mark.Value))
	}
	w.Lo, w.Overlaps = "", true
	if len(edges) < 2 {
		return nil
	}
	w.Covers = &extract.Covered{From: edges[0], To: edges[len(edges)-1]}
	for i := range len(edges) - 1 {
		slice(strings.Replace(edges[i], " ", "T", 1), edges[i], edges[i+1])
	}
	return nil
}

// edgesOf spells the edges of the slices of the stream's range as values of its cursor, which is of this class, rising. They
// end at mark at the latest, which then cuts them: what lies beyond is for the runs that move it. Fewer than two: all of it does.
func edgesOf(st extract.Stream, class Class, mark Mark) (edges []string, cut bool, err error) {
	switch {
	case mark.Value == "":
		return nil, false, nil
	case class == Numbers:
		return numberEdges(st, mark)
	}
	return momentEdges(st, class, mark)
}

func numberEdges(st extract.Stream, mark Mark) (edges []string, cut bool, err error) {
	if len(st.Range.Moments) > 0 {
		return nil, false, &Trouble{Message: fmt.Sprintf("the cursor %s of %s is a number, %s, and the range is one of dates", st.Cursor, st.Node, mark.Value),
			Advice: "give --from, --to and --slice as numbers, or --exclude the stream"}
	}
	until, ok := new(big.Rat).SetString(mark.Value)
	if !ok {
		return nil, false, unreadable(st, mark)
	}
	numbers, cut, err := st.Range.Numbers(until)
	for _, n := range numbers {
		edges = append(edges, extract.NumberText(n))
	}
	return edges, cut, err
}

// momentEdges has moments as the server's sessions write them, in UTC. A cursor without a zone is compared with the wall
// clock of the range's zone: where that goes back, an edge that would lie before another is left out.
func momentEdges(st extract.Stream, class Class, mark Mark) (edges []string, cut bool, err error) {
	if len(st.Range.Moments) == 0 {
		return nil, false, &Trouble{Message: fmt.Sprintf("the cursor %s of %s is a date or a time, %s, and the range is one of numbers", st.Cursor, st.Node, mark.Value),
			Advice: "give --from and --to as 2026-03-01, or --exclude the stream"}
	}
	until, err := markTime(mark)
	if err != nil {
		return nil, false, unreadable(st, mark)
	}
	layout := wallLayout
	if class == Days {
		layout = time.DateOnly
	}
	last := time.Time{}
	for i, t := range st.Range.Moments {
		at := t.UTC()
		if class != Moments {
			at = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		}
		if class == Days {
			at = at.Truncate(24 * time.Hour)
		}
		if at.After(until) {
			at, cut = until, true
		}
		if i == 0 || at.After(last) {
			edges, last = append(edges, at.Format(layout)), at
		}
	}
	return slices.Compact(edges), cut, nil
}

// markTime reads a mark as the server has spelled it.
func markTime(mark Mark) (t time.Time, err error) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00", wallLayout, time.DateOnly, time.RFC3339} {
		if t, err = time.Parse(layout, mark.Value); err == nil {
			return t.UTC(), nil
		}
	}
	return t, err
}

func unreadable(st extract.Stream, mark Mark) error {
	return &Trouble{Message: fmt.Sprintf("the cursor of %s stands at %q, with which no range can be compared", st.Node, mark.Value),
		Advice: fmt.Sprintf("millrace state set %s takes a plain value, and the next run proves it", st.Node)}
}

// notReadYet is the error of a range of a stream that has new columns at its source: read for a part of the rows only, they
// would look like columns that no run has to read all rows for.
func notReadYet(st extract.Stream, added []string) error {
	return &Trouble{Message: fmt.Sprintf("there are new columns (%s), for which all rows are to be read once", strings.Join(added, ", ")),
		Advice: fmt.Sprintf("millrace run %s first, then the backfill", st.Node)}
}
