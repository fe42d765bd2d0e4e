package mysql

import (
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

// freshKeys has the keys of all rows read in this state.
func (p *planner) freshKeys() {
	database.FreshKeys(p.w, p.stream, &p.h.asOf, func(id string) { p.slice(id, piece{What: keysOnly}, 0) })
}
