package mysql

import (
	"slices"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// ranged plans the window of a backfill. Its slices hold in any later state too: they show what the rows have become then.
func (p *planner) ranged() error {
	c := p.rel.cursor
	if c == nil {
		return &database.Trouble{Message: "there is no cursor", Advice: "add cursor: to the stream"}
	}
	err := database.PlanRange(p.w, p.stream, c.class, p.since, p.rel.added, func(id, lo, hi string) {
		p.slice(id, p.paged(piece{What: rangeRows, Lo: lo, Top: hi}), 0)
	})
	if err == nil {
		p.freshKeys()
	}
	return err
}

// freshKeys has the keys of all rows read in this state: those of an earlier one are of no use.
func (p *planner) freshKeys() {
	p.w.AsOf = &p.h.asOf
	p.w.Slices = slices.DeleteFunc(p.w.Slices, func(s extract.Slice) bool { return s.Keys })
	if p.stream.Deletes && p.w.Covers != nil {
		p.slice("keys@"+p.h.asOf.ID, piece{What: keysOnly}, 0)
	}
}
